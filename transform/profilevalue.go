package transform

import (
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"importer/extract"
)

// A class is what a value looks like. Every value has one, the narrowest; a
// column can be of a type when its values are of classes that the type takes.
type class uint8

const (
	classText class = iota
	classEmpty
	classNull        // a word for nothing: n/a, NULL, -
	classInt         // 7, -3
	classZeroInt     // 007: a number for reading aloud, not for adding
	classLongInt     // over an int64
	classGroupPoint  // 1.234: grouped, or a decimal point
	classGroupComma  // 1,234: grouped, or a decimal comma
	classGroupSpace  // 1 234, 1'234: grouped
	classPoint       // 1.5, 1e3
	classComma       // 1,5
	classPointGroups // 1,234.50
	classCommaGroups // 1.234,50
	classBool        // true, no, y
	classYesNo       // the same in another language: ja, non
	classDate
	classClock // 08:30
	classURL
	classMail
	classGUID
	classPath
	classDuration // of a workbook
	classError    // #N/A of a workbook
	classes
)

var classNames = [classes]string{"text", "empty", "null", "int", "zeroInt", "longInt", "groupPoint", "groupComma", "groupSpace", "point", "comma",
	"pointGroups", "commaGroups", "boolean", "yesNo", "date", "clock", "url", "mail", "guid", "path", "duration", "error"}

// nullWords stand in cells where there is nothing. Words that name something
// elsewhere (NA is Namibia, none a colour of the catalogue) are only taken so
// where the other values of the column are no texts.
var nullWords = map[string]bool{"n/a": true, "n.a.": true, "n. a.": true, "na": true, "#n/a": true, "null": true, "(null)": true, "nil": true, "none": true, "nan": true, `\n`: true,
	"-": true, "--": true, "---": true, "–": true, "—": true, ".": true, "?": true, "??": true, "tbd": true, "tba": true, "tbc": true, "unknown": true, "undefined": true,
	"unbekannt": true, "k.a.": true, "k. a.": true, "keine angabe": true, "leer": true, "inconnu": true, "s/d": true, "sin datos": true, "nd": true, "n.d.": true, "n/d": true,
	"sconosciuto": true, "brak": true, "not available": true, "not applicable": true, "missing": true, "(empty)": true, "(blank)": true, "empty": true, "0000-00-00": true,
	"0000-00-00 00:00:00": true}

// yesNos are the words of other languages that are no booleans to bool(), with
// what they say.
var yesNos = map[string]bool{"ja": true, "nein": false, "oui": true, "non": false, "sì": true, "si": true, "sí": true, "sim": true, "não": false, "nao": false, "nee": false,
	"tak": true, "nie": false, "ano": true, "ne": false, "igen": true, "nem": false, "да": true, "нет": false, "ναι": true, "όχι": false, "はい": true, "いいえ": false,
	"是": true, "否": false, "wahr": true, "falsch": false, "vrai": true, "faux": false, "vero": true, "falso": false, "verdadero": true, "on": true, "off": false, "t": true, "f": false}

// classOf says what a value looks like. s is trimmed.
func classOf(s string, typed any) (c class, f dateForm) {
	switch v := typed.(type) {
	case int64:
		return classInt, f
	case float64:
		return classPoint, f
	case bool:
		return classBool, f
	case time.Time:
		h, m, sec := v.Clock()
		return classDate, dateForm{layout: layoutISO, clock: h+m+sec > 0, value: v}
	case time.Duration:
		return classDuration, f
	case extract.CellError:
		return classError, f
	}
	if s == "" {
		return classEmpty, f
	}
	var digits, letters, others int
	for i := 0; i < len(s) && i < 64; i++ {
		switch b := s[i]; {
		case isDigit(b):
			digits++
		case isLetter(b) || b >= utf8.RuneSelf:
			letters++
		default:
			others++
		}
	}
	if len(s) <= 24 && digits == 0 || len(s) == 10 || len(s) == 19 {
		if c, ok := wordClass(s); ok {
			return c, f
		}
	}
	switch {
	case digits > 0 && letters <= 1:
		if c, ok := numberClass(s); ok {
			return c, f
		}
	case len(s) == 36 && isGUID(s), len(s) == 38 && s[0] == '{' && isGUID(s[1:37]):
		return classGUID, f
	}
	if digits > 0 && len(s) <= 45 {
		if f, ok := dateOf(s); ok {
			return classDate, f
		}
		if letters == 0 && isClock(s) {
			return classClock, f
		}
	}
	return textClass(s), f
}

func wordClass(s string) (class, bool) {
	if _, ok := parseBool(s); ok && len(s) > 1 || s == "y" || s == "Y" || s == "n" || s == "N" {
		return classBool, true
	}
	lower := strings.ToLower(s)
	if nullWords[lower] {
		return classNull, true
	}
	if _, ok := yesNos[lower]; ok {
		return classYesNo, true
	}
	return classText, false
}

// numberClass tells how a number is written.
func numberClass(s string) (class, bool) {
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || digits == "" {
		return classText, false
	}
	plain := true
	for i := 0; i < len(digits); i++ {
		if !isDigit(digits[i]) {
			plain = false
			break
		}
	}
	switch {
	case plain && len(digits) > 1 && digits[0] == '0':
		return classZeroInt, true
	case plain:
		if _, ok := parseInt(s); ok {
			return classInt, true
		}
		return classLongInt, true
	}
	points, commas := strings.Count(s, "."), strings.Count(s, ",")
	spaces := strings.ContainsAny(digits, " '\u00a0\u202f’")
	switch {
	case points == 0 && commas == 0 && spaces:
		_, ok := parseDecimal(s, ".")
		return classGroupSpace, ok
	case points == 0 && commas == 0:
		_, ok := parseFloat(s)
		return classPoint, ok
	case commas == 0 && points == 1 && !spaces:
		_, ok := parseFloat(s)
		if ok && isGroup(digits, '.') {
			return classGroupPoint, true
		}
		return classPoint, ok
	case commas == 1 && points == 0 && !spaces:
		_, ok := parseDecimal(s, ",")
		if ok && isGroup(digits, ',') {
			return classGroupComma, true
		}
		return classComma, ok
	case commas == 0 && points > 1:
		_, ok := parseDecimal(s, ",")
		return classGroupPoint, ok && !spaces
	case points == 0 && commas > 1:
		_, ok := parseDecimal(s, ".")
		return classGroupComma, ok && !spaces
	case strings.LastIndexByte(s, '.') > strings.LastIndexByte(s, ','):
		_, ok := parseDecimal(s, ".")
		return classPointGroups, ok && points == 1
	}
	_, ok := parseDecimal(s, ",")
	return classCommaGroups, ok && commas == 1
}

// isGroup tells one to three digits, not beginning with a zero, the sign, and
// three more: 1.234 can be over a thousand.
func isGroup(s string, sign byte) bool {
	i := strings.IndexByte(s, sign)
	return i >= 1 && i <= 3 && s[0] != '0' && len(s) == i+4
}

func textClass(s string) class {
	if i := strings.IndexByte(s, '@'); i > 0 && isMail(s, i) {
		return classMail
	}
	if i := strings.Index(s, "://"); i > 0 && i < 12 && !strings.ContainsAny(s, " \n\t") {
		if u, err := url.Parse(s); err == nil && u.Host != "" {
			return classURL
		}
	}
	if isPath(s) {
		return classPath
	}
	return classText
}

func isMail(s string, at int) bool {
	domain := s[at+1:]
	dot := strings.LastIndexByte(domain, '.')
	return dot > 0 && dot < len(domain)-1 && len(s) < 255 && !strings.ContainsAny(s, " ,;<>()\t\n\"") && strings.Count(s, "@") == 1
}

// isPath tells \\server\share, C:\x and /a/b, but not a date or a sentence.
func isPath(s string) bool {
	switch {
	case len(s) > 260 || strings.ContainsAny(s, "\n\t"):
		return false
	case strings.HasPrefix(s, `\\`), len(s) > 3 && s[1] == ':' && (s[2] == '\\' || s[2] == '/'):
		return true
	}
	return s[0] == '/' && strings.Count(s, "/") > 1 && !strings.Contains(s, " ")
}
