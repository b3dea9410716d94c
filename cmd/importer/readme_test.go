package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestREADME runs the commands of the README's console blocks, in order, and
// compares what they print with what the README says they print. A line of
// "..." stands for any lines; times and rates are those of another machine.
func TestREADME(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	t.Setenv("IMPORTER_DATA", t.TempDir())
	steps := consoleSteps(string(text))
	if len(steps) < 3 {
		t.Fatalf("%d commands in console blocks, want at least 3", len(steps))
	}
	for _, s := range steps {
		args, ok := strings.CutPrefix(s.command, "go run ./cmd/importer ")
		if !ok {
			t.Errorf("%q: this test runs commands of importer only", s.command)
			continue
		}
		var out bytes.Buffer
		code := run(t.Context(), strings.Fields(args), strings.NewReader(""), &out, &out)
		if code != 0 {
			fmt.Fprintf(&out, "exit status %d\n", code)
		}
		if !likeREADME(s.want).MatchString(plain(out.String())) {
			t.Errorf("$ %s\nprints\n%s\nthe README says\n%s", s.command, out.String(), s.want)
		}
	}
}

type consoleStep struct{ command, want string }

// consoleSteps finds the commands of ```console blocks and what they print.
func consoleSteps(text string) (steps []consoleStep) {
	in := false
	for line := range strings.Lines(text) {
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case strings.HasPrefix(line, "```"):
			in = strings.HasPrefix(line, "```console")
		case in && isCommand:
			steps = append(steps, consoleStep{command: strings.TrimSpace(command)})
		case in && len(steps) > 0:
			steps[len(steps)-1].want += line
		}
	}
	return steps
}

var (
	elapsed = regexp.MustCompile(`in [0-9.]+(ms|s)\b`)
	rate    = regexp.MustCompile(`[0-9,]+ records/s`)
)

// plain takes out what differs from machine to machine.
func plain(s string) string {
	return rate.ReplaceAllString(elapsed.ReplaceAllString(s, "in TIME"), "RATE records/s")
}

// likeREADME turns what the README prints into a pattern.
func likeREADME(want string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	for line := range strings.Lines(plain(want)) {
		if strings.TrimSpace(line) == "..." {
			b.WriteString(`(?s:.*)`)
			continue
		}
		b.WriteString(regexp.QuoteMeta(line))
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}
