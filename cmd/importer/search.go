package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"importer/load"
	"importer/load/localgraph"
)

// A searchFlags is what is searched for, as typed.
type searchFlags struct {
	targetFlags
	connections []string
	as          string
	from, size  int
	fields      []string
	sort        []string
	aggregate   []string
	filters     []string
}

func (a *app) searchCommand() *cobra.Command {
	var f searchFlags
	cmd := &cobra.Command{
		Use:   "search QUERY",
		Short: "Search connections as one of their users",
		Long: `search runs a query as a user sees it: items that the user may not see are not
found. The query is KQL: words, "phrases", prefix*, property:value, AND, OR, NOT
and parentheses; * finds everything. A misspelt word is answered with the one
that was probably meant, if the user may see an item that has it.

In the local Graph the user is a mail address, a UPN or an object id; people of
the mapping's identities file are known by all three. Somebody who is not known
there is in no group, and sees what everyone sees. In a tenant the user is the
token's.

--aggregate counts the hits by the values of a refinable property, and prints
with each value the --filter that narrows the search down to it.`,
		Example: `  importer search printer --connection contosohelpdesk --as priya.nair@contoso.com
  importer search 'priority>=3 AND status:open' --connection contosohelpdesk --as priya.nair@contoso.com --json
  importer search '*' --as priya.nair@contoso.com --sort opened:desc --aggregate team:5 --fields title,team`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("search takes a query, such as printer or '*'")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.search(cmd.Context(), &f, strings.Join(args, " "))
		},
	}
	f.targetFlags.add(cmd, false)
	fl := cmd.Flags()
	fl.StringSliceVarP(&f.connections, "connection", "c", nil, "`ids` of the connections; may be left out when the local Graph has only one")
	fl.StringVar(&f.as, "as", "", "the `user` whose eyes are used (local Graph)")
	fl.IntVar(&f.from, "from", 0, "first hit, from 0")
	fl.IntVar(&f.size, "size", 25, "most hits, up to 500")
	fl.StringSliceVar(&f.fields, "fields", nil, "the `properties` wanted of each hit; without it all that are retrievable")
	fl.StringSliceVar(&f.sort, "sort", nil, "refinable `properties` to sort by, as opened or opened:desc, up to 5")
	fl.StringSliceVar(&f.aggregate, "aggregate", nil, "refinable `properties` to count the hits by, as team or team:5 for the five most frequent values")
	fl.StringArrayVar(&f.filters, "filter", nil, "only hits of a `value` that --aggregate has printed, as team:\"...\"")
	return cmd
}

// query makes the API's query of what was typed, its connections aside.
func (f *searchFlags) query(text string) (load.Query, error) {
	q := load.Query{Text: text, From: f.from, Size: f.size, Fields: f.fields, Filters: f.filters, Suggest: true}
	for _, s := range f.sort {
		name, order, _ := strings.Cut(s, ":")
		if order != "" && order != "desc" && order != "asc" || name == "" {
			return q, usageError{fmt.Errorf("--sort %q is not a property with or without :desc, such as opened:desc", s)}
		}
		q.Sort = append(q.Sort, load.SortKey{Name: name, Descending: order == "desc"})
	}
	if len(q.Sort) > 5 {
		return q, usageError{fmt.Errorf("--sort takes 5 properties at most, not %d", len(q.Sort))}
	}
	for _, s := range f.aggregate {
		name, most, sized := strings.Cut(s, ":")
		by := load.AggregateBy{Field: name}
		n, err := strconv.Atoi(most)
		if name == "" || sized && (err != nil || n < 1) {
			return q, usageError{fmt.Errorf("--aggregate %q is not a property with or without a number of values, such as team:5", s)}
		}
		by.Size = n
		q.Aggregate = append(q.Aggregate, by)
	}
	return q, nil
}

func (f *searchFlags) check() error {
	local := f.target == "local"
	switch {
	case f.target == "jsonl":
		return usageError{errors.New("a jsonl target cannot be searched")}
	case local && f.as == "":
		return usageError{errors.New("search needs --as USER: items are shown only to those who may see them")}
	case !local && f.as != "":
		return usageError{errors.New("--as is for the local Graph; a tenant searches as the user of IMPORTER_GRAPH_TOKEN")}
	case strings.TrimSpace(f.as) != f.as:
		return usageError{fmt.Errorf("--as %q has spaces around it", f.as)}
	case f.from < 0 || f.size < 1 || f.size > 500:
		return usageError{errors.New("--from is 0 or more, --size 1 to 500")}
	}
	return nil
}

func (a *app) search(ctx context.Context, f *searchFlags, words string) error {
	if err := f.check(); err != nil {
		return err
	}
	query, err := f.query(words)
	if err != nil {
		return err
	}
	if f.target == "local" {
		if err := a.needLocal(); err != nil {
			return err
		}
	}
	t, err := a.open(&f.targetFlags, "", localgraph.Caller{UserID: f.as})
	if err != nil {
		return err
	}
	defer t.close(true)
	switch {
	case t.local != nil:
		query.Connections, err = a.searched(ctx, t, f)
	case len(f.connections) == 0:
		err = usageError{errors.New("search in a tenant needs --connection ID")}
	default:
		query.Connections = f.connections
	}
	if err != nil {
		return err
	}
	hits, err := t.graph.Search(ctx, query)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(hits)
	}
	a.printHits(f, hits)
	return nil
}

// searched are the connections of the local Graph that are searched. It tells
// when the user is nobody whom the directory knows.
func (a *app) searched(ctx context.Context, t *target, f *searchFlags) ([]string, error) {
	ids := slices.Clone(f.connections)
	if len(ids) == 0 {
		ids = []string{""}
	}
	var err error
	for i, id := range ids {
		if ids[i], err = a.localConnection(ctx, t, id); err != nil {
			return nil, err
		}
	}
	if _, known, err := t.local.ResolveUser(ctx, f.as); err != nil {
		return nil, usageError{fmt.Errorf("--as %s: %w", f.as, err)}
	} else if !known && !a.quiet && !objectID.MatchString(f.as) {
		fmt.Fprintf(a.stderr, "%s is not in the directory of the local Graph: searching as somebody in no group, who sees what everyone sees\n", f.as)
	}
	return ids, nil
}

func (a *app) printHits(f *searchFlags, hits *load.Hits) {
	w := narrow(a.stdout)
	fmt.Fprintln(w, count(int64(hits.Total), "hit", "hits"))
	if hits.Suggestion != "" {
		fmt.Fprintf(w, "Did you mean: %s\n", oneLine(hits.Suggestion))
	}
	for _, h := range hits.Hits {
		where := ""
		if len(f.connections) > 1 {
			where = "  (" + h.Connection + ")"
		}
		fmt.Fprintf(w, "\n%s  %s%s\n", h.ID, text(h.Properties["title"]), where)
		if u := text(h.Properties["url"]); u != "" {
			fmt.Fprintf(w, "  %s\n", u)
		}
		for _, name := range f.fields {
			if value := text(propertyOf(h, name)); value != "" && name != "title" && name != "url" {
				fmt.Fprintf(w, "  %s: %s\n", name, oneLine(value))
			}
		}
		fmt.Fprintf(w, "  %s\n", marks.Replace(oneLine(h.Summary)))
	}
	for _, agg := range hits.Aggregations {
		rows := [][]string{{agg.Field, "hits", "to see only these"}}
		for _, b := range agg.Buckets {
			rows = append(rows, []string{b.Key, number(b.Count), "--filter '" + agg.Field + ":" + b.Token + "'"})
		}
		fmt.Fprintln(w)
		printColumns(w, "", rows)
	}
}

// propertyOf finds a property of a hit: the service answers in the schema's
// spelling, whatever was asked for.
func propertyOf(h load.Hit, name string) json.RawMessage {
	for have, value := range h.Properties {
		if strings.EqualFold(have, name) {
			return value
		}
	}
	return nil
}

// marks shows a hit's words as they are meant to be shown: between brackets,
// which need no colours.
var marks = strings.NewReplacer("<c0>", "[", "</c0>", "]", "<ddd/>", "…")

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// text is a JSON value as people read it: a text without its quotes, anything
// else as it stands.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(bytes.Trim(raw, `"`))
	}
	return s
}
