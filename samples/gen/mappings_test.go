package main

import (
	"encoding/csv"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/goccy/go-yaml"
)

// The mappings are checked here against the rules of the connectors API as
// its pages give them, on their own: the product's checks are tested with its
// code, and a mistake that both share would go unseen.

type mappingFile struct {
	Version    int
	Connection struct{ ID, Name, Description string }
	Schema     map[string]propertyRule
	Identities struct{ File string }
	Groups     struct{ File string }
	Sources    []struct {
		Name, Path, ID string
		Properties     map[string]any
		ACL            []map[string]string
	}
}

type propertyRule struct {
	Type                                                      string
	Labels, Aliases                                           []string
	Searchable, Queryable, Retrievable, Refinable, ExactMatch bool
	Description                                               string
}

func (p *propertyRule) UnmarshalYAML(unmarshal func(any) error) error {
	type plain struct {
		Type        string
		Labels      []string
		Aliases     []string
		Searchable  bool
		Queryable   bool
		Retrievable bool
		Refinable   bool
		ExactMatch  bool `yaml:"exactMatch"`
		Description string
	}
	var v plain
	if err := unmarshal(&v); err != nil {
		return err
	}
	*p = propertyRule(v)
	return nil
}

var mappingNames = []string{"helpdesk", "contracts", "website", "catalogue"}

func readMapping(t *testing.T, name string) (path string, m mappingFile) {
	t.Helper()
	path = filepath.Join("..", "..", "mappings", name+".yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// goccy/go-yaml takes a key that overrides one of a merge (<<) for a
	// duplicate; YAML's merge type says that it wins.
	if err := yaml.UnmarshalWithOptions(data, &m, yaml.AllowDuplicateMapKey()); err != nil {
		t.Fatalf("%s: %s", path, yaml.FormatError(err, false, true))
	}
	return path, m
}

var (
	alphanumeric = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,31}$`)
	connectionID = regexp.MustCompile(`^[a-z0-9]{3,32}$`)
	wordTypes    = []string{"string", "stringCollection"}
	types        = []string{"string", "int64", "double", "dateTime", "boolean", "stringCollection", "int64Collection", "doubleCollection", "dateTimeCollection", "principal", "principalCollection"}
	labelTypes   = map[string][]string{
		"title": {"string"}, "url": {"string"}, "iconUrl": {"string"}, "fileName": {"string"}, "fileExtension": {"string"}, "containerName": {"string"},
		"createdDateTime": {"dateTime"}, "lastModifiedDateTime": {"dateTime"}, "authors": wordTypes, "createdBy": wordTypes, "lastModifiedBy": wordTypes,
	}
)

func TestSchemasKeepTheRulesOfTheAPI(t *testing.T) {
	for _, name := range mappingNames {
		path, m := readMapping(t, name)
		if len(m.Schema) == 0 || len(m.Schema) > 128 {
			t.Errorf("%s: %d properties, want 1 to 128", path, len(m.Schema))
		}
		labelled, taken := map[string]string{}, map[string]string{}
		for _, prop := range slices.Sorted(maps.Keys(m.Schema)) {
			p := m.Schema[prop]
			text := slices.Contains(wordTypes, p.Type)
			for broken, rule := range map[string]bool{
				"has no known type":                             !slices.Contains(types, p.Type),
				"is searchable and refinable":                   p.Searchable && p.Refinable,
				"is searchable and no text":                     p.Searchable && !text,
				"is exactMatch and searchable":                  p.ExactMatch && p.Searchable,
				"is exactMatch and no text":                     p.ExactMatch && !text,
				"is refinable and boolean or principal":         p.Refinable && (p.Type == "boolean" || strings.HasPrefix(p.Type, "principal")),
				"has a label and is not retrievable":            len(p.Labels) > 0 && !p.Retrievable,
				"has more than one label":                       len(p.Labels) > 1,
				"has a description of more than 200 characters": len(p.Description) > 200,
				"can be neither found, asked for, nor shown":    !p.Searchable && !p.Queryable && !p.Retrievable && !p.Refinable,
			} {
				if rule {
					t.Errorf("%s: %s %s", path, prop, broken)
				}
			}
			for _, word := range append(p.Aliases, prop) {
				if !alphanumeric.MatchString(word) {
					t.Errorf("%s: the name %q is not 1 to 32 letters and digits", path, word)
				}
				if whose, twice := taken[strings.ToLower(word)]; twice {
					t.Errorf("%s: %q is the name of %s and of %s", path, word, whose, prop)
				}
				taken[strings.ToLower(word)] = prop
			}
			for _, label := range p.Labels {
				if !slices.Contains(labelTypes[label], p.Type) {
					t.Errorf("%s: %s is a %s, which the label %s is not for", path, prop, p.Type, label)
				}
				if whose, twice := labelled[label]; twice {
					t.Errorf("%s: the label %s is on %s and on %s", path, label, whose, prop)
				}
				labelled[label] = prop
			}
		}
		for _, label := range []string{"title", "url", "iconUrl", "createdDateTime", "lastModifiedDateTime"} {
			if labelled[label] == "" {
				t.Errorf("%s: no property has the label %s", path, label)
			}
		}
	}
}

func TestConnectionsAndSources(t *testing.T) {
	ids := map[string]bool{}
	for _, name := range mappingNames {
		path, m := readMapping(t, name)
		c := m.Connection
		if m.Version != 1 || !connectionID.MatchString(c.ID) || ids[c.ID] || c.Name == "" || len(c.Name) > 128 || len(c.Description) < 100 {
			t.Errorf("%s: version %d and connection %+v, want version 1, an id of its own, and a description that says what it is for", path, m.Version, c)
		}
		ids[c.ID] = true
		used := map[string]bool{}
		for _, s := range m.Sources {
			if s.Name == "" || s.ID == "" || len(s.ACL) == 0 {
				t.Errorf("%s: source %q has no name, id or acl", path, s.Name)
			}
			if s.Properties["title"] == nil || s.Properties["url"] == nil {
				t.Errorf("%s: source %q has no title or no url", path, s.Name)
			}
			for prop := range s.Properties {
				if _, known := m.Schema[prop]; !known {
					t.Errorf("%s: source %q sets %q, which the schema does not have", path, s.Name, prop)
				}
				used[prop] = true
			}
			for _, entry := range s.ACL {
				if (entry["grant"] == "") == (entry["deny"] == "") {
					t.Errorf("%s: source %q: %v is not one grant or one deny", path, s.Name, entry)
				}
			}
		}
		for prop := range m.Schema {
			if !used[prop] {
				t.Errorf("%s: no source sets %q", path, prop)
			}
		}
	}
	if !ids["contosohelpdesk"] {
		t.Error("no mapping has the connection contosohelpdesk")
	}
}

// Every file of a sample is read by exactly one source, or is a side file.
func TestEverySampleFileHasOneSource(t *testing.T) {
	for _, name := range mappingNames {
		path, m := readMapping(t, name)
		readers := map[string][]string{}
		for _, side := range []string{m.Identities.File, m.Groups.File} {
			if side != "" {
				readers[filepath.Join(filepath.Dir(path), side)] = []string{"side file"}
			}
		}
		for _, s := range m.Sources {
			files, err := doublestar.FilepathGlob(filepath.Join(filepath.Dir(path), s.Path), doublestar.WithFilesOnly())
			if err != nil || len(files) == 0 {
				t.Errorf("%s: source %q: %s matches %d files (%v)", path, s.Name, s.Path, len(files), err)
			}
			for _, file := range files {
				readers[file] = append(readers[file], s.Name)
			}
		}
		for _, file := range filesBelow(t, filepath.Join("..", name)) {
			if got := readers[filepath.Join("..", "..", "samples", name, file)]; len(got) != 1 {
				t.Errorf("%s: %s is read by %q, want one source", path, file, got)
			}
		}
	}
}

// Groups name people of the directory, each other, or Entra groups by id.
func TestGroupsNameKnownMembers(t *testing.T) {
	id := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	for _, name := range mappingNames {
		path, m := readMapping(t, name)
		if m.Groups.File == "" {
			continue
		}
		people, groups := map[string]bool{}, map[string]bool{}
		for i, row := range readCSV(t, filepath.Join(filepath.Dir(path), m.Identities.File)) {
			if i == 0 {
				if want := []string{"id", "userPrincipalName", "mail", "displayName", "employeeId"}; !slices.Equal(row, want) {
					t.Errorf("%s: the directory has the columns %q, want %q", path, row, want)
				}
				continue
			}
			if !id.MatchString(row[0]) || people[row[0]] || people[row[2]] || people[row[4]] {
				t.Errorf("%s: %q has no id, or one of another person", path, row)
			}
			for _, n := range []int{0, 1, 2, 4} {
				people[row[n]] = true
			}
		}
		rows := readCSV(t, filepath.Join(filepath.Dir(path), m.Groups.File))
		if want := []string{"group", "displayName", "description", "memberType", "member"}; !slices.Equal(rows[0], want) {
			t.Errorf("%s: the groups have the columns %q, want %q", path, rows[0], want)
		}
		for _, row := range rows[1:] {
			groups[row[0]] = true
		}
		for i, row := range rows[1:] {
			kind, member := row[3], row[4]
			known := map[string]bool{"user": people[member], "externalGroup": groups[member] && member != row[0], "group": id.MatchString(member)}
			if !known[kind] {
				t.Errorf("%s: line %d of the groups: no %s is %q", path, i+2, kind, member)
			}
		}
	}
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("%s: %d rows, %v", path, len(rows), err)
	}
	return rows
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
