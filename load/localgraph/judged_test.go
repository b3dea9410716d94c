package localgraph

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// sampleSchema has the searched properties of mappings/helpdesk.yaml.
const sampleSchema = `[
	{"name":"title","type":"string","isSearchable":true,"isRetrievable":true,"isQueryable":true,"labels":["title"]},
	{"name":"ticketNumber","type":"string","isSearchable":true,"isRetrievable":true,"isQueryable":true},
	{"name":"kind","type":"string","isRefinable":true,"isRetrievable":true,"isQueryable":true},
	{"name":"status","type":"string","isRefinable":true,"isRetrievable":true,"isQueryable":true},
	{"name":"requester","type":"string","isSearchable":true,"isRetrievable":true,"isQueryable":true,"labels":["createdBy"]},
	{"name":"summary","type":"string","isSearchable":true,"isRetrievable":true},
	{"name":"modified","type":"dateTime","isRefinable":true,"isRetrievable":true,"isQueryable":true,"labels":["lastModifiedDateTime"]},
	{"name":"fileName","type":"string","isSearchable":true,"isRetrievable":true,"isQueryable":true,"labels":["fileName"]}]`

// samples stores the items that the helpdesk samples become, for everyone.
func samples(t *testing.T) *graph {
	f, err := os.Open("../../samples/helpdesk/want.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := open(t, Options{})
	g.register("desk", sampleSchema)
	ctx := WithCaller(context.Background(), Caller{App: true})
	var reqs []*http.Request
	var answers []http.ResponseWriter
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var it struct {
			ID         string
			Properties map[string]any
			Content    any
		}
		if err := json.Unmarshal(lines.Bytes(), &it); err != nil {
			t.Fatal(err)
		}
		props := map[string]any{}
		for _, name := range []string{"title", "ticketNumber", "kind", "status", "requester", "summary", "modified", "fileName"} {
			if v, ok := it.Properties[name]; ok {
				props[name] = v
			}
		}
		body, _ := json.Marshal(map[string]any{"acl": json.RawMessage(everyone), "properties": props, "content": it.Content})
		r, _ := http.NewRequestWithContext(ctx, "PUT", "http://local"+base+"/desk/items/"+it.ID, bytes.NewReader(body))
		reqs, answers = append(reqs, r), append(answers, httptest.NewRecorder())
	}
	g.srv.ServeAll(answers, reqs)
	for i, w := range answers {
		if rec := w.(*httptest.ResponseRecorder); rec.Code != 200 {
			t.Fatalf("%s: %d %s", reqs[i].URL, rec.Code, rec.Body)
		}
	}
	return g
}

// The hit that a person who types the query is after comes first. Where several
// items say the same, it is the newest.
func TestJudgedSamples(t *testing.T) {
	g := samples(t)
	for _, tt := range []struct{ query, first string }{
		{"INC-11341", "INC-11341"},
		{"inc 11341", "INC-11341"},
		{"kb0044.html", "kb-kb0044"},
		{"vpn guide", "e_network_2Fvpn-guide_2Epdf"},
		{"laptop handbook", "e_laptops_2Flaptop-handbook_2Epdf"},
		{"printer manual", "e_printers_2Foffice-laser-printer_2Epdf"},
		{"handbook OR guide", "e_laptops_2Flaptop-handbook_2Epdf"}, // the newer of two
		{"kind:manual printer user", "e_printers_2Foffice-laser-printer_2Epdf"},
		{"Wi-Fi in meeting room", "INC-10059"},   // all of it in the title
		{"battery lasts 4 minutes", "kb-kb0011"}, // not 14, nor 44
		{"invoice 73530", "INC-10008"},           // a number among many alike
		{"printer offline", "INC-10437"},         // many have it as title; the newest
		{"token OR vpn", "INC-10416"},            // both in the title
		{"password kind:article travelling", "kb-kb0020"},
		{"mot de passe windows", "kb-kb0045"},
		{"reinitialiser mot de passe windows", "kb-kb0045"}, // without accents
		{"politica de contraseñas", "e_accounts_2Fpolitica-de-contrasenas_2Epdf"},
		{"Druckerhandbuch", "e_printers_2Fdruckerhandbuch_2Epdf"},
		{"drucker*", "INC-10678"}, // Drucker before Druckerhandbuch
		{"druckerh*", "e_printers_2Fdruckerhandbuch_2Epdf"},
		{"passwort windows zurucksetzen", "INC-10552"},
		{"guida vpn", "e_network_2Fguida-vpn_2Epdf"},
		{"hasla windows", "INC-11321"},        // hasła
		{"rozlacza co 4 minut", "kb-kb0055"},  // rozłącza
		{"εκτυπωτης γραμματεια", "INC-11442"}, // without accents
		{"ΦΟΡΗΤΟΣ ΔΕΝ ΞΥΠΝΑ", "INC-11458"},    // in capitals, whose sigma is another
		{"プリンターが印刷できません 会議室", "INC-11561"},
		{"スリープから復帰", "INC-11554"},
	} {
		ids, a := g.search("u", "desk", tt.query, `"size":4`)
		if len(ids) == 0 || ids[0] != tt.first {
			t.Errorf("%q finds %v, want %s first\n%.2000v", tt.query, ids, tt.first, a)
		}
	}
}

// Made-up sets: all hits, in the order that a person expects.
func TestJudgedSets(t *testing.T) {
	filler := strings.Repeat("lorem ipsum dolor sit amet ", 100)
	old, recent := `"opened":"2012-03-01T00:00:00Z"`, `"opened":"2026-10-01T00:00:00Z"`
	item := func(id, title, more, content string) [3]string {
		if more != "" {
			more = "," + more
		}
		return [3]string{id, `{"title":"` + title + `"` + more + `}`, content}
	}
	for _, tt := range []struct {
		name, query string
		items       [][3]string
		want        string
	}{
		{"the title is the query", "vpn", [][3]string{
			item("longer", "VPN: what to do when the VPN drops", recent, strings.Repeat("vpn ", 30)), item("is", "VPN", old, filler), item("text", "Other", recent, "vpn vpn")}, "is longer text"},
		{"the title is the query but for signs and case", "how to print", [][3]string{
			item("has", "How to print on both sides", recent, ""), item("is", "How to print?", old, filler)}, "is has"},
		{"as a phrase in the title, in the title, as a phrase in the text", "paper jam", [][3]string{
			item("text", "Other", recent, strings.Repeat("a paper jam ", 20)), item("title", "The jam of paper", old, filler), item("phrase", "On the paper jam", old, filler)}, "phrase title text"},
		{"a phrase of the title before one of the text", "paper jam", [][3]string{
			item("text", "The jam of paper", recent, "a paper jam"), item("title", "On the paper jam", old, filler)}, "title text"},
		{"a phrase once before both words often", "paper jam", [][3]string{
			item("often", "x", recent, strings.Repeat("paper and jam and ", 30)), item("phrase", "y", old, filler+" the paper jam "+filler)}, "phrase often"},
		{"close together before far apart", "reset password", [][3]string{
			item("apart", "x", recent, "reset it all "+filler+" password password"), item("near", "y", old, filler+" reset your old password "+filler)}, "near apart"},
		{"all alternatives before some", "toner OR drum", [][3]string{
			item("one", "x", recent, strings.Repeat("toner ", 40)), item("both", "y", old, filler+" toner "+filler+" drum "+filler), item("other", "z", recent, "drum drum")}, "both one other"},
		{"all alternatives in the title first", "toner OR drum", [][3]string{
			item("text", "x", recent, "toner and drum"), item("title", "Drum and toner", old, filler)}, "title text"},
		{"a word before what begins with it", "print*", [][3]string{
			item("begins", "x", recent, strings.Repeat("printers printing printed ", 10)), item("is", "y", old, filler+" print "+filler)}, "is begins"},
		{"and in titles too", "print*", [][3]string{
			item("text", "x", recent, "print print print"), item("begins", "Printers", recent, "printers"), item("is", "To print", old, filler)}, "is begins text"},
		{"the newer of equals", "toner", [][3]string{
			item("old", "Toner low", old, "The toner is low in the printer."), item("new", "Toner low", recent, "The toner is low in the printer.")}, "new old"},
		{"the newer of near equals", "toner", [][3]string{
			item("old", "x", old, "The toner is low in our printer on floor 3, again."), item("new", "x", recent, "The toner is low in our printer on floor 3, again today.")}, "new old"},
		{"a restriction does not rank", "status:open toner", [][3]string{
			item("text", "x", recent+`,"status":"open"`, "toner"), item("title", "Toner", old+`,"status":"open"`, filler), item("closed", "Toner", recent+`,"status":"closed"`, "")}, "title text"},
		{"what is left out does not rank", "toner -drum", [][3]string{
			item("text", "x", recent, "toner"), item("title", "Toner", old, filler), item("drum", "Toner", recent, "drum")}, "title text"},
		{"a name in the title, by restriction", "title:toner", [][3]string{
			item("has", "The toner is low", recent, ""), item("is", "Toner", old, filler)}, "is has"},

		{"German: ß, umlauts and compounds as they are written", "drucker", [][3]string{
			item("compound", "Druckerpapier", recent, "Druckerpapier"), item("text", "x", old, "Der DRUCKER."), item("title", "Drucker", old, "")}, "title text"},
		{"German compounds by their beginning", "drucker*", [][3]string{
			item("compound", "x", recent, "Druckerpapier"), item("is", "y", old, "Der Drucker.")}, "is compound"},
		{"German: ss finds ß", "strasse", [][3]string{item("a", "Straße gesperrt", old, ""), item("b", "x", recent, "Die STRASSE.")}, "a b"},
		{"French: no accents needed, nor do they exclude", "problème réseau", [][3]string{
			item("apart", "x", recent, "Le probleme est ailleurs que dans ce reseau."), item("phrase", "y", old, "Un PROBLÈME RÉSEAU.")}, "phrase apart"},
		{"Polish: ł", "haslo", [][3]string{item("title", "Hasło", old, ""), item("text", "x", recent, "HASŁO")}, "title text"},
		{"Danish and Norwegian: ø, æ, å", "tradlost", [][3]string{item("a", "Trådløst", "", "")}, "a"},
		{"Vietnamese: marks upon marks", "mat khau", [][3]string{item("apart", "x", recent, "khẩu và mật"), item("phrase", "y", old, "Mật khẩu")}, "phrase apart"},
		{"Turkish: dotless and dotted", "ISI", [][3]string{item("a", "x", old, "ısı"), item("b", "x", recent, "İSİ")}, "b a"},
		{"Greek: capitals without accents, final sigma", "ΔΙΚΤΥΟΣ", [][3]string{item("title", "δίκτυος", old, ""), item("text", "x", recent, "δίκτυος")}, "title text"},
		{"Russian: е finds ё, и does not find й", "елка", [][3]string{item("title", "Ёлка", old, ""), item("text", "x", recent, "ёлка")}, "title text"},
		{"Russian", "мои", [][3]string{item("other", "мой", "", "мой"), item("a", "x", "", "мои")}, "a"},
		{"Japanese: any part of a text, the title first", "東京", [][3]string{
			item("text", "天気", recent, strings.Repeat("東京の天気。", 20)), item("title", "今日の東京都は晴れ", old, ""), item("apart", "京東", recent, "東の京")}, "title text"},
		{"Japanese: both words, side by side first", "東京 天気", [][3]string{
			item("apart", "x", recent, "天気が良い。"+strings.Repeat("あいうえお", 40)+"東京。"), item("phrase", "y", old, "東京天気予報")}, "phrase apart"},
		{"Japanese: the marks of Katakana make other words", "ハス", [][3]string{item("bus", "バス", "", "バス"), item("lotus", "ハス", "", "")}, "lotus"},
		{"Chinese: traditional text stays apart from simplified", "打印机", [][3]string{item("a", "打印机卡纸", "", ""), item("b", "打印機卡紙", "", "")}, "a"},
		{"Korean: particles cling", "프린터", [][3]string{item("text", "x", recent, "프린터가 고장"), item("title", "프린터는 3층에", old, "")}, "title text"},
		{"Thai: words without spaces", "รหัสผ่าน", [][3]string{
			item("text", "x", recent, "ฉันลืมรหัสผ่านของฉัน"), item("title", "เปลี่ยนรหัสผ่านใหม่", old, "")}, "title text"},
		{"Arabic: with and without vowels", "طابعة", [][3]string{
			item("text", "x", recent, "الورق في طَابِعَة المكتب"), item("title", "طابعة معطلة", old, ""), item("none", "مكتب", "", "")}, "title text"},
		{"Hebrew: with and without points", "שלום עולם", [][3]string{
			item("apart", "x", recent, "עולם ואז שלום"), item("phrase", "y", old, "שָׁלוֹם עוֹלָם")}, "phrase apart"},
		{"Hindi", "हिन्दी", [][3]string{item("text", "x", recent, "यह हिन्दी है"), item("title", "हिन्दी", old, "")}, "title text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := open(t, Options{})
			g.register("desk", helpdesk)
			for _, it := range tt.items {
				g.put("desk", it[0], it[1], it[2])
			}
			g.put("desk", "unrelated", `{"title":"unrelated"}`, filler)
			ids, a := g.search("u", "desk", tt.query, "")
			if got := strings.Join(ids, " "); got != tt.want {
				t.Errorf("%q finds %q, want %q\n%.300v", tt.query, got, tt.want, a)
			}
		})
	}
}
