package transform

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"importer/extract"
)

// A person of the POSIX tests: a user in groups.
type person struct {
	uid  uint32
	gids []uint32
}

// mayPOSIX is the algorithm of acl(5): the first class that fits decides.
func mayPOSIX(who person, p extract.Posix, bit uint8) bool {
	if who.uid == p.UID {
		return p.User&bit != 0
	}
	for _, u := range p.Users {
		if u.ID == who.uid {
			return u.Perm&bit != 0
		}
	}
	fits := false
	for _, g := range append([]extract.PosixEntry{{ID: p.GID, Perm: p.Group}}, p.Groups...) {
		if slices.Contains(who.gids, g.ID) {
			if g.Perm&bit != 0 {
				return true
			}
			fits = true
		}
	}
	return !fits && p.Other&bit != 0
}

// mayRead is what the system decides on a file in its folders.
func mayRead(who person, perms []extract.Posix) bool {
	for _, p := range perms[1:] {
		if !mayPOSIX(who, p, 1) {
			return false
		}
	}
	return mayPOSIX(who, perms[0], 4)
}

// letsIn is what Graph decides on the entries made of them.
func letsIn(who person, grants, denies []string) bool {
	is := func(name string) bool {
		return name == "other" || name == fmt.Sprint("uid:", who.uid) || slices.ContainsFunc(who.gids, func(g uint32) bool { return name == fmt.Sprint("gid:", g) })
	}
	return slices.ContainsFunc(grants, is) && !slices.ContainsFunc(denies, is)
}

// Nobody is let in whom the system keeps out, whatever the permissions; and
// the usual ones are exact.
func TestReadersNeverLetIn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var everybody []person
	for uid := range uint32(5) {
		for set := range 8 {
			p := person{uid: uid}
			for g := range 3 {
				if set&(1<<g) != 0 {
					p.gids = append(p.gids, uint32(g))
				}
			}
			everybody = append(everybody, p)
		}
	}
	perm := func() extract.Posix {
		p := extract.Posix{UID: r.Uint32N(4), GID: r.Uint32N(3), User: uint8(r.UintN(8)), Group: uint8(r.UintN(8)), Other: uint8(r.UintN(8))}
		for range r.IntN(3) {
			p.Users = append(p.Users, extract.PosixEntry{ID: r.Uint32N(4), Perm: uint8(r.UintN(8))})
		}
		for range r.IntN(3) {
			p.Groups = append(p.Groups, extract.PosixEntry{ID: r.Uint32N(3), Perm: uint8(r.UintN(8))})
		}
		return p
	}
	let, could := 0, 0
	for range 60_000 {
		perms := []extract.Posix{perm()}
		for range r.IntN(4) {
			perms = append(perms, perm())
		}
		grants, denies := readers(perms)
		for _, who := range everybody {
			may, in := mayRead(who, perms), letsIn(who, grants, denies)
			if may {
				could++
			}
			if in {
				let++
			}
			if in && !may {
				t.Fatalf("%+v is let in by %v, not %v, and the system keeps them out of %+v", who, grants, denies, perms)
			}
		}
	}
	t.Logf("%d of %d who can read are let in", let, could)
	if let*100 < could*60 {
		t.Errorf("only %d of %d who can read are let in", let, could)
	}
}

func TestReaders(t *testing.T) {
	file := func(mode uint8, more ...extract.Posix) []extract.Posix { // owner 1, group 10; mode in octal digits of r, r, r
		return append([]extract.Posix{{UID: 1, GID: 10, User: mode & 4, Group: mode & 2 << 1, Other: mode & 1 << 2}}, more...)
	}
	open := extract.Posix{User: 7, Group: 5, Other: 5}
	team := extract.Posix{UID: 0, GID: 20, User: 7, Group: 5}
	own := extract.Posix{UID: 1, GID: 10, User: 7, Group: 5}
	for _, tt := range []struct {
		name  string
		perms []extract.Posix
		want  string
	}{
		{"0644", file(7), "uid:1 gid:10 other -"},
		{"0640", file(6), "uid:1 gid:10 -"},
		{"0600", file(4), "uid:1 -"},
		{"0604: the group is kept out", file(5), "uid:1 other - gid:10"},
		{"0044: the owner is kept out", file(3), "gid:10 other - uid:1"},
		{"0000", file(0), " -"},
		{"0644 in open folders", file(7, open, open), "uid:1 gid:10 other -"},
		{"0644 in a folder of a team", file(7, team), "uid:0 gid:20 -"},
		{"0640 in a folder of its own", file(6, own), "uid:1 gid:10 -"},
		{"0640 in a folder of another team", file(6, team), " -"},
		{"0644 in a team's folder in an open one", file(7, team, open), "uid:0 gid:20 -"},
		{"0644 in a folder that nobody may pass", file(7, extract.Posix{}), " -"},
		{"an access control list", []extract.Posix{{UID: 1, GID: 10, User: 6, Users: []extract.PosixEntry{{ID: 7, Perm: 4}, {ID: 8}}, Groups: []extract.PosixEntry{{ID: 30, Perm: 4}}}},
			"uid:1 uid:7 gid:30 - uid:8"},
		{"nothing is known", nil, " -"},
	} {
		grants, denies := readers(tt.perms)
		if got := strings.TrimRight(strings.Join(grants, " ")+" - "+strings.Join(denies, " "), " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// The permissions of files become entries by a table of identities.
func TestAccessRules(t *testing.T) {
	files := map[string]string{
		"people.csv": peopleFile,
		"unix.csv":   "identity,type,value\nuid:1,user,ann@contoso.com\ngid:10,externalGroup,Staff\ngid:20,nobody,\nother,everyoneExceptGuests,\nuid:2,user,bob@contoso.com\n",
		"perms.csv": "Path,IdentityReference,AccessControlType,FileSystemRights\n" +
			`D:\share\HR\Plan.pdf,CONTOSO\asmith,Allow,"ReadAndExecute, Synchronize"` + "\n" +
			`D:\share\hr\plan.pdf,BUILTIN\Administrators,Allow,FullControl` + "\n" +
			`d:\share\hr\plan.pdf,Everyone,Deny,FullControl` + "\n" +
			`D:\share\b.pdf,S-1-5-21-7-2001,Allow,-1610612736` + "\n" +
			`D:\share\b.pdf,CONTOSO\bob,Allow,"Write, Synchronize"` + "\n" +
			`D:\share\b.pdf,CONTOSO\bob,Deny,Write` + "\n" +
			`D:\share\c.pdf,,,` + "\n" +
			`D:\share\d.pdf,CONTOSO\ghost,Allow,Read` + "\n" +
			`D:\share\e.pdf,CONTOSO\asmith,Allow,Read` + "\n" + `D:\share\e.pdf,BUILTIN\Administrators,Deny,Read` + "\n" +
			`D:\share\g.pdf,Everyone,Allow,R` + "\n" + `D:\share\g.pdf,CONTOSO\asmith,Deny,(N)` + "\n" +
			`D:\other\f.pdf,CONTOSO\asmith,Allow,Read` + "\n",
		"names.csv": "identity,type,value\nEveryone,everyone,\n",
	}
	const top = "identities: {file: people.csv, columns: {id: Object, type: What, userPrincipalName: Sign-in, mail: E-Mail, samAccountName: Account, sid: SID}, match: [samAccountName], stripDomain: true}\ngroups: {folders: .access.csv}"
	posix := func(mode uint8, uid uint32) *extract.Access {
		return &extract.Access{Posix: []extract.Posix{{UID: uid, GID: 10, User: mode & 4, Group: mode & 2 << 1, Other: mode & 1 << 2}}}
	}
	for _, tt := range []struct {
		acl, path string
		acc       *extract.Access
		want      string
	}{
		{"{from: posix, principals: unix.csv}", "a", posix(7, 1), "everyoneExceptGuests:everyone externalGroup:Staff user:" + ann},
		{"{from: posix, principals: unix.csv}", "a", posix(4, 2), "user:" + bob},
		{"{from: posix, principals: unix.csv}", "a", posix(5, 1), "everyoneExceptGuests:everyone -externalGroup:Staff user:" + ann},
		{"{from: posix, principals: unix.csv}", "a", posix(4, 9), ReasonUnknownPrincipal},
		{"{from: posix, principals: unix.csv}", "a", posix(0, 1), ReasonEmptyACL},
		{"{from: posix, principals: unix.csv}", "a", nil, ReasonNoAccess},
		{"{from: posix, principals: unix.csv}", "a", &extract.Access{Unknown: "it is on a share"}, ReasonNoAccess},
		{"{from: folder}", "a", &extract.Access{Folder: "hr/plans"}, "externalGroup:e_folder_2Fs_2Fhr_2Fplans"},
		{"{from: folder}", "a", &extract.Access{}, ReasonNoAccess},
		{`{from: ntfs, table: perms.csv, root: 'D:\share', principals: names.csv}`, "hr/plan.pdf", nil, "-everyone:everyone user:" + ann},
		{`{from: ntfs, table: perms.csv, root: 'D:\share\', principals: names.csv}`, "b.pdf", nil, "group:" + staff},
		{`{from: ntfs, table: perms.csv, root: 'D:/share'}`, "c.pdf", nil, ReasonEmptyACL},
		{`{from: ntfs, table: perms.csv, root: 'D:\share'}`, "d.pdf", nil, ReasonUnknownPrincipal},
		{`{from: ntfs, table: perms.csv, root: 'D:\share'}`, "e.pdf", nil, ReasonUnknownPrincipal}, // a deny is never left out
		{`{from: ntfs, table: perms.csv, root: 'D:\share', principals: names.csv}`, "g.pdf", nil, "everyone:everyone -user:" + ann},
		{`{from: ntfs, table: perms.csv, root: 'D:\share'}`, "f.pdf", nil, ReasonNoAccess},
	} {
		m, err := mappingIn(t, top, "["+tt.acl+"]", files)
		if err != nil {
			t.Fatalf("%s: %v", tt.acl, err)
		}
		rec := row("s.csv", 2, []string{"a", "b"}, "", "")
		rec.File = &extract.File{Path: tt.path, Access: tt.acc}
		it, err := m.Sources[0].Apply(rec)
		got := ""
		var bad *ItemError
		if errors.As(err, &bad) {
			got = bad.Reason
		} else if err == nil {
			got = words(it.ACL)
		}
		if got != tt.want {
			t.Errorf("%s of %s: %s, want %s (%v)", tt.acl, tt.path, got, tt.want, err)
		}
	}
}

// What is attached to a file is for those who may read that.
func TestAccessOfAttachments(t *testing.T) {
	files := map[string]string{"people.csv": "id,mail\n" + ann + ",ann@x\n", "perms.csv": "path,identity,access,rights\nhr/mail.eml,ann@x,Allow,Read\n", "unix.csv": "identity,type,value\nuid:1,user,ann@x\ngid:10,nobody,\nother,nobody,\n"}
	for _, acl := range []string{"[{from: ntfs, table: perms.csv}]", "[{from: posix, principals: unix.csv}]"} {
		m, err := mappingIn(t, "identities: {file: people.csv}", acl, files)
		if err != nil {
			t.Fatal(err)
		}
		rec := row("hr/mail.eml!plan.pdf", 0, []string{"a", "b"}, "", "")
		rec.Part = &extract.Part{Path: "plan.pdf"}
		rec.SetFile(&extract.File{Path: "hr/mail.eml", Access: &extract.Access{Posix: []extract.Posix{{UID: 1, GID: 10, User: 6}}}})
		it, err := m.Sources[0].Apply(rec)
		if err != nil || words(it.ACL) != "user:"+ann {
			t.Errorf("%s: %v, %v", acl, it, err)
		}
	}
}

func TestRightsRead(t *testing.T) {
	for rights, want := range map[string]string{
		"FullControl": "true true", "Modify, Synchronize": "true true", "ReadAndExecute": "true true", "Write": "false true", "268435456": "true true",
		"-1610612736": "true true", "1": "true true", "2": "false true", "Read, Party": "false false", "": "false false", "(RX)": "true true", "ReadAttributes, Synchronize": "false true",
	} {
		reads, known := rightsRead(rights)
		if got := fmt.Sprint(reads, known); got != want {
			t.Errorf("rightsRead(%q) = %s, want %s", rights, got, want)
		}
	}
}

// What is wrong with an entry that takes over permissions is told.
func TestAccessFindings(t *testing.T) {
	for acl, want := range map[string]string{
		"[{from: posix}]":                                             "whom uids and gids are is not said",
		"[{from: ntfs}]":                                              "there is no table of permissions",
		"[{from: folder}]":                                            "does not say which files in folders",
		"[{from: folders}]":                                           `from cannot be "folders"`,
		"[{from: ntfs, grant: everyone}]":                             "both grants or denies and takes over",
		"[{grant: everyone, table: x.csv}]":                           "table does not go with grant",
		"[{from: posix, principals: x.csv}]":                          "x.csv cannot be read",
		"[{from: posix, principals: bad.csv, value: a}]":              "from takes no value",
		"[{from: posix, principals: bad.csv}]":                        `bad.csv:2:1: the type "robot" is not known`,
		"[{from: ntfs, table: perms.csv, root: 'C:\\nowhere'}]":       "no path of the table is below the root",
		"[{from: ntfs, table: rights.csv}]":                           `rights.csv:2:1: the rights "Party" are not known`,
		"[{from: posix, principals: bad.csv, root: x}]":               "root does not go with from: posix",
		"[{from: ntfs, table: perms.csv, principals: 'people2.csv'}]": `people2.csv:2:1: the user "nobody@x" is not in the identities file`,
	} {
		_, err := mappingIn(t, "identities: {file: people.csv, columns: {id: Object}}", acl, map[string]string{
			"people.csv": peopleFile, "bad.csv": "identity,type,value\nuid:1,robot,x\n", "perms.csv": "path,identity,access,rights\nD:\\a,x,Allow,Read\n",
			"rights.csv": "path,identity,access,rights\na,x,Allow,Party\n", "people2.csv": "identity,type,value\nx,user,nobody@x\n"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", acl, err, want)
		}
	}
}
