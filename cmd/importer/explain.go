package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"importer/load"
	"importer/load/localgraph"
	"importer/pipeline"
	"importer/pipeline/state"
	"importer/transform"
)

func (a *app) explainCommand() *cobra.Command {
	var which stateFlags
	var target targetFlags
	var as string
	cmd := &cobra.Command{
		Use:   "explain ITEM --as USER",
		Short: "Whether somebody may see an item: by which entry, through which groups, from which cell",
		Long: `explain says whether a person may see an item, by its id or by the key that the
mapping makes its id of, and why: every entry of the permissions that the target
has, whether it is about the person, through which groups, and which rule of the
mapping has made it of which cell of which file.

The person is an object id, a user principal name or a mail address. Whom the
groups of the directory hold is asked of the local Graph; of a tenant only with
--target graph, else the identities file of the mapping has to do.`,
		Example: `  importer explain INC-10063 --as liam.murphy@contoso.com
  importer explain INC-10063 --as liam.murphy@contoso.com --json`,
		Args: one("item", "such as importer explain INC-10063 --as liam.murphy@contoso.com"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if as = strings.TrimSpace(as); as == "" {
				return usageError{errors.New("explain needs --as USER: a mail address, a user principal name or an object id")}
			}
			return a.oneState(&which, func(key, connection string, s *state.Store) error {
				return a.explain(cmd.Context(), &target, key, connection, s, args[0], as)
			})
		},
	}
	which.add(cmd.Flags())
	target.add(cmd, false)
	cmd.Flags().StringVar(&as, "as", "", "the `user`")
	return cmd
}

// An explained item is what explain prints with --json.
type explained struct {
	Type       string      `json:"type"` // "explanation"
	Version    int         `json:"version"`
	Connection string      `json:"connection"`
	Target     string      `json:"target"`
	Item       string      `json:"item"`
	As         load.Person `json:"as"`
	*pipeline.Explanation
	Refused []state.QuarantineLine `json:"refused"`
}

func (a *app) explain(ctx context.Context, f *targetFlags, key, connection string, s *state.Store, id, as string) error {
	m, dir := a.mappingOf(ctx, s)
	known, refused, id, err := a.findItem(ctx, s, connection, id)
	if err != nil {
		return err
	}
	graph, done, err := a.askable(f, key, connection)
	if err != nil {
		return err
	}
	defer done()
	ask := pipeline.Asked{Part: -1}
	if known != nil {
		ask.Source, ask.Path, ask.Part = known.Source, known.Path, known.Part
	}
	var notes []string
	if graph == nil {
		notes = append(notes, "the target was not asked: its permissions are those that were last sent")
	}
	if ask.ACL, err = a.aclOf(ctx, graph, s, id); err != nil {
		return err
	}
	if known != nil && known.Status == "stored" {
		if ask.Sent, err = a.aclOf(ctx, nil, s, id); err != nil {
			return err
		}
	}
	who, err := whoIs(ctx, graph, s, m, as)
	if err != nil {
		return err
	}
	if who.note != "" {
		notes = append(notes, who.note)
	}
	ask.Person, ask.Groups, ask.Known = who.Person, who.groups, who.known
	x, err := pipeline.Explain(ctx, s, m, dir, ask)
	if err != nil {
		return err
	}
	x.Notes = slices.Concat([]string{}, notes, x.Notes)
	out := &explained{"explanation", jsonVersion, connection, key, id, who.Person, x, refused}
	if a.json {
		return a.printJSON(out)
	}
	a.printExplained(out)
	return nil
}

// findItem finds an item by its id, or by the key that this is made of.
func (a *app) findItem(ctx context.Context, s *state.Store, connection, id string) (known *state.ItemInfo, refused []state.QuarantineLine, found string, err error) {
	refused = []state.QuarantineLine{}
	for _, name := range []string{id, transform.EncodeID(id)} {
		if known, err = s.Item(ctx, name); err != nil {
			return nil, nil, "", err
		}
		lines, err := s.RefusedOf(ctx, 0, name, 20)
		if err != nil {
			return nil, nil, "", err
		}
		refused = append(refused, lines...)
		if known != nil || len(lines) > 0 {
			return known, refused, name, nil
		}
	}
	return nil, nil, "", usageError{fmt.Errorf("nothing is known of an item %q of the connection %s: no run has sent it, and no refused record has that id", id, connection)}
}

// askable opens the target that a state is about, where it can be asked; nil is
// that it cannot.
func (a *app) askable(f *targetFlags, key, connection string) (g *load.Graph, done func(), err error) {
	switch {
	case key == "local" && f.target == "local":
		if err := a.needLocal(); err != nil {
			return nil, nil, err
		}
	case strings.HasPrefix(key, "graph-") && f.target == "graph":
	default:
		return nil, func() {}, nil
	}
	t, err := a.open(f, connection, localgraph.Caller{App: true})
	if err != nil {
		return nil, nil, err
	}
	if t.key != key {
		t.close(true)
		return nil, nil, usageError{fmt.Errorf("the item is known of the target %s, and --graph-url and the token lead to %s: choose one with --of", key, t.key)}
	}
	return t.graph, func() { t.close(true) }, nil
}

// aclOf is whom the target has an item for; nil is that it has no such item.
func (a *app) aclOf(ctx context.Context, g *load.Graph, s *state.Store, id string) ([]state.Access, error) {
	if g == nil {
		acl, known, err := s.ACLOf(ctx, id)
		if err == nil && !known {
			return nil, nil
		}
		return acl, err
	}
	it, err := g.GetItem(ctx, id)
	if load.NotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	acl := make([]state.Access, len(it.ACL))
	for i, e := range it.ACL {
		acl[i] = state.Access{Type: e.Type, Value: e.Value, Deny: strings.EqualFold(e.AccessType, "deny")}
	}
	return acl, nil
}

// somebody is a person with the groups of the directory that it is in.
type somebody struct {
	load.Person
	groups []load.DirectoryGroup
	known  bool // these are all
	note   string
}

// whoIs finds a person by name. g asks the directory; without it what is
// remembered has to do.
func whoIs(ctx context.Context, g *load.Graph, s *state.Store, m *transform.Mapping, name string) (who somebody, err error) {
	if g == nil {
		return whoWas(ctx, s, m, name)
	}
	p, err := g.Person(ctx, name)
	if err != nil {
		return who, err
	}
	if p != nil {
		groups, err := g.GroupsOf(ctx, p.ID)
		return somebody{Person: *p, groups: groups, known: true}, err
	}
	if !objectID.MatchString(name) {
		return who, usageError{fmt.Errorf("nobody is %q: name somebody by mail address, user principal name or object id", name)}
	}
	some, err := g.KnowsPeople(ctx)
	who = somebody{Person: load.Person{ID: strings.ToLower(name), UserType: "Member"}, known: true, note: "the directory is empty: the person counts as a member, in no group of it"}
	if some {
		who.UserType, who.note = "Guest", "the directory does not know the person, who counts as a stranger: in no group of it, and a guest"
	}
	return who, err
}

// whoWas finds a person in the identities file, and among the names that were
// looked up.
func whoWas(ctx context.Context, s *state.Store, m *transform.Mapping, name string) (somebody, error) {
	if m != nil {
		if p, groups := personOf(m, name); p != nil {
			return somebody{Person: *p, groups: groups, known: m.Entra == nil && len(m.Teams) > 0, note: "groups of the directory are those of the identities file"}, nil
		}
	}
	const note = "the directory was not asked for groups: add --target graph"
	var found *load.Person
	err := s.People(ctx, func(p state.Person) {
		if p.Kind == "user" && p.ID != "" && (strings.EqualFold(p.ID, name) || strings.EqualFold(p.Mail, name) || strings.EqualFold(p.UPN, name)) {
			found = &load.Person{ID: p.ID, DisplayName: p.Display, Mail: p.Mail, UPN: p.UPN}
		}
	})
	switch {
	case err != nil:
		return somebody{}, err
	case found != nil:
		return somebody{Person: *found, note: note}, nil
	case !objectID.MatchString(name):
		return somebody{}, usageError{fmt.Errorf("nobody that is remembered is %q: name somebody by object id, or add --target graph to ask the directory", name)}
	}
	return somebody{Person: load.Person{ID: strings.ToLower(name)}, note: note}, nil
}

// personOf finds somebody in the identities file.
func personOf(m *transform.Mapping, name string) (*load.Person, []load.DirectoryGroup) {
	for _, u := range m.Users {
		if !strings.EqualFold(u.ID, name) && !strings.EqualFold(u.UPN, name) && !strings.EqualFold(u.Mail, name) {
			continue
		}
		p := &load.Person{ID: u.ID, DisplayName: u.DisplayName, Mail: u.Mail, UPN: u.UPN, UserType: "Member"}
		if u.Guest {
			p.UserType = "Guest"
		}
		return p, teamsOf(m, u.ID)
	}
	return nil, nil
}

// teamsOf are the groups of the identities file that somebody is in.
func teamsOf(m *transform.Mapping, id string) (groups []load.DirectoryGroup) {
	in := map[string]bool{id: true}
	for grown := true; grown; {
		grown = false
		for _, t := range m.Teams {
			if !in[t.ID] && slices.ContainsFunc(t.Members, func(member string) bool { return in[member] }) {
				in[t.ID], grown = true, true
				groups = append(groups, load.DirectoryGroup{ID: t.ID, DisplayName: t.DisplayName, Direct: slices.Contains(t.Members, id)})
			}
		}
	}
	return groups
}

func (a *app) printExplained(x *explained) {
	w := narrow(a.stdout)
	verdict := "no"
	if x.Visible {
		verdict = "yes"
	}
	if !x.Certain {
		verdict += ", as far as is known"
	}
	fmt.Fprintf(w, "%s: %s of %s (%s): %s\n", verdict, x.Item, x.Connection, x.Target, x.Why)
	for _, r := range x.Refused {
		fmt.Fprintf(w, "  refused: %s: %s\n", placeOf(r), r.Detail)
	}
	for _, e := range x.Entries {
		about := "not about them"
		switch {
		case e.Applies:
			about = "about them"
		case !x.Certain && (e.Type == "group" || e.Type == "externalGroup"):
			about = "not known whether about them"
		}
		fmt.Fprintf(w, "\n  %s, %s\n", accessWords(e.Access, e.Name), about)
		row := func(name, text string) { printHanging(w, 13, fmt.Sprintf("    %-8s %s", name, text)) }
		for _, t := range e.Through {
			text := fmt.Sprintf("%s %s", t.Type, orElse(t.Name, t.ID))
			if t.Place != "" {
				text += " (" + t.Place + ")"
			}
			row("through", text)
		}
		if e.Rule == "" {
			continue
		}
		row("rule", e.Rule)
		printCells(row, x.Record, e.Cells, e.Written)
	}
	for _, r := range x.Rules {
		verb := "grant"
		if r.Deny {
			verb = "deny"
		}
		fmt.Fprintf(w, "\n  %s, no entry: %s\n", strings.TrimSpace(verb+" "+r.Type), r.Why)
		row := func(name, text string) { printHanging(w, 13, fmt.Sprintf("    %-8s %s", name, text)) }
		row("rule", r.Rule)
		printCells(row, x.Record, r.Cells, "")
	}
	for i, n := range x.Notes {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "  note: %s\n", n)
	}
}

func printCells(row func(name, text string), record string, cells []transform.Cell, written string) {
	for _, c := range cells {
		row("cell", fmt.Sprintf("%s = %q of %s", c.Column, cut(oneLine(c.Value), 100), orElse(c.Place, record)))
	}
	if len(cells) == 0 && written != "" {
		row("as", fmt.Sprintf("%q of %s", written, record))
	}
}

// accessWords is an entry as people read it.
func accessWords(e state.Access, name string) string {
	verb := "grant"
	if e.Deny {
		verb = "deny"
	}
	switch {
	case e.Type == "everyone" || e.Type == "everyoneExceptGuests":
		return verb + " " + e.Type
	case name != "" && name != e.Value:
		return fmt.Sprintf("%s %s %s (%s)", verb, e.Type, name, e.Value)
	}
	return fmt.Sprintf("%s %s %s", verb, e.Type, e.Value)
}
