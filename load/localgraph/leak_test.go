package localgraph

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A world is a made-up store and, beside it, all that is needed to say by plain
// rules who sees what.
type world struct {
	r      *rand.Rand
	g      *graph
	users  []User
	teams  map[string][]string    // directory group -> ids of users and directory groups
	groups map[string][]principal // external group -> members
	items  []worldItem
}

type principal struct{ kind, id string }

type worldItem struct {
	id      string
	acl     []ace
	title   []string
	content []string
	status  string
	tags    []string
	level   int
}

// worldWords are such that typos of one are near to others.
var worldWords = strings.Fields("printer painter pointer printed planter paper papers taper tunnel funnel tunnels layoff layoffs playoff salary salaries queue quell bonus bonds onus secret secrete")

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{r: rand.New(rand.NewPCG(seed, 5)), g: open(t, Options{}), teams: map[string][]string{}, groups: map[string][]principal{}}
	w.g.register("desk", helpdesk)
	for i := range 8 {
		w.users = append(w.users, User{ID: fmt.Sprintf("User-%d", i), Guest: i%4 == 3})
	}
	names := func(prefix string, n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("%s%d", prefix, i))
		}
		return list
	}
	teams, groups := names("Team-", 5), names("Group_", 6)
	for _, id := range teams {
		for range w.r.IntN(4) {
			if w.r.IntN(2) == 0 {
				w.teams[id] = append(w.teams[id], w.oneOf(teams))
			} else {
				w.teams[id] = append(w.teams[id], w.user())
			}
		}
	}
	for _, id := range groups {
		for range w.r.IntN(4) {
			p := principal{"user", w.user()}
			switch w.r.IntN(3) {
			case 0:
				p = principal{"externalGroup", w.oneOf(groups)}
			case 1:
				p = principal{"group", w.oneOf(teams)}
			}
			w.groups[id] = append(w.groups[id], p)
		}
	}
	for i := range 60 {
		w.items = append(w.items, w.item(i, teams, groups))
	}
	w.store(t, groups)
	return w
}

func (w *world) oneOf(list []string) string { return list[w.r.IntN(len(list))] }

// user names a user in any case.
func (w *world) user() string { return w.anyCase(w.users[w.r.IntN(len(w.users))].ID) }

func (w *world) anyCase(id string) string {
	return []string{id, strings.ToUpper(id), strings.ToLower(id)}[w.r.IntN(3)]
}

func (w *world) item(i int, teams, groups []string) worldItem {
	it := worldItem{id: fmt.Sprintf("i%d", i), status: w.oneOf([]string{"open", "closed", "On hold", ""}), level: w.r.IntN(4)}
	for range 1 + w.r.IntN(3) {
		e := ace{access: "grant"}
		if w.r.IntN(4) == 0 {
			e.access = "deny"
		}
		switch w.r.IntN(6) {
		case 0:
			e.typ, e.value = "everyone", "everyone"
		case 1:
			e.typ, e.value = "everyoneExceptGuests", "tenant"
		case 2:
			e.typ, e.value = "group", w.anyCase(w.oneOf(teams))
		case 3:
			e.typ, e.value = "user", w.user()
		default:
			e.typ, e.value = "externalGroup", w.oneOf(append(groups, "nosuch"))
		}
		it.acl = append(it.acl, e)
	}
	words := func(n int) (list []string) {
		for range n {
			list = append(list, w.oneOf(worldWords))
		}
		return list
	}
	it.title, it.content = words(1+w.r.IntN(2)), words(1+w.r.IntN(5))
	for range w.r.IntN(3) {
		it.tags = append(it.tags, w.oneOf([]string{"red", "green", "blue"}))
	}
	return it
}

func (w *world) store(t *testing.T, groups []string) {
	var dir []DirectoryGroup
	for id, members := range w.teams {
		dir = append(dir, DirectoryGroup{ID: id, Members: members})
	}
	if err := w.g.srv.ImportDirectory(context.Background(), w.users, dir); err != nil {
		t.Fatal(err)
	}
	for _, id := range groups {
		w.g.want(201, "POST", base+"/desk/groups", map[string]any{"id": id})
		for _, m := range w.groups[id] { // some come twice: 409
			w.g.do("POST", base+"/desk/groups/"+id+"/members", map[string]any{"id": m.id, "type": m.kind})
		}
	}
	for _, it := range w.items {
		var acl []string
		for _, e := range it.acl {
			acl = append(acl, e.access+" "+e.typ+" "+e.value)
		}
		props := map[string]any{"title": strings.Join(it.title, " "), "priority": it.level, "tags@odata.type": "Collection(String)", "tags": append([]string{}, it.tags...)}
		if it.status != "" {
			props["status"] = it.status
		}
		b, _ := json.Marshal(props)
		w.g.putACL("desk", it.id, entries(acl...), string(b), strings.Join(it.content, " "))
	}
}

// sees says by the letter of the rules whether a user sees an item.
func (w *world) sees(u User, it worldItem) bool {
	granted := false
	for _, e := range it.acl {
		if !w.isNamed(u, e) {
			continue
		}
		if e.access == "deny" {
			return false
		}
		granted = true
	}
	return granted
}

func (w *world) isNamed(u User, e ace) bool {
	switch e.typ {
	case "everyone":
		return true
	case "everyoneExceptGuests":
		return !u.Guest
	case "user":
		return strings.EqualFold(e.value, u.ID)
	case "group":
		return w.inTeam(u, e.value, map[string]bool{})
	}
	return w.inGroup(u, e.value, map[string]bool{})
}

func (w *world) inTeam(u User, team string, seen map[string]bool) bool {
	if team = strings.ToLower(team); seen[team] {
		return false
	}
	seen[team] = true
	for id, members := range w.teams {
		if strings.ToLower(id) != team {
			continue
		}
		for _, m := range members {
			if strings.EqualFold(m, u.ID) || w.inTeam(u, m, seen) {
				return true
			}
		}
	}
	return false
}

func (w *world) inGroup(u User, group string, seen map[string]bool) bool {
	if seen[group] {
		return false
	}
	seen[group] = true
	return slices.ContainsFunc(w.groups[group], func(m principal) bool {
		switch m.kind {
		case "user":
			return strings.EqualFold(m.id, u.ID)
		case "group":
			return w.inTeam(u, m.id, map[string]bool{})
		}
		return w.inGroup(u, m.id, seen)
	})
}

// A check is a query and who matches it.
type check struct {
	query string
	match func(it worldItem) bool
}

func (it worldItem) has(word string) bool {
	return slices.Contains(it.title, word) || slices.Contains(it.content, word)
}

func (w *world) checks() []check {
	a, b, c := w.oneOf(worldWords), w.oneOf(worldWords), w.oneOf(worldWords)
	level := w.r.IntN(4)
	return []check{
		{"*", func(worldItem) bool { return true }},
		{a, func(it worldItem) bool { return it.has(a) }},
		{a + " " + b, func(it worldItem) bool { return it.has(a) && it.has(b) }},
		{a + " OR " + b + " OR " + c, func(it worldItem) bool { return it.has(a) || it.has(b) || it.has(c) }},
		{a + " NOT " + b, func(it worldItem) bool { return it.has(a) && !it.has(b) }},
		{"NOT " + a, func(it worldItem) bool { return !it.has(a) }},
		{a[:2] + "*", func(it worldItem) bool {
			return slices.ContainsFunc(append(slices.Clone(it.title), it.content...), func(s string) bool { return strings.HasPrefix(s, a[:2]) })
		}},
		{"title:" + a, func(it worldItem) bool { return slices.Contains(it.title, a) }},
		{"status:open", func(it worldItem) bool { return it.status == "open" }},
		{a + " OR status:hold", func(it worldItem) bool { return it.has(a) || it.status == "On hold" }},
		{fmt.Sprintf("(%s OR %s) priority>=%d", a, b, level), func(it worldItem) bool { return (it.has(a) || it.has(b)) && it.level >= level }},
		{fmt.Sprintf("tags:red AND NOT (%s OR priority:%d)", a, level), func(it worldItem) bool {
			return slices.Contains(it.tags, "red") && !it.has(a) && it.level != level
		}},
	}
}

// expression makes a query of any shape and says who matches it.
func (w *world) expression(depth int) check {
	if depth == 0 || w.r.IntN(8) == 0 {
		word, level := w.oneOf(worldWords), w.r.IntN(4)
		return []check{
			{word, func(it worldItem) bool { return it.has(word) }},
			{word, func(it worldItem) bool { return it.has(word) }},
			{word[:3] + "*", func(it worldItem) bool {
				return slices.ContainsFunc(append(slices.Clone(it.title), it.content...), func(s string) bool { return strings.HasPrefix(s, word[:3]) })
			}},
			{"title:" + word, func(it worldItem) bool { return slices.Contains(it.title, word) }},
			{fmt.Sprintf("priority<%d", level), func(it worldItem) bool { return it.level < level }},
			{"status=open", func(it worldItem) bool { return it.status == "open" }},
			{`status<>"on hold"`, func(it worldItem) bool { return it.status != "On hold" }},
			{"tags:blue", func(it worldItem) bool { return slices.Contains(it.tags, "blue") }},
			{"*", func(worldItem) bool { return true }},
		}[w.r.IntN(9)]
	}
	a := w.expression(depth - 1)
	if w.r.IntN(4) == 0 {
		return check{w.oneOf([]string{"NOT (", "-("}) + a.query + ")", func(it worldItem) bool { return !a.match(it) }}
	}
	b := w.expression(depth - 1)
	if w.r.IntN(2) == 0 {
		return check{"(" + a.query + ") OR (" + b.query + ")", func(it worldItem) bool { return a.match(it) || b.match(it) }}
	}
	return check{"(" + a.query + w.oneOf([]string{") AND (", ") ("}) + b.query + ")", func(it worldItem) bool { return a.match(it) && b.match(it) }}
}

// Queries of any shape mean what they say.
func TestAnyShape(t *testing.T) {
	w := newWorld(t, 99)
	for i := range 400 {
		u, ch := w.users[i%len(w.users)], w.expression(1+i%7)
		var want []worldItem
		for _, it := range w.items {
			if w.sees(u, it) && ch.match(it) {
				want = append(want, it)
			}
		}
		w.compare(t, uint64(i), u, ch.query, want)
	}
}

// A search finds what the rules say, counts no more than that, and shows text
// of it only, whoever asks and whatever the groups are.
func TestNothingLeaks(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		w := newWorld(t, seed)
		for _, u := range append(slices.Clone(w.users), User{ID: "stranger", Guest: true}) {
			for _, ch := range w.checks() {
				var want []worldItem
				for _, it := range w.items {
					if w.sees(u, it) && ch.match(it) {
						want = append(want, it)
					}
				}
				w.compare(t, seed, u, ch.query, want)
			}
			for range 4 {
				w.spell(t, seed, u)
			}
		}
	}
}

const worldAggs = `"aggregations":[{"field":"status"},{"field":"tags"},{"field":"priority","bucketDefinition":{"ranges":[{"to":"2"},{"from":"2"}]}}]`

func (w *world) compare(t *testing.T, seed uint64, u User, query string, want []worldItem) {
	t.Helper()
	ids, a := w.g.search(u.ID, "desk", query, worldAggs+`,"size":500`)
	if a.status != 200 {
		t.Fatalf("world %d: %q = %v", seed, query, a)
	}
	var wanted []string
	count := map[string]int{}
	for _, it := range want {
		wanted = append(wanted, it.id)
		if it.status != "" {
			count["status "+it.status]++
		}
		for _, tag := range slices.Compact(slices.Sorted(slices.Values(it.tags))) {
			count["tags "+tag]++
		}
		count["priority "+[]string{"Less than 2", "2 and up"}[it.level/2]]++
	}
	// Small pages, which are found in another way, are parts of the large one.
	var pages []string
	for from := 0; from < len(ids); from += 7 {
		page, _ := w.g.search(u.ID, "desk", query, fmt.Sprintf(`"from":%d,"size":7`, from))
		pages = append(pages, page...)
	}
	if !slices.Equal(pages, ids) {
		t.Errorf("world %d: %s searches %q: one page is %v, the pages of 7 are %v", seed, u.ID, query, ids, pages)
	}
	got := slices.Sorted(slices.Values(ids))
	slices.Sort(wanted)
	container := func(path ...any) any { return a.get(append([]any{"value", 0, "hitsContainers", 0}, path...)...) }
	if !slices.Equal(got, wanted) || fmt.Sprint(container("total")) != fmt.Sprint(len(wanted)) {
		t.Errorf("world %d: %s searches %q and finds %v of %v, want %v", seed, u.ID, query, got, container("total"), wanted)
	}
	for i, field := range []string{"status", "tags", "priority"} {
		buckets, _ := container("aggregations", i, "buckets").([]any)
		for k := range buckets {
			key := field + " " + container("aggregations", i, "buckets", k, "key").(string)
			if n := fmt.Sprint(container("aggregations", i, "buckets", k, "count")); n != fmt.Sprint(count[key]) {
				t.Errorf("world %d: %s searches %q: %s is counted %s times, want %d", seed, u.ID, query, key, n, count[key])
			}
			delete(count, key)
		}
	}
	if len(count) > 0 {
		t.Errorf("world %d: %s searches %q: not counted: %v", seed, u.ID, query, count)
	}
	hits, _ := container("hits").([]any)
	for i, id := range ids[:min(len(ids), len(hits))] {
		summary, _ := container("hits", i, "summary").(string)
		it := w.items[slices.IndexFunc(w.items, func(it worldItem) bool { return it.id == id })]
		for _, word := range folds(strings.NewReplacer("<c0>", " ", "</c0>", " ", "<ddd/>", " ").Replace(summary)) {
			if !it.has(word) {
				t.Errorf("world %d: the summary of %s is %q: %q is of another item", seed, id, summary, word)
			}
		}
	}
}

// spell makes a typo of a word and compares what is suggested with the rule,
// which looks at nothing but what the user sees.
func (w *world) spell(t *testing.T, seed uint64, u User) {
	t.Helper()
	typo := []rune(w.oneOf(worldWords))
	for range 1 + w.r.IntN(2) {
		i := w.r.IntN(len(typo))
		switch w.r.IntN(3) {
		case 0:
			typo[i] = rune("aeiourstln"[w.r.IntN(10)])
		case 1:
			typo = slices.Delete(typo, i, i+1)
		default:
			typo = slices.Insert(typo, i, rune("aeiourstln"[w.r.IntN(10)]))
		}
	}
	word := string(typo)
	hits := map[string]int{}
	for _, it := range w.items {
		if w.sees(u, it) {
			for _, word := range slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(it.title), it.content...)))) {
				hits[word]++
			}
		}
	}
	want := plainlyLike(word, hits)
	got, _, a := w.g.respelled(u.ID, word, `{"enableSuggestion":true}`, "")
	if got != want {
		t.Errorf("world %d: %s searches %q and is suggested %q, want %q\n%v", seed, u.ID, word, got, want, a)
	}
}

// plainlyLike is the rule of suggestions over the words that a user sees.
func plainlyLike(word string, hits map[string]int) string {
	if hits[word] > 0 || len(word) < 3 {
		return ""
	}
	swapped := word[1:2] + word[:1]
	pick := func(most int, begins ...string) string {
		var list []string
		for w := range hits {
			if plainDistance(word, w) <= most && slices.ContainsFunc(begins, func(b string) bool { return strings.HasPrefix(w, b) }) {
				list = append(list, w)
			}
		}
		if len(list) == 0 {
			return ""
		}
		return slices.MinFunc(list, func(a, b string) int {
			return cmp.Or(plainDistance(word, a)-plainDistance(word, b), hits[b]-hits[a], strings.Compare(a, b))
		})
	}
	most := 1
	if len(word) >= 6 {
		most = 2
	}
	return cmp.Or(pick(1, word[:2], swapped), pick(most, word[:1], swapped))
}

// plainDistance is distance as one would define it.
func plainDistance(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	d := plainDistance(a[1:], b[1:])
	if a[0] == b[0] {
		return d
	}
	if len(a)-len(b) > 3 || len(b)-len(a) > 3 {
		return 3
	}
	d = min(d, plainDistance(a[1:], b), plainDistance(a, b[1:]))
	if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
		d = min(d, plainDistance(a[2:], b[2:]))
	}
	return d + 1
}

// A user may be in as many external groups as the API allows at query time.
func TestTenThousandGroups(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	cn, err := g.srv.connection(context.Background(), "desk")
	if err != nil {
		t.Fatal(err)
	}
	err = g.srv.w.do(context.Background(), func(tx *wtx) error {
		for i := range 10_000 {
			if err := tx.exec(`INSERT INTO members (conn, who, grp, kind, id) VALUES (?, ?, ?, 'user', 'ann')`, cn.n, who("user", "ann"), fmt.Sprintf("g%d", i)); err != nil {
				return err
			}
		}
		return tx.exec(`INSERT INTO members (conn, who, grp, kind, id) VALUES (?, ?, 'top', 'externalGroup', 'g9999')`, cn.n, who("externalGroup", "g9999"))
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, acl := range map[string]string{
		"first": entries("grant externalGroup g0"), "last": entries("grant externalGroup g9999"), "top": entries("grant externalGroup top"),
		"none": entries("grant externalGroup g10000"), "denied": entries("grant everyone everyone", "deny externalGroup g5000"),
	} {
		g.putACL("desk", id, acl, `{"title":"word"}`, "")
	}
	ids, _ := g.search("ann", "desk", "word", "")
	if got := strings.Join(slices.Sorted(slices.Values(ids)), " "); got != "first last top" {
		t.Errorf("ann finds %q, want first last top", got)
	}
	if ids, _ := g.search("bob", "desk", "word", ""); !slices.Equal(ids, []string{"denied"}) {
		t.Errorf("bob finds %v, want denied", ids)
	}
}
