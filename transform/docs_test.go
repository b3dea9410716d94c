package transform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"importer/extract"
)

const (
	readmeFile = "../mappings/README.md"
	schemaFile = "../mappings/mapping.schema.json"
)

// generated are the parts of the reference that come from the code's tables,
// by the name in their markers.
func generated() map[string]string {
	parts := map[string]string{}
	for _, o := range objects {
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n\n| key | value | meaning | example |\n|---|---|---|---|\n", o.doc)
		for _, k := range o.keys {
			need := ""
			if k.required {
				need = " **Required.**"
			}
			kind := k.kind.String()
			switch {
			case k.kind == kindEnum && len(k.enum) <= 6:
				kind = "`" + strings.Join(k.enum, "`, `") + "`"
			case k.name == "match" && k.kind == kindStrings:
				kind = "list of `" + strings.Join(k.enum, "`, `") + "`"
			case len(k.enum) > 0 && k.kind != kindEnum:
				kind += ", `" + strings.Join(k.enum, "`, `") + "`"
			case k.kind == kindObject && k.plain:
				kind = "expression or " + link(k.object)
			case k.kind == kindObject:
				kind = link(k.object)
			case k.kind == kindObjects:
				kind = "list of " + link(k.object)
			case k.kind == kindMap:
				kind = "names with a " + link(k.object)
			case k.kind == kindExprs:
				kind = "names with an expression or a " + link(k.object)
			case k.name == "type" && k.kind == kindEnum:
				kind = "see [Types](#types)"
			case k.name == "contentCategory":
				kind = "`" + strings.Join(k.enum, "`, `") + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s%s | `%s: %s` |\n", k.name, kind, k.doc, need, k.name, strings.ReplaceAll(k.example, "|", "\\|"))
		}
		parts["keys "+o.name] = b.String()
	}
	var b strings.Builder
	b.WriteString("| function | gives | meaning | example |\n|---|---|---|---|\n")
	for _, f := range functions {
		result := "either"
		if f.result != nil {
			result = strings.TrimPrefix(strings.TrimPrefix(typeWord(f.result), "a "), "an ")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` = `%s` |\n", f.signature(), result, f.doc, f.example, f.gives)
	}
	parts["functions"] = b.String()
	b.Reset()
	b.WriteString("| function | gives |\n|---|---|\n")
	for _, f := range builtins {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.name, f.doc)
	}
	parts["builtins"] = b.String()
	b.Reset()
	b.WriteString("| type | from a text | from a cell of a workbook | from an expression |\n|---|---|---|---|\n")
	for _, t := range typeDocs {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", t.typ, t.text, t.cell, t.expr)
	}
	parts["types"] = b.String()
	b.Reset()
	b.WriteString("| label | goes with | meaning |\n|---|---|---|\n")
	for _, l := range labelTable {
		names := make([]string, len(l.types))
		for i, t := range l.types {
			names[i] = "`" + t.String() + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", l.name, strings.Join(names, ", "), l.doc)
	}
	parts["labels"] = b.String()
	b.Reset()
	b.WriteString("| format | is | endings | records |\n|---|---|---|---|\n")
	for _, f := range extract.Formats {
		records := "documents"
		if f.Table {
			records = "rows"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Noun(), strings.Join(f.Exts, " "), records)
	}
	parts["formats"] = b.String()
	return parts
}

// typeDocs says what converts to each type.
var typeDocs = []struct {
	typ              Type
	text, cell, expr string
}{
	{String, "as it is written", "the value, not its format: `0.025`, `2024-01-01`", "texts, numbers, booleans, dates"},
	{Int64, "a sign and digits: `007`, `-3`", "whole numbers", "whole numbers, texts"},
	{Double, "`1.5`, `1e3`; a decimal comma needs `float(x, \",\")`", "numbers", "numbers, texts"},
	{DateTime, "ISO 8601; other forms need `date()`", "dates, in the source's `timezone`", "dates, texts"},
	{Boolean, "true, false, yes, no, y, n, 1, 0, in any case", "booleans, 1 and 0", "booleans, texts"},
	{StringCollection, "one element; several need `split()`", "one element", "lists or single values"},
	{Int64Collection, "one element", "one element", "lists or single values"},
	{DoubleCollection, "one element", "one element", "lists or single values"},
	{DateTimeCollection, "one element", "one element", "lists or single values"},
	{PrincipalType, "a person: found in `identities`, or an Entra id, a mail address, a name", "the same", "texts"},
	{PrincipalCollection, "one person", "one person", "lists or single values"},
}

func link(object string) string {
	return "[" + object + "](#" + strings.ReplaceAll(object, " ", "-") + ")"
}

var marker = regexp.MustCompile(`(?s)<!-- from the code: ([a-zA-Z ]+) -->\n.*?<!-- end -->`)

// The reference in mappings/README.md holds what the code's tables hold, no
// less and no more.
func TestReferenceIsComplete(t *testing.T) {
	old, err := os.ReadFile(readmeFile)
	if err != nil {
		t.Fatal(err)
	}
	parts := generated()
	seen := map[string]bool{}
	fresh := marker.ReplaceAllStringFunc(string(old), func(block string) string {
		name := marker.FindStringSubmatch(block)[1]
		text, ok := parts[name]
		if !ok || seen[name] {
			t.Errorf("the reference has a part %q that the code has not, or has it twice", name)
			return block
		}
		seen[name] = true
		return "<!-- from the code: " + name + " -->\n" + text + "<!-- end -->"
	})
	for name := range parts {
		if !seen[name] {
			t.Errorf("the reference has no part %q: add <!-- from the code: %s -->, <!-- end -->, and run go test ./transform -update", name, name)
		}
	}
	compareFile(t, readmeFile, old, []byte(fresh))
}

func compareFile(t *testing.T, name string, old, fresh []byte) {
	t.Helper()
	if bytes.Equal(old, fresh) {
		return
	}
	if *update {
		if err := os.WriteFile(name, fresh, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is not what the code says; run go test ./transform -update, and read the difference", name)
}

// Every YAML example of the reference that is a whole mapping loads.
func TestReferenceExamples(t *testing.T) {
	text, err := os.ReadFile(readmeFile)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	whole := 0
	for _, b := range blocks {
		if !strings.HasPrefix(b[1], "version:") {
			continue
		}
		whole++
		if _, err := parse("testdata/example/readme.yaml", []byte(b[1])); err != nil {
			t.Errorf("an example of the reference does not load:\n%v\n%s", err, b[1])
		}
	}
	if whole == 0 {
		t.Error("the reference shows no whole mapping")
	}
}

// Every example of a key, put where it belongs, is read without an error.
func TestKeyExamples(t *testing.T) {
	for _, o := range objects {
		for _, k := range o.keys {
			if k.example == "" || k.doc == "" {
				t.Errorf("%s: %s has no example or no explanation", o.name, k.name)
			}
			var v any
			if err := yaml.Unmarshal([]byte(k.name+": "+k.example), &v); err != nil {
				t.Errorf("%s: the example of %s is not YAML: %v", o.name, k.name, err)
			}
			if k.kind == kindObject || k.kind == kindObjects || k.kind == kindMap || k.kind == kindExprs {
				objectNamed(k.object) // panics when there is none
			}
		}
	}
}

// Every example of a function gives what the reference says.
func TestFunctionExamples(t *testing.T) {
	doc := page(`<h1>Paper jams</h1><ul><li>open the tray</li><li>pull the sheet</li></ul>`)
	group := row("a.csv", 2, []string{"order", "tag"}, "1", "pump")
	for _, tag := range []string{"pump", "", " seal", "pump"} {
		group.Rows = append(group.Rows, extract.Row{Text: []string{"1", tag}})
	}
	for _, f := range functions {
		rec := doc
		if f.name == "values" {
			rec = group
		}
		got, err := evaluate(f.example, rec, f.gives)
		if err != nil {
			t.Errorf("%s: %v", f.example, err)
		} else if got != f.gives {
			t.Errorf("%s = %s, want %s", f.example, got, f.gives)
		}
	}
}

// The list of builtins names only functions that the library has, and the
// impure and the greedy are not among them.
func TestBuiltins(t *testing.T) {
	c := newConf()
	for _, b := range builtins {
		if c.Builtins[b.name] == nil {
			t.Errorf("the library has no function %q", b.name)
		}
	}
	for _, name := range []string{"now", "repeat", "timezone", "fromJSON", "toJSON", "get"} {
		if _, errs := bindText(name + `("a")`); len(errs) == 0 {
			t.Errorf("%s() can be called", name)
		}
	}
}

// The editor's schema is made from the same tables.
func TestEditorSchema(t *testing.T) {
	fresh, err := json.MarshalIndent(editorSchema(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	fresh = append(fresh, '\n')
	old, err := os.ReadFile(schemaFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	compareFile(t, schemaFile, old, fresh)

	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(fresh))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("mapping.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("mapping.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	mappings, err := filepath.Glob("../mappings/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(mappings, "testdata/example/helpdesk.yaml", "testdata/example/full.yaml") {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(fromYAML(t, src)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, bad := range []string{
		"version: 1", // most is missing
		strings.Replace(benchMapping, "schema:", "shcema:", 1),
		strings.Replace(benchMapping, "type: int64", "type: integer", 1),
		strings.Replace(benchMapping, "grant: everyone", "grant: all", 1),
		strings.Replace(benchMapping, "acl: [{grant: everyone}]", "acl: []", 1),
	} {
		if schema.Validate(fromYAML(t, []byte(bad))) == nil {
			t.Errorf("the schema accepts\n%s", bad)
		}
	}
}

func fromYAML(t *testing.T, src []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(src, &v); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

type obj = map[string]any

// editorSchema is the JSON Schema of a mapping.
func editorSchema() obj {
	defs := obj{}
	for _, o := range objects {
		props, required := obj{}, []string{}
		for _, k := range o.keys {
			props[k.name] = keySchema(o, k)
			if k.required {
				required = append(required, k.name)
			}
		}
		def := obj{"type": "object", "description": o.doc, "properties": props, "additionalProperties": false}
		if len(required) > 0 {
			def["required"] = required
		}
		if o.name == "acl entry" {
			def["oneOf"] = []obj{{"required": []string{"grant"}}, {"required": []string{"deny"}}, {"required": []string{"from"}}}
		}
		defs[o.name] = def
	}
	return obj{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A mapping of importer",
		"$ref": "#/$defs/mapping", "$defs": defs,
	}
}

func keySchema(o *object, k key) obj {
	ref := func(name string) obj { return obj{"$ref": "#/$defs/" + strings.ReplaceAll(name, " ", "%20")} }
	scalar := []string{"string", "number", "boolean"}
	reference := obj{"type": "string", "pattern": `\$\{(env|file):.+\}`}
	s := obj{"description": k.doc}
	switch k.kind {
	case kindString:
		s["type"] = []string{"string", "number"}
	case kindExpr, kindLiteral:
		s["type"] = scalar
		if k.name == "default" {
			s["type"] = append(slices.Clone(scalar), "array")
		}
	case kindStrings:
		item := obj{"type": []string{"string", "number"}}
		if k.enum != nil {
			item = obj{"enum": k.enum}
		}
		if k.name == "labels" {
			item = obj{"enum": labelNames()}
		}
		s["anyOf"] = []obj{item, {"type": "array", "items": item}, reference}
	case kindInt:
		alternatives := []obj{{"type": "integer"}, reference}
		if k.enum != nil {
			alternatives = append(alternatives, obj{"enum": k.enum})
		}
		s["anyOf"] = alternatives
		if k.name == "version" {
			s = obj{"description": k.doc, "const": 1}
		}
	case kindBool:
		s["anyOf"] = []obj{{"type": "boolean"}, reference}
	case kindEnum:
		s["anyOf"] = []obj{{"enum": k.enum}, reference}
	case kindLimit:
		s["anyOf"] = []obj{{"type": "integer", "minimum": 0}, {"type": "string", "pattern": `^[0-9.]+ *%?$`}, reference}
	case kindSize:
		s["anyOf"] = []obj{{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": `^[0-9.]+ *([KMGkmg]i?)?[Bb]?$`}, reference}
	case kindDuration:
		s["type"] = "string"
	case kindObject:
		s = ref(k.object)
		if k.plain {
			s = obj{"description": k.doc, "anyOf": []obj{{"type": scalar}, ref(k.object)}}
		}
	case kindObjects:
		s["type"], s["items"], s["minItems"] = "array", ref(k.object), 1
	case kindMap:
		s["type"], s["additionalProperties"], s["minProperties"], s["maxProperties"] = "object", ref(k.object), 1, 128
		s["propertyNames"] = obj{"pattern": "^[A-Za-z0-9]{1,32}$"}
	case kindExprs:
		s["type"], s["minProperties"] = "object", 1
		s["additionalProperties"] = obj{"anyOf": []obj{{"type": scalar}, ref(k.object)}}
	}
	return s
}
