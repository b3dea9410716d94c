package load

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"importer/load/localgraph"
	"importer/transform"
)

// newLocalGraph gives a client of a local Graph, over an in-memory network,
// that has the connection desk with the property title.
func newLocalGraph(t *testing.T, change func(*GraphOptions)) (*localgraph.Server, *Graph) {
	t.Helper()
	server, err := localgraph.Open(t.TempDir(), localgraph.Options{SchemaDelay: time.Millisecond, Tokens: map[string]localgraph.Caller{"open": {App: true}}})
	if err != nil {
		t.Fatal(err)
	}
	wire := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	front := &http.Server{Handler: server}
	go front.Serve(wire)
	tr := newTransport(25, nil)
	tr.Proxy = nil
	tr.DialContext = wire.dial
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		front.Close()
		server.Close()
	})
	opt := GraphOptions{BaseURL: "http://graph.local", Connection: "desk", Token: StaticToken("open"), Transport: tr,
		Log: quiet, Poll: time.Millisecond}
	if change != nil {
		change(&opt)
	}
	g, err := NewGraph(opt)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.EnsureConnection(t.Context(), transform.Connection{ID: "desk", Name: "Desk"}, tickets); err != nil {
		t.Fatal(err)
	}
	return server, g
}

// noted is a Graph whose items are read back one by one: the API has no list.
type noted struct {
	*Graph
	mu  sync.Mutex // guards ids
	ids map[string]bool
}

func (n *noted) Put(ctx context.Context, items []*transform.Item) []Result {
	n.mu.Lock()
	if n.ids == nil {
		n.ids = make(map[string]bool)
	}
	for _, it := range items {
		n.ids[it.ID] = true
	}
	n.mu.Unlock()
	return n.Graph.Put(ctx, items)
}

func (n *noted) titles(t *testing.T) map[string]string {
	titles := make(map[string]string)
	for id := range n.ids {
		it, err := n.GetItem(t.Context(), id)
		switch {
		case notFound(err):
		case err != nil:
			t.Fatal(err)
		default:
			var title string
			if err := json.Unmarshal(it.Properties["title"], &title); err != nil {
				t.Fatalf("item %s: %v", id, err)
			}
			titles[id] = title
		}
	}
	return titles
}
