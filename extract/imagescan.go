package extract

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// This file reads the structure of pictures without decoding them: how many
// pages they have, how large those are, and whether they are all there.

// imagePages lists the pages of a picture. Its error wraps ErrShort when the
// file ends too early.
func imagePages(in Input) ([]imagePage, error) {
	head := make([]byte, min(16, in.Size))
	if _, err := in.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch imageKind(head) {
	case "png":
		return pngPages(in)
	case "jpeg":
		return jpegPages(in)
	case "tiff":
		return tiffPages(in, head)
	}
	return nil, errors.New("it is no PNG, JPEG or TIFF")
}

// short makes the end of a file ErrShort.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrShort
	}
	return err
}

const pngSignature = "\x89PNG\r\n\x1a\n"

// pngPages walks the chunks to the last one: a length, a name of four letters,
// the data, and a checksum of four bytes.
func pngPages(in Input) ([]imagePage, error) {
	var page imagePage
	var head [16]byte
	for at := int64(len(pngSignature)); ; {
		if _, err := in.ReadAt(head[:8], at); err != nil {
			return nil, short(err)
		}
		size := int64(binary.BigEndian.Uint32(head[:]))
		switch string(head[4:8]) {
		case "IHDR":
			if _, err := in.ReadAt(head[8:], at+8); err != nil {
				return nil, short(err)
			}
			page = imagePage{int(binary.BigEndian.Uint32(head[8:])), int(binary.BigEndian.Uint32(head[12:]))}
		case "IEND":
			if at+12 > in.Size {
				return nil, ErrShort
			}
			if page == (imagePage{}) {
				return nil, errors.New("it has no header")
			}
			return []imagePage{page}, nil
		}
		at += size + 12
	}
}

// jpegPages walks the segments to the marker of the end. Within the pixels a
// byte FF is followed by 00 or a restart marker (ITU T.81, B.1.1.5).
func jpegPages(in Input) ([]imagePage, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(in, 2, in.Size-2), 64<<10)
	var page imagePage
	for {
		marker, err := jpegMarker(r)
		if err != nil {
			return nil, short(err)
		}
		switch {
		case marker == 0xD9: // the end
			if page == (imagePage{}) {
				return nil, errors.New("it has no frame")
			}
			return []imagePage{page}, nil
		case marker == 0x01, marker >= 0xD0 && marker <= 0xD8: // they stand alone
			continue
		}
		var size [2]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return nil, short(err)
		}
		left := int(binary.BigEndian.Uint16(size[:])) - 2
		if left < 0 {
			return nil, errors.New("a segment has a negative length")
		}
		if frame := marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC; frame && left >= 5 {
			var f [5]byte
			if _, err := io.ReadFull(r, f[:]); err != nil {
				return nil, short(err)
			}
			page = imagePage{int(binary.BigEndian.Uint16(f[3:])), int(binary.BigEndian.Uint16(f[1:]))}
			left -= len(f)
		}
		if _, err := r.Discard(left); err != nil {
			return nil, short(err)
		}
	}
}

// jpegMarker finds the next marker, beyond pixels.
func jpegMarker(r *bufio.Reader) (byte, error) {
	for {
		c, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if c != 0xFF {
			continue
		}
		for c == 0xFF { // any number of them may stand before a marker
			if c, err = r.ReadByte(); err != nil {
				return 0, err
			}
		}
		if c != 0 {
			return c, nil
		}
	}
}

// What is read of a TIFF's directories (TIFF 6.0).
const (
	tiffWidth       = 256
	tiffHeight      = 257
	tiffStrips      = 273
	tiffStripSizes  = 279
	tiffTiles       = 324
	tiffTileSizes   = 325
	tiffMaxPages    = 100_000
	tiffMaxSegments = 1 << 20
)

// tiffPages follows the chain of directories, one a page.
func tiffPages(in Input, head []byte) ([]imagePage, error) {
	if len(head) < 8 {
		return nil, ErrShort
	}
	t := &tiff{in: in, order: binary.LittleEndian}
	if head[0] == 'M' {
		t.order = binary.BigEndian
	}
	var pages []imagePage
	seen := map[int64]bool{}
	for at := int64(t.order.Uint32(head[4:])); at != 0; {
		if seen[at] || len(pages) >= tiffMaxPages {
			return nil, errors.New("its directories go round in a circle")
		}
		seen[at] = true
		page, next, err := t.directory(at)
		if err != nil {
			return nil, err
		}
		pages = append(pages, page)
		at = next
	}
	if len(pages) == 0 {
		return nil, errors.New("it has no pages")
	}
	return pages, nil
}

type tiff struct {
	in    Input
	order binary.ByteOrder
}

// directory reads a page's directory: a count, entries of 12 bytes (tag, type,
// number of values, the values or where they are), and where the next one is.
func (t *tiff) directory(at int64) (page imagePage, next int64, err error) {
	count, err := t.read(at, 2)
	if err != nil {
		return page, 0, err
	}
	n := int(t.order.Uint16(count))
	b, err := t.read(at+2, n*12+4)
	if err != nil {
		return page, 0, err
	}
	values := map[uint16][]int64{}
	for i := range n {
		e := b[i*12 : i*12+12]
		switch tag := t.order.Uint16(e); tag {
		case tiffWidth, tiffHeight, tiffStrips, tiffStripSizes, tiffTiles, tiffTileSizes:
			if values[tag], err = t.values(e); err != nil {
				return page, 0, err
			}
		}
	}
	if w, h := values[tiffWidth], values[tiffHeight]; len(w) == 1 && len(h) == 1 {
		page = imagePage{int(w[0]), int(h[0])}
	}
	if err := t.segments(values[tiffStrips], values[tiffStripSizes]); err != nil {
		return page, 0, err
	}
	if err := t.segments(values[tiffTiles], values[tiffTileSizes]); err != nil {
		return page, 0, err
	}
	return page, int64(t.order.Uint32(b[n*12:])), nil
}

// segments looks whether the pixels are within the file.
func (t *tiff) segments(at, sizes []int64) error {
	for i := range min(len(at), len(sizes)) {
		if at[i]+sizes[i] > t.in.Size {
			return ErrShort
		}
	}
	return nil
}

// values are the numbers of an entry.
func (t *tiff) values(e []byte) ([]int64, error) {
	sizes := map[uint16]int{3: 2, 4: 4} // SHORT and LONG
	size, ok := sizes[t.order.Uint16(e[2:])]
	n := int64(t.order.Uint32(e[4:]))
	if !ok || n > tiffMaxSegments {
		return nil, fmt.Errorf("a directory has an odd entry %d", t.order.Uint16(e))
	}
	b := e[8:12]
	if n*int64(size) > 4 {
		var err error
		if b, err = t.read(int64(t.order.Uint32(b)), int(n)*size); err != nil {
			return nil, err
		}
	}
	values := make([]int64, n)
	for i := range values {
		if size == 2 {
			values[i] = int64(t.order.Uint16(b[i*2:]))
		} else {
			values[i] = int64(t.order.Uint32(b[i*4:]))
		}
	}
	return values, nil
}

// read gives bytes of the file, or ErrShort.
func (t *tiff) read(at int64, n int) ([]byte, error) {
	if at < 0 || at+int64(n) > t.in.Size {
		return nil, ErrShort
	}
	b := make([]byte, n)
	if _, err := t.in.ReadAt(b, at); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}
