package load

import (
	"cmp"
	"context"

	"importer/transform"
)

// A ConnectionPreview is what EnsureConnection would do.
type ConnectionPreview struct {
	Create bool          `json:"create"` // there is no such connection
	State  string        `json:"state,omitempty"`
	Fields []FieldChange `json:"fields"`
	// Schema are the changes of the schema; all its properties when there is none.
	Schema []SchemaChange `json:"schema"`
}

// A FieldChange is a field of the connection that would be changed.
type FieldChange struct {
	Field   string `json:"field"`
	Now     string `json:"now"`
	Mapping string `json:"mapping"`
}

// Empty tells that there is nothing to do.
func (p *ConnectionPreview) Empty() bool {
	return !p.Create && p.State != stateDraft && len(p.Fields) == 0 && len(p.Schema) == 0
}

// PreviewConnection says what EnsureConnection would do, and changes nothing.
// Its error is a *SchemaError when the schema cannot become what s says.
func (g *Graph) PreviewConnection(ctx context.Context, c transform.Connection, s transform.Schema) (*ConnectionPreview, error) {
	p := &ConnectionPreview{Fields: []FieldChange{}, Schema: []SchemaChange{}}
	info, err := g.GetConnection(ctx)
	switch {
	case notFound(err):
		p.Create = true
		p.Schema = append(p.Schema, diffSchema(nil, wireSchema(s))...)
		return p, nil
	case err != nil:
		return nil, err
	}
	p.State = info.State
	patch := connectionPatch(info, c)
	for _, f := range []FieldChange{{"name", info.Name, patch["name"]}, {"description", info.Description, patch["description"]}} {
		if _, ok := patch[f.Field]; ok {
			p.Fields = append(p.Fields, f)
		}
	}
	diff, err := g.diffFrom(ctx, info, s)
	if err != nil {
		return nil, err
	}
	if bad := diff.With(NewConnection); len(bad) > 0 {
		return nil, &SchemaError{Connection: cmp.Or(info.ID, c.ID), Changes: bad}
	}
	p.Schema = append(p.Schema, diff.Changes...)
	return p, nil
}
