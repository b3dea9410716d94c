package extract

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
)

// JSON reads files of JSON, JSONLines files with one JSON value a line. An
// object is a row: its keys are the columns, the keys of an object in it are
// columns of their own (address.city), the elements of a list of plain values
// are lines of their cell, and lists of objects are JSON.
var (
	JSON = &Format{
		Name:    "json",
		Exts:    []string{".json"},
		Table:   true,
		Read:    readJSON,
		Version: "2", // records have columns: a file can be one line
	}
	JSONLines = &Format{
		Name:    "jsonl",
		Exts:    []string{".jsonl", ".ndjson"},
		Table:   true,
		Read:    readJSONLines,
		Version: "1",
	}
)

// JSONOptions say what of a file of JSON is a record.
type JSONOptions struct {
	// Records is the way to the list of records: keys with dots between them, such
	// as data.items. "" is the file's own value: each element of a list, or the
	// one object.
	Records string `yaml:"records"`
	// Columns are keys that a record may have: they are columns even of a file
	// in which no record has them.
	Columns []string `yaml:"columns"`
}

func readJSON(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return readFlat(ctx, in, opt, opt.JSON.Columns, true, "a JSON file", func(ctx context.Context, yield func(*flatRow) error) error {
		j := newJSONReader(in, opt)
		return j.file(opt.JSON.Records, yield)
	})
}

func readJSONLines(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return readFlat(ctx, in, opt, opt.JSON.Columns, true, "a file of JSON lines", func(ctx context.Context, yield func(*flatRow) error) error {
		return jsonLines(in, opt, yield)
	})
}

// utf8Of decodes a file by its byte order mark; without one it is UTF-8.
func utf8Of(in Input) io.Reader {
	r := io.NewSectionReader(in, 0, in.Size)
	head := make([]byte, min(in.Size, sniffSize))
	n, _ := in.ReadAt(head, 0) // what is wrong is met again
	name, skip := byBOM(head[:n])
	if name == "" {
		name = byNULs(head[:n])
	}
	_, _ = r.Seek(int64(skip), io.SeekStart)
	c, err := lookupCodec(name)
	if name == "" || err != nil || c.enc == nil {
		return r
	}
	return c.enc.NewDecoder().Reader(r)
}

// A jsonReader reads the values of a file one after the other.
type jsonReader struct {
	lines *lineCounter
	meter *elementMeter
	dec   *json.Decoder
	most  int64
}

func newJSONReader(in Input, opt Options) *jsonReader {
	j := &jsonReader{most: orDefault(opt.Limits.Record, defaultRecordLimit)}
	j.lines = &lineCounter{r: utf8Of(in)}
	j.meter = &elementMeter{r: bufio.NewReaderSize(j.lines, 64<<10), left: j.most}
	j.dec = json.NewDecoder(j.meter)
	j.dec.UseNumber()
	return j
}

// An elementMeter fails when more is read for one value than it may have.
type elementMeter struct {
	r    io.Reader
	left int64
}

var errElement = errors.New("the value is too large")

func (m *elementMeter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errElement
	}
	n, err := m.r.Read(p)
	m.left -= int64(n)
	return n, err
}

// file yields the records at a path.
func (j *jsonReader) file(path string, yield func(*flatRow) error) error {
	var keys []string
	if path != "" {
		keys = strings.Split(path, ".")
	}
	found, err := j.descend(keys, yield)
	if err != nil {
		return j.explain(err)
	}
	if !found {
		return &FileError{Reason: ReasonOption, Detail: fmt.Sprintf("there is nothing at json.records: %s in the file; write the keys that lead to the list of records, with dots between them", path)}
	}
	return j.rest()
}

// rest sees that nothing follows the value.
func (j *jsonReader) rest() error {
	j.meter.left = j.most
	j.dec.More() // what is ahead is in the buffer now
	at := j.next()
	switch _, err := j.dec.Token(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return j.explain(err)
	}
	return &FileError{Place: j.lines.placeOf(at), Reason: ReasonSyntax,
		Detail: "the JSON goes on after its value; if the file has a value a line, say format: jsonl in the source, else export it again"}
}

// descend goes along the keys and yields what is there.
func (j *jsonReader) descend(keys []string, yield func(*flatRow) error) (found bool, err error) {
	if len(keys) == 0 {
		return true, j.values(yield)
	}
	tok, err := j.dec.Token()
	if err != nil {
		return false, cutOf(err)
	}
	if tok != json.Delim('{') {
		return false, j.leave(tok)
	}
	for j.dec.More() {
		j.meter.left = j.most
		tok, err := j.dec.Token()
		if err != nil {
			return found, cutOf(err)
		}
		if key, _ := tok.(string); key == keys[0] && !found {
			if found, err = j.descend(keys[1:], yield); err != nil {
				return found, err
			}
			continue
		}
		if err := j.skip(); err != nil {
			return found, err
		}
	}
	_, err = j.dec.Token()
	return found, cutOf(err)
}

// skip passes over the next value.
func (j *jsonReader) skip() error {
	tok, err := j.dec.Token()
	if err != nil {
		return cutOf(err)
	}
	return j.leave(tok)
}

// leave goes to the end of the value that begins with tok.
func (j *jsonReader) leave(tok json.Token) error {
	depth := 0
	for {
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		j.meter.left = max(j.meter.left, j.most)
		var err error
		if tok, err = j.dec.Token(); err != nil {
			return cutOf(err)
		}
	}
}

// values yields the elements of a list, or the one object.
func (j *jsonReader) values(yield func(*flatRow) error) error {
	first, err := j.peek()
	if err != nil {
		return err
	}
	if first != '[' {
		return j.value(yield)
	}
	if _, err := j.dec.Token(); err != nil {
		return err
	}
	for j.dec.More() {
		if err := j.value(yield); err != nil {
			return err
		}
	}
	j.meter.left = j.most
	_, err = j.dec.Token()
	return cutOf(err)
}

// peek is the first byte of the next value.
func (j *jsonReader) peek() (byte, error) {
	j.meter.left = j.most
	if !j.dec.More() {
		return 0, io.ErrUnexpectedEOF
	}
	// More has found the next byte; what is buffered begins with it, after white
	// space and a colon.
	b, err := io.ReadAll(io.LimitReader(j.dec.Buffered(), 1<<16))
	b = bytes.TrimLeft(b, " \t\r\n:")
	if err != nil || len(b) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return b[0], nil
}

// value reads one record.
func (j *jsonReader) value(yield func(*flatRow) error) error {
	j.meter.left = j.most
	var raw json.RawMessage
	if err := j.dec.Decode(&raw); err != nil {
		return cutOf(err)
	}
	row := &flatRow{place: j.lines.placeOf(j.dec.InputOffset() - int64(len(raw)))}
	row.valueAt = jsonPlaces(raw, row.place, row.place)
	flattenJSON(row, raw)
	return yield(row)
}

// jsonPlaces gives the places of the values of a record whose text begins at
// from. It looks for them when it is asked, which is seldom.
func jsonPlaces(raw []byte, from, record Place) func(key string) Place {
	return func(key string) Place {
		row := &flatRow{}
		flattenJSON(row, raw)
		if i := slices.Index(row.keys, key); i >= 0 {
			return from.within(raw, row.values[i].at)
		}
		return record
	}
}

// explain makes an error of the file of one of the decoder.
func (j *jsonReader) explain(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return &FileError{Place: j.lines.placeOf(j.faultAt(syntax)), Reason: ReasonSyntax, Detail: fmt.Sprintf("the JSON is broken here (%v); export the file again", err)}
	}
	switch {
	case errors.Is(err, errElement):
		return &FileError{Place: j.lines.placeOf(j.next()), Reason: ReasonTooLarge, Detail: fmt.Sprintf("a record has more than %s; raise limits.record, or name the list of records with json.records", byteWords(j.most))}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &FileError{Reason: ReasonShort, Detail: "the JSON ends before its end; copy or export the file again", Err: ErrShort}
	}
	return err
}

// next is the offset of what the decoder would read next.
func (j *jsonReader) next() int64 {
	ahead, _ := io.ReadAll(j.dec.Buffered()) // from memory
	return j.dec.InputOffset() + int64(len(ahead)-len(bytes.TrimLeft(ahead, " \t\r\n,:")))
}

// faultAt is the offset of the byte that the decoder has stopped at. What it
// says itself leaves out the tokens that were read one by one, so the value in
// which it stopped is read again from its beginning.
func (j *jsonReader) faultAt(fault *json.SyntaxError) int64 {
	ahead, _ := io.ReadAll(j.dec.Buffered()) // from memory
	var again json.RawMessage
	err := json.NewDecoder(bytes.NewReader(ahead)).Decode(&again)
	if own, ok := errors.AsType[*json.SyntaxError](err); ok && own.Error() == fault.Error() {
		return j.dec.InputOffset() + own.Offset - 1
	}
	return j.dec.InputOffset() // a comma or a colon is missing before it
}

// flattenJSON makes a row of a value.
func flattenJSON(row *flatRow, raw []byte) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	tok, err := dec.Token()
	if err != nil {
		row.bad = badJSON(err)
		return
	}
	if tok != json.Delim('{') {
		if tok == json.Delim('[') {
			row.add("value", string(raw), nil)
			return
		}
		addScalar(row, "value", tok, 0)
		return
	}
	if err := flattenObject(row, dec, 0, "", 0); err != nil {
		row.bad = badJSON(err)
	}
}

func badJSON(err error) *RecordError {
	return &RecordError{Reason: ReasonSyntax, Detail: fmt.Sprintf("this is not JSON (%v); correct the line", err)}
}

// flattenObject reads the keys of an object that has begun. dec reads what
// stands at the offset from of the record.
func flattenObject(row *flatRow, dec *json.Decoder, from int, above string, depth int) error {
	if depth > maxFlatDepth {
		return fmt.Errorf("objects are nested more than %d deep", maxFlatDepth)
	}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		key := under(above, tok.(string)) // the decoder sees to it that keys are texts
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		if err := flattenValue(row, key, raw, from+int(dec.InputOffset())-len(raw), depth); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

// flattenValue reads the value that stands at an offset of the record.
func flattenValue(row *flatRow, key string, raw json.RawMessage, at, depth int) error {
	sub := json.NewDecoder(bytes.NewReader(raw))
	sub.UseNumber()
	tok, err := sub.Token()
	if err != nil {
		return err
	}
	switch tok {
	case json.Delim('{'):
		return flattenObject(row, sub, at, key, depth+1)
	case json.Delim('['):
		return flattenList(row, key, raw, at)
	}
	addScalar(row, key, tok, at)
	return nil
}

// flattenList gives the elements of a list of plain values one by one; any
// other list is one value of JSON. All have the place of the list.
func flattenList(row *flatRow, key string, raw json.RawMessage, at int) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil {
		return err
	}
	var plain []json.Token
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		if _, nested := tok.(json.Delim); nested {
			row.addAt(key, string(raw), nil, at)
			return nil
		}
		plain = append(plain, tok)
	}
	if len(plain) == 0 {
		row.addAt(key, "", nil, at)
	}
	for _, tok := range plain {
		addScalar(row, key, tok, at)
	}
	return nil
}

// addScalar adds a plain value.
func addScalar(row *flatRow, key string, tok json.Token, at int) {
	switch v := tok.(type) {
	case nil:
		row.addAt(key, "", nil, at)
	case string:
		row.addAt(key, v, nil, at)
	case bool:
		row.addAt(key, strconv.FormatBool(v), v, at)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			row.addAt(key, v.String(), n, at)
		} else if f, err := v.Float64(); err == nil {
			row.addAt(key, v.String(), f, at)
		} else {
			row.addAt(key, v.String(), nil, at)
		}
	}
}

// jsonLines yields the records of a file of lines. A line that is no JSON is a
// bad record, and the file goes on.
func jsonLines(in Input, opt Options, yield func(*flatRow) error) error {
	most := int(min(orDefault(opt.Limits.Record, defaultRecordLimit), math.MaxInt32))
	r := bufio.NewReaderSize(utf8Of(in), 64<<10)
	for line := 1; ; line++ {
		raw, over, err := readLine(r, most)
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return err
		}
		begin := len(raw) - len(bytes.TrimLeft(raw, " \t\r\n"))
		raw = bytes.TrimSpace(raw)
		row := &flatRow{place: Place{Line: line}}
		from := Place{Line: line, Col: begin + 1}
		row.valueAt = jsonPlaces(raw, from, row.place)
		switch {
		case over:
			row.bad = &RecordError{Reason: ReasonTooLarge, Detail: fmt.Sprintf("the line has more than %s; raise limits.record", byteWords(int64(most)))}
		case len(raw) == 0:
			if last {
				return nil
			}
			continue
		case !json.Valid(raw):
			if last && line > 1 { // a line that was cut has no line end
				return &FileError{Place: Place{Line: line}, Reason: ReasonShort, Detail: "the last line is cut off; copy or export the file again", Err: ErrShort}
			}
			row.place = from.within(raw, faultIn(raw))
			row.bad = &RecordError{Reason: ReasonSyntax, Detail: "the line is not JSON from here on; correct it", Text: []string{string(raw[:min(len(raw), 1000)])}}
		default:
			flattenJSON(row, raw)
		}
		if err := yield(row); err != nil || last {
			return err
		}
	}
}

// faultIn is the offset of the byte from which on a text is no JSON; its length
// is that it ends too early.
func faultIn(raw []byte) int {
	var value json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(raw))
	err := dec.Decode(&value)
	if fault, ok := errors.AsType[*json.SyntaxError](err); ok {
		return int(fault.Offset) - 1
	}
	if err != nil {
		return len(raw)
	}
	after := raw[dec.InputOffset():]
	return len(raw) - len(bytes.TrimLeft(after, " \t"))
}

// readLine reads a line of at most so many bytes; what is over is passed over.
func readLine(r *bufio.Reader, most int) (line []byte, over bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) <= most {
			line = append(line, part...)
		} else {
			over = true
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, over, err
		}
	}
}
