package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"importer/extract"
	"importer/load"
	"importer/pipeline/state"
)

func (a *app) itemCommand() *cobra.Command {
	return group("item", "Items: get, put, delete",
		`item reads, stores and deletes single items by their ids. The service has no call
that lists the items of a connection; importer status says how many a mapping
has made, and importer search finds them.`,
		a.itemGet(), a.itemPut(), a.itemDelete())
}

func (a *app) itemGet() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use:     "get ID",
		Short:   "An item as it is stored: who may see it, its properties, its content",
		Example: `  importer item get INC-10063 --connection contosohelpdesk`,
		Args:    takes("the id of an item", 1, 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.getItem(cmd.Context(), &f, args[0]) },
	}
	f.add(cmd)
	return cmd
}

func (a *app) getItem(ctx context.Context, f *adminFlags, id string) (err error) {
	t, err := a.admin(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	it, err := t.graph.Item(ctx, id)
	if err != nil {
		return t.absent(ctx, err, "item", id, "")
	}
	if a.json {
		return a.printJSON(it)
	}
	place := a.placeOf(ctx, t, id)
	printItem(narrow(a.stdout), t.connection, place, &it.Value)
	return nil
}

// placeOf says which record an item was made of, as far as that is remembered.
func (a *app) placeOf(ctx context.Context, t *admin, id string) string {
	s, err := state.Reader(a.stateDir(t.key), t.connection)
	if err != nil {
		return ""
	}
	defer s.Close()
	places, err := s.Find(ctx, []string{id})
	if p, ok := places[id]; ok && err == nil {
		return fromRecord(p)
	}
	return ""
}

// fromRecord names the record behind an item.
func fromRecord(p state.Place) string {
	return extract.Place{File: p.Path, Sheet: p.Sheet, Line: p.Line, Col: p.Col}.String() + " of the source " + p.Source
}

func printItem(w io.Writer, connection, place string, it *load.StoredItem) {
	fmt.Fprintf(w, "%s in %s\n", it.ID, connection)
	if place != "" {
		fmt.Fprintf(w, "made of %s\n", place)
	}
	fmt.Fprint(w, "\nmay be seen by\n")
	for _, e := range it.ACL {
		words := e.AccessType + " " + e.Type
		if e.Value != "everyone" { // it goes with the types of that name, and says no more
			words += " " + e.Value
		}
		fmt.Fprintf(w, "  %s\n", words)
	}
	fmt.Fprint(w, "\nproperties\n")
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(it.Properties)) {
		if !strings.Contains(name, "@") { // annotations are for programs
			rows = append(rows, []string{name, plainText(oneLine(text(it.Properties[name])))})
		}
	}
	printColumns(w, "  ", rows)
	if it.Content == nil || it.Content.Value == "" {
		fmt.Fprint(w, "\nno content\n")
		return
	}
	fmt.Fprintf(w, "\ncontent (%s)\n%s\n", it.Content.Type, strings.TrimRight(plainText(it.Content.Value), "\n"))
}

// plainText takes out what would steer a terminal: a document may hold it.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}

func (a *app) itemPut() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use:   "put FILE",
		Short: "Store items that stand in a file as the API has them",
		Long: `put stores an item, or many: FILE holds one JSON object, or JSON Lines, each an
externalItem of the API with its id. What item get, preview and run --target
jsonl print can be given back; - is stdin. Collections need their annotation,
"tags@odata.type": "Collection(String)".

run does not know an item that is put by hand: no sweep deletes it. An item that
a mapping makes is made anew by the next run that reads its record.

An item that the service refuses is told of, and the others are stored; the exit
code is then 1.`,
		Example: `  importer item put item.json --connection contosohelpdesk
  importer item get 1 -c contosohelpdesk --json | jq '.content.value = "new"' | importer item put - -c contosohelpdesk`,
		Args: takes("one file", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.putItems(cmd.Context(), &f, args[0]) },
	}
	f.add(cmd)
	return cmd
}

// An itemLine is an item of a file that is to be put.
type itemLine struct {
	id   string
	line int // of the file, where it begins
	body json.RawMessage
}

func (a *app) putItems(ctx context.Context, f *adminFlags, name string) (err error) {
	in, done, err := a.openInput(name)
	if err != nil {
		return err
	}
	defer done()
	t, err := a.admin(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	const batch = 100 // items whose places are looked up together
	reader := newItemReader(in, inputName(name))
	put := putter{a: a, t: t, name: inputName(name)}
	for {
		lines, readErr := reader.next(batch)
		if err := put.all(ctx, lines); err != nil {
			return errors.Join(err, put.end())
		}
		if errors.Is(readErr, io.EOF) {
			return put.end()
		}
		if readErr != nil {
			return errors.Join(usageError{readErr}, put.end())
		}
	}
}

// openInput opens a file, or stdin for "-".
func (a *app) openInput(name string) (io.Reader, func() error, error) {
	if name == "-" {
		return a.stdin, func() error { return nil }, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("%s cannot be read (%w)", name, bare(err))}
	}
	return f, f.Close, nil
}

// A putter puts items and counts.
type putter struct {
	a                *app
	t                *admin
	name             string
	stored, refused  int64
	strange, undoing int64 // stored ones that no mapping makes, and ones that a mapping makes
	place            string
}

func (p *putter) all(ctx context.Context, lines []itemLine) error {
	ids := make([]string, len(lines))
	for i, l := range lines {
		ids[i] = l.id
	}
	var places map[string]state.Place
	if err := p.a.disturb(ctx, p.t, func(s *state.Store) (err error) {
		places, err = s.Disturb(ctx, ids)
		return err
	}); err != nil {
		return err
	}
	for _, l := range lines {
		it, err := p.t.graph.PutItem(ctx, l.id, l.body)
		switch {
		case load.Refused(err):
			p.refused++
			fmt.Fprintf(p.a.stderr, "%s:%d: item %q is refused: %v\n", p.name, l.line, l.id, err)
			continue
		case err != nil:
			return p.t.absent(ctx, err, "item", l.id, "")
		}
		p.stored++
		if at, ok := places[l.id]; ok {
			p.undoing++
			p.place = fromRecord(at)
		} else {
			p.strange++
		}
		if err := p.told(l.id, it); err != nil {
			return err
		}
	}
	return nil
}

func (p *putter) told(id string, it *load.Document[load.StoredItem]) error {
	switch {
	case p.a.json && it == nil:
		return p.a.printJSON(map[string]string{"id": id})
	case p.a.json:
		return p.a.printJSON(it)
	case p.a.quiet:
		return nil
	}
	_, err := fmt.Fprintf(p.a.stdout, "stored %s\n", id)
	return err
}

// end warns of what runs make of it, and tells whether all went well.
func (p *putter) end() error {
	if p.strange > 0 {
		p.a.warn("no mapping that ran from here makes %s of these items: run does not know of them, and no sweep deletes them; importer item delete does", number(p.strange))
	}
	if p.undoing > 0 {
		p.a.warn("a mapping makes %s of these items, such as the one of %s: the next run that reads the record puts the mapping's item back", number(p.undoing), p.place)
	}
	if p.refused > 0 {
		was := map[bool]string{true: "was refused; correct it and put it again", false: "were refused; correct them and put them again"}[p.refused == 1]
		return fmt.Errorf("%s of %s %s", number(p.refused), count(p.refused+p.stored, "item", "items"), was)
	}
	return nil
}

// An itemReader reads items from JSON Lines, or from objects on many lines.
type itemReader struct {
	dec   *json.Decoder
	lines *lineCounter
	name  string
}

func newItemReader(r io.Reader, name string) *itemReader {
	lines := &lineCounter{r: bufio.NewReaderSize(r, 1<<16)}
	return &itemReader{dec: json.NewDecoder(lines), lines: lines, name: name}
}

// next gives up to n items. Its error is io.EOF at the end, or says where the
// file is wrong; the items before that come with it.
func (r *itemReader) next(n int) (items []itemLine, err error) {
	for len(items) < n {
		r.dec.More() // skips the space before the item
		line := r.lines.at(r.dec.InputOffset())
		var doc map[string]json.RawMessage
		err := r.dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return items, io.EOF
		}
		if err != nil {
			return items, fmt.Errorf("%s:%d: this is no JSON object of an item (%v)", r.name, line, jsonWords(err))
		}
		var id string
		if json.Unmarshal(doc["id"], &id) != nil || id == "" {
			return items, fmt.Errorf("%s:%d: the item has no id that is a text", r.name, line)
		}
		// What programs of ours and the service itself add is not part of an item.
		delete(doc, "origin")
		delete(doc, "@odata.context")
		for member, raw := range doc {
			if string(raw) == "null" {
				delete(doc, member)
			}
		}
		body, err := json.Marshal(doc)
		if err != nil {
			return items, err
		}
		items = append(items, itemLine{id, line, body})
	}
	return items, nil
}

// jsonWords words what encoding/json says of a text.
func jsonWords(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return "it is a " + strings.Replace(wrong.Value, "array", "list", 1)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "it breaks off"
	}
	return err.Error()
}

// A lineCounter finds the line of an offset in what was read through it.
type lineCounter struct {
	r      io.Reader
	read   int64
	breaks []int64 // offsets of line breaks that were not asked for yet
	line   int     // before the first of them
}

func (c *lineCounter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			c.breaks = append(c.breaks, c.read+int64(i))
		}
	}
	c.read += int64(n)
	return n, err
}

// at gives the line of an offset, from 1. Offsets are asked for in order.
func (c *lineCounter) at(offset int64) int {
	n := 0
	for n < len(c.breaks) && c.breaks[n] < offset {
		n++
	}
	c.breaks = c.breaks[n:]
	c.line += n
	return c.line + 1
}

func (a *app) itemDelete() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use:   "delete ID...",
		Short: "Delete items by their ids",
		Long: `delete deletes items. One that a mapping makes comes back with the next run that
reads its record: to keep it out, take the record out of the files, or filter it
by the mapping's where.`,
		Example: `  importer item delete INC-10063 INC-10064 --connection contosohelpdesk`,
		Args:    takes("ids of items", 1, -1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.deleteItems(cmd.Context(), &f, args) },
	}
	f.add(cmd)
	return cmd
}

func (a *app) deleteItems(ctx context.Context, f *adminFlags, ids []string) (err error) {
	t, err := a.admin(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	if _, err := t.graph.GetConnection(ctx); err != nil { // else every item would be said to be gone
		return t.absent(ctx, err, "item", ids[0], "")
	}
	var places map[string]state.Place
	if err := a.disturb(ctx, t, func(s *state.Store) (err error) {
		places, err = s.Disturb(ctx, ids)
		return err
	}); err != nil {
		return err
	}
	var absent []string
	for _, id := range ids {
		found, err := t.graph.DeleteItem(ctx, id)
		switch {
		case err != nil:
			return err
		case !found:
			absent = append(absent, id)
			continue
		case a.json:
			err = a.printJSON(map[string]any{"type": "deleted", "version": jsonVersion, "connection": t.connection, "item": id})
		case !a.quiet:
			_, err = fmt.Fprintf(a.stdout, "deleted %s\n", id)
		}
		if err != nil {
			return err
		}
		if p, ok := places[id]; ok {
			a.warn("a mapping makes %s of %s: it comes back with the next run that reads the record", id, fromRecord(p))
		}
	}
	if len(absent) > 0 {
		return usageError{fmt.Errorf("the connection %s has no item %s", t.connection, some(absent))}
	}
	return nil
}
