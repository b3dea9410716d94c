package transform

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"importer/extract"
)

// lookupWorld is a mapping that looks customers up.
func lookupWorld(t *testing.T, customers, title string) (*Mapping, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "customers.csv"), []byte(customers), 0o600); err != nil {
		t.Fatal(err)
	}
	const src = `version: 1
connection: {id: kbase, name: KB, description: Ours.}
schema:
  title: {type: string, searchable: true, retrievable: true}
sources:
  - name: rows
    path: "*.csv"
    id: id
    properties: {title: TITLE}
    acl: [{grant: everyone}]
`
	return parse(filepath.Join(dir, "m.yaml"), []byte(strings.Replace(src, "TITLE", "'"+strings.ReplaceAll(title, "'", "''")+"'", 1)))
}

const customers = "number,name,Account manager\nC1,Contoso,anna@x\n C7 ,Fabrikam,\nC9,Tailspin,\nC9,Tailspin Toys,\n"

func TestLookup(t *testing.T) {
	for _, tt := range []struct {
		name, title, cell string
		want              string
		err               string
	}{
		{"found", `lookup("customers.csv", customer).name`, "C1", "Contoso", ""},
		{"white space around a key", `lookup("customers.csv", customer).name`, " C7", "Fabrikam", ""},
		{"a column with spaces", `lookup("customers.csv", customer)["Account manager"]`, "C1", "anna@x", ""},
		{"another key column", `lookup("customers.csv", customer, "name").number`, "Contoso", "C1", ""},
		{"not found", `lookup("customers.csv", customer).name ?? "nobody"`, "C5", "nobody", ""},
		{"no key", `lookup("customers.csv", customer).name ?? "nobody"`, "", "nobody", ""},
		{"an empty cell", `lookup("customers.csv", customer)["Account manager"] ?? "nobody"`, "C7", "nobody", ""},
		{"in an expression", `upper(lookup("customers.csv", customer).name) + "!"`, "C1", "CONTOSO!", ""},
		{"single quotes", `lookup('customers.csv', customer).name`, "C1", "Contoso", ""},
		{"a key of two rows", `lookup("customers.csv", customer).name`, "C9", "", `looks up "C9", and several rows of customers.csv have it in "number"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := lookupWorld(t, customers, tt.title)
			if err != nil {
				t.Fatal(err)
			}
			it, err := m.Sources[0].Apply(row("a.csv", 2, []string{"id", "customer"}, "1", tt.cell))
			if tt.err != "" {
				var wrong *ItemError
				if !errors.As(err, &wrong) || wrong.Reason != ReasonAmbiguous || !strings.Contains(wrong.Detail, tt.err) {
					t.Fatalf("Apply = %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := it.Properties[0].Value.Str; got != tt.want {
				t.Errorf("title = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLookupMistakes(t *testing.T) {
	for _, tt := range []struct{ title, want string }{
		{`lookup("customer.csv", customer).name`, "the lookup file customer.csv cannot be used: no such file or directory"},
		{`lookup("customers.csv", customer).nam`, `customers.csv has no column "nam"; did you mean "name"?`},
		{`lookup("customers.csv", customer, "nummer").name`, `customers.csv has no column "nummer"`},
		{`lookup("customers.csv", customer)`, "lookup alone is no value"},
		{`lookup("customers.csv").name`, "lookup has 1 arguments"},
		{`lookup(customer, customer).name`, "the file of lookup must be a text in quotes"},
		{`lookup("customers.csv", 7).name`, "lookup needs text as its key, not a whole number"},
		{`lookup("customers.csv", custmer).name`, `there is no column "custmer"`},
	} {
		m, err := lookupWorld(t, customers, tt.title)
		if err == nil {
			err = m.Sources[0].Check(extract.NewHeader([]string{"id", "customer"}))
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "m.yaml:9:") {
			t.Errorf("%s: %v, want %q at its place", tt.title, err, tt.want)
		}
	}
	for name, text := range map[string]string{"empty": "", "ragged": "number,name\nC1,a,b,c\n"} {
		m, err := lookupWorld(t, text, `lookup("customers.csv", customer).name`)
		if err == nil {
			err = m.Sources[0].Check(extract.NewHeader([]string{"id", "customer"}))
		}
		if err == nil || !strings.Contains(err.Error(), "the lookup file customers.csv cannot be used") {
			t.Errorf("a file that is %s: %v", name, err)
		}
	}
}

// A changed lookup file maps its source again, and no other.
func TestLookupDecides(t *testing.T) {
	digest := func(customers, title string) [32]byte {
		m, err := lookupWorld(t, customers, title)
		if err != nil {
			t.Fatal(err)
		}
		return m.Sources[0].Digest()
	}
	const title = `lookup("customers.csv", customer).name`
	if once, again := digest(customers, title), digest(customers, title); once != again {
		t.Error("the same file made another digest")
	}
	if digest(customers, title) == digest(customers+"C2,Litware,\n", title) {
		t.Error("another file made the same digest")
	}
	if digest(customers, "customer") != digest(customers+"C2,Litware,\n", "customer") {
		t.Error("a file that is not looked up decides")
	}
}
