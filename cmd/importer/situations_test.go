package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Who may see what: each situation of permissions is a record, and each person
// either finds it, by a real search, or does not. explain must say the same.

// persons are those who look, by a letter.
var persons = map[string]string{
	"a": "11111111-1111-4111-8111-111111111111", // Ann
	"b": "22222222-2222-4222-8222-222222222222", // Bob, of Staff
	"c": "33333333-3333-4333-8333-333333333333", // Cat, a guest, of Partners
	"d": "44444444-4444-4444-8444-444444444444", // Dan, of Leads, who are of Staff
	"e": "55555555-5555-4555-8555-555555555555", // Eve, of no directory group
	"s": "99999999-9999-4999-8999-999999999999", // a stranger
}

const situationPeople = `type,id,userPrincipalName,mail,displayName,employeeId,userType,members
user,11111111-1111-4111-8111-111111111111,ann@contoso.com,Ann.Smith@Contoso.com,Ann Smith,E1,Member,
user,22222222-2222-4222-8222-222222222222,bob@contoso.com,bob@contoso.com,Bob,E2,Member,
user,33333333-3333-4333-8333-333333333333,cat_x.com#EXT#@contoso.com,cat@x.com,Cat,,Guest,
user,44444444-4444-4444-8444-444444444444,dan@contoso.com,dan@contoso.com,Twin,E4,Member,
user,55555555-5555-4555-8555-555555555555,eve@contoso.com,eve@contoso.com,Twin,E5,Member,
group,aaaaaaaa-1111-4111-8111-111111111111,,staff@contoso.com,Staff,,,bob@contoso.com;aaaaaaaa-2222-4222-8222-222222222222
group,aaaaaaaa-2222-4222-8222-222222222222,,,Leads,,,dan@contoso.com
group,aaaaaaaa-3333-4333-8333-333333333333,,,Partners,,,cat@x.com
`

const situationGroups = `group,memberType,member
Red,user,ANN@contoso.com
Blue,externalGroup,Red
Blue,user,E5
Deep,externalGroup,Blue
Mixed,group,Staff
Mixed,externalGroup,Red
Empty,,
Guests,user,cat@x.com
`

const situationMapping = `version: 1
connection: {id: CONNECTION, name: Situations of CONNECTION, description: Situations of permissions.}
schema:
  title: {type: string, searchable: true, retrievable: true}
identities:
  file: people.csv
  match: [displayName, employeeId]
  rewrite: [{match: '^.*<(.*)>$', replace: $1}]
  stripDomain: true
  domain: contoso.com
  unknown: UNKNOWN
groups: {file: groups.csv}
sources:
  - name: situations
    path: CONNECTION.csv
    id: id
    properties: {title: title}
    content: {type: text, value: '"situation"'}
    acl:
      - {grant: everyone, when: all == "e"}
      - {grant: everyoneExceptGuests, when: all == "m"}
      - {grant: user, value: 'split(users, ";")'}
      - {grant: group, value: 'split(groups, ";")'}
      - {grant: externalGroup, value: 'split(ext, ";")'}
      - {deny: user, value: 'split(nousers, ";")', when: nousers != ""}
      - {deny: group, value: 'split(nogroups, ";")', when: nogroups != ""}
      - {deny: externalGroup, value: 'split(noext, ";")', when: noext != ""}
      - {deny: everyone, when: noall == "e"}
      - {deny: everyoneExceptGuests, when: noall == "m"}
`

// A situation is a record's cells, name=value, and who sees it: letters of
// persons, or - for a record that is refused, whose item is not there.
type situation struct{ cells, sees string }

// With unknown: quarantine, the default.
var situations = []situation{
	{"all=e", "abcdes"},
	{"all=m", "abde"},
	{"", "-"},
	{"users=ann.smith@contoso.com", "a"},
	{"users=ANN.SMITH@CONTOSO.COM", "a"},
	{"users=ann@contoso.com", "a"},
	{"users= ann@contoso.com ", "a"},
	{"users=E2", "b"},
	{"users=ann", "a"},
	{`users=CONTOSO\bob`, "b"},
	{"users=Ann Smith <ann.smith@contoso.com>", "a"},
	{"users=11111111-1111-4111-8111-111111111111", "a"},
	{"users=11111111-1111-4111-8111-111111111111;22222222-2222-4222-8222-222222222222", "ab"},
	{"users=99999999-9999-4999-8999-999999999999", "s"},
	{"users=cat@x.com", "c"},
	{"users=cat_x.com#EXT#@contoso.com", "c"},
	{"users=CAT_X.COM#ext#@CONTOSO.COM", "c"},
	{"users=ann@contoso.com;bob@contoso.com", "ab"},
	{"users=;ann;;bob;", "ab"},
	{"users=ann;ANN@CONTOSO.COM;E1", "a"},
	{"users=ghost@contoso.com", "-"},
	{"users=ann;ghost@contoso.com", "-"},
	{"users=Twin", "-"},
	{"users=ann@contoso.com,bob@contoso.com", "-"},
	{"groups=Staff", "bd"},
	{"groups=STAFF@contoso.com", "bd"},
	{"groups=aaaaaaaa-1111-4111-8111-111111111111", "bd"},
	{"groups=Leads", "d"},
	{"groups=Partners", "c"},
	{"groups=Leads;Partners", "cd"},
	{"groups=Nope", "-"},
	{"users=Staff", "-"},
	{"groups=ann@contoso.com", "-"},
	{"ext=Red", "a"},
	{"ext=Blue", "ae"},
	{"ext=Deep", "ae"},
	{"ext=Mixed", "abd"},
	{"ext=Empty", ""},
	{"ext=Guests", "c"},
	{"ext=red", "a"},
	{"ext=Nope", "-"},
	{"ext=Red;Guests", "ac"},
	{"ext=Red users=bob groups=Partners", "abc"},
	{"all=e nousers=ann", "bcdes"},
	{"all=e nousers=BOB@Contoso.COM", "acdes"},
	{"all=e nousers=E2;ann", "cdes"},
	{"all=e nousers=ghost@contoso.com", "-"},
	{"all=e nousers=Twin", "-"},
	{"all=e nousers=99999999-9999-4999-8999-999999999999", "abcde"},
	{"all=e nousers=cat@x.com", "abdes"},
	{"all=e nousers=;", "-"},
	{"all=e nogroups=Staff", "aces"},
	{"all=e nogroups=Nope", "-"},
	{"all=e noext=Blue", "bcds"},
	{"all=e noext=Deep", "bcds"},
	{"all=e noext=Mixed", "ces"},
	{"all=e noext=Empty", "abcdes"},
	{"all=e noext=Nope", "-"},
	{"all=e noall=m", "cs"},
	{"all=e noall=e", ""},
	{"all=m nogroups=Leads", "abe"},
	{"all=m users=cat@x.com", "abcde"},
	{"all=m noall=m users=ann", ""},
	{"users=ann nousers=ann", ""},
	{"users=ann nousers=E1", ""},
	{"groups=Staff nogroups=Leads", "b"},
	{"groups=Leads nogroups=Staff", ""},
	{"users=bob;ann nogroups=Staff", "a"},
	{"ext=Mixed noext=Red", "bd"},
	{"ext=Deep nousers=eve", "a"},
	{"nousers=ann", "-"},
}

// With unknown: drop, a grant that names nobody is left out, a deny never.
var droppingSituations = []situation{
	{"users=ann;ghost@contoso.com", "a"},
	{"users=Twin;bob", "b"},
	{"users=ghost@contoso.com", "-"},
	{"users=ghost@contoso.com groups=Staff", "bd"},
	{"groups=Nope ext=Red", "a"},
	{"ext=Nope;Guests", "c"},
	{"all=e nousers=ghost@contoso.com", "-"},
	{"all=e nousers=Twin", "-"},
	{"all=e nogroups=Nope", "-"},
	{"all=e noext=Nope;Red", "-"},
}

func TestSituations(t *testing.T) {
	if n := len(situations) + len(droppingSituations); n < 60 {
		t.Errorf("%d situations, want 60 at least", n)
	}
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"people.csv": situationPeople, "groups.csv": situationGroups} {
		write(t, name, text)
	}
	for connection, all := range map[string][]situation{"quarantines": situations, "drops": droppingSituations} {
		t.Run(connection, func(t *testing.T) {
			unknown := strings.TrimSuffix(connection, "s")
			write(t, connection+".yaml", strings.NewReplacer("CONNECTION", connection, "UNKNOWN", unknown).Replace(situationMapping))
			write(t, connection+".csv", situationFile(all))
			if code, _, errs := do(t, "run", connection+".yaml", "--quiet"); code != exitQuarantined {
				t.Fatalf("exit %d: %s", code, errs)
			}
			for letter, id := range persons {
				found := searched(t, connection, id)
				for i, s := range all {
					want := strings.Contains(s.sees, letter)
					if found[fmt.Sprint(i+1)] != want {
						t.Errorf("%q: %s finds it: %v, want %v", s.cells, letter, !want, want)
					}
				}
			}
			for i, s := range all {
				for letter, id := range persons {
					x := explainedTo(t, connection, fmt.Sprint(i+1), id)
					if want := strings.Contains(s.sees, letter); x.Visible != want {
						t.Errorf("%q: explain says of %s %v (%s), want %v", s.cells, letter, x.Visible, x.Why, want)
					}
					if there := len(x.Entries) > 0; there == (s.sees == "-") {
						t.Errorf("%q: the item is there: %v", s.cells, there)
					}
				}
			}
		})
	}
}

func situationFile(all []situation) string {
	names := []string{"all", "users", "groups", "ext", "nousers", "nogroups", "noext", "noall"}
	var b strings.Builder
	b.WriteString("id,title," + strings.Join(names, ",") + "\n")
	for i, s := range all {
		fmt.Fprintf(&b, "%d,situation", i+1)
		for _, name := range names {
			value := ""
			for part := range strings.SplitSeq(" "+s.cells, " "+name+"=") {
				value = part // the last, if there are two
			}
			if !strings.Contains(" "+s.cells, " "+name+"=") {
				value = ""
			}
			for _, other := range names { // up to the next cell
				value, _, _ = strings.Cut(value, " "+other+"=")
			}
			fmt.Fprintf(&b, ",%q", value)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.FromSlash(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func do(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// searched are the items that somebody finds.
func searched(t *testing.T, connection, as string) map[string]bool {
	t.Helper()
	code, out, errs := do(t, "search", "situation", "--connection", connection, "--as", as, "--size", "500", "--json")
	if code != 0 {
		t.Fatalf("search: exit %d: %s", code, errs)
	}
	found := map[string]bool{}
	var page struct{ Hits []struct{ ID string } }
	if err := json.Unmarshal([]byte(out), &page); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	for _, hit := range page.Hits {
		found[hit.ID] = true
	}
	return found
}

func explainedTo(t *testing.T, connection, item, as string) (x struct {
	Visible bool
	Why     string
	Entries []json.RawMessage
}) {
	t.Helper()
	code, out, errs := do(t, "explain", item, "--connection", connection, "--as", as, "--json")
	if code != 0 {
		t.Fatalf("explain %s: exit %d: %s", item, code, errs)
	}
	if err := json.Unmarshal([]byte(out), &x); err != nil {
		t.Fatal(err)
	}
	return x
}
