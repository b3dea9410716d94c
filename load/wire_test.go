package load

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"importer/extract"
	"importer/transform"
)

// The wanted bodies are written by hand after the items page of the API, not
// taken from the code.
func TestAppendItem(t *testing.T) {
	const acl = `"acl":[{"type":"everyone","value":"everyone","accessType":"grant"}]`
	const noContent = `,"content":{"type":"text","value":""}`
	everyone := []transform.Access{{Type: "everyone", Value: "everyone"}}
	property := func(name string, v transform.Value) *transform.Item {
		return &transform.Item{ACL: everyone, Properties: []transform.Property{{Name: name, Value: v}}}
	}
	for _, tt := range []struct {
		name string
		item *transform.Item
		want string
	}{
		{
			"grants and denials",
			&transform.Item{ACL: []transform.Access{
				{Type: "group", Value: "0f1d"}, {Type: "externalGroup", Value: "hr team"}, {Type: "user", Value: "5b2c", Deny: true},
			}},
			`{"acl":[{"type":"group","value":"0f1d","accessType":"grant"},` +
				`{"type":"externalGroup","value":"hr team","accessType":"grant"},` +
				`{"type":"user","value":"5b2c","accessType":"deny"}],"properties":{}` + noContent + `}`,
		},
		{
			"ASCII string: no annotation",
			property("title", transform.Value{Type: transform.String, Str: "Rotor check"}),
			`{` + acl + `,"properties":{"title":"Rotor check"}` + noContent + `}`,
		},
		{
			"string that is not ASCII",
			property("title", transform.Value{Type: transform.String, Str: "Rotorprüfung"}),
			`{` + acl + `,"properties":{"title@odata.type":"String","title":"Rotorprüfung"}` + noContent + `}`,
		},
		{
			"empty string",
			property("title", transform.Value{Type: transform.String}),
			`{` + acl + `,"properties":{"title":""}` + noContent + `}`,
		},
		{
			"int64 above 2^53",
			property("serial", transform.Value{Type: transform.Int64, Int: math.MaxInt64}),
			`{` + acl + `,"properties":{"serial":9223372036854775807}` + noContent + `}`,
		},
		{
			"least int64",
			property("serial", transform.Value{Type: transform.Int64, Int: math.MinInt64}),
			`{` + acl + `,"properties":{"serial":-9223372036854775808}` + noContent + `}`,
		},
		{
			"shortest double",
			property("price", transform.Value{Type: transform.Double, Float: 0.1}),
			`{` + acl + `,"properties":{"price":0.1}` + noContent + `}`,
		},
		{
			"whole double",
			property("price", transform.Value{Type: transform.Double, Float: 1e10}),
			`{` + acl + `,"properties":{"price":10000000000}` + noContent + `}`,
		},
		{
			"a double that JSON has no word for",
			property("price", transform.Value{Type: transform.Double, Float: math.NaN()}),
			`{` + acl + `,"properties":{}` + noContent + `}`,
		},
		{
			"boolean",
			property("open", transform.Value{Type: transform.Boolean, Bool: true}),
			`{` + acl + `,"properties":{"open":true}` + noContent + `}`,
		},
		{
			"dateTime",
			property("opened", transform.Value{Type: transform.DateTime, Str: "2026-05-01T08:00:00Z"}),
			`{` + acl + `,"properties":{"opened":"2026-05-01T08:00:00Z"}` + noContent + `}`,
		},
		{
			"strings",
			property("tags", transform.Value{Type: transform.StringCollection, Strs: []string{"a", "", "é"}}),
			`{` + acl + `,"properties":{"tags@odata.type":"Collection(String)","tags":["a","","é"]}` + noContent + `}`,
		},
		{
			"int64s",
			property("years", transform.Value{Type: transform.Int64Collection, Ints: []int64{1999, -1}}),
			`{` + acl + `,"properties":{"years@odata.type":"Collection(Int64)","years":[1999,-1]}` + noContent + `}`,
		},
		{
			"doubles",
			property("sizes", transform.Value{Type: transform.DoubleCollection, Floats: []float64{math.Inf(1), 1.5, 1e-7, 1e21}}),
			`{` + acl + `,"properties":{"sizes@odata.type":"Collection(Double)","sizes":[1.5,1e-07,1e+21]}` + noContent + `}`,
		},
		{
			"dates are DateTimeOffset, never DateTime",
			property("read", transform.Value{Type: transform.DateTimeCollection, Strs: []string{"2026-05-01T08:00:00Z"}}),
			`{` + acl + `,"properties":{"read@odata.type":"Collection(DateTimeOffset)","read":["2026-05-01T08:00:00Z"]}` + noContent + `}`,
		},
		{
			"empty collections are left out",
			&transform.Item{ACL: everyone, Properties: []transform.Property{
				{Name: "tags", Value: transform.Value{Type: transform.StringCollection}},
				{Name: "sizes", Value: transform.Value{Type: transform.DoubleCollection, Floats: []float64{math.NaN()}}},
				{Name: "last", Value: transform.Value{Type: transform.Boolean}},
			}},
			`{` + acl + `,"properties":{"last":false}` + noContent + `}`,
		},
		{
			"principal",
			property("owner", transform.Value{Type: transform.PrincipalType, Persons: []transform.Principal{{
				ExternalName: "Meg", ExternalID: "7", EntraDisplayName: "Megan B", EntraID: "5b2c", Email: "m@x.com", UPN: "meg@x.com", TenantID: "t",
			}}}),
			`{` + acl + `,"properties":{"owner":{"@odata.type":"#microsoft.graph.externalConnectors.principal",` +
				`"externalName":"Meg","externalId":"7","entraDisplayName":"Megan B","entraId":"5b2c","email":"m@x.com","upn":"meg@x.com","tenantId":"t"}}` + noContent + `}`,
		},
		{
			"principals",
			property("owners", transform.Value{Type: transform.PrincipalCollection, Persons: []transform.Principal{{UPN: "a@x.com"}, {UPN: "b@x.com"}}}),
			`{` + acl + `,"properties":{"owners@odata.type":"Collection(microsoft.graph.externalConnectors.principal)","owners":[` +
				`{"@odata.type":"#microsoft.graph.externalConnectors.principal","upn":"a@x.com"},` +
				`{"@odata.type":"#microsoft.graph.externalConnectors.principal","upn":"b@x.com"}]}` + noContent + `}`,
		},
		{
			"content, not as HTML sees it",
			&transform.Item{ACL: everyone, Content: transform.Content{Type: "html", Value: "<p class=\"a\">a & b\u2028\n\t\\ \x01</p>"}},
			`{` + acl + `,"properties":{},"content":{"type":"html","value":"<p class=\"a\">a & b` + "\u2028" + `\n\t\\ \u0001</p>"}}`,
		},
		{
			"broken UTF-8",
			&transform.Item{ACL: everyone, Content: transform.Content{Type: "text", Value: "caf\xe9 \xff\xfe ok"}},
			`{` + acl + `,"properties":{},"content":{"type":"text","value":"caf` + "\uFFFD \uFFFD\uFFFD" + ` ok"}}`,
		},
		{
			"activities",
			&transform.Item{ACL: everyone, Activities: []transform.Activity{
				{Type: "created", At: time.Date(2026, 5, 1, 10, 0, 0, 0, time.FixedZone("CEST", 7200)), ByType: "user", ByID: "5b2c"},
				{Type: "viewed", At: time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC)},
			}},
			`{` + acl + `,"properties":{},"activities":[` +
				`{"@odata.type":"#microsoft.graph.externalConnectors.externalActivity","type":"created","startDateTime":"2026-05-01T08:00:00Z","performedBy":{"type":"user","id":"5b2c"}},` +
				`{"@odata.type":"#microsoft.graph.externalConnectors.externalActivity","type":"viewed","startDateTime":"2026-05-02T00:00:00Z"}]` + noContent + `}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := AppendItem([]byte("before "), tt.item)
			if want := "before " + tt.want; string(got) != want {
				t.Errorf("AppendItem:\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestAppendLine(t *testing.T) {
	it := &transform.Item{
		ID:         "t-1",
		ACL:        []transform.Access{{Type: "everyone", Value: "everyone"}},
		Properties: []transform.Property{{Name: "title", Value: transform.Value{Type: transform.String, Str: "A"}}},
		Origin:     transform.Origin{Source: "tickets", Key: "T 1", Place: extract.Place{File: "b.xlsx", Sheet: "Süd", Line: 14}},
	}
	const head = `{"id":"t-1","acl":[{"type":"everyone","value":"everyone","accessType":"grant"}],"properties":{"title":"A"}`
	if got, want := string(AppendLine(nil, it, false)), head+"}\n"; got != want {
		t.Errorf("AppendLine without origin:\n got %s\nwant %s", got, want)
	}
	want := head + `,"origin":{"source":"tickets","key":"T 1","place":{"file":"b.xlsx","sheet":"Süd","line":14}}}` + "\n"
	if got := string(AppendLine(nil, it, true)); got != want {
		t.Errorf("AppendLine with origin:\n got %s\nwant %s", got, want)
	}
	// The origin written by hand is the one that encoding/json reads and writes.
	it.Origin.Place.Page, it.Origin.Place.Col = 3, 7
	std, err := json.Marshal(it.Origin)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(AppendLine(nil, it, true)); !strings.HasSuffix(got, `,"origin":`+string(std)+"}\n") {
		t.Errorf("AppendLine = %s, want the origin %s", got, std)
	}
}

// Every string, at every alignment, reads back as itself with broken bytes
// replaced.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", `quo"te`, `back\slash`, "tab\tnew\nline", "é", "\xff", "1234567\"", "12345678\x1f", "\u2028\u2029", "\x7f", "𝄞", "\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for skip := range min(len(s), 9) {
			checkString(t, s[skip:])
		}
		checkString(t, s)
	})
}

func checkString(t *testing.T, s string) {
	t.Helper()
	enc := appendString(nil, s)
	if !utf8.Valid(enc) {
		t.Fatalf("appendString(%q) = %q is not UTF-8", s, enc)
	}
	var got string
	if err := json.Unmarshal(enc, &got); err != nil {
		t.Fatalf("appendString(%q) = %s: %v", s, enc, err)
	}
	// Byte by byte, as encoding/json does; strings.ToValidUTF8 makes one of a run.
	if want := string([]rune(s)); got != want {
		t.Fatalf("appendString(%q) reads back as %q, want %q", s, got, want)
	}
	if bytes.ContainsFunc(enc, func(r rune) bool { return r < ' ' }) {
		t.Fatalf("appendString(%q) = %q holds a control character", s, enc)
	}
	var isASCII = true
	for i := range len(s) {
		isASCII = isASCII && s[i] < 0x80
	}
	if ascii(s) != isASCII {
		t.Fatalf("ascii(%q) = %v", s, ascii(s))
	}
}

// A whole item reads back, by encoding/json, as what went in.
func FuzzAppendItem(f *testing.F) {
	f.Add("title", "Rotor", int64(7), 1.5, "content", "user", "id", int64(0), true)
	f.Add("tï", "\xff\"\\\n", int64(math.MinInt64), math.NaN(), "<&>\u2028", "", "\x00", int64(1)<<40, false)
	f.Fuzz(func(t *testing.T, name, str string, n int64, x float64, content, typ, value string, at int64, b bool) {
		// Keys must differ, or encoding/json sees only the last.
		it := &transform.Item{
			ID:  value,
			ACL: []transform.Access{{Type: typ, Value: value, Deny: b}},
			Properties: []transform.Property{
				{Name: "s" + name, Value: transform.Value{Type: transform.String, Str: str}},
				{Name: "i" + name, Value: transform.Value{Type: transform.Int64, Int: n}},
				{Name: "f" + name, Value: transform.Value{Type: transform.Double, Float: x}},
				{Name: "b" + name, Value: transform.Value{Type: transform.Boolean, Bool: b}},
				{Name: "S" + name, Value: transform.Value{Type: transform.StringCollection, Strs: []string{str, content}}},
				{Name: "F" + name, Value: transform.Value{Type: transform.DoubleCollection, Floats: []float64{x, 1}}},
				{Name: "I" + name, Value: transform.Value{Type: transform.Int64Collection, Ints: []int64{n, n}}},
				{Name: "p" + name, Value: transform.Value{Type: transform.PrincipalType, Persons: []transform.Principal{{UPN: str}}}},
			},
			Content:    transform.Content{Type: typ, Value: content},
			Activities: []transform.Activity{{Type: typ, At: time.Unix(at%(1<<36), 0), ByType: typ, ByID: value}},
			Origin:     transform.Origin{Source: name, Key: str, Place: extract.Place{File: content, Line: int(n)}},
		}
		line := AppendLine(nil, it, true)
		if !utf8.Valid(line) || bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' {
			t.Fatalf("AppendLine = %q: not one line of UTF-8", line)
		}
		clean := func(s string) string { return string([]rune(s)) }
		var got struct {
			ID  string
			ACL []struct{ Type, Value, AccessType string }
			P   map[string]json.RawMessage   `json:"properties"`
			C   struct{ Type, Value string } `json:"content"`
			O   transform.Origin             `json:"origin"`
		}
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("AppendLine = %s: %v", line, err)
		}
		if got.ID != clean(value) || got.O.Key != clean(str) || got.O.Place.Line != int(n) || got.ACL[0].Value != clean(value) {
			t.Fatalf("AppendLine = %s: id, acl or origin differ", line)
		}
		if typ != "" && got.C.Value != clean(content) {
			t.Fatalf("content reads back as %q, want %q", got.C.Value, content)
		}
		check := func(key string, into, want any) {
			t.Helper()
			raw, ok := got.P[key+clean(name)]
			if !ok {
				t.Fatalf("property %s is missing in %s", key, line)
			}
			if err := json.Unmarshal(raw, into); err != nil {
				t.Fatal(err)
			}
			if have := reflect.ValueOf(into).Elem().Interface(); !reflect.DeepEqual(have, want) {
				t.Fatalf("property %s reads back as %v, want %v", key, have, want)
			}
		}
		check("s", new(string), clean(str))
		check("i", new(int64), n)
		check("b", new(bool), b)
		check("S", new([]string), []string{clean(str), clean(content)})
		check("I", new([]int64), []int64{n, n})
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			check("f", new(float64), x)
			check("F", new([]float64), []float64{x, 1})
		} else if _, ok := got.P["f"+clean(name)]; ok {
			t.Fatalf("a %v was written: %s", x, line)
		}
		_, annotated := got.P["s"+clean(name)+"@odata.type"]
		if annotated == ascii(str) {
			t.Fatalf("String annotation of %q: %v", str, annotated)
		}
		if !json.Valid(AppendItem(nil, it)) {
			t.Fatalf("AppendItem = %s", AppendItem(nil, it))
		}
	})
}

// benchItem is a ticket: ten properties and 300 bytes of content.
func benchItem() *transform.Item {
	str := func(s string) transform.Value { return transform.Value{Type: transform.String, Str: s} }
	return &transform.Item{
		ID:  "HD-004217",
		ACL: []transform.Access{{Type: "externalGroup", Value: "support"}, {Type: "user", Value: "5b2c1d7e-0000-4000-8000-000000000001", Deny: true}},
		Properties: []transform.Property{
			{Name: "title", Value: str("Printer on the third floor does not print duplex")},
			{Name: "status", Value: str("open")},
			{Name: "url", Value: str("https://helpdesk.contoso.com/tickets/HD-004217")},
			{Name: "requester", Value: str("Jürgen Müller")},
			{Name: "team", Value: str("support")},
			{Name: "priority", Value: transform.Value{Type: transform.Int64, Int: 2}},
			{Name: "cost", Value: transform.Value{Type: transform.Double, Float: 129.9}},
			{Name: "opened", Value: transform.Value{Type: transform.DateTime, Str: "2026-05-01T08:00:00Z"}},
			{Name: "confidential", Value: transform.Value{Type: transform.Boolean}},
			{Name: "tags", Value: transform.Value{Type: transform.StringCollection, Strs: []string{"printer", "duplex", "floor 3"}}},
		},
		Content: transform.Content{Type: "text", Value: strings.Repeat("The tray was empty, \"again\".\nRefilled and tested. ", 6)},
		Origin:  transform.Origin{Source: "tickets", Key: "HD-004217", Place: extract.Place{File: "tickets/2026-05.csv", Line: 4218}},
	}
}

func BenchmarkAppendItem(b *testing.B) {
	it := benchItem()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendItem(dst[:0], it)
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkAppendLine(b *testing.B) {
	it := benchItem()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendLine(dst[:0], it, true)
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkAppendItemGreek(b *testing.B) {
	it := benchItem()
	it.Content.Value = strings.Repeat("Ο δίσκος χαρτιού ήταν άδειος. ", 6)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendItem(dst[:0], it)
	}
	b.SetBytes(int64(len(dst)))
}
