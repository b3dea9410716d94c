package transform

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// spots finds where each byte of a scalar's value stands in the file. The
// parser keeps only where the scalar starts, so the source is read along with
// the value; if the two ever part, every byte is at the start.
func (d *document) spots(n ast.Node, value string) []spot {
	start := at(n)
	style := byte(' ')
	line, col := int(start.line), int(start.col)
	switch v := n.(type) {
	case *ast.LiteralNode:
		style = v.Start.Value[0]
		line, col = line+1, 1
	case *ast.StringNode:
		switch v.Token.Type {
		case token.SingleQuoteType:
			style, col = '\'', col+1
		case token.DoubleQuoteType:
			style, col = '"', col+1
		}
	}
	w := walker{lines: d.lines, line: line, col: col, style: style}
	if style == '|' || style == '>' {
		w.blockIndent()
	}
	out := make([]spot, 0, len(value)+1)
	for _, r := range value {
		s, ok := w.next(r)
		if !ok {
			break
		}
		for range utf8.RuneLen(r) {
			out = append(out, s)
		}
	}
	for len(out) < len(value) { // the style was not understood to its end
		out = append(out, start)
	}
	return append(out, spot{int32(w.line), int32(w.col)})
}

// A walker goes through the source of a scalar along with its value.
type walker struct {
	lines     []string
	line, col int // 1-based, col in characters
	style     byte
	indent    int
	cur       []rune
	curLine   int
}

func (w *walker) rest() []rune {
	if w.curLine != w.line {
		w.cur, w.curLine = nil, w.line
		if w.line <= len(w.lines) {
			w.cur = []rune(w.lines[w.line-1])
		}
	}
	if w.col > len(w.cur) {
		return nil
	}
	return w.cur[w.col-1:]
}

func (w *walker) blockIndent() {
	for l := w.line; l <= len(w.lines); l++ {
		text := w.lines[l-1]
		if trimmed := strings.TrimLeft(text, " "); trimmed != "" {
			w.indent = len(text) - len(trimmed)
			break
		}
	}
	w.col = w.indent + 1
}

func (w *walker) newline() bool {
	w.line, w.col = w.line+1, 1
	if w.line > len(w.lines) {
		return false
	}
	if w.style == '|' || w.style == '>' {
		w.col = w.indent + 1
		return true
	}
	for r := w.rest(); len(r) > 0 && (r[0] == ' ' || r[0] == '\t'); r = w.rest() {
		w.col++
	}
	return true
}

// next finds the source of the value's next character.
func (w *walker) next(v rune) (spot, bool) {
	for {
		rest := w.rest()
		here := spot{int32(w.line), int32(w.col)}
		atEnd := len(rest) == 0 || (w.style != '|' && w.style != '>' && (v == ' ' || v == '\n') && blank(rest))
		switch {
		case atEnd && (v == ' ' || v == '\n'):
			return here, w.newline() || v == '\n'
		case atEnd:
			if !w.newline() {
				return here, false
			}
		case w.style == '"' && rest[0] == '\\':
			if len(rest) == 1 { // an escaped line break
				if !w.newline() {
					return here, false
				}
				continue
			}
			w.col += escapeLen(rest)
			return here, true
		case w.style == '\'' && rest[0] == '\'' && len(rest) > 1 && rest[1] == '\'':
			w.col += 2
			return here, v == '\''
		case rest[0] == v:
			w.col++
			return here, true
		default:
			return here, false
		}
	}
}

func blank(rs []rune) bool {
	return !slices.ContainsFunc(rs, func(r rune) bool { return !unicode.IsSpace(r) })
}

func escapeLen(rest []rune) int {
	switch rest[1] {
	case 'x':
		return 4
	case 'u':
		return 6
	case 'U':
		return 10
	}
	return 2
}
