package localgraph

import (
	"net/url"
	"strings"
)

// What clients may write in a path in more than one way, brought to one: Graph
// takes the names of its resources in any case, keys in parentheses as OData
// has them (connections('desk')/items('1')), the qualified names of actions,
// and a slash too many behind the root, which a base URL that ends in one
// makes. Ids are left as they are.

// pathNames are the names that stand in paths, by their lower case.
var pathNames = func() map[string]string {
	names := map[string]string{"microsoft.graph.query": "query"}
	for _, name := range []string{"external", "connections", "schema", "operations", "items", "groups", "members", "activities", "addActivities",
		"microsoft.graph.externalConnectors.addActivities", "quota", "search", "query", "$batch", "$count", "users", "me", "organization", "memberOf",
		"transitiveMemberOf", "transitiveMembers", "microsoft.graph.user", "microsoft.graph.group"} {
		names[strings.ToLower(name)] = name
	}
	return names
}()

// tidy brings the path of the request to its one form. The request itself is
// its sender's and stays as it is.
func (c *call) tidy() {
	raw := c.r.URL.EscapedPath()
	path := tidyPath(raw)
	if path == raw {
		return
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return // route says so
	}
	r, u := *c.r, *c.r.URL
	u.Path, u.RawPath = plain, path
	r.URL, c.r = &u, &r
}

// tidyPath brings an escaped path to its one form, if it is one of the API's.
func tidyPath(raw string) string {
	if rest, ok := strings.CutPrefix(raw, "/v1.0/external/connections/"); ok { // nearly all requests: nothing to do
		if _, rest, ok = strings.Cut(rest, "/items/"); ok && !strings.Contains(rest, "/") {
			return raw
		}
	}
	seg := strings.Split(strings.TrimLeft(raw, "/"), "/")
	switch version := strings.ToLower(seg[0]); version {
	case "v1.0", "beta":
		seg[0] = version
	default:
		return raw
	}
	out := seg[:1:1]
	for _, s := range seg[1:] {
		if s == "" && len(out) == 1 && len(seg) > 2 {
			continue
		}
		if !namePlace(out[1:]) {
			out = append(out, s)
			continue
		}
		name, key := splitKey(s)
		if known := pathNames[strings.ToLower(name)]; known != "" {
			name = known
		} else if key == "" {
			name = s
		}
		out = append(out, name)
		if key != "" {
			out = append(out, key)
		}
	}
	return "/" + strings.Join(out, "/")
}

// namePlace tells whether a name follows the segments, and not an id.
func namePlace(before []string) bool {
	n := len(before)
	if n == 0 {
		return true
	}
	switch before[0] {
	case "external": // external/connections/{id}/items/{id}/addActivities
		return n != 2 && n != 4 && n != 6
	case "users", "groups", "organization":
		return n != 1
	}
	return true
}

// splitKey parts name('key'). Both are answered as a path has them.
func splitKey(s string) (name, key string) {
	text, err := url.PathUnescape(s)
	if err != nil {
		return s, ""
	}
	name, rest, ok := strings.Cut(text, "('")
	rest, closed := strings.CutSuffix(rest, "')")
	if !ok || !closed || rest == "" { // without a key it would be the whole collection
		return text, ""
	}
	return name, url.PathEscape(strings.ReplaceAll(rest, "''", "'"))
}
