package transform

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"importer/extract"
)

// profileCSV profiles a text table.
func profileCSV(t testing.TB, text string) *Profiler {
	t.Helper()
	r := NewProfiler()
	in := extract.Input{Name: "t.csv", Size: int64(len(text)), ReaderAt: strings.NewReader(text)}
	for rec, err := range extract.Records(context.Background(), in, extract.Options{Format: "csv"}) {
		if err != nil {
			r.Bad()
			continue
		}
		r.Add(rec)
	}
	return r
}

// column makes a table of one column, and another so that it is one.
func column(values ...string) string {
	var b strings.Builder
	b.WriteString("value|x\n")
	for i, v := range values {
		fmt.Fprintf(&b, "\"%s\"|%d\n", strings.ReplaceAll(v, `"`, `""`), i*7%5)
	}
	return b.String()
}

func TestDateOf(t *testing.T) {
	for _, test := range []struct{ value, layout, want string }{
		{"2026-05-01", layoutISO, "2026-05-01T00:00:00Z"},
		{"2026-05-01 08:30", layoutISO, "2026-05-01T08:30:00Z"},
		{"2026-05-01T08:30:00.5+02:00", layoutISO, "2026-05-01T06:30:00Z"},
		{"31.12.2026", "02.01.2006", "2026-12-31T00:00:00Z"},
		{"1.5.2026", "2.1.2006", "2026-05-01T00:00:00Z"},
		{"31.12.26 17:30", "02.01.06 15:04", "2026-12-31T17:30:00Z"},
		{"12/31/2026", "02/01/2006", "2026-12-31T00:00:00Z"}, // day first as long as nothing else is known
		{"12/31/2026 5:30 PM", "02/01/2006 3:04 PM", "2026-12-31T17:30:00Z"},
		{"12/31/2026 05:30:10 pm", "02/01/2006 3:04:05 pm", "2026-12-31T17:30:10Z"},
		{"2026/12/31", "2006/01/02", "2026-12-31T00:00:00Z"},
		{"2026.12.31 23:59:59", "2006.01.02 15:04:05", "2026-12-31T23:59:59Z"},
		{"5. March 2026", "2. January 2006", "2026-03-05T00:00:00Z"},
		{"05-Mar-26", "02-Jan-06", "2026-03-05T00:00:00Z"},
		{"Mar 5, 2026", "Jan 2, 2006", "2026-03-05T00:00:00Z"},
		{"Thu, 05 Mar 2026 10:00:00 +0100", "Mon, 02 Jan 2006 15:04:05 -0700", "2026-03-05T09:00:00Z"},
		{"Thu, 05 Mar 2026 10:00:00 GMT", "Mon, 02 Jan 2006 15:04:05 MST", "2026-03-05T10:00:00Z"},
	} {
		f, ok := dateOf(test.value)
		if !ok || f.layout != test.layout || f.value.UTC().Format(time.RFC3339) != test.want {
			t.Errorf("dateOf(%q) = %q, %v, %v, want %q, %s", test.value, f.layout, f.value, ok, test.layout, test.want)
		}
		if f.layout == layoutISO || !ok {
			continue
		}
		if fault := layoutFault(f.layout); fault != "" {
			t.Errorf("the layout %q of %q is refused in a mapping: %s", f.layout, test.value, fault)
		}
		layout := f.layout
		if f.second > 12 {
			layout = monthFirst(layout)
		}
		if got, ok := newDateSpec([]string{looseLayout(layout)}).parse(test.value, time.UTC); !ok || !got.Equal(f.value) {
			t.Errorf("date(%q, %q) = %v, %v", test.value, looseLayout(layout), got, ok)
		}
	}
	for _, none := range []string{"", "31.02.2024", "2024-13-05", "32/12/2026", "13/13/2026", "1.2", "1.2.3", "10.0.0.1", "192.168.10.20", "2026", "20260501", "12:30", "INC-10001", "v1.2.2026", "1/2", "May",
		"555-12-3456", "05.2026", "March 2026", "0000-00-00", "1.234.567", "12-34-56-78"} {
		if f, ok := dateOf(none); ok {
			t.Errorf("dateOf(%q) is a date like %q", none, f.layout)
		}
	}
}

func TestClassOf(t *testing.T) {
	for _, test := range []struct {
		value string
		want  class
	}{
		{"", classEmpty}, {"7", classInt}, {"-3", classInt}, {"+3", classInt}, {"0", classInt}, {"007", classZeroInt}, {"99999999999999999999", classLongInt},
		{"1.5", classPoint}, {"1e3", classPoint}, {"0.125", classPoint}, {"1,5", classComma}, {"0,125", classComma}, {"1,234", classGroupComma}, {"1.234", classGroupPoint},
		{"1.234.567", classGroupPoint}, {"1,234,567", classGroupComma}, {"1 234", classGroupSpace}, {"1'234'567", classGroupSpace}, {"1,234.50", classPointGroups}, {"1.234,50", classCommaGroups},
		{"12,34,567", classText}, {"1.2.3", classText}, {"--3", classText}, {"1-2", classText},
		{"true", classBool}, {"No", classBool}, {"Y", classBool}, {"ja", classYesNo}, {"non", classYesNo}, {"да", classYesNo},
		{"n/a", classNull}, {"NULL", classNull}, {"-", classNull}, {"0000-00-00", classNull}, {`\N`, classNull},
		{"2026-05-01", classDate}, {"08:30", classClock}, {"25:30", classText},
		{"https://example.com/a?b=c", classURL}, {"https://example.com/a b", classText}, {"a@example.com", classMail}, {"a@b, c@d", classText}, {"@handle", classText},
		{"5b2c7f3e-0d1a-4c55-9a3e-2f6b8d0c1e47", classGUID}, {"{5B2C7F3E-0D1A-4C55-9A3E-2F6B8D0C1E47}", classGUID},
		{`\\server\share\a.docx`, classPath}, {`C:\a\b.txt`, classPath}, {"/usr/share/doc", classPath}, {"and/or", classText}, {"INC-10001", classText}, {"Zürich", classText},
	} {
		if got, _ := classOf(test.value, nil); got != test.want {
			t.Errorf("classOf(%q) = %s, want %s", test.value, classNames[got], classNames[test.want])
		}
	}
	for _, test := range []struct {
		typed any
		want  class
	}{{int64(3), classInt}, {3.5, classPoint}, {true, classBool}, {time.Now(), classDate}, {time.Hour, classDuration}, {extract.CellError("#N/A"), classError}} {
		if got, _ := classOf("x", test.typed); got != test.want {
			t.Errorf("classOf(%T) = %s, want %s", test.typed, classNames[got], classNames[test.want])
		}
	}
}

func TestSketch(t *testing.T) {
	for _, n := range []int{1, 100, 1023, 5_000, 300_000} {
		a, b := newSketch(sketchK), newSketch(sketchK)
		for i := range n {
			a.add(hashText(fmt.Sprint("value ", i)))
			a.add(hashText(fmt.Sprint("value ", i))) // the same again does not count
			b.add(hashText(fmt.Sprint("value ", i+n/4)))
		}
		got, exact := a.distinct()
		if off := math.Abs(float64(got)/float64(n) - 1); off > 0.12 || exact && off > 0 || exact != (n < sketchK) {
			t.Errorf("%d values: distinct is %d (exact: %v)", n, got, exact)
		}
		if share, of := a.common(b); n >= 100 && (math.Abs(share-0.75) > 0.08 || of == 0) {
			t.Errorf("%d values, three quarters of them common: common is %.2f by %d", n, share, of)
		}
		text, err := a.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back sketch
		if err := back.UnmarshalText(text); err != nil {
			t.Fatal(err)
		}
		if again, _ := back.distinct(); math.Abs(float64(again)/float64(n)-1) > 0.25 {
			t.Errorf("%d values are %d once written and read", n, again)
		}
		if share, of := b.common(&back); n >= 100 && math.Abs(share-0.75) > 0.15 {
			t.Errorf("%d values, once written and read: common is %.2f by %d", n, share, of)
		}
	}
	for _, bad := range []string{"", "=!", "?AAAA", "=AAAA", "<AAAAAAAAAAA"} {
		if err := new(sketch).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("the sketch %q is read", bad)
		}
	}
}

// What is written of a profile comes back, and adds up with others.
func TestProfileJSON(t *testing.T) {
	p := profileCSV(t, "no,opened,status,note\n1,2026-05-01,open,\n2,01.05.2026,open,n/a\n3,2026-05-03,closed,b\n").Profile()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ReadProfile(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(text), string(again)); d != "" {
		t.Errorf("a profile that was read is written otherwise:\n%s", d)
	}
	back.Merge(profileCSV(t, "no,opened,status,more\n4,2026-05-04,new,x\n").Profile())
	status := back.Column("status")
	if back.Records != 4 || back.Column("more") == nil || len(back.Shapes) != 2 || len(status.Top) != 3 || status.Top[0].Value != "open" || status.Top[0].Count != 2 ||
		back.Column("opened").Classes["date"] != 4 || len(back.Column("opened").Layouts) != 2 || back.Column("no").Distinct != 4 {
		text, _ := json.MarshalIndent(back, "", " ")
		t.Errorf("the sum of two profiles is\n%s", text)
	}
	for _, bad := range []string{"", "{}", `{"version": 99}`, `{"version":1,"columns":[{"name":"a","values":"x"}]}`} {
		if _, err := ReadProfile([]byte(bad)); err == nil {
			t.Errorf("the profile %q is read", bad)
		}
	}
}

// The memory of a profile does not grow with the records.
func TestProfileIsBounded(t *testing.T) {
	r := NewProfiler()
	h := extract.NewHeader([]string{"id", "text", "tags"})
	for i := range 300_000 {
		n := fmt.Sprint(i)
		r.Add(extract.Record{Place: extract.Place{File: "t.csv", Line: i + 2}, Header: h, Text: []string{n, "some words " + n, "a" + n + ";b" + n}})
	}
	p := r.Profile()
	for _, c := range p.Columns {
		for _, s := range c.seps {
			if len(s.vocab) > 4000 {
				t.Errorf("%s: %d parts are remembered", c.Name, len(s.vocab))
			}
		}
		if len(c.once) > maxOnce || len(c.top) > maxTop || len(c.Values.heap) > sketchK || len(c.Top) > 0 {
			t.Errorf("%s: %d values, %d tallies and %d hashes are remembered", c.Name, len(c.once), len(c.top), len(c.Values.heap))
		}
	}
	if len(r.rows) > maxRows {
		t.Errorf("%d rows are remembered", len(r.rows))
	}
	if c := p.Column("id"); c.Exact || math.Abs(float64(c.Distinct)/300_000-1) > 0.12 {
		t.Errorf("300,000 different ids are %d (exact: %v)", c.Distinct, c.Exact)
	}
}

func FuzzDateOf(f *testing.F) {
	for _, s := range []string{"31.12.2026", "12/31/2026 5:30 PM", "Mar 5, 2026", "2026-05-01T08:30:00Z", "Thu, 05 Mar 2026 10:00:00 +0100", "05-Mar-26"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		form, ok := dateOf(s)
		if !ok || form.layout == layoutISO {
			return
		}
		layout := form.layout
		if form.second > 12 {
			layout = monthFirst(layout)
		}
		if layoutFault(layout) != "" {
			return // init leaves such a layout out
		}
		got, ok := newDateSpec([]string{layout}).parse(s, time.UTC)
		if !ok || !got.Equal(form.value) {
			t.Errorf("dateOf(%q) is %v by %q, which date() reads as %v, %v", s, form.value, layout, got, ok)
		}
	})
}
