package load

import (
	"context"
	"net/http"
	"net/url"

	"importer/transform"
)

type wireGroup struct {
	ID          string `json:"id,omitempty"`
	DisplayName string `json:"displayName"`
	Description string `json:"description"`
}

func (g *Graph) groupPath(id string) string {
	return g.connectionPath() + "/groups/" + escapeSegment(id)
}

// PutGroup makes the external group, or gives it its names, without members.
func (g *Graph) PutGroup(ctx context.Context, group transform.Group) error {
	want := wireGroup{DisplayName: group.DisplayName, Description: group.Description}
	var have wireGroup
	err := g.doJSON(ctx, call{method: http.MethodGet, path: g.groupPath(group.ID)}, needItems, nil, &have)
	if notFound(err) {
		create := want
		create.ID = group.ID
		err = g.doJSON(ctx, call{method: http.MethodPost, path: g.connectionPath() + "/groups", discard: true}, needItems, create, nil)
		if !hasStatus(err, http.StatusConflict) {
			return err
		}
		// Made meanwhile, or by a POST whose reply was lost.
		err = nil
		have = wireGroup{ID: group.ID}
	}
	if err != nil || have.DisplayName == want.DisplayName && have.Description == want.Description {
		return err
	}
	return g.doJSON(ctx, call{method: http.MethodPatch, path: g.groupPath(group.ID), discard: true}, needItems, want, nil)
}

// DeleteGroup deletes the group. One that is not there is deleted.
func (g *Graph) DeleteGroup(ctx context.Context, id string) error {
	return g.remove(ctx, g.groupPath(id))
}

// AddMember adds a member. One that is there already is added.
func (g *Graph) AddMember(ctx context.Context, group string, m transform.Member) error {
	member := struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	}{m.ID, m.Type}
	err := g.doJSON(ctx, call{method: http.MethodPost, path: g.groupPath(group) + "/members", discard: true}, needItems, member, nil)
	if hasStatus(err, http.StatusConflict) {
		return nil
	}
	return err
}

// RemoveMember removes a member. One that is not there is removed.
func (g *Graph) RemoveMember(ctx context.Context, group string, m transform.Member) error {
	return g.remove(ctx, g.groupPath(group)+"/members/"+escapeSegment(m.ID))
}

func (g *Graph) remove(ctx context.Context, path string) error {
	_, err := g.do(ctx, call{method: http.MethodDelete, path: path, discard: true}, needItems)
	if notFound(err) {
		return nil
	}
	return err
}

// Members lists the members of a group, all pages of them. listed is false
// when the service has no such call, or the group is not there.
func (g *Graph) Members(ctx context.Context, group string) (members []transform.Member, listed bool, err error) {
	path := g.groupPath(group) + "/members"
	for page := 0; path != "" && page < maxPages; page++ {
		var answer struct {
			Value []struct{ ID, Type string }
			Next  string `json:"@odata.nextLink"`
		}
		err := g.doJSON(ctx, call{method: http.MethodGet, path: path}, needItems, nil, &answer)
		if err != nil {
			if hasStatus(err, http.StatusNotFound) || hasStatus(err, http.StatusMethodNotAllowed) ||
				hasStatus(err, http.StatusBadRequest) || hasStatus(err, http.StatusNotImplemented) {
				return nil, false, nil
			}
			return nil, false, err
		}
		for _, m := range answer.Value {
			members = append(members, transform.Member{Type: m.Type, ID: m.ID})
		}
		// The link's host is not followed, so that the token goes nowhere else.
		path = ""
		if next, err := url.Parse(answer.Next); err == nil && next.RawQuery != "" {
			path = g.groupPath(group) + "/members?" + next.RawQuery
		}
	}
	return members, true, nil
}

// maxPages bounds a listing whose links go in circles.
const maxPages = 10_000
