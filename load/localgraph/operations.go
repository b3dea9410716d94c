package localgraph

import (
	"database/sql"
	"net/http"
	"slices"
	"strings"
)

// Operations of a connection (the registrations of its schema), and the
// schema as it is read.

var operationFields = []string{"id", "status"}

// operations lists the operations of a connection as they are answered, the
// first one first.
func (c *call) operations(cn *connection) ([]map[string]any, error) {
	if err := c.s.finishOperations(c.r.Context()); err != nil {
		return nil, err
	}
	rows, err := c.s.db.QueryContext(c.r.Context(), `SELECT id, status, error FROM operations WHERE conn = ? ORDER BY due, id`, cn.n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []map[string]any{}
	for rows.Next() {
		var id, status string
		var msg sql.NullString
		if err := rows.Scan(&id, &status, &msg); err != nil {
			return nil, err
		}
		m := map[string]any{"id": id, "status": status, "error": nil}
		if msg.Valid {
			m["error"] = map[string]any{"code": "SchemaRegistrationFailed", "message": msg.String}
		}
		all = append(all, m)
	}
	return all, rows.Err()
}

func operationList(cn *connection) list {
	return list{context: "external/connections('" + cn.id + "')/operations", fields: operationFields}
}

func (c *call) listOperations(cn *connection) error {
	all, err := c.operations(cn)
	if err != nil {
		return err
	}
	return c.replyPage(operationList(cn), all)
}

func (c *call) countOperations(cn *connection) error {
	all, err := c.operations(cn)
	if err != nil {
		return err
	}
	return c.replyCount(operationList(cn), all)
}

func (c *call) getOperation(cn *connection, id string) error {
	if err := c.options("$select"); err != nil {
		return err
	}
	all, err := c.operations(cn)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(m map[string]any) bool { return m["id"] == id })
	if i < 0 {
		return notFound("The operation '%s' was not found.", id)
	}
	all[i]["@odata.context"] = c.context(operationList(cn).context + "/$entity")
	if err := selectKeys(all[i], c.query); err != nil {
		return err
	}
	return c.reply(http.StatusOK, all[i])
}

// getSchema answers 404 before the first registration, and the coming schema
// while one is under way: that is what the service does (msgraph-metadata#438),
// so a schema that is there is no sign of readiness.
func (c *call) getSchema(cn *connection) error {
	if err := c.options("$select"); err != nil {
		return err
	}
	body := c.schemaJSON(cn)
	if body == nil {
		return notFound("The connection '%s' has no schema yet.", cn.id)
	}
	body["@odata.context"] = c.context("external/connections('" + cn.id + "')/schema/$entity")
	if err := selectKeys(body, c.query); err != nil {
		return err
	}
	return c.reply(http.StatusOK, body)
}

// schemaJSON is the schema as it is answered; nil is none yet.
func (c *call) schemaJSON(cn *connection) map[string]any {
	sc := cn.schema
	if cn.pending != nil {
		sc = cn.pending
	}
	if sc == nil {
		return nil
	}
	props := make([]*property, len(sc.props))
	all := c.newEnums()
	for i, p := range sc.props {
		props[i] = p.answered(c.beta(), all)
	}
	return map[string]any{"id": "schema", "baseType": "microsoft.graph.externalItem", "properties": props}
}

func (c *call) beta() bool { return strings.HasSuffix(c.root, "/beta") }

func (c *call) newEnums() bool {
	if c.s.opt.AlwaysNewEnums {
		return true
	}
	for _, v := range c.r.Header.Values("Prefer") {
		if strings.Contains(strings.ToLower(v), "include-unknown-enum-members") {
			c.w.Header().Set("Preference-Applied", "include-unknown-enum-members")
			return true
		}
	}
	return false
}

// answered is the property as GET answers it: with the alias that the service
// has added, without what v1.0 does not have, and without the members of
// evolvable enums that came after unknownFutureValue, unless the client has
// asked for them by the Prefer header.
func (p *property) answered(beta, newEnums bool) *property {
	q := *p
	if p.SystemAlias != "" {
		q.Aliases, q.SystemAlias = append(slices.Clip(p.Aliases), p.SystemAlias), ""
	}
	if !beta {
		q.ExactMatch, q.Ranking = false, nil
	}
	if newEnums {
		return &q
	}
	if p.typ.element() == tPrincipal {
		q.Type = "unknownFutureValue"
	}
	q.Labels = slices.Clone(p.Labels)
	for i, l := range q.Labels {
		if rule := findLabel(l); rule != nil && !rule.early {
			q.Labels[i] = "unknownFutureValue"
		}
	}
	return &q
}
