package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Window is a time of day in which a run may work: from From to To, in
// minutes since midnight. To may lie before From: then it ends the next day.
type Window struct{ From, To int }

// Windows are times of day in a time zone. None is the whole day.
type Windows struct {
	All  []Window
	Zone *time.Location
}

// ParseWindows reads windows as they are written: 22:00-06:00.
func ParseWindows(texts []string, zone *time.Location) (Windows, error) {
	w := Windows{Zone: zone}
	for _, text := range texts {
		from, to, ok := strings.Cut(strings.TrimSpace(text), "-")
		begins, ok1 := clock(from)
		ends, ok2 := clock(to)
		if !ok || !ok1 || !ok2 || begins == 24*60 {
			return Windows{}, fmt.Errorf("%q is no time of day such as 22:00-06:00", text)
		}
		if begins == ends {
			return Windows{}, fmt.Errorf("%q is empty; leave it out for the whole day", text)
		}
		w.All = append(w.All, Window{begins, ends})
	}
	return w, nil
}

// clock reads 6:00, 06:00 or 24:00.
func clock(s string) (minutes int, ok bool) {
	h, m, ok := strings.Cut(strings.TrimSpace(s), ":")
	hours, ok1 := digits(h, 1)
	mins, ok2 := digits(m, 2)
	minutes = 60*hours + mins
	return minutes, ok && ok1 && ok2 && mins < 60 && minutes <= 24*60
}

// digits reads a number of least to two digits.
func digits(s string, least int) (n int, ok bool) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, len(s) >= least && len(s) <= 2
}

func (w Window) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", w.From/60, w.From%60, w.To/60, w.To%60)
}

func (w Windows) String() string {
	var texts []string
	for _, x := range w.All {
		texts = append(texts, x.String())
	}
	return strings.Join(texts, ", ")
}

// A Span is a time from Opens to Closes.
type Span struct{ Opens, Closes time.Time }

// At gives the span that t lies in, or the next one. Without windows it is
// from t on, without an end: Closes is zero.
func (w Windows) At(t time.Time) Span {
	if len(w.All) == 0 {
		return Span{Opens: t}
	}
	// A year has days on which a window is empty, one at the most: when the
	// clocks go forward.
	spans := w.around(t, 3)
	for i := 0; i < len(spans); i++ {
		s := spans[i]
		for i+1 < len(spans) && !spans[i+1].Opens.After(s.Closes) { // they touch, or overlap
			i++
			s.Closes = later(s.Closes, spans[i].Closes)
		}
		if s.Closes.After(t) {
			return s
		}
	}
	return Span{} // unreachable: one of three days has the window
}

// around gives the spans of the days around t, the earliest first.
func (w Windows) around(t time.Time, days int) (spans []Span) {
	y, m, d := t.In(w.Zone).Date()
	for day := -2; day <= days; day++ { // two days back, for those that touch
		for _, x := range w.All {
			s := Span{w.wall(y, m, d+day, x.From), w.wall(y, m, d+day, x.To)}
			if x.To < x.From {
				s.Closes = w.wall(y, m, d+day+1, x.To)
			}
			if s.Closes.After(s.Opens) {
				spans = append(spans, s)
			}
		}
	}
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Or(a.Opens.Compare(b.Opens), a.Closes.Compare(b.Closes)) })
	return spans
}

// wall is the time at which the clocks show so many minutes since midnight. A
// time that they show twice, when they go back, is the first of the two; one
// that they leave out, when they go forward, is the moment of the change.
func (w Windows) wall(y int, m time.Month, d, minutes int) time.Time {
	t := time.Date(y, m, d, 0, minutes, 0, 0, w.Zone)
	since, until := t.ZoneBounds()
	if shown := t.Hour()*60 + t.Minute(); shown != minutes%(24*60) {
		// time.Date takes one of the two offsets for what is left out: by the
		// one it is before the change, by the other after it.
		if !until.IsZero() && until.Sub(t) <= 3*time.Hour {
			return until
		}
		return since
	}
	if since.IsZero() {
		return t
	}
	_, now := t.Zone()
	_, before := since.Add(-1).Zone()
	if first := t.Add(time.Duration(now-before) * time.Second); before > now && first.Before(since) {
		return first
	}
	return t
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// A TimeOver ends a run at a checkpoint because its time is over, or before it
// begins. It is a cancel, not a failure.
type TimeOver struct {
	Why string
	// Opens is when the window opens next; zero is at once. Now is for words.
	Opens, Now time.Time
}

func (e *TimeOver) Error() string {
	if e.Opens.IsZero() {
		return e.Why + "; run again to go on"
	}
	s := e.Why + "; it opens at " + e.Opens.Format("Mon 2006-01-02 15:04 MST")
	if !e.Now.IsZero() {
		s += ", in " + strings.TrimSuffix(e.Opens.Sub(e.Now).Round(time.Minute).String(), "0s")
	}
	return s + "; run again then"
}

// Is tells errors.Is that it is a cancel.
func (e *TimeOver) Is(target error) bool { return target == context.Canceled }

// Until gives a context that is cancelled for why when the clock shows at. It
// looks at the clock each half minute: a timer stands still while the machine
// sleeps, and knows nothing of a clock that is set.
func Until(ctx context.Context, at time.Time, why *TimeOver) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for {
			left := at.Round(0).Sub(time.Now().Round(0)) // by the clock
			if left <= 0 {
				cancel(why)
				return
			}
			timer := time.NewTimer(min(left, 30*time.Second))
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}
