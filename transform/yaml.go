package transform

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A document is the text of a mapping with what was found wrong in it. It
// lives as long as the Mapping, since the columns of a table, and with them
// half of the errors, are only known later.
type document struct {
	file    string
	lines   []string
	anchors map[string]ast.Node
	// secrets are the values that ${env:X} and ${file:X} stood for, with the
	// reference to print in their stead.
	secrets []secret
	files   []string // that were read besides the document itself
	lookups *lookups // the tables that expressions look up; see tables
	errs    Errors
	draft   bool // a source may lack its acl, see LoadDraft
}

type secret struct{ value, ref string }

// A spot is a line and column (in characters), both 1-based.
type spot struct{ line, col int32 }

// A scalar is a scalar of the mapping after ${...} was put in.
type scalar struct {
	s   string
	pos spot
	// at gives the spot in the file of every byte of s, and of its end.
	at     []spot
	quoted bool
}

// spotOf is the place in the file of a byte of the scalar.
func (s scalar) spotOf(offset int) spot {
	if offset < 0 || offset >= len(s.at) {
		return s.pos
	}
	return s.at[offset]
}

// maxMapping bounds a mapping file: far over any real one (128 properties
// are 20 KB), far under what could hurt.
const maxMapping = 4 << 20

// parseDocument parses src. A syntax error stands in errs.
func parseDocument(file string, src []byte) (d *document, body ast.Node) {
	text := strings.TrimPrefix(string(src), "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	d = &document{file: file, lines: strings.Split(text, "\n"), anchors: map[string]ast.Node{}}
	if len(src) > maxMapping {
		d.errorf(spot{1, 1}, "split it into several mappings", "the mapping is over %d MiB", maxMapping>>20)
		return d, nil
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r == utf8.RuneError }); i >= 0 && !utf8.ValidString(text) {
		line := strings.Count(text[:i], "\n")
		d.errorf(spot{int32(line + 1), 1}, "save the file as UTF-8", "the mapping is not UTF-8")
		return d, nil
	}
	// The parser has panicked on malformed input before (its changelog lists
	// several), so it must not be able to end a run.
	defer func() {
		if p := recover(); p != nil {
			d.errorf(spot{1, 1}, "check the indentation, quotes and brackets", "the YAML parser gave up on this file")
			body = nil
		}
	}()
	f, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		d.syntaxError(err)
		return d, nil
	}
	for _, doc := range f.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			d.errorf(at(doc.Body), "put the second mapping into a file of its own", "a file holds one mapping")
			break
		}
		body = doc.Body
	}
	if body == nil {
		d.errorf(spot{1, 1}, "start with version: 1; mappings/README.md shows a small one", "the mapping is empty")
		return d, nil
	}
	ast.Walk(anchorFinder{d}, body)
	return d, body
}

type anchorFinder struct{ d *document }

func (a anchorFinder) Visit(n ast.Node) ast.Visitor {
	if an, ok := n.(*ast.AnchorNode); ok {
		a.d.anchors[an.Name.GetToken().Value] = an.Value
	}
	return a
}

func (d *document) syntaxError(err error) {
	pos, msg := spot{1, 1}, err.Error()
	var ye yaml.Error
	if errors.As(err, &ye) {
		msg = ye.GetMessage()
		if t := ye.GetToken(); t != nil && t.Position != nil {
			pos = spot{int32(t.Position.Line), int32(t.Position.Column)}
		}
	}
	remedy := "check indentation, quotes and brackets around here"
	if line := d.line(pos.line); strings.Contains(msg, "' must be specified") && flowValue(line, int(pos.col)) != "" {
		remedy = "inside { } put the whole expression into single quotes: " + flowValue(line, int(pos.col))
	} else if quotedThenMore(line) {
		remedy = `a value that starts with a quote must end with it: put the whole expression into single quotes, '"text" + column'`
	} else if strings.Contains(line, "{") && strings.ContainsAny(line, `("'`) && strings.Contains(line, ",") {
		remedy = flowComma
	} else if strings.Contains(msg, "already defined") {
		remedy = "keep one of the two"
	} else if strings.Contains(msg, "cannot start any token") && strings.Contains(line, "\t") {
		remedy = "indent with spaces, YAML does not allow tabs"
	}
	d.errorf(pos, remedy, "this is not YAML: %s", msg)
}

const flowComma = `inside { } a comma ends a value: put the whole expression into single quotes, 'split(tags, ";")'`

// flowValue is the key and value around a column of a line such as
// {value: row["Due date"]}, where YAML takes quotes and brackets for its own,
// written as YAML takes it; "" where there is no such value.
func flowValue(line string, col int) string {
	runes := []rune(line)
	col = min(max(col-1, 0), len(runes))
	before := string(runes[:col])
	colon := strings.LastIndex(before, ": ")
	if colon < 0 || !strings.Contains(before, "{") {
		return ""
	}
	key := before[strings.LastIndexAny(before[:colon], "{, ")+1 : colon]
	value := line[colon+2:]
	var quote byte
	depth, end := 0, len(value)
scan:
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(' || c == '[' || c == '{':
			depth++
		case depth > 0 && (c == ')' || c == ']' || c == '}'):
			depth--
		case depth == 0 && (c == ',' || c == '}' || c == ']'):
			end = i
			break scan
		}
	}
	value = strings.TrimSpace(value[:end])
	if !strings.ContainsAny(value, "\"'[(") {
		return ""
	}
	return key + ": '" + strings.ReplaceAll(value, "'", "''") + "'"
}

// quotedThenMore tells a line such as `url: "https://x/" + id`, the commonest
// slip in a language of expressions inside YAML.
func quotedThenMore(line string) bool {
	_, value, ok := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	if !ok || len(value) < 2 || (value[0] != '"' && value[0] != '\'') {
		return false
	}
	end := strings.IndexByte(value[1:], value[0])
	return end >= 0 && strings.TrimSpace(value[end+2:]) != ""
}

func (d *document) line(n int32) string {
	if n < 1 || int(n) > len(d.lines) {
		return ""
	}
	return d.lines[n-1]
}

func (d *document) pos(s spot) Pos { return Pos{File: d.file, Line: int(s.line), Col: int(s.col)} }

func (d *document) errorf(s spot, remedy, format string, args ...any) {
	d.errs = append(d.errs, d.finding(s, remedy, format, args...))
}

// finding makes an Error, with secrets taken out of its words.
func (d *document) finding(s spot, remedy, format string, args ...any) *Error {
	return &Error{Pos: d.pos(s), Detail: d.redact(fmt.Sprintf(format, args...)), Remedy: d.redact(remedy), Excerpt: d.excerpt(s)}
}

func (d *document) redact(s string) string {
	for _, sec := range d.secrets {
		if sec.value != "" {
			s = strings.ReplaceAll(s, sec.value, sec.ref)
		}
	}
	return s
}

// excerpt is the line as it stands in the file, where a secret is only its
// reference, with a caret below.
func (d *document) excerpt(s spot) string {
	line := d.line(s.line)
	if strings.TrimSpace(line) == "" {
		return ""
	}
	runes := []rune(strings.ReplaceAll(line, "\t", " "))
	col, cut := int(s.col), ""
	if from := col - 80; len(runes) > 160 && from > 0 { // a very long line: the part around the caret
		runes, col, cut = runes[from:], col-from, "…"
	}
	if len(runes) > 160 {
		runes = append(slices.Clone(runes[:160]), '…')
	}
	gutter := fmt.Sprintf("%5d | ", s.line)
	pad := max(col-1, 0) + utf8.RuneCountInString(cut)
	return gutter + cut + string(runes) + "\n      | " + strings.Repeat(" ", pad) + "^"
}

// at is the spot of a node.
func at(n ast.Node) spot {
	if n == nil {
		return spot{1, 1}
	}
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return at(m.Values[0].Key)
	}
	if kv, ok := n.(*ast.MappingValueNode); ok {
		return at(kv.Key)
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return spot{1, 1}
	}
	return spot{int32(t.Position.Line), int32(max(t.Position.Column, 1))}
}

// plain follows aliases, anchors and tags to the node that holds the value.
func (d *document) plain(n ast.Node) ast.Node {
	for range 32 { // an alias to itself is not worth more
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.TagNode:
			n = v.Value
		case *ast.AliasNode:
			name := v.Value.GetToken().Value
			target, ok := d.anchors[name]
			if !ok {
				d.errorf(at(v), suggest(name, keysOf(d.anchors)), "the anchor %q is not defined", name)
				return nil
			}
			n = target
		default:
			return n
		}
	}
	d.errorf(at(n), "write the value out", "this alias points to itself")
	return nil
}

func isNull(n ast.Node) bool {
	_, ok := n.(*ast.NullNode)
	return ok || n == nil
}

// A field is a key of an object with its value.
type field struct {
	name  string
	key   spot
	value ast.Node
}

// fields lists the keys of a mapping node in order, merge keys (<<) resolved.
// ok is false when n is no mapping; that has been reported then.
func (d *document) fields(n ast.Node, what string) (out []field, ok bool) {
	return d.fieldsDepth(n, what, 0)
}

func (d *document) fieldsDepth(n ast.Node, what string, depth int) (out []field, ok bool) {
	pos := at(n)
	n = d.plain(n)
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		d.errorf(pos, "write key: value pairs below it, or {key: value, ...}", "%s must be a mapping of keys to values", what)
		return nil, false
	}
	seen := map[string]bool{}
	var merged []field
	for _, kv := range values {
		if _, merge := kv.Key.(*ast.MergeKeyNode); merge && depth < 8 {
			for _, src := range d.mergeSources(kv.Value) {
				fs, _ := d.fieldsDepth(src, what, depth+1)
				merged = append(merged, fs...)
			}
			continue
		}
		name := keyName(kv.Key)
		if seen[name] {
			d.errorf(at(kv.Key), "keep one of the two", "the key %q stands twice", name)
			continue
		}
		seen[name] = true
		out = append(out, field{name, at(kv.Key), kv.Value})
	}
	for _, f := range merged {
		if !seen[f.name] {
			seen[f.name] = true
			out = append(out, f)
		}
	}
	return out, true
}

func (d *document) mergeSources(n ast.Node) []ast.Node {
	if seq, ok := d.plain(n).(*ast.SequenceNode); ok {
		return seq.Values
	}
	return []ast.Node{n}
}

func keyName(k ast.MapKeyNode) string {
	if s, ok := k.(*ast.StringNode); ok {
		return s.Value
	}
	return k.GetToken().Value
}

// list gives the elements of a sequence; a single value is a list of one.
func (d *document) list(n ast.Node) []ast.Node {
	p := d.plain(n)
	if seq, ok := p.(*ast.SequenceNode); ok {
		return seq.Values
	}
	if isNull(p) {
		return nil
	}
	return []ast.Node{n}
}

// scalar reads a scalar node, with ${...} put in. For an expression what is
// put in becomes a quoted text, so that a secret can never be read as code.
func (d *document) scalar(n ast.Node, what string, expression bool) (scalar, bool) {
	pos := at(n)
	n = d.plain(n)
	var raw string
	quoted := false
	switch v := n.(type) {
	case *ast.StringNode:
		raw = v.Value
		quoted = v.Token.Type == token.SingleQuoteType || v.Token.Type == token.DoubleQuoteType
	case *ast.LiteralNode:
		raw, quoted = v.Value.Value, true
	case *ast.NullNode, nil:
		d.errorf(pos, "write a value, or take the key out", "%s has no value", what)
		return scalar{}, false
	case ast.ScalarNode:
		raw = v.GetToken().Value
	default:
		d.errorf(pos, "write a single value", "%s must be a single value, not a list or mapping", what)
		return scalar{}, false
	}
	s := scalar{s: raw, pos: pos, at: d.spots(n, raw), quoted: quoted}
	return d.expand(s, what, expression)
}

// expand puts in what ${env:X} and ${file:X} stand for; $${ is a plain ${.
func (d *document) expand(s scalar, what string, expression bool) (scalar, bool) {
	if !strings.Contains(s.s, "${") {
		return s, true
	}
	out := scalar{pos: s.pos, quoted: s.quoted}
	var b strings.Builder
	ok := true
	var quote byte // inside a text of the expression, its quote
	for i := 0; i < len(s.s); {
		c := s.s[i]
		if strings.HasPrefix(s.s[i:], "$${") {
			b.WriteString("${")
			out.at = append(out.at, s.spotOf(i), s.spotOf(i+1))
			i += 3
			continue
		}
		if !strings.HasPrefix(s.s[i:], "${") {
			switch {
			case quote == 0 && (c == '"' || c == '\'' || c == '`'):
				quote = c
			case quote != 0 && c == '\\' && quote != '`' && i+1 < len(s.s):
				b.WriteByte(c)
				out.at = append(out.at, s.spotOf(i))
				i++
				c = s.s[i]
			case c == quote:
				quote = 0
			}
			b.WriteByte(c)
			out.at = append(out.at, s.spotOf(i))
			i++
			continue
		}
		end := strings.IndexByte(s.s[i:], '}')
		if end < 0 {
			d.errorf(s.spotOf(i), "write ${env:NAME} or ${file:PATH}; a plain ${ is $${", "%s has a ${ without its }", what)
			return out, false
		}
		value, found := d.reference(s.s[i+2:i+end], s.spotOf(i))
		ok = ok && found
		if expression {
			value = quoteInside(value, quote)
		}
		b.WriteString(value)
		for range len(value) {
			out.at = append(out.at, s.spotOf(i))
		}
		i += end + 1
	}
	out.at = append(out.at, s.spotOf(len(s.s)))
	out.s = b.String()
	return out, ok
}

// quoteInside writes value as a text of the expression language, for a place
// inside a text with that quote, or outside of any (0).
func quoteInside(value string, quote byte) string {
	switch quote {
	case 0:
		return `"` + quoteInside(value, '"') + `"`
	case '`':
		return strings.ReplaceAll(value, "`", "'")
	}
	var b strings.Builder
	for _, c := range []byte(value) {
		switch {
		case c == quote || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// reference gives what the inside of ${...} stands for.
func (d *document) reference(ref string, pos spot) (string, bool) {
	kind, name, _ := strings.Cut(ref, ":")
	var value string
	switch {
	case kind == "env" && name != "":
		v, ok := os.LookupEnv(name)
		if !ok {
			d.errorf(pos, "set it, for example: export "+name+"=...", "the environment variable %s is not set", name)
			return "", false
		}
		value = v
	case kind == "file" && name != "":
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(d.file), path)
		}
		d.files = append(d.files, path)
		data, err := readLimited(path, 1<<20)
		if err != nil {
			d.errorf(pos, "make the file readable, or correct its path (relative to the mapping)", "the file %s cannot be read: %v", name, reasonOf(err))
			return "", false
		}
		value = strings.TrimRight(string(data), "\r\n")
	default:
		d.errorf(pos, "write ${env:NAME} or ${file:PATH}; a plain ${ is $${", "${%s} is not known", ref)
		return "", false
	}
	if strings.TrimSpace(value) != "" {
		d.secrets = append(d.secrets, secret{value, "${" + ref + "}"})
	}
	return value, true
}
