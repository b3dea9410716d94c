package localgraph

import (
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
)

// migrate brings the file to layoutVersion and returns its instance id.
func migrate(db *sql.DB) (instance string, err error) {
	tx, err := db.Begin()
	if err != nil {
		return "", err
	}
	defer tx.Rollback()
	var version int
	if err := tx.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil {
		return "", err
	}
	if version > layoutVersion {
		return "", fmt.Errorf("graph.db has layout %d, and this program knows layouts up to %d: "+
			"it was written by a newer version; use that one, or another folder", version, layoutVersion)
	}
	if version == 0 {
		for _, stmt := range layout {
			if _, err := tx.Exec(stmt); err != nil {
				return "", fmt.Errorf("making the tables: %w", err)
			}
		}
		id := make([]byte, 16)
		rand.Read(id)
		if _, err := tx.Exec(`INSERT INTO meta VALUES ('instance', ?)`, hex.EncodeToString(id)); err != nil {
			return "", err
		}
		if _, err := tx.Exec(fmt.Sprintf(`PRAGMA user_version = %d`, layoutVersion)); err != nil {
			return "", err
		}
	}
	if version == 1 {
		if err := makeLayout2(tx); err != nil {
			return "", fmt.Errorf("changing its layout: %w", err)
		}
	}
	if err := tx.QueryRow(`SELECT value FROM meta WHERE key = 'instance'`).Scan(&instance); err != nil {
		return "", err
	}
	return instance, tx.Commit()
}

// makeLayout2 makes all indexes anew: layout 1 folded Latin letters only, and
// had no vocabularies.
func makeLayout2(tx *sql.Tx) error {
	rows, err := tx.Query(`SELECT n, schema FROM connections WHERE schema IS NOT NULL`)
	if err != nil {
		return err
	}
	defer rows.Close()
	schemas := map[int64]*schema{}
	for rows.Next() {
		var n int64
		var text string
		if err := rows.Scan(&n, &text); err != nil {
			return err
		}
		if schemas[n], err = storedSchema(text); err != nil {
			return err
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for n, sc := range schemas {
		if err := reindex(tx, n, sc); err != nil {
			return err
		}
	}
	_, err = tx.Exec(`PRAGMA user_version = 2`)
	return err
}

// reindex makes a connection's index of its items.
func reindex(tx *sql.Tx, n int64, sc *schema) error {
	stmts := append([]string{fmt.Sprintf(`DROP TABLE IF EXISTS f%d`, n)}, indexTables(n)...)
	for _, stmt := range stmts {
		if _, err := tx.Exec(stmt); err != nil {
			return err
		}
	}
	for at, more := int64(0), true; more; {
		items, err := readBodies(tx, n, at)
		if err != nil {
			return err
		}
		for _, it := range items {
			props, err := decodeProps(sc, &Options{AllowLooseDates: true}, []byte(it.props))
			if err != nil {
				return err
			}
			if _, err := tx.Exec(sc.statements(n).insertText, it.n, props.title, props.text, newContent(it.ctype, it.content).text); err != nil {
				return err
			}
			at = it.n
		}
		more = len(items) > 0
	}
	return nil
}

type numbered struct {
	item
	n int64
}

// readBodies reads some items behind a row.
func readBodies(tx *sql.Tx, conn, after int64) ([]numbered, error) {
	rows, err := tx.Query(fmt.Sprintf(`SELECT n, props, ctype, content FROM b%d WHERE n > ? ORDER BY n LIMIT 100`, conn), after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []numbered
	for rows.Next() {
		var it numbered
		if err := rows.Scan(&it.n, &it.props, &it.ctype, &it.content); err != nil {
			return nil, err
		}
		list = append(list, it)
	}
	return list, rows.Err()
}
