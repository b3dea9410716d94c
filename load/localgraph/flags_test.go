package localgraph

import (
	"encoding/json"
	"fmt"
	"testing"
)

// Each flag of a property does what it says, and no other does it, in every
// combination that a schema may have.
func TestFlagMatrix(t *testing.T) {
	g := open(t, Options{})
	for bits := range 64 {
		on := func(bit int) bool { return bits&(1<<bit) != 0 }
		searchable, queryable, retrievable, refinable, exact, list := on(0), on(1), on(2), on(3), on(4), on(5)
		typ, value := "string", `"p":"two words"`
		if list {
			typ, value = "stringCollection", `"p@odata.type":"Collection(String)","p":["two words","more"]`
		}
		schema := fmt.Sprintf(`[{"name":"n","type":"int64","isRetrievable":true},{"name":"p","type":%q,"aliases":["other"],"isSearchable":%t,"isQueryable":%t,"isRetrievable":%t,"isRefinable":%t,"isExactMatchRequired":%t}]`,
			typ, searchable, queryable, retrievable, refinable, exact)
		what := schema[len(`[{"name":"n","type":"int64","isRetrievable":true},`):]
		if searchable && (refinable || exact) {
			g.want(201, "POST", base, fmt.Sprintf(`{"id":"bad%d","name":"bad%[1]d"}`, bits))
			g.want(400, "PATCH", fmt.Sprintf("%s/bad%d/schema", base, bits), `{"baseType":"microsoft.graph.externalItem","properties":`+schema+`}`)
			continue
		}
		conn := fmt.Sprintf("desk%d", bits)
		g.register(conn, schema)
		g.put(conn, "a", `{"n":1,`+value+`}`, "text")
		g.put(conn, "b", `{"n":1}`, "text")
		finds := func(query string, want bool) {
			t.Helper()
			ids, a := g.search("u", conn, query, "")
			if a.status != 200 || (len(ids) == 1) != want {
				t.Errorf("%s: %s finds %v, want it found: %v (%.200v)", what, query, ids, want, a)
			}
		}
		finds("words", searchable)
		finds(`"two words"`, searchable)
		for _, name := range []string{"p", "P", "other"} {
			finds(name+`:"two words"`, queryable)
			finds(name+`="Two Words"`, queryable)
			finds(name+":words", queryable && !exact)
			finds(name+":wor*", queryable && !exact)
			finds(name+":TW*", queryable)
			finds(name+"=wor*", false)
			finds(name+`="two wor"*`, queryable)
			finds(name+`:"words two"`, false)
			finds(name+"=words", false)
		}
		_, a := g.search("u", conn, "*", `"fields":["OTHER","n"]`)
		shown := false
		for i := range 2 {
			shown = shown || a.get("value", 0, "hitsContainers", 0, "hits", i, "resource", "properties", "p") != nil
		}
		if shown != retrievable {
			t.Errorf("%s: shown: %v (%.500v)", what, shown, a)
		}
		allowed := func(more string, want bool) {
			t.Helper()
			_, a := g.search("u", conn, "*", more)
			if (a.status == 200) != want || !want && a.status != 400 {
				t.Errorf("%s: %s = %.300v, want it allowed: %v", what, more, a, want)
			}
		}
		allowed(`"sortProperties":[{"name":"p"}]`, refinable)
		allowed(`"aggregations":[{"field":"other"}]`, refinable)
		allowed(`"aggregationFilters":["p:\"two words\""]`, refinable)
		allowed(`"collapseProperties":[{"fields":["p"],"limit":1}]`, refinable && queryable)
		if refinable {
			token, _ := json.Marshal("p:" + valueToken("two words"))
			if ids, a := g.search("u", conn, "*", `"aggregationFilters":[`+string(token)+`]`); len(ids) != 1 {
				t.Errorf("%s: filtered: %.300v", what, a)
			}
		}
	}
}
