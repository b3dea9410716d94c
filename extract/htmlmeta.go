package extract

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A pageMeta gathers what a page says about itself.
type pageMeta struct {
	title string
	h1    string
	meta  map[string]string // names and properties as written, in lower case
	ld    linkedData
}

// listed are the names that a page repeats, once for each value.
var listed = map[string]bool{
	"article:author": true, "article:tag": true, "author": true, "book:author": true, "citation_author": true,
	"citation_keywords": true, "dc.contributor": true, "dc.creator": true, "dc.subject": true, "dcterms.creator": true,
	"dcterms.subject": true, "keywords": true, "video:tag": true,
}

// sources name, for each canonical key, where it is taken from; the first that
// is there counts. Names in which people wrote a date or a person come
// before those that a site's software filled in.
var metaSources = []struct {
	key  string
	from []string
}{
	{"author", []string{"author", "dc.creator", "dcterms.creator", "citation_author", "ld:author", "parsely-author", "sailthru.author", "article:author", "book:author", "itemprop:author", "twitter:creator"}},
	{"subject", []string{"subject", "dc.subject", "dcterms.subject"}},
	{"keywords", []string{"keywords", "news_keywords", "citation_keywords", "ld:keywords", "article:tag"}},
	{"description", []string{"description", "dc.description", "dcterms.description", "dcterms.abstract", "og:description", "twitter:description", "ld:description"}},
	{"created", []string{"article:published_time", "article:published", "og:published_time", "ld:datePublished", "itemprop:datepublished",
		"dcterms.created", "dcterms.issued", "dcterms.date", "dc.date.created", "dc.date.issued", "dc.date", "dc.created", "citation_publication_date", "citation_date",
		"parsely-pub-date", "sailthru.date", "pubdate", "publish_date", "publish-date", "publication_date", "date", "created", "itemprop:datecreated", "ld:dateCreated"}},
	{"modified", []string{"article:modified_time", "article:modified", "og:updated_time", "og:modified_time", "ld:dateModified", "itemprop:datemodified",
		"dcterms.modified", "dc.date.modified", "dc.modified", "last-modified", "lastmod", "modified", "revised"}},
	{"language", []string{"html:lang", "content-language", "dc.language", "dcterms.language", "language", "og:locale"}},
}

// metaOf gives the title and the metadata of a page.
func metaOf(doc *html.Node) (title string, meta map[string]string) {
	m := pageMeta{meta: map[string]string{}}
	extra := map[string]string{} // what is not the content of a meta element
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode || n.Namespace != "" {
			continue
		}
		switch n.DataAtom {
		case atom.Html:
			put(extra, "html:lang", firstFilled(attr(n, "lang"), attr(n, "xml:lang")))
		case atom.Title:
			if m.title == "" {
				m.title = collapse(visible(rawTextOf(n)))
			}
		case atom.H1:
			if m.h1 == "" && !hidden(n) {
				m.h1 = lineOf(n, unseen)
			}
		case atom.Meta:
			m.metaElement(n, extra)
		case atom.Link:
			if strings.EqualFold(attr(n, "rel"), "canonical") {
				put(extra, "canonical", attr(n, "href"))
			}
		case atom.Script:
			if kind, _, _ := strings.Cut(attr(n, "type"), ";"); strings.EqualFold(strings.TrimSpace(kind), "application/ld+json") {
				m.ld.read(rawTextOf(n))
			}
		case atom.Time:
			if prop := strings.ToLower(attr(n, "itemprop")); prop == "datepublished" || prop == "datemodified" || prop == "datecreated" {
				put(extra, "itemprop:"+prop, attr(n, "datetime"))
			} else if hasAttr(n, "pubdate") {
				put(extra, "itemprop:datepublished", attr(n, "datetime"))
			}
		}
	}
	for key, value := range m.ld.values {
		put(extra, "ld:"+key, value)
	}
	return m.finish(extra)
}

func (m *pageMeta) metaElement(n *html.Node, extra map[string]string) {
	content := collapse(visible(attr(n, "content")))
	if content == "" {
		return
	}
	for name := range strings.FieldsSeq(strings.ToLower(attr(n, "property"))) {
		m.add(name, content)
	}
	if name := strings.ToLower(strings.TrimSpace(attr(n, "name"))); name != "" {
		m.add(name, content)
	}
	if prop := strings.ToLower(attr(n, "itemprop")); prop == "author" || prop == "datepublished" || prop == "datemodified" || prop == "datecreated" {
		put(extra, "itemprop:"+prop, content)
	}
	switch equiv := strings.ToLower(attr(n, "http-equiv")); equiv {
	case "content-language", "last-modified":
		put(extra, equiv, content)
	}
}

// add keeps the first value of a name, and all of a name that is a list.
func (m *pageMeta) add(name, content string) {
	old := m.meta[name]
	switch {
	case old == "":
		m.meta[name] = content
	case listed[name] && !slices.Contains(strings.Split(old, ", "), content):
		m.meta[name] = old + ", " + content
	}
}

// finish fills the canonical keys.
func (m *pageMeta) finish(extra map[string]string) (title string, meta map[string]string) {
	title = firstFilled(m.title, m.meta["og:title"], m.h1)
	canonical := map[string]string{}
	put(canonical, "title", title)
	put(canonical, "canonical", extra["canonical"])
	for _, s := range metaSources {
		for _, name := range s.from {
			value := firstFilled(extra[name], m.meta[strings.ReplaceAll(name, "dcterms.", "dcterms:")], m.meta[strings.ReplaceAll(name, "dc.", "dc:")], m.meta[name])
			switch s.key {
			case "created", "modified":
				value = rfc3339(value)
			case "language":
				value = strings.ReplaceAll(value, "_", "-")
			case "author":
				if strings.Contains(value, "://") { // a profile, not a name
					value = ""
				}
			}
			put(canonical, s.key, value)
		}
	}
	for _, key := range []string{"created", "modified"} {
		delete(m.meta, key) // both are promised to be RFC 3339
	}
	for key, value := range canonical {
		m.meta[key] = value
	}
	return title, m.meta
}

// put sets key unless it is set or value is empty.
func put(m map[string]string, key, value string) {
	if value = strings.TrimSpace(value); value != "" && m[key] == "" {
		m[key] = value
	}
}

func firstFilled(values ...string) string {
	for _, v := range values {
		if v = strings.TrimSpace(v); v != "" {
			return v
		}
	}
	return ""
}

// rawTextOf is the text nodes below n as they are.
func rawTextOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// visible takes out the characters that are not seen; white space stays.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if invisible(r) && r != '\t' && r != '\n' && r != '\r' && r != '\f' {
			return -1
		}
		return r
	}, s)
}

// linkedData is what JSON-LD scripts say of the page (schema.org).
type linkedData struct {
	values map[string]string
}

const (
	maxLinkedData = 1 << 20 // bytes of one script
	maxLinkedDeep = 8
)

// read takes in one script. What is not JSON is passed over: the page is
// there to be read, not to be checked.
func (ld *linkedData) read(script string) {
	s := strings.TrimSpace(script)
	for _, wrap := range [][2]string{{"<!--", "-->"}, {"//<![CDATA[", "//]]>"}, {"<![CDATA[", "]]>"}} {
		if rest, ok := strings.CutPrefix(s, wrap[0]); ok {
			s = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), wrap[1]))
		}
	}
	s = strings.TrimSuffix(s, ";")
	if s == "" || len(s) > maxLinkedData {
		return
	}
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		s = strings.Map(func(r rune) rune { // line ends inside of strings are the usual fault
			if r < ' ' {
				return ' '
			}
			return r
		}, s)
		if json.Unmarshal([]byte(s), &v) != nil {
			return
		}
	}
	ld.walk(v, 0)
}

func (ld *linkedData) walk(v any, depth int) {
	if depth > maxLinkedDeep {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			ld.walk(e, depth+1)
		}
	case map[string]any:
		if isPageType(v["@type"]) {
			ld.take(v)
		}
		for _, key := range []string{"@graph", "mainEntity", "mainEntityOfPage"} {
			ld.walk(v[key], depth+1)
		}
	}
}

// isPageType tells the types that describe the page, not its publisher or path.
func isPageType(t any) bool {
	switch t := t.(type) {
	case string:
		t = t[strings.LastIndexAny(t, "/#:")+1:]
		switch t {
		case "WebPage", "BlogPosting", "Report", "Book", "CreativeWork", "Recipe", "HowTo", "FAQPage", "QAPage", "TechArticle", "Dataset", "VideoObject", "SocialMediaPosting", "DiscussionForumPosting":
			return true
		}
		return strings.HasSuffix(t, "Article") || strings.HasSuffix(t, "Posting")
	case []any:
		return slices.ContainsFunc(t, isPageType)
	}
	return false
}

func (ld *linkedData) take(v map[string]any) {
	if ld.values == nil {
		ld.values = map[string]string{}
	}
	for _, key := range []string{"headline", "description", "datePublished", "dateModified", "dateCreated", "keywords", "author"} {
		put(ld.values, key, collapse(html.UnescapeString(strings.Join(names(v[key], 0), ", "))))
	}
}

// names gives the strings, or the names of the persons, in a JSON-LD value.
func names(v any, depth int) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case map[string]any:
		if depth < maxLinkedDeep {
			return names(v["name"], depth+1)
		}
	case []any:
		var all []string
		if depth < maxLinkedDeep {
			for _, e := range v {
				all = append(all, names(e, depth+1)...)
			}
		}
		return all
	}
	return nil
}

// pageDates are the spellings of dates on pages. Those whose day and month
// could be taken for each other are left out.
var pageDates = []string{
	time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z0700",
	"2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05 MST", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", "2006/01/02 15:04:05",
	"2006/01/02 15:04", "2006/01/02", "2006/1/2", "2006-1-2", "20060102T150405Z0700", "20060102T150405", "20060102150405", "20060102", "2006-01", "2006/01",
	time.RFC1123Z, time.RFC1123, "Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 MST", "Monday, 02-Jan-06 15:04:05 MST", time.ANSIC, time.UnixDate, time.RubyDate,
	"Mon Jan 2 15:04:05 MST 2006", "January 2, 2006", "Jan 2, 2006", "January 2, 2006 15:04", "January 2, 2006 3:04 PM", "Jan 2, 2006 3:04 PM", "January 2, 2006 15:04:05", "2 January 2006", "2 Jan 2006",
	"2 January 2006 15:04", "2 Jan 2006 15:04:05", "Monday, January 2, 2006", "Monday, 2 January 2006", "Mon, 2 Jan 2006", "02.01.2006", "2.1.2006", "02.01.2006 15:04", "2006",
}

// rfc3339 normalises a date, or gives "" when it is none. A date without a zone
// is taken as UTC.
func rfc3339(s string) string {
	if s = strings.TrimSpace(s); s == "" || len(s) > 64 {
		return ""
	}
	for _, form := range pageDates {
		if t, err := time.Parse(form, s); err == nil && t.Year() >= 1 && t.Year() <= 9999 {
			return t.Format(time.RFC3339)
		}
	}
	return ""
}
