package extract

import "io"

// A blockReader reads a file in blocks and keeps those that were used last, for
// a reader that asks for a few hundred bytes at a time, here and there. It is
// for one goroutine.
type blockReader struct {
	r      io.ReaderAt
	blocks [8]block
	clock  int
}

const blockSize = 64 << 10

type block struct {
	data []byte
	at   int64 // in the file, a multiple of blockSize
	err  error // io.EOF where the file ends in it
	used int   // the clock then; 0 is never
}

// ReadAt reads at an offset that is not negative.
func (b *blockReader) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n)
		one := b.block(at - at%blockSize)
		n += copy(p[n:], one.data[min(at%blockSize, int64(len(one.data))):])
		if n < len(p) && one.err != nil {
			return n, one.err
		}
	}
	return n, nil
}

// block is the block at a place. What could not be read is not kept.
func (b *blockReader) block(at int64) *block {
	b.clock++
	oldest := &b.blocks[0]
	for i := range b.blocks {
		one := &b.blocks[i]
		if one.used > 0 && one.at == at {
			one.used = b.clock
			return one
		}
		if one.used < oldest.used {
			oldest = one
		}
	}
	if oldest.data == nil {
		oldest.data = make([]byte, blockSize)
	}
	n, err := b.r.ReadAt(oldest.data[:blockSize], at)
	oldest.data, oldest.at, oldest.err, oldest.used = oldest.data[:n], at, err, b.clock
	if n == blockSize {
		oldest.err = nil // an end that the next block has
	}
	if oldest.err != nil && oldest.err != io.EOF {
		oldest.used = 0
	}
	return oldest
}
