package load

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"importer/transform"
)

// A SchemaError lists what the mapping wants of the registered schema and the
// API does not allow.
type SchemaError struct {
	Connection string
	Conflicts  []SchemaConflict
}

// A SchemaConflict is one property that cannot become what the mapping says.
type SchemaConflict struct {
	Property   string
	Registered string // what the connection has
	Mapping    string // what the mapping says
}

func (e *SchemaError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the schema of connection %s cannot become what the mapping says:", e.Connection)
	for _, c := range e.Conflicts {
		fmt.Fprintf(&b, "\n  property %q is registered as %s, the mapping says %s", c.Property, c.Registered, c.Mapping)
	}
	b.WriteString("\nGraph lets a property neither change its type, nor go, nor become refinable: " +
		"choose a new connection id in the mapping, or delete the connection and crawl again")
	return b.String()
}

// A wireProperty is a property of a schema as the API spells it.
type wireProperty struct {
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

// A lenient boolean reads "true" and null as well: Microsoft's own reference
// example writes flags as strings.
type lenient bool

func (l *lenient) UnmarshalJSON(data []byte) error {
	*l = lenient(strings.EqualFold(strings.Trim(string(data), `"`), "true"))
	return nil
}

func wireSchema(s transform.Schema) []wireProperty {
	props := make([]wireProperty, len(s))
	for i, p := range s {
		props[i] = wireProperty{
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

// getSchema reads the registered schema; nil when there is none.
func (g *Graph) getSchema(ctx context.Context) ([]wireProperty, error) {
	var schema struct{ Properties []wireProperty }
	// Labels that are newer than the enum's unknownFutureValue, iconUrl among
	// them, come back as themselves only with this header.
	err := g.doJSON(ctx, call{
		method: http.MethodGet, path: g.connectionPath() + "/schema", prefer: "include-unknown-enum-members",
	}, needConnection, nil, &schema)
	if notFound(err) {
		return nil, nil
	}
	return schema.Properties, err
}

// ensureSchema registers the schema unless it is registered already.
//
// That GET answers with a schema proves nothing: it does so while the
// registration is still under way (msgraph-metadata#438). A connection that
// is still a draft, such as one whose first crawl was killed while it waited,
// therefore gets its schema again, and with it an operation to wait for.
func (g *Graph) ensureSchema(ctx context.Context, info *ConnectionInfo, s transform.Schema) error {
	have, err := g.getSchema(ctx)
	if err != nil {
		return err
	}
	want := wireSchema(s)
	changed, conflicts := diffSchema(have, want)
	if len(conflicts) > 0 {
		return &SchemaError{Connection: g.opt.Connection, Conflicts: conflicts}
	}
	if !changed && info.State != stateDraft {
		return nil
	}
	body, err := marshal(struct {
		BaseType   string         `json:"baseType"`
		Properties []wireProperty `json:"properties"`
	}{"microsoft.graph.externalItem", want})
	if err != nil {
		return err
	}
	g.log.Info("registering the schema; a tenant takes 5 to 15 minutes", "connection", g.opt.Connection)
	var ans *answer
	err = g.poll(ctx, "the registration of another schema", func() (bool, error) {
		ans, err = g.do(ctx, call{method: http.MethodPatch, path: g.connectionPath() + "/schema", body: body}, needConnection)
		if hasStatus(err, http.StatusConflict) { // another registration is under way
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return err
	}
	return g.awaitSchema(ctx, ans, want)
}

// awaitSchema returns when the operation that the answer names has completed.
func (g *Graph) awaitSchema(ctx context.Context, ans *answer, want []wireProperty) error {
	id := operationID(ans.header.Get("Location"))
	if id == "" {
		return g.awaitReady(ctx)
	}
	var op struct {
		Status string
		Error  *errorDetail
	}
	err := g.poll(ctx, "the registration of the schema", func() (bool, error) {
		err := g.doJSON(ctx, call{
			method: http.MethodGet, path: g.connectionPath() + "/operations/" + escapeSegment(id),
		}, needConnection, nil, &op)
		if notFound(err) { // not seen yet by the server that was asked
			return false, nil
		}
		// Any other status, unknown ones included, is not the end.
		status := strings.ToLower(op.Status)
		return status == "completed" || status == "failed", err
	})
	if err != nil || !strings.EqualFold(op.Status, "failed") {
		return err
	}
	// A registration may report an error and yet succeed (README of
	// msgraph-search-connector-sample): the service itself decides.
	if info, err := g.GetConnection(ctx); err == nil && info.State == stateReady {
		have, err := g.getSchema(ctx)
		changed, conflicts := diffSchema(have, want)
		if err == nil && !changed && len(conflicts) == 0 {
			g.log.Warn("the schema's registration reported an error, but it is registered", "connection", g.opt.Connection)
			return nil
		}
	}
	words := "the service does not say why"
	if op.Error != nil && op.Error.words() != "" {
		words = summary(op.Error.words())
	}
	return fmt.Errorf("the service refused the schema of connection %s: %s; correct the mapping's schema and run again",
		g.opt.Connection, words)
}

// awaitReady is for an answer without an operation: the first schema is
// registered when the connection leaves draft.
func (g *Graph) awaitReady(ctx context.Context) error {
	return g.poll(ctx, "the registration of the schema", func() (bool, error) {
		info, err := g.GetConnection(ctx)
		return err == nil && info.State != stateDraft, err
	})
}

// operationID takes the operation's id out of its Location. The rest of the
// address is not used: the token goes to no host that an answer names.
func operationID(location string) string {
	_, id, ok := strings.Cut(location, "/operations/")
	if !ok {
		return ""
	}
	id, _, _ = strings.Cut(id, "?")
	id, _, _ = strings.Cut(id, "/")
	if plain, err := url.PathUnescape(id); err == nil {
		return plain
	}
	return id
}

// diffSchema compares the registered schema with the wanted one, after the
// schema page's table of what may be changed: properties, aliases, labels,
// descriptions and search flags may, but a type may not, a property may not
// go, and none may become refinable.
func diffSchema(have, want []wireProperty) (changed bool, conflicts []SchemaConflict) {
	if len(have) == 0 {
		return true, nil
	}
	for _, w := range want {
		i := slices.IndexFunc(have, func(h wireProperty) bool { return strings.EqualFold(h.Name, w.Name) })
		if i < 0 {
			changed = true
			continue
		}
		h := have[i]
		switch {
		case !strings.EqualFold(h.Type, w.Type):
			conflicts = append(conflicts, SchemaConflict{w.Name, "type " + h.Type, "type " + w.Type})
		case bool(w.Refinable) && !bool(h.Refinable):
			conflicts = append(conflicts, SchemaConflict{w.Name, "not refinable", "refinable: true"})
		case !sameProperty(h, w):
			changed = true
		}
	}
	for _, h := range have {
		if !slices.ContainsFunc(want, func(w wireProperty) bool { return strings.EqualFold(h.Name, w.Name) }) {
			conflicts = append(conflicts, SchemaConflict{h.Name, "type " + h.Type, "nothing of it"})
		}
	}
	return changed, conflicts
}

func sameProperty(have, want wireProperty) bool {
	if have.ExactMatch != nil && bool(*have.ExactMatch) != (want.ExactMatch != nil) {
		return false
	}
	// The service adds an alias of its own to a refinable property.
	aliases := len(have.Aliases) == len(want.Aliases) || bool(have.Refinable) && len(have.Aliases) > len(want.Aliases)
	return have.Searchable == want.Searchable && have.Queryable == want.Queryable &&
		have.Retrievable == want.Retrievable && have.Refinable == want.Refinable &&
		have.Description == want.Description &&
		aliases && containsAll(have.Aliases, want.Aliases) && sameLabels(have.Labels, want.Labels)
}

// sameLabels takes unknownFutureValue for any label that is not listed, for a
// service that does not honour the Prefer header.
func sameLabels(have, want []string) bool {
	if len(have) != len(want) {
		return false
	}
	known := slices.DeleteFunc(slices.Clone(have), func(l string) bool { return l == "unknownFutureValue" })
	return containsAll(want, known)
}

// containsAll tells whether every one of names is in list, whatever the case.
func containsAll(list, names []string) bool {
	for _, name := range names {
		if !slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) }) {
			return false
		}
	}
	return true
}
