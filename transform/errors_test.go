package transform

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// Each file in testdata/errors is a mapping, perhaps with side files and the
// header of a table, and the findings that are to come of it, each with its
// exact place. The first mapping of an archive is what is loaded.
func TestFindings(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			header, want := "", -1
			for i, f := range ar.Files {
				switch f.Name {
				case "header":
					header = strings.TrimSpace(string(f.Data))
				case "want":
					want = i
				default:
					if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			got := findings(t, filepath.Join(dir, "m.yaml"), header)
			got = strings.ReplaceAll(got, dir+string(filepath.Separator), "")
			if *update {
				ar.Files[want].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			diff(t, "findings", got, string(ar.Files[want].Data))
		})
	}
}

// findings loads a mapping, checks its sources where there is a header, and
// prints what was found with excerpts.
func findings(t *testing.T, file, header string) string {
	t.Helper()
	m, err := Load(file)
	var all Errors
	if errs, ok := err.(Errors); ok {
		all = errs
	} else if err != nil {
		return err.Error() + "\n"
	}
	if err == nil && header != "" {
		for _, s := range m.Sources {
			if err := s.Check(headerOf(header)); err != nil {
				all = append(all, err.(Errors)...)
			}
		}
	}
	if len(all) == 0 {
		return "ok\n"
	}
	var b strings.Builder
	for _, e := range all {
		fmt.Fprintln(&b, e)
		if e.Excerpt != "" {
			fmt.Fprintln(&b, e.Excerpt)
		}
		if e.Remedy == "" {
			t.Errorf("%v: no remedy", e)
		}
	}
	return b.String()
}

// As JSON a finding has its place, its words and its excerpt side by side.
func TestFindingAsJSON(t *testing.T) {
	_, err := parse("m.yaml", []byte(one("int64", "b + 1")))
	got, jsonErr := json.Marshal(err)
	if jsonErr != nil {
		t.Fatal(jsonErr)
	}
	want := `[{"file":"m.yaml","line":12,"col":12,"detail":"source \"s\": property \"p\": + does not go between a text and a whole number",` +
		`"remedy":"write int(b) to calculate with it, or string(number) to join the number to a text","excerpt":"   12 |       p: b + 1\n      |            ^"}]`
	diff(t, "JSON", string(got), want)
}

// A secret is told nowhere, whatever is wrong around it.
func TestSecretsStaySecret(t *testing.T) {
	const word = "hunter2-s3cr3t"
	t.Setenv("IMPORTER_TEST_SECRET", word)
	tries := []string{
		strings.Replace(benchMapping, "id: bench", "id: ${env:IMPORTER_TEST_SECRET}", 1),
		strings.Replace(benchMapping, "title: title", "title: ${env:IMPORTER_TEST_SECRET} + 1", 1),
		strings.Replace(benchMapping, "title: title", "title: ${env:IMPORTER_TEST_SECRET}(title)", 1),
		strings.Replace(benchMapping, "title: title", `title: 'match(title, "(${env:IMPORTER_TEST_SECRET}")'`, 1),
		strings.Replace(benchMapping, "title: title", `title: 'date(title, ${env:IMPORTER_TEST_SECRET})'`, 1),
		strings.Replace(benchMapping, "path: rows.csv", "path: '[${env:IMPORTER_TEST_SECRET}'", 1),
		strings.Replace(benchMapping, "sources:", "timezone: ${env:IMPORTER_TEST_SECRET}\nsources:", 1),
		strings.Replace(benchMapping, "sources:", "identities: {file: \"${env:IMPORTER_TEST_SECRET}\"}\nsources:", 1),
		strings.Replace(benchMapping, "sources:", "schedule: {full: \"${env:IMPORTER_TEST_SECRET}\"}\nsources:", 1),
		strings.Replace(benchMapping, "type: int64", "type: ${env:IMPORTER_TEST_SECRET}", 1),
	}
	for _, src := range tries {
		_, err := parse("m.yaml", []byte(src))
		errs, ok := err.(Errors)
		if !ok {
			t.Errorf("no finding in\n%s", src)
			continue
		}
		for _, e := range errs {
			if strings.Contains(e.Error()+e.Excerpt, word) || strings.Contains(e.Error(), word[:7]) {
				t.Errorf("the secret is in %v\n%s", e, e.Excerpt)
			}
		}
	}
}

// What ${...} stands for is a text in an expression, never code.
func TestReferences(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "base.txt"), []byte("https://x/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("IMPORTER_TEST_WORD", `a" + title + "b\`)
	src := strings.NewReplacer("team: team", "team: ${env:IMPORTER_TEST_WORD} + city", "city: city", `city: '"<${env:IMPORTER_TEST_WORD}> $${x}"'`,
		"requester: requester", "requester: ${file:base.txt} + number", "name: Bench", "name: 'Bench $${x} ${file:base.txt}'").Replace(benchMapping)
	m, err := parse(filepath.Join(dir, "m.yaml"), []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	it, err := m.Sources[0].Apply(row("r.csv", 2, benchColumns, benchRow...))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"connection": m.Connection.Name}
	for _, p := range it.Properties {
		got[p.Name] = p.Value.Str
	}
	for name, want := range map[string]string{
		"team": `a" + title + "b\Torino`, "city": `<a" + title + "b\> ${x}`, "requester": "https://x/INC0012345", "connection": "Bench ${x} https://x/",
	} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
}
