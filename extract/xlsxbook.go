package extract

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/richardlehane/mscfb"
	"github.com/xuri/excelize/v2"
)

// A workbook is an open book: everything but its rows.
//
// An .xlsx file is a zip of XML parts (ECMA-376 part 2). _rels/.rels names the
// workbook part; the relationships beside that name the sheets, the styles and
// the shared strings:
//
//	_rels/.rels                   officeDocument -> xl/workbook.xml
//	xl/workbook.xml               the sheets: name, state, relationship id; date1904
//	xl/_rels/workbook.xml.rels    relationship id -> part
//	xl/styles.xml                 cellXfs: style index -> number format
//	xl/sharedStrings.xml          the texts that cells refer to by number
//	xl/worksheets/sheet1.xml      rows
type workbook struct {
	zip     *bookZip
	sheets  []bookSheet // worksheets in the book's order, hidden ones too
	formats []numFormat // by style index
	date04  bool
	texts   string         // the shared strings' part, "" if the book has none
	strings *sharedStrings // read when the first sheet is
}

// A bookSheet is a worksheet; chart, dialog and macro sheets have no rows.
type bookSheet struct {
	name   string
	part   string
	hidden bool
}

// maxSmallPart bounds the parts that are held in memory. The largest styles of
// real books seen are below 4 MiB.
const maxSmallPart = 32 << 20

func (b *workbook) list() []bookSheet { return b.sheets }

// scan opens the sheet, and the texts it refers to.
func (b *workbook) scan(r *excelReader, sh *bookSheet) (rowSource, func() error, error) {
	if err := b.loadStrings(r); err != nil {
		return nil, nil, err
	}
	rc, err := b.zip.open(sh.part)
	if err != nil {
		return nil, nil, err
	}
	return &sheetScanner{s: newTagScanner(rc), book: b, record: r.recordLimit(), columns: r.columnLimit()}, rc.Close, nil
}

func (b *workbook) loadStrings(r *excelReader) error {
	if b.strings != nil {
		return nil
	}
	if !b.zip.has(b.texts) {
		b.strings = &sharedStrings{}
		return nil
	}
	rc, err := b.zip.open(b.texts)
	if err == nil {
		defer rc.Close()
		b.strings, err = readSharedStrings(rc, r.recordLimit(), spillAt)
	}
	if fe, ok := errors.AsType[*FileError](err); ok {
		fe.Place = Place{File: r.in.Name}
		return fe
	}
	if err != nil {
		return partError(Place{File: r.in.Name}, b.texts, err)
	}
	return nil
}

func (b *workbook) close() {
	if b.strings != nil {
		b.strings.close()
	}
}

// openWorkbook opens in, decrypting it if need be. Its error is a *FileError.
func openWorkbook(ctx context.Context, in Input, opt Options) (book *workbook, err error) {
	place := Place{File: in.Name}
	defer func() {
		// Excelize and mscfb parse what strangers wrote; they have panicked on it before.
		if p := recover(); p != nil {
			book, err = nil, &FileError{Place: place, Reason: ReasonBroken,
				Detail: fmt.Sprintf("the workbook cannot be opened (%v); open it in Excel, let it repair the file and save it again", p)}
		}
	}()
	if in.Size == 0 {
		return nil, &FileError{Place: place, Reason: ReasonEmpty, Detail: "the file is empty; get it again, or take it out of the source"}
	}
	head := make([]byte, min(in.Size, 8))
	if _, err := in.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, partError(place, "the first bytes", err)
	}
	var data io.ReaderAt = in
	size := in.Size
	if string(head) == oleMagic {
		plain, err := decryptBook(in, opt)
		if err != nil {
			return nil, err
		}
		data, size = bytes.NewReader(plain), int64(len(plain))
	}
	zr, err := zip.NewReader(data, size)
	if err != nil {
		return nil, zipError(place, head, err)
	}
	zr.RegisterDecompressor(zip.Deflate, flate.NewReader)
	bz := newBookZip(ctx, zr, opt.Limits.Unzipped)
	book, err = loadBook(bz)
	if err != nil {
		var fe *FileError
		if !errors.As(err, &fe) {
			fe = partError(place, "workbook", err)
		}
		fe.Place = place
		return nil, fe
	}
	return book, nil
}

// zipError tells a zip without its directory, which stands at the end and is
// the first thing that a cut file loses, from a file that never was a zip.
func zipError(place Place, head []byte, err error) error {
	switch {
	case bytes.HasPrefix(head, []byte(zipMagic)):
		return &FileError{Place: place, Reason: ReasonShort,
			Detail: "the file is cut short or not a workbook: the list of its parts, which stands at its end, is missing; get the file again",
			Err:    errors.Join(ErrShort, err)}
	case errors.Is(err, zip.ErrFormat):
		return &FileError{Place: place, Reason: ReasonBroken,
			Detail: "this is not a workbook, whatever its name says; save it as .xlsx, or set format to what it is", Err: err}
	}
	return partError(place, "the list of parts", err)
}

// loadBook reads the small parts and lets excelize make sense of them.
func loadBook(bz *bookZip) (*workbook, error) {
	root, err := bz.rels("_rels/.rels", "")
	if err != nil {
		return nil, err
	}
	main := root.target("officeDocument")
	if main == "" || !bz.has(main) {
		main = "xl/workbook.xml"
	}
	if !bz.has(main) || strings.HasSuffix(main, ".bin") {
		return nil, notAWorkbook(bz, main)
	}
	rels, err := bz.rels(path.Join(path.Dir(main), "_rels", path.Base(main)+".rels"), path.Dir(main))
	if err != nil {
		return nil, err
	}
	f, err := openReduced(bz, main, rels.target("styles"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.WorkBook == nil {
		return nil, notAWorkbook(bz, main)
	}
	props, err := f.GetWorkbookProps()
	if err != nil {
		return nil, err
	}
	book := &workbook{zip: bz, formats: styleFormats(f), texts: rels.target("sharedStrings")}
	book.date04 = props.Date1904 != nil && *props.Date1904
	for _, sh := range f.WorkBook.Sheets.Sheet {
		rel, ok := rels.byID[sh.ID]
		if !ok || rel.kind != "worksheet" {
			continue
		}
		hidden := sh.State == "hidden" || sh.State == "veryHidden"
		book.sheets = append(book.sheets, bookSheet{name: sh.Name, part: rel.target, hidden: hidden})
	}
	return book, nil
}

// notAWorkbook says what the zip is instead.
func notAWorkbook(bz *bookZip, main string) error {
	switch {
	case bz.has("xl/workbook.bin"), strings.HasPrefix(main, "xl/") && strings.HasSuffix(main, ".bin"):
		return &FileError{Reason: ReasonUnsupported, Detail: "this is a binary workbook (.xlsb), which is not read; open it in Excel and save it as .xlsx"}
	case bz.has("content.xml") && bz.has("mimetype"):
		return &FileError{Reason: ReasonUnsupported, Detail: "this is an OpenDocument file, which is not read; open it in its program and save it as .xlsx"}
	case bz.has("word/document.xml"), bz.has("ppt/presentation.xml"):
		return &FileError{Reason: ReasonUnsupported, Detail: "this is a Word or PowerPoint file, not a workbook"}
	}
	return &FileError{Reason: ReasonBroken, Detail: "this zip is not a workbook: it has no xl/workbook.xml; save the book again as .xlsx"}
}

// openReduced gives excelize a book of its small parts only, under the names
// that it looks for: handed the whole file it would unzip every sheet.
func openReduced(bz *bookZip, main, styles string) (*excelize.File, error) {
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	add := func(name string, data []byte) error {
		w, err := zw.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	}
	err := add("_rels/.rels", []byte(`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" `+
		`Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`))
	for _, part := range []struct{ from, to string }{{main, "xl/workbook.xml"}, {styles, "xl/styles.xml"}} {
		if err != nil || !bz.has(part.from) {
			continue
		}
		var data []byte
		if data, err = bz.readAll(part.from); err == nil {
			err = add(part.to, data)
		}
	}
	if err == nil {
		err = zw.Close()
	}
	if err != nil {
		return nil, err
	}
	f, err := excelize.OpenReader(&buf)
	if err != nil {
		return nil, &FileError{Reason: ReasonBroken, Err: err,
			Detail: fmt.Sprintf("the workbook is damaged (%v); open it in Excel, let it repair the file and save it again", err)}
	}
	return f, nil
}

// styleFormats lists what each style index shows numbers as.
func styleFormats(f *excelize.File) []numFormat {
	if f.Styles == nil || f.Styles.CellXfs == nil {
		return nil
	}
	codes := map[int]string{}
	if f.Styles.NumFmts != nil {
		for _, nf := range f.Styles.NumFmts.NumFmt {
			codes[nf.NumFmtID] = nf.FormatCode
		}
	}
	formats := make([]numFormat, len(f.Styles.CellXfs.Xf))
	for i, xf := range f.Styles.CellXfs.Xf {
		if xf.NumFmtID == nil {
			continue
		}
		if code, custom := codes[*xf.NumFmtID]; custom {
			formats[i] = classifyFormat(code)
		} else {
			formats[i] = builtinFormat(*xf.NumFmtID)
		}
	}
	return formats
}

// velvetSweatshop opens books that are only protected against writing: Excel
// encrypts those with this fixed password (MS-OFFCRYPTO 2.4.2.3).
const velvetSweatshop = "VelvetSweatshop"

// decryptBook opens an OLE file: an encrypted book, or something else. An
// encrypted book is held in memory, twice while it is decrypted.
func decryptBook(in Input, opt Options) ([]byte, error) {
	place := Place{File: in.Name}
	if err := checkOLE(in); err != nil {
		return nil, err
	}
	limit := orDefault(opt.Limits.Unzipped, defaultUnzippedLimit)
	if in.Size > limit/2 {
		return nil, &FileError{Place: place, Reason: ReasonTooLarge,
			Detail: fmt.Sprintf("the encrypted workbook has %d bytes, and would need more memory than limits: {unzipped: %d} allows; save it without a password", in.Size, limit)}
	}
	raw := make([]byte, in.Size)
	if _, err := io.ReadFull(io.NewSectionReader(in, 0, in.Size), raw); err != nil {
		return nil, partError(place, "the encrypted package", err)
	}
	for _, password := range append(append([]string{}, opt.Excel.Passwords...), velvetSweatshop) {
		plain, err := tryPassword(raw, password)
		if err == nil && bytes.HasPrefix(plain, []byte(zipMagic)) {
			return plain, nil
		}
	}
	detail := "the workbook is encrypted and needs a password: excel: {passwords: [\"${env:BOOK_PASSWORD}\"]}"
	if n := len(opt.Excel.Passwords); n > 0 {
		detail = fmt.Sprintf("the workbook is encrypted and none of the %d passwords given opens it (or its cipher is not known); "+
			"give the right one: excel: {passwords: [\"${env:BOOK_PASSWORD}\"]}", n)
	}
	return nil, &FileError{Place: place, Reason: ReasonEncrypted, Detail: detail}
}

// tryPassword keeps a panic over one password from hiding the next.
func tryPassword(raw []byte, password string) (plain []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decrypt: %v", p)
		}
	}()
	return excelize.Decrypt(raw, &excelize.Options{Password: password})
}

// checkOLE passes encrypted books and explains every other OLE file.
func checkOLE(in Input) error {
	place := Place{File: in.Name}
	doc, err := mscfb.New(io.NewSectionReader(in, 0, in.Size))
	if err != nil {
		return &FileError{Place: place, Reason: ReasonBroken, Err: err,
			Detail: "the file is cut short or not a workbook: it begins as an old Office file and cannot be opened as one; get the file again"}
	}
	for _, entry := range doc.File {
		switch entry.Name {
		case "EncryptedPackage":
			return nil
		case "Workbook", "Book", "WORKBOOK", "BOOK":
			return &FileError{Place: place, Reason: ReasonUnsupported,
				Detail: "this is an old workbook (.xls), which is not read; open it in Excel and save it as .xlsx"}
		}
	}
	return &FileError{Place: place, Reason: ReasonUnsupported, Detail: "this is an old Office file, not a workbook; save its data as .xlsx"}
}

// A relation is one line of a relationships part.
type relation struct {
	kind   string // the last element of its type: worksheet, styles, ...
	target string // the part
}

type relations struct {
	byID map[string]relation
	list []relation
}

// target gives the first part of a kind, "" if there is none.
func (r relations) target(kind string) string {
	for _, rel := range r.list {
		if rel.kind == kind {
			return rel.target
		}
	}
	return ""
}

// rels reads a relationships part whose targets are relative to dir. A book
// without the part has no relations.
func (z *bookZip) rels(part, dir string) (relations, error) {
	found := relations{byID: map[string]relation{}}
	if !z.has(part) {
		return found, nil
	}
	data, err := z.readAll(part)
	if err != nil {
		return found, err
	}
	var doc struct {
		Relationship []struct {
			ID     string `xml:"Id,attr"`
			Type   string `xml:",attr"`
			Target string `xml:",attr"`
		}
	}
	if err := xml.Unmarshal(data, &doc); err != nil {
		return found, fmt.Errorf("%w: %s: %v", errMarkup, part, err)
	}
	for _, rel := range doc.Relationship {
		target := strings.ReplaceAll(rel.Target, `\`, "/")
		if !strings.HasPrefix(target, "/") {
			target = path.Join("/", dir, target)
		}
		r := relation{kind: path.Base(rel.Type), target: partName(target)}
		found.byID[rel.ID] = r
		found.list = append(found.list, r)
	}
	return found, nil
}

// isZipDamage says whether err means damaged bytes and not a failing disk.
func isZipDamage(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.Is(err, zip.ErrFormat) || errors.Is(err, zip.ErrChecksum) || errors.As(err, &corrupt)
}

// damage names the damage for a message.
func damage(err error) string {
	switch {
	case errors.Is(err, zip.ErrChecksum):
		return "its checksum is wrong"
	case isZipDamage(err):
		return "its compressed bytes are damaged"
	}
	return "it ends before its end"
}

func orDefault(v, def int64) int64 {
	if v <= 0 {
		return def
	}
	return v
}
