package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// counted adds a format whose reader counts how often it is asked.
func counted(t *testing.T, read func(ctx context.Context, in Input) iter.Seq2[Record, error]) *int {
	t.Helper()
	n := new(int)
	before := Formats
	Formats = append(Formats[:len(Formats):len(Formats)], &Format{Name: "counted", Exts: []string{".counted"}, Keep: true, Version: "1",
		Sniff: func([]byte) bool { return false },
		Read: func(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
			*n++
			return read(ctx, in)
		}})
	t.Cleanup(func() { Formats = before })
	return n
}

func document(in Input, page int) Record {
	return Record{Place: Place{File: in.Name, Page: page}, Doc: &Document{Body: "text <&> \u2028 of " + in.Name, Title: "T", Page: page, Pages: 2,
		Headings: []string{"a", "b"}, Meta: map[string]string{"author": "x"}, Warnings: []string{"w"}}}
}

// collect reads a sequence as a crawl does: the error of the file ends it.
func collect(seq iter.Seq2[Record, error]) (out []string) {
	for rec, err := range seq {
		switch {
		case err != nil:
			out = append(out, fmt.Sprintf("%T %v short=%v", err, err, errors.Is(err, ErrShort)))
			if !isRecordError(err) {
				return out
			}
		default:
			out = append(out, fmt.Sprintf("%v %+v", rec.Place, *rec.Doc))
		}
	}
	return out
}

func TestCache(t *testing.T) {
	type step struct {
		name    string
		sum     string
		opt     Options
		opened  bool
		retry   bool
		another bool // version of the reader
	}
	whole := func(ctx context.Context, in Input) iter.Seq2[Record, error] {
		return func(yield func(Record, error) bool) {
			_ = yield(document(in, 1), nil) &&
				yield(Record{}, &RecordError{Place: Place{File: in.Name, Page: 2}, Reason: ReasonBroken, Detail: "page 2 is broken"}) &&
				yield(document(in, 3), nil)
		}
	}
	failing := func(reason string, err error) func(context.Context, Input) iter.Seq2[Record, error] {
		return func(ctx context.Context, in Input) iter.Seq2[Record, error] {
			return func(yield func(Record, error) bool) {
				if yield(document(in, 1), nil) {
					yield(Record{}, &FileError{Place: Place{File: in.Name}, Reason: reason, Detail: "it failed", Err: err})
				}
			}
		}
	}
	pages := Options{Item: "page"}
	for _, tt := range []struct {
		name  string
		read  func(context.Context, Input) iter.Seq2[Record, error]
		steps []step
	}{
		{"a document", whole, []step{
			{name: "first", sum: "a", opened: true}, {name: "again", sum: "a"}, {name: "retry", sum: "a", retry: true},
			{name: "other content", sum: "b", opened: true}, {name: "other options", sum: "a", opt: pages, opened: true},
			{name: "those again", sum: "a", opt: pages}, {name: "another reader", sum: "a", another: true, opened: true}, {name: "no hash", sum: "", opened: true}}},
		{"one that takes too long", failing(ReasonTimeout, nil), []step{
			{name: "first", sum: "a", opened: true}, {name: "again", sum: "a"}, {name: "retry", sum: "a", retry: true, opened: true}, {name: "again", sum: "a"}}},
		{"one that was cut off", failing(ReasonShort, ErrShort), []step{{name: "first", sum: "a", opened: true}, {name: "again", sum: "a"}}},
		{"a disk that fails", failing(ReasonUnreadable, nil), []step{{name: "first", sum: "a", opened: true}, {name: "again", sum: "a", opened: true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opened := counted(t, tt.read)
			c := OpenCache(filepath.Join(t.TempDir(), "cache"), 1<<20)
			in := Input{Name: "x.counted", Size: 4, ReaderAt: strings.NewReader("text")}
			want := collect(Records(t.Context(), in, Options{}))
			*opened = 0
			for _, s := range tt.steps {
				if s.another {
					Formats[len(Formats)-1].Version = "2"
				}
				c.Retry = s.retry
				got := collect(c.Records(t.Context(), in, s.opt, func() []byte { return []byte(s.sum) }))
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %q\nwant %q", s.name, got, want)
				}
				if (*opened > 0) != s.opened {
					t.Errorf("%s: opened: %v, want %v", s.name, *opened > 0, s.opened)
				}
				*opened = 0
			}
			// The name is not the content's.
			in.Name = "other/y.counted"
			for _, line := range collect(c.Records(t.Context(), in, Options{}, func() []byte { return []byte("a") })) {
				if !strings.Contains(line, "other/y.counted") {
					t.Errorf("under another name: %q", line)
				}
			}
		})
	}
}

// What was not read to its end is not kept.
func TestCacheKeepsNothingHalf(t *testing.T) {
	opened := counted(t, func(ctx context.Context, in Input) iter.Seq2[Record, error] {
		return func(yield func(Record, error) bool) { _ = yield(document(in, 1), nil) && yield(document(in, 2), nil) }
	})
	c := OpenCache(t.TempDir(), 1<<20)
	in := Input{Name: "x.counted", Size: 4, ReaderAt: strings.NewReader("text")}
	sum := func() []byte { return []byte("a") }
	for range c.Records(t.Context(), in, Options{}, sum) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range c.Records(ctx, in, Options{}, sum) {
		cancel()
	}
	if got := len(collect(c.Records(t.Context(), in, Options{}, sum))); got != 2 || *opened != 3 {
		t.Errorf("%d records, opened %d times; want 2, 3", got, *opened)
	}
	files, err := filepath.Glob(filepath.Join(c.dir, "*", "*"))
	if err != nil || len(files) != 1 {
		t.Errorf("files = %v, %v; want the one entry", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: it holds what not everybody may see", info.Mode(), err)
	}
	// A broken entry is made anew, whatever is broken of it.
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(text) {
		bad := bytes.Clone(text)
		bad[n] ^= 0x20
		for _, broken := range [][]byte{bad, text[:n]} {
			if err := os.WriteFile(files[0], broken, 0o600); err != nil {
				t.Fatal(err)
			}
			got := collect(c.Records(t.Context(), in, Options{}, sum))
			if len(got) != 2 || !strings.Contains(got[1], "text <&> \u2028 of x.counted") {
				t.Fatalf("byte %d of the entry broken: %q", n, got)
			}
		}
	}
}

// Formats whose records hold functions, and tables, are not kept.
func TestWorth(t *testing.T) {
	c := OpenCache(t.TempDir(), 1)
	for name, want := range map[string]bool{"a.pdf": true, "a.PDF": true, "a.csv": false, "a.xlsx": false, "a.html": false, "a": false} {
		if got := c.Worth(name, Options{}); got != want {
			t.Errorf("Worth(%s) = %v, want %v", name, got, want)
		}
	}
	if !c.Worth("a.bin", Options{Format: "pdf"}) || c.Worth("a.pdf", Options{Format: "html"}) {
		t.Error("the format that the mapping names counts, not the name")
	}
	var none *Cache
	if none.Worth("a.pdf", Options{}) {
		t.Error("no cache keeps nothing")
	}
	none.Trim()
}

func TestTrim(t *testing.T) {
	dir := t.TempDir()
	c := OpenCache(dir, 1000)
	for i := range 20 {
		name := filepath.Join(dir, "ab", fmt.Sprint("entry", i))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, make([]byte, 100), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-time.Duration(i) * 48 * time.Hour)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	touch(filepath.Join(dir, "ab", "entry19")) // it was of use
	c.Trim()
	left, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(left) != 9 {
		t.Errorf("%d entries left, want 9", len(left))
	}
	for _, want := range []string{"entry0", "entry7", "entry19"} {
		if _, err := os.Stat(filepath.Join(dir, "ab", want)); err != nil {
			t.Errorf("%s is gone: %v", want, left)
		}
	}
}
