//go:build unix

package localgraph

import (
	"bytes"
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The search benchmark fills a store with items of 2.7 KB under 5,000 distinct
// ACLs and runs each class of query over it, as people who may see a part of
// it, nearly nothing, and everything.
//
//	make bench-search
//
// With -bench.store the store is kept in a folder, and used again if it is
// there. It must have been made with the same -bench.items.
var (
	benchItems = flag.Int("bench.items", 200_000, "items of the search benchmark")
	benchStore = flag.String("bench.store", "", "`folder` that keeps the store of the search benchmark")
)

const (
	benchGroups = 1000 // external groups that hold people
	benchTeams  = 200  // directory groups
	benchACLs   = 5000
)

// benchACL is the k-th ACL: groups at three levels of nesting, directory
// groups, people, and denies in every tenth.
func benchACL(k int) string {
	r := rand.New(rand.NewPCG(uint64(k), 3))
	lines := []string{fmt.Sprintf("grant externalGroup x%d", r.IntN(benchGroups)), fmt.Sprintf("grant user owner%d", k), "grant group all"}
	switch k % 10 {
	case 0:
		lines = append(lines, fmt.Sprintf("deny externalGroup x%d", r.IntN(benchGroups-100)+100), fmt.Sprintf("deny user u%d", r.IntN(1000)))
	case 1, 2, 3:
		lines = append(lines, fmt.Sprintf("grant group t%d", r.IntN(benchTeams)))
	case 4:
		lines = append(lines, fmt.Sprintf("grant externalGroup y%d", r.IntN(benchGroups/20)))
	case 5:
		lines = append(lines, fmt.Sprintf("grant externalGroup x%d", r.IntN(benchGroups)))
	case 6:
		lines = append(lines, fmt.Sprintf("grant externalGroup z%d", r.IntN(benchGroups/200)))
	}
	return entries(lines...)
}

// benchPeople writes the groups: ann is in 50 of them and some teams, hub in
// 10,000, boss in the one that every ACL grants, and nobody in any.
func benchPeople(b *testing.B, g *graph) {
	cn, err := g.srv.connection(context.Background(), "desk")
	if err != nil {
		b.Fatal(err)
	}
	err = g.srv.w.do(context.Background(), func(tx *wtx) error {
		join := func(grp, kind, id string) error {
			return tx.exec(`INSERT OR IGNORE INTO members (conn, who, grp, kind, id) VALUES (?, ?, ?, ?, ?)`, cn.n, who(kind, id), grp, kind, id)
		}
		for i := range benchGroups {
			x, y, z := fmt.Sprintf("x%d", i), fmt.Sprintf("y%d", i/20), fmt.Sprintf("z%d", i/200)
			for _, m := range [][3]string{{y, "externalGroup", x}, {z, "externalGroup", y}, {x, "user", fmt.Sprintf("u%d", i)}} {
				if err := join(m[0], m[1], m[2]); err != nil {
					return err
				}
			}
			if i%20 == 0 && i < 1000 {
				if err := join(x, "user", "ann"); err != nil {
					return err
				}
			}
		}
		if err := join("x7", "group", "t3"); err != nil { // a directory group in an external one
			return err
		}
		for i := range 10_000 {
			if err := join(fmt.Sprintf("h%d", i), "user", "hub"); err != nil {
				return err
			}
		}
		for i := range benchGroups / 2 { // and some that count
			if err := join(fmt.Sprintf("x%d", i*2), "externalGroup", fmt.Sprintf("h%d", i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	teams := []DirectoryGroup{{ID: "inner", Members: []string{"boss"}}, {ID: "all", Members: []string{"inner"}}}
	for i := range benchTeams {
		members := []string{fmt.Sprintf("u%d", i), fmt.Sprintf("t%d", (i+7)%benchTeams)}
		if i%40 == 3 {
			members = append(members, "ann")
		}
		teams = append(teams, DirectoryGroup{ID: fmt.Sprintf("t%d", i), Members: members})
	}
	users := []User{{ID: "ann"}, {ID: "boss"}, {ID: "hub"}, {ID: "nobody"}}
	if err := g.srv.ImportDirectory(context.Background(), users, teams); err != nil {
		b.Fatal(err)
	}
}

func searchItem(w words, i int) string {
	return fmt.Sprintf(`{"acl":%s,"properties":{"title":"%s",
		"url":"https://desk.example/%d","status":"s%d","team":"t%d","priority":%d,"cost":%d.5,"opened":"20%02d-%02d-%02dT08:%02d:00Z","urgent":%t,
		"tags@odata.type":"Collection(String)","tags":["a%d","b"],"note":"%s"},"content":{"type":"text","value":"%s"}}`,
		benchACL(i*7919%benchACLs), w.text(30), i, i%6, i%40, i%5, i, 10+i%16, 1+i%12, 1+i%28, i%60, i%2 == 0, i%9, w.text(40), w.text(2600))
}

// fill stores the items through the handler and returns how many of them a
// second of CPU takes.
func fill(b *testing.B, g *graph, n int) float64 {
	g.register("desk", benchSchema)
	benchPeople(b, g)
	w := newWords(2)
	var spent time.Duration
	for from := 0; from < n; {
		items := make([]string, min(10_000, n-from)) // not all at once: memory is measured too
		for i := range items {
			items[i] = searchItem(w, from+i)
		}
		start := cpu()
		putAll(b, g, from, items)
		spent += cpu() - start
		from += len(items)
	}
	return float64(n) / spent.Seconds()
}

// filled opens the store of the benchmark, and fills it unless it is kept.
func filled(b *testing.B) *graph {
	dir := *benchStore
	if dir == "" {
		dir = b.TempDir()
	}
	_, err := os.Stat(filepath.Join(dir, "graph.db"))
	srv, e := Open(dir, Options{SchemaDelay: time.Nanosecond})
	if e != nil {
		b.Fatal(e)
	}
	b.Cleanup(func() { srv.Close() })
	g := &graph{t: b, srv: srv, dir: dir}
	if err != nil {
		rate := fill(b, g, *benchItems)
		b.Logf("%d items, %.0f stored in a second of CPU (goal: 3000)", *benchItems, rate)
	}
	return g
}

// report logs what the store and this process take.
func report(b *testing.B, dir string) {
	var size int64
	files, _ := filepath.Glob(filepath.Join(dir, "graph.db*"))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			size += info.Size()
		}
	}
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	peak := int64(u.Maxrss)
	if runtime.GOOS == "linux" {
		peak <<= 10 // kilobytes there, bytes elsewhere
	}
	b.Logf("store %d MB, peak memory of server and benchmark %d MB", size>>20, peak>>20)
}

// A lexicon is the words of the store by how many items have them.
type lexicon []struct {
	word string
	n    int
}

func readLexicon(b *testing.B, dir string) lexicon {
	db, err := sql.Open("sqlite", filepath.Join(dir, "graph.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT term, doc FROM v1 ORDER BY doc, term`)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	var v lexicon
	for rows.Next() {
		v = append(v, struct {
			word string
			n    int
		}{})
		if err := rows.Scan(&v[len(v)-1].word, &v[len(v)-1].n); err != nil {
			b.Fatal(err)
		}
	}
	return v
}

// in gives the word that this share of the items has, and k others about as frequent.
func (v lexicon) in(share float64, k int) string {
	want := int(share * float64(*benchItems))
	i, _ := slices.BinarySearchFunc(v, want, func(e struct {
		word string
		n    int
	}, want int) int {
		return e.n - want
	})
	return v[max(0, min(i, len(v)-1)-k)].word
}

// BenchmarkSearch reports the CPU of one search, through the handler, of each class.
func BenchmarkSearch(b *testing.B) {
	g := filled(b)
	v := readLexicon(b, g.dir)
	half, mid := v.in(0.5, 0), v.in(0.01, 0)
	var ten []string
	for k := range 10 {
		ten = append(ten, v.in(0.01, k))
	}
	two := `"aggregations":[{"field":"status","size":10},{"field":"team","size":10}]`
	b.Logf("half of the items: %s, 1 %%: %s", half, mid)
	const goalMid, goalWorst = 30, 250 // ms of CPU
	for _, q := range []struct{ name, user, query, more string }{
		{"rare", "ann", v.in(0.0002, 0), ""},
		{"mid", "ann", mid, ""},
		{"mid/boss", "boss", mid, ""},
		{"mid/nobody", "nobody", mid, ""},
		{"mid/10000groups", "hub", mid, ""},
		{"mid/facets", "ann", mid, two},
		{"half", "ann", half, ""},
		{"half/boss", "boss", half, ""},
		{"half/nobody", "nobody", half, ""},
		{"half/facets", "ann", half, two},
		{"half/facets/boss", "boss", half, two},
		{"half/filter", "boss", half, `"aggregationFilters":["status:\"s1\""]`},
		{"and", "ann", v.in(0.5, 0) + " " + v.in(0.4, 0), ""},
		{"and/boss", "boss", v.in(0.5, 0) + " " + v.in(0.4, 0), ""},
		{"and/mixed", "boss", half + " " + mid, ""},
		{"phrase", "boss", `"` + v.in(0.5, 0) + " " + v.in(0.4, 0) + `"`, ""},
		{"phrase/most", "boss", `"` + v.in(1, 0) + " " + v.in(1, 1) + `"`, ""},
		{"prefix/1letter", "boss", "a*", ""},
		{"prefix/2letters", "boss", half[:2] + "*", ""},
		{"prefix/3letters", "boss", half[:3] + "*", ""},
		{"all", "ann", "*", ""},
		{"all/boss", "boss", "*", ""},
		{"all/sort", "boss", "*", `"sortProperties":[{"name":"opened","isDescending":true}]`},
		{"all/facets", "boss", "*", two},
		{"all/dates", "boss", "*", `"aggregations":[{"field":"opened","bucketDefinition":{"ranges":[{"to":"2015-01-01T00:00:00Z"},{"from":"2015-01-01T00:00:00Z","to":"2020-01-01T00:00:00Z"},{"from":"2020-01-01T00:00:00Z"}]}}]`},
		{"range", "boss", "priority>2 AND opened>2024-01-01", ""},
		{"range/word", "boss", half + " opened>2024-01-01", ""},
		{"equal", "boss", "status:s1", ""},
		{"title", "boss", "title:" + mid + " AND priority>1", ""},
		{"not", "boss", half + " NOT " + v.in(0.4, 0), ""},
		{"not/only", "boss", "NOT " + half, ""},
		{"or/ten", "boss", strings.Join(ten, " OR "), ""},
		{"or/frequent", "boss", v.in(0.5, 0) + " OR " + v.in(0.4, 0) + " OR " + v.in(0.3, 0), ""},
		{"or/mixed", "boss", mid + " OR status:s1", ""},
		{"deep", "boss", half, `"from":5000`},
		{"page500", "boss", half, `"size":500`},
		{"collapse", "boss", half, `"collapseProperties":[{"fields":["team"],"limit":1}]`},
		{"suggest", "boss", mid + "q", `"queryAlterationOptions":{"enableSuggestion":true}`},
	} {
		b.Run(q.name, func(b *testing.B) {
			body := searchBody("desk", q.query, q.more)
			ctx := WithCaller(context.Background(), Caller{UserID: q.user})
			w := &paper{}
			w.search(b, g, ctx, body)
			start, began := cpu(), time.Now()
			for b.Loop() {
				w.search(b, g, ctx, body)
			}
			n := float64(b.N)
			b.ReportMetric(float64((cpu()-start).Microseconds())/n/1000, "cpu-ms/op")
			b.ReportMetric(float64(time.Since(began).Microseconds())/n/1000, "wall-ms/op")
			_, total, _ := strings.Cut(w.body.String(), `"total":`)
			hits := 0
			fmt.Sscan(total, &hits)
			b.ReportMetric(float64(hits), "hits")
			goal := goalWorst
			if strings.HasPrefix(q.name, "mid") || q.name == "rare" {
				goal = goalMid
			}
			b.ReportMetric(float64(goal), "goal-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
	report(b, g.dir)
}

// paper takes an answer down.
type paper struct {
	nowhere
	body bytes.Buffer
}

func (w *paper) Write(p []byte) (int, error) { return w.body.Write(p) }

func (w *paper) search(b *testing.B, g *graph, ctx context.Context, body string) {
	w.h, w.status = http.Header{}, 200
	w.body.Reset()
	r, err := http.NewRequestWithContext(ctx, "POST", "http://local/v1.0/search/query", strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	g.srv.ServeHTTP(w, r)
	if w.status != 200 {
		b.Fatalf("%d %s", w.status, &w.body)
	}
}

// putAll sends items through the handler, 256 at once; the first one's id is
// the number from.
func putAll(b *testing.B, g *graph, from int, items []string) {
	ctx := WithCaller(context.Background(), Caller{App: true})
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(items) {
					return
				}
				r, _ := http.NewRequestWithContext(ctx, "PUT", fmt.Sprintf("http://local%s/desk/items/%d", base, from+i), strings.NewReader(items[i]))
				w := &nowhere{h: http.Header{}}
				g.srv.ServeHTTP(w, r)
				if w.status != 200 {
					b.Errorf("PUT %d = %d", from+i, w.status)
					return
				}
			}
		})
	}
	wg.Wait()
}
