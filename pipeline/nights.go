package pipeline

import (
	"context"
	"encoding/json"
	"time"

	"importer/load"
	"importer/pipeline/state"
)

// A Pace is how many requests a second a run makes.
type Pace struct {
	Rate float64 `json:"rate"` // 0: not known, as it is the machine that limits it
	From string  `json:"from"` // given, learned, published, or machine
	// Slow and Fast are what the time is multiplied with if it goes badly or
	// well.
	Slow float64 `json:"slow"`
	Fast float64 `json:"fast"`
}

// PaceOf is the pace of a run into a service, by the rate that is given (0:
// none is) and by what was learned.
func PaceOf(given float64, known Learned) Pace {
	// A run uses 98 to 99.5 % of a limit that it knows: see load.Limiter.
	const slow, fast = 1.02, 1.005
	switch {
	case known.Limited && (given == 0 || known.Rate < given):
		return Pace{known.Rate, "learned", slow, fast}
	case given > 0:
		return Pace{given, "given", slow, fast}
	case known.Rate > 0: // the run ended before the service said no
		return Pace{known.Rate, "learned", slow, 0.5}
	}
	return Pace{load.PublishedRate, "published", 2, 0.5}
}

// MachinePace is the pace of runs into a target in this process, by the last
// one that sent enough to tell.
func MachinePace(ctx context.Context, store *state.Store) (Pace, error) {
	const enough = 500 // requests
	p := Pace{From: "machine", Slow: 1.5, Fast: 0.7}
	if store == nil {
		return p, nil
	}
	runs, err := store.Runs(ctx, 20)
	if err != nil {
		return p, err
	}
	for _, r := range runs {
		var rep Report
		if json.Unmarshal(r.Summary, &rep) == nil && rep.Requests >= enough && rep.Seconds > 0 {
			p.Rate = float64(rep.Requests) / rep.Seconds
			break
		}
	}
	return p, nil
}

// Seconds is how long it takes, and what it waits for: the service, or the
// reading of the files by so many readers.
func (e *Estimate) Seconds(p Pace, readers int) (r Range, limit string) {
	var reading Range
	if s := e.Sampled; s.Records > 0 && s.Seconds > 0 {
		perReader := float64(s.Records) / s.Seconds
		reading = e.Read.Per(perReader * float64(readers))
	}
	if p.Rate == 0 {
		return reading, "reading"
	}
	sending := e.Send.plus(exactly(e.Deletes)).Per(p.Rate)
	sending = Range{sending.Low * p.Fast, sending.Likely * min((p.Slow+1)/2, 1.01), sending.High * p.Slow}
	switch {
	case reading.Likely > sending.Likely:
		return reading, "reading"
	case p.From == "machine":
		return sending, "machine"
	}
	return sending, "service"
}

// Nights says how often a run has to be started for so much work, if each run
// may take longest (0: any time) and only works in the windows, and when it is
// done. Without windows but with a longest time that depends on when it is
// started again: done is zero. So it is for what takes ten years.
func (w Windows) Nights(start time.Time, work, longest time.Duration) (runs int, done time.Time) {
	if len(w.All) == 0 {
		switch {
		case longest == 0 || work <= longest:
			return 1, start.Add(work)
		default:
			return int((work + longest - 1) / longest), time.Time{}
		}
	}
	for runs = 1; runs <= 3660; runs++ {
		s := w.At(start)
		from := later(start, s.Opens)
		time := s.Closes.Sub(from)
		if longest > 0 {
			time = min(time, longest)
		}
		if work <= time {
			return runs, from.Add(work)
		}
		work -= time
		start = s.Closes
	}
	return runs, done
}
