package extract

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// Parquet reads Parquet files row by row. A column keeps the type that the file
// says: whole numbers, numbers, booleans, dates, times. What is below a group is
// a column of its own (address.city), the elements of a list are lines of their
// cell. Bytes that are no text are written in hexadecimal.
//
// A date and time with a zone is the wall clock of UTC, one without the wall
// clock as it is.
var Parquet = &Format{
	Name:    "parquet",
	Exts:    []string{".parquet"},
	Table:   true,
	Sniff:   func(head []byte) bool { return strings.HasPrefix(string(head), parquetMagic) },
	Read:    readParquet,
	Isolate: true,
	Version: "1",
}

const parquetMagic = "PAR1"

func readParquet(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		p := &parquetReader{ctx: ctx, in: in, opt: opt, yield: yield}
		if err := p.read(); err != nil && err != errBreak {
			yield(Record{}, err)
		}
	}
}

type parquetReader struct {
	ctx   context.Context
	in    Input
	opt   Options
	yield func(Record, error) bool

	columns []parquetColumn
	header  *Header
	record  int // bytes of a row
	row     int
}

// A parquetColumn is a leaf of the schema.
type parquetColumn struct {
	kind    parquet.Kind
	logical format.LogicalTypeValue
	old     deprecated.ConvertedType // of files without logical types; -1 is none
}

func (p *parquetReader) fail(reason, detail string, err error) error {
	if p.row > 0 && !errors.Is(err, ErrShort) {
		err = errors.Join(ErrShort, err)
	}
	return docError(p.in, reason, detail, err)
}

func (p *parquetReader) read() error {
	switch p.opt.Item {
	case "", "row":
	default:
		return p.fail(ReasonOption, fmt.Sprintf("item is %q, but the records of a Parquet file are rows; write item: row, or item: document for the whole file", p.opt.Item), nil)
	}
	if p.in.Size == 0 {
		return p.fail(ReasonEmpty, "the file is empty", nil)
	}
	if err := p.ends(); err != nil {
		return err
	}
	f, err := parquet.OpenFile(p.in, p.in.Size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(64<<10))
	if err != nil {
		return p.broken(err)
	}
	if err := p.schema(f.Schema()); err != nil {
		return err
	}
	p.record = int(min(orDefault(p.opt.Limits.Record, defaultRecordLimit), 1<<30))
	for _, group := range f.RowGroups() {
		if err := p.group(group); err != nil {
			return err
		}
	}
	if int64(p.row) != f.NumRows() {
		return p.fail(ReasonShort, fmt.Sprintf("the file says that it has %d rows, and %d could be read; get it again", f.NumRows(), p.row), ErrShort)
	}
	return nil
}

// ends sees that the file ends as one: its directory is at its end.
func (p *parquetReader) ends() error {
	var head, tail [4]byte
	if _, err := readFullAt(p.in, head[:], 0, p.in.Size); err != nil {
		return p.short(err)
	}
	if string(head[:]) != parquetMagic {
		if string(head[:]) == "PARE" {
			return p.fail(ReasonEncrypted, "the file is encrypted, which is not read; write it without encryption", nil)
		}
		return p.fail(ReasonBroken, "this is not a Parquet file, whatever its name says; give it the ending of what it is", nil)
	}
	if _, err := readFullAt(p.in, tail[:], p.in.Size-4, p.in.Size); err != nil {
		return p.short(err)
	}
	if string(tail[:]) != parquetMagic {
		return p.short(io.ErrUnexpectedEOF)
	}
	return nil
}

func (p *parquetReader) short(err error) error {
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		return p.in.readFailure(err)
	}
	return p.fail(ReasonShort, "the file ends before its end: its directory, which stands there, is missing; get it again", ErrShort)
}

func (p *parquetReader) broken(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return p.fail(ReasonShort, fmt.Sprintf("the file is damaged or cut short (%v); get it again", err), errors.Join(ErrShort, err))
	}
	return p.fail(ReasonBroken, fmt.Sprintf("the file is damaged, or packed in a way that is not known (%v); get it again", err), err)
}

func (p *parquetReader) schema(s *parquet.Schema) error {
	paths := s.Columns()
	most := p.opt.Limits.Columns
	if most <= 0 {
		most = defaultColumns
	}
	if len(paths) > most {
		return p.fail(ReasonTooLarge, fmt.Sprintf("the file has %d columns, and may have %d; raise limits.columns", len(paths), most), nil)
	}
	names := make([]string, len(paths))
	p.columns = make([]parquetColumn, len(paths))
	for i, path := range paths {
		names[i] = parquetName(path)
		leaf, ok := s.Lookup(path...)
		if !ok {
			return p.fail(ReasonBroken, "its schema contradicts itself; get the file again", nil)
		}
		t := leaf.Node.Type()
		c := parquetColumn{kind: t.Kind(), old: -1}
		if lt := t.LogicalType(); lt != nil {
			c.logical = lt.Value
		}
		if ct := t.ConvertedType(); ct != nil {
			c.old = *ct
		}
		p.columns[i] = c
	}
	p.header = NewHeader(names)
	return nil
}

// parquetName is a column's name, without the levels that only make a list or a
// map of it (the format's LogicalTypes.md).
func parquetName(path []string) string {
	var keep []string
	for i := 0; i < len(path); i++ {
		if i > 0 && i+1 < len(path) {
			switch path[i] + "." + path[i+1] {
			case "list.element", "list.item", "bag.array_element", "list.array", "list.list":
				i++
				continue
			}
		}
		if i > 0 && path[i] == "key_value" && i+1 < len(path) {
			continue
		}
		keep = append(keep, path[i])
	}
	return strings.Join(keep, ".")
}

// group yields the rows of a row group.
func (p *parquetReader) group(g parquet.RowGroup) (err error) {
	rows := g.Rows()
	defer rows.Close()
	buf := make([]parquet.Row, 64)
	for {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		n, err := rows.ReadRows(buf)
		for _, row := range buf[:n] {
			if err := p.give(row); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return p.broken(err)
		case n == 0:
			return p.broken(io.ErrNoProgress)
		}
	}
}

func (p *parquetReader) give(row parquet.Row) error {
	p.row++
	place := Place{File: p.in.Name, Line: p.row}
	n := len(p.columns)
	rec := Record{Place: place, Header: p.header, Text: make([]string, n), Typed: make([]any, n)}
	size := 0
	for _, v := range row {
		i := v.Column()
		if i < 0 || i >= n || v.IsNull() {
			continue
		}
		text, typed := p.columns[i].value(v)
		if size += len(text); size > p.record {
			bad := &RecordError{Place: place, Reason: ReasonTooLarge, Header: p.header, Detail: fmt.Sprintf("the row has more than %s; raise limits.record", byteWords(int64(p.record)))}
			if !p.yield(Record{}, bad) {
				return errBreak
			}
			return nil
		}
		if rec.Text[i] != "" {
			rec.Text[i] += flatJoin + text
			rec.Typed[i] = nil
			continue
		}
		rec.Text[i], rec.Typed[i] = text, typed
	}
	if !p.yield(rec, nil) {
		return errBreak
	}
	return nil
}

// value gives a value's text, and what it is.
func (c *parquetColumn) value(v parquet.Value) (text string, typed any) {
	switch c.kind {
	case parquet.Boolean:
		return strconv.FormatBool(v.Boolean()), v.Boolean()
	case parquet.Int32:
		return c.integer(int64(v.Int32()), 32)
	case parquet.Int64:
		return c.integer(v.Int64(), 64)
	case parquet.Int96: // a timestamp of old writers: nanoseconds and the Julian day
		x := v.Int96()
		nanos := int64(uint64(x[1])<<32 | uint64(x[0]))
		return timeText(time.Unix((int64(x[2])-2440588)*86400, nanos).UTC())
	case parquet.Float:
		return floatText(float64(v.Float()), 32)
	case parquet.Double:
		return floatText(v.Double(), 64)
	}
	return c.bytes(v.ByteArray())
}

func floatText(f float64, bits int) (string, any) {
	s := strconv.FormatFloat(f, 'g', -1, bits)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return s, nil
	}
	if a := math.Abs(f); a == 0 || a >= 1e-6 && a < 1e21 {
		s = strconv.FormatFloat(f, 'f', -1, bits)
	}
	f, _ = strconv.ParseFloat(s, 64) // of a float32 the number that is written
	return s, f
}

func timeText(t time.Time) (string, any) {
	layout := "2006-01-02T15:04:05"
	if t.Nanosecond() != 0 {
		layout += ".999999999"
	}
	if t.Year() < 1 || t.Year() > 9999 {
		return t.Format(time.RFC3339), nil
	}
	return t.Format(layout), t
}

// integer reads what is stored in a whole number.
func (c *parquetColumn) integer(n int64, bits int) (string, any) {
	switch t := c.logical.(type) {
	case *format.DateType:
		return dayText(n)
	case *format.TimestampType:
		return timeText(unitTime(n, t.Unit))
	case *format.TimeType:
		return clockText(n, t.Unit)
	case *format.DecimalType:
		return decimalText(big.NewInt(n), int(t.Scale))
	case *format.IntType:
		if !t.IsSigned {
			return unsignedText(n, bits)
		}
	case nil:
		switch c.old {
		case deprecated.Date:
			return dayText(n)
		case deprecated.TimestampMillis:
			return timeText(time.UnixMilli(n).UTC())
		case deprecated.TimestampMicros:
			return timeText(time.UnixMicro(n).UTC())
		case deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
			return unsignedText(n, bits)
		}
	}
	return strconv.FormatInt(n, 10), n
}

func dayText(days int64) (string, any) {
	t := time.Unix(0, 0).UTC().AddDate(0, 0, int(max(min(days, 1<<30), -1<<30)))
	if t.Year() < 1 || t.Year() > 9999 {
		return strconv.FormatInt(days, 10), days
	}
	return t.Format(time.DateOnly), t
}

func unsignedText(n int64, bits int) (string, any) {
	u := uint64(n)
	if bits == 32 {
		u = uint64(uint32(n))
	}
	if u > math.MaxInt64 {
		return strconv.FormatUint(u, 10), float64(u)
	}
	return strconv.FormatUint(u, 10), int64(u)
}

func unitTime(n int64, unit format.TimeUnit) time.Time {
	switch unit.Value.(type) {
	case *format.NanoSeconds:
		return time.Unix(0, n).UTC()
	case *format.MicroSeconds:
		return time.UnixMicro(n).UTC()
	}
	return time.UnixMilli(n).UTC()
}

func clockText(n int64, unit format.TimeUnit) (string, any) {
	d := time.Duration(n)
	switch unit.Value.(type) {
	case *format.NanoSeconds:
	case *format.MicroSeconds:
		d *= time.Microsecond
	default:
		d *= time.Millisecond
	}
	return string(appendDuration(nil, d)), d
}

// decimalText writes a number of so many decimals.
func decimalText(n *big.Int, scale int) (string, any) {
	if scale < 0 || scale > 1000 {
		scale = 0
	}
	s := n.String()
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	if scale > 0 {
		if len(s) <= scale {
			s = strings.Repeat("0", scale-len(s)+1) + s
		}
		s = s[:len(s)-scale] + "." + s[len(s)-scale:]
	}
	s = sign + s
	if scale == 0 && n.IsInt64() {
		return s, n.Int64()
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s, nil
	}
	return s, f
}

// bytes reads what is stored in bytes.
func (c *parquetColumn) bytes(b []byte) (string, any) {
	switch t := c.logical.(type) {
	case *format.UUIDType:
		if len(b) == 16 {
			return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
		}
	case *format.DecimalType:
		if len(b) <= 64 {
			return decimalText(bigEndian(b), int(t.Scale))
		}
	case *format.Float16Type:
		if len(b) == 2 {
			return floatText(float16(uint16(b[0])|uint16(b[1])<<8), 32)
		}
	}
	if utf8.Valid(b) {
		return string(b), nil
	}
	return hex.EncodeToString(b), nil
}

// bigEndian reads a two's complement number.
func bigEndian(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// float16 reads a number of half precision (IEEE 754 binary16).
func float16(u uint16) float64 {
	sign, exp, frac := 1.0, int(u>>10&0x1f), float64(u&0x3ff)
	if u>>15 != 0 {
		sign = -1
	}
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}
