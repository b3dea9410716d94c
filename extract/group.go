package extract

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"strings"
)

// groupMemory is how many bytes of rows of one file are held to put rows
// together that stand apart. Of a larger file the rows must be sorted.
var groupMemory int64 = 32 << 20

// grouped makes one record of the rows of a file that have the same value in
// a column: the first of them, with all in Rows. Rows with an empty value stay
// by themselves. Groups come in the order of their first rows.
//
// An item must not be made of a part of its rows: who may see it can stand in
// any of them. So the file is looked through first. One that fits into
// groupMemory is put together there; of a larger one the rows of a group must
// follow each other, and it is read once more, group by group. And a row that
// cannot be read may belong to the group before it and to the one behind it:
// both are refused, unless its own value says to which it belongs. None of
// these errors has a Text: a group cannot be mended by its first row.
func grouped(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	if isAuto(opt.CSV.Footer) { // a row that looks like one may be of a group: it could be the one with a deny
		opt.CSV.Footer = "keep"
	}
	return func(yield func(Record, error) bool) {
		g := &grouper{in: in, opt: opt, limit: orDefault(opt.Limits.Record, defaultRecord)}
		if err := g.look(ctx); err != nil {
			yield(Record{}, err)
			return
		}
		rows := g.held
		switch {
		case rows == nil:
			opt.Warn, opt.Found = nil, nil // told
			rows = records(ctx, in, opt)
		case g.apart != nil:
			rows = g.together()
		}
		g.pass(rows, yield)
	}
}

type grouper struct {
	in    Input
	opt   Options
	limit int64 // bytes of one group

	held  iter.Seq2[Record, error] // the whole file; nil when it is too large
	apart *apart
	bad   *RecordError // the first row that cannot be read

	header *Header // of the rows, for col
	col    int

	first  Record // the group's, with its Rows
	key    string
	size   int64  // bytes of its rows, about
	broken *Place // of a row that may be one of the group and cannot be read
	doubt  *Place // the same, for the group to come
}

// apart are two rows of a group with others between them.
type apart struct {
	key  string
	here Place
}

// A rowOrError is one step of a sequence.
type rowOrError struct {
	rec Record
	err error
}

// look reads the whole file. Its error is the file's.
func (g *grouper) look(ctx context.Context) error {
	var (
		all  []rowOrError
		size int64
		seed = maphash.MakeSeed()
		met  = map[[2]uint64]bool{} // the keys of one table, by hash
		last string
	)
	for rec, err := range records(ctx, g.in, g.opt) {
		if bad, ok := errors.AsType[*RecordError](err); ok {
			if g.bad == nil {
				g.bad = bad
			}
		} else if err != nil {
			return err
		}
		rec.ValueAt = nil // it holds on to the text of the row
		if size <= groupMemory {
			size += rowSize(rec.Text) + 200
			all = append(all, rowOrError{rec, err})
		} else {
			all = nil
		}
		if err != nil || rec.Header == nil {
			continue
		}
		if rec.Header != g.header {
			if err := g.use(rec); err != nil {
				return err
			}
			clear(met)
			last = ""
		}
		key := groupKey(rec, g.col)
		if key != "" && key != last {
			sum := [2]uint64{maphash.String(seed, key), maphash.String(seed, "\x00"+key)}
			if met[sum] && g.apart == nil {
				g.apart = &apart{key, rec.Place}
			}
			met[sum] = true
		}
		last = key
	}
	g.header = nil
	if size <= groupMemory {
		g.held = func(yield func(Record, error) bool) {
			for _, r := range all {
				if ctx.Err() != nil {
					yield(Record{}, ctx.Err())
					return
				}
				if !yield(r.rec, r.err) {
					return
				}
			}
		}
	}
	return g.unsorted()
}

// unsorted refuses a file whose groups cannot be put together.
func (g *grouper) unsorted() error {
	if g.apart == nil {
		return nil
	}
	err := &FileError{Place: g.apart.here, Reason: ReasonIncomplete}
	what := fmt.Sprintf("%s %q stands here again, with other rows between", g.opt.GroupBy, g.apart.key)
	switch {
	case g.held == nil:
		err.Detail = fmt.Sprintf("%s, and the file is too large to be put together; sort it by %s", what, g.opt.GroupBy)
	case g.bad != nil:
		err.Detail = fmt.Sprintf("%s, and line %d cannot be read, so that it may be of any group; mend that row, or sort the file by %s", what, g.bad.Place.Line, g.opt.GroupBy)
	default:
		return nil
	}
	return err
}

// together gives the held rows of each table so that those of a group follow
// each other.
func (g *grouper) together() iter.Seq2[Record, error] {
	type group struct{ rows []Record }
	return func(yield func(Record, error) bool) {
		var groups []*group
		var by map[string]*group
		flush := func() bool {
			for _, gr := range groups {
				for _, rec := range gr.rows {
					if !yield(rec, nil) {
						return false
					}
				}
			}
			groups, by = nil, map[string]*group{}
			return true
		}
		var header *Header
		for rec, err := range g.held {
			if err != nil { // of the context: look has refused all others
				yield(Record{}, err)
				return
			}
			if rec.Header != header || rec.Header == nil {
				if !flush() {
					return
				}
				if header = rec.Header; header != nil {
					g.col, _ = header.Index(g.opt.GroupBy)
				}
			}
			gr := by[groupKey(rec, g.col)]
			if gr == nil {
				gr = &group{}
				groups = append(groups, gr)
				if key := groupKey(rec, g.col); key != "" {
					by[key] = gr
				}
			}
			gr.rows = append(gr.rows, rec)
		}
		flush()
	}
}

// groupKey is a row's value; "" is none.
func groupKey(rec Record, col int) string {
	if rec.Header == nil {
		return ""
	}
	return strings.TrimSpace(rec.Text[col])
}

func rowSize(text []string) (n int64) {
	for _, cell := range text {
		n += int64(len(cell)) + 16
	}
	return n
}

// pass yields the groups of rows, those of a group behind each other.
func (g *grouper) pass(rows iter.Seq2[Record, error], yield func(Record, error) bool) {
	for rec, err := range rows {
		more := true
		switch bad, isBad := errors.AsType[*RecordError](err); {
		case isBad:
			more = g.unreadable(bad, yield)
		case err != nil:
			yield(Record{}, err)
			return
		case rec.Header == nil: // a document
			more = g.flush(yield) && yield(rec, nil)
		default:
			more = g.add(rec, yield)
		}
		if !more {
			return
		}
	}
	g.flush(yield)
}

// add takes a row. It reports whether the consumer wants more.
func (g *grouper) add(rec Record, yield func(Record, error) bool) bool {
	if rec.Header != g.header {
		if !g.flush(yield) {
			return false
		}
		if err := g.use(rec); err != nil { // the file is another by now
			yield(Record{}, err)
			return false
		}
	}
	key := groupKey(rec, g.col)
	if g.first.Rows == nil || key != g.key || key == "" {
		if !g.flush(yield) {
			return false
		}
		g.first, g.key, g.size, g.broken = rec, key, 0, g.doubt
	}
	g.first.ValueAt, g.doubt = nil, nil
	g.size += rowSize(rec.Text)
	if g.size <= g.limit || g.first.Rows == nil {
		g.first.Rows = append(g.first.Rows, Row{Place: rec.Place, Text: rec.Text, Typed: rec.Typed, Cells: rec.Cells})
	}
	return true
}

// use finds the column in a table.
func (g *grouper) use(rec Record) error {
	col, ok := rec.Header.Index(g.opt.GroupBy)
	if !ok {
		return &FileError{Place: Place{File: g.in.Name, Sheet: rec.Place.Sheet}, Reason: ReasonOption,
			Detail: fmt.Sprintf("groupBy names the column %q, which the table does not have; its columns are %s", g.opt.GroupBy, strings.Join(rec.Header.Names(), ", "))}
	}
	g.header, g.col = rec.Header, col
	if g.doubt != nil && g.doubt.Sheet != rec.Place.Sheet {
		g.doubt = nil
	}
	return nil
}

// unreadable takes a row that cannot be read.
func (g *grouper) unreadable(bad *RecordError, yield func(Record, error) bool) bool {
	open := g.first.Rows != nil
	if open {
		g.broken = &bad.Place
	}
	own := open && bad.Header == g.header && g.col < len(bad.Text) && strings.TrimSpace(bad.Text[g.col]) == g.key
	if !own {
		g.doubt = &bad.Place
	}
	told := *bad
	told.Header, told.Text = nil, nil
	return yield(Record{}, &told)
}

// flush yields the group, if there is one.
func (g *grouper) flush(yield func(Record, error) bool) bool {
	rec, broken := g.first, g.broken
	g.first, g.broken = Record{}, nil
	switch {
	case rec.Rows == nil:
		return true
	case broken != nil:
		return yield(Record{}, &RecordError{Place: rec.Place, Reason: ReasonIncomplete,
			Detail: fmt.Sprintf("the rows with %s %q may lack the one at %s, which cannot be read; mend that row", g.opt.GroupBy, g.key, broken.Row())})
	case g.size > g.limit:
		return yield(Record{}, &RecordError{Place: rec.Place, Reason: ReasonTooLarge,
			Detail: fmt.Sprintf("the rows with %s %q take more than %s together; raise limits.record, or group by another column", g.opt.GroupBy, g.key, byteWords(g.limit))})
	}
	return yield(rec, nil)
}
