package pipeline

import (
	"cmp"
	"context"
	"hash/maphash"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"importer/transform"
)

// A listing is what a source's files look like: a hash of the path to a
// fingerprint of size and time. It takes about 40 bytes a file.
type listing map[uint64]uint64

var listingSeed = maphash.MakeSeed()

// A look is what was found by looking at folders, and at the files of the
// mapping.
type look struct {
	at      time.Time // when it began
	took    time.Duration
	m       *Loaded // of which it is
	crawls  int     // that had begun before it
	roots   map[string]fs.FileInfo
	lists   map[string]listing
	changed map[string]uint64 // path -> fingerprint, of the files that are new or changed
	fewer   []string          // roots below which files have gone
	prints  map[string]uint64 // of the files that had not settled
}

// look starts a look in a goroutine of its own: a share that hangs must not
// hang the rest.
func (s *watching) look(ctx context.Context, now time.Time) {
	s.busy = true
	all, list := s.lookAll && s.blocked, !now.Before(s.listAt)
	s.lookAll = false
	before := map[string]listing{}
	for _, src := range s.m.Sources {
		if _, polled := s.polled[src.Name]; polled && list || all {
			before[src.Name] = s.lists[src.Name]
		}
	}
	pending, dir, m := s.settler.polled(), s.dir(), s.m
	l := &look{at: now, m: m, crawls: s.crawls, lists: map[string]listing{}, changed: map[string]uint64{}, prints: map[string]uint64{}}
	go func() {
		l.roots = roots(ctx, dir, m.Mapping)
		for _, path := range pending {
			info, err := os.Stat(path)
			if err != nil {
				info = nil
			}
			l.prints[path] = printOfInfo(info)
		}
		for _, src := range m.Sources {
			if old, is := before[src.Name]; is {
				l.source(ctx, dir, src, old)
			}
		}
		l.took = time.Since(now)
		s.looked <- l
	}()
}

// source compares a source's files with an earlier listing; nil is none.
func (l *look) source(ctx context.Context, dir string, src *transform.Source, old listing) {
	now := make(listing, len(old))
	same := 0
	var around accessLook
	for f, err := range walk(ctx, dir, src) {
		if err != nil {
			continue // the crawl tells
		}
		files := append(around.of(src, f), f)
		for _, end := range src.Sidecar {
			if info, err := os.Stat(f.full + end); err == nil {
				files = append(files, walked{full: f.full + end, info: info})
			}
		}
		for _, f := range files {
			key, print := maphash.String(listingSeed, f.full), printOfInfo(f.info)
			now[key] = print
			before, known := old[key]
			if known {
				same++
			}
			if old != nil && before != print {
				l.changed[f.full] = print
			}
		}
	}
	if ctx.Err() != nil {
		return
	}
	l.lists[src.Name] = now
	if same < len(old) {
		root, _ := splitPath(dir, src)
		l.fewer = append(l.fewer, filepath.FromSlash(root))
	}
}

// An accessLook finds the files that say who may see what lies in folders.
type accessLook map[string]bool // folders that were looked at

// of gives those in the folders around a file that were not looked at.
func (a *accessLook) of(src *transform.Source, f walked) (files []walked) {
	if _, folder := src.Needs(); !folder {
		return nil
	}
	if *a == nil {
		*a = accessLook{}
	}
	full := f.full
	for rel := f.rel; rel != "."; rel = path.Dir(rel) {
		full = filepath.Dir(full)
		if (*a)[full] {
			return files
		}
		(*a)[full] = true
		name := filepath.Join(full, src.AccessFiles())
		if info, err := os.Stat(name); err == nil {
			files = append(files, walked{full: name, info: info})
		}
	}
	return files
}

// found takes in what a look has found, and plans the next.
func (s *watching) found(l *look, now time.Time) {
	if l.m != s.m {
		return // it is of an old mapping, and another look is planned
	}
	s.checkRoots(l.roots, now)
	s.checkMapping(now)
	for path, print := range l.prints {
		if _, changed := l.changed[path]; !changed {
			s.settler.looked(path, print, l.at)
		}
	}
	for path, print := range l.changed {
		s.touchPolled(path, print, l.at)
	}
	for _, root := range l.fewer {
		s.touch(root, now)
	}
	soon := now.Add(max(s.Settle, l.took)) // when what is being written to shows
	for name, list := range l.lists {
		first := s.lists[name] == nil
		if _, polled := s.polled[name]; !polled {
			if l.crawls == s.crawls { // else it says nothing of what came since the last
				s.lists[name] = list
			}
			continue
		}
		s.lists[name] = list
		s.listAt = now.Add(s.Poll)
		if first {
			s.listAt = soon
			// What changed before it is found by a crawl that begins after it, and
			// knows by the next one what is being written to.
			s.ask(cmp.Or(s.reason, "polling"), soon.Add(l.took+time.Millisecond))
		}
	}
	next := now.Add(s.Poll)
	if len(s.polled) > 0 {
		next = earlier(next, s.listAt)
	}
	if len(s.settler.polled()) > 0 {
		next = earlier(next, soon)
	}
	s.lookAt = earlier(next, s.lookAt)
}
