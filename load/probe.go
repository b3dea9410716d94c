package load

import (
	"context"
	"net/http"
	"time"
)

// A Probe is what two small requests have told of a service.
type Probe struct {
	// Connect is how long the first of them took, with whatever a new
	// connection needs; Answer is how long the second took.
	Connect, Answer time.Duration
	// Skew is how far the service's clock is ahead of this machine's, if
	// Clocked. The service tells whole seconds.
	Skew    time.Duration
	Clocked bool
	// Err is that of the request itself: an *APIError or *AuthError when the
	// service answered.
	Err error
}

// Answered tells whether the service itself answered.
func (p *Probe) Answered() bool { return p.Err == nil || Status(p.Err) != 0 }

// Probe asks the service for one connection, twice and without trying again,
// and looks at how it answers rather than at what.
func (g *Graph) Probe(ctx context.Context) *Probe {
	p := &Probe{}
	for i := range 2 {
		started := time.Now()
		header, err := g.look(ctx, call{method: http.MethodGet, path: connectionsPath, query: "$top=1", discard: true})
		took := time.Since(started)
		p.Err = err
		if header == nil {
			p.Connect, p.Answer = took, took
			return p
		}
		if i == 0 {
			p.Connect = took
		}
		p.Answer = took
		if date, err := http.ParseTime(header.Get("Date")); err == nil {
			// It was half of the way ago, and is told without its fraction.
			p.Skew, p.Clocked = time.Until(date)+took/2+time.Second/2, true
		}
	}
	return p
}

// look makes one attempt and gives the header of the answer, whatever it is;
// nil when there was none.
func (g *Graph) look(ctx context.Context, c call) (http.Header, error) {
	token, err := g.token(ctx)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, g.opt.Timeout)
	defer cancel()
	req, err := g.request(limited, c, token)
	if err != nil {
		return nil, err
	}
	started := time.Now()
	resp, err := g.opt.Transport.RoundTrip(req)
	if err != nil {
		return nil, g.transportError(ctx, limited, c, err)
	}
	_, err = g.read(ctx, limited, c, exchange{req, resp, started, token})
	return resp.Header, g.explain(err, needConnection)
}
