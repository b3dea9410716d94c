package load

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"importer/transform"
)

const connectionsPath = "/external/connections"

// States of a connection. A connection is a draft until its first schema is
// registered.
const (
	stateDraft         = "draft"
	stateReady         = "ready"
	stateObsolete      = "obsolete"
	stateLimitExceeded = "limitExceeded"
)

// A ConnectionInfo is what the service says of a connection, its settings
// aside: see Settings.
type ConnectionInfo struct {
	ID              string `json:"id"`
	Name            string `json:"name"`
	Description     string `json:"description"`
	State           string `json:"state"` // draft, ready, obsolete, limitExceeded, or one that is newer than this
	ContentCategory string `json:"contentCategory,omitempty"`
}

// On gives a client that is about another connection of the same service.
func (g *Graph) On(connection string) *Graph {
	other := *g
	other.opt.Connection = connection
	return &other
}

// Connections lists the connections that the app may see.
func (g *Graph) Connections(ctx context.Context, opt ListOptions) iter.Seq2[*Document[ConnectionInfo], error] {
	return list[ConnectionInfo](ctx, g, connectionsPath, opt, needConnection)
}

// Connection reads the connection, with all that the service says of it. Its
// error is an *APIError with Status 404 when there is none that this app may
// see.
func (g *Graph) Connection(ctx context.Context) (*Document[ConnectionInfo], error) {
	var doc Document[ConnectionInfo]
	err := g.doJSON(ctx, call{method: http.MethodGet, path: g.connectionPath(), prefer: preferNewEnums}, needConnection, nil, &doc)
	if err != nil {
		return nil, err
	}
	return &doc, nil
}

// GetConnection is Connection without its settings.
func (g *Graph) GetConnection(ctx context.Context) (*ConnectionInfo, error) {
	doc, err := g.Connection(ctx)
	if err != nil {
		return nil, err
	}
	return &doc.Value, nil
}

// EnsureConnection makes the connection and its schema what the mapping says
// and returns when the schema is registered.
func (g *Graph) EnsureConnection(ctx context.Context, c transform.Connection, s transform.Schema) (created bool, err error) {
	if g.opt.Connection != c.ID {
		return false, fmt.Errorf("the mapping's connection is %q, but this client was made for %q", c.ID, g.opt.Connection)
	}
	created, err = g.ensure(ctx, c, s)
	if !notFound(err) {
		return created, err
	}
	// It was there, and what is in it is not: it is being deleted.
	if info, err := g.standing(ctx); info != nil || err != nil {
		return false, cmp.Or(err, fmt.Errorf("the connection %s is there, but not what is in it: run again in some minutes", c.ID))
	}
	return g.ensure(ctx, c, s)
}

func (g *Graph) ensure(ctx context.Context, c transform.Connection, s transform.Schema) (created bool, err error) {
	info, err := g.GetConnection(ctx)
	switch {
	case notFound(err) && g.notes.told(g.connectionPath()):
		// Whoever remembers its items would take them for stored.
		return false, fmt.Errorf("the connection %s has been deleted since the run began: run again to make it anew with all its items", c.ID)
	case notFound(err):
		created = true
		info, err = g.createConnection(ctx, c)
	}
	if err != nil {
		return false, err
	}
	switch info.State {
	case stateObsolete:
		return false, fmt.Errorf("the connection %s is obsolete: the service lets it be read and deleted only; "+
			"delete it or choose another connection id", c.ID)
	case stateLimitExceeded:
		g.log.Warn("the connection is at its quota: items can be changed and deleted, but not added", "connection", c.ID)
	}
	if !created {
		if err := g.updateConnection(ctx, info, c); err != nil {
			return false, err
		}
	}
	return created, g.ensureSchema(ctx, info, s)
}

// CreateConnection makes a connection of doc, an externalConnection with an id
// and a name. Its error is an *ExistsError when there is one with that id.
func (g *Graph) CreateConnection(ctx context.Context, doc json.RawMessage) (*Document[ConnectionInfo], error) {
	var info ConnectionInfo
	if err := json.Unmarshal(doc, &info); err != nil {
		return nil, err
	}
	g = g.On(info.ID)
	if _, err := g.GetConnection(ctx); !notFound(err) {
		if err == nil {
			err = &ExistsError{"the connection " + info.ID}
		}
		return nil, err
	}
	if _, err := g.create(ctx, &info, doc); err != nil {
		return nil, err
	}
	var made *Document[ConnectionInfo]
	err := g.patiently(ctx, func() (err error) {
		made, err = g.Connection(ctx)
		return err
	}, g.connectionPath())
	return made, err
}

// UpdateConnection changes what patch, an externalConnection, names; lists in
// it replace the lists that are there.
func (g *Graph) UpdateConnection(ctx context.Context, patch json.RawMessage) error {
	_, err := g.do(ctx, call{method: http.MethodPatch, path: g.connectionPath(), body: patch, discard: true}, needConnection)
	return err
}

func (g *Graph) createConnection(ctx context.Context, c transform.Connection) (*ConnectionInfo, error) {
	body, err := marshal(struct {
		ID              string `json:"id"`
		Name            string `json:"name"`
		Description     string `json:"description,omitempty"`
		ContentCategory string `json:"contentCategory,omitempty"`
	}{c.ID, c.Name, c.Description, c.ContentCategory})
	if err != nil {
		return nil, err
	}
	return g.create(ctx, &ConnectionInfo{ID: c.ID, Name: c.Name, Description: c.Description, ContentCategory: c.ContentCategory}, body)
}

// create posts a connection, of which want is what counts. A POST is not
// idempotent, so after every doubtful answer the connection itself is asked
// for: of a lost reply, and of the 503 that the create page describes (a broken
// result card; the connection exists all the same), the retry would be
// answered 409. What is there then is ours if it is what was wanted.
func (g *Graph) create(ctx context.Context, want *ConnectionInfo, body []byte) (*ConnectionInfo, error) {
	d := drought{Retry: g.opt.Retry}
	started, told := time.Now(), false
	for {
		_, postErr := g.attempt(ctx, call{method: http.MethodPost, path: connectionsPath, body: body, discard: true})
		if postErr == nil {
			g.notes.make(g.connectionPath())
			return &ConnectionInfo{ID: want.ID, Name: want.Name, State: stateDraft}, nil
		}
		postErr = g.explain(postErr, needConnection)
		if !retryable(postErr) {
			return nil, postErr
		}
		info, err := g.GetConnection(ctx)
		taken := hasStatus(postErr, http.StatusConflict) && notFound(err)
		if taken && !told {
			if other := g.named(ctx, want.Name); other != "" {
				return nil, fmt.Errorf("the connection %s has the name %q, and no two of a tenant can have one: give this connection another name in the mapping, or delete that one: %w",
					other, want.Name, postErr)
			}
		}
		switch {
		case err == nil && info.differs(want) == "":
			g.notes.make(g.connectionPath())
			return info, nil
		case err == nil:
			return nil, fmt.Errorf("somebody else has just made a connection %s: %s: %w", want.ID, info.differs(want), postErr)
		case !notFound(err):
			return nil, err
		case taken && time.Since(started) >= min(takenFor, g.opt.Retry.For):
			return nil, fmt.Errorf("the connection id %s or the name %q is taken in this tenant by a connection of another app, "+
				"or by one that is still being deleted: choose another id and name, wait some minutes, or have its owner "+
				"put this app into configuration.authorizedAppIds: %w", want.ID, want.Name, postErr)
		case taken && !told:
			told = true
			g.log.Warn("the connection's id or name is taken, and nobody sees by what: waiting, in case that it is being deleted",
				"connection", want.ID, "name", want.Name, "for", min(takenFor, g.opt.Retry.For))
		}
		if err := g.again(ctx, &d, postErr); err != nil {
			return nil, err
		}
	}
}

// named gives the id of another connection of this app that has the name and is
// there to stay, "" if none is known.
func (g *Graph) named(ctx context.Context, name string) string {
	for doc, err := range g.Connections(ctx, ListOptions{}) {
		if err != nil {
			return "" // who has the name is not known, as before
		}
		c := &doc.Value
		if strings.EqualFold(c.Name, name) && c.ID != g.opt.Connection && (c.State == stateReady || c.State == stateDraft) {
			return c.ID
		}
	}
	return ""
}

// differs says in what the connection is not what was wanted, "" if it is. A
// field of which nothing is wanted, or nothing told, is no difference.
func (info *ConnectionInfo) differs(want *ConnectionInfo) string {
	var words []string
	for _, f := range []struct{ name, have, want string }{
		{"name", info.Name, want.Name}, {"description", info.Description, want.Description},
		{"content category", info.ContentCategory, want.ContentCategory},
	} {
		if f.want != "" && f.have != f.want && (f.name != "content category" || f.have != "" && f.have != unknownMember) {
			words = append(words, fmt.Sprintf("its %s is %q and not %q", f.name, f.have, f.want))
		}
	}
	return strings.Join(words, ", ")
}

func (g *Graph) updateConnection(ctx context.Context, info *ConnectionInfo, c transform.Connection) error {
	patch := connectionPatch(info, c)
	if c.ContentCategory != "" && info.ContentCategory != "" && info.ContentCategory != unknownMember && c.ContentCategory != info.ContentCategory {
		g.log.Warn("the content category of a connection is set when it is made; it stays", "connection", c.ID,
			"registered", info.ContentCategory, "mapping", c.ContentCategory)
	}
	if len(patch) == 0 {
		return nil
	}
	err := g.patch(ctx, patch)
	if patch["name"] == "" || !hasStatus(err, http.StatusConflict) {
		return err
	}
	// The connection was made beside another one, which has its name until it is
	// deleted: a name is no reason to stand still until then.
	other := g.named(ctx, c.Name)
	if other == "" {
		return fmt.Errorf("the name %q of the mapping is taken in this tenant by another connection: give this one another name in the mapping: %w", c.Name, err)
	}
	g.log.Warn("the connection keeps its name, as another one has that of the mapping; once that is deleted or has another name, a run gives it",
		"connection", c.ID, "registered", info.Name, "mapping", c.Name, "other", other)
	if delete(patch, "name"); len(patch) == 0 {
		return nil
	}
	return g.patch(ctx, patch)
}

func (g *Graph) patch(ctx context.Context, fields map[string]string) error {
	return g.doJSON(ctx, call{method: http.MethodPatch, path: g.connectionPath(), discard: true}, needConnection, fields, nil)
}

// connectionPatch has the fields of the connection that the mapping has otherwise.
func connectionPatch(info *ConnectionInfo, c transform.Connection) map[string]string {
	patch := make(map[string]string)
	if c.Name != "" && c.Name != info.Name {
		patch["name"] = c.Name
	}
	if c.Description != "" && c.Description != info.Description {
		patch["description"] = c.Description
	}
	return patch
}

// DeleteConnection deletes the connection with all its items and groups, and
// returns when it is gone.
func (g *Graph) DeleteConnection(ctx context.Context) error {
	if err := g.BeginDelete(ctx); err != nil {
		return err
	}
	// The service does it in the background and names no operation, so the
	// connection is asked for until it is not found.
	return g.poll(ctx, "the deletion of the connection "+g.opt.Connection, func() (bool, error) {
		_, err := g.GetConnection(ctx)
		if notFound(err) {
			return true, nil
		}
		return false, err
	})
}

// BeginDelete asks for the connection's deletion and does not wait for it.
func (g *Graph) BeginDelete(ctx context.Context) error {
	g.notes.forget(g.connectionPath())
	_, err := g.do(ctx, call{method: http.MethodDelete, path: g.connectionPath(), discard: true}, needConnection)
	if notFound(err) || hasStatus(err, http.StatusConflict) { // 409: a deletion is under way
		return nil
	}
	return err
}

// errNotOver is the end of patience with an operation.
var errNotOver = errors.New("has not come to an end")

// poll asks until done says so, waiting longer each time.
func (g *Graph) poll(ctx context.Context, what string, done func() (bool, error)) error {
	return g.pollFor(ctx, g.opt.Patience, what, done)
}

// pollFor is poll with a patience of its own.
func (g *Graph) pollFor(ctx context.Context, patience time.Duration, what string, done func() (bool, error)) error {
	started := time.Now()
	for wait, tries := g.opt.Poll, 1; ; wait, tries = min(2*wait, g.opt.PollMax), tries+1 {
		if ok, err := done(); ok || err != nil {
			return err
		}
		lasted := time.Since(started)
		if lasted >= patience {
			return &UnavailableError{Tries: tries, For: lasted, Err: fmt.Errorf("%s %w", what, errNotOver)}
		}
		if err := sleep(ctx, min(wait, max(patience-lasted, time.Millisecond))); err != nil {
			return err
		}
	}
}
