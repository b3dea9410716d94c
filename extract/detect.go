package extract

import (
	"archive/zip"
	"bytes"
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
	ext := strings.ToLower(filepath.Ext(in.Name))
	f := byName(opt.Format)
	if f == nil && opt.Format != "" {
		return fail(ReasonOption, fmt.Sprintf("the format %q is not known; it is one of %s", opt.Format, strings.Join(formatNames(), ", ")), nil)
	}
	if in.Size == 0 {
		return fail(ReasonEmpty, "the file is empty; export or copy it again, or take it out of the source's path", nil)
	}
	if f != nil {
		return f, nil
	}
	head := make([]byte, min(sniffSize, in.Size))
	n, err := in.ReadAt(head, 0)
	if n < len(head) && err != nil && !errors.Is(err, io.EOF) {
		return fail(ReasonUnreadable, fmt.Sprintf("the file cannot be read (%v)", cause(err)), err)
	}
	head = head[:n]

	named := byExt(ext)
	f, what := byContent(in, head, named)
	switch {
	case f != nil:
		workbook := f == Excel && strings.HasPrefix(ext, ".xls") // .xls, .xlsx, .xlsm: all workbooks
		if named != f && !workbook && ext != "" && opt.Warn != nil {
			opt.Warn(Place{File: in.Name}, fmt.Sprintf("the name ends in %s but the file is %s; it is read as that", ext, what))
		}
		return f, nil
	case what != "":
		return fail(ReasonUnsupported, fmt.Sprintf("the file is %s, which is not read; %s", what, readable()), nil)
	case isBinary(head):
		if named == PDF && named != nil { // PDFs with a lost or late header are known to open
			return PDF, nil
		}
		return fail(ReasonBroken, fmt.Sprintf("the file is not text and not in any known format; %s", readable()), nil)
	case named == PDF && named != nil && !bytes.Contains(head, []byte("%PDF-")) && !pdfObject.Match(head):
		return fail(ReasonUnsupported, "the name ends in .pdf but the file is plain text; get the document again, or give the file the ending of what it is", nil)
	case named != nil:
		return named, nil
	}
	return fail(ReasonUnsupported, fmt.Sprintf("nothing reads a text file that ends in %q; %s, or set format", ext, readable()), nil)
}

// byContent tells the format that head has the signature of, and what it is
// in words. Without a format, the words name what nothing reads; without
// words, head is text or unknown. named is the format of the extension.
func byContent(in Input, head []byte, named *Format) (*Format, string) {
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
	case bytes.HasPrefix(head, []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")):
		if strings.HasPrefix(strings.ToLower(filepath.Ext(in.Name)), ".xls") {
			return Excel, "an OLE file: an encrypted or an old workbook"
		}
	}
	m := mimetype.Detect(head)
	kind, _, _ := strings.Cut(m.String(), ";")
	switch {
	case kind == "text/html" && named == nil:
		return HTML, nouns["html"]
	case kind == "application/vnd.ms-excel":
		return Excel, "an old Excel workbook"
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

// textFormat judges text: it is left to the extension, but for workbooks that
// are none and for tables and texts with no extension that is known.
func textFormat(kind string, named *Format) (*Format, string) {
	table := kind == "text/csv" || kind == "text/tab-separated-values"
	switch {
	case named == nil && table, named == Excel && (table || kind == "text/plain"):
		return CSV, nouns["csv"]
	case named != nil || kind == "text/plain":
		return nil, ""
	}
	if noun, ok := nouns[kind]; ok {
		return nil, noun
	}
	return nil, fmt.Sprintf("a file of type %s", kind)
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
		if named == Excel || bytes.Contains(head, []byte("xl/")) {
			return Excel, "an Excel workbook"
		}
		return nil, "a broken zip archive"
	}
	for _, part := range z.File {
		name := strings.ToLower(strings.ReplaceAll(part.Name, `\`, "/"))
		switch {
		case name == "xl/workbook.xml":
			return Excel, "an Excel workbook"
		case name == "xl/workbook.bin":
			return nil, "a binary Excel workbook (.xlsb)"
		case name == "word/document.xml":
			return nil, "a Word document (.docx)"
		case name == "ppt/presentation.xml":
			return nil, "a PowerPoint presentation (.pptx)"
		}
	}
	if named == Excel {
		return Excel, "a zip archive" // Excel parts may have other names; its reader knows
	}
	if m := mimetype.Detect(head); !m.Is("application/zip") {
		if noun, ok := nouns[m.String()]; ok {
			return nil, noun
		}
		return nil, fmt.Sprintf("a file of type %s", m)
	}
	return nil, nouns["application/zip"]
}

// nouns say what files are in the words of those who have them. Files of
// other types are named by their media type.
var nouns = map[string]string{
	"csv": "a text table", "excel": "an Excel workbook", "pdf": "a PDF", "html": "a web page",
	"application/zip":             "a zip archive",
	"application/gzip":            "a gzip archive",
	"application/x-7z-compressed": "a 7z archive",
	"application/x-tar":           "a tar archive",
	"application/x-ole-storage":   "an old Office file or an encrypted one",
	"application/msword":          "an old Word document (.doc)",
	"application/vnd.ms-outlook":  "an Outlook message (.msg)",
	"application/json":            "JSON",
	"application/x-ndjson":        "JSON lines",
	"application/x-sqlite3":       "an SQLite database",
	"application/vnd.ms-excel":    "an old Excel workbook (.xls)",
	"application/epub+zip":        "an EPUB book",
	"text/xml":                    "XML",
	"text/rtf":                    "rich text (.rtf)",
	"text/html":                   "a web page",
	"image/png":                   "a PNG image",
	"image/jpeg":                  "a JPEG image",
	"image/gif":                   "a GIF image",
	"image/tiff":                  "a TIFF image",
	"application/vnd.oasis.opendocument.spreadsheet": "an OpenDocument spreadsheet (.ods)",
	"application/vnd.oasis.opendocument.text":        "an OpenDocument text (.odt)",
}

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

func formatNames() []string {
	var names []string
	for _, f := range Formats {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return names
}

// readable says what can be read.
func readable() string {
	var exts []string
	for _, f := range Formats {
		exts = append(exts, f.Exts...)
	}
	slices.Sort(exts)
	return "files that can be read end in " + strings.Join(exts, ", ")
}
