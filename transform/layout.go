package transform

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Layouts of dates are package time's: the date Mon Jan 2 15:04:05 2006
// written in the form. A layout that says less than it seems to gives wrong
// dates and no error, so whatever is doubtful is refused here: dd.mm.yyyy and
// its likes, which are no layouts; "02.04.2006", whose 04 is the minute; 03
// without PM; letters that package time would take as they stand.

// A layoutField is what an element of a layout tells of the date.
type layoutField uint8

const (
	lText layoutField = iota // a byte taken as it stands
	lYear
	lMonth
	lDay
	lYearDay
	lWeekday
	lHour
	lHour12
	lMinute
	lSecond
	lFraction
	lHalf // AM or PM
	lZone
)

var layoutFieldNames = [...]string{"text", "year", "month", "day", "day of the year", "weekday", "hour", "hour", "minute", "second", "fraction", "AM or PM", "zone"}

func (f layoutField) String() string { return layoutFieldNames[f] }

// layoutElements are those of package time, see time.nextStdChunk, the longer
// before those that they start with.
var layoutElements = []struct {
	text  string
	field layoutField
}{
	{"January", lMonth}, {"Jan", lMonth}, {"Monday", lWeekday}, {"Mon", lWeekday}, {"MST", lZone},
	{"2006", lYear}, {"002", lYearDay}, {"01", lMonth}, {"02", lDay}, {"03", lHour12}, {"04", lMinute}, {"05", lSecond}, {"06", lYear},
	{"15", lHour}, {"__2", lYearDay}, {"_2006", lText}, {"_2", lDay}, {"PM", lHalf}, {"pm", lHalf},
	{"-070000", lZone}, {"-07:00:00", lZone}, {"-0700", lZone}, {"-07:00", lZone}, {"-07", lZone},
	{"Z070000", lZone}, {"Z07:00:00", lZone}, {"Z0700", lZone}, {"Z07:00", lZone}, {"Z07", lZone},
	{"1", lMonth}, {"2", lDay}, {"3", lHour12}, {"4", lMinute}, {"5", lSecond},
}

// A layoutElement is one element of a layout.
type layoutElement struct {
	text  string
	field layoutField
}

// elementsOf takes a layout apart. What stands for itself comes byte by byte.
func elementsOf(layout string) []layoutElement {
	var out []layoutElement
	for i := 0; i < len(layout); {
		el := elementAt(layout[i:])
		out = append(out, el)
		i += len(el.text)
	}
	return out
}

func elementAt(s string) layoutElement {
	if n := fractionLen(s); n > 0 {
		return layoutElement{s[:n], lFraction}
	}
	for _, e := range layoutElements {
		rest, ok := strings.CutPrefix(s, e.text)
		if !ok || (e.text == "Jan" || e.text == "Mon") && rest != "" && rest[0] >= 'a' && rest[0] <= 'z' {
			continue // Janeiro is no month to package time
		}
		if e.text == "_2006" {
			break // the underscore stands for itself
		}
		return layoutElement{e.text, e.field}
	}
	return layoutElement{s[:1], lText}
}

// fractionLen measures .000 or ,999: a sign and a run of one digit.
func fractionLen(s string) int {
	if len(s) < 2 || s[0] != '.' && s[0] != ',' || s[1] != '0' && s[1] != '9' {
		return 0
	}
	n := 2
	for n < len(s) && s[n] == s[1] {
		n++
	}
	if n < len(s) && isDigit(s[n]) {
		return 0
	}
	return n
}

// layoutProblem says what is wrong with a layout, and what to write instead.
func layoutProblem(layout string) (detail, remedy string) {
	problem := layoutFault(layout)
	if problem == "" {
		return "", ""
	}
	detail = fmt.Sprintf("%q is not a layout of a date: %s", layout, problem)
	var better []string
	for _, to := range append([]string{fromTokens(layout)}, fromValue(layout)...) {
		if to != layout && layoutFault(to) == "" && !slices.Contains(better, to) {
			better = append(better, strconv.Quote(to))
		}
	}
	if len(better) == 0 {
		return detail, `write the date Mon Jan 2 15:04:05 2006 in the form of the values, such as "02.01.2006 15:04"`
	}
	return detail, "write the date Mon Jan 2 15:04:05 2006 in the form of the values: " + strings.Join(better, " or ")
}

// layoutFault finds what makes a layout read other dates than it seems to; ""
// is nothing.
func layoutFault(layout string) string {
	elements := elementsOf(layout)
	var has [lZone + 1]bool
	for i, el := range elements {
		switch f := el.field; {
		case f == lText && isDigit(el.text[0]):
			return fmt.Sprintf("its digit %s stands for nothing", el.text)
		case f == lText || f == lWeekday:
			continue
		case f == lHour && has[lHour12] || f == lHour12 && has[lHour] || has[f]:
			return "it has the " + f.String() + " twice"
		case f == lFraction && (i == 0 || elements[i-1].field != lSecond):
			return "a fraction stands behind seconds"
		case i > 0 && runsTogether(elements[i-1], el):
			return fmt.Sprintf("where %s ends and %s starts cannot be told", elements[i-1].text, el.text)
		default:
			has[f] = true
		}
	}
	if fault := foreignLetters(elements, has[:]); fault != "" {
		return fault
	}
	return missingField(has[:])
}

// runsTogether tells a number of no fixed width with a number behind it.
func runsTogether(a, b layoutElement) bool {
	loose := len(a.text) == 1 && isDigit(a.text[0]) || a.text[0] == '_'
	return loose && a.field != lText && isDigit(b.text[0])
}

// missingField finds a part of a date without the one that it belongs to.
func missingField(has []bool) string {
	hour := has[lHour] || has[lHour12]
	switch {
	case has[lYearDay] && (has[lMonth] || has[lDay]):
		return "it has the day of the year beside the day or month"
	case has[lMinute] && !hour && !has[lMonth]:
		return "04 is the minute, and the month is 01"
	case has[lMinute] && !hour:
		return "it has minutes and no hour (15)"
	case !has[lYear]:
		return "it has no year (2006)"
	case has[lDay] && !has[lMonth]:
		return "it has a day and no month (01)"
	case hour && !has[lDay] && !has[lYearDay]:
		return "it has an hour and no day (02)"
	case has[lSecond] && !has[lMinute]:
		return "it has seconds and no minutes (04)"
	case has[lHour12] && !has[lHalf]:
		return "03 is an hour of twelve and needs PM behind it; hours to 23 are 15"
	case has[lHalf] && !hour:
		return "it has PM and no hour (03)"
	case has[lZone] && !hour:
		return "it has a zone and no hour (15)"
	}
	return ""
}

// foreignLetters finds letters that mean a part of the date elsewhere (yyyy,
// %d, TT.MM.JJJJ) and would be taken as they stand here.
func foreignLetters(elements []layoutElement, has []bool) string {
	word := ""
	for i, el := range append(elements, layoutElement{}) {
		if el.field == lText && el.text != "" && (isLetter(el.text[0]) || el.text == "%") {
			word += el.text
			continue
		}
		if word != "" && isForeign(word, has) {
			return fmt.Sprintf("%s would be taken as it stands", word)
		}
		if word == "Z" && i > 0 {
			return "Z would be taken as a letter, not as UTC; an offset or Z is Z07:00"
		}
		word = ""
	}
	return ""
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// isForeign tells a word of letters such as dd or yyyy, or a single one of a
// part that the layout does not have otherwise: the h of "15h04" is only an h.
func isForeign(word string, has []bool) bool {
	if strings.Contains(word, "%") {
		return true
	}
	long := false
	for _, run := range letterRuns(word) {
		fields := map[byte][]layoutField{'y': {lYear}, 'm': {lMonth, lMinute}, 'd': {lDay}, 'h': {lHour, lHour12}, 's': {lSecond}, 'i': {lMinute}, 'n': {lMonth},
			'j': {lYear, lDay}, 'a': {lYear}, 't': {lDay}, 'g': {lDay}, 'f': {lFraction}, 'e': {lWeekday}, 'x': {lZone}, 'z': {lZone}}[run[0]|0x20]
		if fields == nil {
			return false
		}
		absent := !slices.ContainsFunc(fields, func(f layoutField) bool { return has[f] })
		long = long || len(run) > 1 || len(word) == 1 && absent && strings.Contains("ymdhsi", strings.ToLower(run))
	}
	return long
}

// letterRuns parts a text where its letter changes: yyyyMMdd is yyyy, MM, dd.
func letterRuns(s string) []string {
	var runs []string
	for from, i := 0, 1; i <= len(s); i++ {
		if i == len(s) || s[i] != s[from] {
			runs = append(runs, s[from:i])
			from = i
		}
	}
	return runs
}

// strftimes are the conversions of C, Python and Ruby.
var strftimes = map[string]string{"%Y": "2006", "%y": "06", "%m": "01", "%d": "02", "%e": "_2", "%j": "002", "%H": "15", "%I": "03", "%M": "04", "%S": "05", "%p": "PM",
	"%b": "Jan", "%h": "Jan", "%B": "January", "%a": "Mon", "%A": "Monday", "%z": "-0700", "%Z": "MST", "%f": "000000", "%F": "2006-01-02", "%T": "15:04:05", "%R": "15:04",
	"%D": "01/02/06", "%-d": "2", "%-m": "1", "%%": "%"}

// phps are the letters of PHP's date().
var phps = map[string]string{"Y": "2006", "y": "06", "m": "01", "n": "1", "d": "02", "j": "2", "H": "15", "G": "15", "h": "03", "g": "3", "i": "04", "s": "05", "A": "PM", "a": "pm",
	"M": "Jan", "F": "January", "D": "Mon", "l": "Monday", "P": "-07:00", "O": "-0700", "c": "2006-01-02T15:04:05Z07:00"}

var (
	strftimeForm = regexp.MustCompile(`%-?[a-zA-Z%]`)
	phpForm      = regexp.MustCompile(`(?:^|[^A-Za-z])[Yy](?:$|[^A-Za-z])|^[dmY]{3}$`)
	halfForm     = regexp.MustCompile(`(?:^|[^aA])[aA](?:$|[^aA])|PM|pm|tt`)
)

// fromTokens rewrites the layouts of other languages in Go's: YYYY-MM-DD of
// Java, .NET and Excel in any case, TT.MM.JJJJ and its likes of Excel in other
// languages, Oracle's HH24:MI, PHP's d.m.Y, and strftime's %d.%m.%Y.
func fromTokens(layout string) string {
	switch {
	case strings.Contains(layout, "%"):
		return strftimeForm.ReplaceAllStringFunc(layout, func(s string) string {
			if to, ok := strftimes[s]; ok {
				return to
			}
			return s
		})
	case phpForm.MatchString(layout):
		var b strings.Builder
		for _, c := range layout {
			if to, ok := phps[string(c)]; ok {
				b.WriteString(to)
			} else {
				b.WriteRune(c)
			}
		}
		return b.String()
	}
	layout = strings.NewReplacer("HH24", "HH", "hh24", "HH", "HH12", "hh", "hh12", "hh", "MI", "\x00", "mi", "\x00", "MONTH", "MMMM", "MON", "MMM",
		"AM", "PM", "am", "pm", "'", "", "[", "", "]", "", `\`, "").Replace(layout)
	t := tokens{half: halfForm.MatchString(layout), german: strings.Contains(strings.ToUpper(layout), "TT") && strings.Contains(strings.ToUpper(layout), "J")}
	for i := 0; i < len(layout); {
		if el := elementAt(layout[i:]); el.field != lText {
			t.write(el.field, el.text)
			i += len(el.text)
			continue
		}
		n := 1
		for i+n < len(layout) && layout[i+n] == layout[i] {
			n++
		}
		t.run(layout[i:i+n], layout[i+n:])
		i += n
	}
	return t.b.String()
}

// tokens writes a layout while it reads the letters of another.
type tokens struct {
	b      strings.Builder
	last   layoutField // of what was written last, separators aside
	half   bool        // there is an AM or PM
	german bool        // T is the day and J the year
}

func (t *tokens) write(f layoutField, text string) {
	t.b.WriteString(text)
	t.last = f
}

// run writes one letter, repeated, of a layout; rest is what follows.
func (t *tokens) run(run, rest string) {
	n := len(run)
	pick := func(f layoutField, forms ...string) { t.write(f, forms[min(n, len(forms))-1]) }
	c := run[0] | 0x20
	if !isLetter(run[0]) {
		if run[0] == 0 {
			pick(lMinute, "04")
			return
		}
		t.b.WriteString(run)
		return
	}
	switch {
	case c == 'y', c == 'a' && n > 1, c == 'j' && (t.german || n > 2):
		pick(lYear, "2006", "06", "2006")
	case c == 'm' && n <= 2 && t.minutes(rest):
		pick(lMinute, "4", "04")
	case c == 'm':
		pick(lMonth, "1", "01", "Jan", "January")
	case c == 'd', c == 'j' && n == 2, c == 'g' && n == 2, c == 't' && n == 2 && t.german:
		pick(lDay, "2", "02", "Mon", "Monday")
	case c == 'h' && t.half && run[0] == 'h':
		pick(lHour12, "3", "03")
	case c == 'h':
		pick(lHour, "15")
	case c == 's' && (t.last == lSecond || t.last == lFraction), c == 'f' && t.last == lSecond:
		t.write(lFraction, strings.Repeat("0", n))
	case c == 's':
		pick(lSecond, "5", "05")
	case run == "a", run == "A", run == "tt":
		t.write(lHalf, "PM")
	case c == 'e':
		pick(lWeekday, "Mon", "Mon", "Mon", "Monday")
	case c == 'x', c == 'z', run == "K":
		t.write(lZone, "Z07:00")
	default:
		t.b.WriteString(run)
	}
}

// minutes tells what an m is: a minute behind an hour or beside seconds, and
// everywhere else a month, in whatever case it is written.
func (t *tokens) minutes(rest string) bool {
	next := strings.TrimLeft(rest, ":. ")
	return t.last == lHour || t.last == lHour12 || next != "" && len(rest)-len(next) <= 1 && next[0]|0x20 == 's'
}

var valueForm = regexp.MustCompile(`^(\d{4}|\d{1,2})([-./])(\d{1,2})([-./])(\d{4}|\d{1,2})(?:([T ])\d{1,2}:\d{2}(:\d{2})?)?$`)

// fromValue gives the layouts of a date that stands where a layout should.
func fromValue(value string) []string {
	m := valueForm.FindStringSubmatch(value)
	if m == nil || m[2] != m[4] || len(m[1]) == 4 == (len(m[5]) == 4) && len(m[1]) == 4 {
		return nil
	}
	clock := m[6]
	if clock != "" {
		clock += "15:04"
		if m[7] != "" {
			clock += ":05"
		}
	}
	if len(m[1]) == 4 {
		return []string{"2006" + m[2] + "01" + m[2] + "02" + clock}
	}
	year := "06"
	if len(m[5]) == 4 {
		year = "2006"
	}
	dayFirst, monthFirst := "02"+m[2]+"01"+m[2]+year+clock, "01"+m[2]+"02"+m[2]+year+clock
	first, _ := strconv.Atoi(m[1])
	second, _ := strconv.Atoi(m[3])
	switch {
	case second > 12:
		return []string{monthFirst}
	case first > 12 || m[2] == ".":
		return []string{dayFirst}
	}
	return []string{dayFirst, monthFirst}
}

// layoutsClash finds two layouts of a list that read one text as two dates,
// such as "02/01/2006" and "01/02/2006".
func layoutsClash(layouts []string) (a, b, text string) {
	ref := time.Date(2009, 11, 10, 8, 7, 6, 0, time.UTC)
	for i, a := range layouts {
		text := ref.Format(a)
		first, err := time.Parse(a, text)
		if err != nil {
			continue
		}
		for _, b := range layouts[i+1:] {
			if second, err := time.Parse(b, text); err == nil && !second.Equal(first) {
				return a, b, text
			}
		}
	}
	return "", "", ""
}
