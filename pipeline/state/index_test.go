package state

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
)

func TestIndexRemembersEveryID(t *testing.T) {
	// Tables of 4,096 slots, so that many runs are written and merged.
	const n = 200_000
	x := newIndex(t.TempDir())
	x.max = 4096
	defer x.close()
	id := func(i int) string { return "ticket-" + strconv.Itoa(i) }
	for i := range n {
		row, found, err := x.getOrPut(id(i), uint64(i+1))
		if err != nil || found || row != uint64(i+1) {
			t.Fatalf("first getOrPut(%q) = %d, %v, %v; want %d, false, nil", id(i), row, found, err, i+1)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		i := r.IntN(n)
		row, found, err := x.getOrPut(id(i), 1<<40)
		if err != nil || !found || row != uint64(i+1) {
			t.Fatalf("second getOrPut(%q) = %d, %v, %v; want %d, true, nil", id(i), row, found, err, i+1)
		}
	}
	if len(x.runs) == 0 {
		t.Error("nothing was written out: the test is too small to test runs")
	}
	if len(x.runs) > 4*mergeAt {
		t.Errorf("%d runs of %d ids: they are not merged", len(x.runs), n)
	}
}

func TestIndexFailsWhenItCannotWrite(t *testing.T) {
	x := newIndex("/nonexistent/folder")
	var err error
	x.max = minTable
	for i := 0; i < maxTable && err == nil; i++ {
		_, _, err = x.getOrPut(strconv.Itoa(i), uint64(i+1))
	}
	if err == nil {
		t.Fatal("an index that cannot write its runs reported nothing")
	}
	if _, _, again := x.getOrPut("one more", 1); again == nil {
		t.Error("after a failure the index went on as if nothing had happened")
	}
}

func BenchmarkIndex(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000, 10_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				x := newIndex(b.TempDir())
				buf := make([]byte, 0, 32)
				for i := range n {
					buf = strconv.AppendInt(append(buf[:0], "INC-"...), int64(i), 10)
					if _, found, err := x.getOrPut(string(buf), uint64(i+1)); found || err != nil {
						b.Fatal(found, err)
					}
				}
				b.StopTimer()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-live")
				b.StartTimer()
				runtime.KeepAlive(x)
				x.close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/id")
		})
	}
}
