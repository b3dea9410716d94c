package localgraph

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
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

	betaConnection

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
	if d.ActivitySettings, err = kept("activitySettings", d.ActivitySettings, &activity, activity.check); err != nil {
		return err
	}
	return d.betaConnection.check()
}

// checkTicket wants the header and the member that come from a Teams app both
// or neither; one alone fails (msgraph-sample-github-connector-typescript).
func (c *call) checkTicket(d *connectionDoc) error {
	ticket := c.r.Header.Get("GraphConnectors-Ticket") != ""
	id := d.ConnectorID != nil && *d.ConnectorID != ""
	switch {
	case id && !ticket:
		return badRequest("connectorId: it goes with the request header GraphConnectors-Ticket, which is missing")
	case ticket && !id:
		return badRequest("connectorId: it is missing, and goes with the request header GraphConnectors-Ticket")
	}
	return nil
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
	if !c.beta() {
		doc.betaConnection = betaConnection{}
	}
	if err := cmp.Or(doc.check(), c.checkTicket(&doc)); err != nil {
		return err
	}
	if c.s.opt.RequireDescription && (doc.Description == nil || strings.TrimSpace(*doc.Description) == "") {
		return badRequest("description: a connection needs a description")
	}
	text, err := plainJSON(doc)
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
	if brokenCard(doc.SearchSettings) != "" {
		// The connection is there all the same, and the next POST gets 409: a
		// note on the create page.
		return &apiError{status: http.StatusServiceUnavailable, code: "serviceNotAvailable", message: "The service is temporarily unavailable."}
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
	text := func(s *string) any {
		if s == nil {
			return nil
		}
		return *s
	}
	m := map[string]any{
		"id": cn.id, "name": cn.doc.Name, "description": text(cn.doc.Description), "state": cn.state,
		"configuration": raw(cn.doc.Configuration), "searchSettings": raw(cn.doc.SearchSettings),
		"activitySettings": raw(cn.doc.ActivitySettings), "connectorId": text(cn.doc.ConnectorID),
		"contentCategory": category,
	}
	if c.beta() {
		m["enabledContentExperiences"] = orNil(cn.doc.Experiences)
		m["complianceSettings"] = raw(cn.doc.Compliance)
	}
	if odataContext != "" {
		m["@odata.context"] = odataContext
	}
	return m
}

// connectionWith is connectionJSON with what $expand asks for, and under /beta
// the number of items, which a draft does not have.
func (c *call) connectionWith(cn *connection, odataContext string) (map[string]any, error) {
	m := c.connectionJSON(cn, odataContext)
	if c.beta() {
		m["ingestedItemsCount"] = nil
		if cn.schema != nil && !cn.deleting {
			n, err := c.s.countItems(c.r.Context(), cn)
			if err != nil {
				return nil, err
			}
			m["ingestedItemsCount"] = n
		}
	}
	there := func(f func() (any, error)) func() (any, error) {
		return func() (any, error) {
			if cn.deleting {
				return nil, nil
			}
			return f()
		}
	}
	return m, c.expand(m, map[string]func() (any, error){
		"schema": there(func() (any, error) {
			if body := c.schemaJSON(cn); body != nil {
				return body, nil
			}
			return nil, nil
		}),
		"operations": there(func() (any, error) { return c.operations(cn) }),
		"groups":     there(func() (any, error) { return c.groups(cn) }),
	})
}

// manages refuses an application that neither owns the connection nor is
// authorised on it.
func (c *call) manages(cn *connection) error {
	app := c.caller.AppID
	same := func(id string) bool { return strings.EqualFold(id, app) }
	if app == "" || c.every || same(cn.doc.Owner) || slices.ContainsFunc(cn.apps, same) {
		return nil
	}
	return errNotOwner
}

func (c *call) getConnection(cn *connection) error {
	if err := c.options("$select", "$expand"); err != nil {
		return err
	}
	m, err := c.connectionWith(cn, c.context("external/connections/$entity"))
	if err != nil {
		return err
	}
	if err := selectKeys(m, c.query); err != nil {
		return err
	}
	return c.reply(http.StatusOK, m)
}

var connectionList = list{context: "external/connections", fields: []string{"id", "name", "description", "state", "contentCategory", "connectorId"}}

// visible lists the connections that the caller manages.
func (c *call) visible() ([]*connection, error) {
	if err := c.s.refresh(c.r.Context()); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(c.s.snap.Load().list), func(cn *connection) bool { return c.manages(cn) != nil }), nil
}

// connections is visible as it is answered.
func (c *call) connections() ([]map[string]any, error) {
	list, err := c.visible()
	all := make([]map[string]any, len(list))
	for i, cn := range list {
		if err == nil {
			all[i], err = c.connectionWith(cn, "")
		}
	}
	return all, err
}

func (c *call) listConnections() error {
	all, err := c.connections()
	if err != nil {
		return err
	}
	return c.replyPage(connectionList, all)
}

func (c *call) countConnections() error {
	all, err := c.connections()
	if err != nil {
		return err
	}
	return c.replyCount(connectionList, all)
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
		name := doc.Name
		if doc.Name = ""; !names(raw, "name") {
			doc.Name = name
		}
		owner, beta := doc.Owner, doc.betaConnection
		if err := json.Unmarshal(raw, &doc); err != nil {
			return unreadable("the connection", err)
		}
		doc.Owner = owner
		if !c.beta() {
			doc.betaConnection = beta
		}
		if err := doc.check(); err != nil {
			return err
		}
		if id := brokenCard(doc.SearchSettings); id != "" {
			return badRequest("searchSettings: the layout of template %q is no Adaptive Card: its type must be \"AdaptiveCard\"", id)
		}
		if err := c.s.nameFree(tx, doc.Name, cn.id); err != nil {
			return err
		}
		merged, err := plainJSON(doc)
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

// names tells whether an object has a member, null or not.
func names(raw []byte, member string) bool {
	var given map[string]json.RawMessage
	_ = json.Unmarshal(raw, &given) // an object, or it is refused where it is read
	for name := range given {
		if strings.EqualFold(name, member) {
			return true
		}
	}
	return false
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
