package extract

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// Detect chooses the format of in: by opt.Format, then by content, then by
// the name's extension. Its error is a *FileError.
//
// Content decides among the formats that have a signature, whatever the name
// says: a report.xlsx that is a web page is read as one, and opt.Warn is told.
// Among texts, which look alike, the extension decides.
func Detect(in Input, opt Options) (*Format, error) {
	fail := func(reason, detail string, err error) (*Format, error) {
		return nil, &FileError{Place: Place{File: in.Name}, Reason: reason, Detail: detail, Err: err}
	}
	ext := extOf(in.Name)
	f := byName(opt.Format)
	if f == nil && opt.Format != "" {
		return fail(ReasonOption, fmt.Sprintf("the format %q is not known; it is one of %s", opt.Format, strings.Join(FormatNames(), ", ")), nil)
	}
	if in.Size == 0 {
		return fail(ReasonEmpty, "the file is empty; export or copy it again, or take it out of the source's path", nil)
	}
	if f != nil {
		return f.variant(in), nil
	}
	head := make([]byte, min(sniffSize, in.Size))
	n, err := in.ReadAt(head, 0)
	if n < len(head) && err != nil && !errors.Is(err, io.EOF) {
		return fail(ReasonUnreadable, fmt.Sprintf("the file cannot be read (%v)", cause(err)), err)
	}
	head = head[:n]

	named := byExt(ext)
	f, what := byContent(in, head, named, opt)
	switch {
	case f != nil:
		kin := workbookName(ext) && f.Table || named == Text && f == CSV
		refused := f == Image && !opt.OCR.On() // which tells it
		if named != f && !kin && !refused && ext != "" && opt.Warn != nil {
			opt.Warn(Place{File: in.Name}, fmt.Sprintf("the name ends in %s but the file is %s; it is read as that", ext, what))
		}
		return f, nil
	case what != "":
		return fail(ReasonUnsupported, fmt.Sprintf("the file is %s, which is not read; %s", what, elsewhere(what)), nil)
	case isBinary(head):
		if named == PDF && named != nil { // PDFs with a lost or late header are known to open
			return PDF, nil
		}
		return fail(ReasonBroken, "the file is not text and not in any known format; get it again, name a converter for it in the mapping, or take it out of the source's path", nil)
	case named == PDF && named != nil && !bytes.Contains(head, []byte("%PDF-")) && !pdfObject.Match(head):
		return fail(ReasonUnsupported, "the name ends in .pdf but the file is plain text; get the document again, or give the file the ending of what it is", nil)
	case named != nil:
		return named, nil
	case ext == "":
		return Text, nil // README, LICENSE
	}
	return fail(ReasonUnsupported, fmt.Sprintf("nothing reads a text file that ends in %q; set format to what it is (text, csv, json, jsonl, markdown, xml), or take it out of the source's path", ext), nil)
}

// Explain is Detect, and says in words why it is that format.
func Explain(in Input, opt Options) (f *Format, why string, err error) {
	opt.Warn = nil
	if c := opt.converter(in.Name); c != nil && in.Size > 0 {
		f, err := Detect(in, Options{Format: orText(c.Output)})
		return f, fmt.Sprintf("made by the converter %s", c.name()), err
	}
	if f, err = Detect(in, opt); err != nil {
		return nil, "", err
	}
	if opt.Format != "" {
		return f, "as format says", nil
	}
	nameless := in
	nameless.Name = "file"
	if g, err := Detect(nameless, opt); err == nil && g == f && f != Text && f != CSV {
		return f, "by its content", nil
	}
	if byExt(extOf(in.Name)) != f {
		return f, "by its lines", nil
	}
	return f, "by its name", nil
}

// extOf is the ending of a file's name, or of an attachment's, which stands
// behind that of its file.
func extOf(name string) string {
	_, name, _ = cutLast(name, partSep)
	return strings.ToLower(filepath.Ext(name))
}

// orText is the name of a format, or of text for none.
func orText(name string) string {
	if name == "" {
		return Text.Name
	}
	return name
}

// workbookName tells the endings of workbooks, which people change at will.
func workbookName(ext string) bool { return strings.HasPrefix(ext, ".xl") || ext == ".ods" }

// variant is the format that the file has of those that go by the name of f:
// workbooks of all kinds are excel to who writes a mapping.
func (f *Format) variant(in Input) *Format {
	if f != Excel {
		return f
	}
	head := make([]byte, min(8, in.Size))
	_, _ = in.ReadAt(head, 0) // what is wrong shows when the file is read
	switch {
	case string(head) == oleMagic && oleKindOf(in) == oleWorkbook:
		return XLS
	case bytes.HasPrefix(head, []byte(zipMagic)):
		if found, _ := byZip(in, head, f); found == XLSB || found == ODS {
			return found
		}
	}
	return f
}

// byContent tells the format that head has the signature of, and what it is
// in words. Without a format, the words name what nothing reads; without
// words, head is text or unknown. named is the format of the extension.
func byContent(in Input, head []byte, named *Format, opt Options) (*Format, string) {
	for _, f := range Formats {
		if f.Sniff != nil && f.Sniff(head) {
			return f, nouns[f.Name]
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("%PDF-")):
		return PDF, nouns["pdf"]
	case bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return byZip(in, head, named)
	case bytes.HasPrefix(head, []byte(oleMagic)):
		return byOLE(in, named)
	}
	m := mimetype.Detect(head)
	kind, _, _ := strings.Cut(m.String(), ";")
	switch {
	case kind == "text/html" && named == nil:
		return HTML, nouns["html"]
	case named == JSON && opt.JSON.Records == "" && valueALine(head):
		return JSONLines, nouns["jsonl"]
	case named == Text && tabular(string(head)) && (opt.Item == "" || opt.Item == "row"), named == Text && (opt.Item == "row" || opt.CSV.given()):
		return CSV, nouns["csv"]
	case isText(m):
		return textFormat(kind, named)
	case kind == "application/octet-stream" || kind == "application/x-dbf" && named == CSV:
		return nil, "" // no signature, or one that text has by chance
	}
	if noun, ok := nouns[kind]; ok {
		return nil, noun
	}
	return nil, fmt.Sprintf("a file of type %s", kind)
}

// valueALine tells JSON lines that go by the name of JSON: the first line is an
// object, and so is what comes next.
func valueALine(head []byte) bool {
	line, rest, ok := bytes.Cut(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n"), []byte{'\n'})
	return ok && bytes.HasPrefix(line, []byte{'{'}) && json.Valid(line) && bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte{'{'})
}

// byOLE tells the kinds of compound files apart by what is in them. One that
// cannot be looked at is left to the format of its name.
func byOLE(in Input, named *Format) (*Format, string) {
	switch oleKindOf(in) {
	case oleWorkbook:
		return XLS, nouns["xls"]
	case oleMessage:
		return MSG, nouns["msg"]
	case oleWord:
		return Doc, nouns["doc"]
	case olePoint:
		return PPT, nouns["ppt"]
	case oleEncrypted:
		if named != nil && (named == DOCX || named == PPTX || named == XLSB) {
			return named, "an encrypted file"
		}
		return Excel, "an encrypted workbook"
	}
	if named != nil {
		return named, "an old Office file"
	}
	return nil, nouns["application/x-ole-storage"]
}

// textFormat judges text: it is left to the extension, but for workbooks that
// are none and for tables and texts with no extension that is known.
func textFormat(kind string, named *Format) (*Format, string) {
	table := kind == "text/csv" || kind == "text/tab-separated-values"
	workbook := named == Excel || named == XLS || named == XLSB
	switch {
	case named == nil && table, workbook && (table || kind == "text/plain"):
		return CSV, nouns["csv"]
	case named != nil || kind == "text/plain":
		return nil, ""
	case kind == "application/json":
		return JSON, nouns["json"]
	case kind == "application/x-ndjson":
		return JSONLines, nouns["jsonl"]
	case kind == "text/xml":
		return XML, nouns["xml"]
	}
	if noun, ok := nouns[kind]; ok {
		return nil, noun
	}
	return nil, fmt.Sprintf("a file of type %s", kind)
}

// tabular tells a text whose lines all have the same number of one delimiter.
// Files that end in .txt are tables or texts; nothing else says which.
func tabular(head string) bool {
	var lines []string
	for line := range strings.Lines(head) {
		if strings.TrimSpace(line) != "" && len(lines) < 50 {
			lines = append(lines, line)
		}
	}
	if len(head) >= sniffSize && len(lines) > 2 && len(lines) < 50 {
		lines = lines[:len(lines)-1] // it is cut
	}
	for _, d := range "\t;|," {
		n := 0
		if len(lines) > 1 {
			n = strings.Count(lines[0], string(d))
		}
		if n == 0 || d == ',' && n < 2 {
			continue
		}
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Count(l, string(d)) != n }) {
			return true
		}
	}
	return false
}

// given tells whether the mapping says how tables are written: then they are
// meant.
func (o CSVOptions) given() bool {
	return o.Delimiter != "" || o.Quote != "" || o.Header != 0 || len(o.Columns) > 0 || o.Ragged != "" || o.Comment != ""
}

// isText tells text/plain and what mimetype derives from it.
func isText(m *mimetype.MIME) bool {
	for ; m != nil; m = m.Parent() {
		if m.Is("text/plain") {
			return true
		}
	}
	return false
}

// byZip tells the office formats apart by the parts in the zip's directory.
// A zip that cannot be opened is left to the format of its name, which says
// what is wrong with it.
func byZip(in Input, head []byte, named *Format) (*Format, string) {
	z, err := zip.NewReader(in, in.Size)
	if err != nil {
		switch {
		case named != nil && zipped(named):
			return named, nouns[named.Name]
		case bytes.Contains(head, []byte("xl/")):
			return Excel, nouns["excel"]
		}
		return nil, "a broken zip archive"
	}
	kinds := map[string]*Format{"xl/workbook.xml": Excel, "xl/workbook.bin": XLSB, "word/document.xml": DOCX, "ppt/presentation.xml": PPTX, "meta-inf/container.xml": EPUB}
	content := false
	for _, part := range z.File {
		name := strings.ToLower(strings.ReplaceAll(part.Name, `\`, "/"))
		if f := kinds[name]; f != nil {
			return f, nouns[f.Name]
		}
		content = content || name == odsContent
		if name == "mimetype" { // not the first part, as it should be
			if f := byMimetypePart(part); f != nil {
				return f, nouns[f.Name]
			}
		}
	}
	switch named {
	case Excel, XLSB, DOCX, PPTX:
		return named, "a zip archive" // its parts may have other names; its reader knows
	case ODS, ODT, ODP:
		if content {
			return named, nouns[named.Name]
		}
	}
	if m := mimetype.Detect(head); !m.Is("application/zip") {
		if noun, ok := nouns[m.String()]; ok {
			return nil, noun
		}
		return nil, fmt.Sprintf("a file of type %s", m)
	}
	return nil, nouns["application/zip"]
}

// zipped tells the formats whose files are zips.
func zipped(f *Format) bool {
	return slices.Contains([]*Format{Excel, XLSB, DOCX, PPTX, ODS, ODT, ODP, EPUB}, f)
}

// byMimetypePart is the format that a zip says it is.
func byMimetypePart(part *zip.File) *Format {
	rc, err := part.Open()
	if err != nil {
		return nil
	}
	defer rc.Close()
	b, err := io.ReadAll(io.LimitReader(rc, 200))
	if err != nil {
		return nil
	}
	kind, ok := strings.CutPrefix(strings.TrimSpace(string(b)), "application/vnd.oasis.opendocument.")
	switch {
	case string(b) == "application/epub+zip":
		return EPUB
	case !ok:
	case strings.HasPrefix(kind, "spreadsheet"):
		return ODS
	case strings.HasPrefix(kind, "text"):
		return ODT
	case strings.HasPrefix(kind, "presentation"):
		return ODP
	}
	return nil
}

// nouns say what files are in the words of those who have them. Files of
// other types are named by their media type.
var nouns = map[string]string{
	"csv": "a text table", "excel": "an Excel workbook", "xls": "an old Excel workbook (.xls)", "xlsb": "a binary Excel workbook (.xlsb)", "ods": "an OpenDocument spreadsheet",
	"pdf": "a PDF", "image": "a picture", "html": "a web page", "docx": "a Word document", "pptx": "a PowerPoint presentation", "odt": "an OpenDocument text", "odp": "an OpenDocument presentation",
	"rtf": "rich text", "epub": "an EPUB book", "eml": "a message", "mbox": "a mailbox", "msg": "an Outlook message", "doc": "an old Word document (.doc)", "ppt": "an old PowerPoint presentation (.ppt)",
	"parquet": "a Parquet file", "json": "JSON", "jsonl": "JSON lines", "xml": "XML", "text": "plain text", "markdown": "Markdown",
	"application/zip":             "a zip archive",
	"application/gzip":            "a gzip archive",
	"application/x-7z-compressed": "a 7z archive",
	"application/x-tar":           "a tar archive",
	"application/x-ole-storage":   "an old Office file or an encrypted one",
	"application/x-sqlite3":       "an SQLite database",
	"image/png":                   "a PNG image",
	"image/jpeg":                  "a JPEG image",
	"image/gif":                   "a GIF image",
	"image/tiff":                  "a TIFF image",
}

// Noun says what a file of the format is, such as "a Word document".
func (f *Format) Noun() string { return nouns[f.Name] }

// byName finds a format by its name or one of its extensions.
func byName(name string) *Format {
	name = strings.ToLower(name)
	for _, f := range Formats {
		if f.Name == name || name != "" && slices.Contains(f.Exts, "."+strings.TrimPrefix(name, ".")) {
			return f
		}
	}
	return nil
}

func byExt(ext string) *Format {
	for _, f := range Formats {
		if slices.Contains(f.Exts, ext) {
			return f
		}
	}
	return nil
}

// FormatNames lists the names of the formats, sorted.
func FormatNames() []string {
	var names []string
	for _, f := range Formats {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return names
}

// elsewhere says what to do with a file that is something that nothing reads.
func elsewhere(what string) string {
	if strings.HasSuffix(what, " archive") {
		return "unpack it, or take it out of the source's path"
	}
	return "name a converter for it in the mapping, or take it out of the source's path"
}
