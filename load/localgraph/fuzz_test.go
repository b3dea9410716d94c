package localgraph

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
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

// FuzzParse compiles any text for a connection: it ends, and what it makes of
// it has a value for each place, nothing of the query in its SQL, and a depth
// that the index takes.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"printer", `title:"a b"* OR -x`, "((((a b) OR c) NOT d) NEAR(4) e)", "priority>=1..3 AND NOT opened<today", strings.Repeat("(a OR NOT ", 20), "status:(open OR NOT closed) tags='x'", `numbers:"1"..`, "a ONEAR(n=3) b", "+-+-a", "owner:*"} {
		f.Add(s)
	}
	g := open(f, Options{})
	g.register("desk", helpdesk)
	cn, err := g.srv.connection(f.Context(), "desk")
	if err != nil {
		f.Fatal(err)
	}
	plain := regexp.MustCompile(`^[A-Za-z0-9_ ().,?<>=]*$`)
	f.Fuzz(func(t *testing.T, s string) {
		tree, err := parseKQL(s, func(name string) bool { return cn.schema.query[name] != nil })
		if err != nil {
			return
		}
		c := &compiler{cn: cn, now: time.Now()}
		q := c.compile(tree)
		if c.err != nil {
			return
		}
		places := len(q.args)
		for _, a := range q.args {
			if _, ok := a.(rows); ok {
				places++ // it stands for two
			}
		}
		if strings.Count(q.sql, "?") != places || !plain.MatchString(q.sql) {
			t.Errorf("%q becomes the condition %q with %d values", s, q.sql, len(q.args))
		}
		exprs := []string{q.fts}
		for _, r := range c.ranks(tree) {
			exprs = append(exprs, r.fts)
		}
		for _, e := range exprs {
			if d := depthOf(e); d > 90 { // FTS5's parser takes 100
				t.Errorf("%q becomes an expression that is %d deep: %.200s", s, d, e)
			}
		}
	})
}

// depthOf counts how deep an expression of the index nests.
func depthOf(expr string) (most int) {
	depth, quoted := 0, false
	for _, r := range expr {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
		case r == '(':
			depth++
			most = max(most, depth)
		case r == ')':
			depth--
		}
	}
	return most
}
