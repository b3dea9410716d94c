package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const killMapping = `version: 1
connection: {id: kills, name: Kills, description: What survives a kill.}
schema:
  title: {type: string, labels: [title], searchable: true, retrievable: true, queryable: true}
  size: {type: int64, retrievable: true, queryable: true}
identities: {file: people.csv, match: [mail]}
groups: {file: groups.csv}
sources:
  - name: rows
    path: files/*.csv
    where: state != "draft"
    id: number
    properties: {title: title, size: size}
    content: {type: text, value: text}
    acl:
      - {grant: everyone, when: team == ""}
      - {grant: externalGroup, value: team}
      - {deny: user, value: about, when: about != ""}
`

const killPeople = `id,userPrincipalName,mail,displayName
11111111-1111-4111-8111-111111111111,anna@contoso.com,anna@contoso.com,Anna
22222222-2222-4222-8222-222222222222,ben@contoso.com,ben@contoso.com,Ben
`

const killGroups = `group,type,member
Blue,user,anna@contoso.com
Red,user,ben@contoso.com
`

// writeKillData makes the files: most rows good, some bad, some filtered, some
// with an id that an earlier row has, in the same file or another.
func writeKillData(t *testing.T, dir string, records int) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(7, 7))
	words := strings.Fields("printer paper jam toner tray invoice laptop screen battery cable password account mail network")
	files := map[string]string{"mapping.yaml": killMapping, "people.csv": killPeople, "groups.csv": killGroups}
	perFile := records / 5
	for f := range 5 {
		var b strings.Builder
		b.WriteString("number,title,size,state,team,about,text\n")
		for i := range perFile {
			number, size, state, team, about := fmt.Sprint(f*perFile+i), fmt.Sprint(rnd.IntN(1000)), "done", "", ""
			switch n := rnd.IntN(100); {
			case n < 2:
				size = "many" // no int64
			case n < 4:
				state = "draft" // filtered
			case n < 6:
				number = fmt.Sprint(rnd.IntN(f*perFile + i + 1)) // most likely taken
			case n < 7:
				number = ""
			case n < 8:
				team = "Green" // no group
			case n < 30:
				team = "Blue"
			case n < 50:
				team = "Red"
			case n < 55:
				about = "ben@contoso.com"
			}
			text := make([]string, 12)
			for w := range text {
				text[w] = words[rnd.IntN(len(words))]
			}
			fmt.Fprintf(&b, "%s,Row %s,%s,%s,%s,%s,%s\n", number, number, size, state, team, about, strings.Join(text, " "))
		}
		files[fmt.Sprintf("files/%d.csv", f)] = b.String()
	}
	old := time.Now().Add(-time.Hour)
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
}

// A ran is what came of one run.
type ran struct {
	killed bool
	took   time.Duration
	sum    summary
}

// runOnce runs the program in a process of its own, and kills it after a
// while; 0 lets it end.
func runOnce(t *testing.T, dir, data string, after time.Duration) ran {
	t.Helper()
	cmd := exec.Command("importer", "run", "mapping.yaml", "--json", "--quiet", "--data", data)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		kill := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
	}
	code := exitOf(cmd.Wait())
	r := ran{killed: code == -1, took: time.Since(began)}
	if r.killed {
		if after == 0 {
			t.Fatalf("the run was killed by somebody else: %s", &stderr)
		}
		return r
	}
	if code != exitQuarantined {
		t.Fatalf("the run exits with %d, want %d: %s", code, exitQuarantined, &stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), &r.sum); err != nil {
		t.Fatalf("the summary: %v in %q", err, &stdout)
	}
	return r
}

// asFirst makes of the balance of a run that found everything done that of the
// one that did it.
func asFirst(s summary) summary {
	if s.Requests > 0 || s.Stored > 0 {
		return s // it did something itself, and should not have
	}
	s.Stored, s.Unchanged = s.Unchanged, 0
	for i := range s.Sources {
		s.Sources[i].Stored, s.Sources[i].Unchanged = s.Sources[i].Unchanged, 0
	}
	return s
}

// balanceOf keeps of a summary what must not depend on kills: where each record
// went.
func balanceOf(s summary) string {
	return fmt.Sprint(s.Read, s.Stored, s.Unchanged, s.Filtered, s.Quarantined, s.Duplicates, s.Deleted, s.Sources)
}

// seenBy gives how many items each user finds by some queries.
func seenBy(t *testing.T, dir, data string) string {
	t.Helper()
	var b strings.Builder
	for _, user := range []string{"anna@contoso.com", "ben@contoso.com", "eve@contoso.com"} {
		for _, query := range []string{"*", "jam AND toner"} {
			cmd := exec.Command("importer", "search", query, "--as", user, "--json", "--quiet", "--size", "1", "--data", data)
			cmd.Dir = dir
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("search %s as %s: %v", query, user, err)
			}
			var found struct{ Total int }
			if err := json.Unmarshal(out, &found); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s as %s: %d\n", query, user, found.Total)
		}
	}
	return b.String()
}

// quarantineOf lists what was refused.
func quarantineOf(t *testing.T, dir, data string) []string {
	t.Helper()
	cmd := exec.Command("importer", "quarantine", "--all", "--data", data)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	return lines
}

// TestKills kills a run at random moments, again and again, and takes it up
// each time until it is done. Store, balance and quarantine must then be those
// of a run that nobody disturbed.
func TestKills(t *testing.T) {
	kills, records := 50, 20_000
	if testing.Short() {
		kills, records = 10, 6_000
	}
	dir := t.TempDir()
	writeKillData(t, dir, records)
	whole := runOnce(t, dir, "whole", 0)
	if whole.sum.Read != int64(records) || whole.sum.Stored == 0 || whole.sum.Filtered == 0 || whole.sum.Quarantined == 0 || whole.sum.Duplicates == 0 {
		t.Fatalf("the data is not what the test needs: %+v", whole.sum)
	}
	wantItems, err := storedItems(filepath.Join(dir, "whole"), "kills")
	if err != nil {
		t.Fatal(err)
	}
	wantSeen, wantRefused := seenBy(t, dir, "whole"), quarantineOf(t, dir, "whole")

	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	done, resumed, crawls := 0, 0, 0
	// Kills come within this time of a run's start. A window that is too long
	// for the machine as it is now lets runs end unharmed, and is shortened.
	window := whole.took / 2
	for done < kills {
		// Each crawl is taken up until it ends; then the next begins with
		// nothing, until there were kills enough.
		data := fmt.Sprintf("broken%d", crawls)
		crawls++
		var requests int64
		for before := done; ; {
			after := time.Duration(0)
			if done < kills {
				after = time.Duration(1 + rnd.Int64N(int64(window)))
			}
			r := runOnce(t, dir, data, after)
			if r.killed {
				done++
				continue
			}
			if done-before < 5 {
				window = max(window*2/3, whole.took/10)
			}
			requests = r.sum.Requests
			if r.sum.Resumed {
				resumed++
			}
			if r.sum.Run > 1 {
				// The last kill came after the end, so this run is another one,
				// which finds everything done.
				r.sum = asFirst(r.sum)
			}
			if got, want := balanceOf(r.sum), balanceOf(whole.sum); got != want {
				t.Errorf("seed %d, crawl %s: balance %s, want %s", seed, data, got, want)
			}
			break
		}
		got, err := storedItems(filepath.Join(dir, data), "kills")
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, wantItems) {
			t.Errorf("seed %d, crawl %s: the store differs from that of an unbroken run: %s", seed, data, differences(got, wantItems))
		}
		if got := seenBy(t, dir, data); got != wantSeen {
			t.Errorf("seed %d, crawl %s: searches find\n%swant\n%s", seed, data, got, wantSeen)
		}
		if got := quarantineOf(t, dir, data); !slices.Equal(got, wantRefused) {
			t.Errorf("seed %d, crawl %s: the quarantine differs (-want +got):\n%s", seed, data, cmp.Diff(wantRefused, got))
		}
		// Nothing is left over that a further run would have to do.
		again := runOnce(t, dir, data, 0)
		if again.sum.Requests != 0 || again.sum.Stored != 0 || again.sum.Deleted != 0 {
			t.Errorf("seed %d, crawl %s: a further run makes %d requests, stores %d and deletes %d, want 0", seed, data, again.sum.Requests, again.sum.Stored, again.sum.Deleted)
		}
		t.Logf("crawl %s: %d kills so far, the last run made %d of %d requests", data, done, requests, whole.sum.Requests)
		if err := os.RemoveAll(filepath.Join(dir, data)); err != nil {
			t.Fatal(err)
		}
	}
	if resumed == 0 {
		t.Errorf("seed %d: no run was taken up in %d kills, so the test shows nothing", seed, kills)
	}
	t.Logf("seed %d: %d kills in %d crawls, %d of which were taken up", seed, done, crawls, resumed)
}

// differences names a few items that two stores do not share.
func differences(got, want map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d items, want %d", len(got), len(want))
	named := 0
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if got[id] != want[id] && named < 5 {
			named++
			fmt.Fprintf(&b, "\n  %s = %q, want %q", id, got[id], want[id])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[id]; !ok && named < 10 {
			named++
			fmt.Fprintf(&b, "\n  %s is too much", id)
		}
	}
	return b.String()
}
