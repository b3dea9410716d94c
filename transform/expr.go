package transform

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/andybalholm/cascadia"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"importer/extract"
)

// An expression is the text of one expression of the mapping.
type expression struct {
	scalar
	what string // for messages: source "tickets": property "title"
	want wants
}

// wants says what an expression has to give, for its type check.
type wants struct {
	name  string // a boolean
	types []reflect.Type
	hint  string // what to do when it does not
}

var (
	wantsBool = wants{"a boolean", []reflect.Type{typBool}, `compare the value, as in status == "open", or convert it: bool(column)`}
	wantsID   = wants{"a text or a whole number", []reflect.Type{typString, typInt}, "use string(value)"}
	wantsText = wants{"a text", []reflect.Type{typString}, `use string(value) for a number, join(list, ", ") for a list`}
	wantsWhen = wants{"a date", []reflect.Type{typTime, typString}, "use date(column, layout) or dateTime(column)"}
	wantsWho  = wants{"a text or a list of texts", []reflect.Type{typString, typList, reflect.TypeFor[[]any]()}, "use string(value)"}
)

var typAnys = reflect.TypeFor[[]any]()

// wantsOf says what types of expressions can become a property's type. A text
// can become anything, if it looks like it; that is seen with each record.
var wantsOf = map[Type]wants{
	String:             {"a string", []reflect.Type{typString, typInt, typFloat, typBool, typTime}, `use join(list, ", ")`},
	Int64:              {"an int64", []reflect.Type{typInt, typString}, "use int(value)"},
	Double:             {"a double", []reflect.Type{typFloat, typInt, typString}, "use float(value)"},
	Boolean:            {"a boolean", []reflect.Type{typBool, typString}, "use bool(value) or a comparison"},
	DateTime:           {"a dateTime", []reflect.Type{typTime, typString}, "use date(value, layout)"},
	StringCollection:   {"a stringCollection", []reflect.Type{typString, typInt, typFloat, typBool, typTime, typList, typAnys, reflect.TypeFor[[]int](), reflect.TypeFor[[]float64]()}, "use split(value, separator)"},
	Int64Collection:    {"an int64Collection", []reflect.Type{typInt, typString, typList, typAnys, reflect.TypeFor[[]int]()}, "use map(split(value, separator), int(#))"},
	DoubleCollection:   {"a doubleCollection", []reflect.Type{typFloat, typInt, typString, typList, typAnys, reflect.TypeFor[[]int](), reflect.TypeFor[[]float64]()}, "use map(split(value, separator), float(#))"},
	DateTimeCollection: {"a dateTimeCollection", []reflect.Type{typTime, typString, typList, typAnys, reflect.TypeFor[[]interface{}]()}, "use map(split(value, separator), date(#, layout))"},
	PrincipalType:      {"a principal", []reflect.Type{typString}, "use the column that names the person"},
	PrincipalCollection: {"a principalCollection", []reflect.Type{typString, typList, typAnys},
		"use split(value, separator)"},
}

// A scope says what names an expression can use.
type scope struct {
	header *extract.Header // the columns, where they are known
	table  bool            // rows are possible
	doc    bool            // documents are possible
}

// Fields of a record that are no columns, and their types.
var (
	docFields = map[string]reflect.Type{"body": typString, "title": typString, "headings": typList, "page": typInt, "pages": typInt, "html": typString}
	rowFields = map[string]reflect.Type{"sheet": typString, "line": typInt}
	members   = map[string]map[string]reflect.Type{
		"file":  {"path": typString, "name": typString, "stem": typString, "ext": typString, "size": typInt, "modified": typTime, "sha256": typString},
		"place": {"file": typString, "sheet": typString, "line": typInt, "page": typInt},
	}
)

// Names that a bound expression uses in place of the ones written. No user
// can write them, for they are not identifiers.
const (
	fnColumn = "\x00column" // (env, index) string
	fnCell   = "\x00cell"   // (env, index) cell
	fnField  = "\x00field"  // (env, name)
	fnMeta   = "\x00meta"   // (env, key) string
	fnBlank  = "\x00blank"  // nil for what is blank, for ??
)

// A bound expression has its names resolved and its types checked.
type bound struct {
	x    *expression
	tree *parser.Tree
	conf *conf.Config
	typ  reflect.Type
	uses map[string]bool // the columns that it reads
}

// A binder replaces names by what they stand for.
type binder struct {
	d     *document
	x     *expression
	scope scope
	lets  map[string]bool
	uses  map[string]bool
	errs  Errors
	// types of the fields used, for the checker
	conf *conf.Config
}

// bind parses, resolves and type-checks an expression. A panic of the library
// (none is known) is a finding and does not end the program.
func bind(d *document, x *expression, sc scope) (b *bound, errs Errors) {
	defer func() {
		if p := recover(); p != nil {
			b, errs = nil, Errors{d.finding(x.pos, "write it more simply", "%s: the expression cannot be compiled", x.what)}
		}
	}()
	if strings.TrimSpace(x.s) == "" {
		return nil, Errors{d.finding(x.pos, "write a column, a text in quotes, or an expression", "%s: the expression is empty", x.what)}
	}
	bd := &binder{d: d, x: x, scope: sc, lets: map[string]bool{}, uses: map[string]bool{}, conf: newConf()}
	tree, err := parser.ParseWithConfig(x.s, bd.conf)
	if err != nil {
		return nil, Errors{bd.libraryError(err)}
	}
	bd.findLets(tree.Node)
	tree.Node = bd.node(tree.Node)
	if len(bd.errs) > 0 {
		return nil, bd.errs
	}
	typ, err := checker.Check(tree, bd.conf)
	if err != nil {
		return nil, Errors{bd.libraryError(err)}
	}
	if typ != typAny && !slices.Contains(x.want.types, typ) && !(typ == typString && x.want.name == wantsBool.name && isFlag(tree.Node)) {
		return nil, Errors{d.finding(x.spotOf(0), x.want.hint, "%s: the expression gives %s, and %s is needed", x.what, typeWord(typ), x.want.name)}
	}
	return &bound{x: x, tree: tree, conf: bd.conf, typ: typ, uses: bd.uses}, nil
}

// isFlag tells a text that can stand as a condition: a column of yes and no,
// perhaps with something in place of its empty cells. Other texts as a
// condition are slips, such as a comparison left half written.
func isFlag(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallNode:
		id := n.Callee.(*ast.IdentifierNode).Value
		return id == fnColumn || id == fnMeta || id == "default"
	case *ast.BinaryNode:
		return n.Operator == "??"
	}
	return false
}

// newConf configures the expression library: our functions, the builtins of
// the list, nothing else.
func newConf() *conf.Config {
	c := conf.CreateNew()
	for name := range c.Builtins {
		if !isBuiltin(name) {
			c.Disabled[name] = true
		}
	}
	for name := range c.Disabled {
		delete(c.Builtins, name)
	}
	for _, f := range functions {
		c.Functions[f.name] = f.library()
	}
	for _, f := range internals {
		c.Functions[f.Name] = f
	}
	c.Strict = true
	return c
}

// library wraps a function for the expression library. The first argument of
// those that ask for the record is the frame, see binder.call.
func (f *function) library() *builtin.Function {
	return &builtin.Function{
		Name: f.name,
		Func: func(args ...any) (any, error) {
			if f.env {
				return f.call(args[0].(*frame), args[1:])
			}
			return f.call(nil, args)
		},
		Validate: f.validate,
	}
}

func (f *function) validate(args []reflect.Type) (reflect.Type, error) {
	if f.env {
		args = args[1:]
	}
	for i, a := range args {
		if i < len(f.params) && f.params[i].literal == notLiteral && a != typAny && f.params[i].types&paramTypeOf(a) == 0 {
			return typAny, fmt.Errorf("%s needs %s as its %s, not %s", f.signature(), f.params[i].types, f.params[i].name, typeWord(a))
		}
	}
	if f.name == "default" {
		if args[0] == args[1] {
			return args[0], nil
		}
		return typAny, nil
	}
	return f.result, nil
}

func paramTypeOf(t reflect.Type) paramType {
	switch {
	case t == typTime:
		return pTime
	case t == reflect.TypeFor[cell]():
		return pScalar
	}
	switch t.Kind() {
	case reflect.String:
		return pText
	case reflect.Int, reflect.Int64, reflect.Float64:
		return pNumber
	case reflect.Bool:
		return pBool
	case reflect.Slice:
		return pList
	}
	return 0
}

// typeWord names a type as a user would.
func typeWord(t reflect.Type) string {
	switch {
	case t == typTime:
		return "a date"
	case t == nil || t.Kind() == reflect.Interface:
		return "any value"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "a boolean"
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "a map"
	case reflect.Func:
		return "a function"
	}
	return t.String()
}

// internals are the functions that names are bound to.
var internals = []*builtin.Function{
	{Name: fnColumn, Types: []reflect.Type{reflect.TypeFor[func(any, int) string]()}, Func: func(args ...any) (any, error) {
		return args[0].(*frame).column(args[1].(int))
	}},
	{Name: fnCell, Types: []reflect.Type{reflect.TypeFor[func(any, int) cell]()}, Func: func(args ...any) (any, error) {
		return args[0].(*frame).cell(args[1].(int)), nil
	}},
	{Name: fnMeta, Types: []reflect.Type{reflect.TypeFor[func(any, string) string]()}, Func: func(args ...any) (any, error) {
		key, err := argText(args[1])
		return args[0].(*frame).meta(key), err
	}},
	{Name: fnField, Func: func(args ...any) (any, error) { return args[0].(*frame).field(args[1].(fieldRef).name) },
		Validate: func(args []reflect.Type) (reflect.Type, error) { return typAny, nil }},
	{Name: fnBlank, Func: func(args ...any) (any, error) {
		if isAbsent(args[0]) {
			return nil, nil
		}
		return args[0], nil
	}, Validate: func(args []reflect.Type) (reflect.Type, error) { return args[0], nil }},
}

// fieldRef is a field's name as a constant of an expression.
type fieldRef struct{ name string }

func (b *binder) fail(n ast.Node, remedy, format string, args ...any) {
	pos := b.x.spotOf(byteOffset(b.x.s, n.Location().From))
	b.errs = append(b.errs, b.d.finding(pos, remedy, b.x.what+": "+format, args...))
}

func byteOffset(s string, runes int) int {
	for i := range s {
		if runes == 0 {
			return i
		}
		runes--
	}
	return len(s)
}

// libraryError makes a finding of the library's error, in words of a user.
func (b *binder) libraryError(err error) *Error {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return b.d.finding(b.x.pos, "correct the expression", "%s: %v", b.x.what, err)
	}
	offset := byteOffset(b.x.s, fe.From)
	msg, remedy := fe.Message, "correct the expression"
	switch {
	case strings.HasPrefix(msg, "unexpected token EOF"), strings.HasPrefix(msg, "unexpected end"):
		msg, remedy = "the expression ends too early", "close the brackets and quotes, and complete the last operator"
	case strings.HasPrefix(msg, "unexpected token"):
		msg = "unexpected " + tokenWord(strings.TrimPrefix(msg, "unexpected token "))
		remedy = `put texts in quotes, columns with spaces as row["Due date"], and an operator between two values`
	case strings.Contains(msg, "literal not terminated"):
		remedy = "close the quote"
	case strings.Contains(msg, "mismatched types"):
		msg, remedy = mismatch(msg)
	case strings.Contains(msg, "cannot be mixed"):
		remedy = "put the ?? with its two sides in brackets"
		msg = "?? and another operator stand side by side"
	case strings.Contains(msg, " needs "):
		remedy = "convert the argument"
	case strings.Contains(msg, "cannot redeclare"):
		remedy = "choose another name"
	}
	return b.d.finding(b.x.spotOf(offset), remedy, "%s: %s", b.x.what, msg)
}

var tokenForm = regexp.MustCompile(`^(\w+)(?:\((.*)\))?$`)

func tokenWord(tok string) string {
	if m := tokenForm.FindStringSubmatch(tok); m != nil && m[2] != "" {
		return strings.ToLower(m[1]) + " " + m[2]
	}
	return tok
}

var mismatchForm = regexp.MustCompile(`invalid operation: (\S+) \(mismatched types (.+) and (.+)\)`)

func mismatch(msg string) (string, string) {
	m := mismatchForm.FindStringSubmatch(msg)
	if m == nil {
		return msg, "convert one side"
	}
	words := map[string]string{"string": "a text", "int": "a whole number", "float64": "a number", "bool": "a boolean", "time.Time": "a date", "[]string": "a list", "[]interface {}": "a list", "unknown": "any value"}
	word := func(t string) string {
		if w, ok := words[t]; ok {
			return w
		}
		return t
	}
	remedy := "convert one side: int(column), float(column), string(number), bool(column)"
	if m[1] == "+" {
		remedy = "use string(number) to join a number to a text"
	}
	return fmt.Sprintf("%s does not go between %s and %s", m[1], word(m[2]), word(m[3])), remedy
}

// findLets notes the names that let declares.
func (b *binder) findLets(n ast.Node) {
	ast.Walk(&n, visitor(func(n ast.Node) {
		if v, ok := n.(*ast.VariableDeclaratorNode); ok {
			b.lets[v.Name] = true
		}
	}))
}

type visitor func(ast.Node)

func (v visitor) Visit(n *ast.Node) { v(*n) }

// node binds a node and all below it.
func (b *binder) node(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return b.identifier(n)
	case *ast.MemberNode:
		return b.member(n)
	case *ast.ChainNode:
		n.Node = b.node(n.Node)
		if _, call := n.Node.(*ast.CallNode); call {
			return n.Node
		}
	case *ast.CallNode:
		return b.call(n)
	case *ast.BuiltinNode:
		if !isBuiltin(n.Name) {
			b.unavailable(n, n.Name)
		}
		b.nodes(n.Arguments)
	case *ast.UnaryNode:
		n.Node = b.node(n.Node)
	case *ast.BinaryNode:
		n.Left, n.Right = b.node(n.Left), b.node(n.Right)
		if n.Operator == "??" {
			n.Left = internalCall(n.Left, fnBlank, n.Left)
		}
	case *ast.SliceNode:
		n.Node = b.node(n.Node)
		if n.From != nil {
			n.From = b.node(n.From)
		}
		if n.To != nil {
			n.To = b.node(n.To)
		}
	case *ast.PredicateNode:
		n.Node = b.node(n.Node)
	case *ast.VariableDeclaratorNode:
		n.Value, n.Expr = b.node(n.Value), b.node(n.Expr)
	case *ast.SequenceNode:
		b.nodes(n.Nodes)
	case *ast.ConditionalNode:
		n.Cond, n.Exp1, n.Exp2 = b.node(n.Cond), b.node(n.Exp1), b.node(n.Exp2)
	case *ast.ArrayNode:
		b.nodes(n.Nodes)
	case *ast.MapNode:
		b.nodes(n.Pairs)
	case *ast.PairNode:
		n.Value = b.node(n.Value)
	}
	return n
}

func (b *binder) nodes(ns []ast.Node) {
	for i := range ns {
		ns[i] = b.node(ns[i])
	}
}

// internalCall calls an internal function at the place of an old node.
func internalCall(old ast.Node, name string, args ...ast.Node) *ast.CallNode {
	callee := &ast.IdentifierNode{Value: name}
	callee.SetLocation(old.Location())
	c := &ast.CallNode{Callee: callee, Arguments: args}
	c.SetLocation(old.Location())
	return c
}

func env() ast.Node { return &ast.IdentifierNode{Value: "$env"} }

func (b *binder) columnCall(old ast.Node, fn string, i int, name string) ast.Node {
	b.uses[name] = true
	return internalCall(old, fn, env(), &ast.IntegerNode{Value: i})
}

func (b *binder) fieldCall(old ast.Node, name string, t reflect.Type) ast.Node {
	c := internalCall(old, fnField, env(), &ast.ConstantNode{Value: fieldRef{name}})
	c.SetType(t) // the checker keeps a type that is already there
	return c
}

// identifier binds a bare name: a column first, so that no name of ours can
// ever hide one; then what else the record has.
func (b *binder) identifier(n *ast.IdentifierNode) ast.Node {
	name := n.Value
	if b.lets[name] {
		return n
	}
	if h := b.scope.header; h != nil {
		if i, ok := h.Index(name); ok {
			return b.columnCall(n, fnColumn, i, name)
		}
	}
	if t, ok := docFields[name]; ok && b.scope.doc && b.scope.header == nil {
		if b.scope.table && t != typString { // a column of that name would be text
			t = typAny
		}
		b.uses[name] = b.scope.table
		return b.fieldCall(n, name, t)
	}
	if t, ok := rowFields[name]; ok && b.scope.table {
		if b.scope.header == nil {
			t = typAny
		}
		return b.fieldCall(n, name, t)
	}
	switch name {
	case "row", "meta", "file", "place":
		b.bareRoot(n)
		return n
	}
	if b.scope.table && b.scope.header == nil { // columns come later
		return b.columnCall(n, fnColumn, 0, name)
	}
	if functionIndex[name] != nil || isBuiltin(name) {
		b.fail(n, "call it, as in "+name+"(...)", "%q is a function, and no column has that name", name)
		return n
	}
	b.fail(n, b.nameRemedy(name), "%s", b.unknownName(name))
	return n
}

func (b *binder) bareRoot(n *ast.IdentifierNode) {
	examples := map[string]string{"row": `row["Due date"]`, "meta": "meta.title", "file": "file.name", "place": "place.line"}
	b.fail(n, "name one of its parts, as in "+examples[n.Value], "%q alone is no value", n.Value)
}

func (b *binder) unknownName(name string) string {
	if b.scope.header != nil {
		return fmt.Sprintf("there is no column %q", name)
	}
	return fmt.Sprintf("a document has no %q", name)
}

func (b *binder) nameRemedy(name string) string {
	if b.scope.header != nil {
		return suggest(name, b.scope.header.Names())
	}
	names := append(keysOf(docFields), "meta.title", "file.path", "file.name", "file.stem")
	if best := nearest(name, names); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "a document has body, title, headings, page, pages, meta.author and the like, select(\"css\"), file.path and the like; a text is put in quotes"
}

// member binds row.x, row["x"], meta.x, file.x and place.x.
func (b *binder) member(n *ast.MemberNode) ast.Node {
	root, ok := n.Node.(*ast.IdentifierNode)
	if !ok || b.lets[root.Value] {
		n.Node, n.Property = b.node(n.Node), b.node(n.Property)
		return n
	}
	prop, literal := n.Property.(*ast.StringNode)
	switch root.Value {
	case "row":
		return b.rowMember(n, prop)
	case "meta":
		if !b.scope.doc || b.scope.header != nil {
			b.fail(root, "rows have columns only, and file.* and place.*", "a table has no meta")
			return n
		}
		return internalCall(n, fnMeta, env(), b.node(n.Property))
	case "file", "place":
		if !literal {
			b.fail(n, "write the name: "+root.Value+"."+keysOf(members[root.Value])[0], "%s needs a name in quotes", root.Value)
			return n
		}
		t, known := members[root.Value][prop.Value]
		if !known {
			b.fail(prop, suggest(prop.Value, keysOf(members[root.Value])), "%s has no %q", root.Value, prop.Value)
			return n
		}
		return b.fieldCall(n, root.Value+"."+prop.Value, t)
	}
	n.Node, n.Property = b.node(n.Node), b.node(n.Property)
	return n
}

func (b *binder) rowMember(n *ast.MemberNode, prop *ast.StringNode) ast.Node {
	switch {
	case prop == nil:
		b.fail(n, `write row["Due date"]`, "row needs a column's name in quotes")
		return n
	case !b.scope.table:
		b.fail(n, "use body, title, meta.* and the like", "documents have no columns")
		return n
	case b.scope.header == nil:
		return b.columnCall(n, fnColumn, 0, prop.Value)
	}
	i, ok := b.scope.header.Index(prop.Value)
	if !ok {
		b.fail(prop, suggest(prop.Value, b.scope.header.Names()), "there is no column %q", prop.Value)
		return n
	}
	return b.columnCall(n, fnColumn, i, prop.Value)
}

func (b *binder) unavailable(n ast.Node, name string) {
	switch name {
	case "now", "timezone", "duration":
		b.fail(n, "use a date of the record or file.modified", "%s() is not available: the same record must give the same item at any time", name)
	default:
		b.fail(n, suggest(name, functionNames()), "there is no function %q", name)
	}
}

// call binds a call of one of our functions: the fixed arguments are checked
// and prepared, the record is put in front where it is asked for, and a column
// as the argument of a conversion becomes its cell.
func (b *binder) call(n *ast.CallNode) ast.Node {
	id, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		b.fail(n, "call functions by their name, as in lower(title)", "values have no methods")
		return n
	}
	f := functionIndex[id.Value]
	if f == nil {
		b.unavailable(n, id.Value)
		b.nodes(n.Arguments)
		return n
	}
	least := len(f.params)
	for least > 0 && f.params[least-1].optional {
		least--
	}
	if got := len(n.Arguments); got < least || got > len(f.params) {
		b.fail(n, "write "+f.signature(), "%s() has %d arguments, %s needs %d", f.name, got, f.signature(), least)
		return n
	}
	for i := range n.Arguments {
		if f.params[i].literal != notLiteral {
			n.Arguments[i] = b.literal(f, f.params[i], n.Arguments[i])
			continue
		}
		n.Arguments[i] = b.node(n.Arguments[i])
		if c, ok := n.Arguments[i].(*ast.CallNode); ok && f.env && i == 0 && isInternal(c, fnColumn) {
			c.Callee.(*ast.IdentifierNode).Value = fnCell
		}
	}
	if f.name == "date" && len(n.Arguments) == 3 { // the zone belongs to the layouts
		ds, ok1 := constant(n.Arguments[1]).(*dateSpec)
		loc, ok2 := constant(n.Arguments[2]).(locationOf)
		if ok1 && ok2 {
			ds.loc = loc.Location
			n.Arguments = n.Arguments[:2]
		}
	} else if f.name == "dateTime" && len(n.Arguments) == 2 {
		if loc, ok := constant(n.Arguments[1]).(locationOf); ok {
			n.Arguments[1].(*ast.ConstantNode).Value = loc.Location
		}
	}
	if f.name == "select" || f.name == "selectAll" {
		if b.scope.header != nil || !b.scope.doc {
			b.fail(n, "use a column", "a table has no elements to select")
		}
	}
	if f.env {
		n.Arguments = append([]ast.Node{env()}, n.Arguments...)
	}
	return n
}

type locationOf struct{ *time.Location }

func constant(n ast.Node) any {
	if c, ok := n.(*ast.ConstantNode); ok {
		return c.Value
	}
	return nil
}

func isInternal(c *ast.CallNode, name string) bool {
	id, ok := c.Callee.(*ast.IdentifierNode)
	return ok && id.Value == name
}

// literal checks a fixed argument and gives what the function gets for it.
func (b *binder) literal(f *function, p param, n ast.Node) ast.Node {
	texts, ok := literalTexts(n, p)
	if !ok {
		b.fail(n, "write it in quotes", "the %s of %s() must be a text in quotes%s", p.name, f.name, map[bool]string{true: " or a list of them"}[p.types&pList != 0])
		return n
	}
	var value any
	switch p.literal {
	case litRegexp:
		re, err := regexp.Compile(texts[0])
		if err != nil {
			b.fail(n, "correct the pattern; its syntax is RE2's", "the pattern is not a regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		value = re
	case litLayout:
		for _, l := range texts {
			if detail, remedy := layoutProblem(l); detail != "" {
				b.fail(n, remedy, "%s", detail)
			}
		}
		value = newDateSpec(texts)
	case litZone:
		loc, err := loadZone(texts[0])
		if err != nil {
			b.fail(n, "write an IANA name such as Europe/Rome, America/New_York or UTC", "the time zone %q is not known", texts[0])
			return n
		}
		value = locationOf{loc}
	case litSign:
		if texts[0] != "." && texts[0] != "," {
			b.fail(n, `write "." or ","`, "the decimal sign cannot be %q", texts[0])
		}
		value = texts[0]
	case litCSS:
		if _, err := cascadia.ParseGroup(texts[0]); err != nil {
			b.fail(n, `write a CSS selector such as "div.price > span"`, "%q is not a CSS selector: %v", texts[0], err)
		}
		value = texts[0]
	}
	c := &ast.ConstantNode{Value: value}
	c.SetLocation(n.Location())
	return c
}

func literalTexts(n ast.Node, p param) ([]string, bool) {
	if s, ok := n.(*ast.StringNode); ok {
		return []string{s.Value}, true
	}
	list, ok := n.(*ast.ArrayNode)
	if !ok || p.types&pList == 0 || len(list.Nodes) == 0 {
		return nil, false
	}
	var out []string
	for _, e := range list.Nodes {
		s, ok := e.(*ast.StringNode)
		if !ok {
			return nil, false
		}
		out = append(out, s.Value)
	}
	return out, true
}

// memoryBudget is how many elements an expression may make: enough for any
// list of a record, and far from the machine's memory.
const memoryBudget = 1_000_000

// machines are the library's interpreters, reused since each grows a stack.
var machines = sync.Pool{New: func() any { return &vm.VM{MemoryBudget: memoryBudget} }}

// program compiles a bound expression for the library's machine.
func (b *bound) program() (func(*frame) (any, error), error) {
	if err := optimizer.Optimize(&b.tree.Node, b.conf); err != nil {
		return nil, err
	}
	prog, err := compiler.Compile(b.tree, b.conf)
	if err != nil {
		return nil, err
	}
	return func(e *frame) (any, error) {
		m := machines.Get().(*vm.VM)
		out, err := m.Run(prog, e)
		machines.Put(m)
		if err != nil {
			return nil, runFault(err)
		}
		return out, nil
	}, nil
}

// runFault says why the machine stopped.
func runFault(err error) error {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	msg := err.Error()
	var fe *file.Error
	if errors.As(err, &fe) {
		msg = fe.Message
	}
	if !utf8.ValidString(msg) {
		msg = clean(msg)
	}
	remedy := "check the values that the expression reads"
	switch {
	case strings.Contains(msg, "<nil>"):
		msg, remedy = "meets an empty value where it needs one", "give the empty value a meaning: (int(column) ?? 0)"
	case strings.Contains(msg, "memory budget"):
		msg, remedy = "makes too much data", "write it more simply"
	case strings.Contains(msg, "index out of range"):
		msg, remedy = "asks for an element that the list does not have", "test len(list) first, or use first(list)"
	}
	return &fault{reason: ReasonExpression, col: noColumn, detail: msg, remedy: remedy}
}
