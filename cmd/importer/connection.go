package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"importer/load"
	"importer/transform"
)

func (a *app) connectionCommand() *cobra.Command {
	return group("connection", "Connections: list, get, create, update, delete",
		`connection administers the connections of the local Graph or of a tenant. A run
makes and updates the connection of its mapping by itself; these commands are
for what a mapping does not say, such as result templates, and for looking.`,
		a.connectionList(), a.connectionGet(), a.connectionCreate(), a.connectionUpdate(), a.connectionDelete())
}

func (a *app) connectionList() *cobra.Command {
	var f targetFlags
	var opt load.ListOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The connections that the app may see",
		Long:  `list prints the connections, with --json one object of the API a line.`,
		Example: `  importer connection list
  importer connection list --target graph --filter "name eq 'Contoso Helpdesk'"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.listConnections(cmd.Context(), &f, opt) },
	}
	f.add(cmd, false)
	cmd.Flags().StringVar(&opt.Filter, "filter", "", "an OData `filter`, such as \"name eq 'Helpdesk'\"")
	cmd.Flags().IntVar(&opt.Top, "top", 0, "most connections; 0 is all")
	return cmd
}

func (a *app) listConnections(ctx context.Context, f *targetFlags, opt load.ListOptions) (err error) {
	if opt.Top < 0 {
		return usageError{errors.New("--top is 0 (all) or more")}
	}
	t, err := a.service(f, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	rows := [][]string{{"id", "state", "name", "description"}}
	for c, err := range t.graph.Connections(ctx, opt) {
		if err != nil {
			return err
		}
		if a.json {
			if err := a.printJSON(c); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{c.Value.ID, c.Value.State, c.Value.Name, cut(oneLine(c.Value.Description), 60)})
	}
	if a.json {
		return nil
	}
	if len(rows) == 1 {
		a.say("no connections")
		return nil
	}
	printColumns(narrow(a.stdout), "", rows)
	return nil
}

func (a *app) connectionGet() *cobra.Command {
	var f targetFlags
	cmd := &cobra.Command{
		Use:   "get ID",
		Short: "A connection with all its settings",
		Args:  takes("the id of a connection", 1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.getConnection(cmd.Context(), &f, args[0]) },
	}
	f.add(cmd, false)
	return cmd
}

func (a *app) getConnection(ctx context.Context, f *targetFlags, id string) (err error) {
	t, err := a.service(f, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	c, err := t.graph.On(id).Connection(ctx)
	if load.NotFound(err) {
		return noConnection(ctx, t.graph, id)
	}
	if err != nil {
		return err
	}
	return a.printConnection(c)
}

func (a *app) printConnection(c *load.Document[load.ConnectionInfo]) error {
	if a.json {
		return a.printJSON(c)
	}
	rows := [][]string{{"id", c.Value.ID}, {"state", c.Value.State}, {"name", c.Value.Name}, {"description", oneLine(c.Value.Description)}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("contentCategory", c.Value.ContentCategory)
	s, err := load.ReadSettings(c.Raw)
	if err != nil {
		a.warn("%v; --json shows them", err)
		s = &load.Settings{}
	}
	add("connectorId", s.ConnectorID)
	add("authorizedAppIds", strings.Join(s.Configuration.AuthorizedAppIDs, ", "))
	for _, t := range s.SearchSettings.Templates {
		add("result template", fmt.Sprintf("%s, priority %d, %s", t.ID, t.Priority, count(int64(len(t.Rules)), "rule", "rules")))
	}
	for _, r := range s.ActivitySettings.Resolvers {
		add("url resolver", fmt.Sprintf("%s%s -> %s, priority %d", strings.Join(r.Match.BaseURLs, ", "), r.Match.Pattern, r.ItemID, r.Priority))
	}
	printColumns(narrow(a.stdout), "", rows)
	return nil
}

// A connectionFlags is what a connection is to be, as typed.
type connectionFlags struct {
	targetFlags
	name, description, category string
	file                        string
}

func (f *connectionFlags) add(cmd *cobra.Command) {
	f.targetFlags.add(cmd, false)
	fl := cmd.Flags()
	fl.StringVar(&f.name, "name", "", "its name, at most 128 characters")
	fl.StringVar(&f.description, "description", "", "what its content is about; Copilot chooses connections by it")
	fl.StringVar(&f.category, "content-category", "", "its kind of content, such as knowledgeBase")
	fl.StringVar(&f.file, "file", "", "a `file` with an externalConnection of the API as JSON (- is stdin); the other flags go before it")
}

// document puts the file and the flags together.
func (a *app) connectionDocument(f *connectionFlags, id string) (map[string]json.RawMessage, error) {
	doc := map[string]json.RawMessage{}
	if f.file != "" {
		var err error
		if doc, err = a.readObject(f.file); err != nil {
			return nil, err
		}
	}
	if raw, ok := doc["id"]; ok && text(raw) != id && string(raw) != "null" {
		return nil, usageError{fmt.Errorf("%s is about the connection %s, and the command about %s", inputName(f.file), text(raw), id)}
	}
	for _, m := range []struct{ name, value string }{{"name", f.name}, {"description", f.description}, {"contentCategory", f.category}} {
		if m.value != "" {
			raw, err := json.Marshal(m.value)
			if err != nil {
				return nil, err
			}
			doc[m.name] = raw
		}
	}
	// What get has printed can be given back.
	for _, member := range []string{"id", "state", "@odata.context", "ingestedItemsCount"} {
		delete(doc, member)
	}
	if string(doc["connectorId"]) == "null" {
		delete(doc, "connectorId")
	}
	for _, member := range slices.Sorted(maps.Keys(doc)) {
		if !slices.Contains(connectionMembers, member) {
			a.warn("%s: the API's connection has no member %q; it is sent as it is", inputName(f.file), member)
		}
	}
	var err error
	doc["activitySettings"], err = typedResolvers(doc["activitySettings"])
	if doc["activitySettings"] == nil {
		delete(doc, "activitySettings")
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", inputName(f.file), err)}
	}
	return doc, nil
}

// connectionMembers are those that can be written, of v1.0 and of beta.
var connectionMembers = []string{"name", "description", "configuration", "searchSettings", "activitySettings", "connectorId", "contentCategory",
	"enabledContentExperiences", "complianceSettings"}

// typedResolvers gives each resolver its type, of which there is only one and
// without which the service refuses it.
func typedResolvers(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return raw, nil
	}
	var settings map[string]json.RawMessage
	if json.Unmarshal(raw, &settings) != nil {
		return nil, errors.New("activitySettings must be an object")
	}
	list, ok := settings["urlToItemResolvers"]
	if !ok || string(list) == "null" {
		return raw, nil
	}
	var resolvers []map[string]json.RawMessage
	if json.Unmarshal(list, &resolvers) != nil {
		return nil, errors.New("activitySettings.urlToItemResolvers must be a list of objects")
	}
	for _, r := range resolvers {
		if r != nil && r["@odata.type"] == nil {
			r["@odata.type"] = json.RawMessage(`"` + load.ResolverType + `"`)
		}
	}
	var err error
	if settings["urlToItemResolvers"], err = json.Marshal(resolvers); err != nil {
		return nil, err
	}
	return json.Marshal(settings)
}

func (a *app) connectionCreate() *cobra.Command {
	var f connectionFlags
	cmd := &cobra.Command{
		Use:   "create ID",
		Short: "Make a connection, a draft until it has a schema",
		Long: `create makes a connection. It is a draft, and takes no items, until a schema is
registered: by importer schema apply, or by the first run of its mapping.

--file takes all that the API's externalConnection has: the apps that may manage
it (configuration.authorizedAppIds), result templates (searchSettings) and
resolvers of links (activitySettings), beside name, description and category.`,
		Example: `  importer connection create contosokb --name "Contoso KB" --description "Articles of the helpdesk"
  importer connection create contosokb --file connection.json --target graph`,
		Args: takes("the id of the new connection", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.createConnection(cmd.Context(), &f, args[0]) },
	}
	f.add(cmd)
	return cmd
}

func (a *app) createConnection(ctx context.Context, f *connectionFlags, id string) (err error) {
	if fault, remedy := transform.ConnectionIDFault(id); fault != "" {
		return usageError{fmt.Errorf("%s; %s", fault, remedy)}
	}
	doc, err := a.connectionDocument(f, id)
	if err != nil {
		return err
	}
	for member, raw := range doc {
		if string(raw) == "null" {
			delete(doc, member)
		}
	}
	if strings.TrimSpace(text(doc["name"])) == "" {
		return usageError{errors.New("a connection needs a name: --name, or name in the file")}
	}
	if strings.TrimSpace(text(doc["description"])) == "" {
		a.warn("the connection has no description, by which Copilot decides whether a question is for it: give it one with --description")
	}
	if doc["id"], err = json.Marshal(id); err != nil {
		return err
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	t, err := a.service(&f.targetFlags, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	c, err := t.graph.CreateConnection(ctx, body)
	if exists, ok := errors.AsType[*load.ExistsError](err); ok {
		return fmt.Errorf("%w; importer connection update changes it", exists)
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(c)
	}
	a.say("the connection %s is made, a %s: register its schema with importer schema apply MAPPING, or run the mapping", id, c.Value.State)
	return nil
}

func (a *app) connectionUpdate() *cobra.Command {
	var f connectionFlags
	cmd := &cobra.Command{
		Use:   "update ID",
		Short: "Change what a connection is called and how it is shown",
		Long: `update changes what is given and leaves the rest. A list in --file replaces the
list that is there. The next run of the connection's mapping puts name and
description back to what the mapping says, and leaves the settings alone.`,
		Example: `  importer connection update contosokb --description "Articles of the helpdesk since 2020"
  importer connection get contosokb --json >kb.json
  importer connection update contosokb --file kb.json`,
		Args: takes("the id of a connection", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.updateConnection(cmd.Context(), &f, args[0]) },
	}
	f.add(cmd)
	return cmd
}

func (a *app) updateConnection(ctx context.Context, f *connectionFlags, id string) (err error) {
	doc, err := a.connectionDocument(f, id)
	if err != nil {
		return err
	}
	if len(doc) == 0 {
		return usageError{errors.New("there is nothing to change: give --name, --description, --content-category or --file")}
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	t, err := a.service(&f.targetFlags, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	g := t.graph.On(id)
	err = g.UpdateConnection(ctx, body)
	if load.NotFound(err) {
		return noConnection(ctx, t.graph, id)
	}
	if err != nil {
		return err
	}
	if !a.json {
		a.say("the connection %s is updated: %s", id, strings.Join(slices.Sorted(maps.Keys(doc)), ", "))
		return nil
	}
	c, err := g.Connection(ctx)
	if err != nil {
		return err
	}
	return a.printJSON(c)
}

func (a *app) connectionDelete() *cobra.Command {
	var f targetFlags
	var yes, noWait bool
	cmd := &cobra.Command{
		Use:   "delete ID",
		Short: "Delete a connection with all its items and groups",
		Long: `delete deletes a connection with its schema, its items and its external groups,
and waits until it is gone, which the service does in the background. What the
state remembers of its runs stays: the next run of its mapping makes the
connection anew and sends everything again.

It asks on a terminal; elsewhere it needs --yes.`,
		Args: takes("the id of a connection", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.deleteConnection(cmd.Context(), &f, args[0], yes, noWait)
		},
	}
	f.add(cmd, false)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "do not wait until it is gone")
	return cmd
}

func (a *app) deleteConnection(ctx context.Context, f *targetFlags, id string, yes, noWait bool) (err error) {
	t, err := a.service(f, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	g := t.graph.On(id)
	info, err := g.GetConnection(ctx)
	if load.NotFound(err) {
		return noConnection(ctx, t.graph, id)
	}
	if err != nil {
		return err
	}
	question := fmt.Sprintf("the connection %s (%q, %s) would be deleted with all its items and groups, for good", info.ID, info.Name, info.State)
	if err := a.confirm(yes, question, info.ID); err != nil {
		return err
	}
	if noWait {
		err = g.BeginDelete(ctx)
	} else {
		stop := a.waiting("waiting until the connection " + info.ID + " is gone")
		err = g.DeleteConnection(ctx)
		stop()
	}
	if ctx.Err() != nil {
		return interruptedError{fmt.Sprintf("interrupted; the service may go on deleting the connection %s: importer connection get %[1]s tells", info.ID)}
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]any{"type": "deleted", "version": jsonVersion, "connection": info.ID, "gone": !noWait})
	}
	if noWait {
		a.say("the connection %s is being deleted", info.ID)
		return nil
	}
	a.say("the connection %s is gone", info.ID)
	return nil
}
