package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

// A Watch crawls a mapping again and again as its files change.
//
// Events are hints, the incremental crawl is the truth: an event only says
// that it is worth crawling, and which files to leave alone meanwhile. So
// nothing depends on events being complete, in order, or there at all. Where
// they do not come, folders are looked through at intervals instead, and a
// crawl at longer intervals finds what both have missed.
//
// A file is crawled when it has settled: when nothing was heard of it for a
// while. Files that have settled wait for those that have not, so that 10,000
// new files make one crawl, but not for long; after that the others are held
// back from the crawl (Crawl.Hold) and come with a later one.
//
// One goroutine decides (watching.loop). Crawls and looks at slow file systems
// run in goroutines of their own and hand their results to it.
type Watch struct {
	File string // of the mapping
	// Crawl crawls once. hold is for Crawl.Hold. An error has been told; nil is
	// also for a crawl that left records in quarantine.
	Crawl func(ctx context.Context, m *Loaded, hold func(path string) bool) error
	Tell  func(WatchEvent) // called from one goroutine

	Settle    time.Duration // how long a file must have been quiet
	SettleMax time.Duration // how long files that have settled wait for others
	Poll      time.Duration // between looks at folders of which no events come
	Rescan    time.Duration // between crawls that nothing has asked for; 0 is never
	NoEvents  bool          // look at all folders

	notify func() (notifier, <-chan fsnotify.Event, <-chan error, error) // nil is fsnotify
	remote func(dir string) string                                       // nil is remote
}

// A WatchEvent is something in the life of a Watch. Type is one of
//
//	watching  it has begun: events come of Folders
//	polling   the folders of Source are looked at every Every, for Reason
//	settled   Files have changed and are crawled now; Waiting are held back
//	crawling  a crawl begins for another Reason: start, rescan, retry, mapping,
//	          polling (it has begun), lost events
//	retrying  the crawl has failed and is tried again in Every
//	blocked   the crawl has stopped, and is tried again when something changes
//	reloaded  the mapping has changed and is in force
//	invalid   the mapping has changed, Err is wrong with it, the old one stays in force
//	gone      the folder Path is not there any more; nothing of it is deleted
//	back      it is there again
//	lost      events were lost; a crawl makes up for them
//	stopped   it has ended
type WatchEvent struct {
	Type    string
	Source  string
	Path    string
	Reason  string
	Files   int
	Sample  []string // some of Files
	Waiting int
	Folders int
	Every   time.Duration
	Err     error
}

// A notifier tells of changes in folders; *fsnotify.Watcher is one.
type notifier interface {
	Add(dir string) error
	Remove(dir string) error
	WatchList() []string
	Close() error
}

func newNotifier() (notifier, <-chan fsnotify.Event, <-chan error, error) {
	w, err := fsnotify.NewBufferedWatcher(4096)
	if err != nil {
		return nil, nil, nil, err
	}
	return w, w.Events, w.Errors, nil
}

// waitMost is how long files that have settled wait for others at most,
// however long a crawl takes.
const waitMost = 30 * time.Second

// The first retry of a crawl that failed comes after retryFirst, each next one
// after twice as long, up to retryMost.
const (
	retryFirst = 5 * time.Second
	retryMost  = 5 * time.Minute
)

// Run watches until ctx ends. Its error is that of the mapping when it cannot
// be loaded at first, ctx's when a crawl was interrupted by it, and else nil.
func (w *Watch) Run(ctx context.Context) error {
	m, err := Load(w.File)
	if err != nil {
		return err
	}
	s := &watching{
		Watch: w, settler: newSettler(w.Settle), m: m, polled: map[string]string{}, lists: map[string]listing{}, roots: map[string]fs.FileInfo{},
		crawled: make(chan error, 1), looked: make(chan *look, 1), print: printOf(m.Files),
	}
	if s.Watch.remote == nil {
		s.Watch.remote = remote
	}
	if s.Watch.notify == nil {
		s.Watch.notify = newNotifier
	}
	s.start()
	defer s.close()
	return s.loop(ctx)
}

// watching is a Watch at work.
type watching struct {
	*Watch
	*settler
	m *Loaded

	notifier notifier // nil: no events come at all
	events   <-chan fsnotify.Event
	errs     <-chan error
	dirs     map[string]*folder  // that are watched, by real path
	links    map[string][]string // real path of a file -> the links to it, as a crawl names them
	fulls    map[string]bool     // the watched folders, as a crawl names them
	syncAt   time.Time           // when the watched folders are to be compared with those that are there
	syncTook time.Duration

	polled map[string]string  // source -> why its folders are looked at
	lists  map[string]listing // source -> what was there at the last look
	roots  map[string]fs.FileInfo
	lookAt time.Time // when to look next, at the roots and the files that have not settled
	listAt time.Time // when to look at whole folders
	looked chan *look
	busy   bool // a look is under way

	print   uint64    // of the mapping's files
	checkAt time.Time // when to compare it
	loadAt  time.Time // when the mapping's files have settled
	invalid string    // what was told of the mapping last; "" is that it is good

	crawling bool
	crawled  chan error
	crawls   int       // so far
	began    time.Time // the last of them
	took     time.Duration
	reason   string    // to crawl, besides files that have settled
	askedAt  time.Time // when to crawl for that reason
	notSoon  time.Time // no crawl before that
	failures int
	blocked  bool // until something changes
	rescanAt time.Time
	lookAll  bool // the next look is at all folders
}

// ask asks for a crawl at a time.
func (s *watching) ask(reason string, at time.Time) { s.reason, s.askedAt = reason, at }

func (s *watching) close() {
	if s.notifier != nil {
		s.notifier.Close()
	}
	s.Tell(WatchEvent{Type: "stopped"})
}

// start makes the watcher and begins to watch. The first crawl comes when what
// is being written to has had time to show.
func (s *watching) start() {
	now := time.Now()
	s.notSoon = now.Add(s.Settle)
	s.ask("start", s.notSoon)
	if !s.NoEvents {
		n, events, errs, err := s.Watch.notify()
		if err != nil {
			s.pollAll(watchProblem(err))
		} else {
			s.notifier, s.events, s.errs = n, events, errs
		}
	} else {
		s.pollAll("asked for")
	}
	s.sync(now, true)
	s.Tell(WatchEvent{Type: "watching", Folders: len(s.dirs)})
	s.lookAt = now
	if s.Rescan > 0 {
		s.rescanAt = now.Add(s.Rescan)
	}
}

func watchProblem(err error) string {
	if remedy := limitRemedy(err); remedy != "" {
		return remedy
	}
	return fmt.Sprintf("the system does not tell of changes (%v)", err)
}

func (s *watching) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			if !s.crawling {
				return nil
			}
			return interrupted(<-s.crawled) // it ends at a checkpoint
		case ev, ok := <-s.events:
			if !ok {
				s.broken(errors.New("it has ended"))
				break
			}
			s.hear(ev, time.Now())
			s.hearMore()
		case err, ok := <-s.errs:
			switch {
			case !ok:
				s.errs = nil
			case errors.Is(err, fsnotify.ErrEventOverflow):
				s.lost()
			default:
				s.broken(err)
			}
		case err := <-s.crawled:
			if ctx.Err() != nil {
				return interrupted(err)
			}
			s.ended(err, time.Now())
		case l := <-s.looked:
			s.busy = false
			s.found(l, time.Now())
		case <-timer.C:
		}
		timer.Reset(time.Until(s.step(ctx, time.Now())))
	}
}

// interrupted is the error of a crawl if it was interrupted, not if it ended by
// itself, however that was.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// hearMore takes the events that are there already, a burst of them at once.
func (s *watching) hearMore() {
	for range 1000 {
		select {
		case ev, ok := <-s.events:
			if !ok {
				return
			}
			s.hear(ev, time.Now())
		default:
			return
		}
	}
}

// step does what is due and says when the next thing is.
func (s *watching) step(ctx context.Context, now time.Time) time.Time {
	next := now.Add(time.Hour)
	due := func(at *time.Time) bool {
		switch {
		case at.IsZero():
			return false
		case at.After(now):
			next = earlier(next, *at)
			return false
		}
		*at = time.Time{}
		return true
	}
	if due(&s.checkAt) {
		s.checkMapping(now)
	}
	if due(&s.loadAt) {
		s.reload(now)
	}
	if due(&s.syncAt) {
		s.sync(now, false)
	}
	next = earlier(next, s.scan(now))
	if !s.busy && due(&s.lookAt) {
		s.look(ctx, now)
	}
	if !s.crawling {
		if due(&s.rescanAt) {
			s.rescan(now)
		}
		if at := s.crawlTime(); !at.IsZero() && !at.After(now) {
			s.crawl(ctx, now)
		} else {
			next = earlier(next, at)
		}
	}
	return next
}

// earlier gives the earlier of two times; the zero time is never.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

// crawlTime is when the next crawl is to begin; zero is not at all as yet.
func (s *watching) crawlTime() time.Time {
	// While files keep coming, crawls take half of the time at most, if they can.
	at := s.ready(max(s.SettleMax, min(s.took, waitMost)))
	if s.reason != "" {
		at = earlier(s.askedAt, at)
	}
	if !at.IsZero() && at.Before(s.notSoon) {
		return s.notSoon
	}
	return at
}

func (s *watching) rescan(now time.Time) {
	switch {
	case s.blocked: // the same crawl would stop again, unless something has changed
		s.lookAt, s.lookAll = now, true
		s.rescanAt = now.Add(s.Rescan)
	case s.reason == "":
		s.ask("rescan", now)
		s.syncAt = now
	}
}

func (s *watching) crawl(ctx context.Context, now time.Time) {
	files, sample, waiting := s.take()
	ev := WatchEvent{Type: "settled", Files: files, Sample: sample, Waiting: waiting, Reason: s.reason}
	if files == 0 {
		ev.Type = "crawling"
	}
	s.Tell(ev)
	s.reason, s.blocked, s.crawling, s.began = "", false, true, now
	s.rescanAt, s.notSoon = time.Time{}, time.Time{}
	s.crawls++
	s.forgetLists()
	m := s.m
	go func() { s.crawled <- s.Watch.Crawl(ctx, m, s.holds) }()
}

// ended takes in the end of a crawl.
func (s *watching) ended(err error, now time.Time) {
	s.crawling, s.took = false, now.Sub(s.began)
	if s.Rescan > 0 {
		s.rescanAt = now.Add(s.Rescan)
	}
	switch {
	case err == nil:
		s.failures = 0
	case stays(err):
		s.failures, s.blocked = 0, true
		s.lookAt, s.lookAll = now, true // to know a change from this
		s.Tell(WatchEvent{Type: "blocked", Err: err})
	default:
		wait := retryMost
		if s.failures < 10 {
			wait = min(retryFirst<<s.failures, retryMost)
		}
		s.failures++
		s.notSoon = now.Add(wait)
		s.ask("retry", s.notSoon)
		s.Tell(WatchEvent{Type: "retrying", Every: wait, Err: err})
	}
}

// forgetLists forgets what is known of folders that tell of changes themselves.
func (s *watching) forgetLists() {
	for name := range s.lists {
		if _, polled := s.polled[name]; !polled {
			delete(s.lists, name)
		}
	}
}

// stays tells whether a crawl would stop again while nothing changes.
func stays(err error) bool {
	var (
		guard    *GuardError
		groups   *GroupGuardError
		drift    *DriftError
		foreign  *ForeignError
		widening *state.WideningError
		balance  *BalanceError
		schema   *load.SchemaError
		mapping  *transform.Error
		mappings transform.Errors
	)
	return errors.As(err, &guard) || errors.As(err, &groups) || errors.As(err, &drift) || errors.As(err, &foreign) || errors.As(err, &widening) ||
		errors.As(err, &balance) || errors.As(err, &schema) || errors.As(err, &mapping) || errors.As(err, &mappings)
}

// lost makes up for events that were lost.
func (s *watching) lost() {
	s.Tell(WatchEvent{Type: "lost"})
	now := time.Now()
	s.ask("lost events", now.Add(s.Settle))
	s.syncAt, s.checkAt = now, now
}

// broken gives up on events.
func (s *watching) broken(err error) {
	s.notifier.Close()
	s.notifier, s.events, s.errs, s.dirs, s.links, s.fulls = nil, nil, nil, nil, nil, nil
	s.pollAll(watchProblem(err))
	s.lost()
}

func (s *watching) pollAll(reason string) {
	for _, src := range s.m.Sources {
		s.pollSource(src, reason)
	}
}

func (s *watching) pollSource(src *transform.Source, reason string) {
	if _, already := s.polled[src.Name]; already {
		return
	}
	s.polled[src.Name] = reason
	s.lookAt, s.listAt = time.Now(), time.Time{}
	s.Tell(WatchEvent{Type: "polling", Source: src.Name, Reason: reason, Every: s.Poll})
}

// checkMapping looks whether the mapping's files have changed.
func (s *watching) checkMapping(now time.Time) {
	if print := printOf(s.m.Files); print != s.print {
		s.print, s.loadAt = print, now.Add(s.Settle)
	} else if s.invalid != "" && s.loadAt.IsZero() {
		s.loadAt = now // a file that it names may have come
	}
}

// reload takes up a mapping that has changed.
func (s *watching) reload(now time.Time) {
	if print := printOf(s.m.Files); print != s.print {
		s.print, s.loadAt = print, now.Add(s.Settle)
		return
	}
	m, err := Load(s.File)
	if err != nil {
		if err.Error() != s.invalid {
			s.invalid = err.Error()
			s.Tell(WatchEvent{Type: "invalid", Err: err})
		}
		return
	}
	s.m, s.invalid, s.print = m, "", printOf(m.Files)
	s.Tell(WatchEvent{Type: "reloaded"})
	s.polled, s.lists, s.roots = map[string]string{}, map[string]listing{}, map[string]fs.FileInfo{}
	switch {
	case s.NoEvents:
		s.pollAll("asked for")
	case s.notifier == nil:
		s.pollAll("the system does not tell of changes")
	}
	s.ask("mapping", now)
	s.sync(now, true)
	s.lookAt = now
}

// mappingFolders are what the mapping's own files lie in.
func (s *watching) mappingFolders() (dirs []string) {
	for _, file := range s.m.Files {
		dir, err := filepath.Abs(filepath.Dir(file))
		if err != nil {
			continue
		}
		if dir, err = filepath.EvalSymlinks(dir); err == nil && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// printOf is a fingerprint of files by size and time.
func printOf(files []string) uint64 {
	var all uint64
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			info = nil
		}
		all = all*31 + printOfInfo(info)
	}
	return all
}

// printOfInfo is a fingerprint of a file by size and time; 0 is for no file.
func printOfInfo(info fs.FileInfo) uint64 {
	if info == nil {
		return 0
	}
	return mix(uint64(info.Size()), uint64(info.ModTime().UnixNano())) | 1
}

// mix is a hash of two numbers: the step of SplitMix64.
func mix(a, b uint64) uint64 {
	h := a*0x9e3779b97f4a7c15 + b
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
