package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"time"

	"importer/load"
	"importer/pipeline/state"
)

// Learned is what a run has found out of the service's limits, and when.
type Learned struct {
	load.Learned
	At time.Time `json:"at"`
}

const metaLearned = "learned"

// Remembered is what the runs before have learned of a connection, the zero
// Learned when that is nothing.
func Remembered(ctx context.Context, store *state.Store) (known Learned, err error) {
	text, err := store.Meta(ctx, metaLearned)
	if err != nil || text == "" {
		return Learned{}, err
	}
	if json.Unmarshal([]byte(text), &known) != nil || !(known.Rate > 0) || known.InFlight < 1 {
		return Learned{}, nil // another version's; it is learned anew
	}
	return known, nil
}

// Aged is what is held of it at a later time: limits are changed. Within a
// week it holds, and with each week that it is older it counts half as much
// against the published figure.
func (k Learned) Aged(now time.Time) Learned {
	const week = 7 * 24 * time.Hour
	if age := now.Sub(k.At); age > week && k.Rate > 0 {
		trust := math.Exp2(-float64(age) / float64(week))
		k.Rate = load.PublishedRate * math.Pow(k.Rate/load.PublishedRate, trust)
		k.InFlight = int(math.Round(25 * math.Pow(float64(k.InFlight)/25, trust)))
		k.Limited, k.Refused = false, 0
	}
	return k
}

// withLearning lets the limiter begin with what the runs before have learned,
// and remembers what this one does, every minute: a run may be killed.
func (c *Crawl) withLearning(ctx context.Context, rep *Report, run func() error) error {
	l := c.Loader.Limiter
	if l == nil {
		return run()
	}
	known, err := Remembered(ctx, c.Store)
	if err != nil {
		return err
	}
	if known = known.Aged(time.Now()); known.Rate > 0 {
		l.Assume(known.Learned)
		rep.Learned = &known
	}
	save := func(ctx context.Context) error {
		now, ok := l.Learned()
		if !ok {
			return nil
		}
		rep.Learned = &Learned{Learned: now, At: time.Now().UTC().Truncate(time.Second)}
		if !c.Store.Keeps() {
			return nil
		}
		text, err := json.Marshal(rep.Learned)
		if err != nil {
			return err // unreachable: the rate is finite
		}
		return c.Store.SetMeta(ctx, metaLearned, string(text))
	}
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- everyMinute(ctx, stop, save) }()
	err = run()
	close(stop)
	return errors.Join(err, <-ended, save(context.WithoutCancel(ctx)))
}

// everyMinute calls do until it fails, ctx ends or stop is closed.
func everyMinute(ctx context.Context, stop <-chan struct{}, do func(context.Context) error) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := do(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		case <-stop:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
