package load

import (
	"context"
	"net/http"

	"importer/transform"
)

// Doings is a target that takes care of activities:
//
//   - of an item of which nothing but activities is new they are added
//     (addActivities) and the item is not sent;
//   - the first 20 of an item that is sent travel in it, the others are added;
//   - an item that is refused is sent once more without them: no item is lost
//     for an activity. What the service says of each is in Result.Refused.
//
// It is safe for concurrent use.
type Doings struct {
	Target
	// Add makes one attempt to add up to MaxActivities activities to an item. It
	// gives what the service says of those that it does not take.
	Add func(ctx context.Context, item string, list []transform.Activity) (refused []string, _ Result)
}

// NewDoings makes a target of a Graph.
func NewDoings(g *Graph) *Doings { return &Doings{Target: g, Add: g.addOnce} }

// Requests is the Target's own count.
func (d *Doings) Requests(items int) int { return requests(d.Target, items) }

func requests(t Target, items int) int {
	if t, ok := t.(interface{ Requests(items int) int }); ok {
		return t.Requests(items)
	}
	return 1
}

// Put stores items.
func (d *Doings) Put(ctx context.Context, items []*transform.Item) []Result {
	plain := true
	for _, it := range items {
		plain = plain && len(it.Activities) == 0
	}
	if plain {
		return d.Target.Put(ctx, items)
	}
	results := make([]Result, len(items))
	var send []*transform.Item
	var at []int
	for i, it := range items {
		switch {
		case it.Send == transform.PartActivities:
			results[i] = d.add(ctx, it.ID, it.Activities)
		case len(it.Activities) > MaxActivities:
			first := *it
			first.Activities = it.Activities[:MaxActivities]
			send, at = append(send, &first), append(at, i)
		default:
			send, at = append(send, it), append(at, i)
		}
	}
	for n, res := range d.Target.Put(ctx, send) {
		results[at[n]] = d.rest(ctx, items[at[n]], res)
	}
	return results
}

// rest deals with the activities of an item that did not get through in it.
func (d *Doings) rest(ctx context.Context, it *transform.Item, res Result) Result {
	switch {
	case res.Fate == Stored && len(it.Activities) > MaxActivities:
		return d.add(ctx, it.ID, it.Activities[MaxActivities:])
	case res.Fate == Rejected && len(it.Activities) > 0:
		bare := *it
		bare.Activities = nil
		again := d.Target.Put(ctx, []*transform.Item{&bare})
		if len(again) != 1 || again[0].Fate == Rejected {
			return res // it is the item itself
		}
		if again[0].Fate != Stored {
			return again[0]
		}
		return d.add(ctx, it.ID, it.Activities)
	}
	return res
}

func (d *Doings) add(ctx context.Context, item string, list []transform.Activity) Result {
	all := Result{Fate: Stored}
	for len(list) > 0 {
		some := list[:min(MaxActivities, len(list))]
		list = list[len(some):]
		refused, res := d.Add(ctx, item, some)
		if res.Fate != Stored {
			return res
		}
		for _, words := range refused {
			all.Refused += words + "\n"
		}
	}
	return all
}

// addOnce makes one attempt to add activities. An item that is not there
// rejects them: it has to be sent whole.
func (g *Graph) addOnce(ctx context.Context, item string, list []transform.Activity) (refused []string, _ Result) {
	body := append([]byte(nil), `{"activities":[`...)
	for i := range list {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendActivity(body, &list[i])
	}
	c := call{method: http.MethodPost, path: g.itemPath(item) + "/addActivities", body: append(body, "]}"...)}
	ans, err := g.attempt(ctx, c)
	switch {
	case notFound(err):
		return nil, Result{Fate: Rejected, Err: err}
	case hasStatus(err, http.StatusBadRequest): // all of them, or the call: not the item
		for range list {
			refused = append(refused, err.Error())
		}
		return refused, Result{Fate: Stored}
	case err != nil:
		return nil, verdict(g.explain(err, needItems))
	}
	results, err := activityResults(c, ans.body, len(list))
	if err != nil { // they were taken, whatever the answer looks like
		return nil, Result{Fate: Stored}
	}
	for i := range results {
		if fault := results[i].Value.Fault(); fault != "" {
			refused = append(refused, list[i].Type+" at "+list[i].At.UTC().Format("2006-01-02T15:04:05Z")+": "+fault)
		}
	}
	return refused, Result{Fate: Stored}
}
