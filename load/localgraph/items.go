package localgraph

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// checkItemID takes letters, digits, - and _, at most 128. The reference says
// alphanumeric; samples ingest slugs and GUIDs, and the group page names the
// URL-safe Base64 alphabet.
func checkItemID(what, id string) error {
	if id == "" || len(id) > 128 {
		return badRequest("id: %s has 1 to 128 characters, not %d", what, len(id))
	}
	for _, r := range id {
		if !alphanumeric(r) && r != '-' && r != '_' {
			return badRequest("id: %s has letters, digits, - and _ only, not %q", what, r)
		}
	}
	return nil
}

// An item is what is stored of one, in wire form.
type item struct {
	id      string
	acl     string // JSON
	props   string // JSON
	ctype   contentType
	content string
	label   string // JSON, or ""
}

// appendJSON writes the item as GET and PUT answer it.
func (it *item) appendJSON(b []byte, odataContext string) []byte {
	b = append(b, '{')
	if odataContext != "" {
		b = appendQuoted(append(b, `"@odata.context":`...), odataContext)
		b = append(b, ',')
	}
	b = appendQuoted(append(b, `"id":`...), it.id)
	b = append(append(b, `,"acl":`...), it.acl...)
	b = append(append(b, `,"properties":`...), it.props...)
	b = append(b, `,"content":`...)
	if it.ctype == noContent {
		b = append(b, "null"...)
	} else {
		b = append(append(append(b, `{"type":"`...), it.ctype.String()...), `","value":`...)
		b = append(appendQuoted(b, it.content), '}')
	}
	if it.label != "" {
		b = append(append(b, `,"informationProtectionLabel":`...), it.label...)
	}
	return append(b, `,"activities":[]}`...)
}

// errStale tells that the schema changed between decoding and commit.
var errStale = errors.New("the connection has changed")

// putItem stores an item (PUT and PATCH). The snapshot is not checked against
// the file beforehand: the writer does that once for each batch, in its
// transaction, and a refusal is only believed after a fresh look.
func (c *call) putItem(conn, id string) error {
	if err := checkItemID("an item's id", id); err != nil {
		return err
	}
	if c.together {
		return c.putTogether(conn, id)
	}
	arriving := c.s.w.expect()
	defer arriving.over()
	raw, err := c.body(c.s.opt.MaxItemBytes)
	if err != nil {
		return err
	}
	return c.storeItem(conn, id, raw, arriving)
}

// putTogether is putItem for ServeAll.
func (c *call) putTogether(conn, id string) error {
	raw, err := c.body(c.s.opt.MaxItemBytes)
	if err != nil {
		return err
	}
	again := func() error { return c.storeItem(conn, id, raw, nil) }
	op, err := c.decodePut(conn, id, raw)
	if err != nil {
		return again() // for a fresh look
	}
	c.pending = &pending{op: &writeOp{item: op}, again: again, reply: func() error { return c.replyPut(op, len(raw)) }}
	return nil
}

// storeItem decodes an item and stores it.
func (c *call) storeItem(conn, id string, raw []byte, arriving *arrival) error {
	for try := 0; ; try++ {
		gen := c.s.snap.Load().gen
		op, err := c.decodePut(conn, id, raw)
		if err == nil {
			arriving.over()
			err = c.s.w.submit(&writeOp{item: op})
		}
		if err == nil {
			return c.replyPut(op, len(raw))
		}
		if e := c.s.refresh(c.r.Context()); e != nil {
			return e
		}
		if try == 5 || (c.s.snap.Load().gen == gen && !errors.Is(err, errStale)) {
			return err
		}
	}
}

func (c *call) replyPut(op *itemOp, size int) error {
	of := c.context("external/connections('" + op.conn.id + "')/items/$entity")
	if c.wantsMinimal() {
		// With 200, the one status that the API describes for it.
		c.w.Header().Set("Preference-Applied", returnMinimal)
		b := appendQuoted([]byte(`{"@odata.context":`), of)
		b = appendQuoted(append(b, `,"id":`...), op.id)
		return c.replyRaw(http.StatusOK, append(b, '}'))
	}
	return c.replyRaw(http.StatusOK, op.out.appendJSON(make([]byte, 0, size+512), of))
}

// returnMinimal is the preference of a client that does not read the answer to
// a write (RFC 7240, OData 4.01 section 8.2.8.7). To give the item back costs
// as much as to read it.
const returnMinimal = "return=minimal"

func (c *call) wantsMinimal() bool {
	for _, v := range c.r.Header["Prefer"] {
		if strings.Contains(strings.ToLower(v), returnMinimal) {
			return true
		}
	}
	return false
}

func (c *call) decodePut(conn, id string, raw []byte) (*itemOp, error) {
	cn, err := c.s.cached(conn)
	if err != nil {
		return nil, err
	}
	if err := c.manages(cn); err != nil {
		return nil, err
	}
	if err := cmp.Or(cn.ready(), cn.writable()); err != nil {
		return nil, err
	}
	op, err := decodeItem(cn, &c.s.opt, raw)
	if err != nil {
		return nil, err
	}
	if op.acl != nil && op.acl.beta && !c.beta() {
		return nil, errBetaSource
	}
	if op.id != "" && op.id != id {
		return nil, badRequest("id: the body's id %q is not the URL's %q", op.id, id)
	}
	op.id = id
	op.patch = c.r.Method == http.MethodPatch
	op.replace = c.s.opt.ReplaceOnPut && !op.patch
	return op, nil
}

// ready refuses items before the schema is registered. The documents name the
// state, not the status; 409 says that it is not the item's fault.
func (cn *connection) ready() error {
	if err := cn.usable(); err != nil {
		return err
	}
	if cn.schema == nil {
		return conflict("The connection '%s' is in state draft; register a schema and wait until its operation has completed.", cn.id)
	}
	return nil
}

func (c *call) deleteItem(conn, id string) error {
	if err := checkItemID("an item's id", id); err != nil {
		return err
	}
	if cn, err := c.s.cached(conn); c.together && err == nil && c.manages(cn) == nil && cn.ready() == nil {
		c.pending = &pending{op: &writeOp{item: &itemOp{conn: cn, id: id, del: true}},
			again: func() error { return c.removeItem(conn, id) },
			reply: func() error { return c.replyNothing(http.StatusNoContent) }}
		return nil
	}
	return c.removeItem(conn, id)
}

func (c *call) removeItem(conn, id string) error {
	for try := 0; ; try++ {
		cn, err := c.s.connection(c.r.Context(), conn)
		if err != nil {
			return err
		}
		if err := c.manages(cn); err != nil {
			return err
		}
		if err := cn.ready(); err != nil {
			return err
		}
		err = c.s.w.submit(&writeOp{item: &itemOp{conn: cn, id: id, del: true}})
		if err == nil {
			return c.replyNothing(http.StatusNoContent)
		}
		if try == 5 || !errors.Is(err, errStale) {
			return err
		}
	}
}

func (c *call) getItem(cn *connection, id string) error {
	if err := cmp.Or(cn.usable(), c.options("$select")); err != nil {
		return err
	}
	it, err := c.s.readItem(c.r.Context(), cn, id)
	if err != nil {
		return err
	}
	raw := it.appendJSON(nil, c.context("external/connections('"+cn.id+"')/items/$entity"))
	if !c.query.Has("$select") {
		return c.replyRaw(http.StatusOK, raw)
	}
	m, err := c.selected(raw)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, m)
}

// selected is an item with what $select leaves of it.
func (c *call) selected(raw []byte) (map[string]any, error) {
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	m := make(map[string]any, len(members))
	for k, v := range members {
		m[k] = v
	}
	const label = "informationProtectionLabel" // can be asked for, and is there only if it was given
	if _, given := m[label]; !given && strings.Contains(strings.ToLower(c.query.Get("$select")), strings.ToLower(label)) {
		m[label] = nil
	}
	return m, selectKeys(m, c.query)
}

func (s *Server) readItem(ctx context.Context, cn *connection, id string) (*item, error) {
	missing := notFound("The item '%s' was not found in connection '%s'.", id, cn.id)
	if cn.schema == nil {
		return nil, missing
	}
	it := &item{id: id}
	err := s.db.QueryRowContext(ctx, fmt.Sprintf(`SELECT a.entries, b.props, b.ctype, b.content, b.label
		FROM %s i JOIN %s b ON b.n = i.n JOIN acls a ON a.n = i.acl WHERE i.id = ?`, cn.items(), cn.bodies()), id).
		Scan(&it.acl, &it.props, &it.ctype, &it.content, &it.label)
	if errors.Is(err, sql.ErrNoRows) || (err != nil && strings.Contains(err.Error(), "no such table")) {
		return nil, missing // the connection went meanwhile
	}
	return it, err
}

// An itemOp is one item's write as decoded. acl, props and content are nil if
// the body left them out.
type itemOp struct {
	conn    *connection
	id      string
	acl     *acl
	props   *itemProps
	content *itemContent
	label   string
	// labelled tells that the body speaks of the label: null takes it away.
	labelled bool
	patch    bool
	replace  bool
	del      bool

	// What the writer answers.
	out item
	err error
}

// A known is what the store has of an item.
type known struct {
	n, acl int64
	digest []byte
}

// putItems writes a batch. Items of one connection are looked up with one
// statement and written in the order of their rows: FTS5 flushes its pending
// data whenever a row number goes back.
func (tx *wtx) putItems(batch []*writeOp) error {
	var gen int64
	if err := tx.row(`SELECT value FROM meta WHERE key = 'gen'`)(&gen); err != nil {
		return err
	}
	groups := map[int64][]*itemOp{}
	seen := map[aclKey]bool{} // here: connection and hashed id
	flush := func() error {
		for conn, ops := range groups {
			if err := tx.putGroup(conn, ops); err != nil {
				return err
			}
		}
		clear(groups)
		clear(seen)
		return nil
	}
	for _, w := range batch {
		op := w.item
		if op.conn.gen != gen {
			op.err = errStale
			continue
		}
		key := opKey(op)
		if seen[key] { // the same item again: in the order of arrival
			if err := flush(); err != nil {
				return err
			}
		}
		seen[key] = true
		groups[op.conn.n] = append(groups[op.conn.n], op)
	}
	return flush()
}

func opKey(op *itemOp) aclKey {
	k := aclKey{conn: op.conn.n}
	if len(op.id) <= len(k.hash) {
		copy(k.hash[:], op.id)
		return k
	}
	copy(k.hash[:], sha16(op.id))
	return k
}

func (tx *wtx) putGroup(conn int64, ops []*itemOp) error {
	old, err := tx.lookup(conn, ops)
	if err != nil {
		return err
	}
	// Rows that exist first, in their order; then the new ones, counted up.
	next := int64(0)
	row := func(op *itemOp) int64 {
		if k, ok := old[op.id]; ok {
			return k.n
		}
		return math.MaxInt64
	}
	slices.SortStableFunc(ops, func(a, b *itemOp) int { return cmp.Compare(row(a), row(b)) })
	for _, op := range ops {
		k, exists := old[op.id]
		switch {
		case op.del && !exists:
			op.err = notFound("The item '%s' was not found in connection '%s'.", op.id, op.conn.id)
		case op.del:
			err = tx.deleteRow(conn, k.n, op.id)
		case exists:
			err = tx.updateRow(op, k)
		default:
			if op.err = op.complete(); op.err == nil && op.conn.state == stateLimit {
				op.err = overLimit(op.conn)
			}
			if op.err != nil {
				continue
			}
			if next == 0 {
				if err := tx.row(fmt.Sprintf(`SELECT coalesce(max(n), 0) + 1 FROM i%d`, conn))(&next); err != nil {
					return err
				}
			}
			err = tx.insertRow(op, next)
			next++
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// complete refuses a new item without what creating it needs.
func (op *itemOp) complete() error {
	switch {
	case op.patch:
		return notFound("The item '%s' was not found in connection '%s'; PUT creates it.", op.id, op.conn.id)
	case op.acl == nil:
		return badRequest("acl: a new item needs an acl")
	case op.props == nil:
		return badRequest("properties: a new item needs properties")
	}
	return nil
}

// overLimit refuses a new item. The status is not documented; 507 is Graph's
// general one for a quota.
func overLimit(cn *connection) error {
	return &apiError{status: http.StatusInsufficientStorage, code: "QuotaLimitReached",
		message: fmt.Sprintf("The connection '%s' is in state limitExceeded: its items can be changed and deleted, and none can be added.", cn.id)}
}

func (tx *wtx) lookup(conn int64, ops []*itemOp) (map[string]known, error) {
	var ids bytes.Buffer // ids need no escaping: see checkItemID
	for i, op := range ops {
		ids.WriteString(`,"`)
		ids.WriteString(op.id)
		ids.WriteByte('"')
		if i == 0 {
			ids.Bytes()[0] = '['
		}
	}
	ids.WriteByte(']')
	old := map[string]known{}
	err := tx.each(fmt.Sprintf(`SELECT i.id, i.n, i.acl, i.digest FROM json_each(?) j CROSS JOIN i%d i ON i.id = j.value`, conn),
		func(scan func(...any) error) error {
			var id string
			var k known
			err := scan(&id, &k.n, &k.acl, &k.digest)
			old[id] = k
			return err
		}, ids.String())
	return old, err
}

func (tx *wtx) deleteRow(conn, n int64, id string) error {
	for _, table := range []string{"f", "b", "i"} {
		column := "n"
		if table == "f" {
			column = "rowid"
		}
		if err := tx.exec(fmt.Sprintf(`DELETE FROM %s%d WHERE %s = ?`, table, conn, column), n); err != nil {
			return err
		}
	}
	return tx.exec(`DELETE FROM activities WHERE conn = ? AND item = ?`, conn, id)
}

func (tx *wtx) insertRow(op *itemOp, n int64) error {
	aclN, err := tx.aclRow(op.conn.n, op.acl)
	if err != nil {
		return err
	}
	if op.content == nil {
		op.content = &itemContent{}
	}
	st := op.conn.schema.statements(op.conn.n)
	args := append(make([]any, 0, 5+len(op.props.cols)), n, op.id, aclN, op.modified(), op.digest())
	if err := tx.exec(st.insertItem, append(args, op.props.cols...)...); err != nil {
		return err
	}
	op.result(op.acl.json)
	if err := tx.exec(st.insertBody, n, op.out.props, int(op.out.ctype), op.out.content, op.out.label); err != nil {
		return err
	}
	return tx.exec(st.insertText, n, op.props.title, op.props.text, op.content.text)
}

// updateRow merges an item at the top level: what the body leaves out is
// kept, what it has replaces the old member whole (update page of July 2026).
func (tx *wtx) updateRow(op *itemOp, k known) error {
	cn := op.conn
	aclN, aclJSON := k.acl, ""
	var err error
	if op.replace {
		if op.err = op.complete(); op.err != nil {
			return nil
		}
		if op.content == nil {
			op.content = &itemContent{}
		}
	}
	if op.acl != nil {
		if aclN, err = tx.aclRow(cn.n, op.acl); err != nil {
			return err
		}
		aclJSON = op.acl.json
	} else if err := tx.row(`SELECT entries FROM acls WHERE n = ?`, k.acl)(&aclJSON); err != nil {
		return err
	}
	same := func() bool { return op.props != nil && op.content != nil && bytes.Equal(op.digest(), k.digest) }
	if !same() && !(op.replace && op.props != nil) {
		if err := tx.fillFrom(op, k.n); err != nil {
			return err
		}
	}
	st := cn.schema.statements(cn.n)
	if same() {
		op.result(aclJSON)
		if aclN == k.acl {
			return nil
		}
		return tx.exec(st.updateACL, aclN, k.n)
	}
	args := append(make([]any, 0, 5+len(op.props.cols)), k.n, op.id, aclN, op.modified(), op.digest())
	if err := tx.exec(st.insertItem, append(args, op.props.cols...)...); err != nil {
		return err
	}
	op.result(aclJSON)
	if err := tx.exec(st.insertBody, k.n, op.out.props, int(op.out.ctype), op.out.content, op.out.label); err != nil {
		return err
	}
	if err := tx.exec(st.deleteText, k.n); err != nil {
		return err
	}
	return tx.exec(st.insertText, k.n, op.props.title, op.props.text, op.content.text)
}

// fillFrom takes what the body left out from the stored row.
func (tx *wtx) fillFrom(op *itemOp, n int64) error {
	var props, content, label string
	var ctype contentType
	err := tx.row(fmt.Sprintf(`SELECT props, ctype, content, label FROM b%d WHERE n = ?`, op.conn.n), n)(&props, &ctype, &content, &label)
	if err != nil {
		return err
	}
	if op.props == nil {
		// Written under an earlier schema, perhaps: a property never goes and
		// never changes its type, so it still reads.
		if op.props, err = decodeProps(op.conn.schema, &Options{AllowLooseDates: true}, []byte(props)); err != nil {
			return err
		}
	}
	if op.content == nil {
		op.content = newContent(ctype, content)
	}
	if !op.labelled {
		op.label = label
	}
	return nil
}

func (op *itemOp) result(aclJSON string) {
	op.out = item{id: op.id, acl: aclJSON, props: op.props.json, ctype: op.content.typ, content: op.content.value, label: op.label}
}

// modified is when the item changed: by its label, or now.
func (op *itemOp) modified() int64 {
	if op.props.changed != 0 {
		return op.props.changed
	}
	return time.Now().UnixMilli()
}
