package transform

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestCronProblem(t *testing.T) {
	for spec, ok := range map[string]bool{
		"0 2 * * 0": true, "*/15 8-18 * * mon-fri": true, "0,30 2 1 JAN *": true, "5-10/2 * * * 7": true, "0 2 * * 5-7": true,
		"0 2 * *": false, "60 2 * * *": false, "0 2 0 * *": false, "0 2 * 13 *": false, "0 2 * * 8": false, "9-5 * * * *": false, "a * * * *": false, "*/0 * * * *": false, "@daily": false,
		"1-2-3 * * * *": false, "+5 * * * *": false, "0 2 L * *": false, "0 2 * * 1#2": false, "0 2 ? * *": false, "5- * * * *": false, "*/+2 * * * *": false, "1,,2 * * * *": false,
	} {
		if got := cronProblem(spec) == ""; got != ok {
			t.Errorf("cronProblem(%q) = %q", spec, cronProblem(spec))
		}
	}
}

func zoneOf(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestCronNext(t *testing.T) {
	const form = "2006-01-02 15:04 -07"
	for _, tt := range []struct {
		zone, spec, after string
		want              []string
	}{
		{"UTC", "0 2 * * 0", "2026-09-20 02:00 +00", []string{"2026-09-27 02:00 +00"}},
		{"UTC", "0 2 * * 7", "2026-09-20 01:59 +00", []string{"2026-09-20 02:00 +00"}},
		{"UTC", "0 0 29 2 *", "2026-09-20 01:59 +00", []string{"2028-02-29 00:00 +00", "2032-02-29 00:00 +00"}},
		{"UTC", "0 0 29 2 */7", "2032-03-01 00:00 +00", []string{"2060-02-29 00:00 +00"}},
		{"UTC", "0 0 31 * *", "2026-01-31 00:00 +00", []string{"2026-03-31 00:00 +00", "2026-05-31 00:00 +00"}},
		// Either day is enough when both are given; a * makes it both.
		{"UTC", "0 0 1 * mon", "2026-05-30 00:00 +00", []string{"2026-06-01 00:00 +00", "2026-06-08 00:00 +00"}},
		{"UTC", "0 0 */2 * mon", "2026-06-02 00:00 +00", []string{"2026-06-15 00:00 +00", "2026-06-29 00:00 +00"}},
		// The clock is put forward: a nightly crawl is not left out.
		{"Europe/Rome", "30 2 * * *", "2026-03-28 12:00 +01", []string{"2026-03-29 03:00 +02", "2026-03-30 02:30 +02"}},
		{"Europe/Rome", "*/20 2 * * *", "2026-03-28 12:00 +01", []string{"2026-03-29 03:00 +02", "2026-03-30 02:00 +02"}},
		{"Europe/Rome", "*/30 * * * *", "2026-03-29 01:20 +01", []string{"2026-03-29 01:30 +01", "2026-03-29 03:00 +02", "2026-03-29 03:30 +02"}},
		{"Europe/Rome", "15 * * * *", "2026-03-29 01:20 +01", []string{"2026-03-29 03:15 +02"}},
		{"America/Sao_Paulo", "0 0 * * *", "2018-11-03 12:00 -03", []string{"2018-11-04 01:00 -02", "2018-11-05 00:00 -02"}},
		{"Pacific/Apia", "0 9 30 12 *", "2011-12-01 00:00 -10", []string{"2011-12-31 00:00 +14", "2012-12-30 09:00 +14"}},
		// And back: it is not done twice, but every half an hour is.
		{"Europe/Rome", "30 2 * * *", "2026-10-24 12:00 +02", []string{"2026-10-25 02:30 +02", "2026-10-26 02:30 +01"}},
		{"Europe/Rome", "30 2 * * *", "2026-10-25 02:10 +01", []string{"2026-10-26 02:30 +01"}},
		{"Europe/Rome", "0 3 * * *", "2026-10-25 02:10 +01", []string{"2026-10-25 03:00 +01"}},
		{"Europe/Rome", "*/30 * * * *", "2026-10-25 02:10 +02", []string{"2026-10-25 02:30 +02", "2026-10-25 02:00 +01", "2026-10-25 02:30 +01", "2026-10-25 03:00 +01"}},
		{"America/Sao_Paulo", "30 23 * * *", "2018-02-17 12:00 -02", []string{"2018-02-17 23:30 -02", "2018-02-18 23:30 -03"}},
		{"Australia/Lord_Howe", "45 1 * * *", "2026-04-04 12:00 +11", []string{"2026-04-05 01:45 +11", "2026-04-06 01:45 +1030"}},
	} {
		c := newCron(tt.spec, zoneOf(t, tt.zone))
		at, err := time.Parse(form, tt.after)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			at = c.Next(at)
			if got := strings.TrimSuffix(at.Format("2006-01-02 15:04 -0700"), "00"); got != want && at.Format("2006-01-02 15:04 -0700") != want {
				t.Errorf("%s: the next of %q after %s is %s, want %s", tt.zone, tt.spec, tt.after, got, want)
			}
		}
	}
}

// TestCronAgainstTheClock compares Next with what a minute hand meets that goes
// through days around changes of the clock.
func TestCronAgainstTheClock(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	days := []struct {
		zone string
		from time.Time
	}{
		{"Europe/Rome", time.Date(2026, 3, 28, 9, 0, 0, 0, time.UTC)}, {"Europe/Rome", time.Date(2026, 10, 24, 9, 0, 0, 0, time.UTC)},
		{"Europe/Dublin", time.Date(2026, 10, 24, 9, 0, 0, 0, time.UTC)}, {"America/New_York", time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)},
		{"America/Sao_Paulo", time.Date(2018, 11, 3, 12, 0, 0, 0, time.UTC)}, {"America/Sao_Paulo", time.Date(2018, 2, 17, 12, 0, 0, 0, time.UTC)},
		{"Australia/Lord_Howe", time.Date(2026, 4, 4, 0, 0, 0, 0, time.UTC)}, {"Australia/Lord_Howe", time.Date(2026, 10, 3, 0, 0, 0, 0, time.UTC)},
		{"Pacific/Apia", time.Date(2011, 12, 29, 12, 0, 0, 0, time.UTC)}, {"Africa/Casablanca", time.Date(2026, 2, 14, 12, 0, 0, 0, time.UTC)},
		{"Asia/Kathmandu", time.Date(1985, 12, 31, 6, 0, 0, 0, time.UTC)},
		{"UTC", time.Date(2028, 2, 28, 12, 0, 0, 0, time.UTC)}, {"Europe/Rome", time.Date(2028, 12, 30, 12, 0, 0, 0, time.UTC)},
		{"America/New_York", time.Date(2072, 12, 30, 12, 0, 0, 0, time.UTC)},
	}
	found := 0
	for n := range 1200 {
		d := days[n%len(days)]
		loc := zoneOf(t, d.zone)
		spec := strings.Join([]string{randomField(rnd, 0, 59), randomField(rnd, 0, 23), randomField(rnd, 1, 31), randomField(rnd, 1, 12), randomField(rnd, 0, 7)}, " ")
		if problem := cronProblem(spec); problem != "" {
			t.Fatalf("%q: %s", spec, problem)
		}
		from := d.from.Add(time.Duration(rnd.IntN(6*3600)) * time.Second)
		to := from.Add(48 * time.Hour)
		want := minuteHand(spec, from.In(loc), to)
		var got []time.Time
		c := newCron(spec, loc)
		for at := c.Next(from); !at.IsZero() && at.Before(to); at = c.Next(at) {
			got = append(got, at)
			if len(got) > len(want) {
				break
			}
		}
		found += len(got)
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("%s: %q after %v is due %d times, want %d\n got %v\nwant %v", d.zone, spec, from.In(loc), len(got), len(want), got[:min(len(got), 5)], want[:min(len(want), 5)])
		}
	}
	if found < 20_000 {
		t.Errorf("only %d times were compared", found)
	}
}

func randomField(rnd *rand.Rand, low, top int) string {
	a := low + rnd.IntN(top-low+1)
	b := a + rnd.IntN(top-a+1)
	switch rnd.IntN(8) {
	case 0, 1, 2:
		return "*"
	case 3:
		return "*/" + strconv.Itoa(1+rnd.IntN(7))
	case 4:
		return fmt.Sprintf("%d-%d", a, b)
	case 5:
		return fmt.Sprintf("%d-%d/%d", a, b, 1+rnd.IntN(4))
	case 6:
		return fmt.Sprintf("%d,%d", b, a)
	}
	return strconv.Itoa(a)
}

// minuteHand gives the times between from and to at which an expression is
// due, by looking at every minute. It shares nothing with the code.
func minuteHand(spec string, from, to time.Time) (due []time.Time) {
	f := strings.Fields(spec)
	sets := [5]map[int]bool{fieldSet(f[0], 0, 59), fieldSet(f[1], 0, 23), fieldSet(f[2], 1, 31), fieldSet(f[3], 1, 12), fieldSet(f[4], 0, 7)}
	if sets[4][7] {
		sets[4][0] = true
	}
	matches := func(y int, mo time.Month, d, h, mi int) bool {
		day, week := sets[2][d], sets[4][int(time.Date(y, mo, d, 0, 0, 0, 0, time.UTC).Weekday())]
		both := day && week
		if f[2][0] != '*' && f[4][0] != '*' {
			both = day || week
		}
		return sets[0][mi] && sets[1][h] && sets[3][int(mo)] && both
	}
	every := f[1][0] == '*'
	shown := map[int64]bool{} // what the clock has shown already
	face := func(t time.Time) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	start := from.Truncate(time.Minute).Add(-26 * time.Hour) // what was shown before counts
	before := face(start.Add(-time.Minute))
	for t := start; t.Before(to); t = t.Add(time.Minute) {
		now := face(t)
		again := shown[now.Unix()]
		shown[now.Unix()] = true
		hit := matches(now.Year(), now.Month(), now.Day(), now.Hour(), now.Minute()) && (every || !again)
		for skipped := before.Add(time.Minute); !every && skipped.Before(now); skipped = skipped.Add(time.Minute) {
			hit = hit || matches(skipped.Year(), skipped.Month(), skipped.Day(), skipped.Hour(), skipped.Minute())
		}
		before = now
		if hit && t.After(from) {
			due = append(due, t)
		}
	}
	return due
}

func fieldSet(field string, low, top int) map[int]bool {
	set := map[int]bool{}
	for part := range strings.SplitSeq(field, ",") {
		rng, step, stepped := strings.Cut(part, "/")
		by := 1
		if stepped {
			by, _ = strconv.Atoi(step)
		}
		a, b := low, top
		if rng != "*" {
			first, last, ranged := strings.Cut(rng, "-")
			a, _ = strconv.Atoi(first)
			b = a
			if ranged {
				b, _ = strconv.Atoi(last)
			}
		}
		for i := a; i <= b; i += by {
			set[i] = true
		}
	}
	return set
}

func TestSchedule(t *testing.T) {
	src := one("string", "title", "")
	with := func(schedule string) (*Mapping, error) {
		return parse("m.yaml", []byte(src+"schedule: "+schedule+"\n"))
	}
	m, err := with(`{full: "30 2 * * 0", incremental: "0 * * * *", timezone: Europe/Rome, jitter: 5m}`)
	if err != nil {
		t.Fatal(err)
	}
	s := m.Schedule
	if s.Full.Spec != "30 2 * * 0" || s.Incremental.Spec != "0 * * * *" || s.Full.Zone.String() != "Europe/Rome" || s.Jitter != 5*time.Minute {
		t.Errorf("the schedule is %+v", s)
	}
	if m, err = with(`{full: "30 2 * * 0"}`); err != nil || m.Schedule.Incremental != nil || m.Schedule.Full.Zone != time.Local {
		t.Errorf("the schedule is %+v, %v", m.Schedule, err)
	}
	for schedule, want := range map[string]string{
		`{full: "0 2 30 2 *"}`:                        `schedule: full: "0 2 30 2 *" never comes; write a day`,
		`{full: "0 2 31 4,6,9,11 *"}`:                 `never comes`,
		`{full: "0 2 31 2 1"}`:                        ``, // Mondays of February
		`{full: "61 2 * * *"}`:                        `schedule: full: the minute "61" is not within 0-59; write five fields`,
		`{jitter: 5m}`:                                `schedule has neither full nor incremental; add full`,
		`{full: "0 2 * * *", jitter: 13h}`:            `schedule: jitter: 13h0m0s is too long; write a duration of 12h at most`,
		`{full: "0 2 * * *", jitter: soon}`:           `schedule: jitter cannot be "soon"; write a duration`,
		`{full: "0 2 * * *", timezone: Europe/Milan}`: `schedule: the time zone "Europe/Milan" is not known; write an IANA name`,
	} {
		_, err := with(schedule)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "m.yaml:")) {
			t.Errorf("schedule: %s: %v, want %q", schedule, err, want)
		}
	}
}

// FuzzCron: whatever is taken for an expression has a next time, which is
// later, a full minute, and leaves none out.
func FuzzCron(f *testing.F) {
	for _, spec := range []string{"0 2 * * 0", "*/15 8-18 * * mon-fri", "0 0 29 2 */7", "30 2 * * *", "59 23 31 12 7", "5/10 1-3/2 1,31 jan-dec 0-7"} {
		f.Add(spec, int64(1_790_000_000), uint8(0))
	}
	zones := []string{"UTC", "Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"}
	f.Fuzz(func(t *testing.T, spec string, at int64, zone uint8) {
		m, err := parse("m.yaml", []byte(one("string", "title")+"schedule:\n  full: "+strconv.Quote(spec)+"\n"))
		if err != nil {
			return
		}
		c := m.Schedule.Full
		c.Zone = zoneOf(t, zones[int(zone)%len(zones)])
		after := time.Unix(at%4_000_000_000, 0) // 1843 to 2096
		next := c.Next(after)
		if !next.After(after) || next.Second() != 0 && next.Year() > 1970 || next.Sub(after) > 41*366*24*time.Hour {
			t.Fatalf("%q in %v: the next after %v is %v", spec, c.Zone, after, next)
		}
		if between := c.Next(after.Add(next.Sub(after) / 2)); !between.Equal(next) {
			t.Fatalf("%q in %v: the next after %v is %v, but half way to it is %v", spec, c.Zone, after, next, between)
		}
	})
}
