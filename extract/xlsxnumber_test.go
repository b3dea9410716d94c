package extract

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

// A number that keeps its spelling is spelled as it would be printed.
func TestCanonicalNumbers(t *testing.T) {
	for raw, want := range map[string]bool{
		"": false, "-": false, ".5": false, "5.": false, "1.50": false, "0": false, "007": false, "00.5": false, "1e5": false, "1.2.3": false, "+1": false,
		"1": true, "-12": true, "123456789012345678901234567890": true, "0.5": true, "-0.25": true, "12.5": true, "0.000001": true,
		"0.0000001": false, "0.1000000000000001": false, "123456789012.345": true, "1234567890123.456": false,
	} {
		if got := isCanonical([]byte(raw)); got != want {
			t.Errorf("isCanonical(%q) = %v, want %v", raw, got, want)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		raw := strconv.FormatFloat(r.Float64()*math.Pow(10, float64(r.IntN(16)-8)), 'f', r.IntN(17), 64)
		v, err := strconv.ParseFloat(raw, 64)
		if err != nil {
			t.Fatal(err)
		}
		a := math.Abs(v)
		if isCanonical([]byte(raw)) && (raw != strconv.FormatFloat(v, 'f', -1, 64) && v != math.Trunc(v) || a < 1e-6 || a >= 1e21) {
			t.Fatalf("%s keeps its spelling and would be printed %s", raw, strconv.FormatFloat(v, 'f', -1, 64))
		}
	}
}

func TestAppendTime(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	first, last := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli()
	for i := range 200_000 {
		ms := first + r.Int64N(last-first)
		ms -= mod(ms, []int64{1, 1000, dayMillis}[i%3])
		layout := "2006-01-02T15:04:05.000"
		switch rest := mod(ms, dayMillis); {
		case rest == 0:
			layout = time.DateOnly
		case rest%1000 == 0:
			layout = "2006-01-02T15:04:05"
		}
		if got, want := string(appendTime(nil, ms)), time.UnixMilli(ms).UTC().Format(layout); got != want {
			t.Fatalf("appendTime(%d) = %s, want %s", ms, got, want)
		}
	}
	if got := string(appendTime(nil, last+1)); got != "10000-01-01T00:00:00" {
		t.Errorf("the year 10000 is %s", got)
	}
}
