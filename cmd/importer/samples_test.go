package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"importer/pipeline/state"
)

var update = flag.Bool("update", false, "write the goldens of the samples")

// TestSamples makes items of every sample by its mapping and compares them
// with the golden; and what the samples have wrong on purpose, which their
// README lists, must be in quarantine, and nothing else.
func TestSamples(t *testing.T) {
	faults := samplesFaults(t)
	for _, name := range []string{"helpdesk", "contracts", "website", "catalogue"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden := filepath.Join("..", "..", "samples", name, "want.jsonl")
			items := filepath.Join(t.TempDir(), "items.jsonl")
			data := filepath.Join(t.TempDir(), "data")
			sum := runSample(t, name, items, data)
			if sum.Quarantined+sum.Duplicates != int64(len(faults[name])) {
				t.Errorf("%d records are refused and %d are duplicates, want %d in all", sum.Quarantined, sum.Duplicates, len(faults[name]))
			}
			checkFaults(t, data, faults[name])

			got, err := os.ReadFile(items)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v; go test ./cmd/importer -run TestSamples -update writes it", err)
			}
			if n := int64(bytes.Count(got, []byte("\n"))); n != sum.Stored {
				t.Errorf("%d lines are written, and %d items counted as stored", n, sum.Stored)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the items are not those of %s; if they should be so now, run go test ./cmd/importer -run TestSamples -update and read the diff\n%s", golden, firstDifference(got, want))
			}
		})
	}
}

// runSample runs a sample's mapping into the file items.
func runSample(t *testing.T, name, items, data string) (sum summary) {
	t.Helper()
	cmd := exec.Command("importer", "run", filepath.Join("mappings", name+".yaml"), "--target", "jsonl", "--out", items,
		"--state", "keep", "--data", data, "--json", "--quiet")
	cmd.Dir = filepath.Join("..", "..")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if code := exitOf(cmd.Run()); code != exitQuarantined {
		t.Fatalf("the run exits with %d, want %d: %s", code, exitQuarantined, &stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), &sum); err != nil {
		t.Fatalf("the summary: %v in %q", err, &stdout)
	}
	return sum
}

// A fault is a line of the table in samples/README.md.
type fault struct {
	file  string // below samples/
	place string // "line 95", "sheet Suppliers 2023, row 18", or nothing for the file
	why   string // a property and what is wrong, or a reason
}

// samplesFaults reads the table, by sample.
func samplesFaults(t *testing.T) map[string][]fault {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "samples", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	faults := map[string][]fault{}
	inTable := false
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "## ") {
			inTable = line == "## What is wrong on purpose"
		}
		if !inTable || !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| file |") {
			continue
		}
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |"), " |")
		if len(cells) != 4 {
			t.Fatalf("the row %q has %d cells, want 4", line, len(cells))
		}
		sample, _, _ := strings.Cut(cells[0], "/")
		faults[sample] = append(faults[sample], fault{file: cells[0], place: strings.TrimSpace(cells[1]), why: strings.TrimSpace(cells[3])})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"helpdesk", "contracts", "website", "catalogue"} {
		if len(faults[name]) < 3 {
			t.Fatalf("samples/README.md lists %d faults of %s: is the table where it was?", len(faults[name]), name)
		}
	}
	return faults
}

// reason gives the reason, and the property where it is about one, that the
// quarantine must name for a fault.
func (f fault) reason() (reason, property string) {
	switch what, rest, _ := strings.Cut(f.why, ": "); {
	case strings.HasPrefix(f.why, "duplicate id"):
		return "duplicate-id", "id"
	case f.why == "id: empty":
		return "missing-id", "id"
	case what == "acl" && strings.HasPrefix(rest, "nobody"):
		return "empty-acl", "acl"
	case what == "acl" && !strings.HasSuffix(rest, "is not a boolean"):
		return "unknown-principal", "acl"
	case strings.HasPrefix(rest, "an error cell"):
		return "cell-error", what
	case rest != "":
		return "bad-value", what
	}
	return f.why, ""
}

// at prints the fault's place as messages do.
func (f fault) at() string {
	var line int
	if _, err := fmt.Sscanf(f.place, "line %d", &line); err == nil {
		return fmt.Sprintf("%s:%d", f.file, line)
	}
	if sheet, row, ok := strings.Cut(strings.TrimPrefix(f.place, "sheet "), ", row "); ok {
		return fmt.Sprintf("%s!%s:%s", f.file, sheet, row)
	}
	return f.file
}

// checkFaults compares the quarantine with the faults.
func checkFaults(t *testing.T, data string, faults []fault) {
	t.Helper()
	out, err := exec.Command("importer", "quarantine", "--json", "--data", data).Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		var q state.QuarantineLine
		if err := json.Unmarshal([]byte(line), &q); err != nil {
			t.Fatal(err)
		}
		q.Col = 0 // not in the table
		_, place, _ := strings.Cut(placeOf(q), "samples/")
		got = append(got, fmt.Sprintf("%s: %s in %q", place, q.Reason, q.Property))
	}
	var want []string
	for _, f := range faults {
		reason, property := f.reason()
		want = append(want, fmt.Sprintf("%s: %s in %q", f.at(), reason, property))
	}
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the quarantine is not what samples/README.md lists (-listed +quarantined):\n%s", d)
	}
}

// firstDifference shows the first line that two goldens do not share.
func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			return fmt.Sprintf("line %d\n got %s\nwant %s", i+1, a, b)
		}
	}
	return "none"
}
