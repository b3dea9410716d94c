package extract

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// textPrograms are programs of Debian that give the text of a format, for
// comparison only.
var textPrograms = map[string][]string{
	"docx": {"docx2txt", "{in}", "-"},
	"odt":  {"odt2txt", "{in}"},
	"rtf":  {"unrtf", "--text", "{in}"},
	"doc":  {"catdoc", "-w", "-d", "utf-8", "{in}"},
}

// TestCorpusOffice reads the office files of public test suites: none may crash,
// hang or be told to be good when it was cut short; and where Debian has a
// program for the format, the words are compared with its words.
func TestCorpusOffice(t *testing.T) {
	root := corpusDir(t, "office")
	type tally struct {
		files, good, refused int
		scores               []float64
	}
	all := map[string]*tally{}
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		kind := strings.TrimPrefix(strings.ToLower(filepath.Ext(name)), ".")
		if all[kind] == nil {
			all[kind] = &tally{}
		}
		c := all[kind]
		c.files++
		text, err := textOfFile(t, name)
		if err != nil {
			c.refused++
			t.Logf("%s: %v", shortName(name), err)
			return nil
		}
		c.good++
		if want, ok := referenceText(name, kind); ok {
			score := bagF1(wordBag(text), wordBag(want))
			c.scores = append(c.scores, score)
			if score < 0.9 {
				t.Logf("%s: words %.2f like those of %s", shortName(name), score, textPrograms[kind][0])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		c := all[kind]
		slices.Sort(c.scores)
		mean, median := 0.0, 0.0
		for _, s := range c.scores {
			mean += s / float64(len(c.scores))
		}
		if n := len(c.scores); n > 0 {
			median = c.scores[n/2]
		}
		t.Logf("%-5s %3d files, %3d good, %2d refused; words: mean %.3f, median %.3f of %d", kind, c.files, c.good, c.refused, mean, median, len(c.scores))
	}
}

// shortName is a corpus file's name without the folders that are part of it.
func shortName(name string) string {
	_, short, _ := cutLast(filepath.Base(name), "__")
	return short
}

// textOfFile is all text of a file's records.
func textOfFile(t *testing.T, name string) (string, error) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	in := Input{Name: shortName(name), Size: info.Size(), Path: name, ReaderAt: f}
	var b strings.Builder
	begin := time.Now()
	for rec, err := range Records(t.Context(), in, Options{}) {
		if _, bad := errors.AsType[*RecordError](err); bad {
			t.Logf("%s: %v", in.Name, err)
			continue
		}
		if err != nil {
			if _, ok := errors.AsType[*readerPanic](err); ok || strings.Contains(err.Error(), "crashed") || strings.Contains(err.Error(), "gave up") {
				t.Errorf("%s: %v", in.Name, err)
			}
			return b.String(), err
		}
		if rec.Doc != nil {
			b.WriteString(rec.Doc.Body + "\n")
		}
		for _, s := range rec.Text {
			b.WriteString(s + " ")
		}
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Logf("%s took %v", in.Name, took)
	}
	return b.String(), nil
}

// referenceText is what the program of a format says of a file; ok is false
// where there is none or it refuses.
func referenceText(name, kind string) (string, bool) {
	args := slices.Clone(textPrograms[kind])
	if len(args) == 0 {
		return "", false
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return "", false
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "{in}", name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args[1:]...).Output()
	text := string(out)
	if kind == "rtf" { // unrtf says something of itself first
		_, text, _ = strings.Cut(text, "-----------------\n")
	}
	return text, err == nil && len(strings.Fields(text)) >= 5
}
