package load

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A Document is an object of the API: what this package reads of it, and the
// text as it came. Members that are newer than this package, of which the API
// gets some every year, are in Raw only.
type Document[T any] struct {
	Value T
	Raw   json.RawMessage
}

// UnmarshalJSON keeps the text.
func (d *Document[T]) UnmarshalJSON(data []byte) error {
	d.Raw = slices.Clone(data)
	return json.Unmarshal(data, &d.Value)
}

// MarshalJSON gives the text back.
func (d Document[T]) MarshalJSON() ([]byte, error) { return d.Raw, nil }

// ListOptions say what is listed of a collection.
type ListOptions struct {
	Filter string // an OData filter, such as name eq 'Helpdesk'; "" is none
	Top    int    // the most members wanted; 0 is all
}

// first is the query of the first page.
func (o ListOptions) first() string {
	var parts []string
	if o.Filter != "" {
		parts = append(parts, "$filter="+escapeSegment(o.Filter))
	}
	if o.Top > 0 {
		parts = append(parts, "$top="+strconv.Itoa(o.Top))
	}
	return strings.Join(parts, "&")
}

// maxPages bounds a listing that has no end.
const maxPages = 10_000

// list yields the members of the collection at path, all pages of them. An
// error ends it: what came before is then not all.
//
// Of the link to the next page only the query is followed, on the collection's
// own path: the token goes to no host that an answer names.
func list[T any](ctx context.Context, g *Graph, path string, opt ListOptions, need permission) iter.Seq2[*Document[T], error] {
	return func(yield func(*Document[T], error) bool) {
		query, left := opt.first(), opt.Top
		seen := map[string]bool{}
		for {
			if seen[query] || len(seen) == maxPages {
				yield(nil, &finalError{fmt.Errorf("GET %s: the pages of the answer go in circles", path)})
				return
			}
			seen[query] = true
			var page struct {
				Value []*Document[T] `json:"value"`
				Next  string         `json:"@odata.nextLink"`
			}
			err := g.doJSON(ctx, call{method: http.MethodGet, path: path, query: query}, need, nil, &page)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, d := range page.Value {
				if d == nil { // null is no member
					continue
				}
				if left--; !yield(d, nil) || left == 0 {
					return
				}
			}
			if page.Next == "" {
				return
			}
			if query, err = nextQuery(page.Next); err != nil {
				yield(nil, &finalError{fmt.Errorf("GET %s: %w", path, err)})
				return
			}
		}
	}
}

// nextQuery takes the query out of a link to the next page.
func nextQuery(link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil || u.RawQuery == "" {
		return "", fmt.Errorf("the answer's link to its next page, %q, is none", link)
	}
	return strings.ReplaceAll(u.RawQuery, " ", "%20"), nil
}
