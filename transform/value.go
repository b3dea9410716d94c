package transform

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"importer/extract"
)

// A fault says why a value does not do. It is made only when one does not, and
// becomes an ItemError once the place is known.
type fault struct {
	reason string
	value  string
	col    int    // the column that the value stands in, or noColumn
	detail string // what is wrong, after "column x"; see describe
	remedy string
	// unknown is the name that is nobody's, of reason ReasonUnknownPrincipal.
	unknown *Unknown
}

const noColumn = -1

func (f *fault) Error() string { return f.detail }

// notA is the fault of a value that is not of the type wanted of it.
func notA(value string, col int, want string) *fault {
	return &fault{reason: ReasonBadValue, value: value, col: col, detail: "is not " + want}
}

// What values of each type have to look like, for messages.
const (
	wantInt   = "a whole number (int64)"
	wantFloat = "a number (double)"
	wantBool  = "a boolean (true, false, yes, no, y, n, 1 or 0)"
	wantTime  = "a date in ISO 8601, such as 2026-05-01 or 2026-05-01T08:30:00Z (dateTime)"
)

// A cell is a column's value with what the format itself says of it.
type cell struct {
	text  string
	typed any
	col   int
}

// parseInt reads an optional sign and digits, nothing else.
func parseInt(s string) (int64, bool) {
	s = trim(s)
	n, neg, i := uint64(0), false, 0
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg, i = s[0] == '-', 1
	}
	if i == len(s) {
		return 0, false
	}
	for ; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 || n > (math.MaxInt64/10) {
			return 0, false
		}
		n = n*10 + uint64(d)
	}
	switch {
	case neg && n <= 1<<63:
		return -int64(n), true
	case !neg && n <= math.MaxInt64:
		return int64(n), true
	}
	return 0, false
}

// parseFloat reads a decimal number with a point, or with an exponent. Go's
// own spellings (0x1p-2, Inf, NaN, 1_000) are not data.
func parseFloat(s string) (float64, bool) {
	s = trim(s)
	if s == "" {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isDigit(c) && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsInf(f, 0)
}

// parseDecimal reads a number with that decimal sign; the other signs may
// stand between groups of three digits: 1.234,56 or 1 234,56.
func parseDecimal(s, sign string) (float64, bool) {
	s = trim(s)
	whole, frac, hasFrac := strings.Cut(s, sign)
	groups := strings.FieldsFunc(whole, func(r rune) bool {
		return string(r) != sign && strings.ContainsRune(".,' \u00a0\u202f’", r)
	})
	for i, g := range groups {
		if digits := strings.TrimLeft(g, "+-"); i > 0 && len(g) != 3 || i == 0 && len(groups) > 1 && len(digits) > 3 {
			return 0, false
		}
	}
	if hasFrac && frac == "" || strings.HasPrefix(frac, "+") || strings.HasPrefix(frac, "-") {
		return 0, false
	}
	joined := strings.Join(groups, "")
	if hasFrac {
		joined += "." + frac
	}
	return parseFloat(joined)
}

func parseBool(s string) (value, ok bool) {
	s = trim(s)
	switch len(s) {
	case 1:
		switch s[0] {
		case '1', 'y', 'Y':
			return true, true
		case '0', 'n', 'N':
			return false, true
		}
	case 2:
		return false, strings.EqualFold(s, "no")
	case 3:
		return true, strings.EqualFold(s, "yes")
	case 4:
		return true, strings.EqualFold(s, "true")
	case 5:
		return false, strings.EqualFold(s, "false")
	}
	return false, false
}

// intFrom, floatFrom, boolFrom and timeFrom read a cell: what the format says
// of it first, its text otherwise. present is false for an empty cell.

func intFrom(c cell) (n int64, present bool, err error) {
	switch v := c.typed.(type) {
	case nil:
	case int64:
		return v, true, nil
	case float64: // a workbook has no other numbers: 7 is stored as 7.0
		if v == math.Trunc(v) && math.Abs(v) < 1<<63 {
			return int64(v), true, nil
		}
		return 0, false, notA(c.text, c.col, wantInt)
	case extract.CellError:
		return 0, false, cellFault(c, v)
	case bool, time.Time, time.Duration:
		return 0, false, notA(c.text, c.col, wantInt)
	}
	if isBlank(c.text) {
		return 0, false, nil
	}
	n, ok := parseInt(c.text)
	if !ok {
		return 0, false, notA(c.text, c.col, wantInt)
	}
	return n, true, nil
}

func floatFrom(c cell) (f float64, present bool, err error) {
	switch v := c.typed.(type) {
	case nil:
	case int64:
		return float64(v), true, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, false, notA(c.text, c.col, wantFloat)
		}
		return v, true, nil
	case extract.CellError:
		return 0, false, cellFault(c, v)
	case bool, time.Time, time.Duration:
		return 0, false, notA(c.text, c.col, wantFloat)
	}
	if isBlank(c.text) {
		return 0, false, nil
	}
	f, ok := parseFloat(c.text)
	if !ok {
		flt := notA(c.text, c.col, wantFloat)
		if strings.Contains(c.text, ",") {
			flt.remedy = `for decimal commas write float(column, ",")`
		}
		return 0, false, flt
	}
	return f, true, nil
}

func boolFrom(c cell) (b, present bool, err error) {
	switch v := c.typed.(type) {
	case bool:
		return v, true, nil
	case extract.CellError:
		return false, false, cellFault(c, v)
	case time.Time, time.Duration:
		return false, false, notA(c.text, c.col, wantBool)
	}
	if isBlank(c.text) {
		return false, false, nil
	}
	b, ok := parseBool(c.text)
	if !ok {
		return false, false, notA(c.text, c.col, wantBool)
	}
	return b, true, nil
}

func timeFrom(c cell, loc *time.Location) (t time.Time, present bool, err error) {
	switch v := c.typed.(type) {
	case time.Time: // a workbook's clock without a zone, in days: finer than a millisecond is rounding
		return checkTime(wallClock(v.Round(time.Millisecond), loc), c)
	case extract.CellError:
		return time.Time{}, false, cellFault(c, v)
	case int64, float64, bool, time.Duration:
		return time.Time{}, false, notA(c.text, c.col, wantTime)
	}
	s := trim(c.text)
	if s == "" {
		return time.Time{}, false, nil
	}
	t, ok := parseISO(s, loc)
	if !ok {
		f := notA(c.text, c.col, wantTime)
		f.remedy = `for other forms write date(column, "02.01.2006", "Europe/Rome")`
		return time.Time{}, false, f
	}
	return checkTime(t, c)
}

// dateFrom reads a cell by the layouts of a date().
func dateFrom(c cell, ds *dateSpec, def *time.Location) (t time.Time, present bool, err error) {
	switch v := c.typed.(type) {
	case time.Time:
		return checkTime(wallClock(v.Round(time.Millisecond), ds.zone(def)), c)
	case extract.CellError:
		return time.Time{}, false, cellFault(c, v)
	case bool, time.Duration:
		return time.Time{}, false, notA(c.text, c.col, "a date like "+strings.Join(ds.layouts, " or "))
	}
	s := trim(c.text)
	if s == "" {
		return time.Time{}, false, nil
	}
	t, ok := ds.parse(s, def)
	if !ok {
		return time.Time{}, false, notA(c.text, c.col, "a date like "+strings.Join(ds.layouts, " or "))
	}
	return checkTime(t, c)
}

func checkTime(t time.Time, c cell) (time.Time, bool, error) {
	if !inRange(t) {
		return time.Time{}, false, notA(c.text, c.col, "a date between the years 1 and 9999")
	}
	return t, true, nil
}

func cellFault(c cell, e extract.CellError) *fault {
	return &fault{reason: ReasonCellError, value: string(e), col: c.col, detail: "is the error " + string(e),
		remedy: "correct the formula in the workbook"}
}

// elementOf is the type of a collection's elements, or the type itself.
func elementOf(t Type) (elem Type, collection bool) {
	switch t {
	case StringCollection:
		return String, true
	case Int64Collection:
		return Int64, true
	case DoubleCollection:
		return Double, true
	case DateTimeCollection:
		return DateTime, true
	case PrincipalCollection:
		return PrincipalType, true
	}
	return t, false
}

// add converts a cell to v's type, or to the type of v's elements, and puts it
// in. present is false for an empty cell. It is where every value of a
// property passes.
func (v *Value) add(c cell, w *names, loc *time.Location) (present bool, err error) {
	elem, coll := elementOf(v.Type)
	switch elem {
	case String:
		if e, bad := c.typed.(extract.CellError); bad {
			return false, cellFault(c, e)
		}
		if isBlank(c.text) {
			return false, nil
		}
		if v.Str = clean(c.text); coll {
			v.Strs, v.Str = append(v.Strs, v.Str), ""
		}
		return true, nil
	case Int64:
		n, present, err := intFrom(c)
		if v.Int = n; coll && present {
			v.Ints, v.Int = append(v.Ints, n), 0
		}
		return present, err
	case Double:
		f, present, err := floatFrom(c)
		if v.Float = f; coll && present {
			v.Floats, v.Float = append(v.Floats, f), 0
		}
		return present, err
	case Boolean:
		v.Bool, present, err = boolFrom(c)
		return present, err
	case DateTime:
		t, present, err := timeFrom(c, loc)
		if present {
			v.addTime(t)
		}
		return present, err
	case PrincipalType:
		if e, bad := c.typed.(extract.CellError); bad {
			return false, cellFault(c, e)
		}
		if isBlank(c.text) {
			return false, nil
		}
		v.Persons = append(v.Persons, w.person(clean(trim(c.text))))
		return true, nil
	}
	return false, fmt.Errorf("type %d", v.Type) // unreachable: Load has checked the types
}

func (v *Value) addTime(t time.Time) {
	if s := formatTime(t); v.Type == DateTimeCollection {
		v.Strs = append(v.Strs, s)
	} else {
		v.Str = s
	}
}

// addAny puts in what an expression gave.
func (v *Value) addAny(x any, w *names, loc *time.Location) (present bool, err error) {
	elem, coll := elementOf(v.Type)
	switch x := x.(type) {
	case nil:
		return false, nil
	case string:
		return v.add(cell{text: x, col: noColumn}, w, loc)
	case cell:
		return v.add(x, w, loc)
	case int:
		return v.addNumber(cell{text: strconv.Itoa(x), typed: int64(x), col: noColumn}, elem, w, loc)
	case int64:
		return v.addNumber(cell{text: strconv.FormatInt(x, 10), typed: x, col: noColumn}, elem, w, loc)
	case float64:
		return v.addNumber(cell{text: strconv.FormatFloat(x, 'f', -1, 64), typed: x, col: noColumn}, elem, w, loc)
	case bool:
		return v.add(cell{text: strconv.FormatBool(x), typed: x, col: noColumn}, w, loc)
	case time.Time:
		c := cell{text: formatTime(x), typed: x, col: noColumn}
		if elem == DateTime {
			if !inRange(x) {
				return false, notA(c.text, noColumn, "a date between the years 1 and 9999")
			}
			v.addTime(x) // an instant already: not a wall clock
			return true, nil
		}
		return v.add(c, w, loc)
	case []string:
		return v.addList(len(x), func(i int) any { return x[i] }, coll, w, loc)
	case []any:
		return v.addList(len(x), func(i int) any { return x[i] }, coll, w, loc)
	case []int:
		return v.addList(len(x), func(i int) any { return x[i] }, coll, w, loc)
	case []float64:
		return v.addList(len(x), func(i int) any { return x[i] }, coll, w, loc)
	}
	return false, &fault{reason: ReasonExpression, value: fmt.Sprint(x), col: noColumn, detail: fmt.Sprintf("gives a %T, which is not a value", x)}
}

// addNumber adds a number of an expression; as a dateTime or boolean it means
// nothing.
func (v *Value) addNumber(c cell, elem Type, w *names, loc *time.Location) (bool, error) {
	if elem == Boolean {
		return false, notA(c.text, noColumn, wantBool)
	}
	return v.add(c, w, loc)
}

func (v *Value) addList(n int, elem func(int) any, coll bool, w *names, loc *time.Location) (present bool, err error) {
	if !coll && n > 1 {
		return false, &fault{reason: ReasonBadValue, value: fmt.Sprint(elem(0), ", ", elem(1), ", ..."), col: noColumn,
			detail: "is a list, and the property is a single " + v.Type.String(), remedy: `use join(list, ", ") or list[0]`}
	}
	for i := range n {
		one, err := v.addAny(elem(i), w, loc)
		if err != nil {
			return false, err
		}
		present = present || one
	}
	return present, nil
}
