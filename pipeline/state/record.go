package state

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxRecord is how many bytes of a refused record are kept, names included.
const MaxRecord = 16 << 10

// A Record is a refused row of a table, as it was tried. The zero Record is one
// that is not kept: its table has too many columns.
type Record struct {
	Columns []string `json:"columns"`
	// Values are in the order of Columns. A row that was refused for its width
	// has more of them, or fewer.
	Values []string `json:"values"`
	// Wrong are the indexes of the values that the record was refused for,
	// where they are known.
	Wrong []int `json:"wrong,omitempty"`
	// Typed are the indexes of the values that a workbook has as dates, in a
	// record that was mended in one.
	Typed []int `json:"typed,omitempty"`
	// Cut are the indexes of the values of which only the beginning is kept.
	// Such a record cannot be mended here.
	Cut []int `json:"cut,omitempty"`
}

// Keep makes a Record of a row, cut to MaxRecord: the longest values lose most.
func Keep(columns, values []string, wrong []int) Record {
	room := MaxRecord
	for _, name := range columns {
		room -= len(name)
	}
	most := share(values, room)
	if most < minValue && room < MaxRecord/2 {
		return Record{}
	}
	r := Record{Columns: columns, Values: slices.Clone(values), Wrong: wrong}
	for i, v := range r.Values {
		n := len(v)
		if n > most {
			for n = most; n > 0 && !utf8.RuneStart(v[n]); n-- {
			}
		}
		if n < len(v) || !utf8.ValidString(v) {
			r.Values[i], r.Cut = strings.ToValidUTF8(v[:n], "\uFFFD"), append(r.Cut, i)
		}
	}
	return r
}

// minValue is the least that is worth keeping of a value that is too long.
const minValue = 40

// share gives the length to which values must be cut so that all of them fit
// into room.
func share(values []string, room int) int {
	lengths := make([]int, len(values))
	for i, v := range values {
		lengths[i] = len(v)
	}
	slices.SortFunc(lengths, cmp.Compare[int])
	for i, n := range lengths {
		if rest := len(lengths) - i; n*rest > room {
			return max(0, room/rest)
		}
		room -= n
	}
	return MaxRecord
}

// Whole tells that the record was kept as it is, so that it can be mended.
func (r *Record) Whole() bool { return len(r.Columns) > 0 && len(r.Cut) == 0 }

// JSON is the record as it is stored; "" for one that is not kept.
func (r *Record) JSON() string {
	if len(r.Columns) == 0 {
		return ""
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(r) != nil {
		return "" // unreachable: it holds texts and numbers
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// ParseRecord reads what JSON gave.
func ParseRecord(s string) (r Record, err error) {
	if s != "" {
		err = json.Unmarshal([]byte(s), &r)
	}
	return r, err
}

// A Sum identifies a record by its content, as its file has it.
type Sum [16]byte

// A HeaderSum is the part of a Sum that all records of a table share.
type HeaderSum [32]byte

// SumHeader sums the columns of a table.
func SumHeader(columns []string) HeaderSum { return sha256.Sum256(lengths(nil, columns)) }

// Record sums a row of the table. cells is how many it really had, where it
// was short and has been filled up, else 0.
func (h HeaderSum) Record(values []string, cells int) (s Sum) {
	room := 64
	for _, v := range values {
		room += len(v) + 4
	}
	b := append(make([]byte, 0, room), h[:]...)
	sum := sha256.Sum256(lengths(binary.AppendUvarint(b, uint64(cells)), values))
	copy(s[:], sum[:])
	return s
}

// lengths appends texts so that no two lists of them look the same.
func lengths(b []byte, texts []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(texts)))
	for _, t := range texts {
		b = append(binary.AppendUvarint(b, uint64(len(t))), t...)
	}
	return b
}

// A Key names a refused record in an export: by its content, its file and its
// number among the equal ones of that file. So it holds when lines are moved,
// and in another state that was made of the same files.
type Key struct {
	Sum  Sum
	File [4]byte // see fileTag
	Nth  int
}

// NewKey is the key of a record of a file.
func NewKey(source, path string, sum Sum, nth int) Key { return Key{sum, fileTag(source, path), nth} }

func fileTag(source, path string) (tag [4]byte) {
	sum := sha256.Sum256(lengths(nil, []string{source, path}))
	copy(tag[:], sum[:])
	return tag
}

// The key's text begins with a letter and has a hyphen in it, so that no
// spreadsheet takes it for a number.
func (k Key) String() string {
	return "r" + hex.EncodeToString(k.Sum[:]) + hex.EncodeToString(k.File[:]) + "-" + strconv.Itoa(k.Nth)
}

// ParseKey reads the text of a key.
func ParseKey(s string) (k Key, ok bool) {
	digits, nth, found := strings.Cut(strings.TrimPrefix(s, "r"), "-")
	b, err := hex.DecodeString(digits)
	if !found || err != nil || len(b) != len(k.Sum)+len(k.File) {
		return k, false
	}
	copy(k.Sum[:], b)
	copy(k.File[:], b[len(k.Sum):])
	k.Nth, err = strconv.Atoi(nth)
	return k, err == nil && k.Nth >= 0 && k.String() == s
}
