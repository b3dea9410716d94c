package extract

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// This file makes files of formats for tests, part by part.

// A zipEntry is a part of a zip; stored is kept as it is.
type zipEntry struct {
	name, content string
	stored        bool
}

func zipBytes(t testing.TB, parts ...zipEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	for _, p := range parts {
		raw := &zip.FileHeader{Name: p.name, UncompressedSize64: uint64(len(p.content)), CompressedSize64: uint64(len(p.content)), CRC32: crc32.ChecksumIEEE([]byte(p.content))}
		var w io.Writer
		var err error
		if p.stored {
			w, err = zw.CreateRaw(raw)
		} else {
			w, err = zw.Create(p.name)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(p.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// relsXML lists relationships, each as id, kind and target.
func relsXML(list ...[3]string) string {
	var b strings.Builder
	b.WriteString(`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`)
	for _, r := range list {
		base := "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
		if r[1] == "core-properties" {
			base = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/"
		}
		fmt.Fprintf(&b, `<Relationship Id="%s" Type="%s%s" Target="%s"/>`, r[0], base, r[1], r[2])
	}
	return b.String() + `</Relationships>`
}

const coreXML = `<?xml version="1.0"?><cp:coreProperties xmlns:cp="c" xmlns:dc="d" xmlns:dcterms="t"><dc:title>The title</dc:title><dc:creator>Ada</dc:creator>` +
	`<cp:lastModifiedBy>Bob</cp:lastModifiedBy><dcterms:created>2024-05-06T07:08:09Z</dcterms:created></cp:coreProperties>`

// A cfbNode is a storage, which has children, or a stream.
type cfbNode struct {
	name     string
	content  []byte
	children []cfbNode
}

// cfbBytes writes a compound file of version 3 whose streams are all kept in
// whole sectors: the cutoff is 0.
func cfbBytes(t testing.TB, children ...cfbNode) []byte {
	t.Helper()
	type entry struct {
		node        cfbNode
		kind        byte
		child, next uint32
		start       uint32
	}
	entries := []entry{{node: cfbNode{name: "Root Entry", children: children}, kind: compoundRoot, child: noEntry, next: noEntry}}
	for i := 0; i < len(entries); i++ {
		prev := uint32(noEntry)
		for _, c := range slices.Backward(entries[i].node.children) {
			kind := byte(compoundStream)
			if c.children != nil {
				kind = compoundStorage
			}
			entries = append(entries, entry{node: c, kind: kind, child: noEntry, next: prev})
			prev = uint32(len(entries) - 1)
		}
		entries[i].child = prev
	}
	var body []byte // the sectors
	var fat []uint32
	put := func(b []byte) uint32 {
		if len(b) == 0 {
			return sectorEnd
		}
		first := uint32(len(fat))
		n := (len(b) + 511) / 512
		for i := range n {
			next := uint32(len(fat) + 1)
			if i == n-1 {
				next = sectorEnd
			}
			fat = append(fat, next)
		}
		body = append(body, b...)
		body = append(body, make([]byte, n*512-len(b))...)
		return first
	}
	for i := range entries {
		entries[i].start = put(entries[i].node.content)
	}
	var dir []byte
	for _, e := range entries {
		b := make([]byte, 128)
		name := utf16.Encode([]rune(e.node.name))
		for i, u := range name {
			binary.LittleEndian.PutUint16(b[2*i:], u)
		}
		binary.LittleEndian.PutUint16(b[64:], uint16(2*len(name)+2))
		b[66] = e.kind
		binary.LittleEndian.PutUint32(b[68:], noEntry)
		binary.LittleEndian.PutUint32(b[72:], e.next)
		binary.LittleEndian.PutUint32(b[76:], e.child)
		binary.LittleEndian.PutUint32(b[116:], e.start)
		binary.LittleEndian.PutUint32(b[120:], uint32(len(e.node.content)))
		dir = append(dir, b...)
	}
	for len(dir)%512 != 0 {
		dir = append(dir, make([]byte, 128)...)
	}
	dirStart := put(dir)
	fats := (len(fat) + 1 + 127) / 128
	if fats > 100 {
		t.Fatal("the compound file is too large for this writer")
	}
	head := make([]byte, 512)
	copy(head, oleMagic)
	binary.LittleEndian.PutUint16(head[24:], 0x3e)
	binary.LittleEndian.PutUint16(head[26:], 3)
	binary.LittleEndian.PutUint16(head[28:], 0xfffe)
	binary.LittleEndian.PutUint16(head[30:], 9)
	binary.LittleEndian.PutUint16(head[32:], 6)
	binary.LittleEndian.PutUint32(head[44:], uint32(fats))
	binary.LittleEndian.PutUint32(head[48:], dirStart)
	binary.LittleEndian.PutUint32(head[60:], sectorEnd)
	binary.LittleEndian.PutUint32(head[68:], sectorEnd)
	for i := 76; i < 512; i += 4 {
		binary.LittleEndian.PutUint32(head[i:], noEntry)
	}
	for i := range fats {
		binary.LittleEndian.PutUint32(head[76+4*i:], uint32(len(fat)))
		fat = append(fat, 0xfffffffd)
	}
	table := make([]byte, fats*512)
	for i := range table {
		table[i] = 0xff
	}
	for i, n := range fat {
		binary.LittleEndian.PutUint32(table[4*i:], n)
	}
	return slices.Concat(head, body, table)
}

func le16(n ...int) []byte {
	var b []byte
	for _, v := range n {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	return b
}

func le32(n ...uint32) []byte {
	var b []byte
	for _, v := range n {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func le64(v float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)) }

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// oneFile reads a file that is one document.
func oneFile(t *testing.T, name string, b []byte, opt Options) *Document {
	t.Helper()
	got := readAll(t, t.Context(), bytesInput(name, b), opt)
	if got.err != nil || len(got.bad) > 0 || len(got.recs) != 1 || got.recs[0].Doc == nil {
		t.Fatalf("%s: %d records, bad %v, error %v, want one document", name, len(got.recs), got.bad, got.err)
	}
	return got.recs[0].Doc
}

// refused reads a file that cannot be read, and checks why.
func refused(t *testing.T, name string, b []byte, opt Options, reason, says string) {
	t.Helper()
	got := readAll(t, t.Context(), bytesInput(name, b), opt)
	bad, ok := errors.AsType[*FileError](got.err)
	if !ok || bad.Reason != reason || !strings.Contains(bad.Detail, says) || bad.Place.File != name {
		t.Errorf("%s: %d records, error %v, want %s with %q in it", name, len(got.recs), got.err, reason, says)
	}
}

// tableText prints rows as a line each: cells and, in brackets, their types.
func rowLines(recs []Record) string {
	var b strings.Builder
	var h *Header
	for _, r := range recs {
		if r.Header != h {
			h = r.Header
			fmt.Fprintf(&b, "# %s\n", strings.Join(h.Names(), " | "))
		}
		p := r.Place
		p.File = ""
		fmt.Fprintf(&b, "%s ", p)
		for i, s := range r.Text {
			if i > 0 {
				b.WriteString(" | ")
			}
			b.WriteString(strings.ReplaceAll(s, "\n", `\n`))
			if r.Typed != nil && r.Typed[i] != nil {
				fmt.Fprintf(&b, " (%T)", r.Typed[i])
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}
