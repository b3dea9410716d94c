package transform

import (
	"fmt"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // time zones are part of a mapping's meaning and must not depend on the machine
)

// zones remembers loaded time zones, since loading one parses a table.
var zones sync.Map // string -> *time.Location

// loadZone finds a time zone by its IANA name. The machine's own zone is
// refused: the same file must give the same items everywhere.
func loadZone(name string) (*time.Location, error) {
	if name == "" || strings.EqualFold(name, "local") {
		return nil, fmt.Errorf("unknown time zone %q", name)
	}
	if l, ok := zones.Load(name); ok {
		return l.(*time.Location), nil
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, err
	}
	zones.Store(name, l)
	return l, nil
}

// formatTime writes t as it travels: UTC, with a fraction only where there is
// one, to 100 ns (the precision of .NET, which reads it).
func formatTime(t time.Time) string {
	var buf [32]byte
	return string(appendTime(buf[:0], t))
}

func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	y, mo, d := t.Date()
	h, mi, s := t.Clock()
	b = append2(append2(b, y/100), y%100)
	b = append2(append(b, '-'), int(mo))
	b = append2(append(b, '-'), d)
	b = append2(append(b, 'T'), h)
	b = append2(append(b, ':'), mi)
	b = append2(append(b, ':'), s)
	if ns := t.Nanosecond() / 100; ns > 0 {
		b = append(b, '.')
		for div := 1_000_000; ns > 0; div /= 10 {
			b = append(b, byte('0'+ns/div))
			ns %= div
		}
	}
	return append(b, 'Z')
}

func append2(b []byte, n int) []byte { return append(b, byte('0'+n/10%10), byte('0'+n%10)) }

// inRange tells the years that the wire form can write.
func inRange(t time.Time) bool {
	y := t.UTC().Year()
	return y >= 1 && y <= 9999
}

// wallClock gives the instant at which clocks in loc show the fields of t.
func wallClock(t time.Time, loc *time.Location) time.Time {
	y, mo, d := t.Date()
	h, mi, s := t.Clock()
	return time.Date(y, mo, d, h, mi, s, t.Nanosecond(), loc)
}

// parseISO reads the forms of ISO 8601 that data uses: a date (2026-05-01 or
// 20260501), with a time after T or a space (hours and minutes at least, comma
// or point before a fraction), with Z or an offset. Where there is none, loc
// says what the clock meant. It refuses dates that are not in the calendar.
func parseISO(s string, loc *time.Location) (time.Time, bool) {
	p := digits{s: s, ok: true}
	year := p.take(4)
	dashed := p.accept('-')
	month := p.take(2)
	if dashed && !p.accept('-') {
		return time.Time{}, false
	}
	day := p.take(2)
	if !p.ok || !realDate(year, month, day) {
		return time.Time{}, false
	}
	if p.s == "" {
		return time.Date(year, time.Month(month), day, 0, 0, 0, 0, loc), true
	}
	if !p.accept('T') && !p.accept('t') && !p.accept(' ') {
		return time.Time{}, false
	}
	hour := p.take(2)
	colons := p.accept(':')
	minute := p.take(2)
	second, nanos := 0, 0
	if p.ok && p.s != "" && (colons && p.accept(':') || !colons && isDigit(p.s[0])) {
		second = p.take(2)
		if p.accept('.') || p.accept(',') {
			nanos = p.fraction()
		}
	}
	if !p.ok || hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, false
	}
	if second == 60 { // a leap second: UTC here has none, the next second is the nearest
		second, nanos = 59, 999_999_999
	}
	loc, ok := p.offset(loc)
	if !ok {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, nanos, loc), true
}

func realDate(year, month, day int) bool {
	if year < 1 || month < 1 || month > 12 || day < 1 {
		return false
	}
	if day <= 28 {
		return true
	}
	return day <= time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// digits reads fixed numbers off the front of a text.
type digits struct {
	s  string
	ok bool
}

func (p *digits) take(n int) int {
	if !p.ok || len(p.s) < n {
		p.ok = false
		return 0
	}
	v := 0
	for i := range n {
		if !isDigit(p.s[i]) {
			p.ok = false
			return 0
		}
		v = v*10 + int(p.s[i]-'0')
	}
	p.s = p.s[n:]
	return v
}

func (p *digits) accept(c byte) bool {
	if p.ok && p.s != "" && p.s[0] == c {
		p.s = p.s[1:]
		return true
	}
	return false
}

func (p *digits) fraction() int {
	n, scale := 0, 100_000_000
	if p.s == "" || !isDigit(p.s[0]) {
		p.ok = false
	}
	for p.s != "" && isDigit(p.s[0]) {
		n += int(p.s[0]-'0') * scale
		scale /= 10
		p.s = p.s[1:]
	}
	return n
}

// offset reads Z, +02, +0200 or +02:00, or nothing, up to the end.
func (p *digits) offset(loc *time.Location) (*time.Location, bool) {
	if p.s == "" {
		return loc, true
	}
	if p.accept('Z') || p.accept('z') {
		return time.UTC, p.s == ""
	}
	p.accept(' ')
	sign := 1
	if p.accept('-') {
		sign = -1
	} else if !p.accept('+') {
		return nil, false
	}
	h, m := p.take(2), 0
	if p.ok && p.s != "" {
		p.accept(':')
		m = p.take(2)
	}
	if !p.ok || p.s != "" || h > 14 || m > 59 {
		return nil, false
	}
	if h == 0 && m == 0 {
		return time.UTC, true
	}
	return time.FixedZone("", sign*(h*3600+m*60)), true
}

// A dateSpec is what the date function was told: layouts in Go's notation,
// tried in order, and the zone of what they read; nil is the source's own.
type dateSpec struct {
	layouts []string
	fast    []*fixedLayout // parallel to layouts; nil where time.Parse is needed
	loc     *time.Location
}

func newDateSpec(layouts []string) *dateSpec {
	ds := &dateSpec{layouts: layouts}
	for _, l := range layouts {
		ds.fast = append(ds.fast, newFixedLayout(l))
	}
	return ds
}

// A fixedLayout is a layout of numbers of fixed width, read in a third of the
// time of time.Parse. What it does not take goes to time.Parse.
type fixedLayout struct {
	parts []layoutPart
	width int
}

// A layoutPart is a field (0 is the year, 5 the second) or a literal byte.
type layoutPart struct {
	field int // or -1
	lit   byte
}

func newFixedLayout(layout string) *fixedLayout {
	tokens := []string{"2006", "01", "02", "15", "04", "05"}
	f := &fixedLayout{width: len(layout)}
	seen := 0
scan:
	for i := 0; i < len(layout); {
		for field, tok := range tokens {
			if strings.HasPrefix(layout[i:], tok) {
				f.parts = append(f.parts, layoutPart{field: field})
				seen |= 1 << field
				i += len(tok)
				continue scan
			}
		}
		c := layout[i]
		if isDigit(c) || c == '_' || c != 'T' && isAlphanumeric(layout[i:i+1]) {
			return nil // may be a field that only time.Parse knows
		}
		f.parts = append(f.parts, layoutPart{field: -1, lit: c})
		i++
	}
	if seen&0b111 != 0b111 {
		return nil
	}
	return f
}

func (f *fixedLayout) parse(s string, loc *time.Location) (time.Time, bool) {
	if len(s) != f.width {
		return time.Time{}, false
	}
	p := digits{s: s, ok: true}
	v := [6]int{}
	for _, part := range f.parts {
		switch part.field {
		case -1:
			if !p.accept(part.lit) {
				return time.Time{}, false
			}
		case 0:
			v[0] = p.take(4)
		default:
			v[part.field] = p.take(2)
		}
	}
	if !p.ok || !realDate(v[0], v[1], v[2]) || v[3] > 23 || v[4] > 59 || v[5] > 59 {
		return time.Time{}, false
	}
	return time.Date(v[0], time.Month(v[1]), v[2], v[3], v[4], v[5], 0, loc), true
}

func (ds *dateSpec) zone(def *time.Location) *time.Location {
	if ds.loc != nil {
		return ds.loc
	}
	return def
}

func (ds *dateSpec) parse(s string, def *time.Location) (time.Time, bool) {
	loc := ds.zone(def)
	for i, l := range ds.layouts {
		if f := ds.fast[i]; f != nil {
			if t, ok := f.parse(s, loc); ok {
				return t, true
			}
		}
		if t, err := time.ParseInLocation(l, s, loc); err == nil && t.Year() >= 1 && knownZone(t, loc) {
			return t, true
		}
	}
	return time.Time{}, false
}

// knownZone tells that the offset of t is one that was said. Of an
// abbreviation that loc does not have (EST in Europe/Rome) package time makes
// a zone of that name and no offset, hours away from what was meant.
func knownZone(t time.Time, loc *time.Location) bool {
	name, offset := t.Zone()
	return t.Location() == loc || offset != 0 || name == "UTC" || name == "GMT" || name == ""
}
