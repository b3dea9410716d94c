package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"importer/extract"
	"importer/pipeline/state"
	"importer/transform"
)

// sidecars makes w's files have metadata beside them, which gives the titles.
func (w *world) sidecars() {
	path := filepath.Join(w.dir, "mapping.yaml")
	b, err := os.ReadFile(path)
	w.must(err)
	s := strings.Replace(string(b), "    path: files/", "    sidecar: [.json, .yaml]\n    path: files/", 1)
	s = strings.Replace(s, "title: title", "title: side.title ?? title", 1)
	if s == string(b) {
		w.t.Fatal("the mapping has no such places")
	}
	w.must(os.WriteFile(path, []byte(s), 0o600))
}

func (w *world) beside(name, text string) {
	w.must(os.WriteFile(filepath.Join(w.dir, "files", name), []byte(text), 0o600))
}

func TestSidecarDecides(t *testing.T) {
	w := newWorld(t)
	w.sidecars()
	w.write("a.csv", "a1,one,1")
	w.write("b.csv", "b1,one,1")
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Stored: 2})
	w.beside("a.csv.json", `{"title": "other"}`)
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Stored: 1, Unchanged: 1})
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Unchanged: 2})

	// What is half written is not read.
	w.beside("a.csv.json", `{"title": "third"}`)
	w.hold("a.csv.json")
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Unchanged: 2})
	w.hold()
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Stored: 1, Unchanged: 1})

	// It is gone, and the row's own title is back.
	w.remove("a.csv.json")
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Stored: 1, Unchanged: 1})
}

func TestBesideOf(t *testing.T) {
	src := &transform.Source{Sidecar: []string{".yaml", ".json"}}
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
		err   string
	}{
		{"none", nil, "map[]", ""},
		{"one", map[string]string{"a.pdf.json": `{"a": 1}`}, "map[a:1]", ""},
		{"of another file", map[string]string{"b.pdf.json": `{"a": 1}`, "a.json": `{"a": 2}`}, "map[]", ""},
		{"two", map[string]string{"a.pdf.json": `{"a": 1}`, "a.pdf.yaml": "a: 1"}, "", "both a.pdf.yaml and a.pdf.json are there"},
		{"a folder", map[string]string{"a.pdf.yaml/x": ""}, "", "a.pdf.yaml cannot be read: it is no file"},
		{"broken", map[string]string{"a.pdf.json": "{\n \"a\": x}"}, "", "a.pdf.json:2:7: it is no JSON"},
		{"large", map[string]string{"a.pdf.yaml": "a: " + strings.Repeat("x", extract.MaxSide)}, "", "a.pdf.yaml: it is over 1 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for name, text := range tt.files {
				if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			b := besideOf(src, "a.pdf")
			side, err := b.side()
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
			} else if err != nil || fmt.Sprint(map[string]any(side)) != tt.want || (side == nil) != (b.sum() == "") {
				t.Errorf("%v, sum %q, %v; want %s", side, b.sum(), err, tt.want)
			}
		})
	}
}

// Metadata of a file that is there is no file of the source, and watching
// reacts to it all the same.
func TestSidecarsAreNoFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.csv", "a.csv.json", "alone.csv.json", "b.csv"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src := &transform.Source{Path: "*.*", Sidecar: []string{".json"}}
	var got []string
	for f, err := range walk(t.Context(), dir, src) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f.rel)
	}
	if want := []string{"a.csv", "alone.csv.json", "b.csv"}; !slices.Equal(got, want) {
		t.Errorf("walked %q, want %q", got, want)
	}
	src.Path = "*.csv"
	sc := newScope(dir, src)
	for name, want := range map[string]bool{"a.csv": true, "a.csv.json": true, "a.json": false, "a.csv.yaml": false} {
		if sc.matches(name) != want {
			t.Errorf("%s concerns the source: %v, want %v", name, !want, want)
		}
	}
}

// Metadata that was read as a document before the mapping called it metadata
// is no document any more.
func TestSidecarThatWasADocument(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "a1,one,1")
	w.beside("a.csv.json", `{"id": "b1", "title": "two", "size": "1"}`)
	w.edit("files/*.csv", "files/*")
	w.mustCrawl()
	w.wantItems("a1", "b1")
	w.sidecars()
	rep := w.mustCrawl()
	w.wantItems("a1")
	if rep.Deleted != 1 || rep.Kept != 0 {
		t.Errorf("%d deleted, %d kept; want 1, 0", rep.Deleted, rep.Kept)
	}
}
