package localgraph

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	defaultSize = 25
	maxSize     = 500 // the searchRequest page; an older overview says 1000
	// maxPageBytes is not documented: 500 hits with all that items of 4 MB may
	// hold would be 2 GB.
	maxPageBytes = 64 << 20
)

// A searchRequest is the part of the API's type that speaks of external items.
type searchRequest struct {
	EntityTypes        []string      `json:"entityTypes"`
	ContentSources     []string      `json:"contentSources"`
	Query              *searchText   `json:"query"`
	From               int           `json:"from"`
	Size               *int          `json:"size"`
	Fields             []string      `json:"fields"`
	SortProperties     []sortKey     `json:"sortProperties"`
	Aggregations       []aggregation `json:"aggregations"`
	AggregationFilters []string      `json:"aggregationFilters"`

	Alter     *alterationOptions `json:"queryAlterationOptions"`
	Templates *templateOption    `json:"resultTemplateOptions"`
	Collapse  []collapseProperty `json:"collapseProperties"`
}

type searchText struct {
	QueryString   *string `json:"queryString"`
	QueryTemplate string  `json:"queryTemplate"`
}

// searchTerms stands in a template for the query.
var searchTerms = regexp.MustCompile(`(?i)\{searchterms\}`)

type sortKey struct {
	Name         string      `json:"name"`
	IsDescending lenientBool `json:"isDescending"`
}

// search answers POST /search/query, within the time that a search may take.
func (c *call) search() error {
	ctx, cancel := context.WithTimeout(c.r.Context(), c.s.opt.SearchTime)
	defer cancel()
	err := c.searchIn(ctx)
	if _, refused := errors.AsType[*apiError](err); err != nil && !refused && ctx.Err() == context.DeadlineExceeded && c.r.Context().Err() == nil {
		return &apiError{status: http.StatusGatewayTimeout, code: "GatewayTimeout", cause: err,
			message: fmt.Sprintf("The search took longer than %v. Ask for less.", c.s.opt.SearchTime)}
	}
	return err
}

func (c *call) searchIn(ctx context.Context) error {
	var body struct {
		Requests []searchRequest `json:"requests"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	name := c.caller.UserID
	if c.caller.App && name == "" {
		name = c.caller.SearchAs
	}
	if name == "" {
		return errSearchApp
	}
	// An array is required, of exactly one request.
	if len(body.Requests) != 1 {
		return badRequest("requests: must hold exactly one search request, not %d", len(body.Requests))
	}
	user, err := c.s.userOf(ctx, name)
	if err != nil {
		return err
	}
	for {
		if err := c.s.refresh(ctx); err != nil {
			return err
		}
		q, err := c.s.prepare(&body.Requests[0], user)
		if err != nil {
			return err
		}
		answer, err := q.answer(ctx)
		if errors.Is(err, errStale) {
			continue // with the schemas of now
		}
		if err != nil {
			return err
		}
		return c.reply(http.StatusOK, map[string]any{
			"@odata.context": c.context("Collection(microsoft.graph.searchResponse)"),
			"value":          []any{answer},
		})
	}
}

// answer runs the query on one state of the store, so that all that the answer
// says fits together. It is errStale if that state has other schemas than the
// query was made for.
func (q *query) answer(ctx context.Context) (map[string]any, error) {
	tx, err := q.s.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	var gen int64
	if err := tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'gen'`).Scan(&gen); err != nil {
		return nil, err
	}
	if gen != q.gen {
		return nil, errStale
	}
	return q.run(ctx, tx)
}

// A query is a search request, checked and compiled for each connection.
type query struct {
	s       *Server
	gen     int64 // of the snapshot that it was made with
	req     *searchRequest
	user    User
	text    string
	tree    *node
	shift   int // where text begins in what tree was made of, in bytes
	size    int
	now     time.Time
	sources []*source
	terms   []term // to mark in summaries
	fields  map[string]bool
	sort    []sortKey
	aggs    []*aggregation

	cards map[*connection][]displayTemplate // nil: not asked for
	used  map[string]map[string]any         // the cards of the hits, by template id
}

// A source is one connection's share of a query.
type source struct {
	cn     *connection
	part   part
	terms  []string
	filter part   // of aggregationFilters
	ranks  []rank // what sets hits apart
}

func (s *Server) prepare(req *searchRequest, user User) (*query, error) {
	q := &query{s: s, req: req, user: user, size: defaultSize, now: time.Now().UTC()}
	if err := checkEntityTypes(req.EntityTypes); err != nil {
		return nil, err
	}
	if req.Query == nil || req.Query.QueryString == nil || strings.TrimSpace(*req.Query.QueryString) == "" {
		return nil, badRequest("query: queryString must not be empty; * finds everything")
	}
	q.text = *req.Query.QueryString
	full := q.text
	if t := req.Query.QueryTemplate; t != "" {
		at := searchTerms.FindStringIndex(t)
		if at == nil {
			return nil, badRequest("query: queryTemplate must contain {searchTerms}")
		}
		if n := len(searchTerms.FindAllStringIndex(t, -1)); len(t)+n*len(q.text) > 4*maxQuery { // before it is made
			return nil, badRequest("query: with its queryTemplate it is longer than %d characters", maxQuery)
		}
		q.shift = at[0]
		full = t[:at[0]] + searchTerms.ReplaceAllLiteralString(t[at[0]:], q.text)
	}
	if req.Size != nil {
		q.size = *req.Size
	}
	if most := cmp.Or(s.opt.MaxPage, maxSize); req.From < 0 || q.size < 0 || q.size > most {
		return nil, badRequest("from and size: from is at least 0, size is 0 to %d", most)
	}
	if len(req.SortProperties) > 5 {
		return nil, badRequest("sortProperties: at most 5, not %d", len(req.SortProperties))
	}
	if req.Templates != nil && req.Templates.Enable {
		q.cards, q.used = map[*connection][]displayTemplate{}, map[string]map[string]any{}
	}
	if len(req.Fields) > 0 { // an empty list asks for nothing by name, and so for all
		q.fields = map[string]bool{}
		for _, f := range req.Fields {
			q.fields[strings.ToLower(f)] = true
		}
	}
	snap := s.snap.Load()
	q.gen = snap.gen
	conns, err := snap.contentSources(req.ContentSources)
	if err != nil {
		return nil, err
	}
	tree, err := parseKQL(full, func(name string) bool {
		return slices.ContainsFunc(conns, func(cn *connection) bool { return cn.schema.query[name] != nil })
	})
	if err != nil {
		return nil, err
	}
	q.tree = tree
	q.terms = highlights(tree, conns)
	if err := q.compile(conns, tree); err != nil {
		return nil, err
	}
	q.sort = req.SortProperties
	if err := q.checkRefinable(); err != nil || len(q.sources) == 0 {
		return q, err
	}
	return q, q.checkCollapse()
}

// mixedTypes may stand beside externalItem. There is nothing of them here, so
// they add no hits.
var mixedTypes = []string{"externalItem", "drive", "driveItem", "list", "listItem", "site"}

func checkEntityTypes(types []string) error {
	found := false
	for _, t := range types {
		name, ok := spelled(mixedTypes, t)
		if !ok {
			return badRequest("entityTypes: %q is none of %s", t, strings.Join(mixedTypes, ", "))
		}
		found = found || name == "externalItem"
	}
	if !found {
		return badRequest("entityTypes: this server searches externalItem only")
	}
	return nil
}

// contentSources finds the connections asked for: those with a schema, for
// the others have no items yet. No list, or the bare word Connectors, is all.
func (snap *snapshot) contentSources(list []string) ([]*connection, error) {
	var conns []*connection
	add := func(cn *connection) {
		if cn.schema != nil && !cn.deleting && !slices.Contains(conns, cn) {
			conns = append(conns, cn)
		}
	}
	for _, src := range list {
		if strings.EqualFold(src, "Connectors") {
			list = nil
			break
		}
		id, ok := strings.CutPrefix(tidyPath("/v1.0/"+strings.Trim(src, "/")), "/v1.0/external/connections/")
		if !ok {
			return nil, badRequest("contentSources: %q is not of the form /external/connections/{id}", src)
		}
		cn := snap.byID[strings.ToLower(id)]
		if cn == nil {
			return nil, badRequest("contentSources: the connection '%s' was not found", id)
		}
		add(cn)
	}
	if len(list) == 0 {
		conns = nil
		for _, cn := range snap.list {
			add(cn)
		}
	}
	if len(conns) > 100 {
		return nil, badRequest("contentSources: at most 100 connections can be searched at once; name them")
	}
	return conns, nil
}

// compile makes each connection's share. A value that is not of its
// property's type is an error only if it is so everywhere.
func (q *query) compile(conns []*connection, tree *node) error {
	var wrong error
	fits := 0
	for _, cn := range conns {
		c := &compiler{cn: cn, now: q.now}
		src := &source{cn: cn, part: c.compile(tree), terms: c.terms}
		if c.err != nil {
			wrong = c.err
			continue
		}
		fits++
		var err error
		if src.filter, err = c.filters(q.req.AggregationFilters); err != nil {
			wrong = err
			fits--
			continue
		}
		src.ranks = c.ranks(tree)
		q.sources = append(q.sources, src)
	}
	if fits == 0 {
		return wrong
	}
	return nil
}

// checkRefinable refuses to sort or count by what is not refinable.
func (q *query) checkRefinable() error {
	refinable := func(name string) bool {
		return slices.ContainsFunc(q.sources, func(src *source) bool {
			p := src.cn.schema.query[strings.ToLower(name)]
			return p != nil && p.Refinable
		})
	}
	if len(q.sources) == 0 {
		return nil
	}
	for _, k := range q.sort {
		if !refinable(k.Name) {
			return badRequest("sortProperties: %q is not a refinable property", k.Name)
		}
	}
	if len(q.req.Aggregations) > maxAggregations {
		return badRequest("aggregations: at most %d, not %d", maxAggregations, len(q.req.Aggregations))
	}
	for i := range q.req.Aggregations {
		a := new(q.req.Aggregations[i]) // a corrected query counts anew
		if !refinable(a.Field) {
			return badRequest("aggregations: %q is not a refinable property", a.Field)
		}
		if err := a.prepare(q.sources); err != nil {
			return err
		}
		q.aggs = append(q.aggs, a)
	}
	return nil
}

// A hit is an item of the page.
type hit struct {
	ID       string `json:"hitId"`
	Source   string `json:"contentSource"`
	Rank     int    `json:"rank"`
	Summary  string `json:"summary"`
	Template string `json:"resultTemplateId,omitempty"`
	// Collapsed tells that the hit stands for others that were trimmed; nil
	// without collapseProperties.
	Collapsed *bool          `json:"isCollapsed,omitempty"`
	Resource  map[string]any `json:"resource"`
}

// size is about how many bytes the hit takes in the answer.
func (h *hit) size() int {
	n := len(h.Summary) + 500
	props, _ := h.Resource["properties"].(map[string]any)
	for name, v := range props {
		raw, _ := v.(json.RawMessage)
		n += len(name) + len(raw)
	}
	return n
}

// run reads the page, the total and the groups from one state of the store.
func (q *query) run(ctx context.Context, tx *sql.Tx) (map[string]any, error) {
	c := newCollector(q)
	defer c.close()
	if err := q.collect(ctx, tx, c); err != nil {
		return nil, err
	}
	hits, size := []hit{}, 0
	for i, f := range c.page(q.req.From) {
		cn := q.sources[f.source].cn
		it := item{}
		err := tx.QueryRowContext(ctx, fmt.Sprintf(`SELECT i.id, b.props, b.ctype, b.content FROM %s i JOIN %s b ON b.n = i.n WHERE i.n = ?`,
			cn.items(), cn.bodies()), f.n).Scan(&it.id, &it.props, &it.ctype, &it.content)
		if err != nil {
			return nil, err
		}
		h := q.hit(cn, &it, q.req.From+i+1)
		if size += h.size(); size > q.s.page {
			return nil, badRequest("size: %d hits are more than %d MB of properties; ask for fewer, or name fields", q.size, q.s.page>>20)
		}
		if len(c.trim) > 0 {
			h.Collapsed = &f.collapsed
		}
		hits = append(hits, h)
	}
	container := map[string]any{
		"total":                c.total,
		"moreResultsAvailable": c.total > q.req.From+len(hits),
		"hits":                 hits,
	}
	if len(q.aggs) > 0 {
		list := []any{}
		for _, a := range q.aggs {
			list = append(list, a.answer())
		}
		container["aggregations"] = list
	}
	words := []string{}
	for _, t := range q.terms {
		words = append(words, strings.Join(t.words, " "))
	}
	answer := map[string]any{"searchTerms": words, "hitsContainers": []any{container}}
	if len(q.used) > 0 {
		answer["resultTemplates"] = q.used
	}
	return q.respell(ctx, tx, c, answer)
}

// respell adds what queryAlterationOptions ask for. A modification comes
// before a suggestion, and is made only of a query that finds nothing.
func (q *query) respell(ctx context.Context, tx *sql.Tx, c *collector, answer map[string]any) (map[string]any, error) {
	if o := q.req.Alter; o == nil || !o.Suggest && !o.Modify {
		return answer, nil
	}
	change, altered, err := q.alter(ctx, tx, c)
	if err != nil || change == nil {
		return answer, err
	}
	if q.req.Alter.Modify && c.total == 0 {
		change.Type = "modification"
		if answer, err = altered.run(ctx, tx); err != nil {
			return nil, err
		}
	}
	answer["queryAlterationResponse"] = change
	return answer, nil
}

func (q *query) hit(cn *connection, it *item, rank int) hit {
	props := map[string]any{}
	_ = walkObject([]byte(it.props), func(key string, val []byte) error { // cannot fail: f does not
		p := cn.schema.byName[strings.ToLower(key)]
		if p == nil {
			return nil // an annotation
		}
		if !p.Retrievable {
			return nil
		}
		if q.fields == nil || q.fields[strings.ToLower(p.Name)] || slices.ContainsFunc(p.Aliases, func(a string) bool { return q.fields[strings.ToLower(a)] }) {
			props[p.Name] = json.RawMessage(slices.Clone(val))
		}
		for _, l := range p.Labels {
			if q.fields["label_"+strings.ToLower(l)] {
				props["label_"+l] = json.RawMessage(slices.Clone(val))
			}
		}
		return nil
	})
	// The CLI for Microsoft 365 finds an item's id behind the comma.
	props["substrateContentDomainId"] = q.s.id + "@local," + it.id
	card := ""
	if q.cards != nil {
		card = q.template(cn, it.props)
	}
	return hit{
		Template: card,
		ID:       base64.RawURLEncoding.EncodeToString([]byte(cn.id + "/" + it.id)),
		Source:   "/external/connections/" + cn.id,
		Rank:     rank,
		Summary:  summary(it.text(), it.texts(cn.schema), q.terms),
		Resource: map[string]any{
			"@odata.type": "#microsoft.graph.externalConnectors.externalItem",
			"properties":  props,
		},
	}
}

// text is the content as text.
func (it *item) text() string {
	if it.ctype == htmlContent {
		return stripHTML(it.content)
	}
	return it.content
}

// texts lists the other texts that an item may be found by and shows.
func (it *item) texts(sc *schema) []string {
	var list []string
	_ = walkObject([]byte(it.props), func(key string, val []byte) error { // cannot fail: f does not
		p := sc.byName[strings.ToLower(key)]
		switch {
		case p == nil || !p.Searchable || !p.Retrievable:
		case kindOf(val) == '"':
			list = append(list, unquote(val))
		case kindOf(val) == '[':
			return walkArray(val, func(el []byte) error {
				list = append(list, unquote(el))
				return nil
			})
		}
		return nil
	})
	return list
}
