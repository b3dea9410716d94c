package pipeline

import (
	"context"
	"errors"
	"time"

	"importer/pipeline/state"
	"importer/transform"
)

// A timetable is one mapping of a Schedule.
type timetable struct {
	*Schedule
	file  string
	m     *Loaded
	began time.Time

	print   uint64 // of the mapping's files
	moved   bool   // they have changed at the last look
	invalid string // what was told of the mapping last; "" is that it is good
	tried   time.Time

	memory  Memory
	busyTil time.Time // when the last crawl ended
	told    time.Time // the due time that was told of last
}

func (t *timetable) tell(ev ScheduleEvent) {
	ev.Mapping, ev.Connection = t.file, t.m.Connection.ID
	t.telling.Lock()
	defer t.telling.Unlock()
	t.Tell(ev)
}

// run crawls the mapping at its times until ctx ends.
func (t *timetable) run(ctx context.Context) error {
	if !t.recall(ctx) {
		return nil
	}
	for {
		t.checkClock()
		full, part := t.due(t.m.Schedule.Full, t.memory.Full), t.due(t.m.Schedule.Incremental, t.memory.Incremental)
		if t.Skip {
			full, part = t.skipped(full, true), t.skipped(part, false)
		}
		next := full
		if !earlier(full.start, part.start).Equal(full.start) {
			next = part
		}
		if next.start.IsZero() {
			continue // something was skipped
		}
		if wait := next.start.Sub(t.now()); wait > 0 {
			t.announce(next)
			if !sleep(ctx, min(wait, tick)) {
				return nil
			}
			t.checkMapping()
			continue
		}
		// A full crawl that is due by now takes the place of an incremental one.
		if next.full = !full.start.IsZero() && !full.start.After(t.now()); next.full {
			next = full
		}
		if err := t.crawl(ctx, next); ctx.Err() != nil {
			return interrupted(err)
		}
	}
}

// sleep sleeps; it is false when ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// recall finds out what was dealt with before the start. What is new is due
// from now on. It is false when ctx has ended.
func (t *timetable) recall(ctx context.Context) bool {
	for {
		before, err := t.Recall(ctx, t.m)
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			if before != nil {
				t.memory = *before
			}
			t.adopt()
			return true
		}
		t.tell(ScheduleEvent{Type: "forgotten", Err: err, Every: time.Minute})
		if !sleep(ctx, time.Minute) {
			return false
		}
	}
}

// adopt makes the memory one of the mapping's expressions: what was dealt with
// under another one says nothing.
func (t *timetable) adopt() {
	now := t.now().Round(0)
	for _, k := range []struct {
		cron  *transform.Cron
		dealt *Dealt
	}{{t.m.Schedule.Full, &t.memory.Full}, {t.m.Schedule.Incremental, &t.memory.Incremental}} {
		switch name := cronName(k.cron); {
		case name == "":
			*k.dealt = Dealt{}
		case name != k.dealt.Cron || k.dealt.Until.IsZero():
			*k.dealt = Dealt{name, now}
		}
	}
}

func cronName(c *transform.Cron) string {
	if c == nil {
		return ""
	}
	return c.Spec + " " + c.Zone.String()
}

// A due is the first crawl of a kind that has not been dealt with.
type due struct {
	full       bool
	due, start time.Time
	cron       *transform.Cron
}

func (t *timetable) due(c *transform.Cron, dealt Dealt) due {
	at := nextOf(c, dealt.Until)
	if at.IsZero() {
		return due{}
	}
	return due{c == t.m.Schedule.Full, at, startOf(t.m, at), c}
}

// checkClock finds that the clock was set back. What was dealt with is not due
// again, unless that would keep crawls off for long, or they come every hour
// in any case.
func (t *timetable) checkClock() {
	now := t.now().Round(0)
	var back time.Duration
	for _, k := range []struct {
		cron  *transform.Cron
		dealt *Dealt
	}{{t.m.Schedule.Full, &t.memory.Full}, {t.m.Schedule.Incremental, &t.memory.Incremental}} {
		ahead := k.dealt.Until.Sub(now)
		if k.cron == nil || ahead <= 0 || ahead <= setBack && !k.cron.EveryHour() {
			continue
		}
		back = max(back, ahead)
		k.dealt.Until = now
	}
	if back > grace {
		t.tell(ScheduleEvent{Type: "clock", Every: back.Round(time.Second)})
	}
}

// announce tells what comes next, once.
func (t *timetable) announce(d due) {
	if !d.due.Equal(t.told) {
		t.told = d.due
		t.tell(ScheduleEvent{Type: "scheduled", Full: d.full, Due: d.due, Start: d.start})
	}
}

// missed tells that a crawl starts too late, or not at all. now is when it
// could have started.
func (t *timetable) missed(d due, now time.Time, madeUp bool) bool {
	if now.Sub(d.start) <= grace {
		return false
	}
	reason := "the machine was asleep, or its clock was set"
	switch {
	case d.start.Before(t.began):
		reason = "importer schedule was not running, or the crawl was interrupted"
	case t.busyTil.After(d.start):
		reason = "the crawl before was still going"
	}
	count := 0
	for at := d.due; !at.After(now) && count < countMost; at = d.cron.Next(at) {
		count++
	}
	t.tell(ScheduleEvent{Type: "missed", Full: d.full, Due: d.due, Count: count, MadeUp: madeUp, Reason: reason})
	return true
}

// skipped leaves out a crawl that was missed. It gives the zero due then.
func (t *timetable) skipped(d due, full bool) due {
	now := t.now()
	if d.start.IsZero() || d.start.After(now) || !t.missed(d, now, false) {
		return d
	}
	dealt := &t.memory.Incremental
	if full {
		dealt = &t.memory.Full
	}
	dealt.Until = now.Round(0)
	return due{}
}

// crawl does a crawl that is due. Its error has been told.
func (t *timetable) crawl(ctx context.Context, d due) error {
	if !t.Skip {
		t.missed(d, t.now(), true)
	}
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	defer func() { <-t.slots }()
	for locked := time.Minute; ; locked = min(2*locked, lockedMost) {
		// Whatever is due by now is done by this crawl.
		now := t.now().Round(0)
		memory := t.memory
		memory.Incremental = Dealt{cronName(t.m.Schedule.Incremental), now}
		if d.full {
			memory.Full = Dealt{cronName(t.m.Schedule.Full), now}
		}
		t.tell(ScheduleEvent{Type: "started", Full: d.full, Due: d.due})
		err := t.Schedule.Crawl(ctx, t.m, d.full, &memory)
		t.tell(ScheduleEvent{Type: "ended", Full: d.full, Due: d.due, Err: err})
		if ctx.Err() != nil {
			return err
		}
		if !errors.Is(err, state.ErrLocked) {
			t.memory, t.busyTil = memory, t.now()
			return nil
		}
		t.tell(ScheduleEvent{Type: "waiting", Full: d.full, Due: d.due, Every: locked})
		if !sleep(ctx, locked) {
			return nil
		}
	}
}

// checkMapping takes up a mapping that has changed, when its files have been
// the same for a tick.
func (t *timetable) checkMapping() {
	print := printOf(t.m.Files)
	switch {
	case print != t.print:
		t.print, t.moved = print, true
		return
	case !t.moved && (t.invalid == "" || t.now().Sub(t.tried) < time.Minute):
		return
	}
	t.moved, t.tried = false, t.now() // what is invalid may name a file that comes later
	m, err := loadScheduled(t.file)
	if err != nil {
		if err.Error() != t.invalid {
			t.invalid = err.Error()
			t.tell(ScheduleEvent{Type: "invalid", Err: err})
		}
		return
	}
	t.m, t.invalid, t.print, t.told = m, "", printOf(m.Files), time.Time{}
	t.tell(ScheduleEvent{Type: "reloaded"})
	t.adopt()
}
