package main

import (
	"fmt"
	"html"
	"strings"

	"golang.org/x/text/encoding"
)

// A page is an HTML file in the making.
type page struct {
	Language string
	Encoding string // a key of encodings
	// Declare is how the page names its encoding: "meta", "http-equiv" or ""
	// for pages that leave the reader to guess.
	Declare     string
	Site, Title string
	Meta        [][2]string // name or property, content
	Canonical   string
	Crumbs      []string
	Menu        []string // of the header
	Main        string   // HTML of the main part
	Footer      string
	Script      string
}

var esc = html.EscapeString

// bytes gives the file.
func (p *page) bytes() ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html lang=%q>\n<head>\n", p.Language)
	charset, _, _ := strings.Cut(p.Encoding, " ")
	switch p.Declare {
	case "meta":
		fmt.Fprintf(&b, "<meta charset=%q>\n", charset)
	case "http-equiv":
		fmt.Fprintf(&b, "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=%s\">\n", charset)
	}
	fmt.Fprintf(&b, "<title>%s</title>\n", esc(p.Title+" | "+p.Site))
	for _, m := range p.Meta {
		attribute := "name"
		if strings.Contains(m[0], ":") {
			attribute = "property"
		}
		fmt.Fprintf(&b, "<meta %s=\"%s\" content=\"%s\">\n", attribute, esc(m[0]), esc(m[1]))
	}
	if p.Canonical != "" {
		fmt.Fprintf(&b, "<link rel=\"canonical\" href=\"%s\">\n", esc(p.Canonical))
	}
	b.WriteString("<style>nav li{display:inline} .crumb::after{content:\" / \"}</style>\n")
	fmt.Fprintf(&b, "<script>%s</script>\n</head>\n<body>\n<header><nav class=\"menu\"><ul>", p.Script)
	for _, entry := range p.Menu {
		fmt.Fprintf(&b, "<li><a href=\"/%s/\">%s</a></li>", esc(strings.ToLower(ascii(strings.ReplaceAll(entry, " ", "-")))), esc(entry))
	}
	b.WriteString("</ul></nav></header>\n<nav class=\"breadcrumbs\">")
	for _, crumb := range p.Crumbs {
		fmt.Fprintf(&b, "<a class=\"crumb\" href=\"#\">%s</a>", esc(crumb))
	}
	fmt.Fprintf(&b, "</nav>\n<main>\n<article>\n<h1>%s</h1>\n%s</article>\n</main>\n<footer><p>%s</p></footer>\n</body>\n</html>\n",
		esc(p.Title), p.Main, esc(p.Footer))
	// A character that the encoding lacks becomes a reference, as editors do.
	data, err := encoding.HTMLEscapeUnsupported(encodings[p.Encoding].NewEncoder()).Bytes([]byte(b.String()))
	if err != nil {
		return nil, fmt.Errorf("page %q: %w", p.Title, err)
	}
	return data, nil
}

// save adds the page to the tree.
func (p *page) save(t *tree, name string) error {
	data, err := p.bytes()
	if err != nil {
		return err
	}
	t.add(name, data)
	if p.Encoding != "utf-8" || p.Declare == "" {
		t.texts = append(t.texts, textFile{File: name, Dialect: dialect{Encoding: p.Encoding}, Language: p.Language})
	}
	return nil
}

func paragraphs(texts ...string) string {
	var b strings.Builder
	for _, text := range texts {
		b.WriteString("<p>" + esc(text) + "</p>\n")
	}
	return b.String()
}

// list writes <ul> or <ol>.
func list(tag string, entries []string) string {
	var b strings.Builder
	b.WriteString("<" + tag + ">\n")
	for _, entry := range entries {
		b.WriteString("<li>" + esc(entry) + "</li>\n")
	}
	b.WriteString("</" + tag + ">\n")
	return b.String()
}

// grid writes a table; the first row is its head.
func grid(rows [][]string) string {
	var b strings.Builder
	b.WriteString("<table>\n")
	for i, row := range rows {
		cell := "td"
		if i == 0 {
			cell = "th"
		}
		b.WriteString("<tr>")
		for _, text := range row {
			fmt.Fprintf(&b, "<%s>%s</%s>", cell, esc(text), cell)
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</table>\n")
	return b.String()
}
