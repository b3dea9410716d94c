package load

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"importer/transform"
)

// The wire form of an item, as the items page of the connectors API gives it:
//
//	{"acl":[{"type":"group","value":"0f1d...","accessType":"grant"}],
//	 "properties":{"title":"Rotor check","tags@odata.type":"Collection(String)","tags":["a","b"]},
//	 "content":{"type":"text","value":"..."},
//	 "activities":[{"@odata.type":"#microsoft.graph.externalConnectors.externalActivity","type":"created",
//	                "startDateTime":"2026-05-01T08:00:00Z","performedBy":{"type":"user","id":"5b2c..."}}]}
//
// It is written by hand because encoding/json needs 7.5 us for such an item
// and a map for its properties; this needs a tenth and allocates nothing.

const (
	activityType  = "#microsoft.graph.externalConnectors.externalActivity"
	principalType = "microsoft.graph.externalConnectors.principal"
)

// AppendItem appends the body of the item's PUT to dst. The result is always
// valid JSON and valid UTF-8: broken bytes become U+FFFD.
//
// An item without content gets an empty text: the service keeps the stored
// value of a top-level member that the body leaves out ("Update
// externalItem", 2026-07), so that yesterday's text would stay searchable.
//
// Where the item says what of it is to be sent, the body has that alone.
func AppendItem(dst []byte, it *transform.Item) []byte {
	send := it.Send
	if send == 0 {
		send = transform.AllParts
	}
	dst = append(dst, '{')
	dst = appendMembers(dst, it, send)
	if it.Content.Type == "" && send&transform.PartContent != 0 {
		dst = append(appendComma(dst), `"content":{"type":"text","value":""}`...)
	}
	return append(dst, '}')
}

// appendComma parts a member of an object from the one before.
func appendComma(dst []byte) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return dst
}

// AppendLine appends the item as one line of JSON Lines, its newline
// included: the id, then what AppendItem writes (content only if there is
// any), and with withOrigin where the item comes from.
func AppendLine(dst []byte, it *transform.Item, withOrigin bool) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendString(dst, it.ID)
	dst = append(dst, ',')
	dst = appendMembers(dst, it, transform.AllParts)
	if withOrigin {
		dst = appendOrigin(dst, &it.Origin)
	}
	return append(dst, '}', '\n')
}

// appendMembers writes those of acl, properties, content and activities that
// are to be sent.
func appendMembers(dst []byte, it *transform.Item, send transform.Parts) []byte {
	if send&transform.PartACL != 0 {
		dst = append(dst, `"acl":[`...)
		for i := range it.ACL {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendAccess(dst, &it.ACL[i])
		}
		dst = append(dst, ']')
	}
	if send&transform.PartProperties != 0 {
		dst = appendProperties(dst, it)
	}
	if it.Content.Type != "" && send&transform.PartContent != 0 {
		dst = append(appendComma(dst), `"content":{"type":`...)
		dst = appendString(dst, it.Content.Type)
		dst = append(dst, `,"value":`...)
		dst = appendString(dst, it.Content.Value)
		dst = append(dst, '}')
	}
	if len(it.Activities) == 0 || send&transform.PartActivities == 0 {
		return dst
	}
	dst = append(appendComma(dst), `"activities":[`...)
	for i := range it.Activities {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendActivity(dst, &it.Activities[i])
	}
	return append(dst, ']')
}

func appendProperties(dst []byte, it *transform.Item) []byte {
	dst = append(appendComma(dst), `"properties":{`...)
	empty := len(dst)
	for i := range it.Properties {
		p := &it.Properties[i]
		if absent(&p.Value) {
			continue
		}
		if len(dst) > empty {
			dst = append(dst, ',')
		}
		dst = appendProperty(dst, p)
	}
	return append(dst, '}')
}

func appendAccess(dst []byte, a *transform.Access) []byte {
	dst = append(dst, `{"type":`...)
	dst = appendString(dst, a.Type)
	dst = append(dst, `,"value":`...)
	dst = appendString(dst, a.Value)
	if a.Deny {
		return append(dst, `,"accessType":"deny"}`...)
	}
	return append(dst, `,"accessType":"grant"}`...)
}

// absent tells a value that the API has no word for: nothing is said of null
// and of empty collections, and samples leave them out; JSON has no NaN and
// no infinity.
func absent(v *transform.Value) bool {
	switch v.Type {
	case transform.Double:
		return !finite(v.Float)
	case transform.StringCollection, transform.DateTimeCollection:
		return len(v.Strs) == 0
	case transform.Int64Collection:
		return len(v.Ints) == 0
	case transform.DoubleCollection:
		for _, f := range v.Floats {
			if finite(f) {
				return false
			}
		}
		return true
	case transform.PrincipalType, transform.PrincipalCollection:
		return len(v.Persons) == 0
	case transform.String, transform.Int64, transform.DateTime, transform.Boolean:
		return false
	}
	return true
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// appendProperty writes one property, its annotation first where the API
// asks for one: on every collection, and on strings that are not ASCII. A
// collection without its annotation is answered 400, and dates must be
// Collection(DateTimeOffset), never Collection(DateTime).
func appendProperty(dst []byte, p *transform.Property) []byte {
	v := &p.Value
	switch v.Type {
	case transform.String:
		if !ascii(v.Str) {
			dst = appendAnnotation(dst, p.Name, "String")
		}
	case transform.StringCollection:
		dst = appendAnnotation(dst, p.Name, "Collection(String)")
	case transform.Int64Collection:
		dst = appendAnnotation(dst, p.Name, "Collection(Int64)")
	case transform.DoubleCollection:
		dst = appendAnnotation(dst, p.Name, "Collection(Double)")
	case transform.DateTimeCollection:
		dst = appendAnnotation(dst, p.Name, "Collection(DateTimeOffset)")
	case transform.PrincipalCollection:
		dst = appendAnnotation(dst, p.Name, "Collection("+principalType+")")
	}
	dst = appendString(dst, p.Name)
	dst = append(dst, ':')
	return appendValue(dst, v)
}

func appendAnnotation(dst []byte, name, typ string) []byte {
	dst = appendString(dst, name)
	dst = dst[:len(dst)-1] // the closing quote
	dst = append(dst, `@odata.type":"`...)
	dst = append(dst, typ...)
	return append(dst, '"', ',')
}

func appendValue(dst []byte, v *transform.Value) []byte {
	switch v.Type {
	case transform.String, transform.DateTime:
		return appendString(dst, v.Str)
	case transform.Int64:
		return strconv.AppendInt(dst, v.Int, 10)
	case transform.Double:
		return appendFloat(dst, v.Float)
	case transform.Boolean:
		return strconv.AppendBool(dst, v.Bool)
	case transform.PrincipalType:
		return appendPrincipal(dst, &v.Persons[0])
	}
	dst = append(dst, '[')
	start := len(dst)
	comma := func() {
		if len(dst) > start {
			dst = append(dst, ',')
		}
	}
	for _, s := range v.Strs {
		comma()
		dst = appendString(dst, s)
	}
	for _, n := range v.Ints {
		comma()
		dst = strconv.AppendInt(dst, n, 10)
	}
	for _, f := range v.Floats {
		if finite(f) {
			comma()
			dst = appendFloat(dst, f)
		}
	}
	for i := range v.Persons {
		comma()
		dst = appendPrincipal(dst, &v.Persons[i])
	}
	return append(dst, ']')
}

// appendFloat writes the shortest decimal that reads back as f, in the
// spelling of encoding/json.
func appendFloat(dst []byte, f float64) []byte {
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

func appendPrincipal(dst []byte, p *transform.Principal) []byte {
	dst = append(dst, `{"@odata.type":"#`+principalType+`"`...)
	for _, field := range [...]struct{ key, value string }{
		{`,"externalName":`, p.ExternalName},
		{`,"externalId":`, p.ExternalID},
		{`,"entraDisplayName":`, p.EntraDisplayName},
		{`,"entraId":`, p.EntraID},
		{`,"email":`, p.Email},
		{`,"upn":`, p.UPN},
		{`,"tenantId":`, p.TenantID},
	} {
		if field.value != "" {
			dst = append(dst, field.key...)
			dst = appendString(dst, field.value)
		}
	}
	return append(dst, '}')
}

// appendActivity writes an activity with its @odata.type, without which the
// service refuses the whole item.
func appendActivity(dst []byte, a *transform.Activity) []byte {
	dst = append(dst, `{"@odata.type":"`+activityType+`","type":`...)
	dst = appendString(dst, a.Type)
	dst = append(dst, `,"startDateTime":"`...)
	dst = a.At.UTC().AppendFormat(dst, time.RFC3339)
	dst = append(dst, '"')
	if a.ByID != "" {
		dst = append(dst, `,"performedBy":{"type":`...)
		dst = appendString(dst, a.ByType)
		dst = append(dst, `,"id":`...)
		dst = appendString(dst, a.ByID)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func appendOrigin(dst []byte, o *transform.Origin) []byte {
	dst = append(dst, `,"origin":{"source":`...)
	dst = appendString(dst, o.Source)
	dst = append(dst, `,"key":`...)
	dst = appendString(dst, o.Key)
	dst = append(dst, `,"place":{"file":`...)
	dst = appendString(dst, o.Place.File)
	if o.Place.Sheet != "" {
		dst = append(dst, `,"sheet":`...)
		dst = appendString(dst, o.Place.Sheet)
	}
	for _, field := range [...]struct {
		key   string
		value int
	}{{`,"page":`, o.Place.Page}, {`,"line":`, o.Place.Line}, {`,"col":`, o.Place.Col}} {
		if field.value != 0 {
			dst = append(dst, field.key...)
			dst = strconv.AppendInt(dst, int64(field.value), 10)
		}
	}
	return append(dst, '}', '}')
}

// appendString writes s as a JSON string. Only what JSON demands is escaped:
// quotes, backslashes and control characters. HTML is left alone, the text is
// for a search index and not for a page.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	i := plain(s, false)
	if i < len(s) && !utf8.ValidString(s[i:]) {
		s = string([]rune(s)) // each broken byte becomes U+FFFD
	}
	for start := 0; ; i += plain(s[i:], true) {
		if i == len(s) {
			return append(append(dst, s[start:]...), '"')
		}
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, c)
			start = i + 1
		}
		i++
	}
}

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// Eight bytes at a time: a word in which every byte has its lowest, or its
// highest bit set.
const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// plain gives the length of a prefix of s that needs no care in JSON: no
// quote, no backslash, no control character and, unless utf8 is allowed, only
// ASCII. It may stop a few bytes early.
func plain(s string, utf8OK bool) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := word(s[i : i+8])
		quote := w ^ '"'*lowBits
		slash := w ^ '\\'*lowBits
		// In a byte b below 0x80, b-k sets the high bit just when b < k; a
		// borrow from the byte below can only add a false alarm.
		care := (w-' '*lowBits)&^w | (quote-lowBits)&^quote | (slash-lowBits)&^slash
		if !utf8OK {
			care |= w
		}
		if care&highBits != 0 {
			return i
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf && !utf8OK {
			return i
		}
	}
	return i
}

func ascii(s string) bool {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if word(s[i:i+8])&highBits != 0 {
			return false
		}
	}
	for ; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// word reads eight bytes; the compiler makes one load of it.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
