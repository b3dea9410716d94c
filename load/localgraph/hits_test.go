package localgraph

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRanking(t *testing.T) {
	filler := strings.Repeat("lorem ipsum dolor sit amet ", 200)
	for _, tt := range []struct {
		name  string
		items [][3]string // id, properties, content
		query string
		want  string
	}{
		{"title over content", [][3]string{
			{"text", `{"title":"other"}`, "toner toner toner toner"}, {"title", `{"title":"toner"}`, filler}}, "toner", "title text"},
		{"title over many mentions, and over recency", [][3]string{
			{"text", `{"title":"other","opened":"2026-11-01T00:00:00Z"}`, strings.Repeat("toner ", 20)},
			{"title", `{"title":"about the toner","opened":"2001-01-01T00:00:00Z"}`, filler}}, "toner", "title text"},
		{"phrase over scattered words", [][3]string{
			{"apart", `{"title":"x"}`, "paper is here and the jam is there " + filler}, {"phrase", `{"title":"x"}`, "there was a paper jam and so on " + filler},
			{"filler", `{"title":"y"}`, filler}}, "paper jam", "phrase apart"},
		{"recent over old at equal match", [][3]string{
			{"old", `{"title":"toner","opened":"2019-01-01T00:00:00Z"}`, "same"}, {"new", `{"title":"toner","opened":"2026-10-01T00:00:00Z"}`, "same"},
			{"older", `{"title":"toner","opened":"2010-01-01T00:00:00Z"}`, "same"}}, "toner", "new old older"},
		{"everything, recent first", [][3]string{
			{"old", `{"title":"a","opened":"2019-01-01T00:00:00Z"}`, ""}, {"new", `{"title":"b","opened":"2026-10-01T00:00:00Z"}`, ""}}, "*", "new old"},
		{"mixed alternatives are ranked too", [][3]string{
			{"status", `{"title":"x","status":"open","opened":"2026-10-01T00:00:00Z"}`, ""}, {"word", `{"title":"toner","opened":"2001-01-01T00:00:00Z"}`, ""}},
			"toner OR status:open", "word status"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := open(t, Options{})
			g.register("desk", helpdesk)
			for _, it := range tt.items {
				g.put("desk", it[0], it[1], it[2])
			}
			ids, a := g.search("u", "desk", tt.query, "")
			if got := strings.Join(ids, " "); got != tt.want {
				t.Errorf("search(%q) = %q, want %q\n%v", tt.query, got, tt.want, a.status)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	long := strings.Repeat("before ", 50) + "the Printer's tray " + strings.Repeat("after ", 50)
	term1 := func(s string) []term { return []term{{words: folds(s)}} }
	for _, tt := range []struct {
		content string
		other   []string
		terms   []term
		want    string
	}{
		{"the printer stops", nil, term1("printer"), "the <c0>printer</c0> stops"},
		{"Ein Büro in Zürich", nil, term1("zurich"), "Ein Büro in <c0>Zürich</c0>"},
		{"a paper jam", nil, term1("paper jam"), "a <c0>paper jam</c0>"},
		{"printers", nil, []term{{words: []string{"print"}, prefix: true}}, "<c0>printers</c0>"},
		{"今日は晴れです", nil, term1("晴れ"), "今日は<c0>晴れ</c0>です"},
		{long, nil, term1("printer"), "<ddd/>before before before the <c0>Printer</c0>'s tray" + strings.Repeat(" after", 25) + "<ddd/>"},
		{strings.Repeat("w ", 40), nil, nil, strings.TrimSpace(strings.Repeat("w ", 32)) + "<ddd/>"},
		{"バスとハス", nil, term1("ハス"), "バスと<c0>ハス</c0>"},
		{"Ο εκτυπωτής", nil, term1("ΕΚΤΥΠΩΤΗΣ"), "Ο <c0>εκτυπωτής</c0>"},
		{"nothing", []string{"Printer title"}, term1("printer"), "<c0>Printer</c0> title"},
		{"", []string{"A title"}, nil, "A title"},
		{"", nil, term1("x"), ""},
		{"line\n\n  break", nil, nil, "line break"},
	} {
		if got := summary(tt.content, tt.other, tt.terms); got != tt.want {
			t.Errorf("summary(%.30q, %q, %v) =\n%q, want\n%q", tt.content, tt.other, tt.terms, got, tt.want)
		}
	}
}

// A property that is searchable and not retrievable is found by its words and
// shown nowhere, the summary included.
func TestASummaryKeepsASecret(t *testing.T) {
	g := corpus(t)
	ids, a := g.search("u1", "desk", "hunter2", "")
	if len(ids) != 1 || strings.Contains(fmt.Sprint(a), "passphrase") {
		t.Errorf("search for a secret's word finds %v and shows %v", ids, a)
	}
}

func TestHit(t *testing.T) {
	g := corpus(t)
	_, a := g.search("u1", "desk", "VPN", "")
	h := func(path ...any) any {
		return a.get(append([]any{"value", 0, "hitsContainers", 0, "hits", 0}, path...)...)
	}
	for _, want := range []struct{ got, want any }{
		{h("rank"), json.Number("1")}, {h("contentSource"), "/external/connections/desk"},
		{h("resource", "@odata.type"), "#microsoft.graph.externalConnectors.externalItem"},
		{h("resource", "properties", "title"), "VPN drops"}, {h("resource", "properties", "priority"), json.Number("5")},
		{h("resource", "properties", "secret"), nil}, // not retrievable
		{h("resource", "properties", "substrateContentDomainId"), g.srv.InstanceID() + "@local,b"},
		{h("summary"), "<c0>VPN</c0> drops"},
		{a.get("value", 0, "hitsContainers", 0, "total"), json.Number("1")},
		{a.get("value", 0, "hitsContainers", 0, "moreResultsAvailable"), false},
		{a.get("value", 0, "searchTerms", 0), "vpn"},
	} {
		if want.got != want.want {
			t.Errorf("hit: %v, want %v\n%v", want.got, want.want, a)
		}
	}
	if h("hitId") == nil || h("hitId") == "" || h("hitId") == "b" {
		t.Errorf("hitId = %v, want an opaque id", h("hitId"))
	}
	_, a = g.search("u1", "desk", "VPN", `"fields":["TITLE","state","label_title","nosuch","secret"]`)
	b, _ := json.Marshal(h("resource", "properties"))
	if got := string(b); got != `{"label_title":"VPN drops","status":"closed","substrateContentDomainId":"`+g.srv.InstanceID()+`@local,b","title":"VPN drops"}` {
		t.Errorf("fields: %s", got)
	}
}

func TestPaging(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.register("more", helpdesk)
	for i := range 30 {
		g.put([]string{"desk", "more"}[i%2], fmt.Sprintf("i%02d", i), fmt.Sprintf(`{"title":"word","priority":%d,"opened":"2026-01-%02dT00:00:00Z"}`, i%3, i+1), "")
	}
	all := `"contentSources":["/external/connections/desk","/external/connections/more"]`
	var got []string
	for from := 0; ; from += 7 {
		ids, a := g.search("u", "desk", "word", fmt.Sprintf(`"from":%d,"size":7,%s`, from, all))
		got = append(got, ids...)
		if total := fmt.Sprint(a.get("value", 0, "hitsContainers", 0, "total")); total != "30" {
			t.Fatalf("total from %d = %s, want 30", from, total)
		}
		more := a.get("value", 0, "hitsContainers", 0, "moreResultsAvailable")
		if more != (from+7 < 30) {
			t.Errorf("from %d: moreResultsAvailable = %v", from, more)
		}
		if more != true {
			break
		}
	}
	if len(got) != 30 || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 30 {
		t.Errorf("pages together hold %d items: %v", len(got), got)
	}
	if ids, _ := g.search("u", "desk", "word", all); len(ids) != 25 {
		t.Errorf("the default page has %d hits, want 25", len(ids))
	}
	ids, _ := g.search("u", "desk", "word", `"sortProperties":[{"name":"priority","isDescending":true},{"name":"opened"}],"size":3,`+all)
	if got := strings.Join(ids, " "); got != "i02 i05 i08" {
		t.Errorf("sorted = %q, want i02 i05 i08", got)
	}
}

func TestSearchRules(t *testing.T) {
	g := corpus(t)
	for _, tt := range []struct {
		name, body string
		status     int
		text       string
	}{
		{"no request", `{"requests":[]}`, 400, "exactly one"},
		{"two requests", `{"requests":[{},{}]}`, 400, "exactly one"},
		{"other entities", strings.Replace(searchBody("desk", "x", ""), "externalItem", "message", 1), 400, "entityTypes"},
		{"no query", `{"requests":[{"entityTypes":["externalItem"]}]}`, 400, "queryString"},
		{"empty query", searchBody("desk", " ", ""), 400, "queryString"},
		{"long query", searchBody("desk", strings.Repeat("x", 20_481), ""), 400, "20480"},
		{"many terms", searchBody("desk", strings.Repeat("x ", 257), ""), 400, "256 terms"},
		{"256 terms", searchBody("desk", strings.Repeat("x OR ", 255)+"x", ""), 200, ""},
		{"deep", searchBody("desk", strings.Repeat("(", 500)+"x", ""), 400, "deep"},
		{"many words left out", searchBody("desk", "x"+strings.Repeat(" NOT y", 250), ""), 200, ""},
		{"many words not there", searchBody("desk", "NOT x"+strings.Repeat(" OR NOT y", 200), ""), 200, ""},
		{"as deep as may be", searchBody("desk", strings.Repeat("(x OR (y AND NOT ", 12)+"z"+strings.Repeat("))", 12), ""), 200, ""},
		{"as deep as may be, words alone", searchBody("desk", strings.Repeat("(x OR (y ", 15)+"z"+strings.Repeat("))", 15), ""), 200, ""},
		{"many words close together", searchBody("desk", "x"+strings.Repeat(" NEAR(9) y", 250), ""), 200, ""},
		{"32 prefixes", searchBody("desk", "x"+strings.Repeat(" OR y*", 32), ""), 200, ""},
		{"33 prefixes", searchBody("desk", "x"+strings.Repeat(" OR title:y*", 33), ""), 400, "32 prefixes"},
		{"a long phrase", searchBody("desk", `"`+strings.Repeat("x ", 5000)+`"`, ""), 200, ""},
		{"256 restrictions", searchBody("desk", "status:x"+strings.Repeat(" AND priority>1 OR status:x", 127), ""), 200, ""},
		{"256 tokens", searchBody("desk", "x", `"aggregationFilters":["status:or(`+strings.Repeat(`\"a\",`, 254)+`\"a\")"]`), 200, ""},
		{"300 tokens", searchBody("desk", "x", `"aggregationFilters":["status:or(`+strings.Repeat(`\"a\",`, 300)+`\"a\")"]`), 400, "256 tokens"},
		{"100 aggregations", searchBody("desk", "x", `"aggregations":[`+strings.Repeat(`{"field":"status"},`, 99)+`{"field":"cost"}]`), 200, ""},
		{"101 aggregations", searchBody("desk", "x", `"aggregations":[`+strings.Repeat(`{"field":"status"},`, 100)+`{"field":"cost"}]`), 400, "at most 100"},
		{"100 fields to trim by", searchBody("desk", "x", `"collapseProperties":[`+strings.Repeat(`{"fields":["status"],"limit":1},`, 99)+`{"fields":["status"],"limit":1}]`), 200, ""},
		{"101 fields to trim by", searchBody("desk", "x", `"collapseProperties":[{"limit":1,"fields":[`+strings.Repeat(`"status",`, 100)+`"status"]}]`), 400, "at most 100"},
		{"no bucket", searchBody("desk", "x", `"aggregations":[{"field":"status","size":0}]`), 400, "size"},
		{"many NOTs", searchBody("desk", strings.Repeat("NOT ", 500)+"x", ""), 400, "deep"},
		{"unknown connection", searchBody("nosuch", "x", ""), 400, "nosuch"},
		{"not a source", strings.Replace(searchBody("desk", "x", ""), "/external/connections/desk", "desk", 1), 400, "contentSources"},
		{"all connectors", strings.Replace(searchBody("desk", "x", ""), "/external/connections/desk", "Connectors", 1), 200, ""},
		{"size 501", searchBody("desk", "x", `"size":501`), 400, "500"},
		{"size 500", searchBody("desk", "x", `"size":500`), 200, ""},
		{"size 0", searchBody("desk", "x", `"size":0`), 200, ""},
		{"negative from", searchBody("desk", "x", `"from":-1`), 400, "from"},
		{"sort by what is not refinable", searchBody("desk", "x", `"sortProperties":[{"name":"title"}]`), 400, "title"},
		{"sort by nothing known", searchBody("desk", "x", `"sortProperties":[{"name":"nosuch"}]`), 400, "nosuch"},
		{"six keys", searchBody("desk", "x", `"sortProperties":[{},{},{},{},{},{}]`), 400, "at most 5"},
		{"count what is not refinable", searchBody("desk", "x", `"aggregations":[{"field":"title"}]`), 400, "title"},
		{"filter by what is not refinable", searchBody("desk", "x", `"aggregationFilters":["title:\"x\""]`), 400, "title"},
		{"broken filter", searchBody("desk", "x", `"aggregationFilters":["status:or(\"x\""]`), 400, "aggregationFilters"},
		{"template", searchBody("desk", "x", "")[:0] + strings.Replace(searchBody("desk", "printer", ""), `"queryString"`, `"queryTemplate":"{searchTerms} status:open","queryString"`, 1), 200, ""},
		{"a template without the terms", strings.Replace(searchBody("desk", "x", ""), `"queryString"`, `"queryTemplate":"x","queryString"`, 1), 400, "searchTerms"},
		{"a template of letters that grow when they are small", strings.Replace(searchBody("desk", "printer", ""), `"queryString"`, `"queryTemplate":"-(ȺȺȺȺ) {SEARCHterms}","queryString"`, 1), 200, ""},
		{"a word for a number", searchBody("desk", "printer priority:high", ""), 400, "column 9: priority is int64"},
		{"a fraction for an int64", searchBody("desk", "priority>1.5", ""), 400, "column 1"},
		{"a word for a date", searchBody("desk", "opened>someday", ""), 400, "date"},
		{"a word for a boolean", searchBody("desk", "urgent:perhaps", ""), 400, "true"},
		{"order of strings", searchBody("desk", "status>open", ""), 400, "status"},
	} {
		a := g.as(Caller{UserID: "u1"}, "POST", "/v1.0/search/query", tt.body)
		if a.status != tt.status || !strings.Contains(a.inner(), tt.text) {
			t.Errorf("%s: %v, want %d with %q", tt.name, a, tt.status, tt.text)
		}
		if tt.name == "template" && !strings.Contains(a.String(), `"total":1`) {
			t.Errorf("template: %v, want one hit", a)
		}
	}
}

func TestAggregations(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	for i, s := range []string{"open", "open", "open", "closed", "Ärger", ""} {
		status := ""
		if s != "" {
			status = `"status":"` + s + `",`
		}
		g.put("desk", fmt.Sprintf("i%d", i), fmt.Sprintf(`{"title":"word",%s"priority":%d,"cost":%d.5,"opened":"2026-0%d-01T00:00:00Z","tags@odata.type":"Collection(String)","tags":["all","all","t%d"]}`,
			status, i, i*100, i+1, i%2), "")
	}
	g.putACL("desk", "hidden", entries("grant user other"), `{"title":"word","status":"open"}`, "")
	for _, tt := range []struct{ agg, want string }{
		{`{"field":"status","bucketDefinition":{"sortBy":"count","isDescending":true}}`, "open=3 closed=1 Ärger=1"},
		{`{"field":"state","size":1,"bucketDefinition":{"isDescending":true}}`, "open=3"},
		{`{"field":"status","bucketDefinition":{"sortBy":"keyAsString"}}`, "closed=1 open=3 Ärger=1"},
		{`{"field":"status","bucketDefinition":{"sortBy":"KeyAsString","isDescending":"true"}}`, "Ärger=1 open=3 closed=1"}, // as in Microsoft's samples
		{`{"field":"status","bucketDefinition":{"minimumCount":2}}`, "open=3"},
		{`{"field":"status","bucketDefinition":{"prefixFilter":"AR"}}`, "Ärger=1"},
		{`{"field":"priority","bucketDefinition":{"sortBy":"keyAsNumber","isDescending":true}}`, "5=1 4=1 3=1 2=1 1=1 0=1"},
		{`{"field":"tags","bucketDefinition":{"sortBy":"count","isDescending":true}}`, "all=6 t0=3 t1=3"},
		{`{"field":"cost","bucketDefinition":{"ranges":[{"to":"100"},{"from":"100","to":"300.5"},{"from":"300.5"}],"sortBy":"keyAsNumber"}}`,
			"Less than 100=1 100 up to 300.5=2 300.5 and up=3"},
		{`{"field":"opened","bucketDefinition":{"ranges":[{"from":"2026-02-01","to":"2026-04-01"}]}}`, "From 2026-02-01 up to 2026-04-01=2"},
	} {
		_, a := g.search("u", "desk", "word", `"size":1,"aggregations":[`+tt.agg+`]`)
		var got []string
		buckets, _ := a.get("value", 0, "hitsContainers", 0, "aggregations", 0, "buckets").([]any)
		for i := range buckets {
			b := func(k string) any { return a.get("value", 0, "hitsContainers", 0, "aggregations", 0, "buckets", i, k) }
			got = append(got, fmt.Sprintf("%v=%v", b("key"), b("count")))
			// Each bucket's token must filter to as many as it counts.
			field := a.get("value", 0, "hitsContainers", 0, "aggregations", 0, "field").(string)
			f, _ := json.Marshal(field + ":" + b("aggregationFilterToken").(string))
			if _, a := g.search("u", "desk", "word", `"aggregationFilters":[`+string(f)+`]`); fmt.Sprint(a.get("value", 0, "hitsContainers", 0, "total")) != fmt.Sprint(b("count")) {
				t.Errorf("filter %s: %v, want %v hits", f, a, b("count"))
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s:\n got %q\nwant %q\n%v", tt.agg, s, tt.want, a)
		}
	}
	for _, tt := range []struct{ filter, want string }{
		{`status:"ǂǂ6f70656e"`, "3"},
		{`status:or("ǂǂ6f70656e","ǂǂ636c6f736564")`, "4"},
		{`status:not("open")`, "3"},
		{`priority:range(1, 3)`, "2"},
		{`priority:range(1, 3, to="le")`, "3"},
		{`priority:range(1, max, from="gt")`, "4"},
		{`priority:or(range(0, 1), range(5, max, to="le"))`, "2"},
		{`opened:range(2026-03-01T00:00:00Z, max)`, "4"},
	} {
		f, _ := json.Marshal(tt.filter)
		if _, a := g.search("u", "desk", "word", `"aggregationFilters":[`+string(f)+`]`); fmt.Sprint(a.get("value", 0, "hitsContainers", 0, "total")) != tt.want {
			t.Errorf("filter %s = %v, want %s hits", tt.filter, a, tt.want)
		}
	}
}

// An item counts once in a range, and once under a value, however many of its
// values are there.
func TestCountOfLists(t *testing.T) {
	ranges := &aggregation{typ: tInt64, ranges: []valueRange{{nil, int64(5)}, {int64(5), nil}, {int64(9), int64(10)}}, buckets: make([]bucket, 3)}
	values := &aggregation{typ: tInt64, texts: map[string]*int64{}, numbers: map[driver.Value]int64{}}
	for _, list := range []string{"[1,2,9]", "[9.5,9,9]", "[]", "[4,4]"} {
		ranges.count(list, true)
		values.count(list, true)
	}
	if b := ranges.buckets; b[0].Count != 2 || b[1].Count != 2 || b[2].Count != 2 {
		t.Errorf("ranges hold %v, want 2 each", b)
	}
	values.Bucket.SortBy = "keyAsNumber"
	if got := fmt.Sprint(values.answer()["buckets"]); !strings.HasPrefix(got, "[{1 1 ") || !strings.Contains(got, "{4 1 ") || !strings.Contains(got, "{9 2 ") || !strings.Contains(got, "{9.5 1 ") {
		t.Errorf("buckets %v", got)
	}
}

func TestMostBuckets(t *testing.T) {
	a := &aggregation{typ: tInt64, texts: map[string]*int64{}, numbers: map[driver.Value]int64{}}
	for i := range int64(150) {
		a.count(i, false)
		a.count(i, false)
	}
	a.count(int64(7), false)
	a.Bucket.IsDescending = true
	list := a.answer()["buckets"].([]bucket)
	if len(list) != 100 || list[0].Key != "7" || list[0].Count != 3 {
		t.Errorf("%d buckets from %v on, want 100 from 7 on", len(list), list[0])
	}
}

func TestActivities(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.put("desk", "a", `{"title":"x"}`, "")
	good := `{"@odata.type":"#microsoft.graph.externalConnectors.externalActivity","type":"viewed","startDateTime":"2026-05-01T08:00:00Z","performedBy":{"type":"user","id":"u1"}}`
	list := func(s ...string) string { return `{"activities":[` + strings.Join(s, ",") + `]}` }
	for _, tt := range []struct {
		name, path, body string
		status           int
	}{
		{"short path", "a/addActivities", list(good), 200},
		{"long path", "a/microsoft.graph.externalConnectors.addActivities", list(good), 200},
		{"20", "a/addActivities", list(slices.Repeat([]string{good}, 20)...), 200},
		{"21", "a/addActivities", list(slices.Repeat([]string{good}, 21)...), 400},
		{"none", "a/addActivities", list(), 400},
		{"missing", "a/addActivities", `{}`, 400},
		{"another type", "a/addActivities", list(strings.Replace(good, "externalActivity", "activity", 1)), 400},
		{"unknown item", "b/addActivities", list(good), 404},
		{"one is wrong", "a/addActivities", list(good, strings.Replace(good, "viewed", "liked", 1)), 207},
		{"wrong date", "a/addActivities", list(strings.Replace(good, "2026-05-01T08", "2026-05-01 08", 1)), 207},
		{"nobody", "a/addActivities", list(strings.Replace(good, `"u1"`, `""`, 1)), 207},
	} {
		if a := g.do("POST", base+"/desk/items/"+tt.path, tt.body); a.status != tt.status {
			t.Errorf("%s: %v, want %d", tt.name, a, tt.status)
		}
	}
	a := g.do("POST", base+"/desk/items/a/addActivities", list(good, strings.Replace(good, "viewed", "liked", 1)))
	if a.get("value", 0, "error") != nil || a.get("value", 0, "performedBy", "id") != "u1" || a.get("value", 1, "error", "message") == nil {
		t.Errorf("207 = %v", a)
	}
	if n := len(g.want(200, "GET", base+"/desk/items/a/activities", nil).get("value").([]any)); n != 24 {
		t.Errorf("%d activities are stored, want 24", n)
	}
}

func TestBatch(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	item := `{"acl":` + everyone + `,"properties":{"title":"x"}}`
	req := func(id, method, url, more string) string {
		return fmt.Sprintf(`{"id":%q,"method":%q,"url":%q%s}`, id, method, url, more)
	}
	send := func(status int, reqs ...string) map[string]answer {
		t.Helper()
		a := g.want(status, "POST", "/v1.0/$batch", `{"requests":[`+strings.Join(reqs, ",")+`]}`)
		out := map[string]answer{}
		list, _ := a.get("responses").([]any)
		for i := range list {
			r := func(k ...any) any { return a.get(append([]any{"responses", i}, k...)...) }
			n, _ := r("status").(json.Number).Int64()
			body, _ := r("body").(map[string]any)
			out[r("id").(string)] = answer{status: int(n), body: body}
			if body != nil && r("headers", "Content-Type") == nil {
				t.Errorf("part %v has a body and no Content-Type", r("id"))
			}
		}
		return out
	}
	put := func(id, more string) string {
		return req(id, "PUT", "/external/connections/desk/items/"+id, `,"headers":{"content-type":"application/json"},"body":`+item+more)
	}
	got := send(200, put("a", ""), put("b", `,"dependsOn":["a"]`), req("c", "get", "external/connections/desk/items/b", `,"body":null,"dependsOn":["B"]`),
		req("d", "GET", "/v1.0/external/connections/desk", `,"dependsOn":[]`), req("e", "GET", "/external/connections/nosuch", ""),
		put("f", `,"dependsOn":["e"]`), put("g", `,"dependsOn":["f"]`), put("bad.id", ""), req("h", "DELETE", "/external/connections/desk/items/a", `,"dependsOn":["c"]`),
		req("i", "POST", "/$batch", `,"headers":{"Content-Type":"application/json"},"body":{"requests":[]}`))
	for id, want := range map[string]int{"a": 200, "b": 200, "c": 200, "d": 200, "e": 404, "f": 424, "g": 424, "bad.id": 400, "h": 204, "i": 404} {
		if got[id].status != want {
			t.Errorf("part %s = %d %v, want %d", id, got[id].status, got[id].body, want)
		}
	}
	if got["c"].get("id") != "b" || got["f"].get("error", "code") != "FailedDependency" {
		t.Errorf("bodies: c %v, f %v", got["c"].body, got["f"].body)
	}
	send(400)
	send(400, put("a", ""), put("A", ""))
	send(400, put("a", `,"dependsOn":["b"]`), put("b", `,"dependsOn":["a"]`))
	send(400, put("a", `,"dependsOn":["nosuch"]`))
	send(400, `null`)
	var many []string
	for i := range 21 {
		many = append(many, put(fmt.Sprint(i), ""))
	}
	send(400, many...)
	for id, a := range send(200, many[:20]...) {
		if a.status != 200 {
			t.Errorf("part %s of 20 = %v", id, a.status)
		}
	}
}
