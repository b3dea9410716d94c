package load

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// near and far are the least and most that there and back takes, if a test
// does not say otherwise.
const (
	near = 20 * time.Millisecond
	far  = 200 * time.Millisecond
)

// two is what two requests are in 10 s: 2 % of 40 is less than one.
func two(limit float64) float64 { return 0.2 / limit }

// What stands in the limiter's documentation: once it knows the service, it
// uses all but a percent of the limit and does not overrun it.
func TestLimiterKeepsTheLimit(t *testing.T) {
	for _, tt := range []struct {
		rule    string
		used    float64
		lends   float64 // what the service lets through in advance, in seconds
		learned float64 // the worst 10 s while it learns, at 25/s and more
	}{
		{"as the local Graph", 0.985, 0, 1.02},
		{"bucket of 1 s", 0.985, 1, 1.12},
		{"bucket of 4 s", 0.985, 4, 1.42},
		{"windows of 10 s", 0.98, 0, 1.25},
		{"any 10 s", 0.98, 0, 1.02},
	} {
		for _, limit := range []float64{4, 25, 60, 500} {
			t.Run(fmt.Sprintf("%s/%g", tt.rule, limit), func(t *testing.T) {
				t.Parallel()
				if limit > 25 && testing.Short() || limit == 500 && tt.lends > 0 && os.Getenv("IMPORTER_LONG") == "" {
					t.Skip("up to 360,000 requests")
				}
				synctest.Test(t, func(t *testing.T) {
					s := &service{rule: tt.rule, limit: always(limit), near: near, far: far}
					l := NewLimiter(LimiterOptions{})
					whole := 30 * time.Minute
					if limit == 500 {
						whole = 12 * time.Minute
					}
					s.load(t, l, whole, nil)
					learning, steady := s.measure(0, whole/2), s.measure(whole/2, whole)
					t.Logf("learning %+.4f, steady %+.4f", learning, steady)
					if steady.used < tt.used {
						t.Errorf("%.3f of the limit used, want %.3f", steady.used, tt.used)
					}
					if most := 1.02 + tt.lends/40 + two(limit); steady.worst > most {
						t.Errorf("10 s with %.3f of the limit, want at most %.3f", steady.worst, most)
					}
					if most := tt.learned + two(limit); limit >= 25 && learning.worst > most {
						t.Errorf("10 s with %.3f of the limit while it learns, want at most %.3f", learning.worst, most)
					}
					// A refusal in 200 s, and at 500/s all that are under way.
					if most := max(0.006/limit, 0.0005); steady.refused > most {
						t.Errorf("%.5f of the requests refused, want at most %.5f", steady.refused, most)
					}
				})
			})
		}
	}
}

// A service that counts by the second refuses what the line's jitter has moved
// over the border. The limiter does as well as the best fixed rate.
func TestLimiterAndWindowsOfASecond(t *testing.T) {
	for _, limit := range []float64{25, 60} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				model := func() *service { return &service{rule: "windows of 1 s", limit: always(limit), near: near, far: far} }
				best, at := 0.0, 0.0
				for _, rate := range []float64{0.91, 0.93, 0.95, 0.97, 0.99} {
					s := model()
					s.steadily(rate*limit, 5*time.Minute)
					if used := s.measure(0, 5*time.Minute).used; used > best {
						best, at = used, rate
					}
				}
				s := model()
				s.load(t, NewLimiter(LimiterOptions{}), 15*time.Minute, nil)
				got := s.measure(8*time.Minute, 15*time.Minute)
				t.Logf("%+.4f; a fixed rate of %g of the limit uses %.4f", got, at, best)
				if got.used < 0.97*best {
					t.Errorf("%.3f of the limit used, and a fixed rate of %g of it uses %.3f", got.used, at, best)
				}
				if got.worst > 1+two(limit) || got.refused > 0.004 {
					t.Errorf("10 s with %.3f of the limit and %.4f refused", got.worst, got.refused)
				}
			})
		})
	}
}

// A limit falls to a third for ten minutes and comes back.
func TestLimiterFollowsTheLimit(t *testing.T) {
	for _, rule := range []string{"as the local Graph", "bucket of 1 s", "bucket of 4 s", "windows of 10 s", "any 10 s"} {
		for _, limit := range []float64{25, 60} {
			t.Run(fmt.Sprintf("%s/%g", rule, limit), func(t *testing.T) {
				t.Parallel()
				if limit == 60 && testing.Short() {
					t.Skip("150,000 requests")
				}
				synctest.Test(t, func(t *testing.T) {
					const falls, back = 10 * time.Minute, 20 * time.Minute
					s := &service{rule: rule, near: near, far: far, limit: func(at time.Duration) float64 {
						if at >= falls && at < back {
							return limit / 3
						}
						return limit
					}}
					l := NewLimiter(LimiterOptions{})
					var found, recovered time.Duration
					s.load(t, l, time.Hour, func(at time.Duration) {
						switch rate := l.Rate() / limit; {
						case at > falls && at < back && rate > 0.45:
							found = 0
						case at > falls && at < back && found == 0:
							found = at - falls
						case at > back && rate > 0.95 && recovered == 0:
							recovered = at - back
						}
					})
					low, again := s.measure(falls+3*time.Minute, back), s.measure(45*time.Minute, time.Hour)
					t.Logf("found in %v, recovered in %v; low %+.4f, again %+.4f", found, recovered, low, again)
					if found == 0 || found > 4*time.Minute || recovered == 0 || recovered > 20*time.Minute {
						t.Errorf("found in %v, recovered in %v, want 4 and 20 minutes at most", found, recovered)
					}
					if low.used < 0.94 || again.used < 0.96 {
						t.Errorf("used %.3f of the low limit and %.3f of the old one", low.used, again.used)
					}
				})
			})
		}
	}
}

// A limit far below the first rate is found in a minute.
func TestLimiterFindsALowLimit(t *testing.T) {
	for rule := range rules {
		if rule == "unlimited" {
			continue
		}
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &service{rule: rule, limit: always(4), near: near, far: far}
				l := NewLimiter(LimiterOptions{})
				var found time.Duration
				s.load(t, l, 5*time.Minute, func(at time.Duration) {
					switch rate := l.Rate(); {
					case rate > 6:
						found = 0
					case found == 0:
						found = at
					}
				})
				m := s.measure(time.Minute, 5*time.Minute)
				t.Logf("%v, then %+.4f", found, m)
				if found == 0 || found > 90*time.Second { // refusals by windows of 10 s take 10 s each
					t.Errorf("found in %v, want 90 s", found)
				}
				if m.used < 0.85 || m.refused > 0.02 {
					t.Errorf("from then on %.3f of the limit used and %.4f refused", m.used, m.refused)
				}
			})
		})
	}
}

func TestLimiterRetryAfter(t *testing.T) {
	for _, form := range []string{"", "none", "decimal", "date"} {
		for _, rule := range []string{"as the local Graph", "bucket of 1 s", "windows of 10 s", "any 10 s"} {
			t.Run(fmt.Sprintf("%s/%s", form, rule), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := &service{rule: rule, limit: always(25), near: near, far: far, form: form}
					s.load(t, NewLimiter(LimiterOptions{}), 30*time.Minute, nil)
					m := s.measure(15*time.Minute, 30*time.Minute)
					if t.Logf("%+.4f", m); m.used < 0.98 || m.refused > 0.0006 || m.worst > 1.05 {
						t.Errorf("%+.4f", m)
					}
				})
			})
		}
	}
	// Where each refusal costs 30 s, there are few of them.
	t.Run("30 s", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &service{rule: "as the local Graph", limit: always(25), near: near, far: far, ask: 30 * time.Second}
			s.load(t, NewLimiter(LimiterOptions{}), 3*time.Hour, nil)
			all, m := s.measure(0, 3*time.Hour), s.measure(time.Hour, 3*time.Hour)
			if t.Logf("all %+.4f, steady %+.4f", all, m); all.used < 0.95 || m.used < 0.98 || all.refused > 0.0001 {
				t.Errorf("all %+.4f, after an hour %+.4f", all, m)
			}
		})
	})
}

// Refusals that have nothing to do with the rate do not lower it for long.
func TestLimiterNoise(t *testing.T) {
	for _, rule := range []string{"as the local Graph", "windows of 10 s", "unlimited"} {
		for _, noise := range []float64{0.01, 0.05, 0.10} {
			t.Run(fmt.Sprintf("%s/%g", rule, noise), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := &service{rule: rule, limit: always(25), near: near, far: far, noise: noise}
					l := NewLimiter(LimiterOptions{})
					low := 0
					s.load(t, l, 30*time.Minute, func(at time.Duration) {
						if at > 10*time.Minute && l.Rate() < 0.9*25 {
							low++
						}
					})
					m := s.measure(10*time.Minute, 30*time.Minute)
					// Between two refusals are 1/noise requests, and each of them
					// asks for a second.
					could := 1 / (1 + 25*noise)
					t.Logf("%+.4f of %.3f, below 90 %% in %d s", m, could, low)
					if low > 250 {
						t.Errorf("the rate is below 90 %% of the limit in %d of 1200 s", low)
					}
					if m.used < 0.7*could {
						t.Errorf("%.3f of the limit used, want nearly %.3f", m.used, could)
					}
					if m.worst > 1.06 && rule == "as the local Graph" {
						t.Errorf("10 s with %.3f of the limit", m.worst)
					}
				})
			})
		}
	}
	// When it has passed, a refusal is one again.
	t.Run("passes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &service{rule: "as the local Graph", limit: always(25), near: near, far: far, noise: 0.05}
			l := NewLimiter(LimiterOptions{})
			s.load(t, l, time.Hour, func(at time.Duration) {
				if at == 10*time.Minute {
					s.mu.Lock()
					s.noise = 0
					s.mu.Unlock()
				}
			})
			m := s.measure(20*time.Minute, time.Hour)
			if t.Logf("%+.4f, noise %v", m, l.learner.noise); m.used < 0.97 || m.worst > 1.03 || m.refused > 0.003 || l.learner.noise > 0 {
				t.Errorf("%+.4f when the noise has passed; it is held to be %v", m, l.learner.noise)
			}
		})
	})
	// Without Retry-After there is no need to pause for them.
	t.Run("without Retry-After", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &service{rule: "as the local Graph", limit: always(25), near: near, far: far, noise: 0.05, form: "none"}
			s.load(t, NewLimiter(LimiterOptions{}), 30*time.Minute, nil)
			m := s.measure(5*time.Minute, 30*time.Minute)
			if t.Logf("%+.4f", m); m.used < 0.85 || m.worst > 1.03 {
				t.Errorf("%+.4f, want 0.95 of the limit: all but the noise", m)
			}
		})
	})
}

// 500 requests a second at 200 ms are 100 in flight.
func TestLimiterMoreInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{rule: "as the local Graph", limit: always(500), near: 200 * time.Millisecond, far: 200 * time.Millisecond}
		l := NewLimiter(LimiterOptions{})
		var reached time.Duration
		s.load(t, l, 8*time.Minute, func(at time.Duration) {
			if reached == 0 && l.Rate() > 475 && l.learner.flight >= 100 {
				reached = at
			}
		})
		m := s.measure(4*time.Minute, 8*time.Minute)
		if t.Logf("reached in %v, then %+.4f", reached, m); reached == 0 || reached > 3*time.Minute || m.used < 0.98 {
			t.Errorf("reached in %v, then %.3f of the limit used", reached, m.used)
		}
	})
}

// A service that never refuses but lets requests wait is not sent more than
// keep it busy.
func TestLimiterQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{rule: "unlimited", limit: always(100), near: near, far: near, work: 100 * time.Millisecond, places: 10}
		l := NewLimiter(LimiterOptions{})
		s.load(t, l, 20*time.Minute, nil)
		m := s.measure(10*time.Minute, 20*time.Minute)
		t.Logf("%+.4f, %d at once", m, s.most)
		if m.used < 0.95 {
			t.Errorf("%.3f of what the service does is used", m.used)
		}
		if s.most > 75 {
			t.Errorf("%d requests were sent to a service that works on 10 at once", s.most)
		}
	})
}

// A limit of requests at once. How many can be inside depends on the line: of
// those in flight, only the share that is not on the way.
func TestLimiterConcurrency(t *testing.T) {
	for _, tt := range []struct {
		concurrent int
		work       time.Duration
		used       float64 // of what the service could do with concurrent in it all the time
	}{
		{4, 50 * time.Millisecond, 0.5}, // half of the time is the way
		{4, 200 * time.Millisecond, 0.7},
		{4, time.Second, 0.75},
		{25, 50 * time.Millisecond, 0.55},
		{25, 200 * time.Millisecond, 0.6},
		{25, time.Second, 0.9},
	} {
		t.Run(fmt.Sprintf("%d/%v", tt.concurrent, tt.work), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				could := float64(tt.concurrent) / tt.work.Seconds()
				whole := time.Duration(min(60*60, 400_000/could)) * time.Second
				s := &service{rule: "unlimited", limit: always(could), concurrent: tt.concurrent, work: tt.work, near: near, far: 60 * time.Millisecond}
				l := NewLimiter(LimiterOptions{})
				s.load(t, l, whole, nil)
				m := s.measure(whole/2, whole)
				t.Logf("%+.4f, rate %.1f, in flight %d", m, l.Rate(), l.learner.flight)
				if m.used < tt.used || m.refused > 0.02 {
					t.Errorf("%.3f used, want %.2f; %.4f refused", m.used, tt.used, m.refused)
				}
			})
		})
	}
}

func knowing(known Learned) *Limiter {
	l := NewLimiter(LimiterOptions{})
	l.Assume(known)
	return l
}

// What one run has learned is where the next one begins.
func TestLimiterRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := func(limit float64) *service {
			return &service{rule: "as the local Graph", limit: always(limit), near: near, far: far}
		}
		first := NewLimiter(LimiterOptions{})
		if _, ok := first.Learned(); ok {
			t.Error("something is learned before anything was sent")
		}
		model(60).load(t, first, 15*time.Minute, nil)
		known, ok := first.Learned()
		if !ok || known.Rate < 58 || known.Rate > 60.6 || !known.Limited {
			t.Fatalf("learned %+v, %v, of a limit of 60", known, ok)
		}
		s := model(60)
		s.load(t, knowing(known), 5*time.Minute, nil)
		if m := s.measure(0, 5*time.Minute); m.used < 0.97 || m.worst > 1.02+two(60) {
			t.Errorf("the next run: %+.4f", m)
		}
		// The service allows less by then, or more.
		s = model(20)
		s.load(t, knowing(known), 15*time.Minute, nil)
		if m := s.measure(5*time.Minute, 15*time.Minute); m.used < 0.95 {
			t.Errorf("with a limit of 20: %+.4f", m)
		}
		s = model(120)
		s.load(t, knowing(known), 15*time.Minute, nil)
		if m := s.measure(10*time.Minute, 15*time.Minute); m.used < 0.95 {
			t.Errorf("with a limit of 120: %+.4f", m)
		}
	})
}

// Max is never passed, whatever the service allows.
func TestLimiterMax(t *testing.T) {
	for _, known := range []Learned{{}, {Rate: 100, InFlight: 60, Limited: true}, {Rate: 3, InFlight: 2, Limited: true}, {Rate: 3, InFlight: 2}} {
		synctest.Test(t, func(t *testing.T) {
			s := &service{rule: "unlimited", limit: always(10), near: near, far: far}
			l := NewLimiter(LimiterOptions{Max: 10, MaxInFlight: 40})
			l.Assume(known)
			s.load(t, l, 10*time.Minute, nil)
			if m := s.measure(0, 10*time.Minute); m.worst > 1+two(10) {
				t.Errorf("%+v: %+.4f", known, m)
			}
			if m := s.measure(8*time.Minute, 10*time.Minute); m.used < 0.99 {
				t.Errorf("%+v: %+.4f", known, m)
			}
		})
	}
}

// Whoever wants it slow gets it slow, whatever is refused.
func TestLimiterSlowMax(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterOptions{Max: 0.2})
		for n := range 30 {
			p, err := l.Wait(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			l.Report(p, Result{Throttled: n%3 == 0, After: time.Second})
			if rate := l.Rate(); rate > 0.2 {
				t.Fatalf("the rate is %v", rate)
			}
		}
	})
}

// A rate that nobody uses is not learned: the files may be slower than the
// service.
func TestLimiterUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{rule: "unlimited", limit: always(1000), near: near, far: far}
		s.start()
		l := NewLimiter(LimiterOptions{})
		started := time.Now()
		for time.Since(started) < 10*time.Minute {
			p, err := l.Wait(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			l.Report(p, s.do(started)) // one at a time: 9 a second
		}
		if known, ok := l.Learned(); ok {
			t.Errorf("learned %+v from 9 requests a second", known)
		}
		if rate := l.Rate(); rate > 1.1*startRate {
			t.Errorf("the rate is %v", rate)
		}
	})
}

// An outage is no refusal, and says nothing of the rate.
func TestLimiterOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterOptions{})
		for range 2000 {
			p, err := l.Wait(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			l.Report(p, Result{Err: errors.New("connection refused")})
		}
		if known, ok := l.Learned(); ok || l.Rate() != startRate {
			t.Errorf("learned %+v in an outage; the rate is %v", known, l.Rate())
		}
	})
}

// A service that is closed for a while is asked less and less often, and the
// rate is as before when it opens.
func TestLimiterClosedService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{rule: "as the local Graph", near: near, far: far, form: "none", limit: func(at time.Duration) float64 {
			if at > 5*time.Minute && at < 15*time.Minute {
				return 0.001
			}
			return 25
		}}
		l := NewLimiter(LimiterOptions{})
		s.load(t, l, 30*time.Minute, nil)
		refused := 0
		for _, a := range s.arrivals {
			if !a.ok && a.at > 5*time.Minute && a.at < 15*time.Minute {
				refused++
			}
		}
		m := s.measure(20*time.Minute, 30*time.Minute)
		t.Logf("%d refused while it was closed, then %+.4f", refused, m)
		if refused > 60 {
			t.Errorf("%d requests while the service was closed", refused)
		}
		if m.used < 0.9 {
			t.Errorf("%.3f of the limit used when it was open again", m.used)
		}
	})
}
