//go:build linux || darwin

package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	_ "modernc.org/sqlite"
)

// pragmas are those of the local Graph's writing connection.
const pragmas = "?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(normal)" +
	"&_pragma=temp_store(memory)&_pragma=cache_size(-32768)&_pragma=wal_autocheckpoint(8000)"

const rowsPerTransaction = 500

// writeDirect writes the rows that a crawl has left in a local Graph into
// another store with the same tables, by nothing but prepared statements, and
// gives the CPU time that this took. Tables and columns are those of the file,
// so that both stores stay alike; the layout is described in
// load/localgraph/store.go.
func writeDirect(from, to string) (time.Duration, error) {
	src, err := sql.Open("sqlite", "file:"+from+"?_pragma=query_only(1)")
	if err != nil {
		return 0, err
	}
	defer src.Close()
	c, err := readStore(src)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", from, err)
	}
	for _, ending := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(to + ending); err != nil && !os.IsNotExist(err) {
			return 0, err
		}
	}
	began, err := ownCPU()
	if err != nil {
		return 0, err
	}
	if err := c.write(to); err != nil {
		return 0, fmt.Errorf("%s: %w", to, err)
	}
	ended, err := ownCPU()
	return ended - began, err
}

// A copied is what a store holds of its one connection.
type copied struct {
	tables []string // the statements that make them
	config [][]any  // settings of f1
	items  [][]any  // rows of i1
	bodies [][]any  // rows of b1
	texts  [][]any  // rows of f1, which does not give its text back
}

func readStore(db *sql.DB) (*copied, error) {
	c := &copied{}
	tables, err := readRows(db, `SELECT sql FROM sqlite_schema WHERE name IN ('i1', 'b1', 'f1')`)
	if err != nil {
		return nil, err
	}
	if len(tables) != 3 {
		return nil, errors.New("there are no items of one connection")
	}
	for _, t := range tables {
		c.tables = append(c.tables, t[0].(string))
	}
	if c.config, err = readRows(db, `SELECT k, v FROM f1_config WHERE k <> 'version'`); err != nil {
		return nil, err
	}
	if c.items, err = readRows(db, `SELECT * FROM i1 ORDER BY n`); err != nil {
		return nil, err
	}
	if c.bodies, err = readRows(db, `SELECT n, props, ctype, content, label FROM b1 ORDER BY n`); err != nil {
		return nil, err
	}
	for _, b := range c.bodies {
		var props struct{ Title string }
		if err := json.Unmarshal([]byte(b[1].(string)), &props); err != nil {
			return nil, err
		}
		c.texts = append(c.texts, []any{b[0], props.Title, "", b[3]})
	}
	return c, nil
}

func readRows(db *sql.DB, query string) (all [][]any, err error) {
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row, to := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// write makes the tables and fills them.
func (c *copied) write(path string) (err error) {
	db, err := sql.Open("sqlite", "file:"+path+pragmas)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for _, stmt := range c.tables {
		if _, err := db.Exec(stmt); err != nil {
			return err
		}
	}
	for _, kv := range c.config {
		if _, err := db.Exec(`INSERT INTO f1 (f1, rank) VALUES (?, ?)`, kv...); err != nil {
			return err
		}
	}
	inserts := make([]*sql.Stmt, 0, 3)
	for _, into := range []struct {
		table string
		rows  [][]any
	}{
		{"i1", c.items},
		{"b1", c.bodies},
		{"f1 (rowid, title, props, content)", c.texts},
	} {
		st, err := db.Prepare("INSERT INTO " + into.table + " VALUES (?" + strings.Repeat(",?", len(into.rows[0])-1) + ")")
		if err != nil {
			return err
		}
		inserts = append(inserts, st)
	}
	for at := 0; at < len(c.items); at += rowsPerTransaction {
		end := min(at+rowsPerTransaction, len(c.items))
		if err := c.transaction(db, inserts, at, end); err != nil {
			return err
		}
	}
	return nil
}

func (c *copied) transaction(db *sql.DB, inserts []*sql.Stmt, at, end int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing after a commit
	item, body, text := tx.Stmt(inserts[0]), tx.Stmt(inserts[1]), tx.Stmt(inserts[2])
	for i := at; i < end; i++ {
		if _, err := item.Exec(c.items[i]...); err != nil {
			return err
		}
		if _, err := body.Exec(c.bodies[i]...); err != nil {
			return err
		}
		if _, err := text.Exec(c.texts[i]...); err != nil {
			return err
		}
	}
	return tx.Commit()
}
