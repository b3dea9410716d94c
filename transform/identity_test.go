package transform

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mappingIn loads a mapping with one source of the columns a and b in a folder
// with side files. top are more keys, acl the source's.
func mappingIn(t testing.TB, top, acl string, files map[string]string) (*Mapping, error) {
	t.Helper()
	dir := t.TempDir()
	src := "version: 1\nconnection: {id: abc, name: X, description: Y}\nschema:\n  p: {type: string, retrievable: true}\n  who: {type: principal, retrievable: true}\n" + top +
		"\nsources:\n  - {name: s, path: s.csv, id: '\"x\"', properties: {p: '\"y\"', who: a}, acl: " + acl + "}\n"
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return parse(filepath.Join(dir, "m.yaml"), []byte(src))
}

// A fakeDirectory knows the names that it was told of.
type fakeDirectory map[Name]Found

func (d fakeDirectory) Known(n Name) (Found, bool) {
	f, ok := d[n]
	return f, ok
}

func words(acl []Access) string {
	var out []string
	for _, a := range acl {
		out = append(out, map[bool]string{true: "-"}[a.Deny]+a.Type+":"+a.Value)
	}
	return strings.Join(out, " ")
}

const (
	ann   = "11111111-1111-1111-1111-111111111111"
	bob   = "22222222-2222-2222-2222-222222222222"
	staff = "33333333-3333-3333-3333-333333333333"
	carl  = "44444444-4444-4444-4444-444444444444"
)

const peopleFile = `Object;What;Sign-in;E-Mail;Name;No;Account;SID
` + ann + `;;ann@contoso.com;ann.smith@contoso.com;Ann Smith;E1;asmith;S-1-5-21-7-1001
` + bob + `;user;bob@contoso.com;;Bob Stone;E2;bob;
` + staff + `;group;;staff@contoso.com;Staff;;;S-1-5-21-7-2001
55555555-5555-5555-5555-555555555555;;c1@contoso.com;;Chris Twin;;;
66666666-6666-6666-6666-666666666666;;c2@contoso.com;;Chris Twin;;;
`

// What a record calls somebody, and who that is.
func TestNames(t *testing.T) {
	const columns = "  file: people.csv\n  columns: {id: Object, type: What, userPrincipalName: Sign-in, mail: E-Mail, displayName: Name, employeeId: No, samAccountName: Account, sid: SID}\n"
	for _, tt := range []struct{ identities, acl, name, want string }{
		{"", "grant: user", "ANN.Smith@contoso.com ", "user:" + ann},
		{"", "grant: user", "bob@contoso.com", "user:" + bob},
		{"", "grant: user", "s-1-5-21-7-1001", "user:" + ann},
		{"", "grant: user", strings.ToUpper(ann), "user:" + ann},
		{"", "grant: user", carl, "user:" + carl},
		{"", "grant: user", "E1", `the user "E1" is not in the identities file`},
		{"  match: [employeeId]\n", "grant: user", "e1", "user:" + ann},
		{"  match: [samAccountName]\n", "grant: user", "ASMITH", "user:" + ann},
		{"  match: [samAccountName]\n", "grant: user", `CONTOSO\asmith`, "is not in the identities file"},
		{"  match: [samAccountName]\n  stripDomain: true\n", "grant: user", `CONTOSO\asmith`, "user:" + ann},
		{"  match: [displayName]\n", "grant: user", "ann smith", "user:" + ann},
		{"  match: [displayName]\n", "grant: user", "Chris Twin", "fits several lines of the identities file"},
		{"  domain: contoso.com\n", "grant: user", "bob", "user:" + bob},
		{"  domain: '@Contoso.com'\n", "grant: user", "bob", "user:" + bob},
		{"  domain: contoso.com\n", "grant: user", "dora", `the user "dora" is not in`},
		{"  domain: contoso.com\n", "grant: user", "bob@fabrikam.com", "is not in the identities file"},
		{"  rewrite: [{match: '^.*<(.*)>$', replace: $1}]\n", "grant: user", "Smith, Ann <ann@contoso.com>", "user:" + ann},
		{"  rewrite: [{match: '^i:0#\\.f\\|membership\\|'}, {match: '@fabrikam\\.com$', replace: '@contoso.com'}]\n", "grant: user", "i:0#.f|membership|bob@fabrikam.com", "user:" + bob},
		{"  rewrite: [{match: '.*'}]\n", "grant: user", "ann@contoso.com", "is not in the identities file"},
		{"", "grant: user", "ann@contoso.com; bob@contoso.com", `several names in one cell need split()`},
		{"", "grant: user", "staff@contoso.com", "is a group of the identities file, not a person"},
		{"", "grant: group", "staff@contoso.com", "group:" + staff},
		{"", "grant: group", "S-1-5-21-7-2001", "group:" + staff},
		{"", "grant: group", "Staff", "no group of the identities file"},
		{"  match: [displayName]\n", "grant: group", "staff", "group:" + staff},
		{"", "grant: group", "ann@contoso.com", "is a person of the identities file, not a group"},
		{"", "grant: group", ann, "is a person of the identities file, not a group"},
		{"", "grant: group", carl, "group:" + carl},
		{"  unknown: drop\n", "grant: user", "dora@contoso.com", "nobody is left who is granted to see the item"},
		{"  unknown: drop\n", "deny: user", "dora@contoso.com", "is not in the identities file"},
		{"  unknown: drop\n  match: [displayName]\n", "deny: user", "Chris Twin", "fits several"},
	} {
		acl := "[{" + tt.acl + ", value: a}]"
		if strings.HasPrefix(tt.acl, "deny") {
			acl = "[{grant: everyone}, {" + tt.acl + ", value: a}]"
		}
		m, err := mappingIn(t, "identities:\n"+columns+tt.identities, acl, map[string]string{"people.csv": peopleFile})
		if err != nil {
			t.Fatalf("%s: %v", tt.identities, err)
		}
		it, err := m.Sources[0].Apply(row("s.csv", 2, []string{"a", "b"}, tt.name, ""))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = words(it.ACL)
		}
		if !strings.Contains(got, tt.want) || err == nil && got != tt.want {
			t.Errorf("%q with %q, %s: %s, want %s", tt.name, tt.identities, tt.acl, got, tt.want)
		}
	}
}

// With drop, a grant to somebody unknown is left out and told of.
func TestDropUnknown(t *testing.T) {
	m, err := mappingIn(t, "identities: {file: people.csv, columns: {id: Object, userPrincipalName: Sign-in}, unknown: drop}",
		`[{grant: user, value: 'split(a, ";")'}, {grant: user, value: b}]`, map[string]string{"people.csv": peopleFile})
	if err != nil {
		t.Fatal(err)
	}
	it, err := m.Sources[0].Apply(row("s.csv", 2, []string{"a", "b"}, "ann@contoso.com;Ghost@x;ghost@x", "zoe@x"))
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "acl", words(it.ACL), "user:"+ann)
	diff(t, "dropped", it.Dropped, []Unknown{{"user", "ghost@x", false}, {"user", "zoe@x", false}})
}

// A record with several unknown names tells of them all, so that none shows
// only when the others are mended.
func TestAllUnknownAreTold(t *testing.T) {
	m, err := mappingIn(t, "identities: {file: people.csv, columns: {id: Object}}", `[{grant: user, value: 'split(a, ";")'}, {deny: user, value: b}]`,
		map[string]string{"people.csv": peopleFile})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Sources[0].Apply(row("s.csv", 2, []string{"a", "b"}, "x@x;y@y;X@x", "z@z"))
	var bad *ItemError
	if !errors.As(err, &bad) || bad.Reason != ReasonUnknownPrincipal {
		t.Fatalf("error %v", err)
	}
	diff(t, "unknown", bad.Unknown, []Unknown{{"user", "x@x", false}, {"user", "y@y", false}, {"user", "z@z", false}})
}

// Names that no file has are asked of the directory, all of a record at once,
// and until they are known nothing comes of the record.
func TestPendingNames(t *testing.T) {
	const top = "identities: {file: people.csv, columns: {id: Object, userPrincipalName: Sign-in}, entra: true, match: [displayName], domain: contoso.com}"
	m, err := mappingIn(t, top, `[{grant: user, value: 'split(a, ";")'}, {grant: group, value: b}, {deny: user, value: '"carl"'}]`, map[string]string{"people.csv": peopleFile})
	if err != nil {
		t.Fatal(err)
	}
	rec := row("s.csv", 2, []string{"a", "b"}, "ann@contoso.com;Dora;twin@x", "Sales")
	dir := fakeDirectory{}
	_, err = m.Sources[0].ApplyWith(rec, dir)
	var un *UnresolvedError
	if !errors.As(err, &un) {
		t.Fatalf("error %v", err)
	}
	want := []Name{{"user", "dora"}, {"user", "dora@contoso.com"}, {"user", "twin@x"}, {"group", "sales"}, {"group", "sales@contoso.com"}, {"user", "carl"}, {"user", "carl@contoso.com"}}
	for _, n := range want {
		if !slices.Contains(un.Names, n) {
			t.Errorf("%v is not asked for; asked are %v", n, un.Names)
		}
	}
	for _, n := range un.Names {
		dir[n] = Found{}
	}
	dir[Name{"user", "dora@contoso.com"}] = Found{ID: bob}
	dir[Name{"group", "sales"}] = Found{ID: staff}
	dir[Name{"user", "carl"}] = Found{ID: carl}
	dir[Name{"user", "carl@contoso.com"}] = Found{ID: ann} // as it is comes first
	dir[Name{"user", "twin@x"}] = Found{Several: true}
	_, err = m.Sources[0].ApplyWith(rec, dir)
	if err == nil || !strings.Contains(err.Error(), `"twin@x" fits several`) {
		t.Errorf("with an ambiguous name: %v", err)
	}
	dir[Name{"user", "twin@x"}] = Found{ID: ann}
	it, err := m.Sources[0].ApplyWith(rec, dir)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "acl", words(it.ACL), fmt.Sprintf("group:%s user:%s user:%s -user:%s", staff, ann, bob, carl))
	// Without a directory they are unknown, and that is said.
	if _, err = m.Sources[0].Apply(rec); err == nil || !strings.Contains(err.Error(), "Entra ID was not asked") {
		t.Errorf("without a directory: %v", err)
	}
}

// External groups come of columns of the identities file and of a groups file.
func TestGroupsOfColumns(t *testing.T) {
	files := map[string]string{
		"people.csv": "id,mail,department,team\n" + ann + ",ann@x,Sales,Blue\n" + bob + ",bob@x, sales ,\n" + carl + ",carl@x,IT,Blue\n",
		"groups.csv": "group,memberType,member\nAll,externalGroup,Leads\nAll,group," + staff + "\nLeads,,ann@x\n",
	}
	m, err := mappingIn(t, "identities: {file: people.csv}\ngroups: {file: groups.csv, columns: [department, team]}", "[{grant: externalGroup, value: a}]", files)
	if err != nil {
		t.Fatal(err)
	}
	all, lost := m.Memberships(nil)
	all.Sort()
	if len(lost) > 0 {
		t.Errorf("lost %v", lost)
	}
	var got []string
	for ms := range all.Members() {
		got = append(got, ms.Group+" "+ms.Type+" "+ms.ID[:4])
	}
	diff(t, "members", got, []string{"All externalGroup Lead", "All group 3333", "Leads user 1111", "blue user 1111", "blue user 4444", "it user 4444", "sales user 1111", "sales user 2222"})
	for name, want := range map[string]string{"SALES": "sales", "leads": "Leads"} {
		it, err := m.Sources[0].Apply(row("s.csv", 2, []string{"a", "b"}, name, ""))
		if err != nil || words(it.ACL) != "externalGroup:"+want {
			t.Errorf("the group %q is %v, %v, want %s", name, it, err, want)
		}
	}
	if _, err := m.Sources[0].Apply(row("s.csv", 2, []string{"a", "b"}, "Others", "")); err == nil || !strings.Contains(err.Error(), `"Others" is no group of the groups file`) {
		t.Errorf("a group that nothing declares: %v", err)
	}
	files["people.csv"] = strings.Replace(files["people.csv"], "Blue", "IT", 1)
	if _, err = mappingIn(t, "identities: {file: people.csv}\ngroups: {columns: [department, team]}", "[{grant: externalGroup, value: a}]", files); err == nil ||
		!strings.Contains(err.Error(), `people.csv:4:1: the group "IT" is named by the column "department", and by "team" as well`) {
		t.Errorf("one group of two columns: %v", err)
	}
}

// Members that no file knows are looked up later; those whom nobody knows are
// left out, and told with their line.
func TestMembersOfEntra(t *testing.T) {
	m, err := mappingIn(t, "identities: {entra: true}\ngroups: {file: groups.csv}", "[{grant: externalGroup, value: a}]",
		map[string]string{"groups.csv": "group,memberType,member\nA,user,ann@x\nA,user,ghost@x\nA,group,Staff\nB,user,ANN@x\nB,user," + carl + "\n"})
	if err != nil {
		t.Fatal(err)
	}
	dir := fakeDirectory{}
	names := m.MemberNames(dir)
	diff(t, "names", names, []Name{{"group", "staff"}, {"user", "ann@x"}, {"user", "ghost@x"}})
	for _, n := range names {
		dir[n] = Found{}
	}
	dir[Name{"user", "ann@x"}], dir[Name{"group", "staff"}] = Found{ID: ann}, Found{ID: staff}
	all, lost := m.Memberships(dir)
	all.Sort()
	var got []string
	for ms := range all.Members() {
		got = append(got, ms.Group+" "+ms.Type+" "+ms.ID[:4])
	}
	diff(t, "members", got, []string{"A group 3333", "A user 1111", "B user 1111", "B user 4444"})
	if len(lost) != 1 || lost[0].Name != "ghost@x" || lost[0].Group != "A" || lost[0].Pos.Line != 3 {
		t.Errorf("lost = %+v", lost)
	}
}

// Somebody who has left stands in the groups file for a while longer. That stops
// nothing where groups are granted; where one may be denied, an entry too few
// would show its items.
func TestStrangers(t *testing.T) {
	files := map[string]string{"people.csv": "mail,id\nann@x," + ann + "\n", "groups.csv": "group,memberType,member\nA,user,ann@x\nA,user,ghost@x\nB,user,ghost@x\n"}
	const top = "identities: {file: people.csv}\ngroups: {file: groups.csv}"
	m, err := mappingIn(t, top, "[{grant: externalGroup, value: a}]", files)
	if err != nil {
		t.Fatal(err)
	}
	all, lost := m.Memberships(nil)
	all.Sort()
	var got []string
	for ms := range all.Members() {
		got = append(got, ms.Group+" "+ms.Type+" "+ms.ID)
	}
	diff(t, "members", got, []string{"A user " + ann})
	if len(lost) != 1 || lost[0].Name != "ghost@x" || lost[0].Pos.Line != 3 {
		t.Errorf("lost = %+v", lost)
	}
	if !slices.ContainsFunc(m.Lint(), func(e *Error) bool {
		return e.Pos.Line == 3 && strings.Contains(e.Error(), `"ghost@x" is not in the identities file: left out of the external group "A"`)
	}) {
		t.Errorf("validate remarks %v, want ghost@x in it", m.Lint())
	}
	_, err = mappingIn(t, top, "[{grant: everyone}, {deny: externalGroup, value: a}]", files)
	if err == nil || !strings.Contains(err.Error(), `groups.csv:3:1: the user "ghost@x" is not in the identities file, and the group "A" may be denied; `) {
		t.Errorf("a group that is denied lacks ghost@x: %v", err)
	}
}

// How a record's permissions come about, rule by rule.
func TestTrace(t *testing.T) {
	m, err := mappingIn(t, "identities: {file: people.csv, columns: {id: Object, userPrincipalName: Sign-in}}", `
      - {grant: everyone, when: b == "public"}
      - {grant: user, value: 'split(a, ";")'}
      - {deny: user, value: b}`, map[string]string{"people.csv": peopleFile})
	if err != nil {
		t.Fatal(err)
	}
	all, err := m.Sources[0].Trace(row("s.csv", 2, []string{"a", "b"}, "ann@contoso.com; ghost@x", "bob@contoso.com"), nil)
	if err == nil || !strings.Contains(err.Error(), "ghost@x") {
		t.Errorf("error %v", err)
	}
	var got []string
	for _, tr := range all {
		got = append(got, fmt.Sprintf("%d:%d entry=%v held=%v %s %.4s deny=%v name=%s cells=%v unknown=%v", tr.Pos.Line, tr.Pos.Col, tr.Entry, tr.Held, tr.Type, tr.Value, tr.Deny, tr.Name, tr.Cells, tr.Unknown != ""))
	}
	diff(t, "trace", got, []string{
		"9:9 entry=false held=false everyone  deny=false name= cells=[{b bob@contoso.com }] unknown=false",
		"10:9 entry=false held=true user  deny=false name= cells=[{a ann@contoso.com; ghost@x }] unknown=false",
		"10:9 entry=true held=true user 1111 deny=false name=ann@contoso.com cells=[{a ann@contoso.com; ghost@x }] unknown=false",
		"10:9 entry=true held=true user  deny=false name=ghost@x cells=[{a ann@contoso.com; ghost@x }] unknown=true",
		"11:9 entry=false held=true user  deny=true name= cells=[{b bob@contoso.com }] unknown=false",
		"11:9 entry=true held=true user 2222 deny=true name=bob@contoso.com cells=[{b bob@contoso.com }] unknown=false",
	})
}
