package load

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"

	"importer/transform"
)

// A Group is an external group as the API spells it.
type Group struct {
	ID          string `json:"id,omitempty"`
	DisplayName string `json:"displayName"`
	Description string `json:"description"`
}

// An Identity is a member of an external group, or who did something.
type Identity struct {
	Type string `json:"type"` // user, group, externalGroup, or one that is newer than this
	ID   string `json:"id"`
}

// An ExistsError means that what was to be made is there already.
type ExistsError struct{ What string }

func (e *ExistsError) Error() string { return e.What + " exists already" }

func (g *Graph) groupPath(id string) string {
	return g.connectionPath() + "/groups/" + escapeSegment(id)
}

// Groups lists the external groups of the connection. The call is in the
// API's model and on no page: see Unlisted.
func (g *Graph) Groups(ctx context.Context, opt ListOptions) iter.Seq2[*Document[Group], error] {
	return list[Group](ctx, g, g.connectionPath()+"/groups", opt, needItems)
}

// GetGroup reads an external group. Its error is an *APIError with Status 404
// when there is none.
func (g *Graph) GetGroup(ctx context.Context, id string) (*Document[Group], error) {
	var group Document[Group]
	if err := g.doJSON(ctx, call{method: http.MethodGet, path: g.groupPath(id)}, needItems, nil, &group); err != nil {
		return nil, err
	}
	return &group, nil
}

// CreateGroup makes an external group. Its error is an *ExistsError when there
// is one with that id.
func (g *Graph) CreateGroup(ctx context.Context, group Group) (*Document[Group], error) {
	if _, err := g.GetGroup(ctx, group.ID); !notFound(err) {
		if err == nil {
			err = &ExistsError{fmt.Sprintf("the group %s of connection %s", group.ID, g.opt.Connection)}
		}
		return nil, err
	}
	err := g.postGroup(ctx, group)
	if err != nil && !hasStatus(err, http.StatusConflict) { // 409: the reply of the first try was lost
		return nil, err
	}
	var made *Document[Group]
	err = g.patiently(ctx, func() (err error) {
		made, err = g.GetGroup(ctx, group.ID)
		return err
	}, g.groupPath(group.ID))
	if err == nil && (made.Value.DisplayName != group.DisplayName || made.Value.Description != group.Description) {
		return nil, &ExistsError{fmt.Sprintf("the group %s of connection %s, which somebody else has just made,", group.ID, g.opt.Connection)}
	}
	return made, err
}

// UpdateGroup changes what is not nil.
func (g *Graph) UpdateGroup(ctx context.Context, id string, displayName, description *string) error {
	patch := struct {
		DisplayName *string `json:"displayName,omitempty"`
		Description *string `json:"description,omitempty"`
	}{displayName, description}
	return g.doJSON(ctx, call{method: http.MethodPatch, path: g.groupPath(id), discard: true}, needItems, patch, nil)
}

// PutGroup makes the external group, or gives it its names, without members.
// existed tells that it was there, be it from a try whose reply was lost.
func (g *Graph) PutGroup(ctx context.Context, group transform.Group) (existed bool, err error) {
	want := Group{DisplayName: group.DisplayName, Description: group.Description}
	var have Group
	err = g.doJSON(ctx, call{method: http.MethodGet, path: g.groupPath(group.ID)}, needItems, nil, &have)
	if notFound(err) {
		create := want
		create.ID = group.ID
		err = g.postGroup(ctx, create)
		if !hasStatus(err, http.StatusConflict) {
			return false, err
		}
		// Made meanwhile, or by a POST whose reply was lost.
		conflict := err
		err = g.doJSON(ctx, call{method: http.MethodGet, path: g.groupPath(group.ID)}, needItems, nil, &have)
		if notFound(err) {
			return false, fmt.Errorf("the external group %s can neither be made nor found; it may be one that is being deleted: run again in some minutes: %w", group.ID, conflict)
		}
	}
	if err != nil || have.DisplayName == want.DisplayName && have.Description == want.Description {
		return true, err
	}
	return true, g.doJSON(ctx, call{method: http.MethodPatch, path: g.groupPath(group.ID), discard: true}, needItems, want, nil)
}

// postGroup makes a group. Its error is an *APIError with Status 409 when it is
// there, be it from a try whose reply was lost.
func (g *Graph) postGroup(ctx context.Context, group Group) error {
	err := g.patiently(ctx, func() error {
		return g.doJSON(ctx, call{method: http.MethodPost, path: g.connectionPath() + "/groups", discard: true}, needItems, group, nil)
	}, g.connectionPath())
	if err == nil || hasStatus(err, http.StatusConflict) {
		g.notes.make(g.groupPath(group.ID))
	}
	return err
}

// DeleteGroup deletes the group. One that is not there is deleted.
func (g *Graph) DeleteGroup(ctx context.Context, id string) error {
	_, err := g.remove(ctx, g.groupPath(id))
	return err
}

// AddMember adds a member. One that is there already is added, if it is of the
// same type.
func (g *Graph) AddMember(ctx context.Context, group string, m transform.Member) error {
	path := g.groupPath(group) + "/members"
	err := g.patiently(ctx, func() error {
		return g.doJSON(ctx, call{method: http.MethodPost, path: path, discard: true}, needItems, Identity{m.Type, m.ID}, nil)
	}, g.groupPath(group), g.connectionPath())
	if !hasStatus(err, http.StatusConflict) {
		return err
	}
	// To read a member is in the API's model and on no page: without an answer
	// the 409 has to do.
	var have Identity
	if g.once(ctx, call{method: http.MethodGet, path: path + "/" + escapeSegment(m.ID)}, &have) == nil &&
		have.Type != "" && have.Type != unknownMember && !strings.EqualFold(have.Type, m.Type) {
		return fmt.Errorf("the member %s of the external group %s is there as %s, and not as %s: take it out and add it again: %w",
			m.ID, group, have.Type, m.Type, err)
	}
	return nil
}

// RemoveMember removes a member. One that is not there is removed.
func (g *Graph) RemoveMember(ctx context.Context, group string, m transform.Member) error {
	_, err := g.TakeMember(ctx, group, m.ID)
	return err
}

// TakeMember removes the member with an id, of whatever type, and tells
// whether there was one. After a reply that was lost it may say that there was
// none.
func (g *Graph) TakeMember(ctx context.Context, group, id string) (found bool, err error) {
	return g.remove(ctx, g.groupPath(group)+"/members/"+escapeSegment(id))
}

// remove deletes what is at path. What is not there is deleted.
func (g *Graph) remove(ctx context.Context, path string) (found bool, err error) {
	_, err = g.do(ctx, call{method: http.MethodDelete, path: path, discard: true}, needItems)
	if notFound(err) {
		return false, nil
	}
	return err == nil, err
}

// Unlisted tells of the error of a listing that the service has no such call.
// Some of them are in the API's model and on no page.
func Unlisted(err error) bool {
	return hasStatus(err, http.StatusNotFound) || hasStatus(err, http.StatusMethodNotAllowed) ||
		hasStatus(err, http.StatusBadRequest) || hasStatus(err, http.StatusNotImplemented)
}

// Members lists the members of a group, all pages of them. listed is false
// when the service has no such call, or the group is not there.
func (g *Graph) Members(ctx context.Context, group string) (members []transform.Member, listed bool, err error) {
	for m, err := range list[Identity](ctx, g, g.groupPath(group)+"/members", ListOptions{}, needItems) {
		if Unlisted(err) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		members = append(members, transform.Member{Type: m.Value.Type, ID: m.Value.ID})
	}
	return members, true, nil
}
