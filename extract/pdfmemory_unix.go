//go:build !nopdfium && (linux || darwin)

package extract

import (
	"context"

	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// withLinearMemory gives a context in which the memory of WebAssembly is not on
// Go's heap: its addresses are reserved once, and it grows in place. On the heap
// each growth copies all of it to another place and leaves the old one to the
// collector, which lets as much garbage come together as there is live memory.
func withLinearMemory(ctx context.Context) context.Context {
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(newLinearMemory))
}

// A linearMemory is the memory of one instance.
type linearMemory struct {
	reserved []byte // addresses, of which those of now may be used
	now      []byte
}

func newLinearMemory(_, most uint64) experimental.LinearMemory {
	m := &linearMemory{}
	// Where no addresses are to be had, Go's heap is left.
	m.reserved, _ = unix.Mmap(-1, 0, int(most), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	return m
}

// Reallocate makes the memory so many bytes long. When the system gives no more,
// Go is asked, which ends the process for it as for anything else.
func (m *linearMemory) Reallocate(size uint64) []byte {
	had := uint64(len(m.now))
	if size >= had && size <= uint64(len(m.reserved)) &&
		unix.Mprotect(m.reserved[had:size], unix.PROT_READ|unix.PROT_WRITE) == nil {
		linearBytes.Add(int64(size - had))
		m.now = m.reserved[:size:size]
		return m.now
	}
	grown := make([]byte, size)
	copy(grown, m.now)
	m.Free()
	m.now = grown
	return grown
}

func (m *linearMemory) Free() {
	if m.reserved != nil {
		linearBytes.Add(-int64(len(m.now)))
		_ = unix.Munmap(m.reserved) // it is a mapping, so this does not fail
	}
	m.reserved, m.now = nil, nil
}
