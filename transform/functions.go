package transform

import (
	"reflect"
	"strings"
	"time"
)

// A function of the expression language. The table of functions is what the
// type checker, the evaluator and the reference in mappings/README.md know.
type function struct {
	name    string
	params  []param
	result  reflect.Type
	doc     string
	example string // an expression ...
	gives   string // ... and its value, as %v prints it; a test evaluates it
	// call gets its arguments as the expression machine has them; absent
	// optional ones are not there. nil is an absent value.
	call func(e *frame, args []any) (any, error)
	// env asks for the record, and for a cell where an argument is a column.
	env bool
}

type param struct {
	name     string
	types    paramType
	optional bool
	literal  literalKind // the argument is fixed in the mapping, and checked there
}

// A paramType is a set of types that an argument may have.
type paramType uint8

const (
	pText paramType = 1 << iota
	pNumber
	pBool
	pTime
	pList
)

func (p paramType) String() string {
	var names []string
	for i, n := range []string{"text", "number", "boolean", "date", "list"} {
		if p&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, " or ")
}

type literalKind uint8

const (
	notLiteral literalKind = iota
	litRegexp
	litLayout
	litZone
	litSign // "." or ","
	litCSS
)

var (
	typString = reflect.TypeFor[string]()
	typInt    = reflect.TypeFor[int]()
	typFloat  = reflect.TypeFor[float64]()
	typBool   = reflect.TypeFor[bool]()
	typTime   = reflect.TypeFor[time.Time]()
	typList   = reflect.TypeFor[[]string]()
	typAny    = reflect.TypeFor[any]()
)

const (
	pScalar = pText | pNumber | pBool | pTime
	pAny    = pScalar | pList
)

func text(name string) param { return param{name: name, types: pText} }

var functions = []*function{
	{name: "int", params: []param{{name: "value", types: pScalar}}, result: typInt, env: true,
		doc: "A whole number: a sign and digits, with spaces around them. Anything else quarantines the record.", example: `int(" 007 ")`, gives: "7", call: callInt},
	{name: "float", params: []param{{name: "value", types: pScalar}, {name: "decimal", types: pText, optional: true, literal: litSign}}, result: typFloat, env: true,
		doc: `A number. decimal is the decimal sign, "." or ","; given, the other signs may part groups of three digits.`, example: `float("1.234,5", ",")`, gives: "1234.5", call: callFloat},
	{name: "bool", params: []param{{name: "value", types: pScalar}}, result: typBool, env: true,
		doc: "A boolean: true, false, yes, no, y, n, 1 or 0, in any case.", example: `bool("Yes")`, gives: "true", call: callBool},
	{name: "dateTime", params: []param{{name: "value", types: pScalar}, {name: "zone", types: pText, optional: true, literal: litZone}}, result: typTime, env: true,
		doc: "A date in ISO 8601: 2026-05-01, 20260501, 2026-05-01 08:30, 2026-05-01T08:30:00.5+02:00. zone is that of dates that carry none.", example: `dateTime("2026-05-01 08:30", "Europe/Rome")`, gives: "2026-05-01 08:30:00 +0200 CEST", call: callDateTime},
	{name: "date", params: []param{{name: "value", types: pScalar}, {name: "layout", types: pText | pList, literal: litLayout}, {name: "zone", types: pText, optional: true, literal: litZone}}, result: typTime, env: true,
		doc: "A date in another form. layout is the date Mon Jan 2 15:04:05 2006 written in that form; a list of layouts is tried in order. A date cell of a workbook is taken as it is.", example: `date("01.05.2026 8:30", ["02.01.2006 15:04", "02.01.2006"], "Europe/Rome")`, gives: "2026-05-01 08:30:00 +0200 CEST", call: callDate},
	{name: "split", params: []param{text("text"), text("separator")}, result: typList,
		doc: "The parts between separators, trimmed, empty ones left out.", example: `split("a; b;;c", ";")`, gives: "[a b c]", call: callSplit},
	{name: "join", params: []param{{name: "list", types: pList}, {name: "separator", types: pText, optional: true}}, result: typString,
		doc: "The elements with the separator between them.", example: `join(["a", "b"], ", ")`, gives: "a, b", call: callJoin},
	{name: "trim", params: []param{text("text")}, result: typString,
		doc: "Without white space at both ends.", example: `trim("  a b ")`, gives: "a b", call: textCall(strings.TrimSpace)},
	{name: "lower", params: []param{text("text")}, result: typString,
		doc: "In lower case.", example: `lower("Rotor")`, gives: "rotor", call: textCall(strings.ToLower)},
	{name: "upper", params: []param{text("text")}, result: typString,
		doc: "In upper case.", example: `upper("Rotor")`, gives: "ROTOR", call: textCall(strings.ToUpper)},
	{name: "replace", params: []param{text("text"), text("old"), text("new")}, result: typString,
		doc: "With every old replaced by new.", example: `replace("a-b-c", "-", "/")`, gives: "a/b/c", call: callReplace},
	{name: "substr", params: []param{text("text"), {name: "start", types: pNumber}, {name: "length", types: pNumber, optional: true}}, result: typString,
		doc: "Characters from start, counted from 0, or from the end when negative.", example: `substr("INC-0042", 4, 4)`, gives: "0042", call: callSubstr},
	{name: "default", params: []param{{name: "value", types: pAny}, {name: "otherwise", types: pAny}}, result: nil,
		doc: "value, or otherwise when value is empty or absent. The same as value ?? otherwise.", example: `default("", "none")`, gives: "none", call: callDefault},
	{name: "match", params: []param{text("text"), {name: "pattern", types: pText, literal: litRegexp}}, result: typBool,
		doc: "Whether the regular expression (RE2) matches anywhere in the text.", example: `match("INC-0042", "^INC-[0-9]+$")`, gives: "true", call: callMatch},
	{name: "extract", params: []param{text("text"), {name: "pattern", types: pText, literal: litRegexp}, {name: "group", types: pNumber, optional: true}}, result: typString,
		doc: "What the regular expression's group matches first; group is 1 when the pattern has groups, and 0, the whole match, when not. Nothing when it does not match.", example: `extract("Ticket INC-0042 (new)", "INC-([0-9]+)")`, gives: "0042", call: callExtract},
	{name: "urlEscape", params: []param{text("text")}, result: typString,
		doc: "Escaped for one part of a URL's path, or for a value in its query.", example: `urlEscape("a b/c&d")`, gives: "a%20b%2Fc%26d", call: textCall(urlEscape)},
	{name: "pathEscape", params: []param{text("text")}, result: typString,
		doc: "The same, but slashes stay: for file.path.", example: `pathEscape("manuals/a b.pdf")`, gives: "manuals/a%20b.pdf", call: textCall(pathEscape)},
	{name: "slug", params: []param{text("text")}, result: typString,
		doc: "Lower-case letters and digits with a hyphen for all between; accents are dropped.", example: `slug("Café à la carte!")`, gives: "cafe-a-la-carte", call: textCall(slug)},
	{name: "sha256", params: []param{text("text")}, result: typString,
		doc: "The hash in 64 hexadecimal digits.", example: `substr(sha256("a"), 0, 8)`, gives: "ca978112", call: textCall(sha256Hex)},
	{name: "stripHTML", params: []param{text("text")}, result: typString,
		doc: "The text of HTML, entities resolved, blocks on lines of their own, scripts and styles left out.", example: `stripHTML("<p>a &amp; <b>b</b></p>")`, gives: "a & b", call: textCall(stripHTML)},
	{name: "lookup", params: []param{text("file"), text("key"), {name: "keyColumn", types: pText, optional: true}}, result: nil,
		doc: "A column of another file (CSV or Excel, relative to the mapping, kept in memory), in the row whose first column, or keyColumn, is the key. Nothing when there is no such row; several rows with the key quarantine the record.", example: `lookup("customers.csv", "C7").name`, gives: "Fabrikam"},
	{name: "values", params: []param{{name: "column", types: pScalar}}, result: typList, env: true,
		doc: "The values of a column in all rows of a group (see groupBy), each once, trimmed, empty ones left out. A record that is no group is its only row.", example: `values(tag)`, gives: "[pump seal]", call: callValues},
	{name: "select", params: []param{{name: "css", types: pText, literal: litCSS}}, result: typString, env: true,
		doc: "HTML: the text of the elements that a CSS selector matches, joined by a space.", example: `select("h1")`, gives: "Paper jams", call: callSelect},
	{name: "selectAll", params: []param{{name: "css", types: pText, literal: litCSS}}, result: typList, env: true,
		doc: "HTML: the texts of the elements that a CSS selector matches, as a list.", example: `selectAll("li")`, gives: "[open the tray pull the sheet]", call: callSelectAll},
}

var functionIndex = func() map[string]*function {
	m := make(map[string]*function, len(functions))
	for _, f := range functions {
		m[f.name] = f
	}
	return m
}()

// signature writes a function as the reference and messages show it.
func (f *function) signature() string {
	var b strings.Builder
	b.WriteString(f.name + "(")
	for i, p := range f.params {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.name)
		if p.optional {
			b.WriteString("?")
		}
	}
	return b.String() + ")"
}

// builtins are the functions of the expression language itself that are let
// in, with what they are for. The rest would make a mapping depend on more
// than its record (now), or hand out memory (repeat).
var builtins = []struct{ name, doc string }{
	{"len", "the number of characters or elements"},
	{"string", "a number or boolean as text"},
	{"first", "the first element"}, {"last", "the last element"}, {"take", "the first n elements"},
	{"filter", "the elements for which a condition holds: filter(tags, # != \"x\")"},
	{"map", "an expression of each element: map(tags, lower(#))"},
	{"any", "whether a condition holds for one element"}, {"all", "whether it holds for all"},
	{"none", "whether it holds for none"}, {"one", "whether it holds for exactly one"},
	{"count", "for how many it holds"}, {"find", "the first element for which it holds"},
	{"findIndex", "its position"}, {"findLast", "the last such element"}, {"findLastIndex", "its position"},
	{"uniq", "without repeated elements"}, {"sort", "in order"}, {"sortBy", "in the order of an expression"}, {"reverse", "in reverse order"},
	{"concat", "several lists as one"}, {"flatten", "lists in lists as one"},
	{"sum", "the sum"}, {"mean", "the mean"}, {"median", "the median"}, {"min", "the least"}, {"max", "the greatest"},
	{"abs", "the absolute value"}, {"ceil", "rounded up"}, {"floor", "rounded down"}, {"round", "rounded"},
	{"trimPrefix", "without a prefix"}, {"trimSuffix", "without a suffix"}, {"hasPrefix", "whether it starts so"}, {"hasSuffix", "whether it ends so"},
	{"indexOf", "where a text stands in another, or -1"}, {"lastIndexOf", "where it stands last"},
	{"splitAfter", "the parts, each with its separator"},
}

func isBuiltin(name string) bool {
	for _, b := range builtins {
		if b.name == name {
			return true
		}
	}
	return false
}

func functionNames() []string {
	var names []string
	for _, f := range functions {
		names = append(names, f.name)
	}
	for _, b := range builtins {
		names = append(names, b.name)
	}
	return names
}
