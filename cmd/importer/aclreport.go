package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"importer/pipeline/state"
	"importer/transform"
)

func (a *app) aclCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "acl",
		Short: "Who may see the items of a connection",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.aclReport())
	return cmd
}

// An aclFlags is what acl report is asked for, as typed.
type aclFlags struct {
	audience string
	items    int
	changes  int
	all      bool
}

// audienceKinds are the kinds of audiences, the widest first.
var audienceKinds = []string{"everyone", "everyoneExceptGuests", "groups", "users", "nobody"}

var audienceWords = map[string]string{"everyone": "everyone", "everyoneExceptGuests": "everyone except guests", "groups": "groups", "users": "single users",
	"nobody": "nobody: they have no grant"}

func (a *app) aclReport() *cobra.Command {
	var which stateFlags
	var f aclFlags
	cmd := &cobra.Command{
		Use:   "report",
		Short: "The items by audience, and what the last run has changed of it",
		Long: `report lists the items that the target has by their audience: everyone, everyone
except guests, groups (with or without single users beside them) and single users;
under each the ten different permissions that the most items have, or all of them. An item is counted
under the widest of its grants; denies are listed with them.

Then it lists the items for which the last run has changed who may see them.`,
		Example: `  importer acl report
  importer acl report --audience everyone --items 20
  importer acl report --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case f.items < 0 || f.changes < 0:
				return usageError{errors.New("--items and --changes are 0 or more")}
			case f.audience != "" && !slices.Contains(audienceKinds, f.audience):
				return usageError{fmt.Errorf("--audience %q is none of %s", f.audience, strings.Join(audienceKinds, ", "))}
			}
			return a.oneState(&which, func(key, connection string, s *state.Store) error {
				return a.reportACL(cmd.Context(), &f, key, connection, s)
			})
		},
	}
	which.add(cmd.Flags())
	fl := cmd.Flags()
	fl.StringVar(&f.audience, "audience", "", "only this `kind`: "+strings.Join(audienceKinds, ", "))
	fl.BoolVar(&f.all, "all", false, "list every audience, and not the ten with the most items of each kind")
	fl.IntVarP(&f.items, "items", "n", 0, "items that are listed of each audience")
	fl.IntVar(&f.changes, "changes", 20, "items that are listed of those that the last run has changed")
	return cmd
}

// An audienceReport is what acl report prints with --json.
type audienceReport struct {
	Type       string           `json:"type"` // "aclReport"
	Version    int              `json:"version"`
	Connection string           `json:"connection"`
	Target     string           `json:"target"`
	Items      int64            `json:"items"`
	Unknown    int64            `json:"unknown"` // items of which it is not known
	Kinds      map[string]int64 `json:"kinds"`
	Audiences  []audience       `json:"audiences"`
	Run        int64            `json:"run"`     // the last one
	Changed    int64            `json:"changed"` // items that it has made for others than before
	Made       int64            `json:"made"`    // items that were not there before
	Changes    []audienceChange `json:"changes"`
}

type audience struct {
	Kind   string         `json:"kind"`
	ACL    []state.Access `json:"acl"`
	Items  int64          `json:"items"`
	Listed []listedItem   `json:"listed,omitempty"`
	words  string
}

type listedItem struct {
	ID   string `json:"item"`
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"col,omitempty"`
}

type audienceChange struct {
	listedItem
	Was []state.Access `json:"was"`
	Now []state.Access `json:"now"`
}

// kindOf is the widest kind of what an ACL grants.
func kindOf(acl []state.Access) string {
	at := len(audienceKinds) - 1
	for _, e := range acl {
		if e.Deny {
			continue
		}
		kind := e.Type
		switch kind {
		case "group", "externalGroup":
			kind = "groups"
		case "user":
			kind = "users"
		}
		if i := slices.Index(audienceKinds, kind); i >= 0 {
			at = min(at, i)
		}
	}
	return audienceKinds[at]
}

func (a *app) reportACL(ctx context.Context, f *aclFlags, key, connection string, s *state.Store) error {
	rep := &audienceReport{Type: "aclReport", Version: jsonVersion, Connection: connection, Target: key, Kinds: map[string]int64{}, Audiences: []audience{}, Changes: []audienceChange{}}
	crowds, unknown, err := s.Crowds(ctx)
	if errors.Is(err, state.ErrOld) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	m, _ := a.mappingOf(ctx, s)
	names, err := principalNames(ctx, s, m)
	if err != nil {
		return err
	}
	rep.Unknown = unknown
	for _, c := range crowds {
		kind := kindOf(c.ACL)
		rep.Items += c.Items
		rep.Kinds[kind] += c.Items
		if f.audience != "" && f.audience != kind {
			continue
		}
		au := audience{Kind: kind, ACL: c.ACL, Items: c.Items, words: aclWords(c.ACL, names)}
		if f.items > 0 {
			items, err := s.Of(ctx, c, f.items)
			if err != nil {
				return err
			}
			for _, it := range items {
				au.Listed = append(au.Listed, listedItem{it.ID, it.File, it.Line, it.Col})
			}
		}
		rep.Audiences = append(rep.Audiences, au)
	}
	slices.SortStableFunc(rep.Audiences, func(x, y audience) int {
		return cmp.Or(cmp.Compare(slices.Index(audienceKinds, x.Kind), slices.Index(audienceKinds, y.Kind)), cmp.Compare(y.Items, x.Items), cmp.Compare(x.words, y.words))
	})
	if err := a.changesOf(ctx, f, s, rep); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(rep)
	}
	printAudiences(narrow(a.stdout), rep, f, names)
	return nil
}

// changesOf adds what the last run has changed.
func (a *app) changesOf(ctx context.Context, f *aclFlags, s *state.Store, rep *audienceReport) error {
	runs, err := s.Runs(ctx, 1)
	if err != nil || len(runs) == 0 {
		return err
	}
	rep.Run = runs[0].ID
	return s.Shifts(ctx, rep.Run, true, func(sh state.Shift) error {
		if sh.Was == nil {
			rep.Made++
			return nil
		}
		if rep.Changed++; rep.Changed <= int64(f.changes) {
			rep.Changes = append(rep.Changes, audienceChange{listedItem{sh.ID, sh.File, sh.Line, sh.Col}, sh.Was, sh.Now})
		}
		return nil
	})
}

// principalNames are how people call those whom permissions name.
func principalNames(ctx context.Context, s *state.Store, m *transform.Mapping) (map[string]string, error) {
	names := map[string]string{}
	groups, err := s.Groups(ctx)
	if err != nil {
		return nil, err
	}
	for g := range groups {
		names["externalGroup:"+g.ID] = g.Display
	}
	err = s.People(ctx, func(p state.Person) {
		if p.ID != "" {
			names[p.Kind+":"+p.ID] = orElse(p.Mail, orElse(p.UPN, p.Display))
		}
	})
	if m == nil {
		return names, err
	}
	for _, u := range m.Users {
		names["user:"+u.ID] = orElse(u.Mail, orElse(u.UPN, u.DisplayName))
	}
	for _, t := range m.Teams {
		names["group:"+t.ID] = orElse(t.DisplayName, t.Mail)
	}
	return names, err
}

// aclWords is an ACL on one line.
func aclWords(acl []state.Access, names map[string]string) string {
	if len(acl) == 0 {
		return "nothing"
	}
	const most = 5
	var parts []string
	for i, e := range acl {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d more", len(acl)-most))
			break
		}
		name := orElse(names[e.Type+":"+e.Value], e.Value)
		words := e.Type + " " + name
		if e.Type == "everyone" || e.Type == "everyoneExceptGuests" {
			words = e.Type
		}
		if e.Deny {
			words = "not " + words
		}
		parts = append(parts, words)
	}
	return strings.Join(parts, ", ")
}

func printAudiences(w io.Writer, rep *audienceReport, f *aclFlags, names map[string]string) {
	fmt.Fprintf(w, "%s (%s): %s\n", rep.Connection, rep.Target, count(rep.Items, "item", "items"))
	const most = 10
	kind, shown := "", 0
	var left, leftItems int64
	more := func() {
		if left > 0 {
			fmt.Fprintf(w, "  and %s more with %s: --all lists them\n", number(left), count(leftItems, "item", "items"))
		}
		shown, left, leftItems = 0, 0, 0
	}
	for _, au := range rep.Audiences {
		if au.Kind != kind {
			more()
			kind = au.Kind
			fmt.Fprintf(w, "\n%s: %s\n", audienceWords[kind], count(rep.Kinds[kind], "item", "items"))
		}
		if shown++; shown > most && !f.all {
			left, leftItems = left+1, leftItems+au.Items
			continue
		}
		fmt.Fprintf(w, "  %s  %s\n", number(au.Items), au.words)
		for _, it := range au.Listed {
			fmt.Fprintf(w, "      %s  %s\n", it.ID, placeOf(state.QuarantineLine{File: it.File, Line: it.Line, Col: it.Col}))
		}
	}
	more()
	if rep.Unknown > 0 {
		fmt.Fprintf(w, "\n%s not noted yet: the next run that sends them does\n", count(rep.Unknown, "item's audience is", "items' audiences are"))
	}
	if rep.Run == 0 {
		return
	}
	fmt.Fprintf(w, "\nrun %d: %s for others than before, %s new\n", rep.Run, count(rep.Changed, "item is", "items are"), count(rep.Made, "item is", "items are"))
	for _, c := range rep.Changes {
		fmt.Fprintf(w, "  %s  %s -> %s  (%s)\n", c.ID, aclWords(c.Was, names), aclWords(c.Now, names), placeOf(state.QuarantineLine{File: c.File, Line: c.Line, Col: c.Col}))
	}
	if rest := rep.Changed - int64(len(rep.Changes)); rest > 0 {
		fmt.Fprintf(w, "  and %s more: --changes %d shows them\n", number(rest), rep.Changed)
	}
}
