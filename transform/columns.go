package transform

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"importer/extract"
)

// Columns go by the names that people gave them: Projekt-ID, Auftrags-Nr.,
// Due date. An expression that is as a whole the name of a column is that
// column. Inside of an expression such a name is row["Projekt-ID"].

var (
	identifierForm = regexp.MustCompile(`^[\pL_$][\pL\pN_$]*$`)
	literalForm    = regexp.MustCompile(`^(?:true|false|nil|[-+]?\.?[0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)$`)
	nameForm       = regexp.MustCompile(`^[\pL\pN_#$€][\pL\pN\pM_ \-./&#%°²³$€(),:;?!]*$`)
	memberForm     = regexp.MustCompile(`^(?:file|place|parent|meta|row)\.`)
	callForm       = regexp.MustCompile(`[^ ]\(`)
	operatorForm   = regexp.MustCompile(` [-/:?&%] `)
)

// wholeColumn is the column whose name the whole expression is. A text with
// quotes never is one: no header may change what a fixed text means.
func wholeColumn(x *expression, sc scope) (name string, ok bool) {
	name = strings.TrimSpace(x.s)
	if sc.header == nil || strings.ContainsAny(name, "\"'`") {
		return name, false
	}
	_, ok = sc.header.Index(name)
	return name, ok
}

// bindColumn binds an expression that is the name of a column.
func (b *binder) bindColumn(name string) (*parser.Tree, error) {
	tree, err := parser.ParseWithConfig("nil", b.conf)
	if err != nil {
		return nil, err // unreachable: nil is an expression
	}
	i, _ := b.scope.header.Index(name)
	tree.Node = b.columnCall(tree.Node, fnColumn, i, name)
	return tree, nil
}

// mayBeColumn tells a text that can be the name of a column and nothing else
// that is right: what is wrong with it as an expression is told once the
// columns are known and it is none of them.
func mayBeColumn(text string) bool {
	text = strings.TrimSpace(text)
	return nameForm.MatchString(text) && !identifierForm.MatchString(text) && !callForm.MatchString(text) && !memberForm.MatchString(text) && !operatorForm.MatchString(text) &&
		strings.Count(text, "(") == strings.Count(text, ")")
}

// noSuchColumn is the finding for an expression that must be meant as a
// column's name and is none of the table's; nil when it is an expression with
// other faults.
func (b *binder) noSuchColumn(parsed bool) *Error {
	text := strings.TrimSpace(b.x.s)
	if b.scope.header == nil || !mayBeColumn(text) {
		return nil
	}
	near := nearest(text, b.scope.header.Names())
	missing := slices.ContainsFunc(b.errs, func(e *Error) bool { return e.column != "" })
	if parsed && !missing && near == "" {
		return nil
	}
	e := b.d.finding(b.x.spotOf(0), b.columnRemedy(text, true), "%s: there is no column %q", b.x.what, text)
	e.column, e.table = text, len(e.Detail)
	return e
}

// failColumn reports a column that the table does not have.
func (b *binder) failColumn(n ast.Node, name, remedy string) {
	b.fail(n, remedy, "there is no column %q", name)
	e := b.errs[len(b.errs)-1]
	e.column, e.table = name, len(e.Detail)
}

// columnRemedy says what may be meant by a name that no column has; whole is
// that the expression is nothing but the name.
func (b *binder) columnRemedy(name string, whole bool) string {
	names := b.scope.header.Names()
	near := nearest(name, names)
	remedy := ""
	switch inside := columnsIn(b.x.s, names); {
	case !whole && len(inside) > 0:
		remedy = "write " + strings.Join(inside, " and ")
	case near != "" && !whole && !identifierForm.MatchString(near):
		remedy = "did you mean " + spelled(near) + "?"
	case near != "":
		remedy = fmt.Sprintf("did you mean %q?", near)
	case len(names) == 0:
		remedy = "the table has no columns"
	default:
		remedy = "columns are " + quotedList(names, 12)
	}
	fixed := fmt.Sprintf(`a fixed text needs quotes inside quotes: '%q'`, name)
	switch {
	case whole && near == "":
		return remedy + "; " + fixed
	case whole && b.x.want.name == wantsWho.name:
		return remedy + " (" + fixed + ")"
	}
	return remedy
}

// columnsIn finds the columns in a text that must be written row["..."], as
// they are written, the longest of those that overlap.
func columnsIn(text string, names []string) []string {
	var found []string
	rest := unquoted(text)
	long := slices.Clone(names)
	slices.SortStableFunc(long, func(a, b string) int { return len(b) - len(a) })
	for _, name := range long {
		if identifierForm.MatchString(name) || literalForm.MatchString(name) {
			continue
		}
		for from := 0; ; {
			i := strings.Index(rest[from:], name)
			if i < 0 {
				break
			}
			i += from
			before, _ := utf8.DecodeLastRuneInString(rest[:i])
			after, _ := utf8.DecodeRuneInString(rest[i+len(name):])
			if isWord(before) || isWord(after) {
				from = i + len(name)
				continue
			}
			found = append(found, spelled(name))
			rest = strings.ReplaceAll(rest, name, strings.Repeat("\x00", len(name)))
			break
		}
	}
	return found
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// unquoted blanks the texts in quotes.
func unquoted(s string) string {
	out := []byte(s)
	var quote byte
	for i := range out {
		switch c := out[i]; {
		case quote == 0 && (c == '"' || c == '\'' || c == '`'):
			quote = c
		case c == quote:
			quote = 0
		case quote != 0:
			out[i] = 0
		}
	}
	return string(out)
}

// spelled writes a column as an expression.
func spelled(name string) string {
	if identifierForm.MatchString(name) {
		return name
	}
	return fmt.Sprintf("row[%q]", name)
}

// guessColumn is the name that stands around an offset of the expression, for
// a message while the columns are not known; "" where it cannot be one name.
func guessColumn(text string, offset int) string {
	part := func(r rune) bool { return isWord(r) || strings.ContainsRune(" -./", r) }
	plain := unquoted(text)
	from, to := min(offset, len(plain)), min(offset, len(plain))
	for from > 0 {
		r, n := utf8.DecodeLastRuneInString(plain[:from])
		if !part(r) {
			break
		}
		from -= n
	}
	for to < len(plain) {
		r, n := utf8.DecodeRuneInString(plain[to:])
		if !part(r) {
			break
		}
		to += n
	}
	name := strings.TrimSpace(text[from:to])
	if !mayBeColumn(name) || literalForm.MatchString(name) {
		return ""
	}
	return name
}

func quotedList(names []string, most int) string {
	var b strings.Builder
	for i, name := range names {
		if i == most && len(names) > most+1 {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", name)
	}
	return b.String()
}

// otherTable makes one finding of many where the table has none or few of the
// columns that the source uses: then not the names are wrong but the table, or
// where its header is looked for.
func (s *Source) otherTable(h *extract.Header, errs Errors) Errors {
	if h == nil {
		return errs
	}
	uses := s.Uses()
	var missing []string
	near := 0
	for _, name := range uses {
		if _, ok := h.Index(name); !ok {
			missing = append(missing, name)
			if nearest(name, h.Names()) != "" {
				near++
			}
		}
	}
	none := len(missing) == len(uses)
	if len(missing) < 2 || !none && (len(missing) < 3 || len(missing)*4 < len(uses)*3) || near*2 > len(missing) {
		return errs
	}
	d := s.m.doc
	detail := fmt.Sprintf("source %q: none of the %d columns that the mapping uses is in the header", s.Name, len(uses))
	has := fmt.Sprintf(" (it has %s)", quotedList(h.Names(), 12))
	if !none {
		detail = fmt.Sprintf("source %q: only %d of the %d columns that the mapping uses are in the header", s.Name, len(uses)-len(missing), len(uses))
		has = fmt.Sprintf(" (it has %s, and not %s)", quotedList(h.Names(), 12), quotedList(missing, 12))
	}
	e := &Error{Pos: s.PathPos, Remedy: "take the file out of the path, or say where the header is: " + s.headerKeys(),
		Excerpt: d.excerpt(spot{int32(s.PathPos.Line), int32(s.PathPos.Col)}), Detail: d.redact(detail)}
	e.table = len(e.Detail)
	e.Detail += d.redact(has)
	return append(Errors{e}, slices.DeleteFunc(slices.Clone(errs), func(e *Error) bool { return e.column != "" })...)
}

// headerKeys names the keys that decide where the header is.
func (s *Source) headerKeys() string {
	csv, excel := "csv.header, csv.delimiter", "excel.header, excel.sheets"
	switch f := s.formats(); {
	case len(f) > 1:
	case f[0] == extract.JSON, f[0] == extract.JSONLines:
		return "json.records, json.columns"
	case f[0] == extract.XML:
		return "xml.record, xml.columns"
	}
	ext := strings.ToLower(path.Ext(s.Path))
	switch {
	case s.Options.Format == "csv", slices.Contains([]string{".csv", ".tsv", ".tab"}, ext):
		return csv
	case s.Options.Format == "excel", strings.HasPrefix(ext, ".xl"):
		return excel
	}
	return csv + "; " + excel
}

// In tells the file of a table in what Check said of its columns.
func (es Errors) In(file string) Errors {
	out := slices.Clone(es)
	for i, e := range es {
		if e.table > 0 {
			told := *e
			told.Detail = e.Detail[:e.table] + " of " + file + e.Detail[e.table:]
			told.table = 0
			out[i] = &told
		}
	}
	return out
}
