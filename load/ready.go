package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"importer/transform"
)

// When what was made may be used. The service takes its time with everything
// that it answers 202 to, and its servers do not learn of it at once:
//
//   - a schema is registered when its operation has completed, or a draft has
//     become ready; GET answers with it before (msgraph-metadata#438);
//   - an operation may be answered 404 at first, end as failed although the
//     schema is registered, or never be named;
//   - what has just been made may be answered 404 for a while;
//   - a connection that is being deleted may go on to be answered while
//     everything in it is 404, and creating it again is 409 until it is gone.

const (
	// settling is how long a 404 of what this client has made may mean that a
	// server has not learned of it yet. No page gives a figure; search needs 15
	// to 20 minutes after the first schema (msgraph-sdk-dotnet#2798).
	settling = 10 * time.Minute
	// takenFor is how long a create that is answered 409 for a connection that
	// nobody sees is tried again: it may be one that is being deleted, and will
	// more often be somebody else's.
	takenFor = 2 * time.Minute
	// strayOperation is how long an operation that another process began, and
	// that is found by a listing of which no page speaks, is waited for.
	strayOperation = 20 * time.Minute
)

// Notes are what a client and its copies for other connections (see On) have
// done and told, by path. It is safe for concurrent use.
type notes struct {
	mu     sync.Mutex           // guards the fields below
	made   map[string]time.Time // when
	stands map[string]bool      // what Ready has told of a connection
	drafts map[string]bool      // connections that had no schema when theirs was sent
}

func newNotes() *notes {
	return &notes{made: map[string]time.Time{}, stands: map[string]bool{}, drafts: map[string]bool{}}
}

// make notes that what is at path was made just now.
func (m *notes) make(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made[path] = time.Now()
}

// forget is for a connection that is deleted, with all that is in it.
func (m *notes) forget(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for made := range m.made {
		if made == path || strings.HasPrefix(made, path+"/") {
			delete(m.made, made)
		}
	}
	delete(m.stands, path)
}

// settles tells whether one of the paths was made a short while ago.
func (m *notes) settles(paths ...string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, path := range paths {
		if at, ok := m.made[path]; ok && time.Since(at) < settling {
			return true
		}
	}
	return false
}

// tell and told keep what Ready has told of a connection.
func (m *notes) tell(path string, stands bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stands[path] = stands
}

func (m *notes) told(path string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stands[path]
}

// first and wasDraft keep whether a schema that was sent is a connection's first.
func (m *notes) first(path string, draft bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drafts[path] = draft
}

func (m *notes) wasDraft(path string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.drafts[path]
}

// patiently makes a call about what is in one of the paths again and again
// while it is answered 404 and one of them was made a short while ago.
func (g *Graph) patiently(ctx context.Context, do func() error, paths ...string) error {
	d := drought{Retry: g.opt.Retry}
	for {
		err := do()
		if !notFound(err) || !g.notes.settles(paths...) {
			return err
		}
		// In other words, as a 404 itself is final.
		if err := g.again(ctx, &d, fmt.Errorf("%v; it has just been made, and not every server of the service may know it yet", err)); err != nil {
			return err
		}
	}
}

// Ready tells whether the connection is there and may have items. A draft has
// had no schema yet, and so no items. One that is being deleted is waited for
// and is not there.
func (g *Graph) Ready(ctx context.Context) (bool, error) {
	info, err := g.standing(ctx)
	if err != nil {
		return false, err
	}
	ready := info != nil && info.State != stateDraft
	g.notes.tell(g.connectionPath(), ready)
	return ready, nil
}

// standing reads the connection, nil if there is none. One that is no draft
// and has no schema is being deleted: it returns when that has come to an end.
func (g *Graph) standing(ctx context.Context) (*ConnectionInfo, error) {
	var info *ConnectionInfo
	told := false
	err := g.poll(ctx, "the deletion of the connection "+g.opt.Connection, func() (bool, error) {
		var err error
		if info, err = g.GetConnection(ctx); notFound(err) {
			info = nil
			return true, nil
		}
		if err != nil || info.State == stateDraft || g.notes.settles(g.connectionPath()) {
			return true, err
		}
		if _, err := g.Schema(ctx); !notFound(err) {
			return true, err
		}
		if !told {
			told = true
			g.log.Warn("the connection has a state and no schema, as one that is being deleted: waiting for it to go", "connection", g.opt.Connection)
		}
		return false, nil
	})
	return info, err
}

// registered tells whether s is the schema in force, as well as can be told
// without an operation. Of a connection that was ready before nothing else
// tells it than that GET answers with s, and that the operations, of which the
// model has a list and the pages have none, do not say otherwise.
func (g *Graph) registered(ctx context.Context, s transform.Schema) (bool, error) {
	diff, err := g.DiffSchema(ctx, s)
	if notFound(err) && g.notes.settles(g.connectionPath()) {
		return false, nil
	}
	if err != nil || diff.Draft() || len(diff.Changes) > 0 {
		return false, err
	}
	return g.underWay(ctx) == "", nil
}

// underWay gives the id of an operation that is in progress. A service that
// does not list its operations has none.
func (g *Graph) underWay(ctx context.Context) (id string) {
	var page struct {
		Value []Operation `json:"value"`
	}
	if err := g.once(ctx, call{method: "GET", path: g.connectionPath() + "/operations"}, &page); err != nil {
		return ""
	}
	for _, op := range page.Value {
		if strings.EqualFold(op.Status, "inprogress") {
			return op.ID
		}
	}
	return ""
}

// awaitStray waits for a registration that another process began: one that was
// killed while it waited, or somebody else. GET answers with its schema
// already, and items that need it would be refused.
func (g *Graph) awaitStray(ctx context.Context) error {
	id := g.underWay(ctx)
	if id == "" {
		return nil
	}
	g.log.Info("a registration of the schema is under way", "connection", g.opt.Connection, "operation", id)
	err := g.pollFor(ctx, strayOperation, "the registration of the schema", func() (bool, error) {
		op, err := g.Operation(ctx, id)
		if notFound(err) {
			return true, nil
		}
		return err == nil && op.Value.Ended(), err
	})
	if gone, ok := errors.AsType[*UnavailableError](err); ok && errors.Is(gone, errNotOver) {
		g.log.Warn("an operation of the connection does not come to an end, and is waited for no longer", "connection", g.opt.Connection, "operation", id)
		return nil
	}
	return err
}
