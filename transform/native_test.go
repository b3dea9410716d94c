package transform

import (
	"fmt"
	"testing"
	"time"

	"importer/extract"
)

// bothWays are expressions that closures of our own run; each must give what
// the library's machine gives, for every record.
var bothWays = []struct{ typ, expr string }{
	{"string", "a"}, {"string", `"x"`}, {"string", `a + "-" + b + c`}, {"string", "trim(a) + lower(b) + upper(c)"},
	{"string", "a ?? b"}, {"string", "(a ?? b) ?? c"}, {"string", `default(a, "none")`}, {"string", `a == "x" ? b : c`},
	{"string", `urlEscape(a) + pathEscape(b) + slug(c) + sha256(a)`}, {"string", `replace(a, "x", "yy")`}, {"string", `stripHTML(a)`},
	{"string", `replace(a, "", "yy")`}, {"string", `trim(b ?? "z") + row["d e"]`}, {"string", `sheet + place.file + file.name`},
	{"int64", "int(a)"}, {"int64", "int(trim(a) + b)"}, {"int64", "a"}, {"double", "float(a)"}, {"double", `float(a, ",")`}, {"double", `float(a + "0", ",")`},
	{"boolean", "bool(a)"}, {"boolean", `a == b`}, {"boolean", `a != "" && b != ""`}, {"boolean", `a == "" or b == ""`}, {"boolean", `not (a == b)`},
	{"boolean", `!(a contains "x") && b startsWith "1" || c endsWith "2"`}, {"boolean", `a in ["x", "12", ""]`}, {"boolean", `a not in ["x"]`},
	{"boolean", `match(a, "^[0-9]+$")`}, {"boolean", `bool(a ?? "no")`},
	{"dateTime", `date(a, "2006-01-02 15:04", "Europe/Rome")`}, {"dateTime", `date(a, ["2006-01-02", "2006-01-02 15:04"])`}, {"dateTime", "dateTime(a)"},
	{"dateTime", `dateTime(a, "Asia/Tokyo")`}, {"stringCollection", `split(a, ";")`}, {"stringCollection", `split(a + ";" + b, ";")`}, {"stringCollection", `split(a, "")`},
}

var trickyTexts = []string{"", " ", "x", "12", "-7", "1.5", "1,5", "yes", "2026-05-01", "2026-05-01 08:30", "a; b;;x", "<p>a &amp; b</p>", "a/b c%", "É\u00a0é", "\x00\xff", "12 ", "\u2003"}

// The closures and the library's machine agree on every expression and every
// text, the error included.
func TestNativeAgreesWithMachine(t *testing.T) {
	h := extract.NewHeader([]string{"a", "b", "c", "d e"})
	native := 0
	for _, tt := range bothWays {
		typ, _ := ParseType(tt.typ)
		sc := scope{header: h, table: true}
		b1, errs := bindIn(tt.expr, sc)
		if len(errs) > 0 {
			t.Errorf("%s: %v", tt.expr, errs)
			continue
		}
		fast := nativeProp(b1.tree.Node, typ)
		if fast == nil {
			cond := nativeBool(b1.tree.Node)
			if cond == nil {
				t.Errorf("%s does not run as a closure", tt.expr)
				continue
			}
			fast = func(e *frame, v *Value) (bool, error) {
				ok, err := cond(e)
				v.Bool = ok
				return err == nil, err
			}
		}
		native++
		b2, _ := bindIn(tt.expr, sc)
		slow, err := b2.program()
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range trickyTexts {
			for j, b := range trickyTexts {
				rec := extract.Record{Place: extract.Place{File: "f", Sheet: "S"}, Header: h, Text: []string{a, b, trickyTexts[(i+j)%len(trickyTexts)], "d"}, File: &extract.File{Name: "n"}}
				got, want := runProp(fast, typ, rec), runProp(func(e *frame, v *Value) (bool, error) {
					out, err := slow(e)
					if err != nil {
						return false, err
					}
					return v.addAny(out, &e.names, e.loc)
				}, typ, rec)
				if got != want {
					t.Fatalf("%s with a=%q b=%q: closure %s, machine %s", tt.expr, a, b, got, want)
				}
			}
		}
	}
	if native != len(bothWays) {
		t.Errorf("%d of %d ran as closures", native, len(bothWays))
	}
}

func runProp(f propFn, typ Type, rec extract.Record) string {
	v := Value{Type: typ}
	present, err := f(&frame{rec: rec, names: names{m: &Mapping{}}, loc: time.UTC}, &v)
	if err != nil {
		return "error: " + err.Error()
	}
	if !present {
		return "absent"
	}
	return fmt.Sprintf("%q", printValue(v))
}

// A text with nothing but a tick in its way takes no machine.
func TestTypedCellsBothWays(t *testing.T) {
	h := extract.NewHeader([]string{"a"})
	day := time.Date(2026, 5, 1, 8, 30, 0, 0, time.UTC)
	for _, tt := range []struct{ typ, expr, wrapped string }{
		{"int64", "int(a)", "true ? int(a) : 0"}, {"double", "float(a)", "true ? float(a) : 0.0"}, {"boolean", "bool(a)", "true ? bool(a) : false"},
		{"dateTime", "dateTime(a)", "true ? dateTime(a) : nil"}, {"dateTime", `date(a, "2006", "Asia/Tokyo")`, `true ? date(a, "2006", "Asia/Tokyo") : nil`},
	} {
		for _, typed := range []any{nil, int64(7), 7.5, 7.0, true, day, time.Hour, extract.CellError("#REF!")} {
			rec := extract.Record{Header: h, Text: []string{"7"}, Typed: []any{typed}}
			typ, _ := ParseType(tt.typ)
			var got [2]string
			for i, x := range []string{tt.expr, tt.wrapped} {
				b, errs := bindIn(x, scope{header: h, table: true})
				if len(errs) > 0 {
					t.Fatal(errs)
				}
				f := nativeProp(b.tree.Node, typ)
				if i == 1 {
					run, err := b.program()
					if err != nil {
						t.Fatal(err)
					}
					f = func(e *frame, v *Value) (bool, error) {
						out, err := run(e)
						if err != nil {
							return false, err
						}
						return v.addAny(out, &e.names, e.loc)
					}
				}
				got[i] = runProp(f, typ, rec)
			}
			if got[0] != got[1] {
				t.Errorf("%s of %T %v: closure %s, machine %s", tt.expr, typed, typed, got[0], got[1])
			}
		}
	}
}
