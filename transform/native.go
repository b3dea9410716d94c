package transform

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"

	"importer/extract"
)

// The shapes of expressions that make up nearly all mappings (columns, texts
// joined by +, conversions of a column, comparisons) run as closures of our
// own: a tenth of the time of the library's machine, and next to no
// allocations. What is not known here goes to the machine. Both must agree; a
// test runs every expression both ways.

// A frame is the record that an expression looks at.
type frame struct {
	rec extract.Record
	loc *time.Location // of dates that carry no zone
	id  string         // of the item, once it is known
	// idOf makes the item id of another record of the source; "" is none.
	idOf func(extract.Record) (string, error)

	names
	unknown []Unknown // in permissions
	dropped []Unknown // of unknown, those whose grants are left out
	refused *fault    // the first of unknown that refuses the item
	// refusedBy is the entry of the ACL that names it.
	refusedBy *aclEntry
	rule      *aclEntry // that is at work
	trace     *[]Traced // where it is to be told how the ACL comes about
	sides     []string  // with trace: the fields of the metadata that the rule has read
}

func (e *frame) column(i int) (string, error) {
	if e.rec.Typed != nil && i < len(e.rec.Typed) {
		if ce, bad := e.rec.Typed[i].(extract.CellError); bad {
			return "", cellFault(cell{col: i}, ce)
		}
	}
	if i >= len(e.rec.Text) || isBlank(e.rec.Text[i]) {
		return "", nil // white space compares as what it is: nothing
	}
	return e.rec.Text[i], nil
}

func (e *frame) cell(i int) cell {
	c := cell{col: i}
	if i < len(e.rec.Text) {
		c.text = e.rec.Text[i]
	}
	if i < len(e.rec.Typed) {
		c.typed = e.rec.Typed[i]
	}
	return c
}

func (e *frame) meta(key string) string {
	if e.rec.Doc == nil || isBlank(e.rec.Doc.Meta[key]) {
		return ""
	}
	return e.rec.Doc.Meta[key]
}

// field gives a field of the record that is no column; nil is absent.
func (e *frame) field(name string) (any, error) {
	if doc := e.rec.Doc; doc != nil {
		switch name {
		case "headings":
			return doc.Headings, nil
		case "attachments":
			return attachmentNames(doc), nil
		case "page":
			return doc.Page, nil
		case "pages":
			return doc.Pages, nil
		}
	}
	switch name {
	case "line", "place.line":
		return e.rec.Place.Line, nil
	case "place.col":
		return e.rec.Place.Col, nil
	case "place.page":
		return e.rec.Place.Page, nil
	case "file.size":
		if e.rec.File != nil {
			return int(e.rec.File.Size), nil
		}
		return nil, nil
	case "file.modified":
		if e.rec.File != nil {
			return e.rec.File.Modified, nil
		}
		return nil, nil
	case "headings", "page", "pages", "attachments":
		return nil, nil
	}
	return e.textField(name)
}

// side gives a value of the file's metadata: a text or a []string; "" where it
// is absent. A strict one must not be missed: a deny that stands in a file that
// is not there, or under a name in another case, would show the item to those
// whom it hides it from.
func (e *frame) side(ref sideRef) (any, error) {
	wrong := func(remedy, format string, args ...any) error {
		return &fault{reason: ReasonSidecar, col: noColumn, detail: fmt.Sprintf(format, args...), remedy: remedy}
	}
	f := e.rec.File
	if f == nil || f.Side == nil {
		return "", nil
	}
	if e.trace != nil && !slices.Contains(e.sides, ref.name) {
		e.sides = append(e.sides, ref.name)
	}
	side, err := f.Side()
	switch {
	case err != nil:
		return nil, wrong("mend that file", "asks for side.%s, and %v", ref.name, err)
	case side == nil && ref.strict:
		return nil, wrong("put one there", "asks for side.%s, and the file has no metadata beside it: whom it hides the item from is not known", ref.name)
	}
	keys := side.Keys(ref.name)
	switch {
	case len(keys) == 0:
		return "", nil
	case len(keys) > 1 && (ref.strict || keys[0] != ref.name): // which of them counts would be a guess
		return nil, wrong("leave one of them, spelled as the mapping has it", "asks for side.%s, and the metadata beside the file has %q and %q", ref.name, keys[0], keys[1])
	}
	return side[keys[0]], nil
}

func attachmentNames(doc *extract.Document) []string {
	var names []string
	for _, a := range doc.Attachments {
		names = append(names, a.Name)
	}
	return names
}

// parentField gives a field of the document that the record is attached to; ""
// where it is not attached to any.
func (e *frame) parentField(name string) (string, error) {
	if e.rec.Part == nil || e.rec.Part.Parent == nil {
		return "", nil
	}
	up := *e.rec.Part.Parent
	switch {
	case name == "parent.id":
		return e.idOf(up)
	case name == "parent.title" && up.Doc != nil:
		return up.Doc.Title, nil
	}
	return (&frame{rec: up, names: names{m: e.m}, loc: e.loc}).textField("file" + strings.TrimPrefix(name, "parent"))
}

// textField gives a field that is a text.
func (e *frame) textField(name string) (string, error) {
	switch name {
	case "sheet", "place.sheet":
		return e.rec.Place.Sheet, nil
	case "place.file":
		return e.rec.Place.File, nil
	}
	if strings.HasPrefix(name, "parent.") {
		return e.parentField(name)
	}
	if doc := e.rec.Doc; doc != nil {
		switch name {
		case "body":
			return doc.Body, nil
		case "title":
			return doc.Title, nil
		case "html":
			if doc.HTML == nil {
				return "", nil
			}
			return doc.HTML(), nil
		}
	}
	if f := e.rec.File; f != nil {
		switch name {
		case "file.path":
			return f.Path, nil
		case "file.name":
			return f.Name, nil
		case "file.stem":
			return f.Stem, nil
		case "file.ext":
			return f.Ext, nil
		case "file.sha256":
			if f.SHA256 == nil {
				return "", nil
			}
			sum, err := f.SHA256()
			if err != nil {
				return "", &fault{reason: ReasonExpression, col: noColumn, detail: "asks for file.sha256, and the file cannot be read: " + reasonOf(err).Error(), remedy: "make the file readable"}
			}
			return sum, nil
		}
	}
	return "", nil
}

type (
	textFn func(*frame) (string, error)
	boolFn func(*frame) (bool, error)
)

// textOps are the functions of one text that a closure can call at once.
var textOps = map[string]func(string) string{
	"trim": trim, "lower": strings.ToLower, "upper": strings.ToUpper, "urlEscape": urlEscape, "pathEscape": pathEscape,
	"slug": slug, "sha256": sha256Hex, "stripHTML": stripHTML,
}

// nativeText makes a closure of an expression that gives text, or nil.
func nativeText(n ast.Node) textFn {
	switch n := n.(type) {
	case *ast.StringNode:
		s := n.Value
		return func(*frame) (string, error) { return s, nil }
	case *ast.BinaryNode:
		switch n.Operator {
		case "+":
			return nativeConcat(n)
		case "??":
			left, right := nativeText(n.Left), nativeText(n.Right)
			if left == nil || right == nil {
				return nil
			}
			return orElse(left, right)
		}
	case *ast.ConditionalNode:
		cond, yes, no := nativeBool(n.Cond), nativeText(n.Exp1), nativeText(n.Exp2)
		if cond == nil || yes == nil || no == nil {
			return nil
		}
		return func(e *frame) (string, error) {
			ok, err := cond(e)
			switch {
			case err != nil:
				return "", err
			case ok:
				return yes(e)
			}
			return no(e)
		}
	case *ast.CallNode:
		return nativeTextCall(n)
	}
	return nil
}

func orElse(left, right textFn) textFn {
	return func(e *frame) (string, error) {
		s, err := left(e)
		if err != nil || !isBlank(s) {
			return s, err
		}
		return right(e)
	}
}

func nativeTextCall(n *ast.CallNode) textFn {
	name := n.Callee.(*ast.IdentifierNode).Value
	switch name {
	case fnColumn:
		i := n.Arguments[1].(*ast.IntegerNode).Value
		return func(e *frame) (string, error) { return e.column(i) }
	case fnMeta:
		if key, ok := n.Arguments[1].(*ast.StringNode); ok {
			k := key.Value
			return func(e *frame) (string, error) { return e.meta(k), nil }
		}
	case fnField:
		if n.Type() == typString {
			field := constant(n.Arguments[1]).(fieldRef).name
			return func(e *frame) (string, error) { return e.textField(field) }
		}
	case fnBlank: // only for ??, which tells blank from the rest by itself
		return nativeText(n.Arguments[0])
	case "default":
		left, right := nativeText(n.Arguments[0]), nativeText(n.Arguments[1])
		if left != nil && right != nil {
			return orElse(left, right)
		}
	case "replace":
		old, ok1 := n.Arguments[1].(*ast.StringNode)
		with, ok2 := n.Arguments[2].(*ast.StringNode)
		if arg := nativeText(n.Arguments[0]); arg != nil && ok1 && ok2 {
			return mapText(arg, func(s string) string { return replaceText(s, old.Value, with.Value) })
		}
	}
	if op := textOps[name]; op != nil {
		if arg := nativeText(n.Arguments[0]); arg != nil {
			return mapText(arg, op)
		}
	}
	return nil
}

func mapText(arg textFn, op func(string) string) textFn {
	return func(e *frame) (string, error) {
		s, err := arg(e)
		if err != nil {
			return "", err
		}
		return op(s), nil
	}
}

// nativeConcat joins a chain of + over texts with one allocation.
func nativeConcat(n *ast.BinaryNode) textFn {
	var parts []textFn
	if !flatten(n, &parts) {
		return nil
	}
	return func(e *frame) (string, error) {
		var buf [8]string
		texts := buf[:0]
		size, only := 0, ""
		for _, p := range parts {
			s, err := p(e)
			if err != nil {
				return "", err
			}
			if s != "" {
				texts, only = append(texts, s), s
				size += len(s)
			}
		}
		if len(texts) <= 1 {
			return only, nil
		}
		var b strings.Builder
		b.Grow(size)
		for _, s := range texts {
			b.WriteString(s)
		}
		return b.String(), nil
	}
}

func flatten(n ast.Node, parts *[]textFn) bool {
	if b, ok := n.(*ast.BinaryNode); ok && b.Operator == "+" {
		return b.Type() == typString && flatten(b.Left, parts) && flatten(b.Right, parts)
	}
	f := nativeText(n)
	if f == nil {
		return false
	}
	*parts = append(*parts, f)
	return true
}

// nativeBool makes a closure of a condition, or nil.
func nativeBool(n ast.Node) boolFn {
	switch n := n.(type) {
	case *ast.BoolNode:
		v := n.Value
		return func(*frame) (bool, error) { return v, nil }
	case *ast.UnaryNode:
		if arg := nativeBool(n.Node); arg != nil && (n.Operator == "!" || n.Operator == "not") {
			return func(e *frame) (bool, error) {
				v, err := arg(e)
				return !v, err
			}
		}
	case *ast.BinaryNode:
		return nativeCompare(n)
	case *ast.CallNode:
		if id := n.Callee.(*ast.IdentifierNode); id.Value == "match" {
			if arg := nativeText(n.Arguments[0]); arg != nil {
				return testText(arg, constant(n.Arguments[1]).(*regexp.Regexp).MatchString)
			}
		}
	}
	return nil
}

// nativeFlag is a column of yes and no as a condition. An empty cell is no.
func nativeFlag(n ast.Node) boolFn {
	if c, ok := n.(*ast.CallNode); ok && isInternal(c, fnColumn) {
		i := c.Arguments[1].(*ast.IntegerNode).Value
		return func(e *frame) (bool, error) {
			v, _, err := boolFrom(e.cell(i))
			return v, err
		}
	}
	if c, ok := n.(*ast.CallNode); ok && isInternal(c, "bool") {
		if arg := nativeCell(c.Arguments[1]); arg != nil {
			return func(e *frame) (bool, error) {
				c, err := arg(e)
				if err != nil {
					return false, err
				}
				v, _, err := boolFrom(c)
				return v, err
			}
		}
	}
	if arg := nativeText(n); arg != nil {
		return func(e *frame) (bool, error) {
			s, err := arg(e)
			if err != nil {
				return false, err
			}
			v, _, err := boolFrom(cell{text: s, col: noColumn})
			return v, err
		}
	}
	return nil
}

func nativeCompare(n *ast.BinaryNode) boolFn {
	switch n.Operator {
	case "&&", "and", "||", "or":
		left, right := nativeBool(n.Left), nativeBool(n.Right)
		if left == nil || right == nil {
			return nil
		}
		stop := n.Operator == "||" || n.Operator == "or"
		return func(e *frame) (bool, error) {
			v, err := left(e)
			if err != nil || v == stop {
				return v, err
			}
			return right(e)
		}
	case "in":
		return nativeIn(n)
	}
	left, right := nativeText(n.Left), nativeText(n.Right)
	if left == nil || right == nil {
		return nil
	}
	var test func(a, b string) bool
	switch n.Operator {
	case "==":
		test = func(a, b string) bool { return a == b }
	case "!=":
		test = func(a, b string) bool { return a != b }
	case "contains":
		test = strings.Contains
	case "startsWith":
		test = strings.HasPrefix
	case "endsWith":
		test = strings.HasSuffix
	default:
		return nil
	}
	return func(e *frame) (bool, error) {
		a, err := left(e)
		if err != nil {
			return false, err
		}
		b, err := right(e)
		return err == nil && test(a, b), err
	}
}

func nativeIn(n *ast.BinaryNode) boolFn {
	list, ok := n.Right.(*ast.ArrayNode)
	arg := nativeText(n.Left)
	if !ok || arg == nil {
		return nil
	}
	words := make(map[string]bool, len(list.Nodes))
	for _, w := range list.Nodes {
		s, ok := w.(*ast.StringNode)
		if !ok {
			return nil
		}
		words[s.Value] = true
	}
	return testText(arg, func(s string) bool { return words[s] })
}

func testText(arg textFn, test func(string) bool) boolFn {
	return func(e *frame) (bool, error) {
		s, err := arg(e)
		return err == nil && test(s), err
	}
}

// A propFn puts a property's value into v, whose Type is set.
type propFn func(e *frame, v *Value) (present bool, err error)

// nativeProp makes a closure of a property's expression for its type, or nil.
func nativeProp(n ast.Node, t Type) propFn {
	if c, ok := n.(*ast.CallNode); ok {
		name := c.Callee.(*ast.IdentifierNode).Value
		if name == fnColumn {
			i := c.Arguments[1].(*ast.IntegerNode).Value
			if t == String { // the commonest of all
				return func(e *frame, v *Value) (bool, error) {
					s, err := e.column(i)
					if err != nil || isBlank(s) {
						return false, err
					}
					v.Str = clean(s)
					return true, nil
				}
			}
			return func(e *frame, v *Value) (bool, error) { return v.add(e.cell(i), &e.names, e.loc) }
		}
		if f := nativeConversion(c, name, t); f != nil {
			return f
		}
		if name == "split" {
			return nativeSplit(c, t)
		}
	}
	if f := nativeText(n); f != nil {
		return func(e *frame, v *Value) (bool, error) {
			s, err := f(e)
			if err != nil {
				return false, err
			}
			return v.add(cell{text: s, col: noColumn}, &e.names, e.loc)
		}
	}
	return nil
}

// nativeConversion is int(x), float(x), bool(x), dateTime(x) and date(x, ...)
// where the property is of just that type.
func nativeConversion(c *ast.CallNode, name string, t Type) propFn {
	if f := functionIndex[name]; f == nil || !f.env || len(c.Arguments) < 2 {
		return nil
	}
	arg := nativeCell(c.Arguments[1])
	if arg == nil {
		return nil
	}
	var conv func(e *frame, c cell, v *Value) (bool, error)
	switch {
	case name == "int" && t == Int64:
		conv = func(_ *frame, c cell, v *Value) (ok bool, err error) { v.Int, ok, err = intFrom(c); return ok, err }
	case name == "float" && t == Double && len(c.Arguments) == 2:
		conv = func(_ *frame, c cell, v *Value) (ok bool, err error) { v.Float, ok, err = floatFrom(c); return ok, err }
	case name == "float" && t == Double:
		sign := constant(c.Arguments[2]).(string)
		conv = func(_ *frame, c cell, v *Value) (ok bool, err error) {
			v.Float, ok, err = decimalFrom(c, sign)
			return ok, err
		}
	case name == "bool" && t == Boolean:
		conv = func(_ *frame, c cell, v *Value) (ok bool, err error) { v.Bool, ok, err = boolFrom(c); return ok, err }
	case (name == "date" || name == "dateTime") && t == DateTime:
		read := nativeTime(c, name)
		conv = func(e *frame, c cell, v *Value) (bool, error) {
			at, ok, err := read(e, c)
			if ok {
				v.Str = formatTime(at)
			}
			return ok, err
		}
	default:
		return nil
	}
	return func(e *frame, v *Value) (bool, error) {
		c, err := arg(e)
		if err != nil {
			return false, err
		}
		return conv(e, c, v)
	}
}

func nativeTime(c *ast.CallNode, name string) func(*frame, cell) (time.Time, bool, error) {
	if name == "date" {
		ds := constant(c.Arguments[2]).(*dateSpec)
		return func(e *frame, c cell) (time.Time, bool, error) { return dateFrom(c, ds, e.loc) }
	}
	if len(c.Arguments) == 3 {
		loc := constant(c.Arguments[2]).(*time.Location)
		return func(_ *frame, c cell) (time.Time, bool, error) { return timeFrom(c, loc) }
	}
	return func(e *frame, c cell) (time.Time, bool, error) { return timeFrom(c, e.loc) }
}

// nativeCell is the argument of a conversion: a column's cell, or a text.
func nativeCell(n ast.Node) func(*frame) (cell, error) {
	if c, ok := n.(*ast.CallNode); ok && isInternal(c, fnCell) {
		i := c.Arguments[1].(*ast.IntegerNode).Value
		return func(e *frame) (cell, error) { return e.cell(i), nil }
	}
	f := nativeText(n)
	if f == nil {
		return nil
	}
	return func(e *frame) (cell, error) {
		s, err := f(e)
		return cell{text: s, col: noColumn}, err
	}
}

func nativeSplit(c *ast.CallNode, t Type) propFn {
	sep, ok := c.Arguments[1].(*ast.StringNode)
	arg := nativeText(c.Arguments[0])
	if !ok || arg == nil || t != StringCollection {
		return nil
	}
	return func(e *frame, v *Value) (bool, error) {
		s, err := arg(e)
		if err != nil {
			return false, err
		}
		v.Strs = splitText(s, sep.Value)
		for i, part := range v.Strs {
			v.Strs[i] = clean(part)
		}
		return len(v.Strs) > 0, nil
	}
}
