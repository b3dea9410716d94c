package pipeline

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"importer/pipeline/state"
	"importer/transform"
)

// A Schedule crawls mappings at the times that their schedules say.
//
// Each mapping has a goroutine of its own and is crawled by one crawl at a
// time; Parallel crawls of different connections may go on together. What was
// due while the machine slept or was off, or while the crawl before was still
// going, is missed: it is told, and made up once. A full crawl takes the place
// of an incremental one that is due by then.
//
// Due times are times of the wall clock, and timers know nothing of its jumps
// or of a machine that sleeps. So the clock is looked at every tick.
type Schedule struct {
	Files    []string // of the mappings
	Parallel int      // most crawls at a time; 0 is 1
	Skip     bool     // what was missed is told and not made up

	// Crawl crawls once. When the crawl has come to an end of its own, whatever
	// that is, memory is to be kept with Remember. An error has been told; nil is
	// also for a crawl that left records in quarantine.
	Crawl func(ctx context.Context, m *Loaded, full bool, memory *Memory) error
	// Recall gives what was kept, nil for nothing.
	Recall func(ctx context.Context, m *Loaded) (*Memory, error)
	Tell   func(ScheduleEvent) // is called by one goroutine at a time

	now func() time.Time // the wall clock; nil is time.Now

	telling sync.Mutex
	slots   chan struct{}
}

// A Memory is what a restart must know to tell what was missed.
type Memory struct {
	Full        Dealt `json:"full"`
	Incremental Dealt `json:"incremental"`
}

// Dealt says up to when all that was due has been dealt with, under a cron
// expression.
type Dealt struct {
	Cron  string    `json:"cron"`
	Until time.Time `json:"until"`
}

// A ScheduleEvent is something in the life of a Schedule. Type is one of
//
//	scheduled  the next crawl, Full or not, is due at Due and starts at Start
//	missed     Count crawls did not start when they should have, the first at Due, for Reason; MadeUp or not
//	started    a crawl that was due at Due has begun
//	ended      it has ended, Err is why it did so early
//	waiting    another run holds the connection; the crawl is tried again in Every
//	clock      the clock was set back by Every: what was due before is not waited for
//	forgotten  Err is why it cannot be known what was missed before the start; tried again in Every
//	reloaded   the mapping has changed and is in force
//	invalid    the mapping has changed, Err is wrong with it, the old one stays in force
type ScheduleEvent struct {
	Type       string
	Mapping    string // its file
	Connection string
	Full       bool
	Due        time.Time
	Start      time.Time
	Count      int
	MadeUp     bool
	Reason     string
	Every      time.Duration
	Err        error
}

const (
	// tick is the time between two looks at the wall clock.
	tick = 15 * time.Second
	// grace is how late a crawl may start without having been missed.
	grace = time.Minute
	// setBack is how far a clock may be set back without the crawls of that time
	// being due again, as cron(8) has it.
	setBack = 3 * time.Hour
	// countMost is as far as missed crawls are counted.
	countMost = 1000
	// lockedMost is the longest wait for another run to end.
	lockedMost = 15 * time.Minute
)

// Run crawls until ctx ends. Its error is that of a mapping that cannot be
// used, ctx's when a crawl was interrupted by it, and else nil.
func (s *Schedule) Run(ctx context.Context) error {
	if s.now == nil {
		s.now = time.Now
	}
	s.slots = make(chan struct{}, max(s.Parallel, 1))
	mappings, err := LoadScheduled(s.Files)
	if err != nil {
		return err
	}
	ends := make(chan error)
	for i, m := range mappings {
		t := &timetable{Schedule: s, file: s.Files[i], m: m, print: printOf(m.Files), began: s.now().Round(0)}
		go func() { ends <- t.run(ctx) }()
	}
	for range mappings {
		if end := <-ends; err == nil {
			err = end
		}
	}
	return err
}

// LoadScheduled loads mappings that all have a schedule and a connection of
// their own.
func LoadScheduled(files []string) ([]*Loaded, error) {
	var mappings []*Loaded
	var wrong transform.Errors
	of := map[string]string{}
	for _, file := range files {
		m, err := loadScheduled(file)
		var one *transform.Error
		var many transform.Errors
		switch {
		case errors.As(err, &many):
			wrong = append(wrong, many...)
			continue
		case errors.As(err, &one):
			wrong = append(wrong, one)
			continue
		case err != nil:
			return nil, err
		}
		if other, taken := of[m.Connection.ID]; taken {
			wrong = append(wrong, &transform.Error{Pos: transform.Pos{File: file, Line: 1, Col: 1},
				Detail: fmt.Sprintf("the connection %s is already that of %s", m.Connection.ID, other), Remedy: "a connection belongs to one mapping: give this one another connection id, or leave it out"})
			continue
		}
		of[m.Connection.ID] = file
		mappings = append(mappings, m)
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return mappings, nil
}

func loadScheduled(file string) (*Loaded, error) {
	m, err := Load(file)
	if err == nil && m.Schedule.Full == nil && m.Schedule.Incremental == nil {
		err = &transform.Error{Pos: transform.Pos{File: file, Line: 1, Col: 1}, Detail: "the mapping has no schedule",
			Remedy: `add schedule: {full: "0 2 * * 0", incremental: "0 2 * * 1-6"}`}
	}
	return m, err
}

// A Time is one at which a mapping is due.
type Time struct {
	Full       bool
	Due, Start time.Time // Start is Due and the jitter
}

// Next gives the first n times after another at which a mapping is due.
func Next(m *Loaded, after time.Time, n int) (times []Time) {
	fullAt, partAt := after, after
	for len(times) < n {
		full, part := nextOf(m.Schedule.Full, fullAt), nextOf(m.Schedule.Incremental, partAt)
		t := Time{Due: earlier(full, part)}
		if t.Due.IsZero() {
			break
		}
		if full.Equal(t.Due) { // it takes the place of an incremental one
			t.Full, fullAt = true, full
		}
		if part.Equal(t.Due) {
			partAt = part
		}
		t.Start = startOf(m, t.Due)
		times = append(times, t)
	}
	return times
}

// nextOf is a cron expression's next time; zero when there is none.
func nextOf(c *transform.Cron, after time.Time) time.Time {
	if c == nil {
		return time.Time{}
	}
	return c.Next(after)
}

// startOf adds the jitter. It is always the same for the same connection and
// time, so a restart in between does not change it.
func startOf(m *Loaded, due time.Time) time.Time {
	if m.Schedule.Jitter <= 0 {
		return due
	}
	h := fnv.New64a()
	h.Write([]byte(m.Connection.ID))
	binary.Write(h, binary.BigEndian, due.Unix()) // a hash takes everything
	return due.Add(time.Duration(mix(h.Sum64(), 0) % uint64(m.Schedule.Jitter)))
}

const metaSchedule = "schedule"

// Remember keeps a memory in a connection's state.
func Remember(ctx context.Context, store *state.Store, m *Memory) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return store.SetMeta(ctx, metaSchedule, string(text))
}

// Recall gives the memory that Remember has kept, nil when there is none.
func Recall(ctx context.Context, store *state.Store) (*Memory, error) {
	text, err := store.Meta(ctx, metaSchedule)
	if err != nil || text == "" {
		return nil, err
	}
	var m Memory
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return nil, nil // of another version: nothing is known
	}
	return &m, nil
}
