package main

import (
	"database/sql"
	"fmt"
	"path/filepath"

	_ "modernc.org/sqlite" // the store's driver
)

// storedItems gives what the local Graph in the folder data has of a
// connection: by id the item's ACL, properties and content. It reads the
// store's own tables (their layout stands in load/localgraph/store.go),
// because no call of the API lists items that nobody may see.
func storedItems(data, connection string) (map[string]string, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "graph.db")+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var n int64
	if err := db.QueryRow("SELECT n FROM connections WHERE id = ?", connection).Scan(&n); err != nil {
		return nil, fmt.Errorf("connection %s in %s: %w", connection, data, err)
	}
	rows, err := db.Query(fmt.Sprintf(`SELECT i.id, a.entries, b.props, b.ctype, b.content
		FROM i%d i JOIN b%d b USING (n) JOIN acls a ON a.n = i.acl`, n, n))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	items := map[string]string{}
	for rows.Next() {
		var id, acl, props, content string
		var kind int
		if err := rows.Scan(&id, &acl, &props, &kind, &content); err != nil {
			return nil, err
		}
		items[id] = fmt.Sprintf("%s %s %d %s", acl, props, kind, content)
	}
	return items, rows.Err()
}
