package localgraph

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const maxActivities = 20 // per call

type activity struct {
	ODataType string   `json:"@odata.type,omitempty"`
	Type      string   `json:"type"`
	Start     string   `json:"startDateTime"`
	By        identity `json:"performedBy"`
}

var activityTypes = []string{"viewed", "modified", "created", "commented"}

func (a *activity) check(opt *Options) error {
	t, ok := spelled(activityTypes, a.Type)
	if !ok {
		return badRequest("activities: the type %q is not one of %s", a.Type, strings.Join(activityTypes, ", "))
	}
	a.Type = t
	if _, ok := parseDate(a.Start, false); !ok {
		return badRequest("activities: startDateTime %q is no ISO 8601 date such as 2026-05-01T08:00:00Z", a.Start)
	}
	if err := a.By.check("activities: performedBy"); err != nil {
		return err
	}
	return opt.checkObjectID("activities: performedBy", a.By.Type, a.By.ID)
}

// readActivities reads a list; what cannot be read at all fails it. Within an
// item, each must also say its type and pass its check.
func readActivities(opt *Options, raw []byte, inItem bool) ([]activity, error) {
	if kindOf(raw) == 'n' {
		return nil, nil
	}
	var list []activity
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, malformed("activities: %v", unreadable("the list", err))
	}
	if len(list) > maxActivities {
		return nil, badRequest("activities: at most %d at once, not %d", maxActivities, len(list))
	}
	for i := range list {
		t := strings.TrimPrefix(list[i].ODataType, "#")
		if t != "microsoft.graph.externalConnectors.externalActivity" && (inItem || t != "") {
			return nil, malformed("activities: each needs \"@odata.type\": \"#microsoft.graph.externalConnectors.externalActivity\", not %q", list[i].ODataType)
		}
		if inItem {
			if err := list[i].check(opt); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// result is an externalActivityResult. Of a wrong activity it repeats only
// what is of its member's type: a client reads nothing else.
func (a *activity) result(fault error) map[string]any {
	m := map[string]any{"@odata.type": "#microsoft.graph.externalConnectors.externalActivityResult", "id": requestID(),
		"type": "unknownFutureValue", "performedBy": nil, "error": nil}
	if t, ok := spelled(activityTypes, a.Type); ok {
		m["type"] = t
	}
	if _, ok := parseDate(a.Start, false); ok {
		m["startDateTime"] = a.Start
	}
	if by := a.By; by.check("") == nil {
		m["performedBy"] = by
	}
	if fault != nil {
		m["error"] = map[string]any{"code": "InvalidRequest", "message": fault.Error()}
	}
	return m
}

// addActivities stores the activities that are right and tells of each of the
// others what is wrong: 200 if all were, 207 if not.
func (c *call) addActivities(cn *connection, id string) error {
	if err := cmp.Or(cn.ready(), cn.writable()); err != nil {
		return err
	}
	var body struct {
		Activities json.RawMessage `json:"activities"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if len(body.Activities) == 0 {
		return badRequest("activities: the list is missing")
	}
	list, err := readActivities(&c.s.opt, body.Activities, false)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return badRequest("activities: the list is empty")
	}
	status := http.StatusOK
	results := make([]map[string]any, len(list))
	faults := make([]error, len(list))
	for i := range list {
		faults[i] = list[i].check(&c.s.opt)
		results[i] = list[i].result(faults[i])
		if faults[i] != nil {
			status = http.StatusMultiStatus
		}
	}
	err = c.s.w.do(c.r.Context(), func(tx *wtx) error {
		if err := tx.connectionStands(cn); err != nil {
			return err
		}
		exists, err := tx.exists(fmt.Sprintf(`SELECT 1 FROM i%d WHERE id = ?`, cn.n), id)
		if err != nil {
			return err
		}
		if !exists {
			return notFound("The item '%s' was not found in connection '%s'.", id, cn.id)
		}
		for i, a := range list {
			if faults[i] != nil {
				continue
			}
			doc, err := json.Marshal(a)
			if err != nil {
				return err
			}
			if err := tx.exec(`INSERT INTO activities (conn, item, doc) VALUES (?, ?, ?)`, cn.n, id, string(doc)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.reply(status, map[string]any{
		"@odata.context": c.context("Collection(microsoft.graph.externalConnectors.externalActivityResult)"),
		"value":          results,
	})
}

// listActivities is in the model only. Here it shows what was added.
func (c *call) listActivities(cn *connection, id string) error {
	if _, err := c.s.readItem(c.r.Context(), cn, id); err != nil {
		return err
	}
	rows, err := c.s.db.QueryContext(c.r.Context(), `SELECT n, doc FROM activities WHERE conn = ? AND item = ? ORDER BY n`, cn.n, id)
	if err != nil {
		return err
	}
	defer rows.Close()
	all := []map[string]any{}
	for rows.Next() {
		var n int64
		var doc string
		if err := rows.Scan(&n, &doc); err != nil {
			return err
		}
		m := map[string]any{}
		if err := json.Unmarshal([]byte(doc), &m); err != nil {
			return err
		}
		m["id"] = fmt.Sprint(n)
		all = append(all, m)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return c.replyPage(list{context: "external/connections('" + cn.id + "')/items('" + id + "')/activities", fields: []string{"id", "type", "startDateTime"}}, all)
}
