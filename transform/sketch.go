package transform

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
)

// A sketch holds the k smallest hashes of the values of a column (Bar-Yossef
// et al., 2002: "k minimum values"). Up to k it counts distinct values
// exactly; beyond, by how closely the smallest stand, with an error of about
// 1/sqrt(k). Unlike a HyperLogLog of the same size it also tells which share
// of two columns' values is common, since the smallest hashes are the same
// sample of the values wherever they occur.
type sketch struct {
	k    int
	heap []uint64 // a max-heap of the k smallest
	has  map[uint64]struct{}
}

const (
	sketchK    = 1024 // 3 % of error, 8 KiB a column
	sketchKept = 256  // of these are written down: 6 %
)

func newSketch(k int) *sketch { return &sketch{k: k, has: map[uint64]struct{}{}} }

func (s *sketch) add(h uint64) {
	if len(s.heap) == s.k && h >= s.heap[0] {
		return
	}
	if _, ok := s.has[h]; ok {
		return
	}
	s.has[h] = struct{}{}
	if len(s.heap) < s.k {
		s.heap = append(s.heap, h)
		s.up(len(s.heap) - 1)
		return
	}
	delete(s.has, s.heap[0])
	s.heap[0] = h
	s.down(0)
}

func (s *sketch) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if s.heap[parent] >= s.heap[i] {
			return
		}
		s.heap[parent], s.heap[i] = s.heap[i], s.heap[parent]
		i = parent
	}
}

func (s *sketch) down(i int) {
	for {
		most := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < len(s.heap) && s.heap[child] > s.heap[most] {
				most = child
			}
		}
		if most == i {
			return
		}
		s.heap[most], s.heap[i] = s.heap[i], s.heap[most]
		i = most
	}
}

// distinct is the number of different hashes that were added; exact tells that
// it is no estimate.
func (s *sketch) distinct() (n int64, exact bool) {
	if len(s.heap) < s.k {
		return int64(len(s.heap)), true
	}
	return int64(float64(s.k-1) / (float64(s.heap[0]) / math.MaxUint64)), false
}

func (s *sketch) merge(o *sketch) {
	if o == nil {
		return
	}
	for _, h := range o.heap {
		s.add(h)
	}
}

// common is the share of the values of s that are values of o too, and by how
// many it was judged: only hashes count that o would have kept.
func (s *sketch) common(o *sketch) (share float64, of int) {
	if s == nil || o == nil || len(s.heap) == 0 || len(o.heap) == 0 {
		return 0, 0
	}
	limit := uint64(math.MaxUint64)
	if len(o.heap) == o.k {
		limit = o.heap[0]
	}
	both := 0
	for _, h := range s.heap {
		if h > limit {
			continue
		}
		of++
		if _, ok := o.has[h]; ok {
			both++
		}
	}
	if of == 0 {
		return 0, 0
	}
	return float64(both) / float64(of), of
}

// MarshalText writes k and the smallest hashes, sorted.
func (s *sketch) MarshalText() ([]byte, error) {
	all := slices.Sorted(slices.Values(s.heap))
	if len(all) > sketchKept {
		all = all[:sketchKept]
	}
	buf := make([]byte, 0, 8*len(all))
	for _, h := range all {
		buf = binary.BigEndian.AppendUint64(buf, h)
	}
	kind := "=" // all that there were
	if len(s.heap) == s.k || len(s.heap) > sketchKept {
		kind = "<"
	}
	return []byte(kind + base64.RawStdEncoding.EncodeToString(buf)), nil
}

var errSketch = errors.New("a sketch of values is damaged")

func (s *sketch) UnmarshalText(text []byte) error {
	kind, data := string(text[:min(1, len(text))]), text[min(1, len(text)):]
	buf, err := base64.RawStdEncoding.DecodeString(string(data))
	if err != nil || len(buf)%8 != 0 || len(buf)/8 > sketchKept || !strings.Contains("=<", kind) || kind == "" {
		return errSketch
	}
	*s = sketch{k: sketchKept, has: map[uint64]struct{}{}}
	if kind == "=" {
		s.k = sketchK
	}
	for ; len(buf) > 0; buf = buf[8:] {
		s.add(binary.BigEndian.Uint64(buf))
	}
	if kind == "<" && len(s.heap) < s.k {
		return errSketch
	}
	return nil
}

// hashText is a hash that is the same in every process: FNV-1a with the
// finish of MurmurHash3, whose low and high bits are even. Long texts are
// known by their start, their end and their length.
func hashText(s string) uint64 {
	const most = 256
	h := uint64(14695981039346656037) ^ uint64(len(s))
	mix := func(s string) {
		for i := 0; i < len(s); i++ {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
	}
	if len(s) > most {
		mix(s[len(s)-most/2:])
		s = s[:most/2]
	}
	mix(s)
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
