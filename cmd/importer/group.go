package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

func (a *app) groupCommand() *cobra.Command {
	return group("group", "External groups and their members: list, get, create, update, delete, members, add, remove",
		`group administers the external groups of a connection, which the permissions of
items may name. Groups that stand in the groups file of a mapping are made again
what the file says by the next run.`,
		a.groupList(), a.groupGet(), a.groupCreate(), a.groupUpdate(), a.groupDelete(), a.groupMembers(), a.groupAdd(), a.groupRemove())
}

// unlisted is what is said of a service that has no call for a list.
func unlisted(what string) error {
	return fmt.Errorf("the service does not list %s: that call is in the API's model and on none of its pages; the local Graph has it", what)
}

func (a *app) groupList() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The external groups of a connection, where the service lists them",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.listGroups(cmd.Context(), &f) },
	}
	f.add(cmd)
	return cmd
}

func (a *app) listGroups(ctx context.Context, f *adminFlags) (err error) {
	t, err := a.admin(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	rows := [][]string{{"id", "name", "description"}}
	for g, err := range t.graph.Groups(ctx, load.ListOptions{}) {
		if load.Unlisted(err) {
			if err := t.there(ctx); err != nil {
				return err
			}
			return unlisted("external groups")
		}
		if err != nil {
			return err
		}
		if a.json {
			if err := a.printJSON(g); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{g.Value.ID, g.Value.DisplayName, cut(oneLine(g.Value.Description), 60)})
	}
	switch {
	case a.json:
	case len(rows) == 1:
		a.say("no external groups")
	default:
		printColumns(narrow(a.stdout), "", rows)
	}
	return nil
}

// there tells, by an error, that the connection is not there.
func (t *admin) there(ctx context.Context) error {
	_, err := t.graph.GetConnection(ctx)
	if load.NotFound(err) {
		return noConnection(ctx, t.graph, t.connection)
	}
	return err
}

// noGroup says which groups there are, when one is not.
func (t *admin) noGroup(ctx context.Context, err error, id string) error {
	if !load.NotFound(err) {
		return err
	}
	const most = 20 // of what may be 100,000
	var ids []string
	for g, err := range t.graph.Groups(ctx, load.ListOptions{Top: most + 1}) {
		if err != nil {
			ids = nil
			break // the service may have no such call
		}
		ids = append(ids, g.Value.ID)
	}
	exist := ""
	switch {
	case len(ids) > most:
		exist = "it has " + strings.Join(ids[:most], ", ") + " and more"
	case len(ids) > 0:
		exist = "it has " + strings.Join(ids, ", ")
	}
	return t.absent(ctx, err, "external group", id, exist)
}

func (a *app) groupGet() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use:   "get GROUP",
		Short: "An external group",
		Args:  takes("the id of a group", 1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.getGroup(cmd.Context(), &f, args[0]) },
	}
	f.add(cmd)
	return cmd
}

func (a *app) getGroup(ctx context.Context, f *adminFlags, id string) (err error) {
	t, err := a.admin(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	g, err := t.graph.GetGroup(ctx, id)
	if err != nil {
		return t.noGroup(ctx, err, id)
	}
	return a.printGroup(g)
}

func (a *app) printGroup(g *load.Document[load.Group]) error {
	if a.json {
		return a.printJSON(g)
	}
	printColumns(narrow(a.stdout), "", [][]string{{"id", g.Value.ID}, {"name", g.Value.DisplayName}, {"description", oneLine(g.Value.Description)}})
	return nil
}

func (a *app) groupCreate() *cobra.Command {
	var f adminFlags
	var name, description string
	cmd := &cobra.Command{
		Use:     "create GROUP",
		Short:   "Make an external group, without members",
		Example: `  importer group create finance --name Finance --connection contosohelpdesk`,
		Args:    takes("the id of the new group", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.createGroup(cmd.Context(), &f, load.Group{ID: args[0], DisplayName: name, Description: description})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&name, "name", "", "its name; without it the id")
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	return cmd
}

func (a *app) createGroup(ctx context.Context, f *adminFlags, g load.Group) (err error) {
	if g.DisplayName == "" {
		g.DisplayName = g.ID
	}
	t, err := a.admin(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	made, err := t.graph.CreateGroup(ctx, g)
	if exists, ok := errors.AsType[*load.ExistsError](err); ok {
		return fmt.Errorf("%w; importer group update changes it", exists)
	}
	if err != nil {
		return t.absent(ctx, err, "external group", g.ID, "")
	}
	if a.json {
		return a.printJSON(made)
	}
	a.say("the group %s is made; importer group add puts members into it", g.ID)
	return nil
}

func (a *app) groupUpdate() *cobra.Command {
	var f adminFlags
	var name, description string
	cmd := &cobra.Command{
		Use:   "update GROUP",
		Short: "Change the name or the description of an external group",
		Args:  takes("the id of a group", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			given := func(flag string, value *string) *string {
				if cmd.Flags().Changed(flag) {
					return value
				}
				return nil
			}
			return a.updateGroup(cmd.Context(), &f, args[0], given("name", &name), given("description", &description))
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&name, "name", "", "its new name")
	cmd.Flags().StringVar(&description, "description", "", "its new description")
	return cmd
}

func (a *app) updateGroup(ctx context.Context, f *adminFlags, id string, name, description *string) (err error) {
	if name == nil && description == nil {
		return usageError{errors.New("there is nothing to change: give --name or --description")}
	}
	t, err := a.admin(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	if err := a.disturbGroup(ctx, t, id, false); err != nil {
		return err
	}
	if err := t.graph.UpdateGroup(ctx, id, name, description); err != nil {
		return t.noGroup(ctx, err, id)
	}
	if !a.json {
		a.say("the group %s is updated", id)
		return nil
	}
	g, err := t.graph.GetGroup(ctx, id)
	if err != nil {
		return err
	}
	return a.printJSON(g)
}

// disturbGroup writes down that a group is changed by hand, and warns of what
// a run will make of it.
func (a *app) disturbGroup(ctx context.Context, t *admin, id string, gone bool) error {
	return a.disturb(ctx, t, func(s *state.Store) error {
		known, err := s.DisturbGroup(ctx, id, gone)
		if known && err == nil {
			a.warn("a mapping makes the group %s: its next run makes it again what the groups file says", id)
		}
		return err
	})
}

func (a *app) groupDelete() *cobra.Command {
	var f adminFlags
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete GROUP",
		Short: "Delete an external group with its members",
		Long: `delete deletes an external group. Permissions that name it stay as they are and
hold for nobody: items that are granted to it alone are seen by nobody, and
items that deny it are seen by those who were in it.

It asks on a terminal; elsewhere it needs --yes.`,
		Args: takes("the id of a group", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.deleteGroup(cmd.Context(), &f, args[0], yes) },
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (a *app) deleteGroup(ctx context.Context, f *adminFlags, id string, yes bool) (err error) {
	t, err := a.admin(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	if _, err := t.graph.GetGroup(ctx, id); err != nil {
		return t.noGroup(ctx, err, id)
	}
	question := fmt.Sprintf("the group %s of %s would be deleted: items that are granted to it alone are then seen by nobody, and items that deny it by those who were in it", id, t.connection)
	if err := a.confirm(yes, question, id); err != nil {
		return err
	}
	if err := a.disturbGroup(ctx, t, id, true); err != nil {
		return err
	}
	if err := t.graph.DeleteGroup(ctx, id); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]any{"type": "deleted", "version": jsonVersion, "connection": t.connection, "group": id})
	}
	a.say("the group %s is deleted", id)
	return nil
}

func (a *app) groupMembers() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use:   "members GROUP",
		Short: "The members of an external group, where the service lists them",
		Args:  takes("the id of a group", 1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.listMembers(cmd.Context(), &f, args[0]) },
	}
	f.add(cmd)
	return cmd
}

func (a *app) listMembers(ctx context.Context, f *adminFlags, id string) (err error) {
	t, err := a.admin(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	if _, err := t.graph.GetGroup(ctx, id); err != nil {
		return t.noGroup(ctx, err, id)
	}
	members, listed, err := t.graph.Members(ctx, id)
	if err != nil {
		return err
	}
	if !listed {
		return unlisted("the members of external groups")
	}
	if len(members) == 0 && !a.json {
		a.say("the group %s has no members", id)
	}
	for _, m := range members {
		if a.json {
			err = a.printJSON(load.Identity{Type: m.Type, ID: m.ID})
		} else {
			_, err = fmt.Fprintf(a.stdout, "%s %s\n", m.Type, m.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// A memberFlags is who is put into a group or taken out of it, as typed.
type memberFlags struct {
	adminFlags
	users, groups, external []string
}

func (f *memberFlags) add(cmd *cobra.Command) {
	f.adminFlags.add(cmd)
	fl := cmd.Flags()
	fl.StringSliceVar(&f.users, "user", nil, "object `ids` of people in Entra ID; in the local Graph mail addresses as well")
	fl.StringSliceVar(&f.groups, "group", nil, "object `ids` of groups in Entra ID")
	fl.StringSliceVar(&f.external, "external-group", nil, "`ids` of external groups of the same connection")
}

// members are those that were typed.
func (f *memberFlags) members(ctx context.Context, t *admin) ([]transform.Member, error) {
	var list []transform.Member
	for _, kind := range []struct {
		name string
		ids  []string
	}{{"user", f.users}, {"group", f.groups}, {"externalGroup", f.external}} {
		for _, id := range kind.ids {
			id, err := t.principal(ctx, kind.name, id)
			if err != nil {
				return nil, err
			}
			list = append(list, transform.Member{Type: kind.name, ID: id})
		}
	}
	if len(list) == 0 {
		return nil, usageError{errors.New("say who: --user, --group or --external-group, with ids")}
	}
	return list, nil
}

// principal checks an id of somebody, and finds it for a person whom the
// directory of the local Graph knows by another name. The service takes any
// text for an id, which is then nobody's.
func (t *admin) principal(ctx context.Context, kind, id string) (string, error) {
	if kind == "externalGroup" || objectID.MatchString(id) {
		return id, nil
	}
	if kind == "user" && t.local != nil {
		u, known, err := t.local.ResolveUser(ctx, id)
		if err != nil {
			return "", usageError{fmt.Errorf("%s: %w", id, err)}
		}
		if known {
			return u.ID, nil
		}
		return "", usageError{fmt.Errorf("%q is neither an object id nor in the directory of the local Graph: run a mapping with identities into it, or give the object id", id)}
	}
	return "", usageError{fmt.Errorf("%q is no object id of a %s in Entra ID, which looks like 5b2c7f3e-0d1a-4c55-9a3e-2f6b8d0c1e47", id, kind)}
}

func (a *app) groupAdd() *cobra.Command {
	var f memberFlags
	cmd := &cobra.Command{
		Use:     "add GROUP",
		Short:   "Put people and groups into an external group",
		Example: `  importer group add finance --user 5b2c7f3e-0d1a-4c55-9a3e-2f6b8d0c1e47 --external-group auditors -c contosohelpdesk`,
		Args:    takes("the id of a group", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeMembers(cmd.Context(), &f, args[0], true)
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) groupRemove() *cobra.Command {
	var f memberFlags
	cmd := &cobra.Command{
		Use:   "remove GROUP",
		Short: "Take people and groups out of an external group",
		Long: `remove takes members out of an external group by their ids. The API tells members
apart by their ids alone, whatever their type.`,
		Args: takes("the id of a group", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeMembers(cmd.Context(), &f, args[0], false)
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) changeMembers(ctx context.Context, f *memberFlags, id string, add bool) (err error) {
	t, err := a.admin(ctx, &f.adminFlags)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	members, err := f.members(ctx, t)
	if err != nil {
		return err
	}
	if _, err := t.graph.GetGroup(ctx, id); err != nil {
		return t.noGroup(ctx, err, id)
	}
	if err := a.disturbMembers(ctx, t, id, members); err != nil {
		return err
	}
	var absent []string
	for _, m := range members {
		found := true
		if add {
			err = t.graph.AddMember(ctx, id, m)
		} else {
			found, err = t.graph.TakeMember(ctx, id, m.ID)
		}
		switch {
		case err != nil:
			return err
		case !found:
			absent = append(absent, m.ID)
			continue
		case a.json:
			err = a.printJSON(load.Identity{Type: m.Type, ID: m.ID})
		case !a.quiet:
			_, err = fmt.Fprintf(a.stdout, "%s %s %s\n", map[bool]string{true: "added", false: "removed"}[add], m.Type, m.ID)
		}
		if err != nil {
			return err
		}
	}
	if len(absent) > 0 {
		return usageError{fmt.Errorf("the group %s has no member %s", id, some(absent))}
	}
	return nil
}

func (a *app) disturbMembers(ctx context.Context, t *admin, id string, members []transform.Member) error {
	return a.disturb(ctx, t, func(s *state.Store) error {
		for _, m := range members {
			known, err := s.DisturbMember(ctx, state.Member{Group: id, Type: m.Type, ID: m.ID})
			if !known || err != nil {
				return err
			}
		}
		a.warn("a mapping makes the group %s: its next run makes its members again those of the groups file", id)
		return nil
	})
}
