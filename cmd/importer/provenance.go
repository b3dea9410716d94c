package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"importer/load"
	"importer/load/localgraph"
	"importer/pipeline"
	"importer/pipeline/state"
	"importer/transform"
)

func (a *app) whyCommand() *cobra.Command {
	var which stateFlags
	var target targetFlags
	cmd := &cobra.Command{
		Use:   "why ITEM",
		Short: "Where an item comes from, what became of it, and what it would be now",
		Long: `why says of an item, by its id or by the key that the mapping makes its id of:
the file and the record that it comes from, the runs that last met and last sent
it, whether the target has it, what was refused of it, and what the mapping
makes of the record now, permissions included.`,
		Example: `  importer why INC-10063
  importer why INC-10063 --connection contosohelpdesk --json`,
		Args: one("item", "such as importer why INC-10063"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.oneState(&which, func(key, connection string, s *state.Store) error {
				return a.why(cmd.Context(), &target, key, connection, s, args[0])
			})
		},
	}
	which.add(cmd.Flags())
	target.addAuth(cmd.Flags())
	return cmd
}

func one(what, example string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("%s takes one %s, not %d, %s", cmd.CommandPath(), what, len(args), example)}
		}
		return nil
	}
}

// An itemStory is all that is known of an item.
type itemStory struct {
	Type       string                 `json:"type"` // "item"
	Version    int                    `json:"version"`
	Connection string                 `json:"connection"`
	Target     string                 `json:"target"`
	Known      *state.ItemInfo        `json:"known"`    // nil: no run has sent it
	FullPath   string                 `json:"path"`     // of the file
	InTarget   string                 `json:"inTarget"` // begins with yes or no, or is why it is not known
	Refused    []state.QuarantineLine `json:"refused"`
	Now        json.RawMessage        `json:"now,omitempty"` // what the mapping makes of the record now
	NowError   string                 `json:"nowError,omitempty"`
	// Changed tells that what the mapping makes now is not what was last sent.
	Changed bool `json:"changed"`
	// Mended tells that the record is read with the values of an export.
	Mended bool `json:"mended"`

	item *transform.Item
}

func (a *app) why(ctx context.Context, t *targetFlags, key, connection string, s *state.Store, id string) error {
	story := &itemStory{Type: "item", Version: jsonVersion, Connection: connection, Target: key}
	m, dir := a.mappingOf(ctx, s)
	var err error
	if story.Known, story.Refused, id, err = a.findItem(ctx, s, connection, id); err != nil {
		return err
	}
	if k := story.Known; k != nil && m != nil {
		story.remake(ctx, s, m, dir)
	}
	story.InTarget = a.inTarget(ctx, t, key, connection, s, id)
	if a.json {
		return a.printJSON(story)
	}
	a.printStory(story, id)
	return nil
}

// mappingOf loads the mapping that last filled a connection; nil when it is not
// to be had.
func (a *app) mappingOf(ctx context.Context, s *state.Store) (m *transform.Mapping, dir string) {
	file, err := pipeline.MappingOf(ctx, s)
	if err != nil || file == "" {
		return nil, ""
	}
	file = shortPath(file)
	if m, err = transform.Load(file); err != nil {
		return nil, ""
	}
	return m, filepath.Dir(file)
}

// remake makes the item from its record again.
func (s *itemStory) remake(ctx context.Context, store *state.Store, m *transform.Mapping, dir string) {
	k := s.Known
	s.FullPath = filepath.ToSlash(pipeline.FileOf(m, dir, k.Source, k.Path))
	if k.Part < 0 {
		s.NowError = "the record that had this id is refused now"
		return
	}
	item, mended, err := pipeline.Remake(ctx, store, m, dir, k.Source, k.Path, k.Part)
	s.Mended = mended
	switch {
	case errors.Is(err, transform.ErrSkip):
		s.NowError = "the mapping's where leaves the record out"
	case err != nil:
		s.NowError = words(err)
	case item.ID != k.ID:
		s.NowError = fmt.Sprintf("another record stands at its place now, with the id %s: the file has changed since it was read", item.ID)
	default:
		digest := item.Digest()
		s.item, s.Changed = item, string(digest[:]) != string(k.Digest)
		s.Now = json.RawMessage(strings.TrimSpace(string(load.AppendLine(nil, item, true))))
	}
}

// inTarget asks the target for the item, where it can be asked: the local Graph
// always, a tenant when there is a token.
func (a *app) inTarget(ctx context.Context, f *targetFlags, key, connection string, s *state.Store, id string) string {
	switch {
	case key == "local":
		f.target = "local"
	case strings.HasPrefix(key, "graph-"):
		return "not asked: a tenant is asked by importer item get"
	default:
		return "not asked: a file cannot be"
	}
	if err := a.needLocal(); err != nil {
		return "no: there is no local Graph"
	}
	t, err := a.open(f, connection, localgraph.Caller{App: true})
	if err != nil {
		return "not known: " + err.Error()
	}
	defer t.close(true)
	acl, err := a.aclOf(ctx, t.graph, s, id)
	if err != nil {
		return "not known: " + err.Error()
	}
	known, err := s.Item(ctx, id)
	stored := err == nil && known != nil && known.Status == "stored"
	switch {
	case acl == nil && stored:
		return "no, though it was stored: something else has taken it out, and no run sees that; importer item delete has the next run send it anew"
	case acl == nil:
		return "no"
	case !stored:
		return "yes"
	}
	if sent, err := a.aclOf(ctx, nil, s, id); err == nil && sent != nil && !pipeline.SamePeople(acl, sent) {
		return "yes, with other permissions than were last sent: importer explain tells more"
	}
	return "yes"
}

func (a *app) printStory(s *itemStory, id string) {
	w := narrow(a.stdout)
	fmt.Fprintf(w, "%s of %s (%s)\n", id, s.Connection, s.Target)
	row := func(name, format string, args ...any) {
		printHanging(w, 13, fmt.Sprintf("  %-10s %s", name, fmt.Sprintf(format, args...)))
	}
	if k := s.Known; k != nil {
		row("from", "%s, record %d, source %s", placeOf(state.QuarantineLine{File: orElse(s.FullPath, k.Path), Sheet: k.Sheet, Line: k.Line, Col: k.Col}), k.Part+1, k.Source)
		row("status", "%s%s", k.Status, map[bool]string{true: fmt.Sprintf(", its record is missing since %d runs", k.Missed)}[k.Missed > 0])
		row("sent", "%s", runWords(k.Sent))
		row("met", "%s", runWords(k.Met))
	} else {
		row("status", "never sent")
	}
	row("in target", "%s", s.InTarget)
	if s.Mended {
		row("mended", "the record is read with the values of an export of the quarantine")
	}
	for _, r := range s.Refused {
		row("refused", "%s: %s: %s", placeOf(r), r.Reason, r.Detail)
	}
	switch {
	case s.NowError != "":
		row("now", "%s", s.NowError)
	case s.item != nil:
		if s.Changed {
			row("now", "another than was last sent: the next run sends it")
		} else {
			row("now", "as it was last sent")
		}
		for _, e := range s.item.ACL {
			verb := "grant"
			if e.Deny {
				verb = "deny"
			}
			if e.Type == e.Value { // everyone
				row("acl", "%s %s", verb, e.Type)
				continue
			}
			row("acl", "%s %s %s", verb, e.Type, e.Value)
		}
		var doc struct{ Properties map[string]json.RawMessage }
		if err := json.Unmarshal(s.Now, &doc); err != nil {
			doc.Properties = nil // unreachable: this program has written it
		}
		for _, p := range s.item.Properties {
			row("property", "%s = %s", p.Name, cut(oneLine(text(doc.Properties[p.Name])), 200))
		}
		row("content", "%s of %s", orElse(s.item.Content.Type, "none"), count(int64(len(s.item.Content.Value)), "byte", "bytes"))
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func runWords(r *state.RunRef) string {
	if r == nil {
		return "not known"
	}
	return fmt.Sprintf("by run %d of %s", r.ID, r.Started.Local().Format(time.DateTime))
}

func (a *app) whereCommand() *cobra.Command {
	var which stateFlags
	var most int
	cmd := &cobra.Command{
		Use:   "where FILE",
		Short: "What became of a file: its records, its items, what was refused",
		Example: `  importer where samples/helpdesk/tickets/london-2024.csv
  importer where london-2024.csv --limit 0 --json`,
		Args: one("file", "such as importer where tickets/london-2024.csv"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if most < 0 {
				return usageError{errors.New("--limit is 0 (all) or more")}
			}
			return a.oneState(&which, func(key, connection string, s *state.Store) error {
				return a.where(cmd.Context(), key, connection, s, args[0], most)
			})
		},
	}
	which.add(cmd.Flags())
	cmd.Flags().IntVarP(&most, "limit", "n", 10, "most items, and most refused records, of each file; 0 is all")
	return cmd
}

// A fileStory is all that is known of a file.
type fileStory struct {
	Type       string `json:"type"` // "file"
	Version    int    `json:"version"`
	Connection string `json:"connection"`
	Target     string `json:"target"`
	FullPath   string `json:"path"`
	state.FileInfo
	List    []state.ItemInfo       `json:"list"`
	Refused []state.QuarantineLine `json:"refused"`
}

func (a *app) where(ctx context.Context, key, connection string, s *state.Store, name string, most int) error {
	files, err := a.filesAt(ctx, s, name)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return usageError{fmt.Errorf("the connection %s knows no file %s: no walk has met it (importer status lists its sources)", connection, name)}
	}
	if most == 0 {
		most = -1
	}
	for i, f := range files {
		f.Type, f.Version, f.Connection, f.Target = "file", jsonVersion, connection, key
		if f.List, err = s.ItemsOf(ctx, f.Row, 0, most); err != nil {
			return err
		}
		if f.Refused, err = s.RefusedOf(ctx, f.Row, "", most); err != nil {
			return err
		}
		if a.json {
			if err := a.printJSON(f); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		a.printFile(f)
	}
	return nil
}

// filesAt finds the files that a user may mean by a path. Where the mapping is
// to be had, it decides between files of one name.
func (a *app) filesAt(ctx context.Context, s *state.Store, name string) ([]*fileStory, error) {
	infos, err := s.Files(ctx, filepath.ToSlash(filepath.Clean(name)))
	if err != nil {
		return nil, err
	}
	m, dir := a.mappingOf(ctx, s)
	want, _ := filepath.Abs(name)
	var all, exact []*fileStory
	for i := range infos {
		f := &fileStory{FileInfo: infos[i], FullPath: infos[i].Path}
		if m != nil {
			if full := pipeline.FileOf(m, dir, f.Source, f.Path); full != "" {
				f.FullPath = filepath.ToSlash(full)
				if abs, err := filepath.Abs(full); err == nil && abs == want {
					exact = append(exact, f)
				}
			}
		}
		all = append(all, f)
	}
	if len(exact) > 0 {
		return exact, nil
	}
	return all, nil
}

func (a *app) printFile(f *fileStory) {
	w := narrow(a.stdout)
	fmt.Fprintf(w, "%s of %s (%s)\n", f.FullPath, f.Connection, f.Target)
	row := func(name, format string, args ...any) {
		printHanging(w, 13, fmt.Sprintf("  %-10s %s", name, fmt.Sprintf(format, args...)))
	}
	states := map[string]string{"whole": "read to its end", "begun": "begun", "broken": "could not be read to its end", "gone": "not met by the last run"}
	row("file", "%s, of %s, %s", states[f.State], f.Modified.Local().Format(time.DateTime), count(f.Size, "byte", "bytes"))
	row("source", "%s", f.Source)
	row("read", "%s", runWords(f.Run))
	row("balance", "%s read = %s stored + %s unchanged + %s filtered + %s quarantined + %s duplicates", number(f.Read), number(f.Stored),
		number(f.Unchanged), number(f.Filtered), number(f.Quarantined), number(f.Duplicates))
	row("items", "%s", number(f.Items))
	for _, it := range f.List {
		row("", "%s  %s, %s", it.ID, placeOf(state.QuarantineLine{File: path.Base(f.Path), Sheet: it.Sheet, Line: it.Line, Col: it.Col}), it.Status)
	}
	if more := f.Items - int64(len(f.List)); more > 0 {
		row("", "and %s more: --limit 0 shows them", number(more))
	}
	for _, r := range f.Refused {
		row("refused", "%s: %s: %s", placeOf(r), r.Reason, r.Detail)
	}
}
