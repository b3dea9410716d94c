package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// heapFloor is the size below which a crawl's heap is not collected. A crawl
// has little that is alive (an index of ids of 12 MB and 1.3 bytes an id, and
// what is in flight) and makes garbage at a gigabyte a minute and CPU. At Go's
// usual pace, a collection whenever the heap has doubled, that took a quarter
// of the CPU time of a crawl from CSV to JSON lines; with this floor it takes
// a twentieth (a floor of 64 MB gains nothing more), and the whole process
// stays well under 150 MB.
const heapFloor = 48 << 20

// localFloor is the same where the local Graph runs in the process: it makes
// the garbage of both sides. It saves 8 % of the CPU of a crawl of small items
// against heapFloor, for 100 MB more.
const localFloor = 144 << 20

// tuneCollector lets the heap grow to the larger of floor and twice what
// is alive. Neither knob of the runtime says that: a percentage would multiply
// a large live heap as well, and a memory limit would make the collector run
// without end where more is alive than it allows, as with a huge document.
func tuneCollector(floor uint64) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	percent := func() int {
		metrics.Read(live)
		alive := max(live[0].Value.Uint64(), 4<<20) // the runtime's least
		return max(100, int(floor*100/alive)-100)
	}
	// A finalizer runs after each collection, and comes back by a new object.
	type sentinel struct{ _ *sentinel }
	last := percent()
	debug.SetGCPercent(last)
	var again func(*sentinel)
	again = func(*sentinel) {
		// Setting it stops the world, so small changes are left alone.
		if p := percent(); p < last*9/10 || p > last*11/10 {
			last = p
			debug.SetGCPercent(p)
		}
		runtime.SetFinalizer(new(sentinel), again)
	}
	again(nil)
}
