package extract

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
)

// A Portion bounds what Sample reads of one file. Zero fields mean the default
// in the field's comment.
type Portion struct {
	Bytes  int64 // of a text table, JSON or XML; 16 MiB
	Blocks int   // places beside its start where a table or JSON lines are read; 16
	Rows   int   // of each sheet of a workbook; 50,000
}

// Sample yields some of the records of in, from all over it where its format
// can be entered anywhere: of a large text table or file of JSON lines its head
// and blocks that are evenly spread up to its end, of JSON and XML the head, of a
// workbook the first rows of each sheet, of other formats all. Small files are read whole. left is called, at most once
// and before the end, when records are left out.
//
// Where rows are put together to records (see Options.GroupBy) it is Records.
//
// The contract is that of Records but for these: rows from inside a text table
// have no line (Place.Line is 0), and what is wrong around the ends of a block
// is not told.
func Sample(ctx context.Context, in Input, opt Options, most Portion, left func()) iter.Seq2[Record, error] {
	if most.Bytes <= 0 {
		most.Bytes = 16 << 20
	}
	if most.Blocks <= 0 {
		most.Blocks = 16
	}
	if most.Rows <= 0 {
		most.Rows = 50_000
	}
	if f, err := Detect(in, opt); err == nil {
		switch {
		case opt.GroupBy != "":
		case f == CSV && in.Size > most.Bytes:
			return sampleCSV(ctx, in, opt, most, left)
		case f == Excel:
			return sampleExcel(ctx, in, opt, most, left)
		case f == JSONLines && in.Size > most.Bytes:
			return sampleLines(ctx, in, opt, most, left)
		case (f == JSON || f == XML) && in.Size > most.Bytes:
			return sampleHead(ctx, in, opt, most, left)
		}
	}
	return Records(ctx, in, opt)
}

// sampleCSV reads half of what it may from the start, and the rest in blocks.
func sampleCSV(ctx context.Context, in Input, opt Options, most Portion, left func()) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var header *Header
		head, size := most.Bytes/2, most.Bytes/2/int64(most.Blocks)
		read := int64(0)
		for rec, err := range Records(ctx, in, opt) {
			if !yield(rec, err) {
				return
			}
			if err != nil && !isRecordError(err) {
				return
			}
			if header == nil {
				header = rec.Header
			}
			for _, f := range rec.Text {
				read += int64(len(f)) + 1
			}
			if read > head {
				break
			}
		}
		if read <= head || header == nil {
			return // it is read to its end: what it has beside its text is white space, or an encoding
		}
		left()
		// Columns are known by the head. A block is a text of its own without header.
		opt.CSV.Header, opt.CSV.Columns = -1, header.Names()
		opt.CSV.Encoding = blockEncoding(in, opt.CSV.Encoding)
		opt.Warn, opt.Found = nil, nil
		if opt.CSV.Delimiter == "" || strings.EqualFold(opt.CSV.Delimiter, "auto") {
			if r, err := newCSVReader(ctx, in, withoutWarnings(opt)); err == nil {
				opt.CSV.Delimiter = r.scan.delim
			}
		}
		for i := range most.Blocks {
			from := head + (in.Size-head-size)*int64(i+1)/int64(most.Blocks)
			if !sampleBlock(ctx, in, opt, header, from, min(size, in.Size-from), yield) {
				return
			}
		}
	}
}

func withoutWarnings(opt Options) Options {
	opt.Warn = func(Place, string) {}
	return opt
}

// blockEncoding is what a block of the file is read as: what is declared, or
// what the first bytes of the file say. "" is left to be found.
func blockEncoding(in Input, declared string) string {
	if declared != "" && !strings.EqualFold(declared, "auto") {
		return declared
	}
	buf := make([]byte, min(sniffSize, in.Size))
	n, _ := in.ReadAt(buf, 0)
	bom, _ := byBOM(buf[:n])
	return firstOf(bom, byNULs(buf[:n]))
}

// sampleBlock yields the rows of a block. The first line is a part of one; if
// it lies in a quoted field of several lines, so are the next ones, which do
// not have the width of the table.
func sampleBlock(ctx context.Context, in Input, opt Options, header *Header, from, size int64, yield func(Record, error) bool) bool {
	unit := int64(1)
	if strings.HasPrefix(opt.CSV.Encoding, "utf-16") {
		unit = 2
	} else if strings.HasPrefix(opt.CSV.Encoding, "utf-32") {
		unit = 4
	}
	from -= from % unit
	buf := make([]byte, size-size%unit)
	n, err := in.ReadAt(buf, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return true // the crawl will tell of the disk
	}
	buf = buf[:n]
	start := lineStart(buf, int(unit), opt.CSV.Encoding)
	if start < 0 || start >= len(buf) {
		return true
	}
	buf = buf[start:]
	last := from+int64(start)+int64(len(buf)) >= in.Size
	part := Input{Name: in.Name, Size: int64(len(buf)), ReaderAt: bytes.NewReader(buf)}
	synced := false
	var held *Record // the last row may be cut
	for rec, err := range readCSV(ctx, part, withoutWarnings(opt)) {
		if err != nil {
			continue
		}
		if !synced && rec.Cells > 0 {
			continue
		}
		synced = true
		if held != nil && !yield(*held, nil) {
			return false
		}
		rec.Header, rec.Place = header, Place{File: in.Name}
		held = &rec
	}
	if held != nil && last && held.Cells == 0 {
		return yield(*held, nil)
	}
	return ctx.Err() == nil
}

// lineStart finds where the second line of a block begins; -1 is nowhere.
func lineStart(buf []byte, unit int, encoding string) int {
	at := 0
	if strings.HasSuffix(encoding, "be") {
		at = unit - 1
	}
	for _, eol := range []byte{'\n', '\r'} {
		for i := 0; i+unit <= len(buf); i += unit {
			if buf[i+at] == eol && !slices.ContainsFunc(buf[i:i+unit], func(b byte) bool { return b != eol && b != 0 }) {
				return i + unit
			}
		}
	}
	return -1
}

// sampleExcel reads the first rows of each sheet.
func sampleExcel(ctx context.Context, in Input, opt Options, most Portion, left func()) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		sheet, rows, over := "", 0, false
		for rec, err := range Records(ctx, in, opt) {
			if rec.Place.Sheet != sheet {
				sheet, rows = rec.Place.Sheet, 0
			}
			if rows++; rows > most.Rows {
				over = true
				break
			}
			if !yield(rec, err) {
				return
			}
		}
		if !over {
			return
		}
		left()
		// The rest of a sheet cannot be passed over: the others are read by name.
		for _, name := range sheetsAfter(ctx, in, opt, sheet) {
			only := opt
			only.Excel.Sheets, only.Found = []string{name}, nil
			rows := 0
			for rec, err := range Records(ctx, in, only) {
				if rows++; rows > most.Rows || err != nil && !isRecordError(err) {
					break
				}
				if !yield(rec, err) {
					return
				}
			}
		}
	}
}

// sheetsAfter lists the sheets that would be read after one.
func sheetsAfter(ctx context.Context, in Input, opt Options, name string) []string {
	opt = withoutWarnings(opt)
	book, err := openWorkbook(ctx, in, opt)
	if err != nil {
		return nil
	}
	defer book.close()
	sheets, err := (&excelReader{ctx: ctx, in: in, opt: opt, book: book}).choose()
	if err != nil {
		return nil
	}
	var names []string
	after := false
	for _, sh := range sheets {
		if after {
			names = append(names, sh.name)
		}
		after = after || sh.name == name
	}
	return names
}
