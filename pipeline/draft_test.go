package pipeline

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"importer/extract"
	"importer/transform"
)

var aclQuestion = regexp.MustCompile(`(?m)^    # acl: \[\{grant: everyone\}\].*$`)

// loadDraft loads a draft from a folder that its paths are relative to: as it
// is, when it must lack its ACLs and nothing else, and with its question answered.
func loadDraft(t *testing.T, dir string, text []byte) (*transform.Mapping, string) {
	t.Helper()
	file := filepath.Join(dir, "mapping.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(string(text))
	_, err := transform.Load(file)
	var wrong transform.Errors
	if !errors.As(err, &wrong) {
		t.Fatalf("a mapping without an answer to who may see its items loads: %v\n%s", err, text)
	}
	for _, e := range wrong {
		if !strings.Contains(e.Detail, "has no acl") {
			t.Errorf("the draft is wrong beside its acl: %v", e)
		}
	}
	write(aclQuestion.ReplaceAllString(string(text), "    acl: [{grant: everyone}]"))
	m, err := transform.Load(file)
	if err != nil {
		t.Fatalf("the draft does not load once its acl is there: %v\n%s", err, text)
	}
	return m, file
}

// Every file that can be read gives a mapping that runs once its question is
// answered, with few refused records.
func TestDraftOfCorpus(t *testing.T) {
	roots := []string{"../samples"}
	if corpus := os.Getenv("IMPORTER_CORPUS"); corpus != "" && !testing.Short() {
		roots = append(roots, corpus)
	} else {
		t.Log("IMPORTER_CORPUS is not set: only the samples are tried")
	}
	defer extract.CloseWorkers()
	tried, pdfs := 0, 0
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !(&extract.Options{}).Reads(path) {
				return err
			}
			if filepath.Ext(path) == ".pdf" {
				if pdfs++; pdfs%16 != 1 { // they are alike to init, and dear
					return nil
				}
			}
			if draftRuns(t, path) {
				tried++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d files were tried", tried)
	if tried < 20 {
		t.Error("hardly any file was tried")
	}
}

// draftRuns tries one file; false when nothing of it can be read.
func draftRuns(t *testing.T, path string) bool {
	dir := t.TempDir()
	d, err := Draft(t.Context(), []string{path}, dir)
	if err != nil {
		return false
	}
	t.Run(strings.ReplaceAll(strings.TrimPrefix(path, "../"), "/", "_"), func(t *testing.T) {
		text := d.Write()
		m, _ := loadDraft(t, dir, text)
		good, bad, seen, files := 0, 0, 0, 0
		var firstBad error
		for _, src := range m.Sources {
			for item, err := range Preview(t.Context(), dir, src, slog.New(slog.DiscardHandler)) {
				var record *extract.RecordError
				var file *extract.FileError
				var refused *transform.ItemError
				switch {
				case errors.As(err, &file):
					files++
				case errors.As(err, &refused) && refused.Reason == transform.ReasonNoProperties: // rows of nothing but errors: the file's own fault
				case errors.As(err, &record): // the file's own fault
				case err != nil:
					if bad++; firstBad == nil {
						firstBad = err
					}
				case item != nil:
					good++
				}
				if seen++; seen > 3000 {
					break
				}
			}
		}
		if good == 0 && files == 0 || bad*20 > good+bad && bad > 1 {
			t.Errorf("%d items, %d refused, such as %v\n%s", good, bad, firstBad, text)
		}
	})
	return true
}

// A mapping is never written over the files of others.
func TestPatternOf(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{"a/t-1.csv", "a/t-2.csv", "a/other.csv", "a/x.txt", "b/1.csv", "b/c/2.csv", "b/[odd].csv", ".hidden/9.csv"} {
		full := filepath.Join(dir, f)
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	in := func(names ...string) (out []string) {
		for _, n := range names {
			out = append(out, filepath.ToSlash(filepath.Join(dir, n)))
		}
		return out
	}
	for _, test := range []struct {
		files, perhaps []string
		want           string
	}{
		{in("a/t-1.csv"), nil, "a/t-1.csv"},
		{in("b/[odd].csv"), nil, `b/\[odd].csv`},
		{in("a/t-1.csv", "a/t-2.csv"), nil, "a/t-*.csv"},
		{in("a/t-1.csv", "a/other.csv"), nil, "a/{t-1,other}.csv"},
		{in("a/t-1.csv", "a/other.csv"), in("a/t-2.csv"), "a/*.csv"},
		{in("a/t-1.csv", "a/t-2.csv", "a/other.csv"), nil, "a/*.csv"},
		{in("b/1.csv", "b/c/2.csv", "b/[odd].csv"), nil, "b/**/*.csv"},
		{in("b/1.csv", "b/[odd].csv"), nil, "b/*.csv"},
		{in("a/other.csv", "b/1.csv"), nil, "{a/other,b/1}.csv"},
	} {
		got := strings.TrimPrefix(patternOf(test.files, test.perhaps), filepath.ToSlash(dir)+"/")
		if got != test.want {
			t.Errorf("patternOf(%q) = %q, want %q", test.files, got, test.want)
		}
	}
}

func TestDraftStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Draft(ctx, []string{"../samples/helpdesk"}, "."); !errors.Is(err, context.Canceled) {
		t.Errorf("Draft of a cancelled context = %v", err)
	}
	if _, err := Draft(t.Context(), []string{"../samples/nowhere"}, "."); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("Draft of what is not there = %v", err)
	}
	if !slices.Contains(readableExts(), ".csv") {
		t.Error("csv is not readable")
	}
}
