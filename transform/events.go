package transform

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"importer/extract"
)

// Events are what a file of events has for the activities of a source's
// records, see Mapping.Events. Read = Kept + Old + Other + Bad.
type Events struct {
	File   string `json:"file"` // as written
	Source string `json:"source"`
	Read   int    `json:"read"`  // rows
	Kept   int    `json:"kept"`  // that are an activity of some record, should there be one
	Old    int    `json:"old"`   // over 7 days old: Microsoft 365 would not show them
	Other  int    `json:"other"` // that the entry's when leaves out
	Bad    int    `json:"bad"`   // without an id, a time or a person
	// FirstBad says what is wrong with the first of these, and where.
	FirstBad string `json:"firstBad,omitempty"`
	// Fit is what became of those that were kept; nil is not known: the run has
	// not come so far.
	Fit *EventFit `json:"fit,omitempty"`
	// Left are the first of those that were kept and are of no record, or by
	// nobody who is known, each for another value.
	Left []LeftEvent `json:"left,omitempty"`
}

// An EventFit counts events by what became of the record that they name.
// Together they are Events.Kept.
type EventFit struct {
	Items     int `json:"items"`     // of an item: each is sent once
	Filtered  int `json:"filtered"`  // of records that where leaves out, or somebody on purpose
	Refused   int `json:"refused"`   // of records in quarantine
	Gone      int `json:"gone"`      // of records that are not there any more
	Elsewhere int `json:"elsewhere"` // of records of another source that has the file as well
	Nobody    int `json:"nobody"`    // of an item, and by people whom nobody knows
	Many      int `json:"many"`      // of an item that has 200 newer ones
	Lost      int `json:"lost"`      // of no record
}

// A LeftEvent is an event that is left out, with the value that it is left out
// for.
type LeftEvent struct {
	Place  extract.Place `json:"place"`
	Reason string        `json:"reason"` // ReasonNoRecord or ReasonUnknownPrincipal
	Value  string        `json:"value"`
	Detail string        `json:"detail"` // a sentence with a remedy
}

// ReasonNoRecord is that of an event whose id no record has.
const ReasonNoRecord = "no-record"

// mostLeft is how many events are told of each reason.
const mostLeft = 5

// A RecordFate is what became of the record that an event names.
type RecordFate uint8

// The fates of records. Their numbers are written down.
const (
	RecordNone     RecordFate = iota // no record has the id
	RecordItem                       // it is an item
	RecordFiltered                   // it is left out
	RecordRefused                    // it is in quarantine
	RecordGone                       // there was one
)

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
	row int      // of the table
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
	ev.table, ev.told.File, ev.told.Source = t, name, s.Name
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
			ev.by[key] = append(ev.by[key], event{at, who, i})
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

// EventSources are the sources with activities from files of events.
func (m *Mapping) EventSources() (some []*Source) {
	for _, s := range m.Sources {
		if len(s.events()) > 0 {
			some = append(some, s)
		}
	}
	return some
}

func (s *Source) events() (some []*eventsDef) {
	for _, a := range s.def.activities {
		if a.events != nil {
			some = append(some, a.events)
		}
	}
	return some
}

// EventIDs lists the ids of the items that the source's events are of, each
// once.
func (s *Source) EventIDs() []string {
	ids := map[string]bool{}
	for _, ev := range s.events() {
		for key := range ev.by {
			ids[EncodeID(key)] = true
		}
	}
	return keysOf(ids)
}

// NamedByEvents gives the id by which events name a record that makes no item;
// "" where none do.
func (s *Source) NamedByEvents(rec extract.Record) string {
	if len(s.events()) == 0 {
		return ""
	}
	p, errs := s.planFor(rec.Header)
	if len(errs) > 0 {
		return ""
	}
	key, err := p.id(&frame{rec: rec, names: names{m: s.m}, loc: s.def.loc, idOf: s.idOf})
	if err != nil { // the record is left out, whatever its id
		return ""
	}
	return s.named(key)
}

// OtherName gives the id by which events name an item, where that is not its
// own, as white space around an id does not count for them; else "".
func (s *Source) OtherName(it *Item) string {
	if key := it.Origin.Key; strings.TrimSpace(key) != key {
		return s.named(key)
	}
	return ""
}

func (s *Source) named(key string) string {
	key = strings.TrimSpace(key)
	for _, ev := range s.events() {
		if len(ev.by[key]) > 0 {
			return EncodeID(key)
		}
	}
	return ""
}

// TrimID is the id by which events would name an item.
func TrimID(id string) string {
	if key, ok := DecodeID(id); ok {
		return EncodeID(strings.TrimSpace(key))
	}
	return id
}

// Events tells what the mapping's files of events have.
func (m *Mapping) Events() (all []Events) {
	for _, s := range m.Sources {
		for _, ev := range s.events() {
			all = append(all, ev.told)
		}
	}
	return all
}

// FitEvents is Events with what became of those that were kept. fate tells it of
// a record of a source by the id that its item would have; dir is what the
// records were mapped with.
func (m *Mapping) FitEvents(dir Directory, fate func(s *Source, id string) RecordFate) (all []Events) {
	type record struct {
		file *lookupTable
		key  string
	}
	there := map[record]bool{} // in some source
	fates := map[*eventsDef]map[string]RecordFate{}
	for _, s := range m.Sources {
		for _, ev := range s.events() {
			fates[ev] = make(map[string]RecordFate, len(ev.by))
			for key := range ev.by {
				f := fate(s, EncodeID(key))
				fates[ev][key] = f
				if f != RecordNone {
					there[record{ev.table, key}] = true
				}
			}
		}
	}
	who := &names{m: m, dir: dir}
	for _, s := range m.Sources {
		for _, ev := range s.events() {
			all = append(all, ev.fit(who, fates[ev], func(key string) bool { return there[record{ev.table, key}] }))
		}
	}
	return all
}

// fit counts the events that were kept. elsewhere tells of a record that it is
// one of some source.
func (ev *eventsDef) fit(who *names, fates map[string]RecordFate, elsewhere func(key string) bool) Events {
	told := ev.told
	n := &EventFit{}
	var lost, nobody leftRows
	for key, list := range ev.by {
		switch fates[key] {
		case RecordItem:
			n.item(who, list, &nobody)
		case RecordFiltered:
			n.Filtered += len(list)
		case RecordRefused:
			n.Refused += len(list)
		case RecordGone:
			n.Gone += len(list)
		default:
			if elsewhere(key) {
				n.Elsewhere += len(list)
				continue
			}
			n.Lost += len(list)
			for _, one := range list {
				lost.add(leftRow{key, one})
			}
		}
	}
	for _, l := range lost {
		told.Left = append(told.Left, ev.left(who, l, ReasonNoRecord,
			fmt.Sprintf("no record of the source %s has the id %q; correct it, or the id of the activity in the mapping, which must give what that of the source gives", told.Source, cutBytes(l.value, 200))))
	}
	for _, l := range nobody {
		detail := ""
		if f, ok := errors.AsType[*fault](who.stranger(l.who[0])); ok {
			detail = f.detail + "; " + f.remedy
		}
		told.Left = append(told.Left, ev.left(who, l, ReasonUnknownPrincipal, detail))
	}
	told.Fit = n
	return told
}

func (ev *eventsDef) left(who *names, l leftRow, reason, detail string) LeftEvent {
	redact := who.m.doc.redact
	return LeftEvent{Place: ev.table.places[l.row], Reason: reason, Value: redact(cutBytes(clean(l.value), 200)), Detail: redact(clean(detail))}
}

// item counts the events of an item as add takes them.
func (n *EventFit) item(who *names, list []event, nobody *leftRows) {
	sent := 0
	for _, one := range list {
		known, before := false, sent
		for _, name := range one.who {
			if who.stranger(name) == nil {
				known, sent = true, min(sent+1, maxActivities)
			}
		}
		switch {
		case !known:
			n.Nobody++
			nobody.add(leftRow{strings.Join(one.who, ", "), one})
		case sent == before:
			n.Many++
		default:
			n.Items++
		}
	}
}

// stranger says why a person is not known; nil is that somebody may be meant.
func (w *names) stranger(name string) error {
	w.pending = w.pending[:0]
	_, err := w.principal("user", name)
	return err
}

// A leftRow is an event that is left out, with the value for which it is.
type leftRow struct {
	value string
	event
}

// leftRows are the first of them, in the order of the file, each for another
// value.
type leftRows []leftRow

func (l *leftRows) add(r leftRow) {
	if i := slices.IndexFunc(*l, func(o leftRow) bool { return o.value == r.value }); i >= 0 {
		if (*l)[i].row < r.row {
			return
		}
		*l = slices.Delete(*l, i, i+1)
	}
	i, _ := slices.BinarySearchFunc(*l, r.row, func(o leftRow, row int) int { return cmp.Compare(o.row, row) })
	if i < mostLeft {
		all := slices.Insert(*l, i, r)
		*l = all[:min(len(all), mostLeft)]
	}
}
