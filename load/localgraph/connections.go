package localgraph

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A connectionDoc is what a client may say of a connection.
type connectionDoc struct {
	Name             string          `json:"name"`
	Description      *string         `json:"description"`
	Configuration    json.RawMessage `json:"configuration,omitempty"`
	SearchSettings   json.RawMessage `json:"searchSettings,omitempty"`
	ActivitySettings json.RawMessage `json:"activitySettings,omitempty"`
	ConnectorID      *string         `json:"connectorId,omitempty"`
	ContentCategory  string          `json:"contentCategory,omitempty"`

	// Owner is the application that made the connection, or "". It is stored
	// with the rest and never taken from a client.
	Owner string `json:"#owner,omitempty"`
}

// reservedIDs may not be a connection's id (create page, February 2026).
var reservedIDs = []string{"None", "Directory", "Exchange", "ExchangeArchive", "LinkedIn", "Mailbox", "OneDriveBusiness",
	"SharePoint", "Teams", "Yammer", "Connectors", "TaskFabric", "PowerBI", "Assistant", "TopicEngine", "MSFT_All_Connectors"}

var contentCategories = []string{"uncategorized", "knowledgeBase", "wikis", "fileRepository", "qna", "crm", "dashboard", "people",
	"media", "email", "messaging", "meetingTranscripts", "taskManagement", "learningManagement"}

// checkConnectionID enforces 3 to 32 ASCII letters and digits. The case rules
// of the reserved names are not stated; any case is refused.
func checkConnectionID(id string) error {
	if n := utf8.RuneCountInString(id); n < 3 || n > 32 {
		return badRequest("id: a connection's id has 3 to 32 characters, not %d", n)
	}
	for _, r := range id {
		if !alphanumeric(r) {
			return badRequest("id: a connection's id has letters and digits only, not %q", r)
		}
	}
	if strings.HasPrefix(strings.ToLower(id), "microsoft") {
		return badRequest("id: a connection's id may not start with Microsoft")
	}
	if slices.ContainsFunc(reservedIDs, func(r string) bool { return strings.EqualFold(r, id) }) {
		return badRequest("id: %q is reserved", id)
	}
	return nil
}

// check enforces the rules on the fields, after a create or a merge.
func (d *connectionDoc) check() error {
	if strings.TrimSpace(d.Name) == "" {
		return badRequest("name: a connection needs a name")
	}
	if utf8.RuneCountInString(d.Name) > 128 {
		return badRequest("name: a connection's name has at most 128 characters")
	}
	if d.ContentCategory != "" {
		i := slices.IndexFunc(contentCategories, func(s string) bool { return strings.EqualFold(s, d.ContentCategory) })
		if i < 0 {
			return badRequest("contentCategory: %q is not one of %s", d.ContentCategory, strings.Join(contentCategories, ", "))
		}
		d.ContentCategory = contentCategories[i]
	}
	var err error
	if d.Configuration, err = checkConfiguration(d.Configuration); err != nil {
		return err
	}
	var search searchSettings
	if d.SearchSettings, err = kept("searchSettings", d.SearchSettings, &search, search.check); err != nil {
		return err
	}
	var activity activitySettings
	d.ActivitySettings, err = kept("activitySettings", d.ActivitySettings, &activity, activity.check)
	return err
}

func (c *call) createConnection() error {
	var body struct {
		ID string `json:"id"`
		connectionDoc
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if err := checkConnectionID(body.ID); err != nil {
		return err
	}
	doc := body.connectionDoc
	doc.Owner = c.caller.AppID
	if err := doc.check(); err != nil {
		return err
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	err = c.s.change(c.r.Context(), func(tx *wtx) error {
		var n int
		if err := tx.row(`SELECT count(*) FROM connections WHERE id = ?`, body.ID)(&n); err != nil {
			return err
		}
		if n > 0 {
			return conflict("A connection with the id '%s' already exists.", body.ID)
		}
		if err := c.s.nameFree(tx, doc.Name, ""); err != nil {
			return err
		}
		return tx.exec(`INSERT INTO connections (id, name, state, doc) VALUES (?, ?, 'draft', ?)`, body.ID, doc.Name, string(text))
	})
	if err != nil {
		return err
	}
	cn, err := c.s.cached(body.ID)
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, c.connectionJSON(cn, c.context("external/connections/$entity")))
}

func (s *Server) nameFree(tx *wtx, name, but string) error {
	if s.opt.AllowDuplicateNames {
		return nil
	}
	var n int
	if err := tx.row(`SELECT count(*) FROM connections WHERE name = ? AND id <> ? AND deleting = 0`, name, but)(&n); err != nil {
		return err
	}
	if n > 0 {
		return conflict("A connection with the name '%s' already exists.", name)
	}
	return nil
}

func (c *call) connectionJSON(cn *connection, odataContext string) map[string]any {
	raw := func(r json.RawMessage) any {
		if isNull(r) {
			return nil
		}
		return r
	}
	category := cn.doc.ContentCategory
	if category == "" {
		category = "uncategorized"
	}
	m := map[string]any{
		"id": cn.id, "name": cn.doc.Name, "description": cn.doc.Description, "state": cn.state,
		"configuration": raw(cn.doc.Configuration), "searchSettings": raw(cn.doc.SearchSettings),
		"activitySettings": raw(cn.doc.ActivitySettings), "connectorId": cn.doc.ConnectorID,
		"contentCategory": category,
	}
	if odataContext != "" {
		m["@odata.context"] = odataContext
	}
	return m
}

// manages refuses an application that neither owns the connection nor is
// authorised on it.
func (c *call) manages(cn *connection) error {
	app := c.caller.AppID
	same := func(id string) bool { return strings.EqualFold(id, app) }
	if app == "" || same(cn.doc.Owner) || slices.ContainsFunc(cn.apps, same) {
		return nil
	}
	return errNotOwner
}

func (c *call) getConnection(cn *connection) error {
	m := c.connectionJSON(cn, c.context("external/connections/$entity"))
	if err := selectKeys(m, c.query); err != nil {
		return err
	}
	return c.reply(http.StatusOK, m)
}

// selectKeys honours $select.
func selectKeys(m map[string]any, q url.Values) error {
	list := q.Get("$select")
	if list == "" {
		return nil
	}
	keep := map[string]bool{}
	for _, name := range strings.Split(list, ",") {
		name = strings.TrimSpace(name)
		if _, ok := m[name]; !ok {
			return badRequest("$select: there is no property %q", name)
		}
		keep[name] = true
	}
	maps.DeleteFunc(m, func(k string, _ any) bool { return !keep[k] && !strings.HasPrefix(k, "@odata.") })
	return nil
}

var filterEq = regexp.MustCompile(`^\s*\(?\s*(\w+)\s+eq\s+'((?:[^']|'')*)'\s*\)?\s*$`)

// parseFilter reads the one form of $filter that clients send here:
// property eq 'value', a quote in the value doubled.
func parseFilter(filter string, fields ...string) (field, value string, err error) {
	m := filterEq.FindStringSubmatch(filter)
	if m == nil {
		return "", "", badRequest("$filter: %q is not supported; write property eq 'value'", filter)
	}
	if !slices.Contains(fields, m[1]) {
		return "", "", badRequest("$filter: %q cannot be filtered on; use one of %s", m[1], strings.Join(fields, ", "))
	}
	return m[1], strings.ReplaceAll(m[2], "''", "'"), nil
}

func (c *call) listConnections() error {
	if err := c.s.refresh(c.r.Context()); err != nil {
		return err
	}
	list := slices.DeleteFunc(slices.Clone(c.s.snap.Load().list), func(cn *connection) bool { return c.manages(cn) != nil })
	if f := c.query.Get("$filter"); f != "" {
		field, value, err := parseFilter(f, "name", "id", "state")
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(cn *connection) bool {
			return value != map[string]string{"name": cn.doc.Name, "id": cn.id, "state": cn.state}[field]
		})
	}
	value := []any{}
	for _, cn := range list {
		value = append(value, c.connectionJSON(cn, ""))
	}
	return c.replyPage("external/connections", value)
}

// replyPage answers one page of a list, honouring $select, $top and
// $skiptoken.
func (c *call) replyPage(odataContext string, all []any) error {
	body := map[string]any{"@odata.context": c.context(odataContext)}
	if c.query.Get("$count") == "true" {
		body["@odata.count"] = len(all)
	}
	skip, _ := strconv.Atoi(c.query.Get("$skiptoken")) // ours, or nothing
	all = all[min(max(skip, 0), len(all)):]
	if t := c.query.Get("$top"); t != "" {
		top, err := strconv.Atoi(t)
		if err != nil || top < 1 {
			return badRequest("$top: %q is not a positive number", t)
		}
		if top < len(all) {
			all = all[:top]
			q := maps.Clone(c.query)
			q.Set("$skiptoken", strconv.Itoa(skip+top))
			body["@odata.nextLink"] = rootURL(c.r) + c.r.URL.EscapedPath() + "?" + strings.ReplaceAll(q.Encode(), "%24", "$")
		}
	}
	for _, m := range all {
		if err := selectKeys(m.(map[string]any), c.query); err != nil {
			return err
		}
	}
	body["value"] = all
	return c.reply(http.StatusOK, body)
}

// patchConnection merges at the top level: an array that is sent replaces the
// array that was there (the CLI relies on it for resolvers).
func (c *call) patchConnection(cn *connection) error {
	if err := cn.writable(); err != nil {
		return err
	}
	raw, err := c.body(maxAdminBytes)
	if err != nil {
		return err
	}
	if kindOf(raw[skipSpace(raw, 0):]) != '{' {
		return malformed("the body must be an object")
	}
	err = c.s.change(c.r.Context(), func(tx *wtx) error {
		var text string
		if err := tx.row(`SELECT doc FROM connections WHERE n = ?`, cn.n)(&text); err != nil {
			return err
		}
		var doc connectionDoc
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			return err
		}
		var id struct{ ID *string }
		if err := json.Unmarshal(raw, &id); err == nil && id.ID != nil && !strings.EqualFold(*id.ID, cn.id) {
			return badRequest("id: a connection's id cannot change")
		}
		owner := doc.Owner
		if err := json.Unmarshal(raw, &doc); err != nil {
			return malformed("the connection cannot be read: %v", err)
		}
		doc.Owner = owner
		if err := doc.check(); err != nil {
			return err
		}
		if err := c.s.nameFree(tx, doc.Name, cn.id); err != nil {
			return err
		}
		merged, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		return tx.exec(`UPDATE connections SET doc = ?, name = ? WHERE n = ?`, string(merged), doc.Name, cn.n)
	})
	if err != nil {
		return err
	}
	return c.replyNothing(http.StatusNoContent)
}

// deleteConnection accepts the deletion, which then goes on by itself. Until
// it is done GET still answers, and everything inside answers 404.
func (c *call) deleteConnection(cn *connection) error {
	due := time.Now().Add(c.s.opt.DeleteDelay).UnixMilli()
	err := c.s.change(c.r.Context(), func(tx *wtx) error {
		return tx.exec(`UPDATE connections SET deleting = ? WHERE n = ? AND deleting = 0`, due, cn.n)
	})
	if err != nil {
		return err
	}
	c.s.later(due, func() { _ = c.s.finishDeletes(context.Background()) })
	return c.replyNothing(http.StatusAccepted)
}

// finishDeletes removes the connections whose time has come.
func (s *Server) finishDeletes(ctx context.Context) error {
	return s.change(ctx, func(tx *wtx) error {
		var gone []int64
		err := tx.each(`SELECT n FROM connections WHERE deleting > 0 AND deleting <= ?`, func(scan func(...any) error) error {
			var n int64
			err := scan(&n)
			gone = append(gone, n)
			return err
		}, time.Now().UnixMilli())
		if err != nil {
			return err
		}
		if len(gone) == 0 {
			return errNothing
		}
		for _, n := range gone {
			if err := dropTables(tx, n); err != nil {
				return err
			}
			for _, table := range []string{"operations", "acls", "aces", "groups", "members", "activities"} {
				if err := tx.exec(fmt.Sprintf(`DELETE FROM %s WHERE conn = ?`, table), n); err != nil {
					return err
				}
			}
			if err := tx.exec(`DELETE FROM connections WHERE n = ?`, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// later runs f at a time in unix milliseconds, unless the server is closed
// before; then whoever opens the store next takes it up.
func (s *Server) later(due int64, f func()) {
	s.bg.Go(func() {
		t := time.NewTimer(time.Until(time.UnixMilli(due)))
		defer t.Stop()
		select {
		case <-t.C:
			f()
		case <-s.done.Done():
		}
	})
}

// resume takes up what a process that ended has left under way.
func (s *Server) resume() {
	s.bg.Go(func() {
		var due []int64
		rows, err := s.db.Query(`SELECT due FROM operations WHERE status = 'inprogress' UNION ALL SELECT deleting FROM connections WHERE deleting > 0`)
		if err != nil {
			return // whoever reads the operation completes it
		}
		for rows.Next() {
			var t int64
			if rows.Scan(&t) == nil {
				due = append(due, t)
			}
		}
		rows.Close()
		for _, t := range due {
			s.later(t, func() {
				_ = s.finishOperations(context.Background())
				_ = s.finishDeletes(context.Background())
			})
		}
	})
}
