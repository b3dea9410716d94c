package extract

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

// countedReader counts what is read, and fails once when it is told to.
type countedReader struct {
	r     io.ReaderAt
	reads int
	fail  error
}

func (c *countedReader) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	if c.fail != nil {
		err := c.fail
		c.fail = nil
		return 0, err
	}
	return c.r.ReadAt(p, off)
}

// TestBlockReader compares with the file itself, also beyond its end and where
// it ends with a block.
func TestBlockReader(t *testing.T) {
	for _, size := range []int{0, 1, blockSize - 1, blockSize, blockSize + 1, 12*blockSize + 100} {
		data := make([]byte, size)
		rnd := rand.New(rand.NewPCG(1, uint64(size)))
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		file := bytes.NewReader(data)
		b := &blockReader{r: file}
		for range 2_000 {
			off := rnd.Int64N(int64(size) + 10)
			p, q := make([]byte, rnd.IntN(600)), make([]byte, 0)
			if rnd.IntN(20) == 0 {
				p = make([]byte, rnd.IntN(3*blockSize))
			}
			q = append(q, make([]byte, len(p))...)
			n, err := b.ReadAt(p, off)
			m, want := file.ReadAt(q, off)
			if len(p) == 0 {
				want = nil // nothing was asked for
			}
			if n != m || err != want || !bytes.Equal(p[:n], q[:m]) {
				t.Fatalf("%d bytes at %d of %d: %d and %v, want %d and %v", len(p), off, size, n, err, m, want)
			}
		}
	}
}

// TestBlockReaderKeeps has few reads for many small ones, and a block that could
// not be read asked for again.
func TestBlockReaderKeeps(t *testing.T) {
	c := &countedReader{r: bytes.NewReader(make([]byte, 7*blockSize+5))}
	b := &blockReader{r: c}
	small := make([]byte, 512)
	for range 10 {
		for off := int64(0); off < 7*blockSize-1000; off += 500 {
			if _, err := b.ReadAt(small, off); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := b.ReadAt(small, 7*blockSize); n != 5 || err != io.EOF {
			t.Fatalf("at the end: %d, %v", n, err)
		}
	}
	if c.reads != 8 {
		t.Errorf("%d reads of 8 blocks", c.reads)
	}
	b, c.fail = &blockReader{r: c}, errors.New("the share is gone")
	if _, err := b.ReadAt(small, 0); err == nil {
		t.Error("a failure is not told")
	}
	if _, err := b.ReadAt(small, 0); err != nil {
		t.Errorf("after a failure: %v", err)
	}
}
