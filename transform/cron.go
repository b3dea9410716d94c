package transform

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adhocore/gronx"
)

// A Schedule says when a mapping is crawled.
type Schedule struct {
	Full, Incremental *Cron         // nil where there is none
	Jitter            time.Duration // a crawl starts up to so much later
}

// A Cron is a cron expression of five fields, as crontab(5) reads it, in a
// time zone. It is not changed after it was made.
//
// Where the clock is put forward, what falls into the time that does not exist
// is due when that time is over. Where it is put back, an expression whose
// hour begins with * is due in both of the hours that have the same name, and
// any other in the first of them only. That is what cron(8) of Debian does,
// and what no library of cron expressions did when this was written: they
// leave out a nightly crawl in spring, or do it twice in autumn. So the
// library is only asked about clocks that are never changed.
type Cron struct {
	Spec      string
	Zone      *time.Location
	everyHour bool
}

// newCron takes an expression that cronProblem finds nothing wrong with.
func newCron(spec string, zone *time.Location) *Cron {
	return &Cron{Spec: spec, Zone: zone, everyHour: strings.HasPrefix(strings.Fields(spec)[1], "*")}
}

// EveryHour tells whether the expression leaves the hour open: it begins with *.
func (c *Cron) EveryHour() bool { return c.everyHour }

// Next gives the first time after another, in the expression's zone. It is the
// zero time when there is none, which only an expression such as February 30
// has, and the mapping is refused for that.
func (c *Cron) Next(after time.Time) time.Time {
	at := after.In(c.Zone)
	from := wall(at) // what is due after that on the clock's face
	if changed := changeOf(at.Add(-longestDay), at); !c.everyHour && !changed.IsZero() {
		// The hour that comes twice is over for the second time only now.
		if shown := wallBefore(changed); shown.After(from) && shown.After(wall(changed)) {
			from = shown.Add(-time.Second)
		}
	}
	// From one change of the clock to the next.
	for {
		face := onFace(c.Spec, from)
		if face.IsZero() {
			return time.Time{}
		}
		_, offset := at.Zone()
		due := face.Add(-time.Duration(offset) * time.Second).In(c.Zone)
		changed := changeOf(at, due)
		if changed.IsZero() {
			return due
		}
		shows, showed := wall(changed), wallBefore(changed)
		switch {
		case shows.Before(showed) && !c.everyHour: // put back
			from = showed.Add(-time.Second)
		case face.Before(shows) && !face.Before(showed) && !c.everyHour: // put forward over it
			return changed
		default:
			from = shows.Add(-time.Second)
		}
		at = changed
	}
}

// longestDay is more than a clock is ever put back.
const longestDay = 25 * time.Hour

// changeOf finds a time after one and up to another at which the clock is
// changed; it is the zero time when it shows the same in the end. (ZoneBounds
// of package time would say it, but not on the last day of a leap year, where
// the bounds end before they begin: Go 1.26.)
func changeOf(after, until time.Time) time.Time {
	_, before := after.Zone()
	if _, now := until.Zone(); now == before {
		return time.Time{}
	}
	for until.Sub(after) > time.Second {
		mid := after.Add(until.Sub(after) / 2)
		if _, then := mid.Zone(); then == before {
			after = mid
		} else {
			until = mid
		}
	}
	return until.Truncate(time.Second)
}

// wall gives what a clock shows at t, as if it were UTC.
func wall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// wallBefore gives what the clock would have shown at the moment of its
// change, had it not been changed.
func wallBefore(change time.Time) time.Time {
	return wall(change.Add(-time.Nanosecond)).Add(time.Nanosecond)
}

// onFace gives the first time after another that an expression means, on a
// clock that is never changed; the zero time when there is none.
func onFace(spec string, after time.Time) time.Time {
	next, err := gronx.NextTickAfter(spec, after, false)
	if err != nil {
		return time.Time{}
	}
	return next
}

// maxJitter is the most that a crawl may start later.
const maxJitter = 12 * time.Hour

func (m *Mapping) readSchedule(s section) {
	zone := time.Local // as cron has it
	if l := s.zone("timezone"); l != nil {
		zone = l
	}
	m.Schedule = Schedule{Full: s.cron("full", zone), Incremental: s.cron("incremental", zone), Jitter: s.duration("jitter")}
	if m.Schedule.Jitter > maxJitter {
		m.doc.errorf(s.posOf("jitter"), "write a duration of 12h at most", "schedule: jitter: %v is too long", m.Schedule.Jitter)
	}
	if !s.has("full") && !s.has("incremental") {
		m.doc.errorf(s.pos, `add full: "0 2 * * 0" or incremental: "0 2 * * 1-6"`, "schedule has neither full nor incremental")
	}
}

// cron reads a cron expression; nil when there is none.
func (s section) cron(name string, zone *time.Location) *Cron {
	v, ok := s.scalar(name)
	if !ok {
		return nil
	}
	if problem := cronProblem(v.s); problem != "" {
		s.d.errorf(v.pos, `write five fields: minute, hour, day of month, month, day of week, such as "0 2 * * 1-6"`, "%s: %s: %s", s.what, name, problem)
		return nil
	}
	// Leap years come round with the days of the week after 40 years at most.
	if onFace(v.s, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		s.d.errorf(v.pos, "write a day that the months have, such as 28, or leave the day open: *", "%s: %s: %q never comes", s.what, name, v.s)
		return nil
	}
	return newCron(v.s, zone)
}

func cronProblem(spec string) string {
	bounds := []struct {
		name     string
		low, top int
		words    string
	}{{"minute", 0, 59, ""}, {"hour", 0, 23, ""}, {"day of month", 1, 31, ""},
		{"month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"}, {"day of week", 0, 7, "sun mon tue wed thu fri sat"}}
	fields := strings.Fields(spec)
	if len(fields) != len(bounds) {
		return strconv.Quote(spec) + " has " + strconv.Itoa(len(fields)) + " fields instead of 5"
	}
	for i, b := range bounds {
		for part := range strings.SplitSeq(fields[i], ",") {
			rng, step, stepped := strings.Cut(part, "/")
			if n, err := strconv.ParseUint(step, 10, 8); stepped && (err != nil || n < 1) {
				return "the step in the " + b.name + " " + strconv.Quote(part) + " is not a number"
			}
			if rng == "*" {
				continue
			}
			last := -1
			for i, end := range strings.Split(rng, "-") {
				n, err := strconv.ParseUint(end, 10, 8)
				if j := slices.Index(strings.Fields(b.words), strings.ToLower(end)); j >= 0 {
					n, err = uint64(j+b.low), nil
				}
				if err != nil || int(n) < b.low || int(n) > b.top || int(n) < last || i > 1 {
					return "the " + b.name + " " + strconv.Quote(part) + " is not within " + strconv.Itoa(b.low) + "-" + strconv.Itoa(b.top)
				}
				last = int(n)
			}
		}
	}
	return ""
}
