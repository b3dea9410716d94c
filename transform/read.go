package transform

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// A section is an object of the mapping with its known keys.
type section struct {
	d    *document
	what string // for messages: source "tickets"
	pos  spot
	byN  map[string]field
}

// section reads n as the named object. Unknown and missing keys have been
// reported when it returns; ok is false when n is no mapping at all.
func (d *document) section(n ast.Node, name, what string) (s section, ok bool) {
	o := objectNamed(name)
	s = section{d: d, what: what, pos: at(n), byN: map[string]field{}}
	fields, ok := d.fields(n, what)
	if !ok {
		return s, false
	}
	for _, f := range fields {
		if o.key(f.name) == nil {
			remedy := suggest(f.name, o.names())
			if strings.ContainsAny(f.name, `()"'`) && isNull(f.value) {
				remedy = flowComma
			}
			d.errorf(f.key, remedy, "%s has no key %q", what, f.name)
			continue
		}
		s.byN[f.name] = f
	}
	for _, k := range o.keys {
		if _, has := s.byN[k.name]; k.required && !has {
			s.missing(k)
		}
	}
	return s, true
}

func (s section) missing(k key) {
	if s.d.draft && k.name == "acl" {
		return
	}
	remedy := "add " + k.name + ": " + k.example
	switch {
	case k.name == "acl":
		remedy = "say who may see the items; for all of the organisation: acl: [{grant: everyone}]"
	case k.name == "id":
		remedy = "add an id: the column or expression that identifies a record, such as " + k.example
	}
	s.d.errorf(s.pos, remedy, "%s has no %s", s.what, k.name)
}

func (s section) has(name string) bool { _, ok := s.byN[name]; return ok }

// posOf is where the value of a key stands, or the section where it is not.
func (s section) posOf(name string) spot {
	if f, ok := s.byN[name]; ok {
		if isNull(f.value) {
			return f.key
		}
		return at(f.value)
	}
	return s.pos
}

func (s section) scalar(name string) (scalar, bool) {
	f, ok := s.byN[name]
	if !ok {
		return scalar{}, false
	}
	return s.d.scalar(f.value, s.what+": "+name, false)
}

func (s section) text(name string) string {
	v, _ := s.scalar(name)
	return v.s
}

func (s section) word(o, name string) string {
	v, ok := s.scalar(name)
	if !ok {
		return ""
	}
	words := objectNamed(o).key(name).enum
	if slices.Contains(words, v.s) {
		return v.s
	}
	s.d.errorf(v.pos, suggest(v.s, words), "%s: %s cannot be %q", s.what, name, v.s)
	return ""
}

func (s section) bool(name string) bool {
	v, ok := s.scalar(name)
	if !ok {
		return false
	}
	switch strings.ToLower(v.s) {
	case "true":
		return true
	case "false":
	default:
		s.d.errorf(v.pos, "write true or false", "%s: %s cannot be %q", s.what, name, v.s)
	}
	return false
}

func (s section) int(name string, low int) int {
	v, ok := s.scalar(name)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(v.s)
	if err != nil || n < low {
		s.d.errorf(v.pos, "write a whole number from "+strconv.Itoa(low), "%s: %s cannot be %q", s.what, name, v.s)
		return 0
	}
	return n
}

// header reads the number of a header row: auto is 0, none is -1.
func (s section) header() int {
	v, ok := s.scalar("header")
	switch {
	case !ok || v.s == "auto":
		return 0
	case v.s == "none":
		return -1
	}
	if n, err := strconv.Atoi(v.s); err == nil && n >= -1 {
		return n
	}
	s.d.errorf(v.pos, "write the number of the row that names the columns, auto or none", "%s: header cannot be %q", s.what, v.s)
	return 0
}

func (s section) texts(name string) []string {
	var out []string
	for _, v := range s.scalars(name) {
		out = append(out, v.s)
	}
	return out
}

func (s section) scalars(name string) []scalar {
	f, ok := s.byN[name]
	if !ok {
		return nil
	}
	var out []scalar
	for _, n := range s.d.list(f.value) {
		if v, ok := s.d.scalar(n, s.what+": "+name, false); ok {
			out = append(out, v)
		}
	}
	return out
}

func (s section) size(name string) int64 {
	v, ok := s.scalar(name)
	if !ok {
		return 0
	}
	units := []struct {
		suffix string
		factor float64
	}{{"GIB", 1 << 30}, {"MIB", 1 << 20}, {"KIB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}, {"", 1}}
	up := strings.ToUpper(strings.TrimSpace(v.s))
	for _, u := range units {
		num, found := strings.CutSuffix(up, u.suffix)
		if !found {
			continue
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
		if err == nil && f > 0 && f*u.factor <= 1<<50 {
			return int64(f * u.factor)
		}
		break
	}
	s.d.errorf(v.pos, "write a number of bytes, or one with KB, MB or GB, such as 3.5MB", "%s: %s cannot be %q", s.what, name, v.s)
	return 0
}

func (s section) duration(name string) time.Duration {
	v, ok := s.scalar(name)
	if !ok {
		return 0
	}
	d, err := parseDuration(v.s)
	if err != nil || d <= 0 {
		s.d.errorf(v.pos, "write a duration such as 60s, 5m or 7d", "%s: %s cannot be %q", s.what, name, v.s)
		return 0
	}
	return d
}

// parseDuration is time.ParseDuration with days, which may come first: 7d, 1d12h.
func parseDuration(s string) (time.Duration, error) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.Atoi(days)
	if err != nil || n < 0 || n > 36500 {
		return 0, strconv.ErrSyntax
	}
	d := time.Duration(n) * 24 * time.Hour
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	return d + more, err
}

// limit reads "2%" or "500".
func (s section) limit(name string) Limit {
	v, ok := s.scalar(name)
	if !ok {
		return Limit{}
	}
	if num, percent := strings.CutSuffix(strings.TrimSpace(v.s), "%"); percent {
		if f, err := strconv.ParseFloat(strings.TrimSpace(num), 64); err == nil && f >= 0 && f <= 100 && !math.IsNaN(f) {
			return Limit{Share: f / 100, Set: true}
		}
	} else if n, err := strconv.Atoi(strings.TrimSpace(v.s)); err == nil && n >= 0 {
		return Limit{Count: n, Set: true}
	}
	s.d.errorf(v.pos, "write a percentage such as 2%, or a number such as 500", "%s: %s cannot be %q", s.what, name, v.s)
	return Limit{}
}

// share reads "5%" as 0.05.
func (s section) share(name string) float64 {
	v, ok := s.scalar(name)
	if !ok {
		return 0
	}
	num, percent := strings.CutSuffix(strings.TrimSpace(v.s), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
	if !percent || err != nil || !(f >= 0 && f <= 100) {
		s.d.errorf(v.pos, "write a percentage such as 5%", "%s: %s cannot be %q", s.what, name, v.s)
		return 0
	}
	return f / 100
}

// budget reads how many records may be refused.
func (s section) budget(name string) Budget {
	v, ok := s.scalar(name)
	if !ok {
		return Budget{}
	}
	b, err := ParseBudget(v.s)
	if err != nil {
		s.d.errorf(v.pos, "write none, a number, or a list such as total=5000,consecutive=100,share=15%", "%s: %s cannot be %q", s.what, name, v.s)
	}
	return b
}

// zone reads the name of a time zone; nil when there is none.
func (s section) zone(name string) *time.Location {
	v, ok := s.scalar(name)
	if !ok {
		return nil
	}
	loc, err := loadZone(v.s)
	if err != nil {
		s.d.errorf(v.pos, "write an IANA name such as Europe/Rome, America/New_York or UTC", "%s: the time zone %q is not known", s.what, v.s)
		return nil
	}
	return loc
}
