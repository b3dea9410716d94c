package transform

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// No mapping and no input makes an item that more people see than the mapping
// says. What it says is worked out here once more, in the plainest way: rule by
// rule, without the machinery of expressions, frames and indexes.

// A plainRule is a rule of an ACL.
type plainRule struct {
	deny  bool
	kind  string
	value string // an expression, one of plainValues
	when  string // one of plainWhens
}

var (
	plainKinds  = []string{"everyone", "everyoneExceptGuests", "user", "group", "externalGroup"}
	plainValues = []string{"a", "b", `split(a, ";")`, `split(b, ",")`, `'"ann@x"'`, `'"nobody@x"'`, "lower(a)"}
	plainWhens  = []string{"", `c == "x"`, `c != ""`, `not (c == "x")`, `a == b`, `c contains "y"`}
)

// plainRules reads rules from bytes, two a rule.
func plainRules(b []byte) (rules []plainRule) {
	for ; len(b) >= 2 && len(rules) < 6; b = b[2:] {
		r := plainRule{deny: b[0]&1 == 1, kind: plainKinds[int(b[0]>>1)%len(plainKinds)], when: plainWhens[int(b[1]>>4)%len(plainWhens)]}
		if !strings.HasPrefix(r.kind, "everyone") {
			r.value = plainValues[int(b[1]&15)%len(plainValues)]
		}
		rules = append(rules, r)
	}
	return rules
}

func (r plainRule) String() string {
	verb := "grant"
	if r.deny {
		verb = "deny"
	}
	s := verb + ": " + r.kind
	if r.value != "" {
		s += ", value: " + yamlQuote(r.value)
	}
	if r.when != "" {
		s += ", when: " + yamlQuote(r.when)
	}
	return "{" + s + "}"
}

func yamlQuote(s string) string {
	if strings.HasPrefix(s, "'") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// holds and names are what a rule says of a record.
func (r plainRule) holds(a, b, c string) bool {
	return map[string]bool{"": true, `c == "x"`: c == "x", `c != ""`: c != "", `not (c == "x")`: c != "x", "a == b": a == b, `c contains "y"`: strings.Contains(c, "y")}[r.when]
}

func (r plainRule) names(a, b string) (names []string) {
	all := map[string][]string{"a": {a}, "b": {b}, `split(a, ";")`: strings.Split(a, ";"), `split(b, ",")`: strings.Split(b, ","), `'"ann@x"'`: {"ann@x"},
		`'"nobody@x"'`: {"nobody@x"}, "lower(a)": {strings.ToLower(a)}}[r.value]
	for _, n := range all {
		if strings.TrimSpace(n) != "" && !blankControls(n) {
			names = append(names, strings.TrimSpace(n))
		}
	}
	return names
}

// blankControls tells a text of nothing but spaces and control characters,
// which counts as an empty cell.
func blankControls(s string) bool {
	return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' || unicode.IsSpace(r) }) == ""
}

// plainPeople are the names that somebody has. Of twin there are two.
var plainPeople = map[string]map[string]string{
	"user":          {"ann@x": ann, "bob@x": bob, "dora@x": carl},
	"group":         {"staff@x": staff, "lab@x": "88888888-8888-8888-8888-888888888888"},
	"externalGroup": {"red": "Red", "blue": "Blue"},
}

// plainACL is what the rules say: the entries, or that the item must not be.
func plainACL(rules []plainRule, a, b, c string, drop bool) (acl []string, refused bool) {
	granted := false
	add := func(r plainRule, value string) {
		e := r.kind + ":" + value
		if r.deny {
			e = "-" + e
		} else {
			granted = true
		}
		acl = append(acl, e)
	}
	for _, r := range rules {
		if !r.holds(a, b, c) {
			continue
		}
		if r.value == "" {
			add(r, "everyone")
			continue
		}
		names := r.names(a, b)
		refused = refused || r.deny && len(names) == 0
		for _, n := range names {
			id, known := plainPeople[r.kind][strings.ToLower(n)]
			switch {
			case !known && isGUID(n) && r.kind != "externalGroup":
				add(r, strings.ToLower(n))
			case known:
				add(r, id)
			default:
				refused = refused || r.deny || !drop
			}
		}
	}
	slices.Sort(acl)
	return slices.Compact(acl), refused || !granted
}

func FuzzVisibility(f *testing.F) {
	f.Add([]byte{0, 0}, "", "", "", false)
	f.Add([]byte{4, 2, 5, 3}, "ann@x; bob@x", "dora@x", "x", false)
	f.Add([]byte{0, 0, 5, 0x10, 7, 1, 9, 1}, "nobody@x", "staff@x,lab@x", "x", true)
	f.Add([]byte{8, 0, 9, 0x21, 6, 3, 7, 3}, "Red", "BLUE,", "y", true)
	f.Add([]byte{4, 0, 5, 6}, "TWIN@x", "11111111-1111-1111-1111-111111111111", "", true)
	f.Add([]byte{2, 0x30, 4, 0x42, 5, 0x51}, ann+";"+bob, " ", "xy", false)
	f.Add([]byte{0, 0, 5, 2}, "; ;", "", "", true)
	files := map[string]string{
		"people.csv": "type,id,mail\nuser," + ann + ",ann@x\nuser," + bob + ",Bob@X\nuser,77777777-7777-7777-7777-777777777771,twin@x\nuser,77777777-7777-7777-7777-777777777772,twin@x\ngroup," + staff + ",staff@x\n",
		"groups.csv": "group,memberType,member\nRed,user,ann@x\nBlue,,\n",
	}
	dir := everybody{{"user", "dora@x"}: {ID: carl}, {"group", "lab@x"}: {ID: "88888888-8888-8888-8888-888888888888"}, {"user", "twin2@x"}: {Several: true}}
	made := map[string]*Source{}
	f.Fuzz(func(t *testing.T, b []byte, a1, b1, c1 string, drop bool) {
		rules := plainRules(b)
		acl := ""
		for _, r := range rules {
			acl += "\n      - " + r.String()
		}
		key := fmt.Sprint(drop, acl)
		src, ok := made[key]
		if !ok {
			unknown := map[bool]string{true: "drop", false: "quarantine"}[drop]
			m, err := mappingIn(t, "identities: {file: people.csv, entra: true, unknown: "+unknown+"}\ngroups: {file: groups.csv}", "["+strings.ReplaceAll(strings.TrimPrefix(acl, "\n      - "), "\n      - ", ", ")+"]", files)
			if err != nil && !slices.ContainsFunc(rules, func(r plainRule) bool { return !r.deny }) {
				return // nothing is granted at all: that is no mapping
			}
			if err != nil {
				t.Fatalf("%s: %v", acl, err)
			}
			src = m.Sources[0]
			if len(made) < 1000 {
				made[key] = src
			}
		}
		want, refused := plainACL(rules, a1, b1, c1, drop)
		it, err := src.ApplyWith(row("s.csv", 2, []string{"a", "b", "c"}, a1, b1, c1), dir)
		var wrong *ItemError
		switch {
		case err != nil && !errors.As(err, &wrong):
			t.Fatalf("%s with %q %q %q: %v", acl, a1, b1, c1, err)
		case refused != (err != nil):
			t.Fatalf("%s with %q %q %q drop %v: error %v, want one: %v", acl, a1, b1, c1, drop, err, refused)
		case refused:
			return
		}
		got := strings.Fields(words(it.ACL))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%s with %q %q %q drop %v: the item is for %q, want %q", acl, a1, b1, c1, drop, got, want)
		}
	})
}

// everybody is a directory that was asked for every name.
type everybody map[Name]Found

func (d everybody) Known(n Name) (Found, bool) { return d[n], true }
