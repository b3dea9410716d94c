package transform

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/andybalholm/cascadia"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
)

// A binder replaces names by what they stand for.
type binder struct {
	d     *document
	x     *expression
	scope scope
	lets  map[string]bool
	uses  map[string]bool
	first map[string]int      // how often a column is read outside of values()
	names map[ast.Node]string // of the columns, by what they were bound to
	errs  Errors
	// types of the fields used, for the checker
	conf *conf.Config
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
	b.first[name]++
	c := internalCall(old, fn, env(), &ast.IntegerNode{Value: i})
	b.names[c] = name
	return c
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
	case "row", "meta", "file", "place", "parent":
		b.bareRoot(n)
		return n
	case "side":
		if !b.scope.table { // else it may be a column
			b.bareRoot(n)
			return n
		}
	}
	if b.scope.table && b.scope.header == nil { // columns come later
		return b.columnCall(n, fnColumn, 0, name)
	}
	if functionIndex[name] != nil || isBuiltin(name) {
		b.fail(n, "call it, as in "+name+"(...)", "%q is a function, and no column has that name", name)
		return n
	}
	if b.scope.header != nil {
		b.failColumn(n, name, b.columnRemedy(name, strings.TrimSpace(b.x.s) == name))
		return n
	}
	b.fail(n, documentRemedy(name), "a document has no %q", name)
	return n
}

func (b *binder) bareRoot(n *ast.IdentifierNode) {
	examples := map[string]string{"row": `row["Due date"]`, "meta": "meta.title", "file": "file.name", "place": "place.line", "side": "side.author", "parent": "parent.id"}
	b.fail(n, "name one of its parts, as in "+examples[n.Value], "%q alone is no value", n.Value)
}

func documentRemedy(name string) string {
	names := append(keysOf(docFields), "meta.title", "file.path", "file.name", "file.stem")
	if best := nearest(name, names); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "a document has body, title, headings, page, pages, attachments, meta.author and the like, select(\"css\"), file.path and the like; a text is put in quotes"
}

// member binds row.x, row["x"], meta.x, file.x, place.x and lookup(...).x.
func (b *binder) member(n *ast.MemberNode) ast.Node {
	if call, ok := lookupCall(n.Node); ok {
		return b.lookup(n, call)
	}
	if name, ok := b.sideName(n); ok {
		return b.sideMember(n, name)
	}
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
	case "file", "place", "parent":
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

// sideName gives the name of the metadata that a chain such as
// side.owner["e-mail"] means: "owner.e-mail".
func (b *binder) sideName(n *ast.MemberNode) (string, bool) {
	prop, ok := n.Property.(*ast.StringNode)
	if !ok {
		return "", false
	}
	switch of := n.Node.(type) {
	case *ast.IdentifierNode:
		return prop.Value, of.Value == "side" && !b.lets["side"]
	case *ast.MemberNode:
		above, ok := b.sideName(of)
		return above + "." + prop.Value, ok
	}
	return "", false
}

func (b *binder) sideMember(n *ast.MemberNode, name string) ast.Node {
	if !b.scope.side {
		b.fail(n, `set sidecar: [.yaml] in the source`, "the source has no files of metadata beside its files")
		return n
	}
	return internalCall(n, fnSide, env(), &ast.ConstantNode{Value: sideRef{name, b.scope.strict}})
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
		remedy := "columns are " + quotedList(b.scope.header.Names(), 12)
		if near := nearest(prop.Value, b.scope.header.Names()); near != "" {
			remedy = fmt.Sprintf("did you mean %q?", near)
		}
		b.failColumn(prop, prop.Value, remedy)
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
	if id.Value == "lookup" {
		b.fail(n, `name a column behind it: lookup("customers.csv", customer_id).name`, "lookup alone is no value")
		return n
	}
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
	if f.name == "values" {
		return b.values(n)
	}
	if f.env {
		n.Arguments = append([]ast.Node{env()}, n.Arguments...)
	}
	return n
}

// values binds values(column).
func (b *binder) values(n *ast.CallNode) ast.Node {
	col, ok := n.Arguments[0].(*ast.CallNode)
	if !ok || !isInternal(col, fnCell) { // call has made it a cell
		if len(b.errs) == 0 {
			b.fail(n.Arguments[0], "name a column, as in values(tag)", "values() is of a column, not of another value")
		}
		return n
	}
	b.first[b.names[col]]--
	n.Arguments = []ast.Node{env(), col}
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
		if one, two, text := layoutsClash(texts); one != "" {
			b.fail(n, "keep the one that the values are in", "the layouts %q and %q read %q as different dates", one, two, text)
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
