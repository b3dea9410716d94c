package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
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

// Item reads an item, with all that the service says of it. Its error is an
// *APIError with Status 404 when there is none.
func (g *Graph) Item(ctx context.Context, id string) (*Document[StoredItem], error) {
	var doc Document[StoredItem]
	if err := g.doJSON(ctx, call{method: http.MethodGet, path: g.itemPath(id)}, needItems, nil, &doc); err != nil {
		return nil, err
	}
	return &doc, nil
}

// GetItem is Item without what this package does not know.
func (g *Graph) GetItem(ctx context.Context, id string) (*StoredItem, error) {
	doc, err := g.Item(ctx, id)
	if err != nil {
		return nil, err
	}
	return &doc.Value, nil
}

// PutItem stores an item in the API's own form, as it is, and waits and tries
// again while the service may answer better. It gives what was stored, or nil
// when the service does not say. A crawl uses a Loader instead.
func (g *Graph) PutItem(ctx context.Context, id string, body json.RawMessage) (*Document[StoredItem], error) {
	c := call{method: http.MethodPut, path: g.itemPath(id), body: body, prefer: "return=representation"}
	ans, err := g.do(ctx, c, needItems)
	if err != nil {
		return nil, err
	}
	// The create page names no body. What was stored is stored in any case.
	var doc Document[StoredItem]
	if json.Unmarshal(ans.body, &doc) != nil {
		return nil, nil
	}
	return &doc, nil
}

// DeleteItem deletes an item and tells whether there was one. After a reply
// that was lost it may say that there was none.
func (g *Graph) DeleteItem(ctx context.Context, id string) (found bool, err error) {
	return g.remove(ctx, g.itemPath(id))
}

// An Activity is something that somebody did with an item (externalActivity).
type Activity struct {
	ODataType string   `json:"@odata.type"` // AddActivities sets it
	Type      string   `json:"type"`        // viewed, modified, created, commented
	Start     string   `json:"startDateTime"`
	By        Identity `json:"performedBy"`
}

// An ActivityResult is the service's answer to one activity.
type ActivityResult struct {
	Error *errorDetail `json:"error"`
}

// Fault says why the activity was not taken, "" when it was.
func (r *ActivityResult) Fault() string {
	switch {
	case r.Error == nil:
		return ""
	case r.Error.words() == "" && r.Error.Code == "":
		return "the service does not say why"
	case r.Error.words() == "":
		return r.Error.Code
	}
	return summary(r.Error.words())
}

// MaxActivities is the most activities of one call.
const MaxActivities = 20

// AddActivities adds activities to an item, 20 a call, and gives the service's
// answer to each, parallel to list: the service may take some of a call and
// refuse others (207), and the error of one is of that one alone. With an error
// come the answers to the calls before. What was taken is not sent again; only a
// call whose reply was lost is made again, so that an activity may count twice.
func (g *Graph) AddActivities(ctx context.Context, item string, list []Activity) ([]Document[ActivityResult], error) {
	results := make([]Document[ActivityResult], 0, len(list))
	for len(list) > 0 {
		some := list[:min(MaxActivities, len(list))]
		list = list[len(some):]
		answers, err := g.addActivities(ctx, item, some)
		if err != nil {
			return results, err
		}
		results = append(results, answers...)
	}
	return results, nil
}

// addActivities makes one call, again while its answer says nothing.
func (g *Graph) addActivities(ctx context.Context, item string, list []Activity) ([]Document[ActivityResult], error) {
	for i := range list {
		list[i].ODataType = activityType
	}
	body, err := marshal(map[string][]Activity{"activities": list})
	if err != nil {
		return nil, err
	}
	c := call{method: http.MethodPost, path: g.itemPath(item) + "/addActivities", body: body}
	d := drought{Retry: g.opt.Retry}
	for {
		ans, err := g.attempt(ctx, c)
		if err == nil {
			return activityResults(c, ans.body, len(list))
		}
		if hasStatus(err, http.StatusConflict) {
			if d.tries == 0 {
				return nil, err
			}
			// They are there: the reply of an earlier try was lost.
			return slices.Repeat([]Document[ActivityResult]{{Raw: json.RawMessage(`{"error":null}`)}}, len(list)), nil
		}
		if err := g.again(ctx, &d, g.explain(err, needItems)); err != nil {
			return nil, err
		}
	}
}

// activityResults reads the answers to n activities. What cannot be read was
// taken all the same: the service has answered 2xx.
func activityResults(c call, body []byte, n int) ([]Document[ActivityResult], error) {
	var answer struct {
		Value []Document[ActivityResult] `json:"value"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("POST %s: %d activities were sent and not refused, but the answer is not what the API describes: %w", c.path, n, err)
	}
	if len(answer.Value) != n {
		return nil, fmt.Errorf("POST %s: %d activities were sent, and the answer is about %d", c.path, n, len(answer.Value))
	}
	return answer.Value, nil
}
