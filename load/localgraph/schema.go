package localgraph

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A property is one property of a schema, in the form that GET answers.
type property struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	Searchable  bool     `json:"isSearchable"`
	Retrievable bool     `json:"isRetrievable"`
	Queryable   bool     `json:"isQueryable"`
	Refinable   bool     `json:"isRefinable"`
	ExactMatch  bool     `json:"isExactMatchRequired,omitempty"`
	Labels      []string `json:"labels"`
	Aliases     []string `json:"aliases"`
	Description string   `json:"description,omitempty"`
	Ranking     *ranking `json:"rankingHint,omitempty"` // beta
	// SystemAlias is the alias that the service adds to a refinable property,
	// and that cannot be removed. It is answered among the others.
	SystemAlias string `json:"#alias,omitempty"`

	typ ptype
	k   int // its place in the schema, which names its column
}

// A ranking is how much a property counts, which the beta takes down and which
// changes nothing here.
type ranking struct {
	Score string `json:"importanceScore"`
}

func (p *property) column() string { return fmt.Sprintf("p%d", p.k) }

// stored tells that queries may need the value beside the index.
func (p *property) stored() bool { return p.Queryable || p.Refinable }

// A schema is compiled once and shared by all requests.
type schema struct {
	props   []*property
	byName  map[string]*property // lower-case names
	query   map[string]*property // lower-case names, aliases and label_x
	title   *property            // the one labelled title
	changed *property            // the one labelled lastModifiedDateTime, else createdDateTime
	people  bool                 // it describes people
	hash    []byte               // part of an item's digest: the index depends on the schema

	once  sync.Once // makes stmts
	stmts *statements
}

func compileSchema(props []*property, text string) *schema {
	sc := &schema{props: props, byName: map[string]*property{}, query: map[string]*property{}, hash: sha16(text)}
	var created *property
	for k, p := range props {
		p.k = k
		sc.people = sc.people || p.people()
		sc.byName[strings.ToLower(p.Name)] = p
		sc.query[strings.ToLower(p.Name)] = p
		for _, a := range append(slices.Clip(p.Aliases), p.SystemAlias) {
			if a != "" {
				sc.query[strings.ToLower(a)] = p
			}
		}
		for _, l := range p.Labels {
			sc.query["label_"+strings.ToLower(l)] = p
			switch l {
			case "title":
				sc.title = p
			case "lastModifiedDateTime":
				sc.changed = p
			case "createdDateTime":
				created = p
			}
		}
	}
	if sc.changed == nil {
		sc.changed = created
	}
	return sc
}

// storedSchema reads what was written by registerSchema; "" is no schema.
func storedSchema(text string) (*schema, error) {
	if text == "" {
		return nil, nil
	}
	var props []*property
	if err := json.Unmarshal([]byte(text), &props); err != nil {
		return nil, err
	}
	for _, p := range props {
		p.typ, _ = parseType(p.Type)
	}
	sum := sha16(text)
	return compileSchema(props, string(sum)), nil
}

// A propertyDoc is a property as a client sends it.
type propertyDoc struct {
	Name        string          `json:"name"`
	Type        string          `json:"type"`
	Searchable  json.RawMessage `json:"isSearchable"`
	Retrievable json.RawMessage `json:"isRetrievable"`
	Queryable   json.RawMessage `json:"isQueryable"`
	Refinable   json.RawMessage `json:"isRefinable"`
	ExactMatch  json.RawMessage `json:"isExactMatchRequired"`
	Labels      []string        `json:"labels"`
	Aliases     []string        `json:"aliases"`
	Description string          `json:"description"`
	Ranking     *ranking        `json:"rankingHint"`
}

// readSchema reads and checks the body of a registration by itself.
func readSchema(raw []byte) ([]*property, error) {
	var body struct {
		BaseType   *string       `json:"baseType"`
		Properties []propertyDoc `json:"properties"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, unreadable("the schema", err)
	}
	// The resource page prints a second spelling, taken for a slip.
	if b := body.BaseType; b == nil || (*b != "microsoft.graph.externalItem" && *b != "microsoft.graph.externalConnector.externalItem") {
		return nil, badRequest("baseType: must be microsoft.graph.externalItem")
	}
	var props []*property
	for i := range body.Properties {
		p, err := body.Properties[i].read()
		if err != nil {
			return nil, err
		}
		props = append(props, p)
	}
	return props, checkSchema(props)
}

func (d *propertyDoc) read() (*property, error) {
	typ, ok := parseType(d.Type)
	if !ok {
		return nil, badRequest("property %q: %q is not a property type", d.Name, d.Type)
	}
	p := &property{Name: d.Name, Type: typ.String(), typ: typ, Labels: nonNil(d.Labels), Aliases: nonNil(d.Aliases), Description: d.Description, Ranking: d.Ranking}
	for _, flag := range []struct {
		name string
		raw  json.RawMessage
		to   *bool
	}{
		{"isSearchable", d.Searchable, &p.Searchable}, {"isRetrievable", d.Retrievable, &p.Retrievable}, {"isQueryable", d.Queryable, &p.Queryable},
		{"isRefinable", d.Refinable, &p.Refinable}, {"isExactMatchRequired", d.ExactMatch, &p.ExactMatch},
	} {
		// Microsoft's own example of a schema sends flags as strings.
		switch strings.ToLower(strings.Trim(string(flag.raw), `"`)) {
		case "true":
			*flag.to = true
		case "false", "null", "":
		default:
			return nil, malformed("property %q: %s must be true or false, not %s", d.Name, flag.name, cut(flag.raw))
		}
	}
	if p.Ranking != nil {
		if p.Ranking.Score, ok = spelled([]string{"low", "medium", "high", "veryHigh"}, p.Ranking.Score); !ok {
			return nil, badRequest("property %q: the importanceScore of rankingHint is none of low, medium, high, veryHigh", d.Name)
		}
	}
	return p, nil
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// registerSchema starts the registration (PATCH, and the older POST) and
// answers with the place to watch it.
func (c *call) registerSchema(cn *connection) error {
	if err := cn.writable(); err != nil {
		return err
	}
	raw, err := c.body(maxAdminBytes)
	if err != nil {
		return err
	}
	changes, err := readSchema(raw)
	if err != nil {
		return err
	}
	op := requestID()
	due := time.Now().Add(c.s.schemaDelay()).UnixMilli()
	err = c.s.change(c.r.Context(), func(tx *wtx) error {
		var old, pending sql.NullString
		err := tx.row(`SELECT schema, pending FROM connections WHERE n = ? AND deleting = 0`, cn.n)(&old, &pending)
		if errors.Is(err, sql.ErrNoRows) {
			return notFound("The connection '%s' was not found.", cn.id)
		}
		if err != nil {
			return err
		}
		if pending.Valid {
			return conflict("A schema operation is in progress on connection '%s'; wait until it has completed.", cn.id)
		}
		props := changes
		if sc, err := storedSchema(old.String); err != nil {
			return err
		} else if sc != nil {
			if props, err = mergeSchema(sc.props, changes); err != nil {
				return err
			}
			if err := checkSchema(props); err != nil {
				return err
			}
		}
		addSystemAliases(props)
		text, err := json.Marshal(props)
		if err != nil {
			return err
		}
		if err := tx.exec(`UPDATE connections SET pending = ? WHERE n = ?`, string(text), cn.n); err != nil {
			return err
		}
		return tx.exec(`INSERT INTO operations (id, conn, status, due, schema) VALUES (?, ?, 'inprogress', ?, ?)`, op, cn.n, due, string(text))
	})
	if err != nil {
		return err
	}
	c.s.later(due, func() { _ = c.s.finishOperations(context.Background()) })
	c.w.Header().Set("Location", fmt.Sprintf("%s/external/connections/%s/operations/%s", c.root, cn.id, op))
	return c.replyNothing(http.StatusAccepted)
}

func (s *Server) schemaDelay() time.Duration {
	if in := s.faults.Load(); in != nil && in.Schema > 0 {
		return in.Schema
	}
	return s.opt.SchemaDelay
}

func (s *Server) schemaFailure() string {
	if in := s.faults.Load(); in != nil && in.SchemaFail {
		return "The registration failed on purpose: the fault schemaFail is set."
	}
	return s.opt.SchemaFailure
}

// finishOperations completes the registrations that are due. It is called by
// a timer, when the store is opened, and before an operation is read, so that
// a process that ended too early leaves nothing hanging.
func (s *Server) finishOperations(ctx context.Context) error {
	now := time.Now().UnixMilli()
	var due int
	err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM operations WHERE status = 'inprogress' AND due <= ?`, now).Scan(&due)
	if err != nil || due == 0 {
		return err
	}
	return s.change(ctx, func(tx *wtx) error {
		type job struct {
			id   string
			conn int64
			text string
		}
		var jobs []job
		err := tx.each(`SELECT id, conn, schema FROM operations WHERE status = 'inprogress' AND due <= ?`, func(scan func(...any) error) error {
			var j job
			err := scan(&j.id, &j.conn, &j.text)
			jobs = append(jobs, j)
			return err
		}, now)
		if err != nil {
			return err
		}
		if len(jobs) == 0 {
			return errNothing // another was quicker
		}
		for _, j := range jobs {
			if err := s.finishOperation(tx, j.id, j.conn, j.text); err != nil {
				return err
			}
		}
		return nil
	})
}

// If we crash here, the transaction is undone, and the next one to look
// completes the operation.
func (s *Server) finishOperation(tx *wtx, id string, conn int64, text string) error {
	if msg := s.schemaFailure(); msg != "" {
		if err := tx.exec(`UPDATE connections SET pending = NULL WHERE n = ?`, conn); err != nil {
			return err
		}
		return tx.exec(`UPDATE operations SET status = 'failed', error = ? WHERE id = ?`, msg, id)
	}
	sc, err := storedSchema(text)
	if err != nil {
		return err
	}
	if err := makeTables(tx, conn, sc); err != nil {
		return err
	}
	if err := tx.exec(`UPDATE connections SET schema = ?, pending = NULL, state = CASE state WHEN 'draft' THEN 'ready' ELSE state END WHERE n = ?`, text, conn); err != nil {
		return err
	}
	return tx.exec(`UPDATE operations SET status = 'completed' WHERE id = ?`, id)
}
