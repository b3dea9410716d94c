package transform

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
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
	side   bool            // files have metadata beside them
	strict bool            // and must have it, see frame.side
}

// Fields of a record that are no columns, and their types.
var (
	docFields = map[string]reflect.Type{"body": typString, "title": typString, "headings": typList, "page": typInt, "pages": typInt, "html": typString, "attachments": typList}
	rowFields = map[string]reflect.Type{"sheet": typString, "line": typInt}
	members   = map[string]map[string]reflect.Type{
		"file":   {"path": typString, "name": typString, "stem": typString, "ext": typString, "size": typInt, "modified": typTime, "sha256": typString},
		"parent": {"id": typString, "path": typString, "name": typString, "stem": typString, "ext": typString, "title": typString},
		"place":  {"file": typString, "sheet": typString, "line": typInt, "col": typInt, "page": typInt},
	}
)

// Names that a bound expression uses in place of the ones written. No user
// can write them, for they are not identifiers.
const (
	fnColumn = "\x00column" // (env, index) string
	fnCell   = "\x00cell"   // (env, index) cell
	fnField  = "\x00field"  // (env, name)
	fnMeta   = "\x00meta"   // (env, key) string
	fnSide   = "\x00side"   // (env, sideRef)
	fnBlank  = "\x00blank"  // nil for what is blank, for ??
	fnLookup = "\x00lookup" // (lookupRef, key) string
)

// A bound expression has its names resolved and its types checked.
type bound struct {
	x    *expression
	tree *parser.Tree
	conf *conf.Config
	typ  reflect.Type
	uses map[string]bool // the columns that it reads
	// first are the columns that it reads of the first row of a group alone.
	first map[string]int
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
	bd := &binder{d: d, x: x, scope: sc, lets: map[string]bool{}, uses: map[string]bool{}, first: map[string]int{}, names: map[ast.Node]string{}, conf: newConf()}
	tree, errs := bd.resolve()
	if len(errs) > 0 {
		return nil, errs
	}
	typ, err := checker.Check(tree, bd.conf)
	if err != nil {
		if e := bd.noSuchColumn(true); e != nil {
			return nil, Errors{e}
		}
		return nil, Errors{bd.libraryError(err, tree.Node)}
	}
	if typ != typAny && !slices.Contains(x.want.types, typ) && !(typ == typString && x.want.name == wantsBool.name && isFlag(tree.Node)) {
		return nil, Errors{d.finding(x.spotOf(0), x.want.hint, "%s: the expression gives %s, and %s is needed", x.what, typeWord(typ), x.want.name)}
	}
	return &bound{x: x, tree: tree, conf: bd.conf, typ: typ, uses: bd.uses, first: bd.first}, nil
}

// resolve parses the expression and binds its names.
func (b *binder) resolve() (*parser.Tree, Errors) {
	if name, ok := wholeColumn(b.x, b.scope); ok {
		if literalForm.MatchString(name) {
			return nil, Errors{b.d.finding(b.x.pos, fmt.Sprintf("write row[%q] for the column", name), "%s: %s is a value, and a column has that name", b.x.what, name)}
		}
		tree, err := b.bindColumn(name)
		if err != nil {
			return nil, Errors{b.libraryError(err, nil)}
		}
		return tree, nil
	}
	tree, err := parser.ParseWithConfig(b.x.s, b.conf)
	if err != nil {
		if e := b.noSuchColumn(false); e != nil {
			return nil, Errors{e}
		}
		return nil, Errors{b.libraryError(err, nil)}
	}
	b.findLets(tree.Node)
	tree.Node = b.node(tree.Node)
	if len(b.errs) == 0 {
		return tree, nil
	}
	if e := b.noSuchColumn(true); e != nil {
		return nil, Errors{e}
	}
	return nil, b.errs
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
	{Name: fnSide, Func: func(args ...any) (any, error) { return args[0].(*frame).side(args[1].(sideRef)) },
		Validate: func(args []reflect.Type) (reflect.Type, error) { return typAny, nil }},
	{Name: fnField, Func: func(args ...any) (any, error) { return args[0].(*frame).field(args[1].(fieldRef).name) },
		Validate: func(args []reflect.Type) (reflect.Type, error) { return typAny, nil }},
	{Name: fnLookup, Func: func(args ...any) (any, error) {
		key, err := argText(args[1])
		if err != nil {
			return nil, err
		}
		return args[0].(*lookupRef).get(key)
	}, Validate: func(args []reflect.Type) (reflect.Type, error) {
		if args[1] != typAny && paramTypeOf(args[1])&pText == 0 {
			return typAny, fmt.Errorf("lookup needs text as its key, not %s; use string(value)", typeWord(args[1]))
		}
		return typString, nil
	}},
	{Name: fnBlank, Func: func(args ...any) (any, error) {
		if isAbsent(args[0]) {
			return nil, nil
		}
		return args[0], nil
	}, Validate: func(args []reflect.Type) (reflect.Type, error) { return args[0], nil }},
}

// sideRef is a name of a file's metadata as a constant of an expression.
type sideRef struct {
	name   string
	strict bool
}

// fieldRef is a field's name as a constant of an expression.
type fieldRef struct{ name string }

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
