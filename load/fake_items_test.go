package load

import (
	"encoding/json"
	"slices"
	"strings"
)

// addActivities takes those whose type it knows.
func (c *fakeConn) addActivities(item string, body []byte) (int, map[string]string, any) {
	var in struct{ Activities []map[string]any }
	switch {
	case c.items[item] == nil:
		return 404, nil, envelope("ItemNotFound", "no item")
	case json.Unmarshal(body, &in) != nil || len(in.Activities) == 0 || len(in.Activities) > 20:
		return 400, nil, envelope("InvalidRequest", "1 to 20 activities")
	}
	status := 200
	results := []any{}
	for _, a := range in.Activities {
		result := map[string]any{"type": a["type"], "error": nil, "newer": true}
		if a["@odata.type"] != activityType || a["type"] == "licked" {
			status = 207
			result["error"] = map[string]any{"code": "InvalidRequest", "message": "the type is not known"}
		}
		results = append(results, result)
		c.activities++
	}
	return status, nil, map[string]any{"value": results}
}

// badItem says what the service would not take of a PUT's body.
func badItem(body []byte) string {
	var it struct {
		ACL        []struct{ Type, Value, AccessType string }
		Properties map[string]any
		Content    *struct{ Type, Value string }
	}
	if err := json.Unmarshal(body, &it); err != nil {
		return err.Error()
	}
	if len(it.ACL) == 0 || it.Properties == nil {
		return "acl and properties are required"
	}
	for _, a := range it.ACL {
		if a.Type == "" || a.Value == "" || a.AccessType != "grant" && a.AccessType != "deny" {
			return "an acl entry needs type, value and accessType"
		}
	}
	for name, value := range it.Properties {
		if _, list := value.([]any); list && it.Properties[name+"@odata.type"] == nil {
			return "does not match schema"
		}
		if value == "refuse me" {
			return "property " + name + " does not match schema"
		}
	}
	return ""
}

// search finds the items whose body holds the query's words as they stand.
func (f *fake) search(body []byte) (int, map[string]string, any) {
	var in struct {
		Requests []struct {
			EntityTypes, ContentSources []string
			Query                       struct{ QueryString string }
			From, Size                  int
		}
	}
	if json.Unmarshal(body, &in) != nil || len(in.Requests) != 1 || !slices.Equal(in.Requests[0].EntityTypes, []string{"externalItem"}) {
		return 400, nil, envelope("BadRequest", "one request for externalItem")
	}
	req := in.Requests[0]
	if strings.Contains(req.Query.QueryString, "((") {
		return 400, nil, envelope("BadRequest", "column 1: unbalanced parentheses")
	}
	hits := []any{}
	total := 0
	for _, source := range req.ContentSources {
		c := f.conns[strings.TrimPrefix(source, "/external/connections/")]
		if c == nil {
			return 404, nil, envelope("NotFound", source)
		}
		for _, id := range slices.Sorted(keys(c.items)) {
			if !strings.Contains(string(c.items[id]), req.Query.QueryString) {
				continue
			}
			total++
			if total <= req.From || req.Size > 0 && len(hits) >= req.Size {
				continue
			}
			var it struct{ Properties map[string]json.RawMessage }
			json.Unmarshal(c.items[id], &it)
			it.Properties["substrateContentDomainId"] = json.RawMessage(`"x@tenant,` + id + `"`)
			hits = append(hits, map[string]any{"hitId": "AAMk", "rank": len(hits) + 1, "summary": "the <c0>hit</c0>", "newer": true,
				"resource": map[string]any{"@odata.type": "#microsoft.graph.externalConnectors.externalItem", "properties": it.Properties}})
		}
	}
	more := total > req.From+len(hits)
	return 200, nil, map[string]any{"value": []any{map[string]any{"hitsContainers": []any{
		map[string]any{"total": total, "moreResultsAvailable": more, "hits": hits}}}}}
}
