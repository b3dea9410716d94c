package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"importer/pipeline/state"
	"importer/transform"
)

// A schedWorld is mappings with schedules, in virtual time. The crawls are not
// real: they take some time and end as the test says.
type schedWorld struct {
	t        *testing.T
	dir      string
	schedule *Schedule
	stop     context.CancelFunc
	ended    chan error

	mu     sync.Mutex
	jump   time.Duration // of the wall clock
	take   func(connection string, n int) time.Duration
	fails  func(connection string, n int) error
	memory map[string]*Memory
	recall error
	told   []string // "2000-01-02 02:00:00 one full started"
	crawls int
	now    map[string]int // crawls under way
	most   int            // at a time
}

// scheduled runs a test in virtual time, which begins at midnight UTC on
// Saturday, 1 January 2000. mappings are schedules by connection.
func scheduled(t *testing.T, mappings map[string]string, test func(w *schedWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &schedWorld{t: t, dir: t.TempDir(), memory: map[string]*Memory{}, now: map[string]int{}}
		w.schedule = &Schedule{Crawl: w.crawl, Recall: w.recalled, Tell: w.tell, now: w.wall}
		for connection, schedule := range mappings {
			w.schedule.Files = append(w.schedule.Files, w.write(connection, schedule))
		}
		slices.Sort(w.schedule.Files)
		test(w)
		if w.stop != nil {
			if err := w.end(); err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
		}
	})
}

func (w *schedWorld) write(connection, schedule string) (file string) {
	w.t.Helper()
	text := strings.Replace(fmt.Sprintf(testMapping, "schedule: "+schedule+"\n"), "testconnection", connection, 1)
	file = filepath.Join(w.dir, connection+".yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return file
}

func (w *schedWorld) wall() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.jump).UTC()
}

func (w *schedWorld) set(jump time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jump += jump
}

func (w *schedWorld) recalled(_ context.Context, m *Loaded) (*Memory, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.memory[m.Connection.ID], w.recall
}

func (w *schedWorld) crawl(ctx context.Context, m *Loaded, full bool, memory *Memory) error {
	id := m.Connection.ID
	w.mu.Lock()
	w.crawls++
	n := w.crawls
	if w.now[id]++; w.now[id] > 1 {
		w.t.Errorf("%d crawls of %s at a time", w.now[id], id)
	}
	all := 0
	for _, n := range w.now {
		all += n
	}
	w.most = max(w.most, all)
	take := 10 * time.Minute
	if w.take != nil {
		take = w.take(id, n)
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.now[id]--
		w.mu.Unlock()
	}()
	select {
	case <-time.After(take):
	case <-ctx.Done():
		return ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.memory[id] = memory
	if w.fails != nil {
		return w.fails(id, n)
	}
	return nil
}

func kindOf(full bool) string {
	if full {
		return "full"
	}
	return "incremental"
}

func (w *schedWorld) tell(ev ScheduleEvent) {
	now := w.wall()
	w.mu.Lock()
	defer w.mu.Unlock()
	line := now.Format("01-02 15:04:05") + " " + ev.Connection + " " + ev.Type
	switch ev.Type {
	case "started", "ended":
		line += " " + kindOf(ev.Full)
	case "scheduled":
		line += " " + kindOf(ev.Full) + " " + ev.Due.UTC().Format("01-02 15:04")
	case "missed":
		line += fmt.Sprintf(" %d %s since %s, made up: %v, %s", ev.Count, kindOf(ev.Full), ev.Due.UTC().Format("01-02 15:04"), ev.MadeUp, ev.Reason)
	case "waiting", "clock":
		line += " " + ev.Every.String()
	case "invalid":
		line += " " + ev.Err.Error()
	}
	w.told = append(w.told, line)
}

func (w *schedWorld) run() {
	ctx, stop := context.WithCancel(w.t.Context())
	w.stop, w.ended = stop, make(chan error, 1)
	go func() { w.ended <- w.schedule.Run(ctx) }()
	synctest.Wait()
}

func (w *schedWorld) end() error {
	w.stop()
	w.stop = nil
	return <-w.ended
}

func (w *schedWorld) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wantTold compares what was told since the last time, without the lines of
// the types in but.
func (w *schedWorld) wantTold(but string, want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var got []string
	for _, line := range w.told {
		if !slices.Contains(strings.Fields(but), strings.Fields(line)[3]) {
			got = append(got, line)
		}
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("told\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	w.told = nil
}

const week = 7 * 24 * time.Hour

// Every night an incremental crawl, and on Sundays a full one instead.
func TestScheduleOfAWeek(t *testing.T) {
	scheduled(t, map[string]string{"one": `{full: "0 2 * * 0", incremental: "0 2 * * *", timezone: UTC}`}, func(w *schedWorld) {
		w.run()
		w.sleep(3 * 24 * time.Hour)
		w.wantTold("",
			"01-01 00:00:00 one scheduled incremental 01-01 02:00",
			"01-01 02:00:00 one started incremental", "01-01 02:10:00 one ended incremental",
			"01-01 02:10:00 one scheduled full 01-02 02:00",
			"01-02 02:00:00 one started full", "01-02 02:10:00 one ended full",
			"01-02 02:10:00 one scheduled incremental 01-03 02:00",
			"01-03 02:00:00 one started incremental", "01-03 02:10:00 one ended incremental",
			"01-03 02:10:00 one scheduled incremental 01-04 02:00")
		w.sleep(week)
		if w.crawls != 10 {
			t.Errorf("%d crawls in ten days, want 10", w.crawls)
		}
	})
}

// A mapping may have one kind of crawl only.
func TestScheduleOfOneKind(t *testing.T) {
	for _, kind := range []string{"full", "incremental"} {
		scheduled(t, map[string]string{"one": `{` + kind + `: "0 2 * * *", timezone: UTC}`}, func(w *schedWorld) {
			w.run()
			w.sleep(26*time.Hour + time.Minute)
			w.wantTold("scheduled", "01-01 02:00:00 one started "+kind, "01-01 02:10:00 one ended "+kind, "01-02 02:00:00 one started "+kind)
			w.sleep(time.Hour)
		})
	}
}

// A crawl that takes longer than the time between two makes the next ones
// missed: they are told, and made up once.
func TestScheduleDoesNotOverlap(t *testing.T) {
	const hourly = `{incremental: "0 * * * *", timezone: UTC}`
	long := func(_ string, n int) time.Duration {
		if n == 1 {
			return 150 * time.Minute
		}
		return 10 * time.Minute
	}
	scheduled(t, map[string]string{"one": hourly}, func(w *schedWorld) {
		w.take = long
		w.run()
		w.sleep(4*time.Hour + 30*time.Minute)
		w.wantTold("scheduled", "01-01 01:00:00 one started incremental", "01-01 03:30:00 one ended incremental",
			"01-01 03:30:00 one missed 2 incremental since 01-01 02:00, made up: true, the crawl before was still going",
			"01-01 03:30:00 one started incremental", "01-01 03:40:00 one ended incremental",
			"01-01 04:00:00 one started incremental", "01-01 04:10:00 one ended incremental")
	})
	scheduled(t, map[string]string{"one": hourly}, func(w *schedWorld) {
		w.take = long
		w.schedule.Skip = true
		w.run()
		w.sleep(4*time.Hour + 30*time.Minute)
		w.wantTold("scheduled", "01-01 01:00:00 one started incremental", "01-01 03:30:00 one ended incremental",
			"01-01 03:30:00 one missed 2 incremental since 01-01 02:00, made up: false, the crawl before was still going",
			"01-01 04:00:00 one started incremental", "01-01 04:10:00 one ended incremental")
	})
}

// A full crawl that was missed takes the place of the incremental ones.
func TestScheduleFullWinsLate(t *testing.T) {
	scheduled(t, map[string]string{"one": `{full: "30 3 * * *", incremental: "0 * * * *", timezone: UTC}`}, func(w *schedWorld) {
		w.take = func(_ string, n int) time.Duration {
			if n == 1 {
				return 3 * time.Hour // to 04:00
			}
			return time.Minute
		}
		w.run()
		w.sleep(5*time.Hour + 30*time.Minute)
		w.wantTold("scheduled", "01-01 01:00:00 one started incremental", "01-01 04:00:00 one ended incremental",
			"01-01 04:00:00 one missed 1 full since 01-01 03:30, made up: true, the crawl before was still going",
			"01-01 04:00:00 one started full", "01-01 04:01:00 one ended full",
			"01-01 05:00:00 one started incremental", "01-01 05:01:00 one ended incremental")
	})
}

// What was due while nothing ran is made up once, or told only.
func TestScheduleAfterARestart(t *testing.T) {
	const nightly = `{full: "0 2 * * 0", incremental: "0 2 * * 1-6", timezone: UTC}`
	for _, skip := range []bool{false, true} {
		scheduled(t, map[string]string{"one": nightly}, func(w *schedWorld) {
			w.schedule.Skip = skip
			w.run()
			w.sleep(12 * time.Hour)
			if err := w.end(); err != nil {
				t.Fatal(err)
			}
			w.sleep(3 * 24 * time.Hour) // it is off from Saturday noon to Tuesday noon
			w.told = nil
			w.run()
			w.sleep(time.Hour)
			if skip {
				w.wantTold("scheduled",
					"01-04 12:00:00 one missed 1 full since 01-02 02:00, made up: false, importer schedule was not running, or the crawl was interrupted",
					"01-04 12:00:00 one missed 2 incremental since 01-03 02:00, made up: false, importer schedule was not running, or the crawl was interrupted")
				return
			}
			w.wantTold("scheduled",
				"01-04 12:00:00 one missed 1 full since 01-02 02:00, made up: true, importer schedule was not running, or the crawl was interrupted",
				"01-04 12:00:00 one started full", "01-04 12:10:00 one ended full")
		})
	}
	// Nothing was missed before the first start, nor under another expression.
	scheduled(t, map[string]string{"one": nightly, "two": nightly}, func(w *schedWorld) {
		old := Dealt{Cron: "0 7 * * * UTC", Until: w.wall().Add(-week)}
		w.memory["two"] = &Memory{Full: old, Incremental: old}
		w.run()
		w.sleep(time.Hour)
		slices.Sort(w.told) // both at once
		w.wantTold("", "01-01 00:00:00 one scheduled incremental 01-01 02:00", "01-01 00:00:00 two scheduled incremental 01-01 02:00")
	})
}

// A crawl that was interrupted is made up by the next start.
func TestScheduleInterrupted(t *testing.T) {
	scheduled(t, map[string]string{"one": `{incremental: "0 2 * * *", timezone: UTC}`}, func(w *schedWorld) {
		w.memory["one"] = &Memory{Incremental: Dealt{Cron: "0 2 * * * UTC", Until: w.wall()}}
		w.run()
		w.sleep(2*time.Hour + 5*time.Minute)
		if err := w.end(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v within a crawl, want Canceled", err)
		}
		w.sleep(time.Hour)
		w.told = nil
		w.run()
		w.sleep(time.Hour)
		w.wantTold("scheduled",
			"01-01 03:05:00 one missed 1 incremental since 01-01 02:00, made up: true, importer schedule was not running, or the crawl was interrupted",
			"01-01 03:05:00 one started incremental", "01-01 03:15:00 one ended incremental")
	})
}

// A machine that sleeps wakes up late; its timers have stood still.
func TestScheduleAfterSleep(t *testing.T) {
	scheduled(t, map[string]string{"one": `{incremental: "0 2 * * *", timezone: UTC}`}, func(w *schedWorld) {
		w.run()
		w.sleep(time.Hour)
		w.set(30 * time.Hour) // it is 07:00 of the next day
		w.sleep(time.Hour)
		w.wantTold("scheduled",
			"01-02 07:00:15 one missed 2 incremental since 01-01 02:00, made up: true, the machine was asleep, or its clock was set",
			"01-02 07:00:15 one started incremental", "01-02 07:10:15 one ended incremental")
	})
}

// A clock that is set back a little does not repeat a crawl of the night; far
// back, crawls do not wait for years; and one every hour goes on at once.
func TestScheduleClockSetBack(t *testing.T) {
	scheduled(t, map[string]string{"one": `{incremental: "0 2 * * *", timezone: UTC}`}, func(w *schedWorld) {
		w.run()
		w.sleep(2*time.Hour + 30*time.Minute)
		w.set(-time.Hour)
		w.sleep(23 * time.Hour) // to 00:30
		w.wantTold("scheduled", "01-01 02:00:00 one started incremental", "01-01 02:10:00 one ended incremental")
		w.sleep(2 * time.Hour)
		w.wantTold("scheduled", "01-02 02:00:00 one started incremental", "01-02 02:10:00 one ended incremental")
		w.set(-366 * 24 * time.Hour)
		w.sleep(24 * time.Hour)
		w.wantTold("scheduled", "01-01 02:30:15 one clock 8783h29m45s", "01-02 02:00:00 one started incremental", "01-02 02:10:00 one ended incremental")
	})
	scheduled(t, map[string]string{"one": `{incremental: "0 * * * *", timezone: UTC}`}, func(w *schedWorld) {
		w.run()
		w.sleep(2*time.Hour + 30*time.Minute)
		w.set(-time.Hour)
		w.sleep(time.Hour)
		w.wantTold("scheduled", "01-01 01:00:00 one started incremental", "01-01 01:10:00 one ended incremental",
			"01-01 02:00:00 one started incremental", "01-01 02:10:00 one ended incremental", "01-01 01:30:15 one clock 29m45s",
			"01-01 02:00:00 one started incremental", "01-01 02:10:00 one ended incremental")
	})
}

// A clock that was a year ahead has left its mark in the memory.
func TestScheduleMemoryOfTheFuture(t *testing.T) {
	scheduled(t, map[string]string{"one": `{incremental: "0 2 * * *", timezone: UTC}`}, func(w *schedWorld) {
		w.memory["one"] = &Memory{Incremental: Dealt{Cron: "0 2 * * * UTC", Until: w.wall().AddDate(1, 0, 0)}}
		w.run()
		w.sleep(3 * time.Hour)
		w.wantTold("scheduled", "01-01 00:00:00 one clock 8784h0m0s", "01-01 02:00:00 one started incremental", "01-01 02:10:00 one ended incremental")
	})
}

// Where the clock is changed for summer, a night has one crawl.
func TestScheduleSummerTime(t *testing.T) {
	for _, tt := range []struct {
		from time.Time
		want string
	}{
		{time.Date(2000, 3, 25, 12, 0, 0, 0, time.UTC), "03-26 01:00:00 one started incremental"},  // put forward, 02:00 to 03:00
		{time.Date(2000, 10, 28, 12, 0, 0, 0, time.UTC), "10-29 00:30:00 one started incremental"}, // and back, 03:00 to 02:00
	} {
		scheduled(t, map[string]string{"one": `{incremental: "30 2 * * *", timezone: Europe/Rome}`}, func(w *schedWorld) {
			w.set(tt.from.Sub(w.wall()))
			w.run()
			w.sleep(24 * time.Hour)
			w.wantTold("scheduled ended", tt.want)
		})
	}
}

// Different connections go on at the same time, as many as may.
func TestScheduleParallel(t *testing.T) {
	all := map[string]string{}
	for _, id := range []string{"one", "two", "three", "four"} {
		all[id] = `{incremental: "0 2 * * *", timezone: UTC}`
	}
	for _, parallel := range []int{0, 1, 3} {
		scheduled(t, all, func(w *schedWorld) {
			w.schedule.Parallel = parallel
			w.run()
			w.sleep(2*time.Hour + time.Hour)
			if w.crawls != 4 || w.most != max(parallel, 1) {
				t.Errorf("%d crawls, %d at a time; want 4, %d", w.crawls, w.most, max(parallel, 1))
			}
			for _, line := range w.told {
				if strings.Contains(line, "missed") {
					t.Errorf("a crawl that waits for others was told as missed: %q", line)
				}
			}
		})
	}
}

// The jitter is the same every time, within its bounds, and not the same for
// all.
func TestScheduleJitter(t *testing.T) {
	starts := map[string]bool{}
	for range 2 {
		scheduled(t, map[string]string{"one": `{incremental: "0 2 * * *", timezone: UTC, jitter: 30m}`, "two": `{incremental: "0 2 * * *", timezone: UTC, jitter: 30m}`}, func(w *schedWorld) {
			w.schedule.Parallel = 2
			w.run()
			w.sleep(3 * time.Hour)
			for _, line := range w.told {
				if strings.HasSuffix(line, "started incremental") {
					starts[line] = true
					if at := strings.Fields(line)[1]; at < "02:00:00" || at >= "02:30:00" {
						t.Errorf("it started at %s, want between 02:00 and 02:30", at)
					}
				}
			}
		})
	}
	if len(starts) != 2 {
		t.Errorf("starts %v, want one of each connection, the same both times", starts)
	}
	at := map[string]bool{}
	for line := range starts {
		at[strings.Fields(line)[1]] = true
	}
	if len(at) != 2 {
		t.Errorf("both connections start at the same time")
	}
}

// A crawl that fails is dealt with; one that finds the connection locked comes
// again soon.
func TestScheduleFailures(t *testing.T) {
	scheduled(t, map[string]string{"one": `{incremental: "0 2 * * *", timezone: UTC}`}, func(w *schedWorld) {
		w.fails = func(_ string, n int) error {
			switch n {
			case 1:
				return errors.New("503")
			case 2, 3:
				return fmt.Errorf("%w: another run", state.ErrLocked)
			}
			return nil
		}
		w.take = func(string, int) time.Duration { return time.Second }
		w.run()
		w.sleep(24 * time.Hour)
		w.wantTold("scheduled", "01-01 02:00:00 one started incremental", "01-01 02:00:01 one ended incremental")
		w.sleep(24 * time.Hour)
		w.wantTold("scheduled ended", "01-02 02:00:00 one started incremental", "01-02 02:00:01 one waiting 1m0s",
			"01-02 02:01:01 one started incremental", "01-02 02:01:02 one waiting 2m0s", "01-02 02:03:02 one started incremental")
	})
}

// A memory that cannot be read now may be read later: what was missed is made
// up then.
func TestScheduleForgotten(t *testing.T) {
	scheduled(t, map[string]string{"one": `{incremental: "0 2 * * *", timezone: UTC}`}, func(w *schedWorld) {
		w.memory["one"] = &Memory{Incremental: Dealt{Cron: "0 2 * * * UTC", Until: w.wall().Add(-24 * time.Hour)}}
		w.recall = errors.New("no network")
		w.run()
		w.sleep(90 * time.Second)
		w.mu.Lock()
		w.recall = nil
		w.mu.Unlock()
		w.sleep(time.Hour)
		w.wantTold("scheduled ended", "01-01 00:00:00 one forgotten", "01-01 00:01:00 one forgotten",
			"01-01 00:02:00 one missed 1 incremental since 12-31 02:00, made up: true, importer schedule was not running, or the crawl was interrupted",
			"01-01 00:02:00 one started incremental")
	})
}

// A mapping that has changed is taken up, with its new times from now on.
func TestScheduleMappingChanges(t *testing.T) {
	scheduled(t, map[string]string{"one": `{incremental: "0 12 * * *", timezone: UTC}`}, func(w *schedWorld) {
		w.run()
		w.sleep(6 * time.Hour)
		w.write("one", `{incremental: "0 5 * * *", timezone: UTC}`) // that is over for today
		w.sleep(time.Hour)
		w.wantTold("", "01-01 00:00:00 one scheduled incremental 01-01 12:00", "01-01 06:00:30 one reloaded", "01-01 06:00:30 one scheduled incremental 01-02 05:00")
		w.write("one", `{incremental: "0 25 * * *", timezone: UTC}`)
		w.sleep(time.Hour)
		file := filepath.Join(w.dir, "one.yaml")
		w.wantTold("", "01-01 07:00:30 one invalid "+file+`:6:25: schedule: incremental: the hour "25" is not within 0-23; write five fields: minute, hour, day of month, month, day of week, such as "0 2 * * 1-6"`)
		w.sleep(24 * time.Hour) // the one before is in force
		w.wantTold("scheduled", "01-02 05:00:00 one started incremental", "01-02 05:10:00 one ended incremental")
	})
}

func TestScheduleWrongMappings(t *testing.T) {
	dir := t.TempDir()
	write := func(name, connection, schedule string) string {
		file := filepath.Join(dir, name)
		text := strings.Replace(fmt.Sprintf(testMapping, schedule), "testconnection", connection, 1)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := write("good.yaml", "one", "schedule: {full: \"0 2 * * *\"}\n")
	for _, tt := range []struct{ file, want string }{
		{write("none.yaml", "two", ""), "none.yaml:1:1: the mapping has no schedule; add schedule: "},
		{write("same.yaml", "one", "schedule: {full: \"0 3 * * *\"}\n"), "same.yaml:1:1: the connection one is already that of " + good + "; a connection belongs to one mapping"},
		{write("bad.yaml", "two", "schedule: {full: \"0 2 30 2 *\"}\n"), `bad.yaml:6:18: schedule: full: "0 2 30 2 *" never comes`},
		{filepath.Join(dir, "nowhere.yaml"), "nowhere.yaml:1:1: the mapping cannot be read"},
	} {
		_, err := LoadScheduled([]string{good, tt.file})
		var wrong transform.Errors
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("LoadScheduled(%s) = %v, want %q", filepath.Base(tt.file), err, tt.want)
		}
		if err := (&Schedule{Files: []string{tt.file, good}}).Run(t.Context()); err == nil {
			t.Errorf("Run does not refuse %s", tt.file)
		}
	}
}

func TestNext(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "m.yaml")
	text := fmt.Sprintf(testMapping, "schedule: {full: \"0 2 * * 0\", incremental: \"0 2,14 * * *\", timezone: UTC}\n")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range Next(m, time.Date(2000, 1, 1, 3, 0, 0, 0, time.UTC), 4) {
		got = append(got, kindOf(n.Full)+n.Due.Format(" 01-02 15:04"))
		if !n.Start.Equal(n.Due) {
			t.Errorf("start %v, want %v without jitter", n.Start, n.Due)
		}
	}
	if want := []string{"incremental 01-01 14:00", "full 01-02 02:00", "incremental 01-02 14:00", "incremental 01-03 02:00"}; !slices.Equal(got, want) {
		t.Errorf("Next = %q, want %q", got, want)
	}
}

func TestRememberSchedule(t *testing.T) {
	store, err := state.Open(t.Context(), t.TempDir(), "one", false)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if m, err := Recall(t.Context(), store); m != nil || err != nil {
		t.Errorf("Recall = %v, %v, want nothing", m, err)
	}
	want := Memory{Full: Dealt{"0 2 * * 0 UTC", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	if err := Remember(t.Context(), store, &want); err != nil {
		t.Fatal(err)
	}
	if got, err := Recall(t.Context(), store); err != nil || got == nil || *got != want {
		t.Errorf("Recall = %v, %v, want %v", got, err, want)
	}
	if err := store.SetMeta(t.Context(), metaSchedule, "[]"); err != nil {
		t.Fatal(err)
	}
	if m, err := Recall(t.Context(), store); m != nil || err != nil {
		t.Errorf("Recall of what another version wrote = %v, %v, want nothing", m, err)
	}
}
