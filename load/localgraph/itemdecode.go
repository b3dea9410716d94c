package localgraph

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

type contentType int

const (
	noContent contentType = iota
	textContent
	htmlContent
)

func (t contentType) String() string { return [...]string{"", "text", "html"}[t] }

type itemContent struct {
	typ   contentType
	value string
	text  string // as indexed
}

func newContent(typ contentType, value string) *itemContent {
	c := &itemContent{typ: typ, value: value}
	switch typ {
	case textContent:
		c.text = indexText(value)
	case htmlContent:
		c.text = indexText(stripHTML(value))
	}
	return c
}

// itemProps is the property bag, checked against the schema, in each of the
// forms that it is stored in.
type itemProps struct {
	json        string // names in the schema's case, collections annotated
	cols        []any  // parallel to schema.statements' columns
	title, text string // as indexed
	changed     int64  // unix ms of the label lastModifiedDateTime, or 0
}

func sha16(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:16]
}

// digest covers all that the rows of an item are made from, but for its ACL.
func (op *itemOp) digest() []byte {
	parts := [...]string{string(op.conn.schema.hash), op.props.json, op.content.typ.String(), op.content.value, op.label}
	size := 0
	for _, part := range parts {
		size += len(part) + 20
	}
	b := make([]byte, 0, size)
	for _, part := range parts {
		b = strconv.AppendInt(b, int64(len(part)), 10)
		b = append(append(b, ' '), part...)
	}
	sum := sha256.Sum256(b)
	return sum[:16]
}

// statements are an item's writes, made once for each schema.
type statements struct {
	insertItem, insertBody, insertText, deleteText, updateACL string
}

func (sc *schema) statements(conn int64) *statements {
	sc.once.Do(func() {
		cols, marks, sets := "", "", ""
		for _, p := range sc.props {
			if p.stored() {
				cols += ", " + p.column()
				marks += ", ?"
				sets += fmt.Sprintf(", %s = excluded.%[1]s", p.column())
			}
		}
		sc.stmts = &statements{
			insertItem: fmt.Sprintf(`INSERT INTO i%d (n, id, acl, modified, digest%s) VALUES (?, ?, ?, ?, ?%s)
				ON CONFLICT (n) DO UPDATE SET acl = excluded.acl, modified = excluded.modified, digest = excluded.digest%s`, conn, cols, marks, sets),
			insertBody: fmt.Sprintf(`INSERT INTO b%d (n, props, ctype, content, label) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (n) DO UPDATE SET props = excluded.props, ctype = excluded.ctype, content = excluded.content, label = excluded.label`, conn),
			insertText: fmt.Sprintf(`INSERT INTO f%d (rowid, title, props, content) VALUES (?, ?, ?, ?)`, conn),
			deleteText: fmt.Sprintf(`DELETE FROM f%d WHERE rowid = ?`, conn),
			updateACL:  fmt.Sprintf(`UPDATE i%d SET acl = ? WHERE n = ?`, conn),
		}
	})
	return sc.stmts
}

// decodeItem reads the body of a PUT or PATCH.
func decodeItem(cn *connection, opt *Options, raw []byte) (*itemOp, error) {
	raw = raw[skipSpace(raw, 0):]
	if kindOf(raw) != '{' {
		return nil, malformed("the body must be an item, an object")
	}
	op := &itemOp{conn: cn}
	var activities []byte
	var once once
	err := walkObject(raw, func(key string, val []byte) (err error) {
		if !strings.Contains(key, "@") { // annotations may be as many as they like
			if err := once.given("", key); err != nil {
				return err
			}
		}
		switch key {
		case "id":
			if kindOf(val) == '"' {
				op.id = unquote(val)
			} else if kindOf(val) != 'n' {
				return malformed("id: must be a string")
			}
		case "acl":
			op.acl, err = readACL(val)
		case "properties":
			op.props, err = decodeProps(cn.schema, opt, val)
		case "content":
			op.content, err = readContent(val)
		case "activities":
			activities = val
		case "informationProtectionLabel":
			op.labelled = true
			op.label, err = readLabel(val)
		default:
			if !strings.Contains(key, "@odata.") {
				return malformed("the property '%s' does not exist on type 'microsoft.graph.externalConnectors.externalItem'", key)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := op.checkACL(opt); err != nil {
		return nil, err
	}
	if activities != nil {
		// Inside an item each activity must carry its type (put-items page).
		if _, err := readActivities(opt, activities, true); err != nil {
			return nil, err
		}
	}
	return op, nil
}

// checkACL enforces the rules on an ACL that are not of its entries' form.
func (op *itemOp) checkACL(opt *Options) error {
	if op.acl == nil {
		return nil
	}
	for _, e := range op.acl.entries {
		if err := opt.checkObjectID("acl", e.typ, e.value); err != nil {
			return err
		}
		if op.conn.schema.people && (e.typ != "everyone" || e.access != "grant") {
			return badRequest("acl: an item about a person is granted to everyone, and to nobody else")
		}
	}
	return nil
}

// readLabel reads informationProtectionLabel; "" is none.
func readLabel(raw []byte) (string, error) {
	if kindOf(raw) == 'n' {
		return "", nil
	}
	if kindOf(raw) != '{' {
		return "", malformed("informationProtectionLabel: must be an object")
	}
	var label struct {
		ID *string `json:"sensitivityLabelId"`
	}
	if err := json.Unmarshal(raw, &label); err != nil {
		return "", malformed("informationProtectionLabel: %v", unreadable("the label", err))
	}
	text, err := plainJSON(label)
	return string(text), err
}

func readContent(raw []byte) (*itemContent, error) {
	if kindOf(raw) == 'n' {
		return &itemContent{}, nil
	}
	if kindOf(raw) != '{' {
		return nil, malformed("content: must be an object {type, value}; the value %s does not match the schema", cut(raw))
	}
	var typ, value string
	var once once
	err := walkObject(raw, func(key string, val []byte) error {
		var to *string
		switch key {
		case "type":
			to = &typ
		case "value":
			to = &value
		default:
			return nil
		}
		if err := once.given("content: ", key); err != nil {
			return err
		}
		switch kindOf(val) {
		case '"':
			*to = unquote(val)
		case 'n':
		default:
			return malformed("content: %s must be a string, not %s", key, cut(val))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	switch {
	case strings.EqualFold(typ, "text"):
		return newContent(textContent, value), nil
	case strings.EqualFold(typ, "html"):
		return newContent(htmlContent, value), nil
	}
	return nil, badRequest("content: the type %q is neither text nor html", typ)
}

// decodeProps checks the bag against the schema. Annotations may stand before
// or after their property: the Go SDK's order is random.
func decodeProps(sc *schema, opt *Options, raw []byte) (*itemProps, error) {
	if kindOf(raw) != '{' {
		return nil, malformed("properties: must be an object")
	}
	values := make([][]byte, len(sc.props))
	notes := make([]string, len(sc.props))
	err := walkObject(raw, func(key string, val []byte) error {
		name, note := key, false
		if at := strings.IndexByte(key, '@'); at >= 0 {
			if name, note = key[:at], true; name == "" {
				return nil // an annotation of the bag itself
			}
		}
		p := sc.byName[strings.ToLower(name)]
		if p == nil {
			return badRequest("properties: the schema has no property %q", name)
		}
		if note {
			if key[len(name):] == "@odata.type" && kindOf(val) == '"' {
				notes[p.k] = unquote(val)
			}
			return nil
		}
		if values[p.k] != nil {
			return badRequest("properties: %q is given twice", p.Name)
		}
		values[p.k] = val
		return nil
	})
	if err != nil {
		return nil, err
	}
	return sc.bag(opt, values, notes)
}

// bag makes the stored forms of the values, which are parallel to the schema.
func (sc *schema) bag(opt *Options, values [][]byte, notes []string) (*itemProps, error) {
	out := &itemProps{}
	size, given := 2, 0
	for k, v := range values {
		if v != nil {
			size += len(v) + len(sc.props[k].Name) + 64
		}
	}
	js := append(make([]byte, 0, size), '{')
	var text []byte
	for k, p := range sc.props {
		raw := values[k]
		if raw != nil && kindOf(raw) == 'n' {
			if !opt.AllowNullProperties {
				return nil, badRequest("properties: %q is null; leave out what has no value", p.Name)
			}
			raw = nil
		}
		var v value
		if raw != nil {
			if err := checkAnnotation(p, notes[k]); err != nil {
				return nil, err
			}
			var err error
			if v, err = p.value(opt, raw); err != nil {
				return nil, err
			}
			given++
			if len(js) > 1 {
				js = append(js, ',')
			}
			if a := typeTable[p.typ].annotation; a != "" {
				js = append(append(append(js, '"'), p.Name...), `@odata.type":"`...)
				js = append(append(js, a...), `",`...)
			}
			js = append(append(append(js, '"'), p.Name...), `":`...)
			js = append(js, raw...)
			if p == sc.changed {
				out.changed = v.micros / 1000
			}
		}
		if raw != nil && p.people() && !v.profile {
			return nil, badRequest("properties: %q is labelled %s, and %s is no JSON object in a string", p.Name, p.Labels[0], cut(raw))
		}
		if p.Searchable && raw != nil {
			if p == sc.title {
				out.title = indexText(v.text)
			} else {
				text = append(append(text, v.text...), '\n')
			}
		}
		if p.stored() {
			out.cols = append(out.cols, v.column)
		}
	}
	if given == 0 {
		return nil, badRequest("properties: an item needs at least one property")
	}
	out.json, out.text = string(append(js, '}')), indexText(string(text))
	return out, nil
}

// checkAnnotation wants "name@odata.type" on collections, and allows it on
// strings, where the documents ask for it beside non-ASCII text.
func checkAnnotation(p *property, note string) error {
	want := typeTable[p.typ].annotation
	got := strings.TrimPrefix(note, "#")
	switch {
	case want == "" && got == "":
		return nil
	case want == "":
		bare := strings.TrimPrefix(got, "Edm.")
		if strings.EqualFold(bare, p.typ.String()) || p.typ == tDateTime && strings.EqualFold(bare, "DateTimeOffset") || p.typ == tPrincipal {
			return nil
		}
		return badRequest("properties: %q is a %v; its annotation %q does not fit", p.Name, p.typ, note)
	case got == "":
		return badRequest("properties: %q is a collection and needs the annotation \"%[1]s@odata.type\": %q", p.Name, want)
	case strings.EqualFold(strings.Replace(got, "(Edm.", "(", 1), want),
		p.typ == tPrincipals && strings.EqualFold(got, strings.Replace(want, "(", "(#", 1)):
		return nil
	}
	return badRequest("properties: %q needs the annotation %q, not %q", p.Name, want, note)
}

// A value is one property's value, read.
type value struct {
	text   string // for the index
	column any    // for queries: nil, int64, float64 or string; collections as a JSON array
	micros int64  // a date, in unix microseconds

	profile bool // texts that are each a JSON object, as a person's properties have them
}

func isProfile(s string) bool {
	var o map[string]json.RawMessage
	return json.Unmarshal([]byte(s), &o) == nil && o != nil
}

// value checks raw against the property's type.
func (p *property) value(opt *Options, raw []byte) (v value, err error) {
	if !p.typ.collection() {
		v, err = p.typ.one(p.Name, opt, raw)
		v.profile = p.people() && isProfile(v.text)
		return v, err
	}
	v.profile = p.people()
	if kindOf(raw) != '[' {
		return v, p.wrong(raw)
	}
	js := []byte{'['}
	var text []string
	err = walkArray(raw, func(el []byte) error {
		e, err := p.typ.element().one(p.Name, opt, el)
		if err != nil {
			return err
		}
		if len(js) > 1 {
			js = append(js, ',')
		}
		switch col := e.column.(type) {
		case string:
			js = appendQuoted(js, col)
			text = append(text, e.text)
			v.profile = v.profile && isProfile(e.text)
		case int64:
			js = strconv.AppendInt(js, col, 10)
		case float64:
			js = strconv.AppendFloat(js, col, 'g', -1, 64)
		}
		return nil
	})
	if p.Searchable {
		v.text = strings.Join(text, "\n")
	}
	if p.stored() {
		v.column = string(append(js, ']'))
	}
	return v, err
}

func (p *property) wrong(raw []byte) error {
	return badRequest("properties: %q is a %v; %s is none", p.Name, p.typ, cut(raw))
}

// one checks a single value of type t.
func (t ptype) one(name string, opt *Options, raw []byte) (v value, err error) {
	wrong := func() (value, error) {
		return value{}, badRequest("properties: %q is a %v; %s is none", name, t, cut(raw))
	}
	kind := kindOf(raw)
	switch t {
	case tString:
		if kind != '"' {
			return wrong()
		}
		s := unquote(raw)
		return value{text: s, column: s}, nil
	case tInt64:
		n, ok := isWhole(raw)
		if kind != '0' || !ok {
			return wrong()
		}
		return value{column: n}, nil
	case tDouble: // a whole number is a double too
		f, err := strconv.ParseFloat(string(raw), 64)
		if kind != '0' || err != nil {
			return wrong()
		}
		return value{column: f}, nil
	case tBoolean:
		if kind != 't' {
			return wrong()
		}
		if raw[0] == 't' {
			return value{column: int64(1)}, nil
		}
		return value{column: int64(0)}, nil
	case tDateTime:
		if kind != '"' {
			return wrong()
		}
		at, ok := parseDate(unquote(raw), opt.AllowLooseDates)
		if !ok {
			return value{}, badRequest("properties: %q is a dateTime; %s is no ISO 8601 date with time and zone, such as 2026-05-01T08:00:00Z", name, cut(raw))
		}
		return value{column: at.UnixMicro(), micros: at.UnixMicro()}, nil
	case tPrincipal:
		if kind != '{' {
			return wrong()
		}
		text, err := readPrincipal(name, raw)
		return value{text: text, column: text}, err
	}
	return wrong() // unreachable: the types are those of typeTable
}

var principalFields = []string{"externalName", "externalId", "entraDisplayName", "entraId", "email", "upn", "tenantId"}

func readPrincipal(name string, raw []byte) (string, error) {
	var parts []string
	err := walkObject(raw, func(key string, val []byte) error {
		if strings.Contains(key, "@odata.") || kindOf(val) == 'n' {
			return nil
		}
		if !slices.Contains(principalFields, key) {
			return badRequest("properties: %q: a principal has no %q", name, key)
		}
		if kindOf(val) != '"' {
			return badRequest("properties: %q: %s must be a string", name, key)
		}
		parts = append(parts, unquote(val))
		return nil
	})
	return strings.Join(parts, "\n"), err
}

// parseDate reads ISO 8601 in the profile of OData's DateTimeOffset.
func parseDate(s string, loose bool) (time.Time, bool) {
	// RFC 3339 in Go takes a comma before the fraction; OData does not.
	if strings.ContainsAny(s, ", ") {
		return time.Time{}, false
	}
	for i, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if i >= 2 && !loose {
			break
		}
		if t, err := time.Parse(layout, s); err == nil {
			return t, t.Year() >= 1
		}
	}
	return time.Time{}, false
}
