package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hushHush is the signature of every token here: it must never be printed.
const hushHush = "dG9wLXNlY3JldA"

func madeUpToken(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "." + hushHush
}

// What doctor says of services that are not well, and of tokens that may not do
// what they should.
func TestDoctorOfServices(t *testing.T) {
	const needed = `"roles":["ExternalConnection.ReadWrite.OwnedBy","ExternalItem.ReadWrite.OwnedBy"]`
	refuse := func(status int, message string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error":{"code":"Code","message":%q}}`, message)
		}
	}
	well := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !strings.HasSuffix(r.URL.Path, "/connections") {
			refuse(404, "not there")(w, r)
			return
		}
		fmt.Fprint(w, `{"value":[]}`)
	}
	for _, tt := range []struct {
		name   string
		claims string
		answer http.HandlerFunc
		skew   time.Duration
		exit   int
		want   []string // "status id: part of found or remedy"
	}{
		{"well", needed, well, 0, 0, []string{"ok auth.token: the app \"Importer\" (4711) of the tenant contoso", "ok auth.permissions: ExternalItem", "ok auth.accepted: takes", "ok clock: ", "ok graph.reach: answers in", "ok connection: there is no connection rows yet"}},
		{"all permissions", `"roles":["ExternalConnection.ReadWrite.All","ExternalItem.ReadWrite.All","User.Read.All"]`, well, 0, 0, []string{"ok auth.permissions: "}},
		{"one missing", `"roles":["ExternalConnection.ReadWrite.OwnedBy","ExternalItem.Read.All"]`, well, 0, exitAuth,
			[]string{"fail auth.permissions: ExternalItem.ReadWrite.OwnedBy is missing (to store and delete items and groups); the token has ExternalConnection.ReadWrite.OwnedBy, ExternalItem.Read.All",
				"fail auth.permissions: az ad app permission add --id 4711 --api 00000003-0000-0000-c000-000000000000 --api-permissions 8116ae0f-55c2-452d-9944-d18420f5b2c8=Role && az ad app permission admin-consent --id 4711"}},
		{"none", `"roles":[]`, refuse(403, "no"), 0, exitAuth, []string{"fail auth.permissions: the token has nothing", "fail auth.permissions: f431331c-49a6-499f-be1c-62af19c34a9d=Role 8116ae0f-55c2-452d-9944-d18420f5b2c8=Role"}},
		{"refused all the same", needed, refuse(403, "consent was taken back"), 0, exitAuth, []string{"fail auth.accepted: refuses to list connections: GET /external/connections: 403 Code: consent was taken back"}},
		{"not taken", needed, refuse(401, "wrong audience"), 0, exitAuth, []string{"fail auth.accepted: does not take the token: GET /external/connections: 401 Code: wrong audience"}},
		{"busy", needed, refuse(429, "slow down"), 0, exitFailed, []string{"warn graph.answer: 429", "fail connection: 429"}},
		{"a web page", needed, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<!doctype html><title>Sign in</title>")
		}, 0, exitFailed, []string{"fail graph.reach: a web page instead of an answer of the API: a proxy or login page on the way"}},
		{"a clock that is late", needed, well, 10 * time.Minute, exitFailed, []string{"fail clock: this machine's clock is 10m behind the service's"}},
		{"a clock that is a little early", needed, well, -2 * time.Minute, 0, []string{"warn clock: ahead of the service's"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().Add(tt.skew).UTC().Format(http.TimeFormat))
				tt.answer(w, r)
			}))
			defer server.Close()
			t.Setenv("IMPORTER_GRAPH_TOKEN", madeUpToken(fmt.Sprintf(`{"appid":"4711","app_displayname":"Importer","tid":"contoso","exp":%d,%s}`, time.Now().Add(time.Hour).Unix(), tt.claims)))
			got, code := runDoctor(t, tt.name == "well", "--target", "graph", "--graph-url", server.URL)
			if code != tt.exit {
				t.Errorf("exit %d, want %d", code, tt.exit)
			}
			for _, want := range tt.want {
				if !holds(got, want) {
					t.Errorf("no finding is %q; they are\n%s", want, findingLines(got))
				}
			}
		})
	}
}

// runDoctor runs doctor on a mapping, for programs, and for people as well.
func runDoctor(t *testing.T, people bool, args ...string) ([]finding, int) {
	t.Helper()
	dir := t.TempDir()
	mapping := filepath.Join(dir, "m.yaml")
	for name, text := range map[string]string{"m.yaml": doctorMapping, "a.csv": "number,title\n1,One\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var answer struct{ Checks []finding }
	codes := map[int]bool{}
	last := 0
	for _, more := range [][]string{nil, {"--json"}} {
		if more == nil && !people {
			continue
		}
		var out, err bytes.Buffer
		last = run(t.Context(), append(append([]string{"doctor", mapping, "--data", filepath.Join(dir, "data")}, args...), more...), strings.NewReader(""), &out, &err)
		codes[last] = true
		if all := out.String() + err.String(); strings.Contains(all, hushHush) {
			t.Errorf("the token is printed:\n%s", all)
		}
		if more != nil {
			if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
				t.Fatalf("%v in\n%s", err, out.String())
			}
		}
	}
	if len(codes) != 1 {
		t.Errorf("exit codes %v with and without --json", codes)
	}
	return answer.Checks, last
}

const doctorMapping = `version: 1
connection: {id: rows, name: Rows, description: Rows}
schema:
  title: {type: string, labels: [title], searchable: true, retrievable: true}
sources:
  - {name: rows, path: a.csv, id: number, properties: {title: title}, content: title, acl: [{grant: everyone}]}
`

// holds tells whether one of the findings is "status id: words".
func holds(list []finding, want string) bool {
	head, words, _ := strings.Cut(want, ": ")
	status, id, _ := strings.Cut(head, " ")
	for _, f := range list {
		if f.Status == status && f.ID == id && strings.Contains(f.Found+" | "+f.Remedy, words) {
			return true
		}
	}
	return false
}

func findingLines(list []finding) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%s %s: %s | %s\n", f.Status, f.ID, f.Found, f.Remedy)
	}
	return b.String()
}

// doctor tries PDF files with one of its own.
func TestTinyPDF(t *testing.T) {
	for _, engine := range []string{"pdfium", "ledongthuc"} {
		if why := tryPDF(t.Context(), engine); why != "" {
			t.Errorf("%s: %s", engine, why)
		}
	}
	if why := tryPDF(t.Context(), "another"); why == "" {
		t.Error("an engine that does not exist has read it")
	}
}

// An item's line is where it begins, however the reader's buffer falls.
func TestItemReaderLines(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	text := "{\"id\":\"a\"}\n\n\n{\n\"id\":\"b\",\"t\":\"" + long + "\"\n}\n{\"id\":\"c\"} {\"id\":\"d\"}\n\n{\"id\""
	r := newItemReader(strings.NewReader(text), "f")
	var got []string
	for {
		items, err := r.next(2)
		for _, it := range items {
			got = append(got, fmt.Sprint(it.id, it.line))
		}
		if err != nil {
			if want := "f:9: this is no JSON object of an item (it breaks off)"; err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
			break
		}
	}
	if want := "[a1 b4 c7 d7]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

func TestExisting(t *testing.T) {
	dir := t.TempDir()
	if got, err := existing(filepath.Join(dir, "a", "b")); got != dir || err != nil {
		t.Errorf("existing = %s, %v, want %s", got, err, dir)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if got, err := existing(path); err == nil {
			t.Errorf("existing(%s) = %s, want an error", path, got)
		}
	}
}
