package localgraph

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// The part of /users, /groups, /me and /organization that resolving identities
// needs, with the limits of the directory: pages of 100, at most 999, at most
// 15 values in a $filter, and the advanced queries only with
// "ConsistencyLevel: eventual" and $count=true.

const (
	directoryPage     = 100
	directoryMostPage = 999
	maxFilterValues   = 15
)

var errDirectoryDenied = &apiError{status: http.StatusForbidden, code: "Authorization_RequestDenied",
	message: "Insufficient privileges to complete the operation."}

func noDirectoryObject(name string) error {
	return &apiError{status: http.StatusNotFound, code: "Request_ResourceNotFound",
		message: fmt.Sprintf("Resource '%s' does not exist or one of its queried reference-property objects are not present.", cut([]byte(name)))}
}

// directory routes the paths. A signed-in user reads itself and nobody else.
func (c *call) directory(seg []string) error {
	if seg[0] == "organization" {
		return c.organization(seg[1:])
	}
	if seg[0] == "me" {
		name, err := c.me()
		if err != nil {
			return err
		}
		return c.oneUser(name, seg[1:])
	}
	switch {
	case seg[0] == "users" && len(seg) > 1 && seg[1] != "$count":
		return c.oneUser(seg[1], seg[2:])
	case !c.caller.App:
		return errDirectoryDenied
	case seg[0] == "users" && len(seg) <= 2:
		return c.only("GET", func() error { return c.answerSet(allUsers, len(seg) == 2) })
	case seg[0] == "groups" && (len(seg) == 1 || len(seg) == 2 && seg[1] == "$count"):
		return c.only("GET", func() error { return c.answerSet(allGroups, len(seg) == 2) })
	case seg[0] == "groups":
		return c.oneGroup(seg[1], seg[2:])
	}
	return noSegment(seg[len(seg)-1])
}

// me names the user that the caller stands for.
func (c *call) me() (string, error) {
	switch {
	case !c.caller.App:
		return c.caller.UserID, nil
	case c.caller.SearchAs != "":
		return c.caller.SearchAs, nil
	}
	return "", &apiError{status: http.StatusBadRequest, code: "BadRequest", message: "/me request is only valid with delegated authentication flow."}
}

// oneUser answers what stands under a user, who is named by id or UPN. Of me,
// who may be named as in a search, the mail address counts too.
func (c *call) oneUser(name string, rest []string) error {
	me := ""
	if !c.caller.App || c.caller.SearchAs != "" {
		me, _ = c.me() // cannot fail: there is a user
	}
	columns := []string{"id", "upn"}
	if strings.EqualFold(name, me) {
		columns = append(columns, "mail")
	}
	u, ok, err := c.s.resolveUser(c.r.Context(), name, columns...)
	if several := (*AmbiguousUserError)(nil); errors.As(err, &several) {
		return badRequest("%v", several)
	}
	if err != nil {
		return err
	}
	if !c.caller.App && !strings.EqualFold(name, me) {
		self, known, err := c.s.ResolveUser(c.r.Context(), me)
		if err != nil || !known || self.ID != u.ID {
			return errDirectoryDenied
		}
	}
	if !ok {
		return noDirectoryObject(name)
	}
	if len(rest) == 0 {
		return c.only("GET", func() error { return c.replyObject("users/$entity", u.properties()) })
	}
	set, count, err := related("u", u.ID, rest)
	if err != nil {
		return err
	}
	return c.only("GET", func() error { return c.answerSet(set, count) })
}

func (c *call) oneGroup(id string, rest []string) error {
	var g DirectoryGroup
	found, err := c.s.rows(c.r.Context(), `SELECT 'g', id, '', coalesce(mail, ''), coalesce(name, ''), '', 0 FROM teams WHERE id = ?`, []any{id})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return noDirectoryObject(id)
	}
	g = found[0].group()
	if len(rest) == 0 {
		return c.only("GET", func() error { return c.replyObject("groups/$entity", g.properties()) })
	}
	set, count, err := related("g", g.ID, rest)
	if err != nil {
		return err
	}
	return c.only("GET", func() error { return c.answerSet(set, count) })
}

// replyObject answers one object: what $select asks for, else what comes by
// default.
func (c *call) replyObject(context string, o object) error {
	if err := c.options("$select"); err != nil {
		return err
	}
	m, err := o.selected(c.query.Get("$select"), false)
	if err != nil {
		return err
	}
	m["@odata.context"] = c.context(context)
	return c.reply(http.StatusOK, m)
}

// organization answers the tenant, whose id an ACL of everyone names.
func (c *call) organization(rest []string) error {
	id := fmt.Sprintf("%s-%s-%s-%s-%s", c.s.id[:8], c.s.id[8:12], c.s.id[12:16], c.s.id[16:20], c.s.id[20:])
	tenant := func() map[string]any {
		return map[string]any{"id": id, "displayName": "Local Graph", "tenantType": "AAD", "verifiedDomains": []any{
			map[string]any{"name": "localgraph.invalid", "isDefault": true, "isInitial": true, "type": "Managed"}}}
	}
	switch {
	case len(rest) == 0:
		return c.only("GET", func() error {
			return c.replyPage(list{context: "organization", fields: []string{"id", "displayName"}}, []map[string]any{tenant()})
		})
	case len(rest) == 1 && strings.EqualFold(rest[0], id):
		return c.only("GET", func() error {
			m := tenant()
			m["@odata.context"] = c.context("organization/$entity")
			if err := selectKeys(m, c.query); err != nil {
				return err
			}
			return c.reply(http.StatusOK, m)
		})
	case len(rest) == 1:
		return noDirectoryObject(rest[0])
	}
	return noSegment(rest[len(rest)-1])
}

// An object is a user's or a group's properties: those that come by default,
// and those that $select must ask for.
type object struct {
	typ    string
	values map[string]any
	plain  []string // by default
}

var (
	userDefault = []string{"businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation",
		"preferredLanguage", "surname", "userPrincipalName", "id"}
	userMore = []string{"department", "companyName", "onPremisesSamAccountName", "onPremisesUserPrincipalName",
		"onPremisesSecurityIdentifier", "onPremisesImmutableId", "mailNickname"}
	groupDefault = []string{"id", "displayName", "mail", "description", "groupTypes", "mailEnabled", "mailNickname", "securityEnabled", "visibility"}
)

func (u User) properties() object {
	kind := "Member"
	if u.Guest {
		kind = "Guest"
	}
	m := map[string]any{}
	for _, name := range slices.Concat(userDefault, userMore) {
		m[name] = nil // what the directory of this server does not know
	}
	maps.Copy(m, map[string]any{"id": u.ID, "userPrincipalName": orNil(u.UserPrincipalName), "mail": orNil(u.Mail),
		"displayName": orNil(u.DisplayName), "employeeId": orNil(u.EmployeeID), "userType": kind,
		"accountEnabled": true, "businessPhones": []string{}, "otherMails": []string{}, "proxyAddresses": []string{}})
	return object{"#microsoft.graph.user", m, userDefault}
}

func (g DirectoryGroup) properties() object {
	m := map[string]any{"id": g.ID, "displayName": orNil(g.DisplayName), "mail": orNil(g.Mail), "description": nil, "groupTypes": []string{},
		"mailEnabled": g.Mail != "", "mailNickname": nil, "securityEnabled": true, "visibility": nil, "onPremisesSamAccountName": nil, "onPremisesSecurityIdentifier": nil}
	return object{"#microsoft.graph.group", m, groupDefault}
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// selected is the object as $select has it. In a list of users and groups each
// object has those of the members that its type has.
func (o object) selected(sel string, mixed bool) (map[string]any, error) {
	names := o.plain
	if sel != "" {
		names = strings.Split(sel, ",")
	}
	m := make(map[string]any, len(names)+1)
	for _, name := range names {
		name = strings.TrimSpace(name)
		v, ok := o.values[name]
		if !ok && !mixed {
			return nil, badRequest("$select: could not find a property named '%s' on type '%s'", name, o.typ[1:])
		}
		if ok {
			m[name] = v
		}
	}
	if mixed {
		m["@odata.type"], m["id"] = o.typ, o.values["id"]
	}
	return m, nil
}

// A set is a set of directory objects: a query for rows of kind, id, upn, mail,
// name, employee, guest.
type set struct {
	context string
	query   string
	args    []any
	fields  []string
	mixed   bool // users and groups
}

const (
	userRow = `'u' AS kind, p.id AS id, p.upn AS upn, p.mail AS mail, p.name AS name, p.employee AS employee, p.guest AS guest`
	teamRow = `'g' AS kind, t.id AS id, '' AS upn, t.mail AS mail, t.name AS name, '' AS employee, 0 AS guest`
)

var (
	userFields  = []string{"id", "mail", "userPrincipalName", "employeeId", "displayName", "userType", "onPremisesSamAccountName", "onPremisesSecurityIdentifier"}
	groupFields = []string{"id", "mail", "displayName", "onPremisesSamAccountName", "onPremisesSecurityIdentifier"}
	allUsers    = set{context: "users", query: `SELECT ` + userRow + ` FROM people p`, fields: userFields}
	allGroups   = set{context: "groups", query: `SELECT ` + teamRow + ` FROM teams t`, fields: groupFields}
)

// related is the set that a path behind a user (kind u) or group (g) names,
// such as memberOf/microsoft.graph.group/$count. Circles of groups end,
// because UNION drops what was already found; nobody is in its own set.
func related(kind, id string, rest []string) (s set, count bool, err error) {
	if n := len(rest); n > 1 && rest[n-1] == "$count" {
		rest, count = rest[:n-1], true
	}
	self := who(map[string]string{"u": "user", "g": "group"}[kind], id)
	up := `SELECT grp FROM team_members WHERE who = ?`
	down := `SELECT who FROM team_members WHERE grp = ?`
	with := map[string]string{
		"memberOf":           up,
		"transitiveMemberOf": up + ` UNION SELECT m.grp FROM d CROSS JOIN team_members m ON m.who = d.who`,
		"members":            down,
		"transitiveMembers":  down + ` UNION SELECT m.who FROM d CROSS JOIN team_members m ON m.grp = d.who`,
	}[rest[0]]
	if with == "" || kind == "u" && strings.HasSuffix(strings.ToLower(rest[0]), "members") || len(rest) > 2 {
		return s, false, noSegment(rest[len(rest)-1])
	}
	users := ` SELECT ` + userRow + ` FROM d CROSS JOIN people p ON p.id = substr(d.who, 3) WHERE d.who LIKE 'u:%' AND d.who <> ?`
	teams := ` SELECT ` + teamRow + ` FROM d CROSS JOIN teams t ON t.id = substr(d.who, 3) WHERE d.who LIKE 'g:%' AND d.who <> ?`
	s = set{context: "directoryObjects", mixed: true, fields: userFields, args: []any{self, self, self}}
	cast := ""
	if len(rest) == 2 {
		cast = rest[1]
	}
	switch cast {
	case "":
		s.query = users + ` UNION ALL` + teams
	case "microsoft.graph.user":
		s.query, s.args = users, s.args[:2]
	case "microsoft.graph.group":
		s.query, s.args = teams, s.args[:2]
	default:
		return s, false, noSegment(cast)
	}
	s.query = `WITH RECURSIVE d (who) AS (` + with + `)` + s.query
	return s, count, nil
}

// column is the expression for a field of directory objects.
func (s *set) column(field string) string {
	return map[string]string{
		"id": "id", "mail": "mail", "userPrincipalName": "upn", "employeeId": "employee COLLATE NOCASE", "displayName": "name COLLATE NOCASE",
		"userType": "CASE WHEN guest THEN 'Guest' ELSE 'Member' END COLLATE NOCASE",
		// Nobody here comes from a domain: they are empty.
		"onPremisesSamAccountName": "NULL", "onPremisesSecurityIdentifier": "NULL",
	}[field]
}

// answerSet answers a page of a set, or with count its size.
func (c *call) answerSet(s set, count bool) error {
	known := []string{"$filter", "$select", "$orderby", "$top", "$skiptoken", "$count"}
	if count {
		known = []string{"$filter"}
	}
	if err := c.options(known...); err != nil {
		return err
	}
	eventual := strings.EqualFold(c.r.Header.Get("ConsistencyLevel"), "eventual")
	if count && !eventual {
		return badRequest("$count: it needs the request header ConsistencyLevel: eventual")
	}
	from, args, err := c.narrow(&s, eventual && (count || c.query.Get("$count") == "true"))
	if err != nil {
		return err
	}
	total := 0
	if count || c.query.Get("$count") == "true" {
		if err := c.s.db.QueryRowContext(c.r.Context(), `SELECT count(*) FROM `+from, args...).Scan(&total); err != nil {
			return err
		}
	}
	if count {
		return c.replyNumber(total)
	}
	order, err := parseOrder(c.query.Get("$orderby"), s.fields)
	if err != nil {
		return err
	}
	by := ""
	for _, o := range order {
		by += s.column(o.field)
		if o.descending {
			by += " DESC"
		}
		by += ", "
	}
	top, skip, err := c.paging(list{page: directoryPage, most: directoryMostPage})
	if err != nil {
		return err
	}
	found, err := c.s.rows(c.r.Context(), `SELECT * FROM `+from+` ORDER BY `+by+`id LIMIT ? OFFSET ?`, append(args, top+1, skip))
	if err != nil {
		return err
	}
	rows := make([]map[string]any, 0, len(found))
	for _, row := range found[:min(top, len(found))] {
		m, err := row.object().selected(c.query.Get("$select"), s.mixed)
		if err != nil {
			return err
		}
		rows = append(rows, m)
	}
	return c.replyRows(s.context, rows, total, skip, len(found) > top)
}

// narrow is what to select from, and with which arguments, by $filter.
// advanced tells that the client has asked for what the directory answers only
// then.
func (c *call) narrow(s *set, advanced bool) (from string, args []any, err error) {
	from, args = `(`+s.query+`)`, s.args
	text := c.query.Get("$filter")
	if text == "" {
		return from, args, nil
	}
	f, err := parseFilter(text, s.fields)
	if err != nil {
		return "", nil, err
	}
	values, special := 0, c.query.Has("$orderby")
	f.walk(func(f *filter) {
		values += len(f.values)
		special = special || f.op == "ne" || f.op == "not"
	})
	if values > maxFilterValues {
		return "", nil, badRequest("$filter: too many child clauses specified in search filter expression: %d. Max allowed: %d.", values, maxFilterValues)
	}
	if special && !advanced {
		return "", nil, &apiError{status: http.StatusBadRequest, code: "Request_UnsupportedQuery",
			message: "Unsupported query: not, ne, and $orderby beside $filter need the request header ConsistencyLevel: eventual and $count=true."}
	}
	where, more := f.sql(s.column)
	return from + ` WHERE ` + where, append(slices.Clip(args), more...), nil
}

// A directoryRow is a row of a set.
type directoryRow struct {
	kind string
	User
}

func (r *directoryRow) group() DirectoryGroup {
	return DirectoryGroup{ID: r.ID, DisplayName: r.DisplayName, Mail: r.Mail}
}

func (r *directoryRow) object() object {
	if r.kind == "g" {
		return r.group().properties()
	}
	return r.User.properties()
}

func (s *Server) rows(ctx context.Context, query string, args []any) ([]directoryRow, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []directoryRow
	for rows.Next() {
		var r directoryRow
		if err := rows.Scan(&r.kind, &r.ID, &r.UserPrincipalName, &r.Mail, &r.DisplayName, &r.EmployeeID, &r.Guest); err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}
