package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"importer/pipeline/state"
	"importer/transform"
)

// Folders say who may see what lies in them: the nearest one counts, and a
// change of it changes a group and not the items.
func TestAccessOfFolders(t *testing.T) {
	w, dir := peopleWorld(t, "identities: {entra: true}\ngroups: {folders: .access.csv}\n", "[{from: folder}]")
	admin := &memAdmin{ready: true}
	w.tweak = func(c *Crawl) { c.Lookup, c.Admin = dir, admin }
	src, err := os.ReadFile(filepath.Join(w.dir, "mapping.yaml"))
	w.must(err)
	w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(strings.Replace(string(src), "files/*.csv", "files/**/*.csv", 1)), 0o600))
	access := func(folder string, lines ...string) {
		path := filepath.Join(w.dir, "files", folder, ".access.csv")
		w.must(os.MkdirAll(filepath.Dir(path), 0o700))
		w.must(os.WriteFile(path, []byte("memberType,member\n"+strings.Join(lines, "\n")+"\n"), 0o600))
	}
	group := func(folder string) string { return transform.FolderGroup("rows", folder).ID }
	members := func(folder string) string {
		var ids []string
		for _, m := range admin.groups[group(folder)] {
			ids = append(ids, m.ID[:1])
		}
		slices.Sort(ids)
		return strings.Join(ids, "")
	}
	w.write("none.csv", "0,zero,1")
	w.write("hr/a.csv", "1,one,1")
	w.write("hr/deep/down/b.csv", "2,two,1")
	w.write("hr/pay/c.csv", "3,three,1")
	access("hr", "user,ann@x", ",bob@x", "user,ghost@x")
	access("hr/pay", "user,bob@x")
	rep := w.mustCrawl()
	w.wantItems("1", "2", "3")
	items := w.target.snapshot()
	for id, folder := range map[string]string{"1": "hr", "2": "hr", "3": "hr/pay"} {
		if !strings.Contains(items[id], group(folder)) {
			t.Errorf("item %s is %s, want the group of %s", id, items[id], folder)
		}
	}
	if members("hr") != "12" || members("hr/pay") != "2" {
		t.Errorf("members of hr %q, of hr/pay %q", members("hr"), members("hr/pay"))
	}
	if len(rep.Problems) != 1 || !strings.Contains(rep.Problems[0], ".access.csv:4: the user \"ghost@x\"") || rep.Quarantined != 1 {
		t.Errorf("problems %q, %d in quarantine", rep.Problems, rep.Quarantined)
	}

	access("hr/pay", "user,ann@x")
	rep = w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 4, Unchanged: 3, Quarantined: 1})
	if members("hr/pay") != "1" {
		t.Errorf("members of hr/pay %q", members("hr/pay"))
	}
	// A file that cannot be read shows nothing, rather than what a folder further
	// out says.
	access("hr/pay", "user")
	rep = w.mustCrawl()
	w.wantItems("1", "2")
	if len(rep.Causes) != 1 || !slices.ContainsFunc(rep.Causes[0].Examples, func(l state.QuarantineLine) bool {
		return strings.Contains(l.Detail, "hr/pay/.access.csv:2: the line has no member")
	}) {
		t.Errorf("causes %+v", rep.Causes)
	}
	// Nor does one that has gone leave the item for those whom it named.
	w.must(os.Remove(filepath.Join(w.dir, "files", "hr", "pay", ".access.csv")))
	w.mustCrawl()
	if it := w.target.snapshot()["3"]; !strings.Contains(it, group("hr")) {
		t.Errorf("item 3 is %s", it)
	}
	if _, left := admin.groups[group("hr/pay")]; left {
		t.Error("the group of a folder that says nothing any more is there")
	}
}

// The items of a share that is not mounted stay, and so do those who may see
// them: the group of a folder goes when the folder does.
func TestAccessOfAFolderThatIsNotMounted(t *testing.T) {
	w, dir := peopleWorld(t, "identities: {entra: true}\ngroups: {folders: .access.csv}\n", "[{from: folder}]")
	admin := &memAdmin{ready: true}
	w.tweak = func(c *Crawl) { c.Lookup, c.Admin = dir, admin }
	w.edit("files/*.csv", "files/**/*.csv")
	for _, folder := range []string{"hr", "it"} {
		w.write(folder+"/"+folder+".csv", folder+",one,1")
		w.must(os.WriteFile(filepath.Join(w.dir, "files", folder, ".access.csv"), []byte("member\nann@x\n"), 0o600))
	}
	w.mustCrawl()
	hr := filepath.Join(w.dir, "files", "hr")
	group := transform.FolderGroup("rows", "hr").ID
	w.must(os.RemoveAll(hr))
	w.must(os.Mkdir(hr, 0o700))
	w.mustCrawl()
	w.wantItems("hr", "it")
	if len(admin.groups[group]) != 1 {
		t.Errorf("the group of the folder has %v", admin.groups[group])
	}
	// Nor does half of a file say who may see the folder.
	w.must(os.WriteFile(filepath.Join(w.dir, "files", "it", ".access.csv"), []byte("member"), 0o600))
	tweak := w.tweak
	w.hold("it/.access.csv")
	holds := w.tweak
	w.tweak = func(c *Crawl) { tweak(c); holds(c) }
	w.mustCrawl()
	w.wantItems("hr", "it")
	if it := transform.FolderGroup("rows", "it").ID; len(admin.groups[it]) != 1 {
		t.Errorf("the group of a folder whose file is held has %v", admin.groups[it])
	}
	w.must(os.WriteFile(filepath.Join(w.dir, "files", "it", ".access.csv"), []byte("member\nann@x\n"), 0o600))
	w.tweak = tweak
	w.must(os.Remove(hr))
	w.mustCrawl()
	w.wantItems("it")
	if _, left := admin.groups[group]; left || len(admin.groups) != 1 {
		t.Errorf("the groups are %v", admin.groups)
	}
}

// Permissions of Windows come from a table, and a change of the table has the
// files read again that it is about.
func TestAccessOfATable(t *testing.T) {
	w, _ := peopleWorld(t, "identities: {entra: true, match: [samAccountName], stripDomain: true}\n", `[{from: ntfs, table: perms.csv, root: 'D:\share', principals: who.csv}]`)
	table := func(lines ...string) {
		w.must(os.WriteFile(filepath.Join(w.dir, "perms.csv"), []byte("path,identity,access,rights\n"+strings.Join(lines, "\n")+"\n"), 0o600))
	}
	w.must(os.WriteFile(filepath.Join(w.dir, "who.csv"), fmt.Appendf(nil, "identity,type,value\nCONTOSO\\Ann,user,%s\nBUILTIN\\Users,everyoneExceptGuests,\n", anna), 0o600))
	w.write("a.csv", "1,one,1")
	w.write("b.csv", "2,two,1")
	w.write("c.csv", "3,three,1")
	a := `D:\share\a.csv,CONTOSO\Ann,Allow,"ReadAndExecute, Synchronize"`
	table(a, `D:\share\B.CSV,BUILTIN\Users,Allow,FullControl`, `D:\share\b.csv,CONTOSO\Ann,Deny,Read`, `D:\share\b.csv,NT AUTHORITY\SYSTEM,Allow,FullControl`)
	w.mustCrawl()
	w.wantItems("1", "2") // of c.csv nothing is known
	if it := w.target.snapshot()["2"]; !strings.Contains(it, "everyoneExceptGuests") || !strings.Contains(it, anna+" true") {
		t.Errorf("item 2 is %s", it)
	}
	table(a, `D:\share\b.csv,CONTOSO\Ann,Allow,Read`)
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 3, Stored: 1, Unchanged: 1, Quarantined: 1})
	if it := w.target.snapshot()["2"]; strings.Contains(it, "everyone") || !strings.Contains(it, anna+" false") {
		t.Errorf("item 2 is %s", it)
	}
}
