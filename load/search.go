package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// A StoredItem is an item as the service gives it back. Activities are not
// part of it: they are write-only.
type StoredItem struct {
	ID  string `json:"id"`
	ACL []struct {
		Type       string `json:"type"`
		Value      string `json:"value"`
		AccessType string `json:"accessType"`
	} `json:"acl"`
	// Properties are raw, so that an int64 above 2^53 keeps its digits.
	Properties map[string]json.RawMessage `json:"properties"`
	Content    *struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	} `json:"content,omitempty"`
}

// GetItem reads an item back. Its error is an *APIError with Status 404 when
// there is none.
func (g *Graph) GetItem(ctx context.Context, id string) (*StoredItem, error) {
	var it StoredItem
	err := g.doJSON(ctx, call{method: http.MethodGet, path: g.itemPath(id)}, needItems, nil, &it)
	if err != nil {
		return nil, err
	}
	return &it, nil
}

// Hits are a page of a search's answer.
type Hits struct {
	Total int   `json:"total"` // of all pages; a tenant may estimate it
	More  bool  `json:"-"`     // there is a page after this one
	Hits  []Hit `json:"hits"`
}

// A Hit is an item that the searcher may see and that matches.
type Hit struct {
	ID         string                     `json:"id"`
	Rank       int                        `json:"rank"`
	Summary    string                     `json:"summary"` // <c0>hit</c0>, <ddd/> where text is left out
	Properties map[string]json.RawMessage `json:"properties"`
}

// contentDomainID is the property in which a hit carries its item's id, after
// a comma: "x@tenant,itemid". No page says so; Microsoft's search samples and
// the CLI for Microsoft 365 rely on it. The hitId is opaque.
const contentDomainID = "substrateContentDomainId"

// Search runs a KQL query as the token's user over connections, the client's
// own if none is named. from counts from 0; a size of 0 leaves it to the
// service (25).
func (g *Graph) Search(ctx context.Context, query string, from, size int, connections ...string) (*Hits, error) {
	if len(connections) == 0 {
		connections = []string{g.opt.Connection}
	}
	sources := make([]string, len(connections))
	for i, c := range connections {
		sources[i] = "/external/connections/" + c
	}
	type request struct {
		EntityTypes    []string          `json:"entityTypes"`
		ContentSources []string          `json:"contentSources"`
		Query          map[string]string `json:"query"`
		From           int               `json:"from"`
		Size           int               `json:"size,omitempty"`
	}
	in := map[string][]request{"requests": {{
		[]string{"externalItem"}, sources, map[string]string{"queryString": query}, from, size,
	}}}
	var out searchAnswer
	err := g.doJSON(ctx, call{method: http.MethodPost, path: "/search/query"}, needSearch, in, &out)
	if hasStatus(err, http.StatusBadRequest) {
		return nil, fmt.Errorf("the service does not take the query %q: %w", query, err)
	}
	if err != nil {
		return nil, err
	}
	return out.hits(), nil
}

type searchAnswer struct {
	Value []struct {
		HitsContainers []struct {
			Total                int
			MoreResultsAvailable bool
			Hits                 []struct {
				HitID, Summary string
				Rank           int
				Resource       struct {
					Properties map[string]json.RawMessage
				}
			}
		}
	}
}

func (a *searchAnswer) hits() *Hits {
	page := &Hits{Hits: []Hit{}}
	for _, value := range a.Value {
		for _, container := range value.HitsContainers {
			page.Total += container.Total
			page.More = page.More || container.MoreResultsAvailable
			for _, h := range container.Hits {
				props := h.Resource.Properties
				hit := Hit{ID: itemID(props), Rank: h.Rank, Summary: h.Summary, Properties: props}
				if hit.ID == "" {
					hit.ID = h.HitID
				}
				delete(props, contentDomainID)
				page.Hits = append(page.Hits, hit)
			}
		}
	}
	return page
}

func itemID(props map[string]json.RawMessage) string {
	var domain string
	if json.Unmarshal(props[contentDomainID], &domain) != nil {
		return ""
	}
	_, id, _ := strings.Cut(domain, ",")
	return id
}
