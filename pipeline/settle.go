package pipeline

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// A settler tells files that have been quiet for a while from those that are
// still being written to. A path is the one by which a crawl names the file;
// it may be that of a folder, or of a file that is gone.
type settler struct {
	settle time.Duration

	mu      sync.Mutex // guards the fields below
	pending map[string]change
	settled map[string]bool // and not crawled yet
	first   time.Time       // when the first of settled did
	scanAt  time.Time       // when it is worth looking again; zero is never
}

// A change is what is known of a file that has not settled.
type change struct {
	last time.Time // when it was last seen to change
	// polled files settle when two looks at them, settle apart, are the same:
	// nobody tells of changes in between.
	polled bool
	print  uint64 // of a polled file, at last; 0 is that it is not there
}

func newSettler(settle time.Duration) *settler {
	return &settler{settle: settle, pending: map[string]change{}, settled: map[string]bool{}}
}

// touch notes that a file has changed, as an event says.
func (s *settler) touch(path string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.settled, path)
	s.pending[path] = change{last: now}
	s.plan(now.Add(s.settle))
}

// touchPolled notes that a file was found changed.
func (s *settler) touchPolled(path string, print uint64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.settled, path)
	s.pending[path] = change{now, true, print}
}

// looked takes in what a look at a polled file at a time found.
func (s *settler) looked(path string, print uint64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.pending[path]
	switch {
	case !ok || !c.polled:
	case c.print != print:
		s.pending[path] = change{at, true, print}
	case at.Sub(c.last) >= s.settle:
		s.quiet(path, at)
	}
}

// polled gives the files that are to be looked at.
func (s *settler) polled() (paths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, c := range s.pending {
		if c.polled {
			paths = append(paths, path)
		}
	}
	return paths
}

func (s *settler) plan(at time.Time) {
	if s.scanAt.IsZero() {
		s.scanAt = at
	}
}

func (s *settler) quiet(path string, now time.Time) {
	delete(s.pending, path)
	if len(s.settled) == 0 {
		s.first = now
	}
	s.settled[path] = true
}

// scan finds out which files have settled, if it is time, and says when to
// come again; zero is when something has changed.
func (s *settler) scan(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.scanAt.IsZero() || now.Before(s.scanAt) {
		return s.scanAt
	}
	s.scanAt = time.Time{}
	var next time.Time
	for path, c := range s.pending {
		due := c.last.Add(s.settle)
		switch {
		case c.polled:
		case !due.After(now):
			s.quiet(path, now)
		case next.IsZero() || due.Before(next):
			next = due
		}
	}
	if !next.IsZero() {
		// Many files that settle one after the other are not looked through for each.
		if soon := now.Add(s.settle / 10); next.Before(soon) {
			next = soon
		}
		s.plan(next)
	}
	return s.scanAt
}

// ready tells when the settled files are to be crawled: at once when nothing
// else is on its way, else when they have waited for most. It is zero while
// none has settled.
func (s *settler) ready(most time.Duration) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.settled) == 0:
		return time.Time{}
	case len(s.pending) == 0:
		return s.first
	}
	return s.first.Add(most)
}

// take gives the number of settled files, a few of them by name, and how many
// are still being written to, and begins anew.
func (s *settler) take() (files int, sample []string, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files, waiting = len(s.settled), len(s.pending)
	sample = slices.Sorted(maps.Keys(s.settled))
	sample = slices.Clone(sample[:min(len(sample), 3)])
	s.settled = map[string]bool{}
	return files, sample, waiting
}

// holds tells whether a file is still being written to.
func (s *settler) holds(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.pending[path]
	return ok
}
