package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"importer/transform"
)

// A SchemaProperty is a property of a schema as the API spells it.
type SchemaProperty struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	Searchable  lenient  `json:"isSearchable"`
	Queryable   lenient  `json:"isQueryable"`
	Retrievable lenient  `json:"isRetrievable"`
	Refinable   lenient  `json:"isRefinable"`
	ExactMatch  *lenient `json:"isExactMatchRequired,omitempty"` // beta: v1.0 does not know it
	Aliases     []string `json:"aliases,omitempty"`
	Labels      []string `json:"labels,omitempty"`
	Description string   `json:"description,omitempty"`
}

func wireSchema(s transform.Schema) []SchemaProperty {
	props := make([]SchemaProperty, len(s))
	for i, p := range s {
		props[i] = SchemaProperty{
			Name: p.Name, Type: p.Type.String(),
			Searchable: lenient(p.Searchable), Queryable: lenient(p.Queryable),
			Retrievable: lenient(p.Retrievable), Refinable: lenient(p.Refinable),
			Aliases: p.Aliases, Labels: p.Labels, Description: p.Description,
		}
		if p.ExactMatch {
			props[i].ExactMatch = new(lenient(true))
		}
	}
	return props
}

// A SchemaInfo is what the service says of a schema.
type SchemaInfo struct {
	BaseType   string           `json:"baseType"`
	Properties []SchemaProperty `json:"properties"`
}

// preferNewEnums asks for members of enums that are newer than the enum's
// unknownFutureValue, the label iconUrl among them: they come back as
// themselves only with this header.
const preferNewEnums = "include-unknown-enum-members"

// Schema reads the registered schema. Its error is an *APIError with Status 404
// when there is none. That there is one is no sign that it is registered: the
// service answers with it while the registration is under way.
func (g *Graph) Schema(ctx context.Context) (*Document[SchemaInfo], error) {
	var doc Document[SchemaInfo]
	err := g.doJSON(ctx, call{method: http.MethodGet, path: g.connectionPath() + "/schema", prefer: preferNewEnums}, needConnection, nil, &doc)
	if err != nil {
		return nil, err
	}
	return &doc, nil
}

// getSchema reads the registered schema; nil when there is none.
func (g *Graph) getSchema(ctx context.Context) ([]SchemaProperty, error) {
	doc, err := g.Schema(ctx)
	if notFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return doc.Value.Properties, nil
}

// DiffSchema compares the registered schema with s. Its error is an *APIError
// with Status 404 when there is no connection.
func (g *Graph) DiffSchema(ctx context.Context, s transform.Schema) (*SchemaDiff, error) {
	info, err := g.GetConnection(ctx)
	if err != nil {
		return nil, err
	}
	return g.diffFrom(ctx, info, s)
}

func (g *Graph) diffFrom(ctx context.Context, info *ConnectionInfo, s transform.Schema) (*SchemaDiff, error) {
	have, err := g.getSchema(ctx)
	if err != nil {
		return nil, err
	}
	return &SchemaDiff{Connection: g.opt.Connection, State: info.State, Registered: len(have) > 0, Changes: diffSchema(have, wireSchema(s))}, nil
}

// FirstSchema is the difference between no schema of a connection that is not
// there, and s.
func FirstSchema(connection string, s transform.Schema) *SchemaDiff {
	return &SchemaDiff{Connection: connection, Changes: diffSchema(nil, wireSchema(s))}
}

// Reingest says which changes of the schema make it necessary to send every
// item again; none if the schema is not registered yet, or cannot be.
func (g *Graph) Reingest(ctx context.Context, s transform.Schema) ([]SchemaChange, error) {
	diff, err := g.DiffSchema(ctx, s)
	if err != nil || diff.Draft() || diff.Worst() != Reingest {
		return nil, err
	}
	return diff.With(Reingest), nil
}

// ensureSchema registers the schema unless it is registered already.
//
// That GET answers with a schema proves nothing: it does so while the
// registration is still under way (msgraph-metadata#438). A connection that
// is still a draft, such as one whose first crawl was killed while it waited,
// therefore gets its schema again, and with it an operation to wait for.
func (g *Graph) ensureSchema(ctx context.Context, info *ConnectionInfo, s transform.Schema) error {
	diff, err := g.diffFrom(ctx, info, s)
	if err != nil {
		return err
	}
	if len(diff.Changes) == 0 && !diff.Draft() {
		return g.awaitStray(ctx)
	}
	operation, err := g.BeginSchema(ctx, diff, s)
	if err != nil {
		return err
	}
	return g.AwaitSchema(ctx, operation, s, nil)
}

// BeginSchema asks for the registration of s and does not wait for its end.
// diff is what DiffSchema has said of it; if it holds what the API does not
// allow, nothing is sent and the error is a *SchemaError. It gives the id of
// the operation that registers the schema, "" if the service did not name one.
func (g *Graph) BeginSchema(ctx context.Context, diff *SchemaDiff, s transform.Schema) (operation string, err error) {
	if bad := diff.With(NewConnection); len(bad) > 0 {
		return "", &SchemaError{Connection: g.opt.Connection, Changes: bad}
	}
	body, err := marshal(SchemaInfo{"microsoft.graph.externalItem", wireSchema(s)})
	if err != nil {
		return "", err
	}
	g.log.Info("registering the schema; a tenant takes 5 to 15 minutes", "connection", g.opt.Connection)
	g.notes.first(g.connectionPath(), diff.Draft())
	var ans *answer
	clash := false
	err = g.poll(ctx, "the registration of another schema", func() (bool, error) {
		// What is under way may be this registration, if its answer was lost or
		// was an error: a draft that has become ready has its schema.
		if clash && diff.Draft() {
			if ok, err := g.registered(ctx, s); ok || err != nil {
				return ok, err
			}
		}
		err := g.patiently(ctx, func() (err error) {
			ans, err = g.do(ctx, call{method: http.MethodPatch, path: g.connectionPath() + "/schema", body: body}, needConnection)
			return err
		}, g.connectionPath())
		clash = hasStatus(err, http.StatusConflict)
		if clash {
			return false, nil
		}
		return true, err
	})
	switch {
	case notFound(err):
		return "", fmt.Errorf("%w; the connection %s is not there any more, or is being deleted: run again to make it anew", err, g.opt.Connection)
	case err != nil || ans == nil:
		return "", err
	}
	return operationID(ans.header.Get("Location")), nil
}

// An Operation is the registration of a schema (connectionOperation).
type Operation struct {
	ID     string
	Status string // inprogress, completed, failed, or one that is newer than this
	Error  *errorDetail
}

// UnmarshalJSON reads it with patience.
func (o *Operation) UnmarshalJSON(data []byte) error {
	var raw struct {
		ID, Status text
		Error      *errorDetail
	}
	err := json.Unmarshal(data, &raw)
	*o = Operation{string(raw.ID), string(raw.Status), raw.Error}
	return err
}

// Ended tells whether the operation is over, well or not. Any other status,
// unknown ones included, is not the end.
func (o *Operation) Ended() bool { return o.Failed() || strings.EqualFold(o.Status, "completed") }

// Failed tells whether the operation is over and nothing was registered.
func (o *Operation) Failed() bool { return strings.EqualFold(o.Status, "failed") }

// Words are the service's on a failure.
func (o *Operation) Words() string {
	if o.Error != nil && o.Error.words() != "" {
		return summary(o.Error.words())
	}
	return "the service does not say why"
}

// Operation reads an operation of the connection. Its error is an *APIError
// with Status 404 when there is none.
func (g *Graph) Operation(ctx context.Context, id string) (*Document[Operation], error) {
	var doc Document[Operation]
	err := g.doJSON(ctx, call{method: http.MethodGet, path: g.connectionPath() + "/operations/" + escapeSegment(id)}, needConnection, nil, &doc)
	if err != nil {
		return nil, err
	}
	return &doc, nil
}

// AwaitSchema returns when s is registered by the operation that BeginSchema
// gave. Its error is a *SchemaRefusedError when it ended as failed. tell, if not
// nil, is called each time that the operation has been looked at.
func (g *Graph) AwaitSchema(ctx context.Context, operation string, s transform.Schema, tell func(*Operation)) error {
	op, err := &Operation{ID: operation}, error(nil)
	started := time.Now()
	if operation == "" {
		err = g.poll(ctx, "the registration of the schema", func() (bool, error) { return g.registered(ctx, s) })
	} else {
		op, err = g.awaitOperation(ctx, operation, s, tell)
	}
	switch {
	case err != nil:
		return err
	case !op.Failed():
		if g.notes.wasDraft(g.connectionPath()) {
			g.notes.make(g.connectionPath()) // from now on it may have items
		}
		return nil
	}
	// A registration may report an error and yet succeed, some minutes later
	// (README of msgraph-search-connector-sample): the service itself decides.
	err = g.pollFor(ctx, min(time.Since(started)/4, 5*time.Minute), "the schema", func() (bool, error) { return g.registered(ctx, s) })
	if errors.Is(err, errNotOver) {
		return &SchemaRefusedError{Connection: g.opt.Connection, Words: op.Words()}
	}
	if err == nil {
		g.log.Warn("the schema's registration reported an error, but it is registered", "connection", g.opt.Connection, "error", op.Words())
	}
	return err
}

// awaitOperation returns when the operation is over.
func (g *Graph) awaitOperation(ctx context.Context, id string, s transform.Schema, tell func(*Operation)) (op *Operation, err error) {
	op = &Operation{ID: id}
	err = g.poll(ctx, "the registration of the schema", func() (bool, error) {
		doc, err := g.Operation(ctx, id)
		if notFound(err) {
			// Not seen yet by the server that was asked. Or never: but a draft
			// that has become ready has its schema.
			if !g.notes.wasDraft(g.connectionPath()) {
				return false, nil
			}
			return g.registered(ctx, s)
		}
		if err != nil {
			return false, err
		}
		if op = &doc.Value; tell != nil {
			tell(op)
		}
		return op.Ended(), nil
	})
	return op, err
}

// A SchemaRefusedError means that a registration has ended as failed.
type SchemaRefusedError struct{ Connection, Words string }

func (e *SchemaRefusedError) Error() string {
	return fmt.Sprintf("the service refused the schema of connection %s: %s; correct the mapping's schema and run again", e.Connection, e.Words)
}

// operationID takes the operation's id out of its Location: an address or a
// path that ends in operations/ID or operations('ID'), with or without a query.
// The rest of the address is not used: the token goes to no host that an answer
// names.
func operationID(location string) string {
	path, _, _ := strings.Cut(location, "?")
	path, _, _ = strings.Cut("/"+path, "#")
	i := strings.LastIndex(strings.ToLower(path), "/operations")
	if i < 0 {
		return ""
	}
	rest := path[i+len("/operations"):]
	id, ok := strings.CutPrefix(rest, "/")
	if key, quoted := strings.CutPrefix(rest, "('"); quoted {
		id, _, ok = strings.Cut(key, "')")
	}
	if !ok {
		return ""
	}
	id, _, _ = strings.Cut(id, "/")
	if plain, err := url.PathUnescape(id); err == nil {
		return plain
	}
	return id
}
