package extract

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
)

// sampleLines reads half of what it may of a file of JSON lines from its start,
// and the rest in blocks that are evenly spread: lines can be entered anywhere.
func sampleLines(ctx context.Context, in Input, opt Options, most Portion, left func()) iter.Seq2[Record, error] {
	text := lineBlock(in, 0, most.Bytes/2)
	known := bytes.Count(text, []byte{'\n'}) // lines whose numbers are those of the file
	size := most.Bytes / 2 / int64(most.Blocks)
	for i := range most.Blocks {
		from := most.Bytes/2 + (in.Size-most.Bytes/2-size)*int64(i+1)/int64(most.Blocks)
		text = append(text, lineBlock(in, from, min(size, in.Size-from))...)
	}
	if len(text) == 0 { // not one line of them is short enough
		return Records(ctx, in, opt)
	}
	part := Input{Name: in.Name, Size: int64(len(text)), ReaderAt: bytes.NewReader(text)}
	return func(yield func(Record, error) bool) {
		left()
		for rec, err := range Records(ctx, part, opt) {
			if bad, ok := errors.AsType[*RecordError](err); ok && bad.Place.Line > known {
				bad.Place.Line, bad.Place.Col = 0, 0
			}
			if rec.Place.Line > known {
				rec.Place.Line, rec.ValueAt = 0, nil
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// lineBlock is the whole lines of a part of a file. A disk that fails is for the
// crawl to tell.
func lineBlock(in Input, from, size int64) []byte {
	buf := make([]byte, max(size, 0))
	n, _ := in.ReadAt(buf, from)
	buf = buf[:n]
	if from > 0 {
		first := bytes.IndexByte(buf, '\n')
		buf = buf[first+1:]
		if first < 0 {
			return nil
		}
	}
	return buf[:bytes.LastIndexByte(buf, '\n')+1]
}

// headRecords is what stands right under the root at the beginning of a file of
// XML; "" where that is not of one name.
func headRecords(in Input, opt Options, size int64) string {
	head := Input{Name: in.Name, Size: size, ReaderAt: io.NewSectionReader(in, 0, size)}
	x, err := newXMLReader(head, opt, xmlPath{})
	if err != nil {
		return ""
	}
	root, under, _ := x.survey() // that the file ends too early is known
	if len(under) != 1 {
		return ""
	}
	return "/" + root + "/" + under[0]
}

// sampleHead reads the beginning of a file that can be read from there alone. A
// file whose first record is larger than that is read whole, if it is not huge.
func sampleHead(ctx context.Context, in Input, opt Options, most Portion, left func()) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if f, err := Detect(in, opt); err == nil && f == XML && opt.XML.Record == "" {
			opt.XML.Record = headRecords(in, opt, most.Bytes)
		}
		head := Input{Name: in.Name, Size: most.Bytes, ReaderAt: io.NewSectionReader(in, 0, most.Bytes)}
		any := false
		for rec, err := range Records(ctx, head, opt) {
			if errors.Is(err, ErrShort) {
				break // of course
			}
			any = any || err == nil
			if !yield(rec, err) {
				return
			}
		}
		const huge = 16 << 20
		if any || in.Size > huge || ctx.Err() != nil {
			left()
			return
		}
		for rec, err := range Records(ctx, in, opt) {
			if !yield(rec, err) {
				return
			}
		}
	}
}
