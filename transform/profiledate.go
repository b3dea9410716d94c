package transform

import (
	"strings"
	"time"
)

// layoutISO stands for the forms of ISO 8601 that a dateTime takes as they are.
const layoutISO = "ISO 8601"

// A dateForm is the form of one date.
type dateForm struct {
	layout string // layoutISO, or package time's, day first where that cannot be told
	// Of 03/04/2026 nobody knows which is the day. first and second are the
	// numbers in question; 0 where the form says.
	first, second int
	loose         bool // a day or month of one digit
	clock         bool // it has a time of day
	zone          bool // and an offset
	value         time.Time
}

// monthNames leads from a month's name, in lower case, to its form in a layout.
var monthNames = func() map[string]string {
	names := map[string]string{}
	for m := time.January; m <= time.December; m++ {
		name := strings.ToLower(m.String())
		names[name[:3]] = "Jan"
		names[name] = "January"
	}
	names["may"] = "Jan"
	return names
}()

var weekdayNames = map[string]string{"mon": "Mon", "tue": "Mon", "wed": "Mon", "thu": "Mon", "fri": "Mon", "sat": "Mon", "sun": "Mon",
	"monday": "Monday", "tuesday": "Monday", "wednesday": "Monday", "thursday": "Monday", "friday": "Monday", "saturday": "Monday", "sunday": "Monday"}

// dateOf tells the form of a date; ok is false for what is none. A day that is
// not in the calendar (31.02.2024) is none.
func dateOf(s string) (f dateForm, ok bool) {
	if len(s) < 6 || len(s) > 45 {
		return f, false
	}
	if t, ok := parseISO(s, time.UTC); ok && len(s) >= 10 {
		if s[4] != '-' && !strings.ContainsAny(s, "T ") {
			return f, false // ten digits are a number
		}
		return dateForm{layout: layoutISO, clock: len(s) > 10, zone: hasOffset(s), value: t}, true
	}
	r := layoutReader{rest: s}
	if !r.read() {
		return f, false
	}
	f = r.dateForm
	f.layout = r.b.String()
	try := f.layout
	if f.first > 0 && f.second > 12 { // month first, for sure
		try = monthFirst(try)
	}
	t, err := time.Parse(try, s)
	if err != nil || t.Year() < 1000 || !knownZone(t, time.UTC) {
		return f, false
	}
	f.value = t
	return f, true
}

func hasOffset(s string) bool {
	clock := s[min(10, len(s)):]
	return strings.ContainsAny(clock, "Zz+") || strings.LastIndexByte(clock, '-') > 0
}

// monthFirst exchanges the day and the month of a layout.
func monthFirst(layout string) string {
	return strings.NewReplacer("02", "01", "01", "02", "2006", "2006", "2", "1", "15", "15", "1", "2").Replace(layout)
}

// looseLayout takes days and months of one digit and of two.
func looseLayout(layout string) string {
	return strings.NewReplacer("02", "2", "01", "1").Replace(layout)
}

// A layoutReader writes the layout of a value while it reads it.
type layoutReader struct {
	dateForm
	rest string
	b    strings.Builder
}

func (r *layoutReader) read() bool {
	if r.words(weekdayNames) {
		r.separators(", ")
	}
	if !r.date() {
		return false
	}
	if r.rest == "" {
		return true
	}
	if !r.separators(", T") || r.rest == "" {
		return false
	}
	r.clock = true
	return r.time()
}

// words reads a word of a table.
func (r *layoutReader) words(table map[string]string) bool {
	n := 0
	for n < len(r.rest) && isLetter(r.rest[n]) {
		n++
	}
	form, ok := table[strings.ToLower(r.rest[:n])]
	if !ok {
		return false
	}
	r.b.WriteString(form)
	r.rest = r.rest[n:]
	return true
}

// separators takes what stands between the parts, one of each at most.
func (r *layoutReader) separators(set string) bool {
	n := 0
	for n < len(r.rest) && n < 3 && strings.IndexByte(set, r.rest[n]) >= 0 {
		n++
	}
	r.b.WriteString(r.rest[:n])
	r.rest = r.rest[n:]
	return n > 0
}

// number reads up to most digits.
func (r *layoutReader) number(most int) (n, width int) {
	for width < most && width < len(r.rest) && isDigit(r.rest[width]) {
		n = n*10 + int(r.rest[width]-'0')
		width++
	}
	r.rest = r.rest[width:]
	return n, width
}

func (r *layoutReader) date() bool {
	if r.words(monthNames) { // Mar 5, 2026
		return r.separators(" .") && r.day() && r.separators(", ") && r.year()
	}
	first, width := r.number(4)
	if width == 0 || r.rest == "" {
		return false
	}
	sep := r.rest[0]
	switch {
	case width == 4: // 2026/03/05
		if strings.IndexByte("/-.", sep) < 0 {
			return false
		}
		r.b.WriteString("2006")
		return r.separators("/-.") && r.part("01", "1") && r.same(sep) && r.part("02", "2")
	case width > 2:
		return false
	}
	if i := strings.IndexFunc(r.rest, func(c rune) bool { return c != '.' && c != ' ' && c != '-' }); i > 0 && i <= 2 && isLetter(r.rest[i]) {
		return r.textual(width)
	}
	if strings.IndexByte("/-.", sep) < 0 {
		return false
	}
	r.put(width, "02", "2")
	r.b.WriteByte(sep)
	r.rest = r.rest[1:]
	second, w := r.number(2)
	if w == 0 || first > 31 || second > 31 || first > 12 && second > 12 {
		return false
	}
	r.put(w, "01", "1")
	r.first, r.second = first, second
	return r.same(sep) && r.year()
}

// textual reads the month's name and the year behind a day: 5. March 2026,
// 05-Mar-26.
func (r *layoutReader) textual(width int) bool {
	r.put(width, "02", "2")
	r.separators(". -")
	return r.words(monthNames) && r.separators(".,- ") && r.year()
}

func (r *layoutReader) put(width int, fixed, loose string) {
	if width == 1 {
		r.loose = true
		r.b.WriteString(loose)
		return
	}
	r.b.WriteString(fixed)
}

func (r *layoutReader) part(fixed, loose string) bool {
	_, w := r.number(2)
	if w > 0 {
		r.put(w, fixed, loose)
	}
	return w > 0
}

func (r *layoutReader) day() bool { return r.part("02", "2") }

func (r *layoutReader) same(sep byte) bool {
	if r.rest == "" || r.rest[0] != sep {
		return false
	}
	r.b.WriteByte(sep)
	r.rest = r.rest[1:]
	return true
}

func (r *layoutReader) year() bool {
	_, w := r.number(4)
	switch w {
	case 4:
		r.b.WriteString("2006")
	case 2:
		r.b.WriteString("06")
	}
	return w == 4 || w == 2
}

// time reads a time of day with what follows it.
func (r *layoutReader) time() bool {
	half := strings.ContainsAny(r.rest, "pPaA") && (strings.HasSuffix(strings.ToLower(r.rest), "m"))
	hour := "15"
	_, w := r.number(2)
	if half {
		hour = map[int]string{1: "3", 2: "03"}[w]
		if w == 2 {
			hour = "3" // takes two digits as well
		}
	}
	r.b.WriteString(hour)
	if w == 0 || !r.same(':') {
		return false
	}
	if _, w := r.number(2); w != 2 {
		return false
	}
	r.b.WriteString("04")
	if r.rest != "" && r.rest[0] == ':' {
		r.same(':')
		if _, w := r.number(2); w != 2 {
			return false
		}
		r.b.WriteString("05")
		if r.rest != "" && (r.rest[0] == '.' || r.rest[0] == ',') {
			r.b.WriteByte(r.rest[0])
			r.rest = r.rest[1:]
			_, w := r.number(9)
			r.b.WriteString(strings.Repeat("0", w))
			if w == 0 {
				return false
			}
		}
	}
	if half {
		r.separators(" ")
		word := r.rest
		switch word {
		case "AM", "PM":
			r.b.WriteString("PM")
		case "am", "pm":
			r.b.WriteString("pm")
		default:
			return false
		}
		return true
	}
	return r.rest == "" || r.offset()
}

func (r *layoutReader) offset() bool {
	r.separators(" ")
	r.zone = true
	switch {
	case r.rest == "Z":
		r.b.WriteString("Z07:00")
	case r.rest == "UTC" || r.rest == "GMT":
		r.b.WriteString("MST")
	case len(r.rest) == 6 && strings.ContainsRune("+-", rune(r.rest[0])) && r.rest[3] == ':':
		r.b.WriteString("Z07:00")
	case len(r.rest) == 5 && strings.ContainsRune("+-", rune(r.rest[0])):
		r.b.WriteString("-0700")
	default:
		return false
	}
	return true
}

// isClock tells a time of day without a date: 08:30, 8:30:15.
func isClock(s string) bool {
	if len(s) < 4 || len(s) > 8 || !isDigit(s[0]) {
		return false
	}
	_, err := time.Parse("15:04", s)
	if err != nil {
		_, err = time.Parse("15:04:05", s)
	}
	return err == nil
}
