package localgraph

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// FuzzQuery sends any text as a query: it is answered with hits or with a
// refusal of a value, never with the store's own error.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"printer", `"a b`, "title:x OR (status:open -y) NEAR(3) z*", "priority>=1..3", "opened:today", `tags:"x"*`, "a\x00b", "東京* OR ー",
		"NOT NOT x", "+a -b", "title:(a OR NOT b)", `{title} : "x"`, "cost:1e400", "status<>", "x NEAR(0) y", "*", "status:*", "label_title:x", "numbers<-5 AND urgent:no", "title:-x", `title:""*`,
		"a NOT b NOT c -d", "a NEAR b NEAR(2) (c)", "pritner OR status=op*", "x* y* (z* OR -w*)", "\ue000", "Ω ς Σ ß", `"" NEAR ""`, "NOT(NOT(NOT *))", "title:x title:y OR -title:z*"} {
		f.Add(s)
	}
	g := corpus(f)
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		g := &graph{t: t, srv: g.srv}
		_, a := g.search("u1", "desk", s, `"aggregations":[{"field":"status"}],"queryAlterationOptions":{"enableSuggestion":true,"enableModification":true}`)
		if a.status != 200 && a.status != 400 {
			t.Errorf("search(%q) = %v", s, a)
		}
	})
}

// FuzzFilter does the same to aggregationFilters.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{`status:"ǂǂ6f70656e"`, `status:or("a",not("b"))`, `priority:range(1, max, to="le")`, `opened:range(min, 2026-01-01)`, "tags:", `cost:range(,)`, `urgent:"true"`} {
		f.Add(s)
	}
	g := corpus(f)
	f.Fuzz(func(t *testing.T, s string) {
		g := &graph{t: t, srv: g.srv}
		b, _ := json.Marshal(s)
		_, a := g.search("u1", "desk", "*", `"aggregationFilters":[`+string(b)+`]`)
		if a.status != 200 && a.status != 400 {
			t.Errorf("filter(%q) = %v", s, a)
		}
	})
}

// FuzzItem sends any body as an item: what is accepted is valid JSON when it
// is read, and is accepted again as it was answered.
func FuzzItem(f *testing.F) {
	p := `{"acl":` + everyone + `,"properties":`
	for _, s := range []string{p + `{"title":"x"}}`, p + `{"tags@odata.type":"Collection(String)","tags":["a","\ud800"],"priority":-1,"cost":1e3}}`,
		p + `{"title":"\u0000"},"content":{"type":"html","value":"<p>a<b>b"}}`, p + `{"owner":{"email":"x"}},"activities":null}`, `{"acl":[{}]}`, `[]`, ` {"id":"a" , "properties" : {} } `,
		p + `{"opened":"0001-01-01T00:00:00+14:00"}}`, p + `{"":1}}`, p + `{"@":1}}`} {
		f.Add([]byte(s))
	}
	g := open(f, Options{})
	g.register("desk", helpdesk)
	f.Fuzz(func(t *testing.T, body []byte) {
		g := &graph{t: t, srv: g.srv}
		path := base + "/desk/items/a"
		a := g.do("PUT", path, body)
		if a.status == http.StatusBadRequest {
			return
		}
		if a.status != http.StatusOK {
			t.Fatalf("PUT %q = %v", body, a)
		}
		if got := g.do("GET", path, nil); string(got.raw) != string(a.raw) {
			t.Errorf("PUT answers %s, GET answers %s", a.raw, got.raw)
		}
		if again := g.do("PUT", path, a.raw); string(again.raw) != string(a.raw) {
			t.Errorf("PUT of what PUT answered: %v, want %s", again, a.raw)
		}
		g.want(204, "DELETE", path, nil)
	})
}

// FuzzText checks that what a text contains is found: the query's tokens and
// the index's are the same.
func FuzzText(f *testing.F) {
	for _, s := range []string{"Zürich", "東京都ー", "naïve ﬁn ①", "ไทยภาษา", "Ｆｕｌｌ ｶﾞ", "e\u0301a", "한국어", "ß ø İ ǆ"} {
		f.Add(s)
	}
	g := open(f, Options{})
	g.register("desk", helpdesk)
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || len(s) > 2000 {
			return
		}
		s = norm.NFKC.String(s) // a half of a composed letter is not to be found
		g := &graph{t: t, srv: g.srv}
		g.put("desk", "a", `{"title":"x"}`, s)
		for i, sp := range spans(s) {
			if i == 5 {
				break
			}
			token := s[sp.start:sp.end]
			if strings.ContainsFunc(token, func(r rune) bool { return r > 0xFFFF }) {
				continue // FTS5's tables are of an older Unicode
			}
			if ids, a := g.search("u", "desk", `"`+token+`"`, ""); len(ids) != 1 {
				t.Errorf("%q holds %q, and search does not find it: %v", s, token, a)
			}
		}
	})
}
