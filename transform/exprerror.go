package transform

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

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
// tree is nil where the expression could not be parsed.
func (b *binder) libraryError(err error, tree ast.Node) *Error {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return b.d.finding(b.x.pos, "correct the expression", "%s: %v", b.x.what, err)
	}
	offset := byteOffset(b.x.s, fe.From)
	msg, remedy := fe.Message, "correct the expression"
	switch {
	case strings.HasPrefix(msg, "unexpected token EOF"), strings.HasPrefix(msg, "unexpected end"):
		msg, remedy = "the expression ends too early", "close the brackets and quotes, and complete the last operator"
	case strings.HasPrefix(msg, `unexpected token Operator("=")`):
		msg, remedy = "= stands where a comparison should", "use == to compare"
	case strings.HasPrefix(msg, "unexpected token"):
		msg = "unexpected " + tokenWord(strings.TrimPrefix(msg, "unexpected token "))
		remedy = `put texts in quotes, columns with spaces as row["Due date"], and an operator between two values`
	case strings.Contains(msg, "literal not terminated"):
		remedy = "close the quote"
	case strings.Contains(msg, "mismatched types"):
		msg, remedy = b.mismatch(msg, tree, fe.From)
	case strings.Contains(msg, "has no field"):
		remedy = "take the part out, since a text has none"
	case strings.Contains(msg, "cannot be mixed"):
		remedy = "put the ?? with its two sides in brackets"
		msg = "?? and another operator stand side by side"
	case strings.Contains(msg, " needs "):
		remedy = "convert the argument"
	case strings.Contains(msg, "cannot redeclare"):
		remedy = "choose another name"
	}
	if names := b.columnsMeant(offset); names != "" && !strings.Contains(remedy, "==") {
		remedy = "write " + names + ", or " + remedy
	}
	return b.d.finding(b.x.spotOf(offset), remedy, "%s: %s", b.x.what, msg)
}

// columnsMeant says how to write the columns whose names are no identifiers
// and stand bare in the expression.
func (b *binder) columnsMeant(offset int) string {
	if b.scope.header != nil {
		return strings.Join(columnsIn(b.x.s, b.scope.header.Names()), " and ")
	}
	if name := guessColumn(b.x.s, offset); name != "" && b.scope.table {
		return fmt.Sprintf("row[%q] where that is a column", name)
	}
	return ""
}

var tokenForm = regexp.MustCompile(`^(\w+)(?:\((.*)\))?$`)

func tokenWord(tok string) string {
	if m := tokenForm.FindStringSubmatch(tok); m != nil && m[2] != "" {
		return strings.ToLower(m[1]) + " " + m[2]
	}
	return tok
}

var mismatchForm = regexp.MustCompile(`invalid operation: (\S+) \(mismatched types (.+) and (.+)\)`)

// mismatch words an operator between types that it does not join. Where a
// column stands beside it, the remedy names the column's conversion.
func (b *binder) mismatch(msg string, tree ast.Node, from int) (string, string) {
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
	detail := fmt.Sprintf("%s does not go between %s and %s", m[1], word(m[2]), word(m[3]))
	left, right := b.operands(tree, from)
	var converted []string
	for i, column := range []string{left, right} {
		if column == "" {
			continue
		}
		own, other := m[2+i], m[3-i]
		switch {
		case own != "string":
		case other == "bool":
			converted = append(converted, "bool("+column+")")
		case other == "float64":
			converted = append(converted, "float("+column+")")
		case other == "int" || other == "string" && strings.Contains("-*/%", m[1]):
			converted = append(converted, "int("+column+")")
		}
	}
	switch {
	case len(converted) > 0 && m[1] == "+":
		return detail, "write " + strings.Join(converted, " and ") + " to calculate with it, or string(number) to join the number to a text"
	case len(converted) > 0:
		return detail, "write " + strings.Join(converted, " and ")
	case m[1] == "+":
		return detail, "use string(number) to join a number to a text"
	}
	return detail, "convert one side: int(column), float(column), string(number), bool(column)"
}

// operands gives the columns at the two sides of the operator at a place.
func (b *binder) operands(tree ast.Node, from int) (left, right string) {
	if tree == nil {
		return "", ""
	}
	column := func(n ast.Node) string {
		if name, ok := b.names[n]; ok {
			return spelled(name)
		}
		return ""
	}
	ast.Walk(&tree, visitor(func(n ast.Node) {
		if op, ok := n.(*ast.BinaryNode); ok && op.Location().From == from {
			left, right = column(op.Left), column(op.Right)
		}
	}))
	return left, right
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
	case strings.Contains(msg, "<nil>"), strings.Contains(msg, "interface {} is nil"):
		msg, remedy = "meets an empty value where it needs one", "give the empty value a meaning: (int(column) ?? 0)"
	case strings.Contains(msg, "memory budget"):
		msg, remedy = "makes too much data", "write it more simply"
	case strings.Contains(msg, "index out of range"):
		msg, remedy = "asks for an element that the list does not have", "test len(list) first, or use first(list)"
	}
	return &fault{reason: ReasonExpression, col: noColumn, detail: msg, remedy: remedy}
}
