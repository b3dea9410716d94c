package pipeline

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"importer/pipeline/state"
	"importer/transform"
)

// A voidAdmin takes everything at once.
type voidAdmin struct{ memAdmin }

func (*voidAdmin) PutGroup(context.Context, transform.Group) (bool, error)      { return false, nil }
func (*voidAdmin) AddMember(context.Context, string, transform.Member) error    { return nil }
func (*voidAdmin) RemoveMember(context.Context, string, transform.Member) error { return nil }

// BenchmarkGroups measures what 100,000 external groups with 1,000,000 members
// cost on this side: reading the file, filling all, comparing when nothing has
// changed, and with one member in a hundred changed.
func BenchmarkGroups(b *testing.B) {
	const groups, members = 100_000, 1_000_000
	dir := b.TempDir()
	write := func(odd int) {
		f, err := os.Create(filepath.Join(dir, "groups.csv"))
		if err != nil {
			b.Fatal(err)
		}
		w := bufio.NewWriter(f)
		fmt.Fprintln(w, "group,memberType,member")
		for i := range members {
			id := i
			if odd > 0 && i%odd == 0 {
				id += members
			}
			fmt.Fprintf(w, "Group %d,user,11111111-1111-1111-1111-%012d\n", i%groups, id)
		}
		if err := errors.Join(w.Flush(), f.Close()); err != nil {
			b.Fatal(err)
		}
	}
	path := filepath.Join(dir, "mapping.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, testMapping, "groups: {file: groups.csv}\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	for range b.N {
		store, err := state.Open(ctx, b.TempDir(), "testconnection", true)
		if err != nil {
			b.Fatal(err)
		}
		for _, step := range []struct {
			name string
			odd  int
		}{{"fill", 0}, {"same", 0}, {"1%", 100}} {
			write(step.odd)
			began := time.Now()
			m, err := transform.Load(path)
			if err != nil {
				b.Fatal(err)
			}
			loaded := time.Since(began)
			c := &Crawl{Mapping: m, Dir: dir, Store: store, Admin: &voidAdmin{}, GroupLanes: 25, Log: slog.New(slog.DiscardHandler)}
			s, err := c.findGroups(ctx, &Report{})
			if err != nil {
				b.Fatal(err)
			}
			compared := time.Since(began) - loaded
			if err := errors.Join(s.before(ctx), s.fill(ctx)); err != nil {
				b.Fatal(err)
			}
			var mem runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&mem)
			b.ReportMetric(loaded.Seconds(), step.name+"-read-s")
			b.ReportMetric(compared.Seconds(), step.name+"-compare-s")
			b.ReportMetric((time.Since(began) - loaded - compared).Seconds(), step.name+"-change-s")
			b.ReportMetric(float64(mem.HeapAlloc)/1e6, step.name+"-heap-MB")
			runtime.KeepAlive(m)
		}
		store.Close()
	}
}
