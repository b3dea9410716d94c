package localgraph

import (
	"fmt"
)

// listItems answers a page of items by their ids, or with count how many there
// are. It is there with Options.ListItems only: the list is in the published
// model, no page describes it, and clients keep a list of their own because
// nobody has seen it work.
func (c *call) listItems(cn *connection, count bool) error {
	if err := cn.usable(); err != nil {
		return err
	}
	known := []string{"$select", "$top", "$skip", "$skiptoken", "$count"}
	if count {
		known = nil
	}
	if err := c.options(known...); err != nil {
		return err
	}
	l := list{context: "external/connections('" + cn.id + "')/items", page: 100, most: 1000}
	total := int64(0)
	if cn.schema != nil {
		var err error
		if total, err = c.s.countItems(c.r.Context(), cn); err != nil {
			return err
		}
	}
	if count {
		return c.replyNumber(int(total))
	}
	top, skip, err := c.paging(l)
	if err != nil {
		return err
	}
	all := []map[string]any{}
	if cn.schema != nil {
		if all, err = c.pageOfItems(cn, top+1, skip); err != nil {
			return err
		}
	}
	return c.replyRows(l.context, all[:min(top, len(all))], int(total), skip, len(all) > top)
}

func (c *call) pageOfItems(cn *connection, n, skip int) ([]map[string]any, error) {
	rows, err := c.s.db.QueryContext(c.r.Context(), fmt.Sprintf(`SELECT i.id, a.entries, b.props, b.ctype, b.content, b.label
		FROM (SELECT n, id, acl FROM %s ORDER BY id LIMIT ? OFFSET ?) i JOIN %s b ON b.n = i.n JOIN acls a ON a.n = i.acl ORDER BY i.id`,
		cn.items(), cn.bodies()), n, skip)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []map[string]any{}
	for rows.Next() {
		it := item{}
		if err := rows.Scan(&it.id, &it.acl, &it.props, &it.ctype, &it.content, &it.label); err != nil {
			return nil, err
		}
		m, err := c.selected(it.appendJSON(nil, ""))
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, rows.Err()
}
