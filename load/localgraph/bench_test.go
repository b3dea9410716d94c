//go:build unix

package localgraph

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// benchSchema has ten properties, as the benchmarks' items have.
const benchSchema = `[
	{"name":"title","type":"string","isSearchable":true,"isRetrievable":true,"isQueryable":true,"labels":["title"]},
	{"name":"url","type":"string","isRetrievable":true,"labels":["url"]},
	{"name":"status","type":"string","isQueryable":true,"isRefinable":true,"isRetrievable":true},
	{"name":"team","type":"string","isQueryable":true,"isRefinable":true,"isRetrievable":true},
	{"name":"priority","type":"int64","isQueryable":true,"isRefinable":true,"isRetrievable":true},
	{"name":"cost","type":"double","isQueryable":true,"isRetrievable":true},
	{"name":"opened","type":"dateTime","isQueryable":true,"isRefinable":true,"isRetrievable":true,"labels":["createdDateTime"]},
	{"name":"urgent","type":"boolean","isQueryable":true,"isRetrievable":true},
	{"name":"tags","type":"stringCollection","isQueryable":true,"isRetrievable":true},
	{"name":"note","type":"string","isSearchable":true,"isRetrievable":true}]`

// words draws from a vocabulary in which few words are frequent.
type words struct{ z *rand.Zipf }

func newWords(seed uint64) words {
	return words{rand.NewZipf(rand.New(rand.NewPCG(seed, 1)), 1.1, 2, 60_000)}
}

// benchWords are the words: of two to four syllables, in no order.
var benchWords = sync.OnceValue(func() []string {
	const first, vowels, inner = "abcdefghilmnoprstuvw", "aeiou", "bcdfglmnprstv"
	list := make([]string, 60_001)
	for i := range list {
		n := (i*48_271 + 11) % 60_017 // a prime: no word comes twice
		w := []byte{first[n%20]}
		for n = n/20 + 65; n > 0; n /= 65 {
			w = append(w, inner[n%13], vowels[n/13%5])
		}
		list[i] = string(w)
	}
	return list
})

func (w words) text(bytes int) string {
	list := benchWords()
	var b strings.Builder
	for b.Len() < bytes {
		b.WriteString(list[w.z.Uint64()])
		b.WriteByte(' ')
	}
	return b.String()
}

func benchItem(w words, i, content int) string {
	return fmt.Sprintf(`{"acl":[{"type":"group","value":"g%d","accessType":"grant"},{"type":"user","value":"u%d","accessType":"deny"}],"properties":{"title":"%s",
		"url":"https://desk.example/%d","status":"s%d","team":"t%d","priority":%d,"cost":%d.5,"opened":"2026-%02d-01T08:00:00Z","urgent":%t,
		"tags@odata.type":"Collection(String)","tags":["a%d","b"],"note":"%s"},"content":{"type":"text","value":"%s"}}`,
		i%1000, i%5, w.text(30), i, i%6, i%40, i%5, i, 1+i%12, i%2 == 0, i%9, w.text(40), w.text(content))
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// nowhere takes an answer and keeps its status.
type nowhere struct {
	h      http.Header
	status int
}

func (w *nowhere) Header() http.Header         { return w.h }
func (w *nowhere) WriteHeader(s int)           { w.status = s }
func (w *nowhere) Write(b []byte) (int, error) { return len(b), nil }

// putDirect writes the same rows with plain statements, 500 a transaction.
func putDirect(b *testing.B, g *graph, items []string) time.Duration {
	cn, err := g.srv.connection(context.Background(), "desk")
	if err != nil {
		b.Fatal(err)
	}
	var ops []*itemOp
	for i, it := range items {
		op, err := decodeItem(cn, &g.srv.opt, []byte(it))
		if err != nil {
			b.Fatal(err)
		}
		op.id = fmt.Sprint(i)
		ops = append(ops, op)
	}
	st := cn.schema.statements(cn.n)
	start := cpu()
	for len(ops) > 0 {
		batch := ops[:min(500, len(ops))]
		err := g.srv.w.do(context.Background(), func(tx *wtx) error {
			var next int64
			if err := tx.row(fmt.Sprintf(`SELECT coalesce(max(n), 0) + 1 FROM i%d`, cn.n))(&next); err != nil {
				return err
			}
			for _, op := range batch {
				aclN, err := tx.aclRow(cn.n, op.acl)
				if err != nil {
					return err
				}
				args := append([]any{next, op.id, aclN, op.modified(), op.digest()}, op.props.cols...)
				if err := tx.exec(st.insertItem, args...); err != nil {
					return err
				}
				if err := tx.exec(st.insertBody, next, op.props.json, int(op.content.typ), op.content.value, ""); err != nil {
					return err
				}
				if err := tx.exec(st.insertText, next, op.props.title, op.props.text, op.content.text); err != nil {
					return err
				}
				next++
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		ops = ops[len(batch):]
	}
	return cpu() - start
}

// BenchmarkPut compares the CPU of items sent through the handler with that
// of writing their rows directly. The ratio must not exceed 2.
func BenchmarkPut(b *testing.B) {
	const n = 20_000
	w := newWords(1)
	items := make([]string, n)
	for i := range items {
		items[i] = benchItem(w, i, 300)
	}
	for b.Loop() {
		g := open(b, Options{})
		g.register("desk", benchSchema)
		start, began := cpu(), time.Now()
		putAll(b, g, 0, items)
		through, wall := cpu()-start, time.Since(began)

		g = open(b, Options{})
		g.register("desk", benchSchema)
		direct := putDirect(b, g, items)
		b.ReportMetric(float64(through.Microseconds())/n, "put-cpu-us/item")
		b.ReportMetric(float64(wall.Microseconds())/n, "put-wall-us/item")
		b.ReportMetric(float64(direct.Microseconds())/n, "direct-cpu-us/item")
		b.ReportMetric(float64(through)/float64(direct), "put/direct")
	}
}

// BenchmarkFaults is a request to a server that has no faults, and to one that
// has them set and makes none: what looking for them costs.
func BenchmarkFaults(b *testing.B) {
	g := open(b, Options{})
	g.register("bench", benchSchema)
	ctx := WithCaller(context.Background(), Caller{App: true})
	for _, faults := range []string{"", "429=0.0000001%", "rate=1000000,concurrent=1000,429=0.0000001%,seed=1"} {
		b.Run(cmp.Or(faults, "none"), func(b *testing.B) {
			f, err := ParseFaults(faults)
			if err != nil {
				b.Fatal(err)
			}
			if err := g.srv.SetFaults(f); err != nil {
				b.Fatal(err)
			}
			began := cpu()
			for b.Loop() {
				r := httptest.NewRequest("GET", base+"/bench/schema", nil)
				g.srv.ServeHTTP(&nowhere{h: http.Header{}}, r.WithContext(ctx))
			}
			b.ReportMetric(float64(cpu()-began)/float64(b.N), "cpu-ns/op")
		})
	}
}
