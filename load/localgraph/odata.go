package localgraph

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The query options of OData: $select, $expand, $filter, $orderby, $top, $skip,
// $skiptoken and $count. An option that an operation does not have is refused,
// because a client that sends it counts on its effect.

// options refuses the options that are not in known.
func (c *call) options(known ...string) error {
	for name := range c.query {
		if name == "$format" && slices.Contains([]string{"json", "application/json"}, c.query.Get(name)) {
			continue // what is answered anyhow
		}
		if strings.HasPrefix(name, "$") && !slices.Contains(known, name) {
			return badRequest("%s: the query option is not supported here; supported are %s", name, cmp.Or(strings.Join(known, ", "), "none"))
		}
	}
	return nil
}

// selectKeys honours $select. What $expand has put there stays.
func selectKeys(m map[string]any, q url.Values) error {
	list := q.Get("$select")
	if list == "" || list == "*" {
		return nil
	}
	keep := map[string]bool{}
	for _, name := range strings.Split(q.Get("$expand"), ",") {
		keep[strings.TrimSpace(name)] = true
	}
	known := map[string]string{}
	for name := range m {
		known[strings.ToLower(name)] = name
	}
	for _, name := range strings.Split(list, ",") {
		name = strings.TrimSpace(name)
		if known[strings.ToLower(name)] == "" {
			return badRequest("$select: there is no property %q", name)
		}
		keep[known[strings.ToLower(name)]] = true
	}
	maps.DeleteFunc(m, func(k string, _ any) bool { return !keep[k] && !strings.HasPrefix(k, "@odata.") })
	return nil
}

// expand calls the function of each name in $expand and puts what it gives
// beside the other members.
func (c *call) expand(m map[string]any, by map[string]func() (any, error)) error {
	if !c.query.Has("$expand") {
		return nil
	}
	for _, name := range strings.Split(c.query.Get("$expand"), ",") {
		name = strings.TrimSpace(name)
		f := by[name]
		if f == nil {
			return badRequest("$expand: %q is none of %s", name, strings.Join(slices.Sorted(maps.Keys(by)), ", "))
		}
		v, err := f()
		if err != nil {
			return err
		}
		if v != nil {
			m[name] = v
		}
	}
	return nil
}

// A list is what an operation that answers one allows.
type list struct {
	context string
	fields  []string // what $filter and $orderby know
	page    int      // how many come without $top; 0 is all
	most    int      // the largest $top; 0 is any
}

// replyPage answers one page of all, honouring the options. $select, which may
// take away what the others need, comes last.
func (c *call) replyPage(l list, all []map[string]any) error {
	if err := c.options("$filter", "$select", "$expand", "$orderby", "$top", "$skip", "$skiptoken", "$count"); err != nil {
		return err
	}
	if text := c.query.Get("$filter"); text != "" {
		f, err := parseFilter(text, l.fields)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(m map[string]any) bool { return !f.holds(m) })
	}
	order, err := parseOrder(c.query.Get("$orderby"), l.fields)
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b map[string]any) int {
		for _, o := range order {
			n := strings.Compare(fmt.Sprint(a[o.field]), fmt.Sprint(b[o.field]))
			if n != 0 && o.descending {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	})
	top, skip, err := c.paging(l)
	if err != nil {
		return err
	}
	total := len(all)
	all = all[min(skip, total):]
	more := top > 0 && top < len(all)
	if more {
		all = all[:top]
	}
	for _, m := range all {
		if err := selectKeys(m, c.query); err != nil {
			return err
		}
	}
	return c.replyRows(l.context, all, total, skip, more)
}

// paging reads $top, $skip and $skiptoken: how many to answer (0 is all) after
// how many.
func (c *call) paging(l list) (top, skip int, err error) {
	top = l.page
	for name, v := range map[string]*int{"$top": &top, "$skip": &skip} {
		text := c.query.Get(name)
		if text == "" {
			continue
		}
		if *v, err = strconv.Atoi(text); err != nil || *v < 0 || *v == 0 && name == "$top" {
			return 0, 0, badRequest("%s: %q is not a positive number", name, text)
		}
	}
	if l.most > 0 && top > l.most {
		return 0, 0, badRequest("$top: invalid page size specified: '%d'. Must be between 1 and %d inclusive.", top, l.most)
	}
	if text := c.query.Get("$skiptoken"); text != "" {
		if skip, err = readSkipToken(text); err != nil {
			return 0, 0, err
		}
	}
	return top, skip, nil
}

// A skip token is the number of rows that earlier pages had. It is opaque, so
// that no client comes to count with it.
func skipToken(n int) string {
	return base64.RawURLEncoding.EncodeToString([]byte("after:" + strconv.Itoa(n)))
}

func readSkipToken(text string) (int, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	digits, ok := strings.CutPrefix(string(raw), "after:")
	n, err2 := strconv.Atoi(digits)
	if err != nil || err2 != nil || !ok || n < 0 {
		return 0, badRequest("$skiptoken: %q is no token of this server; follow @odata.nextLink as it is", text)
	}
	return n, nil
}

// replyRows answers the rows of a page, with a link to the next if there is
// more. total is how many there are in all.
func (c *call) replyRows(context string, rows []map[string]any, total, skip int, more bool) error {
	body := map[string]any{"@odata.context": c.context(context)}
	if c.query.Get("$count") == "true" {
		body["@odata.count"] = total
	}
	if more {
		q := url.Values{}
		maps.Copy(q, c.query)
		q.Del("$skip")
		q.Set("$skiptoken", skipToken(skip+len(rows)))
		body["@odata.nextLink"] = rootURL(c.r) + c.r.URL.EscapedPath() + "?" + strings.NewReplacer("%24", "$", "+", "%20").Replace(q.Encode())
	}
	body["value"] = append([]map[string]any{}, rows...) // [] and not null
	return c.reply(http.StatusOK, body)
}

// replyCount answers GET .../$count of a list: a number as plain text.
func (c *call) replyCount(l list, all []map[string]any) error {
	if err := c.options("$filter"); err != nil {
		return err
	}
	n := len(all)
	if text := c.query.Get("$filter"); text != "" {
		f, err := parseFilter(text, l.fields)
		if err != nil {
			return err
		}
		n = 0
		for _, m := range all {
			if f.holds(m) {
				n++
			}
		}
	}
	return c.replyNumber(n)
}

func (c *call) replyNumber(n int) error {
	c.w.Header().Set("Content-Type", "text/plain")
	return c.replyRaw(http.StatusOK, strconv.AppendInt(nil, int64(n), 10))
}

type orderKey struct {
	field      string
	descending bool
}

// parseOrder reads $orderby.
func parseOrder(text string, fields []string) ([]orderKey, error) {
	if text == "" {
		return nil, nil
	}
	var keys []orderKey
	for _, part := range strings.Split(text, ",") {
		words := strings.Fields(part)
		if len(words) == 0 || len(words) > 2 || !slices.Contains(fields, words[0]) || len(words) == 2 && words[1] != "asc" && words[1] != "desc" {
			return nil, badRequest("$orderby: %q is not one of %s, with asc or desc behind it", strings.TrimSpace(part), strings.Join(fields, ", "))
		}
		keys = append(keys, orderKey{words[0], len(words) == 2 && words[1] == "desc"})
	}
	return keys, nil
}
