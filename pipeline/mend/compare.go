package mend

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A medium is what a table went through.
type medium int

const (
	byJSON medium = iota // nothing rewrites it
	byCSV                // a spreadsheet may have rewritten what it takes for a value
	byBook               // cells were text, and still are unless somebody made values of them
)

// A cell is a cell that came back.
type cell struct {
	text  string
	typed any // see extract.Record
}

// A verdict says what became of a cell.
type verdict int

const (
	same      verdict = iota
	rewritten         // another spelling, as spreadsheets make it of what was exported
	changed
)

// judge compares a cell with what was exported. wrong tells that the record was
// refused for it: then another spelling of a date is meant as it is written.
func judge(was string, back cell, how medium, wrong bool) verdict {
	if plain(was) == plain(back.text) {
		return same
	}
	alike := false
	switch {
	case how == byBook && back.typed != nil:
		alike = sameValue(was, back)
	case how == byCSV:
		alike = sameNumber(was, back.text) || sameBool(was, back.text) || !wrong && sameDate(was, back.text) || sameLetters(was, back.text)
	}
	if alike {
		return rewritten
	}
	return changed
}

// plain is a text without what files and programs do not agree on: line ends,
// and characters that XML does not have.
func plain(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == utf8.RuneError || r == '\uFFFE' || r == '\uFFFF' }) < 0 {
		return s
	}
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' || r == '\uFFFE' || r == '\uFFFF' {
			return utf8.RuneError
		}
		return r
	}, s)
}

// sameValue compares a text with a value that a workbook has made of it.
func sameValue(was string, back cell) bool {
	switch v := back.typed.(type) {
	case int64:
		return nearly(was, float64(v))
	case float64:
		return nearly(was, v)
	case bool:
		return sameBool(was, back.text)
	case time.Time, time.Duration:
		return sameDate(was, strings.Replace(back.text, "T", " ", 1))
	}
	return false
}

// nearly tells that a text is the number v, in the 15 digits that a workbook keeps.
func nearly(was string, v float64) bool {
	n, ok := number(was)
	return ok && (n == v || math.Abs(n-v) <= 1e-14*math.Max(math.Abs(n), math.Abs(v)))
}

var (
	// plainNumber is a number as spreadsheets write one: no zero too many, with
	// the decimal sign of the country.
	plainNumber = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:[.,][0-9]*[1-9])?(?:[Ee][-+]?[0-9]+)?$`)
	// anyNumber is one as people write it.
	anyNumber = regexp.MustCompile(`^[-+]?[0-9]+(?:[.,][0-9]+)?(?:[Ee][-+]?[0-9]+)?$`)
)

func number(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if !anyNumber.MatchString(s) {
		return 0, false
	}
	n, err := strconv.ParseFloat(strings.Replace(s, ",", ".", 1), 64)
	return n, err == nil
}

// sameNumber tells that back is how a spreadsheet writes the number was: without
// zeros in front (007), rounded to what fits into a cell.
func sameNumber(was, back string) bool {
	a, ok := number(was)
	if !ok || !plainNumber.MatchString(back) {
		return false
	}
	b, ok := number(back)
	if !ok {
		return false
	}
	if a == b {
		return true
	}
	mantissa, _, _ := strings.Cut(strings.ToUpper(back), "E")
	digits := len(strings.TrimLeft(strings.NewReplacer("-", "", ".", "", ",", "").Replace(mantissa), "0"))
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(a, 'e', max(0, digits-1), 64), 64)
	return digits >= 5 && err == nil && rounded == b
}

// bools are how spreadsheets write truth, by country.
var bools = map[string]bool{"true": true, "wahr": true, "vrai": true, "verdadero": true, "vero": true, "waar": true,
	"false": false, "falsch": false, "faux": false, "falso": false, "onwaar": false}

func sameBool(was, back string) bool {
	a, ok := bools[strings.ToLower(strings.TrimSpace(was))]
	b, known := bools[strings.ToLower(back)]
	return ok && known && a == b
}

var (
	dateForms = []string{"2006-1-2", "2006/1/2", "2.1.2006", "2/1/2006", "1/2/2006", "2-1-2006", "2.1.06", "2/1/06", "1/2/06", "2-Jan-06", "20060102", ""}
	timeForms = []string{"15:04:05.999", "15:04:05", "15:04", "3:04:05 PM", "3:04 PM", ""}
)

// sameDate tells that two texts can be the same moment, to what back says of it.
func sameDate(was, back string) bool {
	seconds := strings.Count(back, ":") > 1
	for _, a := range moments(strings.Replace(was, "T", " ", 1)) {
		for _, b := range moments(back) {
			if !seconds {
				a, b = a.Truncate(time.Minute), b.Truncate(time.Minute)
			}
			if a.Equal(b) {
				return true
			}
		}
	}
	return false
}

// moments are all that a text can mean.
func moments(s string) (all []time.Time) {
	s = strings.TrimSpace(s)
	if len(s) < 4 || len(s) > 30 || strings.Trim(s, "0123456789./-:TZ ABDFJMNOPSabceglnoprtuvy") != "" {
		return nil
	}
	for _, d := range dateForms {
		for _, c := range timeForms {
			if form := strings.TrimSpace(d + " " + c); form != "" {
				if t, err := time.Parse(form, s); err == nil {
					all = append(all, t)
				}
			}
		}
	}
	return all
}

// sameLetters tells that back is was with question marks for letters that its
// encoding does not have.
func sameLetters(was, back string) bool {
	lost := false
	for _, r := range was {
		b, n := utf8.DecodeRuneInString(back)
		switch {
		case b == r:
		case r > 0x7F && b == '?':
			lost = true
			if r > 0xFFFF && strings.HasPrefix(back, "??") {
				n = 2
			}
		default:
			return false
		}
		back = back[n:]
	}
	return lost && back == ""
}
