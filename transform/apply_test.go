package transform

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"importer/extract"
)

// one makes a mapping with one property p of a type, from an expression over
// the columns a and b.
func one(typ, expr string, extra ...string) string {
	return fmt.Sprintf(`version: 1
connection: {id: abc, name: X, description: Y}
schema:
  p: {type: %s}
  always: {type: string}
sources:
  - name: s
    path: s.csv
    id: '"x"'
    properties:
      always: '"yes"'
      p: %s
    acl: [{grant: everyone}]
%s`, typ, expr, strings.Join(extra, "\n"))
}

func applyOne(t *testing.T, src string, rec extract.Record) (Value, error) {
	t.Helper()
	m, err := parse("testdata/example/m.yaml", []byte(src))
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	it, err := m.Sources[0].Apply(rec)
	if err != nil {
		return Value{}, err
	}
	for _, p := range it.Properties {
		if p.Name == "p" {
			return p.Value, nil
		}
	}
	return Value{}, nil
}

// Values convert strictly. want is the value, "absent", or "bad" for a
// quarantined record.
func TestValues(t *testing.T) {
	day := time.Date(2026, 5, 1, 8, 30, 0, 0, time.UTC)
	tests := []struct {
		typ, expr string
		text      string
		typed     any
		want      string
	}{
		{"int64", "a", "007", nil, "7"},
		{"int64", "a", " 7 ", nil, "7"},
		{"int64", "a", "+7", nil, "7"},
		{"int64", "a", "-9223372036854775808", nil, "-9223372036854775808"},
		{"int64", "a", "9223372036854775807", nil, "9223372036854775807"},
		{"int64", "a", "9223372036854775808", nil, "bad"},
		{"int64", "a", "99999999999999999999999", nil, "bad"},
		{"int64", "a", "7.0", nil, "bad"},
		{"int64", "a", "1e3", nil, "bad"},
		{"int64", "a", "1,000", nil, "bad"},
		{"int64", "a", "0x10", nil, "bad"},
		{"int64", "a", "1_000", nil, "bad"},
		{"int64", "a", "-", nil, "bad"},
		{"int64", "a", "hgih", nil, "bad"},
		{"int64", "a", "", nil, "absent"},
		{"int64", "a", "  ", nil, "absent"},
		{"int64", "int(a)", "007", nil, "7"},
		{"int64", "int(a) + 1", "007", nil, "8"},
		{"int64", "int(a) + 1", "", nil, "bad"},
		{"int64", "(int(a) ?? 0) + 1", "", nil, "1"},
		{"int64", "a", "7", float64(7), "7"},
		{"int64", "a", "7.5", 7.5, "bad"},
		{"int64", "int(a)", "7", int64(7), "7"},
		{"int64", "a", "TRUE", true, "bad"},
		{"int64", "a", "2026-05-01", day, "bad"},
		{"int64", "a", "#N/A", extract.CellError("#N/A"), "bad"},
		{"int64", "a", "1E+300", 1e300, "bad"},
		{"double", "a", "1.5", nil, "1.5"},
		{"double", "a", "1e3", nil, "1000"},
		{"double", "a", "-.5", nil, "-0.5"},
		{"double", "a", "1,5", nil, "bad"},
		{"double", `float(a, ",")`, "1,5", nil, "1.5"},
		{"double", `float(a, ",")`, "1.234.567,5", nil, "1.2345675e+06"},
		{"double", `float(a, ",")`, "1 234,5", nil, "1234.5"},
		{"double", `float(a, ",")`, "12.34,5", nil, "bad"},
		{"double", `float(a, ",")`, "1,2,3", nil, "bad"},
		{"double", `float(a, ",")`, "", nil, "absent"},
		{"double", `float(a, ".")`, "1,234.5", nil, "1234.5"},
		{"double", "a", "NaN", nil, "bad"},
		{"double", "a", "Inf", nil, "bad"},
		{"double", "a", "1e999", nil, "bad"},
		{"double", "a", "0x1p-2", nil, "bad"},
		{"double", "a", "7", int64(7), "7"},
		{"double", "a", "?", math.Inf(1), "bad"},
		{"double", "int(a) / 2", "3", nil, "1.5"},
		{"boolean", "a", "TRUE", nil, "true"},
		{"boolean", "a", "No", nil, "false"},
		{"boolean", "a", "1", nil, "true"},
		{"boolean", "a", "y", nil, "true"},
		{"boolean", "a", "maybe", nil, "bad"},
		{"boolean", "a", "2", nil, "bad"},
		{"boolean", "a", "", nil, "absent"},
		{"boolean", "a", "WAHR", true, "true"},
		{"boolean", "a", "1", int64(1), "true"},
		{"boolean", `a == "x"`, "x", nil, "true"},
		{"boolean", `a == "x"`, "", nil, "false"},
		{"dateTime", "a", "2026-05-01", nil, "2026-05-01T00:00:00Z"},
		{"dateTime", "a", "20260501", nil, "2026-05-01T00:00:00Z"},
		{"dateTime", "a", "2026-05-01 08:30", nil, "2026-05-01T08:30:00Z"},
		{"dateTime", "a", "2026-05-01T08:30:15.250+02:00", nil, "2026-05-01T06:30:15.25Z"},
		{"dateTime", "a", "2026-05-01T08:30:15,5Z", nil, "2026-05-01T08:30:15.5Z"},
		{"dateTime", "a", "20260501T083015Z", nil, "2026-05-01T08:30:15Z"},
		{"dateTime", "a", "2024-02-29", nil, "2024-02-29T00:00:00Z"},
		{"dateTime", "a", "2026-02-29", nil, "bad"},
		{"dateTime", "a", "2026-13-01", nil, "bad"},
		{"dateTime", "a", "2026-05-01T25:00", nil, "bad"},
		{"dateTime", "a", "0000-05-01", nil, "bad"},
		{"dateTime", "a", "01.05.2026", nil, "bad"},
		{"dateTime", "a", "2026-05-01T08:30 CET", nil, "bad"},
		{"dateTime", `date(a, "02.01.2006")`, "01.05.2026", nil, "2026-05-01T00:00:00Z"},
		{"dateTime", `date(a, "02.01.2006")`, "31.02.2026", nil, "bad"},
		{"dateTime", `date(a, ["02.01.2006", "2006-01-02 15:04"], "Europe/Rome")`, "2026-05-01 08:30", nil, "2026-05-01T06:30:00Z"},
		{"dateTime", `date(a, "2 January 2006")`, "1 May 2026", nil, "2026-05-01T00:00:00Z"},
		{"dateTime", `dateTime(a, "Asia/Tokyo")`, "2026-05-01 08:30", nil, "2026-04-30T23:30:00Z"},
		{"dateTime", "a", "46143.354", day, "2026-05-01T08:30:00Z"},
		{"dateTime", "a", "x", day.Add(499 * time.Microsecond), "2026-05-01T08:30:00Z"},
		{"dateTime", `date(a, "2006-01-02", "Europe/Rome")`, "x", day, "2026-05-01T06:30:00Z"},
		{"dateTime", "a", "46143", int64(46143), "bad"},
		{"string", "a", "007", int64(7), "007"},
		{"string", "a", " x ", nil, " x "},
		{"string", "a", "a\x00b\x1fc\td", nil, "abc\td"},
		{"string", "a", "caf\xe9", nil, "caf\ufffd"},
		{"string", "a", "#N/A", extract.CellError("#N/A"), "bad"},
		{"string", "a", "#N/A", nil, "#N/A"},
		{"string", "int(a)", "007", nil, "7"},
		{"string", "a ?? b", "", nil, "second"},
		{"string", "row.b + a", "x", nil, "secondx"},
		{"string", `split(a, ";")[0]`, "x;y", nil, "x"},
		{"string", `split(a, ";")[5]`, "x;y", nil, "bad"},
		{"stringCollection", `split(a, ";")`, "x; ;y", nil, "[x y]"},
		{"stringCollection", "a", "x;y", nil, "[x;y]"},
		{"stringCollection", `split(a, ";")`, " ; ", nil, "absent"},
		{"stringCollection", `uniq(map(split(a, ";"), lower(#)))`, "X;x;Y", nil, "[x y]"},
		{"stringCollection", `[a, b]`, "", nil, "[second]"},
		{"int64Collection", `map(split(a, ","), int(#))`, "1,2", nil, "[1 2]"},
		{"int64Collection", `split(a, ",")`, "1,x", nil, "bad"},
		{"doubleCollection", `split(a, ",")`, "1.5,2", nil, "[1.5 2]"},
		{"dateTimeCollection", `split(a, ",")`, "2026-05-01,2026-05-02", nil, "[2026-05-01T00:00:00Z 2026-05-02T00:00:00Z]"},
		{"principal", "a", "e-x@x.com", nil, "[{e-x@x.com    e-x@x.com  }]"},
	}
	for _, tt := range tests {
		rec := row("t.csv", 3, []string{"a", "b"}, tt.text, "second")
		if tt.typed != nil {
			rec.Typed = []any{tt.typed, nil}
		}
		v, err := applyOne(t, one(tt.typ, "|\n        "+tt.expr), rec)
		got := printValue(v)
		var bad *ItemError
		if errors.As(err, &bad) {
			got = "bad"
			checkItemError(t, bad)
		} else if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s of %q (%v) as %s = %s (%v), want %s", tt.expr, tt.text, tt.typed, tt.typ, got, err, tt.want)
		}
	}
}

func checkItemError(t *testing.T, e *ItemError) {
	t.Helper()
	if e.Reason == "" || e.Property == "" || !strings.Contains(e.Detail, "; ") || !strings.HasPrefix(e.Error(), e.Place.String()+": ") {
		t.Errorf("an error without reason, property, place or remedy: %#v", e)
	}
}

func printValue(v Value) string {
	switch v.Type {
	case NoType:
		return "absent"
	case String, DateTime:
		return v.Str
	case Int64:
		return fmt.Sprint(v.Int)
	case Double:
		return fmt.Sprint(v.Float)
	case Boolean:
		return fmt.Sprint(v.Bool)
	case StringCollection, DateTimeCollection:
		return fmt.Sprint(v.Strs)
	case Int64Collection:
		return fmt.Sprint(v.Ints)
	case DoubleCollection:
		return fmt.Sprint(v.Floats)
	}
	return fmt.Sprint(v.Persons)
}

// Messages name place, column, value and type, and what to do.
func TestItemErrorText(t *testing.T) {
	_, err := applyOne(t, one("int64", "int(a)"), row("tickets.csv", 1042, []string{"a", "b"}, "hgih", ""))
	want := `tickets.csv:1042: property "p": column "a" "hgih" is not a whole number (int64); correct it, or soften it with onError: omit`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	rec := row("book.xlsx", 14, []string{"a", "b"}, "#N/A", "")
	rec.Place.Sheet, rec.Typed = "Sheet2", []any{extract.CellError("#N/A"), nil}
	_, err = applyOne(t, one("string", `a + "x"`), rec)
	want = `book.xlsx!Sheet2:14: property "p": column "a" is the error #N/A; correct the formula in the workbook`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	var ie *ItemError
	if _, err = applyOne(t, one("int64", "a"), row("t.csv", 1, []string{"a", "b"}, strings.Repeat("é", 300), "")); !errors.As(err, &ie) || len(ie.Value) > 200 {
		t.Errorf("the value in the error is not cut: %v", err)
	}
}

func TestOnError(t *testing.T) {
	tests := []struct{ expr, text, want string }{
		{"{value: a, onError: omit}", "x", "absent"},
		{"{value: a, onError: omit}", "7", "7"},
		{"{value: a, onError: default, default: 3}", "x", "3"},
		{"{value: a, onError: default, default: 3}", "", "3"},
		{"{value: a, default: 3}", "", "3"},
		{"{value: a, default: 3}", "x", "bad"},
		{"{value: int(a) * 2, onError: omit}", "", "absent"},
		{"{value: a, onError: quarantine}", "x", "bad"},
	}
	for _, tt := range tests {
		v, err := applyOne(t, one("int64", tt.expr), row("t.csv", 1, []string{"a", "b"}, tt.text, ""))
		got := printValue(v)
		if err != nil {
			got = "bad"
		}
		if got != tt.want {
			t.Errorf("%s of %q = %s, want %s", tt.expr, tt.text, got, tt.want)
		}
	}
}

// The permissions fail closed.
func TestACL(t *testing.T) {
	const ada, bob = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
	tests := []struct {
		acl  string
		a, b string
		want string // entries, or the reason
	}{
		{"[{grant: everyone}]", "", "", "everyone:everyone"},
		{"[{grant: everyoneExceptGuests}]", "", "", "everyoneExceptGuests:everyone"},
		{`[{grant: everyoneExceptGuests, value: '"5B2C7F3E-0d1a-4c55-9a3e-2f6b8d0c1e47"'}]`, "", "", "everyoneExceptGuests:5b2c7f3e-0d1a-4c55-9a3e-2f6b8d0c1e47"},
		{`[{grant: everyoneExceptGuests, value: '"5b2c7f3e-0d1a-4c55-9a3e-2f6b8d0c1e47"', when: b}, {grant: user, value: a}]`, "e1", "no", "user:" + ada},
		{"[{grant: user, value: a}]", "ADA@contoso.com ", "", "user:" + ada},
		{"[{grant: user, value: a}]", "ada.lovelace@contoso.com", "", "user:" + ada},
		{"[{grant: user, value: a}]", "e2", "", "user:" + bob},
		{"[{grant: user, value: a}]", "AAAAAAAA-1111-1111-1111-111111111111", "", "user:aaaaaaaa-1111-1111-1111-111111111111"},
		{"[{grant: user, value: a}]", "Ada Lovelace", "", ReasonUnknownPrincipal},
		{"[{grant: user, value: a}]", "", "", ReasonEmptyACL},
		{"[{grant: user, value: a}, {grant: user, value: b}]", "", "e1", "user:" + ada},
		{`[{grant: user, value: 'split(a, ",")'}]`, "e2, e1,e2", "", "user:" + ada + " user:" + bob},
		{`[{grant: user, value: 'split(a, ",")'}]`, "e2, eve", "", ReasonUnknownPrincipal},
		{"[{grant: everyone}, {deny: user, value: a}]", "e1", "", "everyone:everyone -user:" + ada},
		{"[{grant: everyone}, {deny: user, value: a}]", "eve", "", ReasonUnknownPrincipal},
		{"[{grant: everyone}, {deny: user, value: a}]", "", "", ReasonEmptyDeny},
		{"[{grant: everyone}, {deny: user, value: a, when: b}]", "", "no", "everyone:everyone"},
		{"[{grant: everyone}, {deny: user, value: a, when: b}]", "", "", "everyone:everyone"},
		{"[{grant: everyone}, {deny: user, value: a, when: b}]", "e1", "Y", "everyone:everyone -user:" + ada},
		{"[{grant: everyone}, {deny: user, value: a, when: b}]", "e1", "perhaps", ReasonBadValue},
		{"[{grant: everyone, when: b == \"x\"}]", "", "y", ReasonEmptyACL},
		{"[{grant: externalGroup, value: a}]", "FIELD service", "", "externalGroup:e_Field_20Service"},
		{"[{grant: externalGroup, value: a}]", "Field Servise", "", ReasonUnknownPrincipal},
		{"[{grant: group, value: a}]", "33333333-3333-3333-3333-333333333333", "", "group:33333333-3333-3333-3333-333333333333"},
		{"[{grant: user, value: a}, {deny: user, value: a}]", "e1", "", "user:" + ada + " -user:" + ada},
	}
	for _, tt := range tests {
		src := one("string", "a", "identities: {file: directory.csv, match: [employeeId]}", "groups: {file: groups.csv}")
		src = strings.Replace(src, "[{grant: everyone}]", tt.acl, 1)
		m, err := parse("testdata/example/m.yaml", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		it, err := m.Sources[0].Apply(row("t.csv", 2, []string{"a", "b"}, tt.a, tt.b))
		var got []string
		var bad *ItemError
		if errors.As(err, &bad) {
			got = []string{bad.Reason}
			checkItemError(t, bad)
		} else if err != nil {
			t.Fatal(err)
		} else {
			for _, a := range it.ACL {
				sign := map[bool]string{true: "-"}[a.Deny]
				got = append(got, sign+a.Type+":"+a.Value)
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("acl %s with a=%q b=%q: %s, want %s (%v)", tt.acl, tt.a, tt.b, s, tt.want, err)
		}
	}
}

// Two people with one mail are told apart by nothing, so the name is refused.
func TestAmbiguousPrincipal(t *testing.T) {
	m := &Mapping{people: newIndex()}
	for _, u := range []User{{ID: "a", Mail: "x@x"}, {ID: "b", UPN: "X@X"}, {ID: "b", Mail: "y@y", UPN: "Y@y"}} {
		m.Users = append(m.Users, u)
		m.indexUser(len(m.Users) - 1)
	}
	w := &names{m: m}
	if _, err := w.principal("user", "x@x"); err == nil || !strings.Contains(err.Error(), "several") {
		t.Errorf("an ambiguous name: %v", err)
	}
	if id, err := w.principal("user", " Y@Y "); err != nil || id != "b" {
		t.Errorf("principal = %q, %v", id, err)
	}
}

func TestIDs(t *testing.T) {
	for _, tt := range []struct{ id, want string }{{"", ReasonMissingID}, {"  ", ReasonMissingID}, {"A-1", "A-1"}, {"a/b", "e_a_2Fb"}} {
		src := strings.Replace(one("string", "a"), `id: '"x"'`, "id: b", 1)
		m := mustParse(t, src)
		it, err := m.Sources[0].Apply(row("t.csv", 2, []string{"a", "b"}, "x", tt.id))
		got := ""
		var bad *ItemError
		if errors.As(err, &bad) {
			got = bad.Reason
		} else {
			got = it.ID
		}
		if got != tt.want {
			t.Errorf("id of %q = %q, want %q", tt.id, got, tt.want)
		}
	}
}

func TestActivities(t *testing.T) {
	acts := `    activities:
      - {type: created, at: a, by: b}
      - {type: viewed, at: a, by: b, when: b == "e2"}
identities: {file: directory.csv, match: [employeeId]}`
	for _, tt := range []struct{ a, b, want string }{
		{"2026-05-01", "e1", "[created]"},
		{"2026-05-01", "e2", "[created viewed]"},
		{"2026-05-01", "eve", "[]"},
		{"2026-05-01", "", "[]"},
		{"", "e1", "[]"},
		{"soon", "e1", ReasonBadValue},
	} {
		m, err := parse("testdata/example/m.yaml", []byte(one("string", "a", acts)))
		if err != nil {
			t.Fatal(err)
		}
		it, err := m.Sources[0].Apply(row("t.csv", 2, []string{"a", "b"}, tt.a, tt.b))
		got := ""
		var bad *ItemError
		if errors.As(err, &bad) {
			got = bad.Reason
		} else {
			kinds := []string{}
			for _, a := range it.Activities {
				kinds = append(kinds, a.Type)
			}
			got = fmt.Sprint(kinds)
		}
		if got != tt.want {
			t.Errorf("activities at %q by %q = %s, want %s", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestContentSize(t *testing.T) {
	src := one("string", "a", "    content: {value: b}", "target: {itemSize: 20KB}")
	m := mustParse(t, src)
	words := strings.Repeat("word ", 10_000)
	it, err := m.Sources[0].Apply(row("t.csv", 2, []string{"a", "b"}, "x", words))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(it.Content.Value); !it.Truncated || n > 20_000 || n < 18_000 || !strings.HasSuffix(it.Content.Value, "word") {
		t.Errorf("content cut to %d bytes, ends %q, Truncated %v", n, it.Content.Value[n-8:], it.Truncated)
	}
	it, err = m.Sources[0].Apply(row("t.csv", 2, []string{"a", "b"}, "x", words[:5000]))
	if err != nil || it.Truncated || len(it.Content.Value) != 5000 {
		t.Errorf("content that fits was cut to %d (%v)", len(it.Content.Value), err)
	}
	var bad *ItemError
	if _, err = m.Sources[0].Apply(row("t.csv", 2, []string{"a", "b"}, words, "x")); !errors.As(err, &bad) || bad.Reason != ReasonTooLarge || bad.Property != "p" {
		t.Errorf("a property over the limit: %v", err)
	}
}

func TestNoProperties(t *testing.T) {
	src := strings.Replace(one("string", "a"), `always: '"yes"'`, "always: b", 1)
	var bad *ItemError
	if _, err := mustParse(t, src).Sources[0].Apply(row("t.csv", 2, []string{"a", "b"}, "", "")); !errors.As(err, &bad) || bad.Reason != ReasonNoProperties {
		t.Errorf("an item of nothing: %v", err)
	}
}

// A record whose columns are not what the mapping needs is no bad record: the
// whole table is wrong.
func TestWrongColumns(t *testing.T) {
	_, err := mustParse(t, one("string", "a")).Sources[0].Apply(row("t.csv", 2, []string{"c"}, "x"))
	if _, ok := err.(Errors); !ok {
		t.Errorf("Apply gave %v, want Errors", err)
	}
}

// A document among the tables of a source, such as an error page saved under
// the name of an export, is the fault of that file and not of the mapping.
func TestDocumentAmongTables(t *testing.T) {
	_, err := mustParse(t, one("string", "a")).Sources[0].Apply(page("<p>Your session has ended.</p>"))
	if bad, ok := err.(*ItemError); !ok || bad.Reason != ReasonNoColumns {
		t.Errorf("Apply gave %v, want an ItemError of %s", err, ReasonNoColumns)
	}
}

// One source serves many goroutines and many headers at once.
func TestConcurrentApply(t *testing.T) {
	s := mustParse(t, strings.Replace(benchMapping, "int(priority)", "int(priority) * 2", 1)).Sources[0]
	want, err := s.Apply(row("rows.csv", 2, benchColumns, benchRow...))
	if err != nil {
		t.Fatal(err)
	}
	digest := want.Digest()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				h := extract.NewHeader(benchColumns) // a new file
				for range 3 {
					it, err := s.Apply(extract.Record{Place: extract.Place{File: "rows.csv", Line: i}, Header: h, Text: benchRow})
					if err != nil || it.Digest() != digest {
						t.Errorf("goroutine %d: %v", g, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}
