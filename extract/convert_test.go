package extract

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// shProgram writes a program of the shell: what a converter runs is a program,
// not a command line.
func shProgram(t *testing.T, script string) string {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil || runtime.GOOS == "windows" {
		t.Skip("there is no sh")
	}
	path := filepath.Join(t.TempDir(), "convert")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConverter(t *testing.T) {
	t.Setenv("SECRET", "secret")
	const text = "a drawing; $(touch bad)"
	tests := []struct {
		name, script string
		args         []string
		c            Converter
		want         string
	}{
		{"what it prints", `cat "$1"`, []string{"{in}"}, Converter{}, text},
		{"a file", `cp "$1" "$2"`, []string{"{in}", "{out}"}, Converter{}, text},
		{"the file in a folder", `cp "$1" "$2/some.txt"`, []string{"{in}", "{outdir}"}, Converter{}, text},
		{"another format", `echo '<h1>Title</h1><p>text</p>'`, []string{"{in}"}, Converter{Output: "html"}, "Title\n\ntext"},
		{"a table", `echo a,b; echo 1,2`, []string{"{in}"}, Converter{Output: "csv"}, "a,b: 1,2"},
		{"no secrets and no way home", `echo "$SECRET-$HOME" | sed "s|-$PWD|-here|"`, []string{"{in}"}, Converter{}, "-here"},
		{"no shell", `echo "$2"`, []string{"{in}", "$(id); `id` > x | {in}.x"}, Converter{}, "$(id); `id` > x | FILE.x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.c
			c.Match, c.Command = "*.DWG", append([]string{shProgram(t, tt.script)}, tt.args...)
			if err := c.Check(); err != nil {
				t.Fatal(err)
			}
			in := bytesInput("plans/a.dwg", []byte(text))
			in.Path = filepath.Join(t.TempDir(), "in.dwg")
			if err := os.WriteFile(in.Path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			got := readAll(t, t.Context(), in, Options{Converters: []Converter{c}})
			if got.err != nil || len(got.recs) != 1 {
				t.Fatalf("%d records, error %v", len(got.recs), got.err)
			}
			rec := got.recs[0]
			said := strings.Join(rec.Text, ",")
			if rec.Doc != nil {
				said = strings.TrimSpace(rec.Doc.Body)
			} else {
				said = strings.Join(rec.Header.Names(), ",") + ": " + said
			}
			same(t, "text", strings.ReplaceAll(said, in.Path, "FILE"), tt.want)
			same(t, "place", rec.Place.File, "plans/a.dwg")
		})
	}
}

func TestConverterFails(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	tests := []struct {
		name, script string
		args         []string
		c            Converter
		reason, says string
	}{
		{"its status", `echo "bad magic" >&2; exit 3`, []string{"{in}"}, Converter{}, ReasonBroken, "failed (exit status 3): bad magic"},
		{"prints nothing", `:`, []string{"{in}"}, Converter{}, ReasonEmpty, "made nothing of the file"},
		{"hangs, and so does what it has started", `sleep 1000 & echo $! > ` + pids + `; wait`, []string{"{in}"}, Converter{Time: 300 * time.Millisecond}, ReasonTimeout, "stopped after 300ms; raise time"},
		{"prints without end", `while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done`, []string{"{in}"}, Converter{Size: 1 << 16, Time: time.Minute}, ReasonTooLarge, "more than 64 KiB of the file; raise size"},
		{"a file that is too large", `head -c 200000 /dev/zero > "$2"`, []string{"{in}", "{out}"}, Converter{Size: 100_000}, "", "raise size in converters|failed"},
		{"makes no file", `:`, []string{"{in}", "{out}"}, Converter{}, ReasonBroken, "made no file"},
		{"makes two", `touch "$2/a" "$2/b"`, []string{"{in}", "{outdir}"}, Converter{}, ReasonBroken, "left 2 files"},
		{"a link to a file of somebody else", `ln -s /etc/passwd "$2"`, []string{"{in}", "{out}"}, Converter{}, ReasonBroken, "made no file"},
		{"what it makes is broken", `echo broken`, []string{"{in}"}, Converter{Output: "docx"}, ReasonBroken, "not a Word document"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.c
			c.Match, c.Command = "*.dwg", append([]string{shProgram(t, tt.script)}, tt.args...)
			got := readAll(t, t.Context(), bytesInput("a.dwg", []byte("x")), Options{Converters: []Converter{c}})
			bad, ok := errors.AsType[*FileError](got.err)
			said := false
			for _, says := range strings.Split(tt.says, "|") {
				said = said || ok && strings.Contains(bad.Detail, says)
			}
			if !said || tt.reason != "" && bad.Reason != tt.reason || !bad.Lasting() {
				t.Errorf("%d records, error %v, want %s with %q in it, which lasts", len(got.recs), got.err, tt.reason, tt.says)
			}
		})
	}
	if b, err := os.ReadFile(pids); err == nil {
		if alive(strings.TrimSpace(string(b))) {
			t.Error("what the converter had started still runs")
		}
	}
	got := readAll(t, t.Context(), bytesInput("a.dwg", []byte("x")), Options{Converters: []Converter{{Match: "*.dwg", Command: []string{"no-such-program-at-all", "{in}"}}}})
	if bad, ok := errors.AsType[*FileError](got.err); !ok || !bad.Lasting() || len(bad.Missing) != 1 || !strings.Contains(bad.Detail, "is not installed") {
		t.Errorf("error %v, want that it is not installed, which lasts while it is not", got.err)
	}
}

// alive tells whether a process runs; one that has ended and that nobody has
// asked for yet does not.
func alive(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := cutLast(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestConverterCancel(t *testing.T) {
	started := filepath.Join(t.TempDir(), "started")
	c := Converter{Match: "*.dwg", Command: []string{shProgram(t, "echo x > "+started+"; sleep 1000"), "{in}"}}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for {
			if _, err := os.Stat(started); err == nil || t.Context().Err() != nil {
				cancel()
				return
			}
			runtime.Gosched()
		}
	}()
	got := readAll(t, ctx, bytesInput("a.dwg", []byte("x")), Options{Converters: []Converter{c}})
	if !errors.Is(got.err, context.Canceled) {
		t.Errorf("error %v, want that it was cancelled", got.err)
	}
}

func TestConverterCheck(t *testing.T) {
	for _, tt := range []struct {
		c    Converter
		want string
	}{
		{Converter{Command: []string{"x", "{in}"}}, "no match"},
		{Converter{Match: "[", Command: []string{"x", "{in}"}}, "no glob"},
		{Converter{Match: "*.x"}, "no command"},
		{Converter{Match: "*.x", Command: []string{"{in}"}}, "the file itself"},
		{Converter{Match: "*.x", Command: []string{"x"}}, "does not name the file"},
		{Converter{Match: "*.x", Command: []string{"x", "{in}"}, Output: "dog"}, "no format"},
	} {
		if err := tt.c.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q in it", tt.c, err, tt.want)
		}
	}
	opt := Options{Converters: []Converter{{Match: "plan*.dwg"}}}
	for name, want := range map[string]bool{"a/Plan 1.DWG": true, "mail.eml!plan.dwg": true, "aplan.dwg": false} {
		if got := opt.Converts(name); got != want {
			t.Errorf("Converts(%q) = %v", name, got)
		}
	}
}

// TestOldWord reads an old document by a program, where one is installed, and
// says which to install where none is.
func TestOldWord(t *testing.T) {
	in := bytesInput("a.doc", cfbBytes(t, cfbNode{name: "WordDocument", content: []byte("x")}))
	if f, err := Detect(in, Options{}); f != Doc || err != nil {
		t.Fatalf("it is %v, %v", f, err)
	}
	program := shProgram(t, `echo 'see  HYPERLINK "http://a.b/" \h the page and  HYPERLINK  \l "x y"  that'`)
	t.Setenv("PATH", t.TempDir())
	got := readAll(t, t.Context(), in, Options{})
	if bad, ok := errors.AsType[*FileError](got.err); !ok || !slices.Contains(bad.Missing, "catdoc") || !strings.Contains(bad.Detail, "install catdoc, antiword or LibreOffice") {
		t.Errorf("error %v, want what to install, which lasts while it is missing", got.err)
	}
	dir := filepath.Dir(program)
	if err := os.Rename(program, filepath.Join(dir, "catdoc")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	got = readAll(t, t.Context(), in, Options{})
	if got.err != nil || len(got.recs) != 1 {
		t.Fatalf("%d records, error %v", len(got.recs), got.err)
	}
	same(t, "text", strings.Join(strings.Fields(got.recs[0].Doc.Body), " "), "see the page and that")
}

// TestConverterOfAttachments has a converter read what is attached.
func TestConverterOfAttachments(t *testing.T) {
	c := Converter{Match: "plan*.dwg", Command: []string{shProgram(t, `tr a-z A-Z < "$1"`), "{in}"}}
	raw := "From: a@b\r\nSubject: m\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment; filename=Plan1.dwg\r\n\r\na plan\r\n--b--\r\n"
	got := attached(t, Records(t.Context(), bytesInput("m.eml", []byte(raw)), Options{Attachments: AttachmentItems, Converters: []Converter{c}}))
	same(t, "records", got, "dir/m.eml f: \ndir/m.eml!Plan1.dwg Plan1.dwg of m: A PLAN\n")
}

// A program that is not installed is no fault of what is attached: it is refused
// once, with what is missing, the file goes on, and nothing of it is kept.
func TestConverterOfAttachmentsIsMissing(t *testing.T) {
	c := Converter{Match: "*.dwg", Command: []string{"no-such-converter", "{in}"}}
	raw := []byte("From: a@b\r\nSubject: m\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment; filename=p.dwg\r\n\r\na plan\r\n" +
		"--b\r\nContent-Disposition: attachment; filename=q.txt\r\n\r\na text\r\n--b--\r\n")
	opt := Options{Attachments: AttachmentItems, Converters: []Converter{c}}
	cache, sum := OpenCache(t.TempDir(), 1<<20), sha256.Sum256(raw)
	records := 0
	var bad []*RecordError
	for _, err := range cache.Records(t.Context(), bytesInput("m.eml", raw), opt, func() []byte { return sum[:] }) {
		if one, ok := errors.AsType[*RecordError](err); ok {
			bad = append(bad, one)
		} else if err != nil {
			t.Errorf("the file ends with %v, want its end", err)
		} else {
			records++
		}
	}
	if records != 2 || len(bad) != 1 || !slices.Equal(bad[0].Missing, c.Command[:1]) || !strings.Contains(bad[0].Error(), "m.eml!p.dwg: the converter no-such-converter is not installed") {
		t.Errorf("%d records, refused %v; want the message, its text, and p.dwg refused for the program that is missing", records, bad)
	}
	if _, kept := cache.Get(t.Context(), sum[:], "m.eml", opt); kept {
		t.Error("what was read without the program is kept")
	}
	if missing := opt.MissingPrograms(); !slices.Contains(missing, "no-such-converter") {
		t.Errorf("the programs %v are missing, and no-such-converter is", missing)
	}
}
