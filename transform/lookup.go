package transform

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/expr-lang/expr/ast"

	"importer/extract"
)

// A lookupTable is a file of the mapping that records are completed from:
// lookup("customers.csv", customer_id).name. It is read whole when the mapping
// is, and is part of what decides what a record becomes.
type lookupTable struct {
	file   string // as written
	header *extract.Header
	sum    [32]byte // of the file's content

	mu     sync.Mutex // guards by
	rows   [][]string
	places []extract.Place          // of the rows
	by     map[int]map[string]int32 // by key column: the row of each key, or ambiguous
}

const (
	maxLookupBytes = 1 << 30
	maxLookupRows  = 2_000_000
)

// tables reads the files that expressions name.
func (d *document) tables() *lookups {
	if d.lookups == nil {
		d.lookups = &lookups{d: d, dir: filepath.Dir(d.file), tables: map[string]*lookupTable{}}
	}
	return d.lookups
}

type lookups struct {
	d      *document
	dir    string
	mu     sync.Mutex // guards tables
	tables map[string]*lookupTable
}

// lookupFiles finds the files that an expression looks up. It may find one in a
// text, which then only counts as one more file that decides.
var lookupFiles = regexp.MustCompile(`\blookup\s*\(\s*(?:"([^"\\]+)"|'([^'\\]+)')`)

func (x *expression) lookupFiles() (files []string) {
	for _, m := range lookupFiles.FindAllStringSubmatch(x.s, -1) {
		files = append(files, m[1]+m[2])
	}
	return files
}

// table gives a table, read once.
func (l *lookups) table(name string) (*lookupTable, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.tables[name]; t != nil {
		return t, nil
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.dir, filepath.FromSlash(name))
	}
	l.d.files = append(l.d.files, path)
	data, err := readLimited(path, maxLookupBytes)
	if err != nil {
		return nil, reasonOf(err)
	}
	t := &lookupTable{file: name, sum: sha256.Sum256(data), by: map[int]map[string]int32{}}
	if err := t.read(path, data); err != nil {
		return nil, err
	}
	l.tables[name] = t
	return t, nil
}

func (t *lookupTable) read(path string, data []byte) error {
	in := extract.Input{Name: t.file, Size: int64(len(data)), Path: path, ReaderAt: bytes.NewReader(data)}
	for rec, err := range extract.Records(context.Background(), in, extract.Options{}) {
		switch {
		case err != nil:
			return err // whole and right, or it would complete records wrongly
		case rec.Header == nil:
			return errors.New("it is no table: a lookup file is CSV or Excel")
		case t.header != nil && t.header != rec.Header:
			return errors.New("it has several tables: a lookup file has one sheet")
		case len(t.rows) == maxLookupRows:
			return fmt.Errorf("it has more than %d rows, which are kept in memory", maxLookupRows)
		}
		t.header = rec.Header
		t.rows = append(t.rows, rec.Text)
		t.places = append(t.places, rec.Place)
	}
	if t.header == nil {
		return errors.New("it has no rows")
	}
	return nil
}

const ambiguousRow = -1

// index gives the rows by their key in a column. Keys are compared without the
// white space around them, and otherwise as they are written.
func (t *lookupTable) index(col int) map[string]int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if by := t.by[col]; by != nil {
		return by
	}
	by := make(map[string]int32, len(t.rows))
	for i, row := range t.rows {
		key := strings.TrimSpace(row[col])
		if key == "" {
			continue
		}
		if _, twice := by[key]; twice {
			by[key] = ambiguousRow
			continue
		}
		by[key] = int32(i)
	}
	t.by[col] = by
	return by
}

// A lookupRef is a column of a table by a key column, as a constant of an
// expression.
type lookupRef struct {
	table *lookupTable
	by    map[string]int32
	key   string // the key column's name
	col   int
}

// get gives the cell of a key's row. A key that is not there gives nothing; one
// that several rows have says so: any of them would be a guess.
func (r *lookupRef) get(key string) (any, error) {
	key = strings.TrimSpace(key)
	row, ok := r.by[key]
	switch {
	case key == "" || !ok:
		return nil, nil
	case row == ambiguousRow:
		return nil, &fault{reason: ReasonAmbiguous, value: key, col: noColumn, detail: fmt.Sprintf("looks up %q, and several rows of %s have it in %q", key, r.table.file, r.key),
			remedy: "make the keys of that file unique"}
	}
	cell := r.table.rows[row][r.col]
	if strings.TrimSpace(cell) == "" {
		return nil, nil
	}
	return cell, nil
}

// lookup binds lookup("file", key, "key column"?).column.
func (b *binder) lookup(n *ast.MemberNode, call *ast.CallNode) ast.Node {
	const form = `write lookup("customers.csv", customer_id).name; a third argument names the key column`
	prop, literal := n.Property.(*ast.StringNode)
	if !literal {
		b.fail(n, form, "lookup needs the name of a column behind it")
		return n
	}
	if len(call.Arguments) < 2 || len(call.Arguments) > 3 {
		b.fail(call, form, "lookup has %d arguments, and takes 2 or 3", len(call.Arguments))
		return n
	}
	file, ok := call.Arguments[0].(*ast.StringNode)
	if !ok {
		b.fail(call.Arguments[0], form, "the file of lookup must be a text in quotes")
		return n
	}
	t, err := b.d.tables().table(file.Value)
	if err != nil {
		b.fail(file, "correct the path, which is relative to the mapping, or mend the file", "the lookup file %s cannot be used: %v", file.Value, err)
		return n
	}
	ref := &lookupRef{table: t}
	key := 0
	if len(call.Arguments) == 3 {
		name, ok := call.Arguments[2].(*ast.StringNode)
		if !ok {
			b.fail(call.Arguments[2], form, "the key column of lookup must be a text in quotes")
			return n
		}
		if key, ok = b.lookupColumn(name, t); !ok {
			return n
		}
	}
	if ref.col, ok = b.lookupColumn(prop, t); !ok {
		return n
	}
	ref.key, ref.by = t.header.Names()[key], t.index(key)
	constant := &ast.ConstantNode{Value: ref}
	constant.SetLocation(n.Location())
	return internalCall(n, fnLookup, constant, b.node(call.Arguments[1]))
}

func (b *binder) lookupColumn(name *ast.StringNode, t *lookupTable) (col int, ok bool) {
	if col, ok = t.header.Index(name.Value); !ok {
		remedy := "its columns are " + quotedList(t.header.Names(), 12)
		if near := nearest(name.Value, t.header.Names()); near != "" {
			remedy = fmt.Sprintf("did you mean %q?", near)
		}
		b.fail(name, remedy, "%s has no column %q", t.file, name.Value)
	}
	return col, ok
}

// lookupCall tells a call of lookup.
func lookupCall(n ast.Node) (*ast.CallNode, bool) {
	call, ok := n.(*ast.CallNode)
	if !ok {
		return nil, false
	}
	id, ok := call.Callee.(*ast.IdentifierNode)
	return call, ok && id.Value == "lookup"
}
