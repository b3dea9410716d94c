package extract

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
)

// A compoundFile is an OLE compound file ([MS-CFB]): a small file system of
// storages (folders) and streams (files), in which old Office documents, Outlook
// messages and encrypted packages are kept. Nothing in it is believed: chains of
// sectors are followed for no longer than there are sectors.
type compoundFile struct {
	in      io.ReaderAt
	size    int64
	sector  int64
	mini    int64 // bytes of a sector of the mini stream
	cutoff  int64 // streams shorter than this are in the mini stream
	fat     []uint32
	miniFAT []uint32
	root    []uint32 // the sectors of the mini stream
	entries []compoundEntry
}

// A compoundEntry is a storage or a stream.
type compoundEntry struct {
	name  string
	kind  byte
	start uint32
	size  int64

	left, right, child uint32
}

const (
	compoundStorage = 1
	compoundStream  = 2
	compoundRoot    = 5

	sectorEnd  = 0xfffffffe // of a chain
	sectorMost = 0xfffffffa // what is above is no sector
	noEntry    = 0xffffffff

	maxCompoundEntries = 200_000
)

// errCompound means that a file is not the compound file that it seems.
var errCompound = errors.New("not a compound file")

// openCompound reads the tables of a compound file. Its error wraps errCompound,
// io.ErrUnexpectedEOF where the file is cut, or is that of reading.
func openCompound(in io.ReaderAt, size int64) (*compoundFile, error) {
	head := make([]byte, 512)
	if _, err := readFullAt(in, head, 0, size); err != nil {
		return nil, err
	}
	if string(head[:8]) != oleMagic {
		return nil, fmt.Errorf("%w: it does not begin as one", errCompound)
	}
	shift, miniShift := binary.LittleEndian.Uint16(head[30:]), binary.LittleEndian.Uint16(head[32:])
	if shift != 9 && shift != 12 || miniShift != 6 {
		return nil, fmt.Errorf("%w: it has sectors of 2^%d bytes", errCompound, shift)
	}
	c := &compoundFile{in: in, size: size, sector: 1 << shift, mini: 1 << miniShift, cutoff: int64(binary.LittleEndian.Uint32(head[56:]))}
	if err := c.readFAT(head); err != nil {
		return nil, err
	}
	if err := c.readEntries(binary.LittleEndian.Uint32(head[48:])); err != nil {
		return nil, err
	}
	chain, err := c.chain(binary.LittleEndian.Uint32(head[60:]), -1)
	if err != nil {
		return nil, err
	}
	if c.miniFAT, err = c.table(chain); err != nil {
		return nil, err
	}
	return c, nil
}

// readFullAt reads all of b, or gives io.ErrUnexpectedEOF where the file ends
// before.
func readFullAt(in io.ReaderAt, b []byte, off, size int64) (int, error) {
	if off < 0 || off+int64(len(b)) > size {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := in.ReadAt(b, off)
	if n == len(b) {
		return n, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// sectors is how many sectors the file can have.
func (c *compoundFile) sectors() int { return int(c.size/c.sector) + 1 }

func (c *compoundFile) readSector(n uint32, b []byte) error {
	at := (int64(n) + 1) * c.sector
	if at < c.size && at+int64(len(b)) > c.size { // the last sector may lack its padding
		clear(b)
		b = b[:c.size-at]
	}
	_, err := readFullAt(c.in, b, at, c.size)
	return err
}

// readFAT reads the table of which sector follows which.
func (c *compoundFile) readFAT(head []byte) error {
	var list []uint32
	for i := 76; i < 512; i += 4 {
		list = append(list, binary.LittleEndian.Uint32(head[i:]))
	}
	next := binary.LittleEndian.Uint32(head[68:])
	buf := make([]byte, c.sector)
	for n := 0; next < sectorMost && n < c.sectors(); n++ {
		if err := c.readSector(next, buf); err != nil {
			return err
		}
		for i := 0; i < len(buf)-4; i += 4 {
			list = append(list, binary.LittleEndian.Uint32(buf[i:]))
		}
		next = binary.LittleEndian.Uint32(buf[len(buf)-4:])
	}
	per := int(c.sector / 4)
	most := c.sectors()/per + 1
	var used []uint32
	for _, n := range list {
		if n < sectorMost && len(used) < most {
			used = append(used, n)
		}
	}
	var err error
	c.fat, err = c.table(used)
	return err
}

// table reads numbers out of sectors.
func (c *compoundFile) table(chain []uint32) ([]uint32, error) {
	out := make([]uint32, 0, len(chain)*int(c.sector/4))
	buf := make([]byte, c.sector)
	for _, n := range chain {
		if err := c.readSector(n, buf); err != nil {
			return nil, err
		}
		for i := 0; i < len(buf); i += 4 {
			out = append(out, binary.LittleEndian.Uint32(buf[i:]))
		}
	}
	return out, nil
}

// chain lists the sectors of a chain that holds size bytes, -1 for one of any
// length.
func (c *compoundFile) chain(first uint32, size int64) ([]uint32, error) {
	return followChain(c.fat, first, size, c.sector, c.sectors())
}

func followChain(fat []uint32, first uint32, size, sector int64, most int) ([]uint32, error) {
	var out []uint32
	for n := first; n < sectorMost && (size < 0 || int64(len(out))*sector < size); n = fat[n] {
		if len(out) > most {
			return nil, fmt.Errorf("%w: its sectors go round in a circle", errCompound)
		}
		if int64(n) >= int64(len(fat)) {
			return nil, fmt.Errorf("%w: sector %d is not in it", io.ErrUnexpectedEOF, n)
		}
		out = append(out, n)
	}
	if size >= 0 && int64(len(out))*sector < size {
		return nil, fmt.Errorf("%w: a stream of it ends early", io.ErrUnexpectedEOF)
	}
	return out, nil
}

func (c *compoundFile) readEntries(first uint32) error {
	chain, err := c.chain(first, -1)
	if err != nil {
		return err
	}
	buf := make([]byte, c.sector)
	for _, n := range chain {
		if err := c.readSector(n, buf); err != nil {
			return err
		}
		for i := 0; i+128 <= len(buf); i += 128 {
			if len(c.entries) >= maxCompoundEntries {
				return fmt.Errorf("%w: it has more than %d entries", errCompound, maxCompoundEntries)
			}
			c.entries = append(c.entries, parseEntry(buf[i:i+128], c.sector))
		}
	}
	if len(c.entries) == 0 || c.entries[0].kind != compoundRoot {
		return fmt.Errorf("%w: it has no root", errCompound)
	}
	c.root, err = c.chain(c.entries[0].start, -1)
	return err
}

func parseEntry(b []byte, sector int64) compoundEntry {
	n := int(binary.LittleEndian.Uint16(b[64:])) / 2
	var u []uint16
	for i := 0; i < min(n-1, 31); i++ {
		u = append(u, binary.LittleEndian.Uint16(b[2*i:]))
	}
	e := compoundEntry{name: string(utf16.Decode(u)), kind: b[66],
		left: binary.LittleEndian.Uint32(b[68:]), right: binary.LittleEndian.Uint32(b[72:]), child: binary.LittleEndian.Uint32(b[76:]),
		start: binary.LittleEndian.Uint32(b[116:]), size: int64(binary.LittleEndian.Uint32(b[120:]))}
	if sector == 4096 { // version 4; version 3 may have anything in the upper half
		e.size |= int64(binary.LittleEndian.Uint32(b[124:])&0x7fffffff) << 32
	}
	return e
}

// children lists what is in a storage; 0 is the root. Each entry is given once,
// whatever the tree says.
func (c *compoundFile) children(storage int) []int {
	var out []int
	seen := make(map[uint32]bool)
	todo := []uint32{c.entries[storage].child}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if n == noEntry || int64(n) >= int64(len(c.entries)) || seen[n] || n == 0 {
			continue
		}
		seen[n] = true
		out = append(out, int(n))
		todo = append(todo, c.entries[n].right, c.entries[n].left)
	}
	return out
}

// find gives the entry of a name in a storage, -1 if there is none. Names do not
// tell case apart.
func (c *compoundFile) find(storage int, names ...string) int {
	for _, name := range names {
		for _, i := range c.children(storage) {
			if strings.EqualFold(c.entries[i].name, name) {
				return i
			}
		}
	}
	return -1
}

// open gives the content of a stream.
func (c *compoundFile) open(i int) (*io.SectionReader, error) {
	e := &c.entries[i]
	if e.size > c.size {
		return nil, fmt.Errorf("%w: its stream %q is said to have %d bytes", io.ErrUnexpectedEOF, e.name, e.size)
	}
	r := &chainReader{c: c, size: e.size, sector: c.sector}
	var err error
	if e.size < c.cutoff && e.kind != compoundRoot {
		r.sector, r.small = c.mini, true
		r.sectors, err = followChain(c.miniFAT, e.start, e.size, c.mini, len(c.miniFAT)+1)
	} else {
		r.sectors, err = c.chain(e.start, e.size)
	}
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(r, 0, e.size), nil
}

// read gives the content of a stream of at most so many bytes.
func (c *compoundFile) read(i int, most int64) ([]byte, error) {
	r, err := c.open(i)
	if err != nil {
		return nil, err
	}
	if r.Size() > most {
		return nil, &limitError{fmt.Sprintf("its stream %q has %s, over the limit of %s", c.entries[i].name, byteWords(r.Size()), byteWords(most))}
	}
	var b bytes.Buffer
	_, err = io.Copy(&b, r)
	return b.Bytes(), err
}

// A chainReader reads a stream out of its sectors.
type chainReader struct {
	c       *compoundFile
	sectors []uint32
	sector  int64
	size    int64
	small   bool // the sectors are those of the mini stream
}

func (r *chainReader) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < r.size {
		at := off / r.sector
		skip := off % r.sector
		run := int64(1) // sectors that lie one after the other are read in one go
		for !r.small && at+run < int64(len(r.sectors)) && r.sectors[at+run] == r.sectors[at]+uint32(run) && run*r.sector-skip < int64(len(p)-n) {
			run++
		}
		chunk := p[n:min(len(p), n+int(min(run*r.sector-skip, r.size-off)))]
		where, err := r.where(r.sectors[at])
		if err != nil {
			return n, err
		}
		if _, err := readFullAt(r.c.in, chunk, where+skip, r.c.size); err != nil {
			return n, err
		}
		n += len(chunk)
		off += int64(len(chunk))
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// where is the place of a sector in the file.
func (r *chainReader) where(sector uint32) (int64, error) {
	if !r.small {
		return (int64(sector) + 1) * r.sector, nil
	}
	at := int64(sector) * r.sector
	in := at / r.c.sector
	if in >= int64(len(r.c.root)) {
		return 0, fmt.Errorf("%w: a small stream of it is not there", io.ErrUnexpectedEOF)
	}
	return (int64(r.c.root[in])+1)*r.c.sector + at%r.c.sector, nil
}

// An oleKind is what an OLE file is, by the names in its root.
type oleKind string

const (
	oleEncrypted oleKind = "encrypted" // an encrypted package: a workbook or another office file
	oleWorkbook  oleKind = "xls"
	oleWord      oleKind = "doc"
	olePoint     oleKind = "ppt"
	oleMessage   oleKind = "msg"
	oleOther     oleKind = ""
)

// oleKindOf tells what an OLE file is. A file that cannot be looked at is
// oleOther.
func oleKindOf(in Input) oleKind {
	c, err := openCompound(in, in.Size)
	if err != nil {
		return oleOther
	}
	kind := oleOther
	for _, i := range c.children(0) {
		switch name := c.entries[i].name; {
		case name == "EncryptedPackage":
			return oleEncrypted
		case strings.EqualFold(name, "WordDocument"):
			return oleWord
		case strings.EqualFold(name, "PowerPoint Document"), name == "PP97_DUALSTORAGE":
			return olePoint
		case strings.HasPrefix(name, "__properties_version1"), strings.HasPrefix(name, "__substg1.0_"):
			return oleMessage
		case strings.EqualFold(name, "Workbook"), strings.EqualFold(name, "Book"):
			kind = oleWorkbook // a Word document may hold one as well
		}
	}
	return kind
}
