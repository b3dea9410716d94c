package extract

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// EPUB reads electronic books: the chapters in reading order, with their
// headings. A book is a zip of web pages; META-INF/container.xml names the
// package file, whose spine is the order (EPUB 3.3, 4.2 and 5).
var EPUB = &Format{
	Name:    "epub",
	Exts:    []string{".epub"},
	Sniff:   sniffEPUB,
	Read:    oneDocument("a book", readEPUB),
	Keep:    true,
	Isolate: true,
	Version: "1",
}

func sniffEPUB(head []byte) bool {
	return bytes.HasPrefix(head, []byte(zipMagic)) && len(head) > 58 && bytes.HasPrefix(head[30:], []byte("mimetypeapplication/epub+zip"))
}

// A package file, as far as it matters.
type epubPackage struct {
	Metadata struct {
		Title       []string `xml:"title"`
		Creator     []string `xml:"creator"`
		Subject     []string `xml:"subject"`
		Language    []string `xml:"language"`
		Publisher   []string `xml:"publisher"`
		Description []string `xml:"description"`
		Identifier  []string `xml:"identifier"`
		Date        []string `xml:"date"`
	} `xml:"metadata"`
	Items []struct {
		ID   string `xml:"id,attr"`
		Href string `xml:"href,attr"`
		Type string `xml:"media-type,attr"`
	} `xml:"manifest>item"`
	Spine []struct {
		ID string `xml:"idref,attr"`
	} `xml:"spine>itemref"`
}

const maxChapters = 20_000

func readEPUB(ctx context.Context, in Input, opt Options) (*Document, error) {
	z, err := openZip(ctx, in, opt, "an EPUB book")
	if err != nil {
		return nil, err
	}
	if err := epubEncrypted(z); err != nil {
		return nil, zipPartError(in.Name, "META-INF/encryption.xml", err)
	}
	main, err := epubMain(z)
	if err != nil {
		return nil, zipPartError(in.Name, "META-INF/container.xml", err)
	}
	var pkg epubPackage
	if err := z.unmarshal(main, &pkg); err != nil {
		return nil, zipPartError(in.Name, main, err)
	}
	doc := &Document{}
	doc.epubMeta(&pkg)
	text := newDocText(opt)
	if err := doc.chapters(ctx, z, in, opt, &pkg, path.Dir(main), text); err != nil {
		return nil, err
	}
	doc.takeText(text)
	return doc, nil
}

// unmarshal reads a small part of XML.
func (z *bookZip) unmarshal(part string, v any) error {
	data, err := z.readAll(part)
	if err != nil {
		return err
	}
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.Strict = false
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w: %v", errMarkup, err)
	}
	return nil
}

// epubMain finds the package file.
func epubMain(z *bookZip) (string, error) {
	if z.has("META-INF/container.xml") {
		var c struct {
			Root []struct {
				Path string `xml:"full-path,attr"`
			} `xml:"rootfiles>rootfile"`
		}
		if err := z.unmarshal("META-INF/container.xml", &c); err != nil {
			return "", err
		}
		for _, r := range c.Root {
			if z.has(r.Path) {
				return partName(r.Path), nil
			}
		}
	}
	for name := range z.parts {
		if strings.HasSuffix(name, ".opf") {
			return name, nil
		}
	}
	return "", &FileError{Reason: ReasonBroken, Detail: "this zip is not a book: it has no package file (.opf); get the book again"}
}

// epubEncrypted is an error for books with a copy protection: what it leaves
// open are fonts.
func epubEncrypted(z *bookZip) error {
	if !z.has("META-INF/encryption.xml") {
		return nil
	}
	data, err := z.readAll("META-INF/encryption.xml")
	if err != nil {
		return err
	}
	if bytes.Contains(data, []byte("http://www.w3.org/2001/04/xmlenc#aes")) {
		return &FileError{Reason: ReasonEncrypted, Detail: "the book has a copy protection; get it without one"}
	}
	return nil
}

func (d *Document) epubMeta(pkg *epubPackage) {
	m := &pkg.Metadata
	first := func(key string, list []string) {
		if len(list) > 0 {
			d.setMeta(key, list[0])
		}
	}
	first("title", m.Title)
	d.setMeta("author", strings.Join(m.Creator, ", "))
	d.setMeta("subject", strings.Join(m.Subject, ", "))
	first("language", m.Language)
	first("publisher", m.Publisher)
	first("description", m.Description)
	first("identifier", m.Identifier)
	if len(m.Date) > 0 {
		d.setMeta("created", dateTimeOf(m.Date[0]))
	}
}

// chapters reads the pages of the spine.
func (d *Document) chapters(ctx context.Context, z *bookZip, in Input, opt Options, pkg *epubPackage, dir string, text *docText) error {
	hrefs := map[string]string{}
	for _, item := range pkg.Items {
		if strings.Contains(item.Type, "html") || strings.Contains(item.Type, "dtbook") || item.Type == "" {
			hrefs[item.ID] = item.Href
		}
	}
	missing, read := 0, 0
	for i, ref := range pkg.Spine {
		href, ok := hrefs[ref.ID]
		if !ok || i >= maxChapters || text.full {
			continue
		}
		if un, err := url.PathUnescape(href); err == nil {
			href = un
		}
		href, _, _ = strings.Cut(href, "#")
		part := path.Join(dir, href)
		if !z.has(part) {
			missing++
			continue
		}
		raw, err := z.readAll(part)
		if err != nil {
			return zipPartError(in.Name, part, err)
		}
		chapter, err := htmlText(ctx, in.Name, raw)
		if err != nil {
			if _, refused := err.(*FileError); !refused {
				return err
			}
			missing++
			continue
		}
		read++
		text.gap()
		text.write(chapter.Body)
		for _, h := range chapter.Headings {
			d.addHeading(h)
		}
	}
	if read == 0 && missing == 0 {
		return docError(in, ReasonBroken, "the book has no chapters; get it again", nil)
	}
	if missing > 0 {
		d.Warnings = append(d.Warnings, fmt.Sprintf("%d of %d chapters are missing or cannot be read", missing, missing+read))
	}
	return nil
}

// htmlText is the document of a web page inside of another document, all of it.
func htmlText(ctx context.Context, name string, raw []byte) (*Document, error) {
	page, err := decodeHTML(raw, "")
	if err != nil {
		return nil, err
	}
	if strings.Trim(page.text, " \t\r\n\f\uFEFF") == "" {
		return &Document{}, nil
	}
	tree, _, err := parsePage(ctx, Place{File: name}, page.text)
	if err != nil {
		return nil, err
	}
	return newDocument(ctx, tree, Options{HTML: HTMLOptions{Content: "full"}})
}
