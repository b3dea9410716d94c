package load

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"importer/transform"
)

func TestJSONLWritesInOrder(t *testing.T) {
	var out bytes.Buffer
	target := NewJSONL(&out, true)
	checkFates(t, target.Put(t.Context(), []*transform.Item{item("b", "B"), item("a", "A")}), Stored, Stored)
	checkFates(t, target.Delete(t.Context(), []string{"b"}), Stored)
	want := `{"id":"b","acl":[{"type":"everyone","value":"everyone","accessType":"grant"}],"properties":{"title":"B"},"origin":{"source":"","key":"","place":{"file":""}}}
{"id":"a","acl":[{"type":"everyone","value":"everyone","accessType":"grant"}],"properties":{"title":"A"},"origin":{"source":"","key":"","place":{"file":""}}}
{"id":"b","@removed":{"reason":"deleted"}}
`
	if got := out.String(); got != want {
		t.Errorf("written:\n%swant:\n%s", got, want)
	}
}

// Each call is one write, so that calls never mix their lines.
func TestJSONLWritesOnceACall(t *testing.T) {
	var w writes
	target := NewJSONL(&w, false)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { target.Put(t.Context(), items(100)) })
	}
	wg.Wait()
	if len(w) != 10 {
		t.Fatalf("%d writes for 10 calls", len(w))
	}
	for _, text := range w {
		if n := strings.Count(text, "\n"); n != 100 || !strings.HasSuffix(text, "\n") {
			t.Errorf("a write of %d lines, want 100 whole ones", n)
		}
	}
}

type writes []string

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, string(p))
	return len(p), nil
}

func TestJSONLWriteErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		w    io.Writer
		want string
	}{
		{"full disk", errWriter{&os.PathError{Op: "write", Path: "out.jsonl", Err: syscall.ENOSPC}}, "out.jsonl: the disk is full; free some space"},
		{"closed pipe", errWriter{syscall.EPIPE}, "whoever read it has gone"},
		{"other", errWriter{errors.New("boom")}, "could not be written: boom"},
		{"a writer that lies", shortWriter{}, "short write"},
	} {
		target := NewJSONL(tt.w, false)
		results := target.Put(t.Context(), items(3))
		for _, res := range append(results, target.Put(t.Context(), items(1))...) {
			if res.Fate != Unsettled || !res.Fatal || !strings.Contains(res.Err.Error(), tt.want) {
				t.Errorf("%s: %+v, want Fatal with %q", tt.name, res, tt.want)
			}
		}
		if err := target.Flush(); err == nil {
			t.Errorf("%s: Flush after a failure is nil", tt.name)
		}
	}
}

type errWriter struct{ err error }

func (w errWriter) Write([]byte) (int, error) { return 0, w.err }
func (w errWriter) Name() string              { return "out.jsonl" }

type shortWriter struct{}

func (shortWriter) Write(p []byte) (int, error) { return len(p) / 2, nil }

// A write that breaks off leaves no half line in a file.
func TestJSONLUntears(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := &tornFile{File: f}
	target := NewJSONL(w, false)
	checkFates(t, target.Put(t.Context(), items(2)), Stored, Stored)
	whole, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	w.torn = true
	if res := target.Put(t.Context(), items(2)); !res[0].Fatal {
		t.Errorf("a torn write: %+v", res[0])
	}
	if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("the file holds %q, %v, want %q", got, err, whole)
	}
}

type tornFile struct {
	*os.File
	torn bool
}

func (f *tornFile) Write(p []byte) (int, error) {
	if !f.torn {
		return f.File.Write(p)
	}
	n, _ := f.File.Write(p[:len(p)/2])
	return n, syscall.ENOSPC
}

func TestJSONLFullDevice(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("this system has no /dev/full: %v", err)
	}
	defer f.Close()
	res := NewJSONL(f, false).Put(t.Context(), items(1))[0]
	if !res.Fatal || !strings.Contains(res.Err.Error(), "/dev/full: the disk is full") {
		t.Errorf("%+v", res)
	}
}

func TestJSONLClose(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out.jsonl")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	target := NewJSONL(f, false)
	checkFates(t, target.Put(t.Context(), items(1)), Stored)
	if err := target.Close(); err != nil {
		t.Error(err)
	}
	if res := target.Put(t.Context(), items(1))[0]; !res.Fatal {
		t.Errorf("Put after Close: %+v", res)
	}
	if text, err := os.ReadFile(name); err != nil || strings.Count(string(text), "\n") != 1 {
		t.Errorf("the file holds %q, %v", text, err)
	}
	// A pipe cannot be made durable; that is no failure.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, r)
	if err := NewJSONL(w, false).Close(); err != nil {
		t.Errorf("Close of a pipe: %v", err)
	}
}

// Through the Loader a full disk ends the run at once, with its own words.
func TestLoaderOverFullDisk(t *testing.T) {
	l := &Loader{Target: NewJSONL(errWriter{syscall.ENOSPC}, false)}
	results, err := l.Put(t.Context(), items(1000))
	if err == nil || !strings.Contains(err.Error(), "the disk is full") || count(results, Unsettled) != 1000 {
		t.Errorf("%v, %d unsettled", err, count(results, Unsettled))
	}
}

func BenchmarkJSONL(b *testing.B) {
	its := make([]*transform.Item, 500)
	for i := range its {
		its[i] = benchItem()
	}
	l := &Loader{Target: NewJSONL(io.Discard, true), Concurrency: 4}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Put(b.Context(), its); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/item")
}
