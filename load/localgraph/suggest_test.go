package localgraph

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"printer", "printer", 0}, {"pritner", "printer", 1}, {"printr", "printer", 1}, {"prinnter", "printer", 1}, {"prunter", "printer", 1},
		{"prnter", "printers", 2}, {"ab", "ba", 1}, {"abc", "cab", 2}, {"größe", "grosse", 3}, {"", "ab", 2}, {"printer", "queue", 3}, {"cat", "dog", 3},
	} {
		if got := distance([]rune(tt.a), []rune(tt.b), 2); min(got, 3) != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got, back := distance([]rune(tt.a), []rune(tt.b), 2), distance([]rune(tt.b), []rune(tt.a), 2); got != back {
			t.Errorf("distance(%q, %q) = %d, and %d the other way round", tt.a, tt.b, got, back)
		}
	}
}

// respelled searches with spelling and returns the altered query, the type of
// the alteration, and the total.
func (g *graph) respelled(user, query, options, more string) (altered, typ string, a answer) {
	g.t.Helper()
	_, a = g.search(user, "desk", query, `"queryAlterationOptions":`+options+more)
	if a.status != 200 {
		g.t.Fatalf("search(%q) = %v", query, a)
	}
	altered, _ = a.get("value", 0, "queryAlterationResponse", "queryAlteration", "alteredQueryString").(string)
	typ, _ = a.get("value", 0, "queryAlterationResponse", "queryAlterationType").(string)
	return altered, typ, a
}

func TestSpelling(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.put("desk", "a", `{"title":"Printer jams","category":"office machines","secret":"passphrase"}`, "The printer in Zürich stops; paper is torn. Call 4711.")
	g.put("desk", "b", `{"title":"VPN drops"}`, "The tunnel to Zürich office is lost.")
	g.put("desk", "c", `{"title":"Painter wanted"}`, "A painter, a pointer and the printers. 東京都")
	g.putACL("desk", "x", entries("grant user boss"), `{"title":"Layoffs"}`, "The layoffs and the painters begin with the typographers.")
	on := `{"enableSuggestion":true}`
	for _, tt := range []struct{ user, query, want string }{
		{"ann", "pritner", "printer"},
		{"ann", "printer", ""}, // right
		{"ann", "prnter", "printer"},
		{"ann", "rpinter", "printer"},               // the first two letters swapped
		{"ann", "zurihc", "zürich"},                 // as it is written
		{"ann", "pritner zurich", "printer zurich"}, // only the typo changes
		{"ann", "pritner Zurch", "printer zürich"},
		{"ann", `"pritner jams"`, `"printer jams"`},
		{"ann", "(pritner OR tunel) AND -vpn", "(printer OR tunnel) AND -vpn"},
		{"ann", "vnp", "vpn"},        // three letters: one edit
		{"ann", "vq", ""},            // two: none
		{"ann", "pritnr tunnel", ""}, // each is found, both together are not
		{"ann", "nothinglikeit", ""},
		{"ann", "pritner*", ""}, // a prefix is no word
		{"ann", "-pritner", ""},
		{"ann", "4712", ""}, // a number is not spelled
		{"ann", "status:opne", ""},
		{"ann", "东京都", ""},
		{"ann", "machnes", ""}, // a property that shares its column of the index with one that is not retrievable
		{"ann", "pasphrase", ""},
		{"ann", "layofs", ""}, // only in what ann may not see
		{"boss", "layofs", "layoffs"},
		{"ann", "paintes", "painter"}, // not painters, which is nearer to nothing that ann sees
		{"ann", "typographer", ""},
		{"boss", "typographer", "typographers"},
		{"ann", "layoffs", ""},
	} {
		altered, typ, a := g.respelled(tt.user, tt.query, on, "")
		if altered != tt.want {
			t.Errorf("%s searches %q: suggested %q, want %q\n%v", tt.user, tt.query, altered, tt.want, a)
		}
		if altered != "" && (typ != "suggestion" || a.get("value", 0, "queryAlterationResponse", "originalQueryString") != tt.query) {
			t.Errorf("%s searches %q: %v", tt.user, tt.query, a)
		}
	}
	if _, typ, a := g.respelled("ann", "pritner", `{}`, ""); typ != "" {
		t.Errorf("nothing was asked for: %v", a)
	}
}

func TestSpellingModifies(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.put("desk", "a", `{"title":"Printer jams","status":"open"}`, "one")
	g.put("desk", "b", `{"title":"Printer queue","status":"closed"}`, "two")
	aggs := `,"aggregations":[{"field":"status"}]`
	altered, typ, a := g.respelled("u", "pritner", `{"enableModification":"true"}`, aggs)
	if altered != "printer" || typ != "modification" {
		t.Fatalf("%q, %q: %v", altered, typ, a)
	}
	h := func(path ...any) any { return a.get(append([]any{"value", 0}, path...)...) }
	for _, tt := range []struct{ got, want any }{
		{h("hitsContainers", 0, "total"), json.Number("2")},
		{h("searchTerms", 0), "printer"},
		{h("hitsContainers", 0, "aggregations", 0, "buckets", 0, "count"), json.Number("1")},
		{h("queryAlterationResponse", "originalQueryString"), "pritner"},
	} {
		if tt.got != tt.want {
			t.Errorf("%v, want %v: %v", tt.got, tt.want, a)
		}
	}
	// What finds something is not modified, and a suggestion is still made.
	altered, typ, a = g.respelled("u", "queue OR pritner", `{"enableSuggestion":true,"enableModification":true}`, aggs)
	if altered != "queue OR printer" || typ != "suggestion" || fmt.Sprint(a.get("value", 0, "hitsContainers", 0, "total")) != "1" {
		t.Errorf("%q, %q: %v", altered, typ, a)
	}
	// The place is counted in UTF-16 code units, without the template's text.
	altered, typ, a = g.respelled("u", "😀 pritner", `{"enableSuggestion":true}`, "")
	h = func(path ...any) any {
		return a.get(append([]any{"value", 0, "queryAlterationResponse", "queryAlteration"}, path...)...)
	}
	if altered != "😀 printer" || h("alteredHighlightedQueryString") != "😀 \ue000printer\ue001" ||
		h("alteredQueryTokens", 0, "offset") != json.Number("3") || h("alteredQueryTokens", 0, "length") != json.Number("7") || h("alteredQueryTokens", 0, "suggestion") != "printer" {
		t.Errorf("%q, %q: %v", altered, typ, a)
	}
	body := `{"requests":[{"entityTypes":["externalItem"],"query":{"queryString":"pritner","queryTemplate":"(pritner OR status:open) {searchTerms}"},"queryAlterationOptions":{"enableSuggestion":true}}]}`
	a = g.as(Caller{UserID: "u"}, "POST", "/v1.0/search/query", body)
	if h("alteredQueryString") != "printer" || h("alteredQueryTokens", 0, "offset") != json.Number("0") || h("alteredQueryTokens", 1) != nil {
		t.Errorf("with a template: %v", a)
	}
}

// Layout 1 had an index that folded less, and no vocabularies.
func TestLayout1IsChanged(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.put("desk", "a", `{"title":"Printer jams"}`, "")
	for i := range 250 {
		g.put("desk", fmt.Sprintf("i%d", i), `{"title":"Άλλο"}`, "")
	}
	g.putACL("desk", "b", entries("grant user boss"), `{"title":"Ο εκτυπωτής","category":"machines"}`, "<p>γραμμα<b>τεία</b>")
	for _, stmt := range []string{`DROP TABLE v1`, `DROP TABLE f1`, `CREATE VIRTUAL TABLE f1 USING fts5(title, props, content, content='', contentless_delete=1)`, `PRAGMA user_version = 1`} {
		if err := g.srv.w.do(t.Context(), func(tx *wtx) error { return tx.exec(stmt) }); err != nil {
			t.Fatal(err)
		}
	}
	g.srv.Close()
	srv, err := Open(g.dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	g.srv = srv
	if altered, _, a := g.respelled("u", "pritner", `{"enableSuggestion":true}`, ""); altered != "printer" {
		t.Errorf("suggested %q: %v", altered, a)
	}
	for _, tt := range []struct {
		user, query string
		hits        int
	}{{"boss", "ΕΚΤΥΠΩΤΗΣ machines", 1}, {"boss", "γραμμα τεια", 1}, {"u", "εκτυπωτης", 0}, {"u", "αλλο", 250}} {
		if ids, a := g.search(tt.user, "desk", tt.query, `"size":500`); len(ids) != tt.hits {
			t.Errorf("%s finds %d by %q, want %d: %.300v", tt.user, len(ids), tt.query, tt.hits, a)
		}
	}
	g.want(202, "DELETE", base+"/desk", nil)
}
