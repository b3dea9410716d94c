package state

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"io"
	"math/bits"
	"os"
	"slices"
)

// An index maps every item id of a connection to its row, in bounded memory.
//
// It answers the one question that cannot be answered in crawl order: was
// this id there before? An index by id inside SQLite would be written in
// random order, at four times the cost of everything else that is written
// (measured: 42,000 against 177,000 rows per CPU-second). It is derived data,
// so it lives beside the database: a hash table of at most maxTable slots,
// and sorted runs in unnamed temporary files for what does not fit, each with
// a Bloom filter of 10 bits a key in memory. Runs of one size are merged four
// to one, so that a lookup asks few of them.
//
// Keys are 128-bit hashes under seeds that are drawn for each process: no id
// in a file can be made to collide with another, and by chance it happens
// once in 10^25 crawls of five million items.
//
// An index is not safe for concurrent use; the Store's mutex guards it.
type index struct {
	seedA, seedB maphash.Seed
	table        []entry // open addressing by the top bits of a, so nearly in order; v == 0 is a free slot
	shift        int     // leaves the bits of a that name a slot
	used         int
	fetched      uint64 // of no meaning: what fetch reads must go somewhere, or the compiler leaves it out
	runs         []*run // oldest first
	dir          string // for temporary files
	max          int    // slots of a full table
	err          error  // the first failure of a temporary file: the index is not to be trusted after it
}

type entry struct{ a, b, v uint64 }

const (
	entrySize = 24
	minTable  = 1 << 10
	maxTable  = 1 << 19 // 12 MiB
	perPage   = 128     // entries between two keys of a run's sparse index
	mergeAt   = 4
)

// A run is a sorted file of entries. Its file has been unlinked: it goes away
// with the process, however that ends.
type run struct {
	file   *os.File
	n      int
	tier   int
	filter filter
	sparse []uint64 // the a of every perPage-th entry
}

func newIndex(dir string) *index {
	x := &index{seedA: maphash.MakeSeed(), seedB: maphash.MakeSeed(), dir: dir, max: maxTable}
	x.makeTable(minTable)
	return x
}

// makeTable makes an empty table of n slots, a power of two.
func (x *index) makeTable(n int) {
	x.table = make([]entry, n)
	x.shift = 64 - bits.TrailingZeros(uint(n))
}

func (x *index) close() {
	for _, r := range x.runs {
		r.file.Close()
	}
	x.runs = nil
}

// get gives the row that id has.
func (x *index) get(id string) (row uint64, found bool, err error) {
	row, found, _, err = x.find(x.key(id))
	return row, found, err
}

// getOrPut gives the row that id has, or gives it the row v (not 0) and says
// that it is new.
func (x *index) getOrPut(id string, v uint64) (row uint64, found bool, err error) {
	return x.put(x.key(id), v)
}

// key is the entry of id, without a row.
func (x *index) key(id string) entry {
	return entry{a: maphash.String(x.seedA, id), b: maphash.String(x.seedB, id)}
}

// fetch brings the slots of keys into the processor's cache. Their addresses
// do not depend on each other, so that it waits for memory once for several,
// where put waits for each: half of what the index costs when it is large.
func (x *index) fetch(keys []entry) {
	for i := range keys {
		x.fetched += x.table[keys[i].a>>x.shift].v
	}
}

// find gives the row of a key, or the slot of the table where it belongs.
func (x *index) find(e entry) (row uint64, found bool, slot uint64, err error) {
	slot = x.slot(e)
	if v := x.table[slot].v; v != 0 {
		return v, true, slot, x.err
	}
	for i := len(x.runs) - 1; i >= 0; i-- {
		got, ok, err := x.runs[i].lookup(e)
		if err != nil {
			x.err = fmt.Errorf("the index of item ids in %s: %w", x.dir, err)
		}
		if ok || x.err != nil {
			return got, ok, slot, x.err
		}
	}
	return 0, false, slot, x.err
}

// put is getOrPut with a key.
func (x *index) put(e entry, v uint64) (row uint64, found bool, err error) {
	row, found, slot, err := x.find(e)
	if found || err != nil {
		return row, found, err
	}
	e.v = v
	x.table[slot] = e
	x.used++
	if x.used*4 > len(x.table)*3 {
		if err := x.grow(); err != nil {
			x.err = fmt.Errorf("the index of item ids in %s: %w", x.dir, err)
		}
	}
	return v, false, x.err
}

// slot finds e's key in the table, or the free slot where it belongs.
func (x *index) slot(e entry) uint64 {
	mask := uint64(len(x.table) - 1)
	for i := e.a >> x.shift; ; i = (i + 1) & mask {
		if t := &x.table[i]; t.v == 0 || t.a == e.a && t.b == e.b {
			return i
		}
	}
}

// grow makes the table four times as large or, when it is as large as it may
// be, writes it out as a run.
func (x *index) grow() error {
	old := x.table
	if len(old) < x.max {
		x.makeTable(min(4*len(old), x.max))
		for _, e := range old { // in order of a, so the new table is filled from start to end
			if e.v != 0 {
				x.table[x.slot(e)] = e
			}
		}
		return nil
	}
	sorted := x.sort()
	r, err := writeRun(x.dir, 0, len(sorted), func(yield func(entry, error) bool) {
		for _, e := range sorted {
			if !yield(e, nil) {
				return
			}
		}
	})
	clear(old)
	x.used = 0
	if err != nil {
		return err
	}
	x.runs = append(x.runs, r)
	return x.mergeRuns()
}

// sort puts the table's entries in order, in its own memory. They are nearly
// in order already, so that sorting by insertion takes a tenth of the time of
// slices.SortFunc.
func (x *index) sort() []entry {
	var wrapped []entry // pushed over the end of the table to its start
	sorted := x.table[:0]
	start := true
	for i, e := range x.table {
		switch {
		case e.v == 0:
			start = false
			continue
		case start && e.a>>x.shift > uint64(i):
			wrapped = append(wrapped, e)
			continue
		}
		sorted = append(sorted, e)
	}
	sorted = append(sorted, wrapped...)
	for i := 1; i < len(sorted); i++ {
		e := sorted[i]
		j := i
		for ; j > 0 && compareEntries(sorted[j-1], e) > 0; j-- {
			sorted[j] = sorted[j-1]
		}
		sorted[j] = e
	}
	return sorted
}

func compareEntries(p, q entry) int {
	if c := cmp.Compare(p.a, q.a); c != 0 {
		return c
	}
	return cmp.Compare(p.b, q.b)
}

// mergeRuns makes one run of the newest mergeAt runs while they are of one tier.
func (x *index) mergeRuns() error {
	for len(x.runs) >= mergeAt {
		last := x.runs[len(x.runs)-mergeAt:]
		if last[0].tier != last[mergeAt-1].tier {
			return nil
		}
		n := 0
		for _, r := range last {
			n += r.n
		}
		merged, err := writeRun(x.dir, last[0].tier+1, n, merge(last))
		if err != nil {
			return err
		}
		for _, r := range last {
			r.file.Close()
		}
		x.runs = append(x.runs[:len(x.runs)-mergeAt], merged)
	}
	return nil
}

// merge yields the entries of runs in order. A key is in one run only.
func merge(runs []*run) func(func(entry, error) bool) {
	return func(yield func(entry, error) bool) {
		type cursor struct {
			r    *bufio.Reader
			head entry
		}
		var cursors []*cursor
		next := func(c *cursor) error {
			var buf [entrySize]byte
			if _, err := io.ReadFull(c.r, buf[:]); err != nil {
				return err
			}
			c.head = decodeEntry(buf[:])
			return nil
		}
		for _, r := range runs {
			c := &cursor{r: bufio.NewReaderSize(io.NewSectionReader(r.file, 0, int64(r.n)*entrySize), 1<<16)}
			if err := next(c); err != nil {
				yield(entry{}, err)
				return
			}
			cursors = append(cursors, c)
		}
		for len(cursors) > 0 {
			least := 0
			for i := range cursors {
				if compareEntries(cursors[i].head, cursors[least].head) < 0 {
					least = i
				}
			}
			if !yield(cursors[least].head, nil) {
				return
			}
			switch err := next(cursors[least]); {
			case err == io.EOF:
				cursors = slices.Delete(cursors, least, least+1)
			case err != nil:
				yield(entry{}, err)
				return
			}
		}
	}
}

func decodeEntry(b []byte) entry {
	return entry{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])}
}

// writeRun writes n sorted entries to a new run.
func writeRun(dir string, tier, n int, entries func(func(entry, error) bool)) (*run, error) {
	f, err := os.CreateTemp(dir, "ids-*.tmp")
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name()) // where an open file cannot be removed, Open sweeps it up
	r := &run{file: f, n: n, tier: tier, filter: newFilter(n), sparse: make([]uint64, 0, n/perPage+1)}
	w := bufio.NewWriterSize(f, 1<<16)
	i := 0
	for e, err := range entries {
		if err != nil {
			f.Close()
			return nil, err
		}
		if i%perPage == 0 {
			r.sparse = append(r.sparse, e.a)
		}
		i++
		r.filter.add(e)
		var buf [entrySize]byte
		binary.LittleEndian.PutUint64(buf[:], e.a)
		binary.LittleEndian.PutUint64(buf[8:], e.b)
		binary.LittleEndian.PutUint64(buf[16:], e.v)
		if _, err := w.Write(buf[:]); err != nil {
			f.Close()
			return nil, err
		}
	}
	if err := w.Flush(); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

// lookup finds e's key in the run.
func (r *run) lookup(e entry) (row uint64, ok bool, err error) {
	if !r.filter.has(e) {
		return 0, false, nil
	}
	// The first page whose first a is not below e.a may be preceded by one
	// that holds e.a as well.
	page, _ := slices.BinarySearch(r.sparse, e.a)
	page = max(page-1, 0)
	var buf [perPage * entrySize]byte
	for ; page < len(r.sparse) && r.sparse[page] <= e.a; page++ {
		n := min(perPage, r.n-page*perPage)
		b := buf[:n*entrySize]
		if _, err := r.file.ReadAt(b, int64(page)*perPage*entrySize); err != nil {
			return 0, false, err
		}
		lo, hi := 0, n
		for lo < hi {
			mid := (lo + hi) / 2
			if compareEntries(decodeEntry(b[mid*entrySize:]), e) < 0 {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		if lo < n {
			if got := decodeEntry(b[lo*entrySize:]); got.a == e.a && got.b == e.b {
				return got.v, true, nil
			}
		}
	}
	return 0, false, nil
}

// A filter is a Bloom filter whose bits for one key lie in one cache line.
type filter struct{ words []uint64 }

func newFilter(n int) filter { return filter{make([]uint64, (n*10/512+1)*8)} }

// spots gives the key's cache line and a source of bits within it.
func (f filter) spots(e entry) (line []uint64, bits uint64) {
	// a decides the order of a run, b does not: the line comes from b.
	i := e.b % uint64(len(f.words)/8) * 8
	return f.words[i : i+8], e.a
}

func (f filter) add(e entry) {
	line, bits := f.spots(e)
	for range 5 {
		line[bits&7] |= 1 << (bits >> 3 & 63)
		bits >>= 9
	}
}

func (f filter) has(e entry) bool {
	line, bits := f.spots(e)
	for range 5 {
		if line[bits&7]&(1<<(bits>>3&63)) == 0 {
			return false
		}
		bits >>= 9
	}
	return true
}

// A bitset holds one bit a row.
type bitset []uint64

func (s *bitset) set(row uint64) {
	for uint64(len(*s))*64 <= row {
		*s = append(*s, 0)
	}
	(*s)[row/64] |= 1 << (row % 64)
}

func (s bitset) clear(row uint64) {
	if s.has(row) {
		s[row/64] &^= 1 << (row % 64)
	}
}

func (s bitset) count() (n int64) {
	for _, word := range s {
		n += int64(bits.OnesCount64(word))
	}
	return n
}

func (s bitset) has(row uint64) bool {
	return row/64 < uint64(len(s)) && s[row/64]&(1<<(row%64)) != 0
}
