// Package load brings items to a target and keeps what stands around them.
//
// A [Target] makes single attempts at items and says of each what became of
// it, its [Fate]: [Graph] is Microsoft Graph, or anything that speaks its
// connectors API, and [JSONL] is a file. A [Loader] does all the batching,
// pacing by a [Limiter], waiting and retrying, the same for every target:
//
//	token, err := load.NewTokenSource(load.AuthOptions{BaseURL: url})
//	graph, err := load.NewGraph(load.GraphOptions{BaseURL: url, Connection: "helpdesk", Token: token})
//	created, err := graph.EnsureConnection(ctx, mapping.Connection, mapping.Schema)
//	loader := &load.Loader{Target: graph, Limiter: load.NewLimiter(load.LimiterOptions{})}
//	results, err := loader.Put(ctx, items)
//
// Two rules hold everywhere. Only the service's verdict on an item rejects
// it; an outage, a throttle or a cancel leaves it Unsettled, however often it
// was tried. And when retries run out the call ends with an error, so that
// the crawl stops and goes on later: it never rejects its way through an
// outage.
package load

import (
	"context"
	"time"

	"importer/transform"
)

// A Fate is what became of an item. The zero Fate is the safe one.
type Fate uint8

// Only the service's verdict on the item itself rejects it. A transport
// error, a throttle or a cancel is Unsettled, however often it was tried.
const (
	Unsettled Fate = iota
	Stored         // or deleted, for Delete
	Rejected       // the target will never take this item as it is
)

// A Result is one item's answer to one attempt.
type Result struct {
	Fate Fate
	// Err says why, when Fate is not Stored. For Rejected it is an *APIError
	// with the service's words.
	Err error
	// Refused is what the service says of the activities of a stored item that
	// it does not take, a line each.
	Refused string
	// After is how long the service asks everybody to wait; 0 if it did not.
	After time.Duration
	// Throttled tells an answer that asks for a lower rate (429).
	Throttled bool
	// Fatal tells that no further attempt by anybody can succeed: wrong
	// token, no permission, unknown connection. The crawl stops, resumable.
	Fatal bool
}

// A Target makes one attempt and classifies the answers; the Loader does all
// the waiting and retrying. The results are parallel to the arguments.
// Implementations are safe for concurrent use.
type Target interface {
	// MaxBatch is the number of items that one call may carry.
	MaxBatch() int
	Put(ctx context.Context, items []*transform.Item) []Result
	Delete(ctx context.Context, ids []string) []Result
}

// An Admin manages what stands around the items. The Graph client implements
// it; a file target has none.
type Admin interface {
	// EnsureConnection creates or updates the connection and its schema and
	// returns when the schema is registered. created tells that the
	// connection did not exist before. Whoever remembers items asks Ready first
	// and doubts them durably: a process may die while the schema registers.
	EnsureConnection(ctx context.Context, c transform.Connection, s transform.Schema) (created bool, err error)
	// PreviewConnection says what EnsureConnection would do.
	PreviewConnection(ctx context.Context, c transform.Connection, s transform.Schema) (*ConnectionPreview, error)
	// Ready tells that the connection is there and may have items: it exists
	// and is no draft.
	Ready(ctx context.Context) (bool, error)
	// Reingest says which changes of the schema, of which EnsureConnection makes
	// no ado, need every item that is there to be sent again.
	Reingest(ctx context.Context, s transform.Schema) ([]SchemaChange, error)
	// PutGroup makes the external group, without members, or gives it its names.
	PutGroup(ctx context.Context, g transform.Group) (existed bool, err error)
	// Members lists a group's members; listed is false where the service has
	// no such call (it is in the model and on no page).
	Members(ctx context.Context, group string) (members []transform.Member, listed bool, err error)
	DeleteGroup(ctx context.Context, id string) error
	AddMember(ctx context.Context, group string, m transform.Member) error
	RemoveMember(ctx context.Context, group string, m transform.Member) error
}
