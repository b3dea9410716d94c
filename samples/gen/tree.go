package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A tree is what a run makes.
type tree struct {
	files  map[string][]byte // by slash-separated path below samples/
	faults []fault
	texts  []textFile
	hidden []hidden
}

// A fault is one thing that is wrong on purpose.
type fault struct {
	File   string // as in tree.files
	Where  string // line, sheet and row; "" is the whole file
	What   string // what is wrong
	Expect string // why it is refused
}

// A textFile is the dialect of a CSV or HTML file that is not plain UTF-8, or
// of any CSV file; the README lists them and the test reads them so.
type textFile struct {
	File     string
	Dialect  dialect
	Language string
	Records  int // rows without the header; 0 for HTML
}

// A hidden ticket is for everybody but one person, and speaks of a printer, so
// that a search for printer as two people shows the difference.
type hidden struct{ Ticket, From string }

func newTree() *tree { return &tree{files: map[string][]byte{}} }

// add takes a file. Two files of one name are a mistake of this program.
func (t *tree) add(name string, data []byte) {
	if _, taken := t.files[name]; taken {
		panic("two files named " + name)
	}
	t.files[name] = data
}

func (t *tree) fault(file, where, what, expect string) {
	t.faults = append(t.faults, fault{file, where, what, expect})
}

func (t *tree) names() []string { return slices.Sorted(maps.Keys(t.files)) }

func (t *tree) size() (n int) {
	for _, data := range t.files {
		n += len(data)
	}
	return n
}

// A random is a splitmix64 generator (Steele, Lea and Flood, 2014). The
// standard library does not promise that the numbers of IntN stay the same
// from release to release; committed files need that promise.
type random struct{ state uint64 }

// newRandom seeds by name, so that a change to one file's text leaves the
// numbers of all others alone.
func newRandom(name string) *random {
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(name) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return &random{h}
}

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below gives a number from 0 to n-1.
func (r *random) below(n int) int { return int(r.next() % uint64(n)) }

// between gives a number from lo to hi, both included.
func (r *random) between(lo, hi int) int { return lo + r.below(hi-lo+1) }

// chance is true in percent of the calls.
func (r *random) chance(percent int) bool { return r.below(100) < percent }

func pick[T any](r *random, from []T) T { return from[r.below(len(from))] }

// sample picks n different elements, in the order of from.
func sample[T any](r *random, from []T, n int) []T {
	var picked []T
	for i, v := range from {
		if r.below(len(from)-i) < n-len(picked) {
			picked = append(picked, v)
		}
	}
	return picked
}

// uuid gives a version 4 UUID.
func (r *random) uuid() string {
	a, b := r.next(), r.next()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, 0x8000|b>>48&0x3fff, b&0xffffffffffff)
}

// fill replaces {name} by values in turn: fill("{a}!", "a", "x") is "x!".
func fill(text string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		text = strings.ReplaceAll(text, "{"+pairs[i]+"}", pairs[i+1])
	}
	return text
}

func itoa(n int) string { return strconv.Itoa(n) }
