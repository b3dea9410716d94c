package localgraph

import (
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// groupRoutes routes what stands under a connection's groups. The lists of
// groups and members are in the model only; they are answered all the same.
func (c *call) groupRoutes(seg []string, with func(func(*connection) error) func() error) error {
	in := func(f func(*connection) error) func() error {
		return with(func(cn *connection) error {
			err := cn.usable()
			if c.r.Method == http.MethodPost || c.r.Method == http.MethodPatch {
				err = cn.writable()
			}
			if err != nil {
				return err
			}
			return f(cn)
		})
	}
	one := func(f func(*connection, string) error) func() error {
		return in(func(cn *connection) error { return f(cn, seg[0]) })
	}
	member := func(f func(*connection, string, string) error) func() error {
		return in(func(cn *connection) error { return f(cn, seg[0], seg[2]) })
	}
	switch {
	case len(seg) == 0:
		return c.by(methods{"GET": in(c.listGroups), "POST": in(c.createGroup)})
	case len(seg) == 1 && seg[0] == "$count":
		return c.only("GET", in(c.countGroups))
	case len(seg) == 1:
		return c.by(methods{"GET": one(c.getGroup), "PATCH": one(c.patchGroup), "DELETE": one(c.deleteGroup)})
	case seg[1] == "members" && len(seg) == 2:
		return c.by(methods{"GET": one(c.listMembers), "POST": one(c.addMember)})
	case seg[1] == "members" && len(seg) == 3 && seg[2] == "$count":
		return c.only("GET", one(c.countMembers))
	case seg[1] == "members" && len(seg) == 3:
		return c.by(methods{"GET": member(c.getMember), "DELETE": member(c.removeMember)})
	}
	return noSegment(seg[len(seg)-1])
}

type groupBody struct {
	Type        string  `json:"@odata.type"`
	ID          string  `json:"id"`
	DisplayName *string `json:"displayName"`
	Description *string `json:"description"`

	Members []json.RawMessage `json:"members"`
}

// readGroup refuses another type's name, as the service does
// (microsoft-graph-docs#11984).
func readGroup(raw []byte) (g groupBody, err error) {
	if err := json.Unmarshal(raw, &g); err != nil {
		return g, unreadable("the body", err)
	}
	if t := strings.TrimPrefix(g.Type, "#"); t != "" && t != "microsoft.graph.externalConnectors.externalGroup" {
		return g, malformed("@odata.type: %q is not microsoft.graph.externalConnectors.externalGroup", g.Type)
	}
	if len(g.Members) > 0 {
		// To take the group without them would let others see what it is denied.
		return g, badRequest("members: a group comes without its members; add each by POST .../members")
	}
	return g, nil
}

func (c *call) groupJSON(cn *connection, g groupBody, withContext bool) map[string]any {
	text := func(s *string) any {
		if s == nil {
			return nil
		}
		return *s
	}
	m := map[string]any{"id": g.ID, "displayName": text(g.DisplayName), "description": text(g.Description)}
	if withContext {
		m["@odata.context"] = c.context("external/connections('" + cn.id + "')/groups/$entity")
	}
	return m
}

func noGroup(cn *connection, id string) error {
	return notFound("The group '%s' was not found in connection '%s'.", id, cn.id)
}

func (c *call) createGroup(cn *connection) error {
	raw, err := c.body(maxAdminBytes)
	if err != nil {
		return err
	}
	g, err := readGroup(raw)
	if err != nil {
		return err
	}
	if err := checkItemID("a group's id", g.ID); err != nil {
		return err
	}
	err = c.s.w.do(c.r.Context(), func(tx *wtx) error {
		if exists, err := tx.exists(`SELECT 1 FROM groups WHERE conn = ? AND id = ?`, cn.n, g.ID); err != nil {
			return err
		} else if exists {
			return conflict("A group with the id '%s' already exists in connection '%s'.", g.ID, cn.id)
		}
		if err := tx.connectionStands(cn); err != nil {
			return err
		}
		return tx.exec(`INSERT INTO groups (conn, id, name, description) VALUES (?, ?, ?, ?)`, cn.n, g.ID, g.DisplayName, g.Description)
	})
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, c.groupJSON(cn, g, true))
}

func (tx *wtx) exists(query string, args ...any) (bool, error) {
	var one int
	err := tx.row(query, args...)(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// connectionStands makes sure that nobody has deleted the connection since
// the request came.
func (tx *wtx) connectionStands(cn *connection) error {
	ok, err := tx.exists(`SELECT 1 FROM connections WHERE n = ? AND deleting = 0`, cn.n)
	if err == nil && !ok {
		err = notFound("The connection '%s' was not found.", cn.id)
	}
	return err
}

func (c *call) getGroup(cn *connection, id string) error {
	if err := c.options("$select", "$expand"); err != nil {
		return err
	}
	g := groupBody{ID: id}
	err := c.s.db.QueryRowContext(c.r.Context(), `SELECT name, description FROM groups WHERE conn = ? AND id = ?`, cn.n, id).Scan(&g.DisplayName, &g.Description)
	if errors.Is(err, sql.ErrNoRows) {
		return noGroup(cn, id)
	}
	if err != nil {
		return err
	}
	m := c.groupJSON(cn, g, true)
	if err := c.expand(m, map[string]func() (any, error){"members": func() (any, error) { return c.members(cn, id) }}); err != nil {
		return err
	}
	if err := selectKeys(m, c.query); err != nil {
		return err
	}
	return c.reply(http.StatusOK, m)
}

func (c *call) groups(cn *connection) ([]map[string]any, error) {
	rows, err := c.s.db.QueryContext(c.r.Context(), `SELECT id, name, description FROM groups WHERE conn = ? ORDER BY id`, cn.n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []map[string]any{}
	for rows.Next() {
		var g groupBody
		if err := rows.Scan(&g.ID, &g.DisplayName, &g.Description); err != nil {
			return nil, err
		}
		all = append(all, c.groupJSON(cn, g, false))
	}
	return all, rows.Err()
}

func groupList(cn *connection) list {
	return list{context: "external/connections('" + cn.id + "')/groups", fields: []string{"id", "displayName", "description"}}
}

func (c *call) listGroups(cn *connection) error {
	all, err := c.groups(cn)
	if err != nil {
		return err
	}
	for _, m := range all {
		id := m["id"].(string)
		if err := c.expand(m, map[string]func() (any, error){"members": func() (any, error) { return c.members(cn, id) }}); err != nil {
			return err
		}
	}
	return c.replyPage(groupList(cn), all)
}

func (c *call) countGroups(cn *connection) error {
	all, err := c.groups(cn)
	if err != nil {
		return err
	}
	return c.replyCount(groupList(cn), all)
}

// patchGroup changes what the body names: null takes away, and what it leaves
// out stays.
func (c *call) patchGroup(cn *connection, id string) error {
	raw, err := c.body(maxAdminBytes)
	if err != nil {
		return err
	}
	g, err := readGroup(raw)
	if err != nil {
		return err
	}
	if g.ID != "" && g.ID != id {
		return badRequest("id: a group's id cannot change")
	}
	err = c.s.w.do(c.r.Context(), func(tx *wtx) error {
		exists, err := tx.exists(`SELECT 1 FROM groups WHERE conn = ? AND id = ?`, cn.n, id)
		if err != nil {
			return err
		}
		if !exists {
			return noGroup(cn, id)
		}
		return tx.exec(`UPDATE groups SET name = iif(?, ?, name), description = iif(?, ?, description) WHERE conn = ? AND id = ?`,
			names(raw, "displayName"), g.DisplayName, names(raw, "description"), g.Description, cn.n, id)
	})
	if err != nil {
		return err
	}
	return c.replyNothing(http.StatusNoContent)
}

// deleteGroup removes a group and its members. ACLs and groups that name it
// keep naming it: it may be made again.
func (c *call) deleteGroup(cn *connection, id string) error {
	err := c.s.w.do(c.r.Context(), func(tx *wtx) error {
		exists, err := tx.exists(`SELECT 1 FROM groups WHERE conn = ? AND id = ?`, cn.n, id)
		if err != nil {
			return err
		}
		if !exists {
			return noGroup(cn, id)
		}
		if err := tx.exec(`DELETE FROM members WHERE conn = ? AND grp = ?`, cn.n, id); err != nil {
			return err
		}
		return tx.exec(`DELETE FROM groups WHERE conn = ? AND id = ?`, cn.n, id)
	})
	if err != nil {
		return err
	}
	return c.replyNothing(http.StatusNoContent)
}

type identity struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	// Source is the beta's; see ofSource.
	Source string `json:"identitySource,omitempty"`
}

var identityTypes = []string{"user", "group", "externalGroup"}

func (id *identity) check(what string) error {
	t, ok := spelled(identityTypes, id.Type)
	if !ok {
		return badRequest("%s: the type %q is not one of %s", what, id.Type, strings.Join(identityTypes, ", "))
	}
	id.Type = t
	if strings.TrimSpace(id.ID) == "" || len(id.ID) > 512 {
		return badRequest("%s: an identity needs an id of 1 to 512 bytes", what)
	}
	return nil
}

// addMember adds a member; groups may be members of each other, in circles
// too, and a member group need not exist yet.
func (c *call) addMember(cn *connection, group string) error {
	var m identity
	if err := c.decode(&m); err != nil {
		return err
	}
	if err := m.check("member"); err != nil {
		return err
	}
	typ, beta, err := ofSource("member", m.Type, m.Source)
	if err != nil {
		return err
	}
	if beta && !c.beta() {
		return errBetaSource
	}
	m.Type = typ
	if err := c.s.opt.checkObjectID("member", m.Type, m.ID); err != nil {
		return err
	}
	err = c.s.w.do(c.r.Context(), func(tx *wtx) error {
		exists, err := tx.exists(`SELECT 1 FROM groups WHERE conn = ? AND id = ?`, cn.n, group)
		if err != nil {
			return err
		}
		if !exists {
			return noGroup(cn, group)
		}
		p := who(m.Type, m.ID)
		if exists, err = tx.exists(`SELECT 1 FROM members WHERE conn = ? AND who = ? AND grp = ?`, cn.n, p, group); err != nil {
			return err
		}
		if exists {
			return conflict("The group '%s' already has the member '%s'.", group, m.ID)
		}
		return tx.exec(`INSERT INTO members (conn, who, grp, kind, id) VALUES (?, ?, ?, ?, ?)`, cn.n, p, group, m.Type, m.ID)
	})
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, map[string]any{"@odata.context": c.context(memberList(cn, group).context + "/$entity"), "id": m.ID, "type": m.Type})
}

// members lists the members of a group as they are answered.
func (c *call) members(cn *connection, group string) ([]map[string]any, error) {
	var one int
	err := c.s.db.QueryRowContext(c.r.Context(), `SELECT 1 FROM groups WHERE conn = ? AND id = ?`, cn.n, group).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, noGroup(cn, group)
	}
	if err != nil {
		return nil, err
	}
	rows, err := c.s.db.QueryContext(c.r.Context(), `SELECT kind, id FROM members WHERE conn = ? AND grp = ? ORDER BY who`, cn.n, group)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []map[string]any{}
	for rows.Next() {
		var m identity
		if err := rows.Scan(&m.Type, &m.ID); err != nil {
			return nil, err
		}
		all = append(all, map[string]any{"id": m.ID, "type": m.Type})
	}
	return all, rows.Err()
}

func memberList(cn *connection, group string) list {
	return list{context: "external/connections('" + cn.id + "')/groups('" + group + "')/members", fields: []string{"id", "type"}}
}

func (c *call) listMembers(cn *connection, group string) error {
	all, err := c.members(cn, group)
	if err != nil {
		return err
	}
	return c.replyPage(memberList(cn, group), all)
}

func (c *call) countMembers(cn *connection, group string) error {
	all, err := c.members(cn, group)
	if err != nil {
		return err
	}
	return c.replyCount(memberList(cn, group), all)
}

func (c *call) getMember(cn *connection, group, id string) error {
	if err := c.options("$select"); err != nil {
		return err
	}
	all, err := c.members(cn, group)
	if err != nil {
		return err
	}
	for _, m := range all {
		if !strings.EqualFold(m["id"].(string), id) {
			continue
		}
		m["@odata.context"] = c.context(memberList(cn, group).context + "/$entity")
		if err := selectKeys(m, c.query); err != nil {
			return err
		}
		return c.reply(http.StatusOK, m)
	}
	return notFound("The member '%s' was not found in group '%s'.", id, group)
}

// removeMember removes a member by its id alone, as the API has it: a user
// and a group of one id go together.
func (c *call) removeMember(cn *connection, group, id string) error {
	err := c.s.w.do(c.r.Context(), func(tx *wtx) error {
		list := []any{cn.n, group, who("user", id), who("group", id), who("externalGroup", id)}
		exists, err := tx.exists(`SELECT 1 FROM members WHERE conn = ? AND grp = ? AND who IN (?, ?, ?) LIMIT 1`, list...)
		if err != nil {
			return err
		}
		if !exists {
			return notFound("The member '%s' was not found in group '%s'.", id, group)
		}
		return tx.exec(`DELETE FROM members WHERE conn = ? AND grp = ? AND who IN (?, ?, ?)`, list...)
	})
	if err != nil {
		return err
	}
	return c.replyNothing(http.StatusNoContent)
}
