package transform

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"importer/extract"
)

// ParseOptions reads options of a source as KEY=VALUE, such as csv.delimiter=;
// or item=page: the keys are those of the mapping language. A list is written
// with commas. Its error says which of them is wrong.
func ParseOptions(pairs []string) (extract.Options, error) {
	if len(pairs) == 0 {
		return extract.Options{}, nil
	}
	lines := map[string][]string{} // the object that the key is in, "" for a source's own
	for _, pair := range pairs {
		object, line, err := optionLine(pair)
		if err != nil {
			return extract.Options{}, err
		}
		lines[object] = append(lines[object], line)
	}
	var b strings.Builder
	names := keysOf(lines)
	sort.Strings(names)
	for _, name := range names {
		if name == "" {
			b.WriteString(strings.Join(lines[name], "\n") + "\n")
			continue
		}
		fmt.Fprintf(&b, "%s:\n  %s\n", name, strings.Join(lines[name], "\n  "))
	}
	d, body := parseDocument("--option", []byte(b.String()))
	m := &Mapping{doc: d}
	s := &Source{m: m}
	if body != nil {
		sec := section{d: d, what: "--option", byN: map[string]field{}}
		fields, _ := d.fields(body, "--option")
		for _, f := range fields {
			sec.byN[f.name] = f
		}
		m.readOptions(s, sec)
	}
	if len(d.errs) > 0 {
		e := d.errs[0]
		return extract.Options{}, errors.New(strings.TrimPrefix(e.Detail, "--option: ") + "; " + e.Remedy)
	}
	return s.Options, nil
}

// optionLine makes a line of YAML of an option.
func optionLine(pair string) (object, line string, err error) {
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		return "", "", fmt.Errorf("--option %q has no =; write KEY=VALUE, such as csv.delimiter=;", pair)
	}
	path, o := name, objectNamed("source")
	if head, rest, deeper := strings.Cut(name, "."); deeper {
		if k := o.key(head); k == nil || k.kind != kindObject || head == "content" {
			return "", "", fmt.Errorf("--option %q: there is no %q; %s", pair, head, suggest(head, optionNames()))
		}
		object, path, o = head, rest, objectNamed(head)
	}
	k := o.key(path)
	if k == nil || object == "" && k.name != "item" && k.name != "format" && k.name != "attachments" {
		return "", "", fmt.Errorf("--option %q: there is no option %q; %s", pair, name, suggest(name, optionNames()))
	}
	if k.name == "passwords" && !strings.Contains(value, "${") {
		return "", "", fmt.Errorf("--option %s: a password on the command line is seen by others; write %s='${env:PASSWORD}'", name, name)
	}
	if k.kind != kindStrings {
		return object, path + ": " + yamlText(value), nil
	}
	var list []string
	for _, v := range strings.Split(value, ",") {
		list = append(list, yamlText(strings.TrimSpace(v)))
	}
	return object, path + ": [" + strings.Join(list, ", ") + "]", nil
}

func yamlText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// optionNames lists what ParseOptions takes.
func optionNames() []string {
	names := []string{"item", "format", "attachments"}
	for _, object := range []string{"csv", "excel", "pdf", "ocr", "html", "text", "json", "xml", "limits"} {
		for _, k := range objectNamed(object).keys {
			names = append(names, object+"."+k.name)
		}
	}
	return names
}

// ParseLimits reads limits of a file as KEY=VALUE, such as time=60s: the keys
// are those of limits in the mapping language.
func ParseLimits(pairs []string) (extract.Limits, error) {
	var options []string
	for _, pair := range pairs {
		options = append(options, "limits."+strings.TrimSpace(pair))
	}
	opt, err := ParseOptions(options)
	if err != nil {
		return extract.Limits{}, errors.New(strings.ReplaceAll(strings.Replace(err.Error(), "--option", "--limits", 1), "limits.", ""))
	}
	return opt.Limits, nil
}
