package localgraph

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	cn, err := g.srv.connection(t.Context(), "desk")
	if err != nil {
		t.Fatal(err)
	}
	item := `{"title":"Printer on fire","status":"Open","priority":10,"cost":2.5,"opened":"2026-05-01T08:00:00Z","urgent":true,"tags":["paper","heat"]}`
	for _, tt := range []struct {
		rule string
		want bool
	}{
		{`{"property":"status","operation":"equals","values":["open"]}`, true},
		{`{"property":"state","operation":"equals","values":["open"]}`, true}, // an alias
		{`{"property":"STATUS","operation":"equals","values":["closed","open"]}`, true},
		{`{"property":"status","operation":"equals","values":["closed","open"],"valuesJoinedBy":"and"}`, false},
		{`{"property":"title","operation":"contains","values":["printer","fire"],"valuesJoinedBy":"and"}`, true},
		{`{"property":"title","operation":"contains","values":["printer","water"],"valuesJoinedBy":"and"}`, false},
		{`{"property":"title","operation":"startsWith","values":["print"]}`, true},
		{`{"property":"title","operation":"startsWith","values":["fire"]}`, false},
		{`{"property":"status","operation":"notEquals","values":["open"]}`, false},
		{`{"property":"category","operation":"notEquals","values":["x"]}`, true}, // absent
		{`{"property":"title","operation":"notContains","values":["water"]}`, true},
		{`{"property":"category","operation":"null","values":[]}`, true},
		{`{"property":"status","operation":"null","values":[]}`, false},
		{`{"property":"priority","operation":"equals","values":["10.0"]}`, true},
		{`{"property":"priority","operation":"greaterThan","values":["9"]}`, true}, // as numbers, not as text
		{`{"property":"priority","operation":"lessThan","values":["9"]}`, false},
		{`{"property":"priority","operation":"lessThan","values":["many"]}`, false},
		{`{"property":"priority","operation":"startsWith","values":["1"]}`, true},
		{`{"property":"cost","operation":"lessThan","values":["10"]}`, true},
		{`{"property":"opened","operation":"lessThan","values":["2026-05-01T09:00:00+00:30"]}`, true},
		{`{"property":"opened","operation":"equals","values":["2026-05-01T10:00:00+02:00"]}`, true},
		{`{"property":"urgent","operation":"equals","values":["True"]}`, true},
		{`{"property":"tags","operation":"equals","values":["heat"]}`, true},
		{`{"property":"tags","operation":"notEquals","values":["heat"]}`, false},
		{`{"property":"nosuch","operation":"equals","values":["x"]}`, false},
		{`{"property":"status","operation":"equals","values":[]}`, false},
	} {
		var r propertyRule
		if err := json.Unmarshal([]byte(tt.rule), &r); err != nil {
			t.Fatal(err)
		}
		if err := r.check("searchSettings", "t"); err != nil {
			t.Fatal(err)
		}
		values := map[string]any{}
		dec := json.NewDecoder(strings.NewReader(item))
		dec.UseNumber()
		if err := dec.Decode(&values); err != nil {
			t.Fatal(err)
		}
		if got := r.holds(cn.schema, values); got != tt.want {
			t.Errorf("%s = %v, want %v", tt.rule, got, tt.want)
		}
	}
}

func TestResultTemplates(t *testing.T) {
	g := open(t, Options{})
	card := func(text string) string {
		return `{"type":"AdaptiveCard","body":[{"text":"` + text + ` <b>${title}"}]}`
	}
	for _, id := range []string{"desk", "shop"} {
		g.register(id, helpdesk)
		g.want(204, "PATCH", base+"/"+id, `{"searchSettings":{"searchResultTemplates":[
			{"id":"rest","priority":9,"layout":`+card("rest of "+id)+`},
			{"id":"urgent","priority":1,"layout":`+card("urgent")+`,"rules":[{"property":"priority","operation":"lessThan","values":["2"]},{"property":"status","operation":"equals","values":["open"]}]}]}}`)
		for i := range 3 {
			g.put(id, fmt.Sprintf("%s%d", id, i), fmt.Sprintf(`{"title":"common %d","priority":%d,"status":"open"}`, i, i), "")
		}
	}
	g.register("bare", helpdesk)
	g.put("bare", "bare0", `{"title":"common"}`, "")

	got := func(option string) (map[string]string, answer) {
		t.Helper()
		body := `{"requests":[{"entityTypes":["externalItem"],"query":{"queryString":"common"}` + option + `}]}`
		a := g.as(Caller{UserID: "u"}, "POST", "/v1.0/search/query", body)
		if a.status != 200 {
			t.Fatalf("search = %v", a)
		}
		cards := map[string]string{}
		for i := range 7 {
			at := []any{"value", 0, "hitsContainers", 0, "hits", i}
			domain, _ := a.get(append(at, "resource", "properties", "substrateContentDomainId")...).(string)
			_, id, _ := strings.Cut(domain, ",")
			cards[id], _ = a.get(append(at, "resultTemplateId")...).(string)
		}
		return cards, a
	}
	for _, option := range []string{`,"resultTemplateOptions":{"enableResultTemplate":true}`, `,"resultTemplateOptions":[{"enableResultTemplate":true}]`} {
		cards, a := got(option)
		for i, want := range []string{"urgent", "urgent", "rest"} {
			for _, id := range []string{"desk", "shop"} {
				name := cards[fmt.Sprintf("%s%d", id, i)]
				if name != want && name != want+"-"+id {
					t.Errorf("%s%d has the template %q, want %q", id, i, name, want)
				}
				of := a.get("value", 0, "resultTemplates", name, "displayName")
				if of != "Name of "+id {
					t.Errorf("%s%d: the template %q is of %v", id, i, name, of)
				}
			}
		}
		if cards["bare0"] != "" {
			t.Errorf("an item of a connection without templates has %q", cards["bare0"])
		}
		name := cards["shop2"]
		if text := a.get("value", 0, "resultTemplates", name, "body", "body", 0, "text"); text != "rest of shop <b>${title}" {
			t.Errorf("the card of %s says %v", name, text)
		}
	}
	for _, option := range []string{"", `,"resultTemplateOptions":{"enableResultTemplate":false}`, `,"resultTemplateOptions":null`} {
		cards, a := got(option)
		if cards["desk0"] != "" || a.get("value", 0, "resultTemplates") != nil {
			t.Errorf("with %q: %v", option, a)
		}
	}
}
