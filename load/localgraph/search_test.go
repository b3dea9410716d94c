package localgraph

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// corpus fills a connection with the items that the tables below speak of.
func corpus(t testing.TB) *graph {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	for _, it := range []struct{ id, props, content string }{
		{"a", `{"title":"Printer jams on tray two","status":"open","priority":3,"cost":10.5,"opened":"2026-05-01T08:00:00Z","urgent":true,
			"tags@odata.type":"Collection(String)","tags":["paper jam","hardware"],"numbers@odata.type":"Collection(Int64)","numbers":[1,9007199254740993],"category":"office machines"}`,
			"The printer stops and paper is torn."},
		{"b", `{"title":"VPN drops","status":"closed","priority":5,"cost":100,"opened":"2026-06-15T23:30:00+02:00","urgent":false,
			"tags@odata.type":"Collection(String)","tags":["network"],"secret":"hunter2 passphrase","owner":{"email":"ann@contoso.com","upn":"ann"}}`,
			"Users lose the tunnel; the printer queue fills meanwhile."},
		{"c", `{"title":"Zürich office: naïve café","status":"in progress","priority":1,"days@odata.type":"Collection(DateTimeOffset)","days":["2026-01-01T00:00:00Z"]}`,
			"Nothing of interest, closed mind, open heart."},
		{"d", `{"title":"東京都の天気予報","status":"open"}`, "今日は晴れです。プリンターが故障しました。"},
		{"e", `{"title":"打印机卡纸","status":"open"}`, "请重新启动打印机。全角ＡＢＣ和ｶﾀｶﾅ。"},
		{"g", `{"title":"كِتَاب हिन्दी"}`, ""},
		{"f", `{"title":"foo_bar-baz C++ 3.14"}`, "a 'quoted' text (with) * stars AND \"words\""},
	} {
		g.put("desk", it.id, it.props, it.content)
	}
	return g
}

func TestQuery(t *testing.T) {
	g := corpus(t)
	for _, tt := range []struct {
		query string
		want  string // ids, sorted
	}{
		// Free text: all words, in title, searchable properties and content.
		{"printer", "a b"},
		{"PRINTER", "a b"},
		{"printer paper", "a"},
		{"printer tunnel", "b"},
		{"printer AND tunnel", "b"},
		{"printer - tunnel", "b"},
		{"hunter2", "b"},
		{"zurich", "c"},
		{"ZÜRICH cafe naive", "c"},
		{"Zu\u0308rich", "c"},
		{"office machines", "a"},
		{"network", ""}, // tags are not searchable
		{"*", "a b c d e f g"},
		{"nosuchword", ""},
		{"???", ""},
		{"- + ( ) \"\"", ""},
		// Phrases and prefixes.
		{`"printer jams"`, "a"},
		{`"jams printer"`, ""},
		{`"paper is torn`, "a"}, // a quote left open ends with the query
		{"print*", "a b"},
		{`"tray tw*"`, "a"},
		{`"tray tw"*`, "a"},
		{"foo_bar-baz", "f"},
		{"foo bar", "f"},
		{"C++", "f"},
		{"3.14", "f"},
		{"*printer", "a b"}, // there is no search by endings: the star is left out
		// Booleans.
		{"tunnel OR torn", "a b"},
		{"tunnel or torn", ""}, // operators are upper case
		{"printer NOT tunnel", "a"},
		{"printer -tunnel", "a"},
		{"NOT printer", "c d e f g"},
		{"-printer", "c d e f g"},
		{"NOT *", ""},
		{"printer AND NOT (paper OR vpn)", ""},
		{"(vpn OR (zurich AND cafe)) AND office", "c"},
		{"vpn OR zurich AND cafe", "b c"}, // AND binds closer
		{"AND printer OR", "a b"},
		{"((printer", "a b"},
		{"printer))", "a b"},
		{")printer(", "a b"},
		{"() printer", "a b"},
		{"NOT", ""},
		{"+printer +paper", "a"},
		{"paper NEAR(2) torn", "a"},
		{"printer NEAR(1) torn", ""},
		{"printer NEAR(9) stops NEAR(9) torn", "a"},
		{"printer NEAR(9) stops NEAR(1) torn", ""},
		{"printer NEAR stops (paper)", "a"},
		{"printer NEAR (paper)", "a"}, // what is no word stands by itself
		{"NOT NOT printer", "a b"},
		{"printer NOT tunnel NOT torn", ""},
		// Restrictions of properties.
		{"status:open", "a d e"},
		{"STATUS:Open", "a d e"},
		{"state:open", "a d e"}, // an alias
		{"status:closed", "b"},
		{"status:progress", "c"},
		{"status=progress", ""},
		{`status="in progress"`, "c"},
		{"status<>open", "b c f g"},
		{"status:clo*", "b"},
		{"status:*", "a b c d e"},
		{"status:(open OR closed)", "a b d e"},
		{"status:open status:closed", "a b d e"}, // one property twice: either
		{"status:open AND status:closed", ""},
		{"NOT status:open", "b c f g"},
		{"-status:open", "b c f g"},
		{"printer status:closed", "b"},
		{"printer OR status:closed", "a b"},
		{"zurich OR status:closed", "b c"},
		{"NOT (zurich OR status:open)", "b f g"},
		{"title:printer", "a"},
		{`title:"printer jams"`, "a"},
		{"title:tunnel", ""},
		{"category:office", "a"},
		{"category:zurich", ""},
		{"tags:jam", "a"},
		{`tags:"paper jam"`, "a"},
		{`tags:"jam paper"`, ""},
		{`tags="jam"`, ""},
		{`tags="network"`, "b"},
		{"owner:ann", "b"},
		{"label_title:vpn", "b"},
		{"body:printer", ""}, // not queryable: nothing
		{"secret:hunter2", ""},
		{"priority:3", "a"},
		{"priority=3", "a"},
		{"priority>3", "b"},
		{"priority>=3", "a b"},
		{"priority<3", "c"},
		{"priority<=3", "a c"},
		{"priority<>3", "b c d e f g"},
		{"priority > 3", "b"},
		{"priority:>3", "b"},
		{"priority:1..3", "a c"},
		{"priority:3..", "a b"},
		{"NOT priority>3", "a c d e f g"},
		{"cost:10.5", "a"},
		{"cost>=100", "b"},
		{"numbers:9007199254740993", "a"},
		{"numbers:9007199254740992", ""},
		{"numbers>5", "a"},
		{"urgent:true", "a"},
		{"urgent:false", "b"},
		{"opened:2026-05-01", "a"},
		{"opened:2026-06-15", "b"}, // 21:30 in UTC
		{"opened>2026-05-01", "b"},
		{"opened>=2026-05-01", "a b"},
		{"opened<2026-06-01", "a"},
		{"opened:2026-05", "a"},
		{"opened:2026", "a b"},
		{"opened:2026-05-01..2026-05-31", "a"},
		{`opened:"2026-05-01".."2026-06-30"`, "a b"},
		{"opened>=2026-05-01T08:00:01Z", "b"},
		{"days:2026-01-01", "c"},
		// No property of this name: text.
		{"nosuch:printer", ""},
		{"printer:", "a b"},
		{"office: naïve", "c"},
		{"title:", ""},
		// Text without spaces between words.
		{"東京", "d"},
		{"東", "d"},
		{"京都", "d"},
		{"天気 晴れ", "d"},
		{"気天", ""},
		{"プリンター", "d"},
		{"打印机", "e"},
		{"启动", "e"},
		{"重新* 卡纸", "e"},
		{"ABC", "e"},
		{"カタカナ", "e"},
		{"title:天気", "d"},
		{"كتاب", "g"}, // without its vowel points
		{"हिन्दी", "g"},
		// What would be syntax elsewhere is text here.
		{`" OR 1=1 --`, ""},
		{"printer'); DROP TABLE connections; --", ""},
		{"{title} : printer", ""},
		{"title^printer", ""},
		{"rowid:1", ""},
		{"NEAR(printer paper)", ""},
		{"\x00printer", "a b"},
	} {
		ids, a := g.search("u1", "desk", tt.query, "")
		if a.status != 200 {
			t.Errorf("search(%q) = %v", tt.query, a)
			continue
		}
		slices.Sort(ids)
		if got := strings.Join(ids, " "); got != tt.want {
			t.Errorf("search(%q) = %q, want %q", tt.query, got, tt.want)
		}
		if got := fmt.Sprint(a.get("value", 0, "hitsContainers", 0, "total")); got != fmt.Sprint(len(ids)) {
			t.Errorf("search(%q): total = %s, want %d", tt.query, got, len(ids))
		}
	}
}

// A query that was made for schemas of before is not run, but made anew.
func TestSearchOfAnotherSchema(t *testing.T) {
	g := corpus(t)
	text := "printer"
	req := &searchRequest{EntityTypes: []string{"externalItem"}, Query: &searchText{QueryString: &text}}
	q, err := g.srv.prepare(req, User{ID: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.answer(t.Context()); err != nil {
		t.Errorf("answer = %v", err)
	}
	g.update("desk", `[{"name":"more","type":"int64","isQueryable":true}]`)
	if _, err := q.answer(t.Context()); !errors.Is(err, errStale) {
		t.Errorf("answer after a change of the schema = %v, want %v", err, errStale)
	}
	if ids, a := g.search("u1", "desk", "printer more>1 OR printer", ""); len(ids) != 2 {
		t.Errorf("search = %v", a)
	}
}
