package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// Text reads plain text files, Markdown those with marks: both are one document.
// They go by the name's extension.
var (
	Text = &Format{
		Name:    "text",
		Exts:    []string{".txt", ".text", ".log"},
		Read:    oneDocument("a text", readText),
		Version: "1",
	}
	Markdown = &Format{
		Name:    "markdown",
		Exts:    []string{".md", ".markdown"},
		Read:    oneDocument("a text", readMarkdown),
		Version: "1",
	}
)

// TextOptions choose how texts without an encoding of their own are read.
type TextOptions struct {
	// Encoding overrides detection; "auto" is detection.
	Encoding string `yaml:"encoding"`
}

// readPlain is the text of the file as far as the limit allows.
func readPlain(ctx context.Context, in Input, opt Options) (text string, warnings []string, err error) {
	if in.Size == 0 {
		return "", nil, docError(in, ReasonEmpty, "the file is empty", nil)
	}
	most := orDefault(opt.Limits.Record, defaultRecordLimit)
	raw := make([]byte, min(in.Size, most))
	for from := 0; from < len(raw); {
		if err := ctx.Err(); err != nil {
			return "", nil, err
		}
		n, err := in.ReadAt(raw[from:min(len(raw), from+1<<20)], int64(from))
		if from += n; err != nil && n == 0 {
			return "", nil, in.readFailure(err)
		}
	}
	if isBinary(raw[:min(len(raw), sniffSize)]) {
		return "", nil, docError(in, ReasonBroken, "the file is not text: it has bytes that no text has; give it the ending of what it is", nil)
	}
	cut := in.Size > most
	text, warning, err := decodeText(raw, opt.Text.Encoding, cut)
	if err != nil {
		return "", nil, docError(in, ReasonOption, "text.encoding: "+err.Error(), nil)
	}
	if warning != "" {
		warnings = append(warnings, warning)
	}
	if cut {
		warnings = append(warnings, cutNote(len(raw)))
		text = cutText(text, len(text))
	}
	return text, warnings, nil
}

// decodeText makes UTF-8 of a text; cut tells that its last character may be
// half there.
func decodeText(raw []byte, encoding string, cut bool) (text, warning string, err error) {
	if encoding != "" && !strings.EqualFold(encoding, "auto") {
		c, err := lookupCodec(encoding)
		if err != nil {
			return "", "", err
		}
		_, n := byBOM(raw)
		return c.text(raw[n:]), "", nil
	}
	if name, n := byBOM(raw); n > 0 {
		c, err := lookupCodec(name)
		if err != nil {
			return "", "", err // unreachable: the names are known
		}
		return c.text(raw[n:]), "", nil
	}
	if name := byNULs(raw[:min(len(raw), sniffSize)]); name != "" {
		c, err := lookupCodec(name)
		if err != nil {
			return "", "", err // unreachable: as above
		}
		return c.text(raw), "", nil
	}
	s := string(raw)
	if cut {
		s = strings.TrimRightFunc(s, func(r rune) bool { return r == '\uFFFD' })
	}
	if valid, invalid := utf8Evidence(s); invalid == 0 || valid > 20*invalid {
		if invalid > 0 {
			warning = fmt.Sprintf("%d bytes are not UTF-8 and were taken for Windows characters; set the encoding", invalid)
		}
		return mend(s), warning, nil
	}
	c, confidence := guessCodec(s[:min(len(s), sniffSize)])
	if confidence <= 100 {
		warning = fmt.Sprintf("the text is not UTF-8 and does not say what it is; read as %s, a guess (confidence %d of 100): set text.encoding if letters come out wrong", c.name, confidence)
	}
	return c.text(raw), warning, nil
}

func readText(ctx context.Context, in Input, opt Options) (*Document, error) {
	text, warnings, err := readPlain(ctx, in, opt)
	if err != nil {
		return nil, err
	}
	doc := &Document{Body: cleanText(text), Warnings: warnings}
	if strings.TrimSpace(doc.Body) == "" {
		return nil, docError(in, ReasonEmpty, "there is nothing but white space in the file", nil)
	}
	return doc, nil
}

// cleanText unifies line ends and takes out what is not shown.
func cleanText(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if r != '\n' && notShown(r) {
			return -1
		}
		return r
	}, s), " \t\n")
}

// markdown is CommonMark with the tables, task lists and links of GitHub. What
// is HTML in it stays HTML: the web page's reader makes text of it.
var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM))

func readMarkdown(ctx context.Context, in Input, opt Options) (*Document, error) {
	text, warnings, err := readPlain(ctx, in, opt)
	if err != nil {
		return nil, err
	}
	text, front := frontMatter(text)
	var b bytes.Buffer
	b.WriteString("<!DOCTYPE html><body>\n")
	if err := markdown.Convert([]byte(text), &limitedWriter{w: &b, left: 8*len(text) + 1<<20}); err != nil {
		return nil, docError(in, ReasonTooLarge, "the text becomes far larger by its marks; it is not read", err)
	}
	tree, more, err := parsePage(ctx, Place{File: in.Name}, b.String())
	if err != nil {
		return nil, err
	}
	doc, err := newDocument(ctx, tree, Options{HTML: HTMLOptions{Content: "full"}})
	if err != nil {
		return nil, err
	}
	doc.Meta = front
	doc.Title = front["title"]
	if doc.Title == "" && len(doc.Headings) > 0 {
		doc.Title = doc.Headings[0]
	}
	doc.Warnings = append(warnings, more...)
	if doc.Body == "" {
		doc.Warnings = append(doc.Warnings, "no text was found in it")
	}
	return doc, nil
}

// A limitedWriter fails when it has written too much.
type limitedWriter struct {
	w    io.Writer
	left int
}

var errTooMuch = errors.New("too much")

func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errTooMuch
	}
	return l.w.Write(p)
}

// frontMatter takes the block of key: value lines off the beginning of a text
// that many programs put there; lists and what is below a key are left out.
func frontMatter(text string) (rest string, meta map[string]string) {
	text = strings.TrimPrefix(text, "\uFEFF")
	body, ok := strings.CutPrefix(strings.ReplaceAll(text, "\r\n", "\n"), "---\n")
	if !ok {
		return text, nil
	}
	block, rest, ok := strings.Cut(body, "\n---")
	if !ok || rest != "" && rest[0] != '\n' || len(block) > 64<<10 {
		return text, nil
	}
	d := &Document{}
	for line := range strings.Lines(block) {
		key, value, found := strings.Cut(line, ":")
		if !found || key == "" || strings.ContainsAny(key[:1], " \t-#") {
			continue
		}
		d.setMeta(strings.TrimSpace(key), strings.Trim(strings.TrimSpace(value), `"'`))
	}
	return rest, d.Meta
}
