package transform

import (
	"fmt"
	"strings"
	"time"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	"importer/extract"
)

var testDoc = &document{file: "m.yaml", lookups: &lookups{d: new(document), dir: "testdata/example", tables: map[string]*lookupTable{}}, lines: []string{""}}

// text0 makes an expression that stands at the start of a file.
func text0(s string) *expression {
	at := make([]spot, len(s)+1)
	for i := range at {
		at[i] = spot{1, int32(i + 1)}
	}
	return &expression{scalar: scalar{s: s, pos: spot{1, 1}, at: at}, what: "x",
		want: wants{"anything", nil, ""}}
}

// bindText binds an expression over a document, whatever it gives.
func bindText(s string) (*bound, Errors) { return bindIn(s, scope{doc: true}) }

func bindIn(s string, sc scope) (*bound, Errors) {
	x := text0(s)
	x.want.types = append(append(wantsOf[StringCollection].types, typAnys), typTime)
	return bind(testDoc, x, sc)
}

// evaluate runs an expression on the library's machine and prints the value.
// Times are printed in the zone that the wanted text ends with.
func evaluate(s string, rec extract.Record, want string) (string, error) {
	sc := scope{doc: true}
	if rec.Header != nil {
		sc = scope{header: rec.Header, table: true}
	}
	b, errs := bindIn(s, sc)
	if len(errs) > 0 {
		return "", errs
	}
	f, err := b.program()
	if err != nil {
		return "", err
	}
	out, err := f(&frame{rec: rec, names: names{m: &Mapping{}}, loc: time.UTC})
	if err != nil {
		return "", err
	}
	return fmt.Sprint(out), nil
}

// page makes a record of an HTML page.
func page(src string) extract.Record {
	root, err := html.Parse(strings.NewReader(src))
	if err != nil {
		panic(err)
	}
	return extract.Record{Doc: &extract.Document{Select: func(css string) ([]string, error) {
		sel, err := cascadia.ParseGroup(css)
		if err != nil {
			return nil, err
		}
		var out []string
		for _, n := range cascadia.QueryAll(root, sel) {
			var b strings.Builder
			for d := range n.Descendants() {
				if d.Type == html.TextNode {
					b.WriteString(d.Data)
				}
			}
			out = append(out, b.String())
		}
		return out, nil
	}}}
}

func row(file string, line int, columns []string, text ...string) extract.Record {
	return extract.Record{Place: extract.Place{File: file, Line: line}, Header: extract.NewHeader(columns), Text: text}
}

func headerOf(names string) *extract.Header { return extract.NewHeader(strings.Split(names, ",")) }
