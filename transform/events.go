package transform

import (
	"errors"
	"slices"
	"strings"
	"time"

	"importer/extract"
)

// Events are what a file of events has for the activities of records, see
// Mapping.Events. Read = Kept + Old + Other + Bad.
type Events struct {
	File  string `json:"file"`  // as written
	Read  int    `json:"read"`  // rows
	Kept  int    `json:"kept"`  // that are an activity of some record, should there be one
	Old   int    `json:"old"`   // over 7 days old: Microsoft 365 would not show them
	Other int    `json:"other"` // that the entry's when leaves out
	Bad   int    `json:"bad"`   // without an id, a time or a person
	// FirstBad says what is wrong with the first of these, and where.
	FirstBad string `json:"firstBad,omitempty"`
}

// eventsDef is an activity entry that takes its activities from a file of
// events: each of its rows is one of the record whose id it names.
type eventsDef struct {
	pos   spot
	table *lookupTable
	id    *expression
	told  Events
	by    map[string][]event // by the id of the record, newest first
}

// An event is something that people did with a record's item.
type event struct {
	at  time.Time
	who []string // as the file names them
}

// shown is how long Microsoft 365 shows an activity (externalActivity page).
const shown = 7 * 24 * time.Hour

// readEvents reads the file of an activity entry. A day's events are kept for
// the whole day, so that a plan that is made on a day can be carried out on it.
func (m *Mapping) readEvents(s *Source, a section, def *activityDef) {
	d := m.doc
	ev := &eventsDef{pos: a.posOf("from"), id: d.expression(a, "id", wantsID)}
	name := a.text("from")
	if ev.id == nil || def.at == nil || def.by == nil || def.kind == "" {
		if ev.id == nil && !a.has("id") {
			d.errorf(ev.pos, "add id: with the column that names the record", "%s: events need the id of the record that each is of", a.what)
		}
		return
	}
	t, err := d.tables().table(name)
	if err != nil {
		d.errorf(ev.pos, "correct the path, which is relative to the mapping, or mend the file", "%s: the events file %s cannot be used: %v", a.what, name, err)
		return
	}
	ev.table, ev.told.File = t, name
	b := &builder{d: d, sc: scope{header: t.header, table: true}, uses: map[string]bool{}, first: map[string]bool{}}
	id, plan := b.text(ev.id), b.activity(*def)
	if len(b.errs) > 0 {
		d.errs = append(d.errs, b.errs.In(name)...)
		return
	}
	ev.read(&frame{names: names{m: m}, loc: s.def.loc}, id, &plan, time.Now().UTC().Truncate(24*time.Hour).Add(-shown))
	def.events = ev
}

// read takes the events in that are not older than since.
func (ev *eventsDef) read(e *frame, id textFn, plan *activityPlan, since time.Time) {
	ev.by = map[string][]event{}
	bad := func(i int, why string) {
		if ev.told.Bad++; ev.told.Bad == 1 {
			ev.told.FirstBad = ev.table.places[i].String() + ": " + why
		}
	}
	for i, row := range ev.table.rows {
		ev.told.Read++
		e.rec = extract.Record{Place: ev.table.places[i], Header: ev.table.header, Text: row}
		key, at, who, err := plan.event(e, id)
		switch {
		case errors.Is(err, ErrSkip):
			ev.told.Other++
		case err != nil:
			if ev.told.Bad++; ev.told.Bad == 1 {
				ev.told.FirstBad = err.Error()
			}
		case key == "":
			bad(i, "the id is empty")
		case at.IsZero():
			bad(i, "the time is empty")
		case len(who) == 0:
			bad(i, "the person is empty")
		case at.Before(since):
			ev.told.Old++
		default:
			ev.told.Kept++
			ev.by[key] = append(ev.by[key], event{at, who})
		}
	}
	for _, list := range ev.by {
		slices.SortStableFunc(list, func(a, b event) int { return b.at.Compare(a.at) })
	}
}

// event evaluates a row of events. Its error is ErrSkip where when leaves it out.
func (a *activityPlan) event(e *frame, id textFn) (key string, at time.Time, who []string, err error) {
	if a.when != nil {
		ok, err := a.when(e)
		if err != nil {
			return "", at, nil, e.itemError("activities", "when", err)
		}
		if !ok {
			return "", at, nil, ErrSkip
		}
	}
	if key, err = id(e); err != nil {
		return "", at, nil, e.itemError("activities", "id", err)
	}
	v := Value{Type: DateTime}
	present, err := a.at(e, &v)
	if err == nil && present {
		at, err = time.Parse(time.RFC3339, v.Str)
	}
	if err != nil {
		return "", at, nil, e.itemError("activities", "at", err)
	}
	by, err := a.by(e)
	if err != nil {
		return "", at, nil, e.itemError("activities", "by", err)
	}
	err = eachText(by, func(name string) error {
		who = append(who, name)
		return nil
	})
	return strings.TrimSpace(key), at, who, err
}

// add adds the activities of the record's events. Persons that nobody knows are
// left out, as those of columns are.
func (ev *eventsDef) add(e *frame, kind string, it *Item) {
	for _, one := range ev.by[strings.TrimSpace(it.Origin.Key)] {
		for _, name := range one.who {
			id, err := e.principal("user", name)
			if err != nil || id == "" { // or to be looked up first
				continue
			}
			if len(it.Activities) == maxActivities {
				return
			}
			it.Activities = append(it.Activities, Activity{Type: kind, At: one.at, ByType: "user", ByID: id})
		}
	}
}

// Events tells what the mapping's files of events have.
func (m *Mapping) Events() (all []Events) {
	for _, s := range m.Sources {
		for _, a := range s.def.activities {
			if a.events != nil {
				all = append(all, a.events.told)
			}
		}
	}
	return all
}
