package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"importer/pipeline/state"
)

func TestParseWindows(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"22:00-06:00", "22:00-06:00"},
		{" 9:30 - 17:00 ", "09:30-17:00"},
		{"00:00-24:00", "00:00-24:00"},
		{"18:00-24:00", "18:00-24:00"},
		{"22:00", "error: no time of day"},
		{"22-6", "error: no time of day"},
		{"22:00-25:00", "error: no time of day"},
		{"22:60-06:00", "error: no time of day"},
		{"24:00-06:00", "error: no time of day"},
		{"24:01-06:00", "error: no time of day"},
		{"22:0-06:00", "error: no time of day"},
		{"-1:00-06:00", "error: no time of day"},
		{"022:00-06:00", "error: no time of day"},
		{"+2:00-06:00", "error: no time of day"},
		{"22:00-06:00-07:00", "error: no time of day"},
		{"06:00-06:00", "error: is empty"},
		{"", "error: no time of day"},
	} {
		w, err := ParseWindows([]string{tt.text}, time.UTC)
		if part, bad := strings.CutPrefix(tt.want, "error: "); bad {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("ParseWindows(%q) = %v, %v, want an error with %q", tt.text, w, err, part)
			}
			continue
		}
		if err != nil || w.String() != tt.want {
			t.Errorf("ParseWindows(%q) = %v, %v, want %q", tt.text, w, err, tt.want)
		}
	}
}

func FuzzWindows(f *testing.F) {
	f.Add("22:00-06:00", int64(1_774_746_000))
	f.Add("02:15-02:45", int64(1_792_890_000))
	zone, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, seconds int64) {
		w, err := ParseWindows([]string{text}, zone)
		if err != nil {
			return
		}
		if again, err := ParseWindows([]string{w.String()}, zone); err != nil || again.String() != w.String() {
			t.Fatalf("%q reads as %v, which reads as %v, %v", text, w, again, err)
		}
		now := time.Unix(seconds%4_000_000_000, 0)
		s := w.At(now)
		if !s.Closes.After(now) || !s.Closes.After(s.Opens) || s.Opens.Sub(now) > 49*time.Hour {
			t.Errorf("%v at %v: %v", w, now.In(zone), s)
		}
	})
}

func TestWindowsAt(t *testing.T) {
	const form = "2006-01-02 15:04 MST"
	for _, tt := range []struct {
		zone, windows, at string
		opens, closes     string
	}{
		{"UTC", "22:00-06:00", "2026-11-26 12:00 UTC", "2026-11-26 22:00 UTC", "2026-11-27 06:00 UTC"},
		{"UTC", "22:00-06:00", "2026-11-26 22:00 UTC", "2026-11-26 22:00 UTC", "2026-11-27 06:00 UTC"},
		{"UTC", "22:00-06:00", "2026-11-27 05:59 UTC", "2026-11-26 22:00 UTC", "2026-11-27 06:00 UTC"},
		{"UTC", "22:00-06:00", "2026-11-27 06:00 UTC", "2026-11-27 22:00 UTC", "2026-11-28 06:00 UTC"},
		{"UTC", "09:00-17:00", "2026-12-31 18:00 UTC", "2027-01-01 09:00 UTC", "2027-01-01 17:00 UTC"},
		{"Europe/Rome", "22:00-06:00", "2026-11-26 12:00 UTC", "2026-11-26 22:00 CET", "2026-11-27 06:00 CET"},
		// Several; those that touch or overlap are one.
		{"UTC", "12:00-13:00,22:00-06:00", "2026-11-26 12:30 UTC", "2026-11-26 12:00 UTC", "2026-11-26 13:00 UTC"},
		{"UTC", "12:00-13:00,22:00-06:00", "2026-11-26 13:30 UTC", "2026-11-26 22:00 UTC", "2026-11-27 06:00 UTC"},
		{"UTC", "22:00-24:00,00:00-06:00", "2026-11-26 23:00 UTC", "2026-11-26 22:00 UTC", "2026-11-27 06:00 UTC"},
		{"UTC", "20:00-23:00,22:00-02:00", "2026-11-26 12:00 UTC", "2026-11-26 20:00 UTC", "2026-11-27 02:00 UTC"},
		// The night on which the clocks go forward has seven hours, the one on
		// which they go back has nine.
		{"Europe/Rome", "22:00-06:00", "2026-03-28 23:00 CET", "2026-03-28 22:00 CET", "2026-03-29 06:00 CEST"},
		{"Europe/Rome", "22:00-06:00", "2026-10-24 23:00 CEST", "2026-10-24 22:00 CEST", "2026-10-25 06:00 CET"},
		{"America/New_York", "22:00-06:00", "2026-11-01 12:00 UTC", "2026-11-01 22:00 EST", "2026-11-02 06:00 EST"},
		// 02:30 is not there on 29 March: the clocks go from 02:00 to 03:00.
		{"Europe/Rome", "02:30-04:00", "2026-03-28 23:00 CET", "2026-03-29 03:00 CEST", "2026-03-29 04:00 CEST"},
		{"Europe/Rome", "01:00-02:30", "2026-03-28 23:00 CET", "2026-03-29 01:00 CET", "2026-03-29 03:00 CEST"},
		{"Europe/Rome", "02:15-02:45", "2026-03-28 23:00 CET", "2026-03-30 02:15 CEST", "2026-03-30 02:45 CEST"},
		// It is there twice on 25 October: the first counts.
		{"Europe/Rome", "02:30-04:00", "2026-10-24 23:00 CEST", "2026-10-25 02:30 CEST", "2026-10-25 04:00 CET"},
		{"Europe/Rome", "01:00-02:30", "2026-10-24 23:00 CEST", "2026-10-25 01:00 CEST", "2026-10-25 02:30 CEST"},
		{"Europe/Rome", "01:00-02:30", "2026-10-25 02:10 CET", "2026-10-26 01:00 CET", "2026-10-26 02:30 CET"},
		{"America/New_York", "01:30-03:00", "2026-11-01 00:00 EDT", "2026-11-01 01:30 EDT", "2026-11-01 03:00 EST"},
		// Half an hour, and at midnight.
		{"Australia/Lord_Howe", "02:15-05:00", "2026-10-03 12:00 UTC", "2026-10-04 02:30 +11", "2026-10-04 05:00 +11"},
		{"Asia/Beirut", "00:00-02:00", "2026-03-28 20:00 EET", "2026-03-29 01:00 EEST", "2026-03-29 02:00 EEST"},
		{"Asia/Beirut", "22:00-24:00", "2026-03-28 20:00 EET", "2026-03-28 22:00 EET", "2026-03-29 01:00 EEST"},
	} {
		zone, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		at := func(text string) time.Time {
			got, err := time.ParseInLocation(form, text, zone)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		w, err := ParseWindows(strings.Split(tt.windows, ","), zone)
		if err != nil {
			t.Fatal(err)
		}
		got := w.At(at(tt.at))
		if want := (Span{at(tt.opens), at(tt.closes)}); !got.Opens.Equal(want.Opens) || !got.Closes.Equal(want.Closes) {
			t.Errorf("%s in %s at %s: %v to %v, want %s to %s", tt.windows, tt.zone, tt.at, got.Opens.In(zone), got.Closes.In(zone), tt.opens, tt.closes)
		}
	}
	now := time.Now()
	if s := (Windows{}).At(now); !s.Opens.Equal(now) || !s.Closes.IsZero() {
		t.Errorf("without windows: %v", s)
	}
}

// A run whose time is over ends at a checkpoint, and the next ones go on there
// until it is done. Nothing is sent twice.
func TestTimeOver(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", numbered(60)...)
	w.write("b.csv", numbered(20)...)
	synctest.Test(t, func(t *testing.T) {
		w.t = t
		w.target.onRequest = func(int, bool) error {
			time.Sleep(100 * time.Millisecond) // before and after the effect
			return nil
		}
		over := &TimeOver{Why: "the time is over"}
		runs := 0
		for {
			runs++
			ctx, stop := Until(t.Context(), time.Now().Add(2*time.Second), over)
			started := time.Now()
			rep, err := w.crawl(ctx)
			stop()
			if err == nil {
				if !rep.Resumed || rep.Read != 80 || rep.Stored != 60 {
					t.Errorf("the last run: %+v", rep.Counts)
				}
				break
			}
			if !errors.Is(err, over) || !errors.Is(err, context.Canceled) || rep.Error != "" {
				t.Fatalf("run %d ends with %v (%q), want the time to be over", runs, err, rep.Error)
			}
			if took := time.Since(started); took < 2*time.Second || took > 3100*time.Millisecond {
				t.Errorf("run %d took %v, want 2 s and its grace", runs, took)
			}
			if runs > 10 {
				t.Fatal("it does not get on")
			}
		}
		if runs < 2 {
			t.Error("the first run had time for all")
		}
		if w.target.puts != 60 {
			t.Errorf("%d items were sent, want each of 60 once", w.target.puts)
		}
		infos, err := runsOf(t, w)
		if err != nil || len(infos) != 1 || infos[0].Status != "done" {
			t.Errorf("the history: %+v, %v", infos, err)
		}
	})
}

func runsOf(t *testing.T, w *world) ([]state.RunInfo, error) {
	s, err := state.Reader(w.state, "testconnection")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.Runs(t.Context(), 10)
}

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := &TimeOver{Why: "over"}
		ctx, stop := Until(t.Context(), time.Now().Add(3*time.Hour), over)
		defer stop()
		time.Sleep(3*time.Hour - time.Second)
		if ctx.Err() != nil {
			t.Fatal("the time is not over")
		}
		time.Sleep(2 * time.Second)
		if context.Cause(ctx) != over || ctx.Err() != context.Canceled {
			t.Errorf("%v, %v", ctx.Err(), context.Cause(ctx))
		}
		ctx, stop = Until(t.Context(), time.Now().Add(time.Hour), over)
		stop()
		if context.Cause(ctx) == over {
			t.Error("a run that has ended in time is over time")
		}
		ctx, stop = Until(t.Context(), time.Now().Add(-time.Hour), over)
		defer stop()
		synctest.Wait()
		if context.Cause(ctx) != over {
			t.Error("a time that is past is not over")
		}
	})
}

func TestTimeOverWords(t *testing.T) {
	at := time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		err  TimeOver
		want string
	}{
		{TimeOver{Why: "the time is over"}, "the time is over; run again to go on"},
		{TimeOver{Why: "the window has closed", Opens: at}, "the window has closed; it opens at Thu 2026-11-26 22:00 UTC; run again then"},
		{TimeOver{Why: "it is outside", Opens: at, Now: at.Add(-90 * time.Minute)}, "it is outside; it opens at Thu 2026-11-26 22:00 UTC, in 1h30m; run again then"},
	} {
		if got := fmt.Sprint(&tt.err); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
