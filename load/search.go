package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// A Query is what is searched for, as the token's user. The zero value of each
// field leaves it to the service.
type Query struct {
	Text        string   // KQL
	Connections []string // the client's own if there are none
	From        int      // the first hit wanted, from 0
	Size        int      // the most hits wanted; the service's default is 25
	Fields      []string // the properties wanted of each hit
	Sort        []SortKey
	Aggregate   []AggregateBy
	// Filters narrow the hits down to buckets of an earlier answer:
	// field:"token", field:or("token","token").
	Filters []string
	// Suggest asks for a corrected query when words of it are misspelt.
	Suggest bool
}

// A SortKey is a refinable property to sort by.
type SortKey struct {
	Name       string `json:"name"`
	Descending bool   `json:"isDescending"`
}

// An AggregateBy asks for the most frequent values of a refinable property.
type AggregateBy struct {
	Field string
	Size  int // the most values; 0 leaves it to the service
}

// Hits are a page of a search's answer.
type Hits struct {
	Total        int           `json:"total"` // of all pages; a tenant may estimate it
	More         bool          `json:"more"`  // there is a page after this one
	Hits         []Hit         `json:"hits"`
	Aggregations []Aggregation `json:"aggregations,omitempty"`
	// Suggestion is the query as it was probably meant; "" is none.
	Suggestion string `json:"suggestion,omitempty"`
}

// A Hit is an item that the searcher may see and that matches.
type Hit struct {
	ID         string                     `json:"id"`
	Connection string                     `json:"connection,omitempty"`
	Rank       int                        `json:"rank"`
	Summary    string                     `json:"summary"` // <c0>hit</c0>, <ddd/> where text is left out
	Properties map[string]json.RawMessage `json:"properties"`
}

// An Aggregation counts the hits by the values of a property.
type Aggregation struct {
	Field   string   `json:"field"`
	Buckets []Bucket `json:"buckets"`
}

// A Bucket is a value with the number of its hits, which may be an estimate.
type Bucket struct {
	Key   string `json:"key"`
	Count int64  `json:"count"`
	Token string `json:"aggregationFilterToken"`
}

// UnmarshalJSON reads it with patience: keys of numbers may be numbers.
func (b *Bucket) UnmarshalJSON(data []byte) error {
	var raw struct {
		Key   text
		Count number
		Token text `json:"aggregationFilterToken"`
	}
	err := json.Unmarshal(data, &raw)
	*b = Bucket{string(raw.Key), int64(raw.Count), string(raw.Token)}
	return err
}

// contentDomainID is the property in which a hit carries its item's id, after
// a comma: "x@tenant,itemid". No page says so; Microsoft's search samples and
// the CLI for Microsoft 365 rely on it. The hitId is opaque.
const contentDomainID = "substrateContentDomainId"

const contentSource = connectionsPath + "/"

// Search runs a query as the token's user.
func (g *Graph) Search(ctx context.Context, q Query) (*Hits, error) {
	in := map[string][]searchRequest{"requests": {g.searchRequest(q)}}
	var out searchAnswer
	err := g.doJSON(ctx, call{method: http.MethodPost, path: "/search/query"}, needSearch, in, &out)
	if hasStatus(err, http.StatusBadRequest) {
		return nil, fmt.Errorf("the service does not take the query %q: %w", q.Text, err)
	}
	if hasStatus(err, http.StatusInternalServerError) {
		// msgraph-sdk-dotnet#2798
		return nil, fmt.Errorf("%w; a tenant answers so for up to 20 minutes after the first schema of a connection is registered", err)
	}
	if err != nil {
		return nil, err
	}
	return out.hits(), nil
}

type searchRequest struct {
	EntityTypes    []string          `json:"entityTypes"`
	ContentSources []string          `json:"contentSources"`
	Query          map[string]string `json:"query"`
	From           int               `json:"from"`
	Size           int               `json:"size,omitempty"`
	Fields         []string          `json:"fields,omitempty"`
	Sort           []SortKey         `json:"sortProperties,omitempty"`
	Aggregations   []aggregation     `json:"aggregations,omitempty"`
	Filters        []string          `json:"aggregationFilters,omitempty"`
	Alter          *alterations      `json:"queryAlterationOptions,omitempty"`
}

type alterations struct {
	Suggest bool `json:"enableSuggestion"`
	Modify  bool `json:"enableModification"`
}

type aggregation struct {
	Field  string `json:"field"`
	Size   int    `json:"size,omitempty"`
	Bucket struct {
		SortBy     string `json:"sortBy"`
		Descending bool   `json:"isDescending"`
		Minimum    int    `json:"minimumCount"`
	} `json:"bucketDefinition"`
}

func (g *Graph) searchRequest(q Query) searchRequest {
	r := searchRequest{EntityTypes: []string{"externalItem"}, Query: map[string]string{"queryString": q.Text},
		From: q.From, Size: q.Size, Fields: q.Fields, Sort: q.Sort, Filters: q.Filters}
	if q.Suggest {
		r.Alter = &alterations{Suggest: true}
	}
	connections := q.Connections
	if len(connections) == 0 {
		connections = []string{g.opt.Connection}
	}
	for _, c := range connections {
		r.ContentSources = append(r.ContentSources, contentSource+c)
	}
	for _, by := range q.Aggregate {
		a := aggregation{Field: by.Field, Size: by.Size}
		a.Bucket.SortBy, a.Bucket.Descending, a.Bucket.Minimum = "count", true, 1
		r.Aggregations = append(r.Aggregations, a)
	}
	return r
}

type searchAnswer struct {
	Value []struct {
		HitsContainers []struct {
			Total                number
			MoreResultsAvailable lenient
			Hits                 []struct {
				HitID, Summary, ContentSource text
				Rank                          number
				Resource                      struct {
					Properties map[string]json.RawMessage
				}
			}
			Aggregations []Aggregation
		}
		QueryAlterationResponse struct {
			QueryAlteration struct {
				AlteredQueryString string
			}
		}
	}
}

func (a *searchAnswer) hits() *Hits {
	page := &Hits{Hits: []Hit{}}
	for _, value := range a.Value {
		page.Suggestion = value.QueryAlterationResponse.QueryAlteration.AlteredQueryString
		for _, container := range value.HitsContainers {
			page.Total += int(container.Total)
			page.More = page.More || bool(container.MoreResultsAvailable)
			page.Aggregations = append(page.Aggregations, container.Aggregations...)
			for _, h := range container.Hits {
				props := h.Resource.Properties
				hit := Hit{ID: itemID(props), Connection: strings.TrimPrefix(string(h.ContentSource), contentSource),
					Rank: int(h.Rank), Summary: string(h.Summary), Properties: props}
				if hit.ID == "" {
					hit.ID = string(h.HitID)
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
