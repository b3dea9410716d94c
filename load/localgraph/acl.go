package localgraph

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
)

// An ace is one entry of an ACL.
type ace struct {
	typ, value, access string
}

// An acl is canonical: sorted, without repetitions. Items with the same ACL
// share one row, so that a search decides once for all of them.
type acl struct {
	entries []ace
	json    string
	hash    [32]byte
	beta    bool // an entry is written as only the beta writes it
}

type aclKey struct {
	conn int64
	hash [32]byte
}

// Principals are written as one string: what ACLs name, what groups hold, and
// what a caller is. Entra object ids do not care about case.
const (
	whoEveryone = "*"
	whoMembers  = "~" // everyoneExceptGuests
)

func who(kind, id string) string {
	switch kind {
	case "user":
		return "u:" + strings.ToLower(id)
	case "group":
		return "g:" + strings.ToLower(id)
	case "externalGroup":
		return "x:" + id
	case "everyone":
		return whoEveryone
	}
	return whoMembers
}

var aclTypes = []string{"user", "group", "everyone", "everyoneExceptGuests", "externalGroup"}

// spelled finds a name in any case and returns it as the API spells it.
func spelled(list []string, name string) (string, bool) {
	for _, s := range list {
		if strings.EqualFold(s, name) {
			return s, true
		}
	}
	return "", false
}

// readACL reads and checks the member acl of an item.
func readACL(raw []byte) (*acl, error) {
	if kindOf(raw) == 'n' {
		return nil, badRequest("acl: the list is null; an item needs at least one entry")
	}
	if kindOf(raw) != '[' {
		return nil, malformed("acl: must be an array of {type, value, accessType}")
	}
	a := &acl{}
	err := walkArray(raw, func(val []byte) error {
		e, beta, err := readACE(val)
		a.entries, a.beta = append(a.entries, e), a.beta || beta
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(a.entries) == 0 {
		return nil, badRequest("acl: the list is empty; an item needs at least one entry")
	}
	slices.SortFunc(a.entries, func(x, y ace) int {
		if n := strings.Compare(x.typ, y.typ); n != 0 {
			return n
		}
		if n := strings.Compare(x.value, y.value); n != 0 {
			return n
		}
		return strings.Compare(x.access, y.access)
	})
	a.entries = slices.Compact(a.entries)
	b := []byte{'['}
	for i, e := range a.entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, `{"type":"`...), e.typ...), `","value":`...)
		b = appendQuoted(b, e.value)
		b = append(append(append(b, `,"accessType":"`...), e.access...), `"}`...)
	}
	b = append(b, ']')
	a.json, a.hash = string(b), sha256.Sum256(b)
	return a, nil
}

// readACE reads an entry. The beta, and old pages, write an external group as
// type group with identitySource external.
func readACE(raw []byte) (e ace, beta bool, err error) {
	if kindOf(raw) != '{' {
		return e, false, malformed("acl: each entry must be an object {type, value, accessType}, not %s", cut(raw))
	}
	source := ""
	var once once
	err = walkObject(raw, func(key string, val []byte) error {
		var to *string
		switch key {
		case "type":
			to = &e.typ
		case "value":
			to = &e.value
		case "accessType":
			to = &e.access
		case "identitySource":
			to = &source
		default:
			return nil
		}
		if err := once.given("acl: ", key); err != nil {
			return err // which of the two would decide who sees the item?
		}
		if kindOf(val) != '"' {
			return malformed("acl: %s must be a string, not %s", key, cut(val))
		}
		*to = unquote(val)
		return nil
	})
	if err != nil {
		return e, false, err
	}
	typ, ok := spelled(aclTypes, e.typ)
	if !ok {
		return e, false, badRequest("acl: the type %q is not one of %s", e.typ, strings.Join(aclTypes, ", "))
	}
	if typ, beta, err = ofSource("acl", typ, source); err != nil {
		return e, false, err
	}
	access, ok := spelled([]string{"grant", "deny"}, e.access)
	if !ok {
		return e, false, badRequest("acl: the accessType %q is neither grant nor deny", e.access)
	}
	if strings.TrimSpace(e.value) == "" {
		return e, false, badRequest("acl: an entry of type %s needs a value", typ)
	}
	if len(e.value) > 512 {
		return e, false, badRequest("acl: the value of an entry of type %s is longer than 512 bytes", typ)
	}
	e.typ, e.access = typ, access
	return e, beta, nil
}

// ofSource is the type of a principal whose source the beta gives beside it.
// To overlook the source would give a directory group what is an external
// group's.
func ofSource(what, typ, source string) (_ string, beta bool, err error) {
	switch s, ok := spelled([]string{"azureActiveDirectory", "external", ""}, source); {
	case !ok:
		return "", false, badRequest("%s: the identitySource %q is neither azureActiveDirectory nor external", what, source)
	case s != "external":
		return typ, false, nil
	case typ == "group" || typ == "externalGroup":
		return "externalGroup", true, nil
	}
	return "", false, badRequest("%s: a %s of the identitySource external cannot be named; map it to a user of Entra ID", what, typ)
}

var errBetaSource = badRequest("identitySource: v1.0 does not have it; name an external group by the type externalGroup")

// checkObjectID refuses a user or group that is named by something else than
// its object id, which would let nobody through.
func (o *Options) checkObjectID(what, typ, id string) error {
	if typ != "user" && typ != "group" {
		return nil
	}
	if strings.Contains(id, "@") {
		return badRequest("%s: a %s is named by its object id in Entra ID, not by a user principal name or mail address (%q)", what, typ, id)
	}
	if o.RequireObjectIDs && !objectID.MatchString(id) {
		return badRequest("%s: %q is no object id of a %s; one is 8-4-4-4-12 hexadecimal digits", what, id, typ)
	}
	return nil
}

var objectID = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// aclRow finds or makes the row of an ACL.
func (tx *wtx) aclRow(conn int64, a *acl) (int64, error) {
	key := aclKey{conn, a.hash}
	if n, ok := tx.w.acls[key]; ok {
		return n, nil
	}
	if n, ok := tx.newACLs[key]; ok {
		return n, nil
	}
	var n int64
	err := tx.row(`SELECT n FROM acls WHERE conn = ? AND hash = ?`, conn, a.hash[:])(&n)
	if errors.Is(err, sql.ErrNoRows) {
		if n, err = tx.insert(`INSERT INTO acls (conn, hash, entries) VALUES (?, ?, ?)`, conn, a.hash[:], a.json); err != nil {
			return 0, err
		}
		for _, e := range a.entries {
			deny := 0
			if e.access == "deny" {
				deny = 1
			}
			if err := tx.exec(`INSERT OR IGNORE INTO aces (conn, who, deny, acl) VALUES (?, ?, ?, ?)`, conn, who(e.typ, e.value), deny, n); err != nil {
				return 0, err
			}
		}
	}
	if err != nil {
		return 0, err
	}
	if tx.newACLs == nil {
		tx.newACLs = map[aclKey]int64{}
	}
	tx.newACLs[key] = n
	return n, nil
}

// readACLs finds the ACLs of a connection that let a user through: some grant
// names one of the user's principals and no deny does.
//
// The principals are the user, the directory groups and the external groups it
// is in, directly or through other groups, and everyone. UNION drops what was
// already found, so cycles end. All is read anew for each search: a change of
// membership holds at once.
func (c *collector) readACLs(ctx context.Context, tx *sql.Tx, conn int64, u User) error {
	seed := []string{who("user", u.ID), whoEveryone}
	if !u.Guest {
		seed = append(seed, whoMembers)
	}
	b, err := json.Marshal(seed)
	if err != nil {
		return err
	}
	return c.feed(ctx, tx, `
		WITH RECURSIVE entra (who) AS (
			SELECT value FROM json_each(?)
			UNION SELECT t.grp FROM entra e CROSS JOIN team_members t ON t.who = e.who
		), mine (who) AS (
			SELECT who FROM entra
			UNION SELECT 'x:' || m.grp FROM mine CROSS JOIN members m ON m.conn = ? AND m.who = mine.who
		) SELECT kql_acl(?, a.acl, a.deny) FROM mine CROSS JOIN aces a ON a.conn = ? AND a.who = mine.who`, string(b), conn, c.number, conn)
}
