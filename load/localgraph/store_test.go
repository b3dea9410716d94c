package localgraph

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain plays the victim of TestKill when it is asked to.
func TestMain(m *testing.M) {
	if dir := os.Getenv("LOCALGRAPH_VICTIM"); dir != "" {
		victim(dir)
	}
	os.Exit(m.Run())
}

// victim PUTs items from many goroutines until it is killed, and prints each
// id once its answer has come.
func victim(dir string) {
	srv, err := Open(dir, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	g := &graph{t: &testing.B{}, srv: srv}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), k, i)
				a := g.do("PUT", base+"/desk/items/"+id, fmt.Sprintf(`{"acl":%s,"properties":{"title":"t%s"},"content":{"type":"text","value":"word%d"}}`, everyone, strings.ReplaceAll(id, "-", "x"), i))
				if a.status == 200 {
					mu.Lock()
					fmt.Println(id)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
}

// Whatever was answered with 200 is there after kill -9, and can be found.
func TestKill(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	var acked []string
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "LOCALGRAPH_VICTIM="+g.dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			acked = append(acked, lines.Text())
			if n == 40+round*37 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed
	}
	// The last line may be torn: its answer may not have been read whole.
	acked = acked[:len(acked)-1]
	if len(acked) < 200 {
		t.Fatalf("only %d items were stored before the kills", len(acked))
	}
	srv, err := Open(g.dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	r := &graph{t: t, srv: srv}
	for _, id := range acked {
		if a := r.do("GET", base+"/desk/items/"+id, nil); a.status != 200 {
			t.Errorf("item %s was acknowledged: %v", id, a)
		}
		if ids, _ := r.search("u", "desk", "t"+strings.ReplaceAll(id, "-", "x"), ""); len(ids) != 1 || ids[0] != id {
			t.Errorf("item %s was acknowledged; search finds %v", id, ids)
		}
	}
	var ok string
	if err := srv.db.QueryRow(`PRAGMA integrity_check`).Scan(&ok); err != nil || ok != "ok" {
		t.Errorf("integrity_check = %q, %v", ok, err)
	}
}

// Two servers over one folder, as two processes would be.
func TestTwoServers(t *testing.T) {
	one := open(t, Options{})
	srv, err := Open(one.dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	two := &graph{t: t, srv: srv}
	if one.srv.InstanceID() != srv.InstanceID() || srv.InstanceID() == "" {
		t.Errorf("instance ids %q and %q of one store", one.srv.InstanceID(), srv.InstanceID())
	}
	one.register("desk", helpdesk)
	two.put("desk", "a", `{"title":"from two"}`, "") // which has never heard of desk
	one.update("desk", `[{"name":"extra","type":"string","isQueryable":true}]`)
	two.put("desk", "b", `{"title":"x","extra":"new"}`, "") // nor of extra
	if ids, _ := one.search("u", "desk", "extra:new", ""); len(ids) != 1 {
		t.Errorf("one finds %v, want b", ids)
	}
	var wg sync.WaitGroup
	for k, g := range []*graph{one, two, one, two} {
		wg.Go(func() {
			for i := range 100 {
				id := fmt.Sprintf("i%d", i) // the same ids in all four
				a := g.do("PUT", base+"/desk/items/"+id, fmt.Sprintf(`{"acl":%s,"properties":{"title":"shared k%d"}}`, everyone, k))
				if a.status != 200 {
					t.Errorf("PUT %s = %v", id, a)
				}
			}
		})
	}
	wg.Wait()
	for _, g := range []*graph{one, two} {
		if _, a := g.search("u", "desk", "shared", `"size":1`); !strings.Contains(a.String(), `"total":100`) {
			t.Errorf("search = %v, want 100 in all", a)
		}
	}
	two.want(202, "DELETE", base+"/desk", nil)
	wait(t, "the deletion", func() bool { return one.do("GET", base+"/desk", nil).status == 404 })
	if a := one.do("PUT", base+"/desk/items/z", `{"acl":`+everyone+`,"properties":{"title":"x"}}`); a.status != 404 {
		t.Errorf("PUT into a connection that the other server deleted = %v, want 404", a)
	}
	one.register("desk", helpdesk)
	if _, a := two.search("u", "desk", "*", ""); !strings.Contains(a.String(), `"total":0`) {
		t.Errorf("the new connection is not empty: %v", a)
	}
}

// Everything at once, for the race detector; what is left must be consistent.
func TestConcurrent(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	var wg sync.WaitGroup
	for k := range 16 {
		wg.Go(func() {
			for i := range 25 {
				id := fmt.Sprintf("i%d", (i*7+k)%40)
				switch k % 4 {
				case 0, 1:
					g.put("desk", id, fmt.Sprintf(`{"title":"common k%d","priority":%d}`, k, i), fmt.Sprintf("text of %d", i))
				case 2:
					g.do("DELETE", base+"/desk/items/"+id, nil)
				case 3:
					g.search("u", "desk", "common", `"aggregations":[{"field":"priority"}]`)
					g.do("GET", base+"/desk/items/"+id, nil)
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 3 {
			g.update("desk", fmt.Sprintf(`[{"name":"x%d","type":"string","isQueryable":true}]`, i))
		}
	})
	wg.Wait()
	var there []string
	for i := range 40 {
		id := fmt.Sprintf("i%d", i)
		if g.do("GET", base+"/desk/items/"+id, nil).status == 200 {
			there = append(there, id)
		}
	}
	ids, a := g.search("u", "desk", "common", `"size":100`)
	if len(ids) != len(there) {
		t.Errorf("%d items are stored, search finds %d: %v", len(there), len(ids), a)
	}
	var rows int
	cn, _ := g.srv.connection(context.Background(), "desk")
	if err := g.srv.db.QueryRow(fmt.Sprintf(`SELECT count(*) FROM f%d`, cn.n)).Scan(&rows); err != nil || rows != len(there) {
		t.Errorf("the index has %d rows (%v), want %d", rows, err, len(there))
	}
}

// A change of the ACL alone, or of nothing, leaves the index alone.
func TestUnchangedIndex(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	cn, _ := g.srv.connection(context.Background(), "desk")
	segments := func() (blocks int) {
		if err := g.srv.db.QueryRow(fmt.Sprintf(`SELECT sum(id) FROM f%d_data`, cn.n)).Scan(&blocks); err != nil {
			t.Fatal(err)
		}
		return blocks
	}
	g.put("desk", "a", `{"title":"x"}`, "text")
	before := segments()
	g.put("desk", "a", `{"title":"x"}`, "text")
	g.putACL("desk", "a", entries("grant user u1"), `{"title":"x"}`, "text")
	if after := segments(); after != before {
		t.Error("a PUT of the same text wrote to the index")
	}
	if ids, _ := g.search("u2", "desk", "text", ""); len(ids) != 0 {
		t.Error("the new ACL does not hold")
	}
	g.put("desk", "a", `{"title":"x"}`, "other text")
	if after := segments(); after == before {
		t.Error("a PUT of another text did not write to the index, or this test cannot see it")
	}
}

// A full disk is told as such, stores nothing, and passes.
func TestFullDisk(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.put("desk", "before", `{"title":"word"}`, "")
	pages := func(n int) {
		t.Helper()
		err := g.srv.w.do(context.Background(), func(tx *wtx) error { return nil })
		if err == nil {
			_, err = g.srv.w.conn.ExecContext(context.Background(), fmt.Sprintf(`PRAGMA max_page_count = %d`, n))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	pages(1) // no more than there are
	big := `{"acl":` + everyone + `,"properties":{"title":"word"},"content":{"type":"text","value":"` + strings.Repeat("lorem ipsum ", 50_000) + `"}}`
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if a := g.do("PUT", fmt.Sprintf("%s/desk/items/big%d", base, i), big); a.status != 507 || a.get("error", "code") != "InsufficientStorage" {
				t.Errorf("PUT on a full disk = %v, want 507", a)
			}
		})
	}
	wg.Wait()
	if ids, _ := g.search("u", "desk", "word", ""); len(ids) != 1 {
		t.Errorf("after a full disk search finds %v, want only what was stored", ids)
	}
	pages(1 << 30)
	g.want(200, "PUT", base+"/desk/items/big0", big)
}

func TestNewerFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	srv, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := srv.InstanceID()
	srv.Close()
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		t.Fatal(err)
	}
	srv, err = Open(dir, Options{})
	if err != nil || srv.InstanceID() != id {
		t.Fatalf("opened again: %v, id %q, want %q", err, srv.InstanceID(), id)
	}
	srv.Close()
	db, err := sql.Open("sqlite", filepath.Join(dir, "graph.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`PRAGMA user_version = 99`); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if _, err = Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("Open of layout 99: %v, want it refused", err)
	}
}

// A registration or deletion that a process left is finished by the next.
func TestResume(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on", "the", "way")
	srv, err := Open(dir, Options{SchemaDelay: 50 * time.Millisecond, DeleteDelay: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v, want mode 0700", fi.Mode(), err)
	}
	g := &graph{t: t, srv: srv}
	g.want(201, "POST", base, `{"id":"gone","name":"gone"}`)
	g.want(201, "POST", base, `{"id":"desk","name":"desk"}`)
	g.want(202, "PATCH", base+"/desk/schema", `{"baseType":"microsoft.graph.externalItem","properties":`+helpdesk+`}`)
	g.want(202, "DELETE", base+"/gone", nil)
	srv.Close()
	if a := g.do("PUT", base+"/desk/items/a", `{"acl":`+everyone+`,"properties":{"title":"x"}}`); a.status < 400 {
		t.Errorf("PUT to a closed server = %v", a)
	}
	if srv, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	g.srv = srv
	wait(t, "the registration", func() bool { return g.want(200, "GET", base+"/desk", nil).get("state") == "ready" })
	wait(t, "the deletion", func() bool { return g.do("GET", base+"/gone", nil).status == 404 })
}

// If one item breaks a transaction, the others of its batch are stored.
func TestOneBadItemInABatch(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	cn, _ := g.srv.connection(context.Background(), "desk")
	var batch []*writeOp
	for _, id := range []string{"a", "bad", "b"} {
		op, err := decodeItem(cn, &g.srv.opt, []byte(`{"acl":`+everyone+`,"properties":{"title":"x"}}`))
		if err != nil {
			t.Fatal(err)
		}
		op.id = id
		if id == "bad" {
			op.props.cols = op.props.cols[1:] // one value short
		}
		batch = append(batch, &writeOp{item: op, done: make(chan error, 1)})
	}
	inOneBatch(t, g, batch)
	for i, want := range []bool{true, false, true} {
		if err := <-batch[i].done; (err == nil) != want {
			t.Errorf("item %s: %v, want stored = %v", batch[i].item.id, err, want)
		}
	}
	if ids, _ := g.search("u", "desk", "x", ""); len(ids) != 2 {
		t.Errorf("stored: %v, want a and b", ids)
	}
	if err := asAPIError(errors.New("boom")); err.status != 500 || !bytes.Contains([]byte(err.message), []byte("boom")) {
		t.Errorf("an unknown failure = %v", err)
	}
}

// inOneBatch queues writes while the writer is busy, so that it takes them
// together.
func inOneBatch(t *testing.T, g *graph, batch []*writeOp) {
	t.Helper()
	busy, free := make(chan bool), make(chan bool)
	done := make(chan error)
	go func() {
		done <- g.srv.w.do(context.Background(), func(*wtx) error {
			close(busy)
			<-free
			return nil
		})
	}()
	<-busy
	for _, op := range batch {
		g.srv.w.queue <- op
	}
	close(free)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// opsFor decodes PUTs; an empty body is a DELETE.
func opsFor(t *testing.T, g *graph, cn *connection, id string, bodies ...string) []*writeOp {
	t.Helper()
	var batch []*writeOp
	for _, b := range bodies {
		op := &itemOp{conn: cn, del: true}
		if b != "" {
			var err error
			if op, err = decodeItem(cn, &g.srv.opt, []byte(b)); err != nil {
				t.Fatal(err)
			}
		}
		op.id = id
		batch = append(batch, &writeOp{item: op, done: make(chan error, 1)})
	}
	return batch
}

// Writes of one item in one batch happen in the order of arrival.
func TestOneItemTwiceInABatch(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	cn, _ := g.srv.connection(context.Background(), "desk")
	put := func(title string) string { return `{"acl":` + everyone + `,"properties":{"title":"` + title + `"}}` }
	batch := opsFor(t, g, cn, "a", put("first"), "", put("second"), put("third"), "", "", put("last"))
	inOneBatch(t, g, batch)
	for i, want := range []int{0, 0, 0, 0, 0, 404, 0} {
		err := <-batch[i].done
		if want == 0 && err != nil || want != 0 && (err == nil || asAPIError(err).status != want) {
			t.Errorf("write %d: %v, want %d", i, err, want)
		}
	}
	for q, want := range map[string]int{"last": 1, "first OR second OR third": 0} {
		if ids, _ := g.search("u", "desk", q, ""); len(ids) != want {
			t.Errorf("search(%q) = %v, want %d", q, ids, want)
		}
	}
}

// What was decoded by an old schema is not written under a new one.
func TestStaleDecode(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	cn, _ := g.srv.connection(context.Background(), "desk")
	op := opsFor(t, g, cn, "a", `{"acl":`+everyone+`,"properties":{"title":"x"}}`)[0]
	g.update("desk", `[{"name":"extra","type":"string","isQueryable":true}]`)
	if err := g.srv.w.submit(op); !errors.Is(err, errStale) {
		t.Errorf("a write decoded by an old schema: %v, want errStale", err)
	}
	g.want(404, "GET", base+"/desk/items/a", nil)
}

// A change that fails half-way leaves nothing behind.
func TestHalfAChangeIsUndone(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	boom := errors.New("boom")
	err := g.srv.w.do(context.Background(), func(tx *wtx) error {
		if err := tx.exec(`INSERT INTO groups (conn, id) VALUES (1, 'half')`); err != nil {
			return err
		}
		return boom
	})
	if err != boom {
		t.Errorf("the change: %v, want %v", err, boom)
	}
	g.want(404, "GET", base+"/desk/groups/half", nil)
	g.want(201, "POST", base+"/desk/groups", `{"id":"whole"}`) // the writer goes on
}
