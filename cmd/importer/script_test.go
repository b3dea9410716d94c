package main

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// What the scripts can say beside testscript's own words:
//
//	exits CODE PROGRAM ARG...       run it; its exit code must be CODE
//	start NAME REGEXP PROGRAM ARG... run it in the background, with its output in NAME.out and NAME.err, and wait
//	                                until a line of either matches ('' does at once); $NAME is the match, or what
//	                                its group matched
//	await NAME REGEXP               wait until a line of its output matches
//	remember FILE FULL INCREMENTAL TIME  in a connection's state: its crawls, by these expressions, were dealt with until then
//	hold FILE                       hold the lock of a connection until the script ends
//	finish NAME SIGNAL CODE         send SIGNAL (none, INT, TERM, KILL), wait for the end; the exit code must be CODE
//	rss NAME MB                     the finished program never held more memory than that
//	[!] json FILE PATH VALUE        in FILE's last line, PATH (a.b.0.c; len is the length) is VALUE; ~RE matches
//	balance NAME=N...               the last line of stdout is a summary with these counts, all others 0, and they add up
//	keys FILE KEY...                the last line of FILE is an object with these keys
//	items DATA CONNECTION ID...     the local Graph in DATA has just these items
//	same DATA DATA CONNECTION       the connection has the same items in both local Graphs
//	http METHOD URL TOKEN STATUS [FILE]  make a request; the answer's body is in the file response; $CA is a file to trust
//	grab NAME FILE PATH             $NAME is what stands at PATH in FILE's last line
//	login URL ID SECRET STATUS      ask URL for a token; the answer is in the file response
//	signal NAME SIGNAL              send it, and do not wait
//	slow NAME URL DELAY             $NAME is the address of a proxy that lets one request through each DELAY
//	let NAME N                      the proxy may let N items more through, all is without an end; at first none
//	seen NAME N                     wait until the proxy has let N items through
//	atmost NAME N                   the proxy has let N items through at most
//	bytes FILE TEXT                 write TEXT, with Go's escapes
//	rows FILE FROM TO FORMAT        write lines, FORMAT with each number for %d
//	append FILE FROM                copy FROM to the end of FILE
//	sparse FILE SIZE                make FILE so long, without using the disk
//	age FILE DURATION               make FILE so old
//	edit FILE FROM TO               replace a text that the file holds once
//	hide FILE FROM TO               the same behind the clock's back
//	cell FILE ROW COLUMN VALUE      write a text into a cell of a workbook
//	replace FILE FROM TO            replace a text at the end of every line
//	mode FILE MODE                  the file's permissions, in octal
//	tmpfs DIR OPTIONS               mount one, or remount it
//
// $CLOSED is a window (in UTC) that is not open now, and the conditions are [root], [mount] (file systems can be mounted) and [devfull] (there is a /dev/full).
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"exits":    cmdExits,
	"start":    cmdStart,
	"await":    cmdAwait,
	"remember": cmdRemember,
	"hold":     cmdHold,
	"finish":   cmdFinish,
	"rss":      cmdRSS,
	"json":     cmdJSON,
	"balance":  cmdBalance,
	"keys":     cmdKeys,
	"items":    cmdItems,
	"same":     cmdSame,
	"http":     cmdHTTP,
	"grab":     cmdGrab,
	"login":    cmdLogin,
	"slow":     cmdSlow,
	"let":      cmdLet,
	"signal":   cmdSignal,
	"seen":     cmdSeen,
	"atmost":   cmdAtMost,
	"bytes":    cmdBytes,
	"rows":     cmdRows,
	"append":   cmdAppend,
	"sparse":   cmdSparse,
	"age":      cmdAge,
	"edit":     cmdEdit,
	"hide":     cmdHide,
	"tmpfs":    cmdTmpfs,
	"cell":     cmdCell,
	"mode":     cmdMode,
	"replace":  cmdReplace,
	"today":    cmdToday,
	"pack":     cmdPack,
	"parquet":  cmdParquet,
	"docs":     cmdDocs,
}

// patience is how long anything may take that a script waits for. Nothing
// should come near it; it is what makes a hanging test fail with a message.
const patience = 3 * time.Minute

// A scriptWorld is what the commands of one script share.
type scriptWorld struct {
	programs    map[string]*program
	proxies     map[string]*proxy
	environment []string // names of the variables that programs in the background get
}

type worldKey struct{}

func setUpScript(env *testscript.Env) error {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	env.Setenv("ROOT", root)
	// A window that no script lies in: an hour of tomorrow's that is over today.
	closed := time.Now().UTC().Add(-2 * time.Hour)
	env.Setenv("CLOSED", closed.Format("15:04")+"-"+closed.Add(time.Hour).Format("15:04"))
	for _, v := range []string{"SYSTEMROOT", "GOCOVERDIR"} {
		if s := os.Getenv(v); s != "" {
			env.Setenv(v, s)
		}
	}
	w := &scriptWorld{programs: map[string]*program{}, proxies: map[string]*proxy{},
		environment: []string{"IMPORTER_SERVE_TOKEN", "IMPORTER_SERVE_USER", "IMPORTER_GRAPH_TOKEN"}}
	for _, v := range env.Vars {
		name, _, _ := strings.Cut(v, "=")
		w.environment = append(w.environment, name)
	}
	env.Values[worldKey{}] = w
	env.Defer(func() {
		for _, p := range w.programs {
			p.kill()
		}
		for _, p := range w.proxies {
			close(p.ended)
			p.server.Close()
		}
	})
	return nil
}

func scriptCondition(cond string) (bool, error) {
	switch cond {
	case "root":
		return os.Getuid() == 0, nil
	case "mount":
		return canMount(), nil
	case "devfull":
		_, err := os.Stat("/dev/full")
		return err == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

func world(ts *testscript.TestScript) *scriptWorld { return ts.Value(worldKey{}).(*scriptWorld) }

// need checks the number of a command's arguments; most is -1 for any.
func need(ts *testscript.TestScript, neg bool, args []string, least, most int) {
	if neg {
		ts.Fatalf("! does not go with this command")
	}
	if len(args) < least || most >= 0 && len(args) > most {
		ts.Fatalf("wrong number of arguments: %q", args)
	}
}

func integer(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, -1)
	want := integer(ts, args[0])
	if got := exitOf(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("%s exits with %d, want %d", args[1], got, want)
	}
}

// exitOf gives the code of a program's end, or -1 when a signal ended it or it
// could not be started.
func exitOf(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}

// A program runs in the background.
type program struct {
	cmd      *exec.Cmd
	out, err string // its files
	ended    chan struct{}
	failure  error // of Wait, once ended
}

func (p *program) kill() {
	select {
	case <-p.ended:
	default:
		_ = p.cmd.Process.Kill() // it may just have ended by itself
		<-p.ended
	}
}

func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3, -1)
	name := args[0]
	until, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	p := &program{out: ts.MkAbs(name + ".out"), err: ts.MkAbs(name + ".err"), ended: make(chan struct{})}
	stdout, err := os.Create(p.out)
	ts.Check(err)
	defer stdout.Close()
	stderr, err := os.Create(p.err)
	ts.Check(err)
	defer stderr.Close()
	path, err := exec.LookPath(args[2])
	ts.Check(err)
	p.cmd = exec.Command(path, args[3:]...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = ts.MkAbs("."), stdout, stderr
	for _, name := range world(ts).environment {
		p.cmd.Env = append(p.cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(p.cmd.Start())
	go func() {
		p.failure = p.cmd.Wait()
		close(p.ended)
	}()
	world(ts).programs[name] = p
	for began := time.Now(); ; {
		over := false
		select {
		case <-p.ended:
			over = true
		case <-time.After(5 * time.Millisecond):
		}
		text := ts.ReadFile(name+".out") + ts.ReadFile(name+".err")
		if m := until.FindStringSubmatch(text); m != nil {
			ts.Setenv(name, m[len(m)-1])
			return
		}
		if over || time.Since(began) > patience {
			ts.Fatalf("%s did not print %q (ended: %v, %v); it printed:\n%s", name, args[1], over, p.failure, text)
		}
	}
}

func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, 2)
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "KILL": os.Kill}
	p := world(ts).programs[args[0]]
	signal, ok := signals[args[1]]
	if p == nil || !ok {
		ts.Fatalf("no program %q, or no signal %q", args[0], args[1])
	}
	ts.Check(p.cmd.Process.Signal(signal))
}

func cmdFinish(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3, 3)
	if args[1] != "none" {
		cmdSignal(ts, false, args[:2])
	}
	p := world(ts).programs[args[0]]
	select {
	case <-p.ended:
	case <-time.After(patience):
		ts.Fatalf("%s does not end; it printed:\n%s%s", args[0], ts.ReadFile(args[0]+".out"), ts.ReadFile(args[0]+".err"))
	}
	if got, want := exitOf(p.failure), integer(ts, args[2]); got != want {
		ts.Fatalf("%s exits with %d, want %d; it printed:\n%s%s", args[0], got, want, ts.ReadFile(args[0]+".out"), ts.ReadFile(args[0]+".err"))
	}
}

func cmdRSS(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, 2)
	p := world(ts).programs[args[0]]
	most := int64(integer(ts, args[1]))
	got, ok := memoryOf(p.cmd.ProcessState)
	if !ok {
		ts.Logf("the memory of a program that has ended is not looked at on this system")
		return
	}
	if got > most {
		ts.Fatalf("%s held %d MB, want at most %d", args[0], got, most)
	}
}

// lastLine gives the last line of a file that is not empty, parsed.
func lastLine(ts *testscript.TestScript, file string) map[string]any {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile(file)), "\n")
	var v map[string]any
	dec := json.NewDecoder(strings.NewReader(lines[len(lines)-1]))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		ts.Fatalf("the last line of %s is no JSON object: %v\n%s", file, err, lines[len(lines)-1])
	}
	return v
}

// at follows a path into v. What is not there is nil.
func at(v any, path string) any {
	for _, step := range strings.Split(path, ".") {
		switch have := v.(type) {
		case map[string]any:
			if step == "len" {
				v = len(have)
				continue
			}
			v = have[step]
		case []any:
			if step == "len" {
				v = len(have)
				continue
			}
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(have) {
				return nil
			}
			v = have[n]
		default:
			return nil
		}
	}
	return v
}

func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, false, args, 3, 3)
	v := at(lastLine(ts, args[0]), args[1])
	got := fmt.Sprint(v)
	switch v.(type) {
	case map[string]any, []any:
		b, err := json.Marshal(v)
		ts.Check(err)
		got = string(b)
	case nil:
		got = "null"
	}
	same := got == args[2]
	if pattern, ok := strings.CutPrefix(args[2], "~"); ok {
		re, err := regexp.Compile(pattern)
		ts.Check(err)
		same = re.MatchString(got)
	}
	if same == neg {
		ts.Fatalf("%s of %s is %s, want%s %s", args[1], args[0], got, map[bool]string{true: " not"}[neg], args[2])
	}
}

func cmdBalance(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 0, -1)
	sum := lastLine(ts, "stdout")
	if sum["type"] != "summary" {
		ts.Fatalf("the last line of stdout is no summary: %v", sum)
	}
	want := map[string]string{"read": "0", "stored": "0", "unchanged": "0", "filtered": "0", "quarantined": "0", "duplicates": "0", "deleted": "0"}
	for _, a := range args {
		name, n, ok := strings.Cut(a, "=")
		if !ok {
			ts.Fatalf("%q is not NAME=N", a)
		}
		want[name] = n
	}
	for name, n := range want {
		if got := fmt.Sprint(sum[name]); got != n {
			ts.Fatalf("%s = %s, want %s; the summary is %v", name, got, n, sum)
		}
	}
	settled := 0
	for _, name := range []string{"stored", "unchanged", "filtered", "quarantined", "duplicates"} {
		settled += integer(ts, fmt.Sprint(sum[name]))
	}
	if got := integer(ts, fmt.Sprint(sum["read"])); got != settled {
		ts.Fatalf("the balance does not add up: %d read, %d settled", got, settled)
	}
}

func cmdKeys(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, -1)
	v := lastLine(ts, args[0])
	for _, key := range args[1:] {
		if _, ok := v[key]; !ok {
			ts.Fatalf("%s has no key %q: %v", args[0], key, v)
		}
	}
}

func cmdItems(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, -1)
	items, err := storedItems(ts.MkAbs(args[0]), args[1])
	ts.Check(err)
	got := []string{}
	for id := range items {
		got = append(got, id)
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(args[2:]))
	if !slices.Equal(got, want) {
		ts.Fatalf("the local Graph has %q, want %q", got, want)
	}
}

func cmdSame(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3, 3)
	one, err := storedItems(ts.MkAbs(args[0]), args[2])
	ts.Check(err)
	other, err := storedItems(ts.MkAbs(args[1]), args[2])
	ts.Check(err)
	if len(one) == 0 {
		ts.Fatalf("%s has no items", args[0])
	}
	if !maps.Equal(one, other) {
		ts.Fatalf("%s has %d items, %s has %d, and they are not the same", args[0], len(one), args[1], len(other))
	}
}

func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 4, 5)
	var body io.Reader
	if len(args) == 5 {
		body = strings.NewReader(ts.ReadFile(args[4]))
	}
	req, err := http.NewRequest(args[0], args[1], body)
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+args[2])
	req.Header.Set("Content-Type", "application/json")
	request(ts, req, args[3])
}

func cmdLogin(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 4, 4)
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"https://graph.microsoft.com/.default"}, "client_id": {args[1]}, "client_secret": {args[2]}}
	req, err := http.NewRequest(http.MethodPost, args[0], strings.NewReader(form.Encode()))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request(ts, req, args[3])
}

// request makes a request and keeps the answer in the file response.
func request(ts *testscript.TestScript, req *http.Request, status string) {
	transport := &http.Transport{DisableKeepAlives: true}
	if ca := ts.Getenv("CA"); ca != "" {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM([]byte(ts.ReadFile(ca)))
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	resp, err := (&http.Client{Timeout: patience, Transport: transport}).Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	var line bytes.Buffer
	if json.Compact(&line, answer) != nil {
		line.Reset()
		line.Write(answer)
	}
	ts.Check(os.WriteFile(ts.MkAbs("response"), line.Bytes(), 0o600))
	if got := strconv.Itoa(resp.StatusCode); got != status {
		ts.Fatalf("%s %s answers %s, want %s\n%s", req.Method, req.URL, got, status, answer)
	}
}

func cmdGrab(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3, 3)
	v := at(lastLine(ts, args[1]), args[2])
	if v == nil {
		ts.Fatalf("%s has no %s", args[1], args[2])
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

// A proxy stands before a Graph and lets one request through at a time, and
// items only as many as it was told to, so that a test can act in the middle
// of a run.
type proxy struct {
	server *httptest.Server
	items  atomic.Int64  // items that were stored through it
	allow  chan struct{} // a token for each item that may pass; closed: all may
	ended  chan struct{} // closed at the end: a client that was killed does not show while its body is unread
}

func cmdSlow(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3, 3)
	to, err := url.Parse(args[1])
	ts.Check(err)
	delay, err := time.ParseDuration(args[2])
	ts.Check(err)
	p := &proxy{allow: make(chan struct{}, 10_000), ended: make(chan struct{})}
	gate := make(chan struct{}, 1)
	forward := httputil.NewSingleHostReverseProxy(to)
	forward.ErrorLog = log.New(io.Discard, "", 0) // of servers that the script has killed
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		item := r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/items/")
		if item {
			select {
			case <-p.allow:
			case <-p.ended:
				return
			}
		}
		gate <- struct{}{}
		defer func() { <-gate }()
		select {
		case <-time.After(delay):
		case <-p.ended:
			return
		}
		forward.ServeHTTP(w, r)
		if item {
			p.items.Add(1)
		}
	}))
	world(ts).proxies[args[0]] = p
	ts.Setenv(args[0], p.server.URL)
}

func cmdLet(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, 2)
	p := world(ts).proxies[args[0]]
	if args[1] == "all" {
		close(p.allow)
		return
	}
	for range integer(ts, args[1]) {
		p.allow <- struct{}{}
	}
}

func cmdSeen(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, 2)
	p, want := world(ts).proxies[args[0]], int64(integer(ts, args[1]))
	for began := time.Now(); p.items.Load() < want; time.Sleep(time.Millisecond) {
		if time.Since(began) > patience {
			ts.Fatalf("the proxy has let %d items through, want %d", p.items.Load(), want)
		}
	}
}

func cmdAtMost(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, 2)
	if got, most := world(ts).proxies[args[0]].items.Load(), int64(integer(ts, args[1])); got > most {
		ts.Fatalf("the proxy has let %d items through, want at most %d", got, most)
	}
}

func cmdBytes(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, 2)
	text, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[0])), 0o700))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

func cmdRows(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 4, 4)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	ts.Check(err)
	var b bytes.Buffer
	for n := integer(ts, args[1]); n <= integer(ts, args[2]); n++ {
		b.WriteString(strings.ReplaceAll(args[3], "%d", strconv.Itoa(n)) + "\n")
	}
	_, err = f.Write(b.Bytes())
	ts.Check(cmp.Or(err, f.Close()))
}

func cmdAppend(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, 2)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = f.WriteString(ts.ReadFile(args[1]))
	ts.Check(cmp.Or(err, f.Close()))
}

func cmdSparse(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, 2)
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}

func cmdAge(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, 2)
	d, err := time.ParseDuration(args[1])
	ts.Check(err)
	at := time.Now().Add(-d)
	ts.Check(os.Chtimes(ts.MkAbs(args[0]), at, at))
}

func TestJSONPath(t *testing.T) {
	v := map[string]any{"a": []any{map[string]any{"b": "x"}}, "n": json.Number("7")}
	for _, tt := range []struct {
		path string
		want any
	}{
		{"n", json.Number("7")},
		{"a.len", 1},
		{"a.0.b", "x"},
		{"a.1.b", nil},
		{"a.b", nil},
		{"n.x", nil},
	} {
		if got := at(v, tt.path); got != tt.want {
			t.Errorf("at(%q) = %v, want %v", tt.path, got, tt.want)
		}
	}
}
