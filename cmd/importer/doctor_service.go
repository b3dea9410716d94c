package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"importer/load"
	"importer/load/localgraph"
)

// A permission is what a token must carry to run a mapping, with the id of its
// app role (permissions reference of Microsoft Graph).
type permission struct{ name, role, what string }

// widerPermissions hold what one to read the directory is for.
var widerPermissions = map[string][]string{"User.Read.All": {"Directory.Read.All"}, "GroupMember.Read.All": {"Group.Read.All", "Directory.Read.All"}}

// has tells whether a token carries the permission, or a wider one.
func (p permission) has(c load.Claims) bool {
	return c.Has(p.name) || slices.ContainsFunc(widerPermissions[p.name], c.Has)
}

var runPermissions = []permission{
	{"ExternalConnection.ReadWrite.OwnedBy", "f431331c-49a6-499f-be1c-62af19c34a9d", "make connections and schemas"},
	{"ExternalItem.ReadWrite.OwnedBy", "8116ae0f-55c2-452d-9944-d18420f5b2c8", "store and delete items and groups"},
}

// directoryPermissions are what a mapping needs that looks people and groups
// up in Entra ID.
var directoryPermissions = []permission{
	{"User.Read.All", "df021288-bdef-4463-88db-98f22de89214", "look people up, as identities: {entra: true} wants"},
	{"GroupMember.Read.All", "98830695-27a2-44f7-8c18-0c3ebc9698f6", "look groups up, as identities: {entra: true} wants"},
}

// needed are the permissions that the mapping needs, if there is one.
func (d *doctor) needed() []permission {
	switch {
	case d.m == nil || d.m.Entra == nil:
		return runPermissions
	case !d.m.NamesGroups():
		return slices.Concat(runPermissions, directoryPermissions[:1])
	}
	return slices.Concat(runPermissions, directoryPermissions)
}

// graphApp is Microsoft Graph among the apps of a tenant.
const graphApp = "00000003-0000-0000-c000-000000000000"

// hasty is how often and how long a service is asked: somebody waits.
var hasty = load.Retry{Tries: 2, For: 2 * time.Second, Base: 500 * time.Millisecond, Max: time.Second, MaxAfter: 5 * time.Second}

// tenant checks what speaks to a service over the network.
func (d *doctor) tenant(ctx context.Context) {
	roots, err := d.f.roots()
	if err != nil {
		d.fail("graph.ca", err.Error(), "name a file of certificates in PEM, or leave --graph-ca out")
		return
	}
	source, err := load.NewTokenSource(load.AuthOptions{BaseURL: d.f.graphURL, Method: d.f.auth, RootCAs: roots})
	if auth, ok := errors.AsType[*load.AuthError](err); ok {
		d.failAuth("auth.token", auth)
		source = nil
	} else if err != nil {
		d.fail("graph.url", fmt.Sprintf("%s: %v", d.f.graphURL, err), "correct --graph-url or IMPORTER_GRAPH_URL")
		return
	}
	token := ""
	if source != nil {
		token = d.token(ctx, source)
	}
	connection := ""
	if d.m != nil {
		connection = d.m.Connection.ID
	}
	var given load.TokenSource // none: whether the service answers shows all the same
	if token != "" {
		given = load.StaticToken(token)
	}
	graph, err := load.NewGraph(load.GraphOptions{BaseURL: d.f.graphURL, Connection: connection, Token: given, Retry: hasty,
		RootCAs: roots, Timeout: 20 * time.Second, UserAgent: "importer/" + version})
	if err != nil {
		d.fail("graph.url", err.Error(), "correct --graph-url or IMPORTER_GRAPH_URL")
		return
	}
	if !d.reach(ctx, graph, token != "") || token == "" {
		return
	}
	if connection != "" && !d.failed("auth.accepted") {
		d.connection(ctx, graph, tokenApp(token))
	}
}

func (d *doctor) failAuth(id string, auth *load.AuthError) {
	if auth.Err == nil {
		d.fail(id, "there is no token", auth.Remedy)
		return
	}
	d.fail(id, auth.Err.Error(), auth.Remedy)
}

// token gets a token and looks at what it says of itself.
func (d *doctor) token(ctx context.Context, source load.TokenSource) string {
	limited, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	token, err := source.Token(limited)
	if auth, ok := errors.AsType[*load.AuthError](err); ok {
		d.failAuth("auth.token", auth)
		return ""
	}
	if err != nil {
		d.fail("auth.token", err.Error(), "try again when the login service answers; look whether a proxy or firewall is in between")
		return ""
	}
	claims, readable := load.ReadClaims(token)
	if !readable {
		d.warn("auth.token", "there is a token, from "+load.TokenMethod(source)+"; it is none of Entra ID, so what it may do cannot be read from it", "nothing, if the server is no Microsoft Graph")
		return token
	}
	who := identityWords(claims)
	left := time.Until(claims.Expires).Round(time.Minute)
	switch {
	case claims.Expires.IsZero():
		d.ok("auth.token", "a token of %s, from %s", who, load.TokenMethod(source))
	case left <= 0:
		d.fail("auth.token", fmt.Sprintf("the token of %s, from %s, has expired at %s", who, load.TokenMethod(source), claims.Expires.UTC().Format(time.RFC3339)),
			"get a fresh one; if it is fresh, this machine's clock is wrong")
	default:
		d.ok("auth.token", "a token of %s, from %s, good for %s", who, load.TokenMethod(source), strings.TrimSuffix(left.String(), "0s"))
	}
	d.roles(claims)
	return token
}

func identityWords(c load.Claims) string {
	who := "the app " + c.AppID
	switch {
	case !c.App() && c.User != "":
		who = "the user " + c.User
	case !c.App():
		who = "a signed-in user"
	case c.AppName != "" && c.AppID == "": // a token of importer token --app
		who = fmt.Sprintf("the app %q", c.AppName)
	case c.AppName != "":
		who = fmt.Sprintf("the app %q (%s)", c.AppName, c.AppID)
	case c.AppID == "":
		who = "an app"
	}
	if c.Tenant != "" {
		who += " of the tenant " + c.Tenant
	}
	return who
}

func tokenApp(token string) string {
	claims, _ := load.ReadClaims(token)
	return claims.AppID
}

// roles compares the token's permissions with what a run needs.
func (d *doctor) roles(c load.Claims) {
	var missing []permission
	for _, p := range d.needed() {
		if !p.has(c) {
			missing = append(missing, p)
		}
	}
	has := strings.Join(append(append([]string{}, c.Roles...), c.Scopes...), ", ")
	if len(missing) == 0 {
		d.ok("auth.permissions", "the token may do what a run needs: %s", has)
		return
	}
	if has == "" {
		has = "nothing"
	}
	var names, needs []string
	for _, p := range missing {
		names = append(names, p.name)
		needs = append(needs, p.what)
	}
	found := fmt.Sprintf("%s is missing (to %s); the token has %s", strings.Join(names, " and "), strings.Join(needs, " and to "), has)
	if !c.App() {
		d.fail("auth.permissions", found, "runs are made by an app and not by a signed-in user: choose another way with --auth, such as secret or certificate")
		return
	}
	d.fail("auth.permissions", found, grantWords(c.AppID, missing))
}

// grantWords are the steps that give an app its permissions.
func grantWords(app string, missing []permission) string {
	if app == "" {
		app = "APP-ID"
	}
	var roles []string
	for _, p := range missing {
		roles = append(roles, p.role+"=Role")
	}
	return fmt.Sprintf("an administrator adds it as an application permission of Microsoft Graph to the app registration and grants admin consent: "+
		"az ad app permission add --id %s --api %s --api-permissions %s && az ad app permission admin-consent --id %[1]s; "+
		"a managed identity has no registration: assign it the app role of that id (New-MgServicePrincipalAppRoleAssignment); then get a new token",
		app, graphApp, strings.Join(roles, " "))
}

// reach asks the service and looks at how it answers.
func (d *doctor) reach(ctx context.Context, g *load.Graph, identified bool) bool {
	p := g.Probe(ctx)
	host := d.f.graphURL
	if !p.Answered() {
		d.fail("graph.reach", fmt.Sprintf("%s does not answer as Graph does: %v", host, p.Err), "look at the address, the network, the proxy (HTTPS_PROXY) and the firewall")
		return false
	}
	d.ok("graph.reach", "%s answers in %s, a new connection in %s", host, milliseconds(p.Answer), milliseconds(p.Connect))
	d.clock(p)
	status := load.Status(p.Err)
	switch {
	case p.Err == nil:
		d.ok("auth.accepted", "the service takes the token")
	case status == 401 && identified:
		d.fail("auth.accepted", "the service does not take the token: "+apiWords(p.Err), "get a fresh token of the tenant that is meant; "+
			"a token for another service has another audience (aud)")
	case status == 403 && !d.failed("auth.permissions"):
		d.fail("auth.accepted", "the service takes the token and refuses to list connections: "+apiWords(p.Err), grantWords("", runPermissions[:1]))
	case status != 401 && status != 403:
		d.warn("graph.answer", "the service answers, but not well: "+p.Err.Error(), "try again later; a run waits and tries again by itself")
	}
	return true
}

// apiWords are those of the service, without the remedy for a run.
func apiWords(err error) string {
	if api, ok := errors.AsType[*load.APIError](err); ok {
		return api.Error()
	}
	return err.Error()
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", max(d.Milliseconds(), 1)) }

// clock compares this machine's clock with the service's.
func (d *doctor) clock(p *load.Probe) {
	switch skew := p.Skew.Abs(); {
	case !p.Clocked:
		d.warn("clock", "the service does not tell the time", "compare this machine's clock yourself")
	case skew > load.MaxSkew:
		d.fail("clock", "this machine's clock is "+load.SkewWords(p.Skew)+" the service's, more than Entra ID bears", "set the clock, and have it kept by NTP")
	case skew > time.Minute:
		d.warn("clock", "this machine's clock is "+load.SkewWords(p.Skew)+" the service's", "have it kept by NTP")
	default:
		d.ok("clock", "this machine's clock is the service's, to %s", max(skew, time.Second).Round(time.Second))
	}
}

// connection looks at the mapping's connection in the service.
func (d *doctor) connection(ctx context.Context, g *load.Graph, app string) {
	id := d.m.Connection.ID
	c, err := g.Connection(ctx)
	switch status := load.Status(err); {
	case load.NotFound(err):
		d.ok("connection", "there is no connection %s yet: the first run makes it", id)
		return
	case status == 403 && !d.failed("auth.permissions"):
		if app == "" {
			app = "APP-ID"
		}
		d.fail("connection", fmt.Sprintf("the connection %s belongs to another app", id), fmt.Sprintf("use that app, or have it let this one in: "+
			`echo '{"configuration":{"authorizedAppIds":["%s"]}}' | importer connection update %s --file - --target graph; or choose another connection id`, app, id))
		return
	case err != nil:
		d.fail("connection", apiWords(err), "see the checks above")
		return
	}
	switch c.Value.State {
	case "ready":
		d.ok("connection", "the connection %s is ready", id)
	case "draft":
		d.ok("connection", "the connection %s is a draft: the next run registers its schema", id)
	case "limitExceeded":
		d.warn("connection", fmt.Sprintf("the connection %s is at its quota: items can be changed and deleted, but not added", id), "delete what is not needed, or ask for more quota in the Microsoft 365 admin center")
	case "obsolete":
		d.fail("connection", fmt.Sprintf("the connection %s is obsolete: it can be read and deleted only", id), "delete it (importer connection delete), or choose another connection id")
	default:
		d.warn("connection", fmt.Sprintf("the connection %s is in a state that this program does not know: %s", id, c.Value.State), "look in the Microsoft 365 admin center")
	}
	d.schema(ctx, g)
	d.resolvers(c)
}

// schema compares the registered schema with the mapping's.
func (d *doctor) schema(ctx context.Context, g *load.Graph) {
	diff, err := g.DiffSchema(ctx, d.m.Schema)
	if err != nil {
		d.fail("schema", apiWords(err), "see the checks above")
		return
	}
	more := "importer schema diff " + d.path + " shows them"
	changes := count(int64(len(diff.Changes)), "difference", "differences")
	them, are := "them", "are"
	if len(diff.Changes) == 1 {
		them, are = "it", "is"
	}
	switch {
	case !diff.Registered || diff.Draft():
		d.ok("schema", "none is registered yet: the next run does it, which takes a tenant 5 to 15 minutes")
	case len(diff.Changes) == 0:
		d.ok("schema", "the registered schema is the mapping's")
	case diff.Worst() == load.NewConnection:
		d.fail("schema", fmt.Sprintf("%s, which %s not allowed: %s", changes, are, load.Changed(diff.With(load.NewConnection))), more)
	case diff.Worst() == load.Reingest:
		d.warn("schema", fmt.Sprintf("%s: the next run registers %s and sends every item again (%s)", changes, them, load.Changed(diff.With(load.Reingest))), more)
	default:
		d.ok("schema", "%s, which the next run registers: %s", changes, load.Changed(diff.Changes))
	}
}

// resolvers looks for what a mapping cannot say: how a link that somebody
// shares is recognised as an item.
func (d *doctor) resolvers(c *load.Document[load.ConnectionInfo]) {
	s, err := load.ReadSettings(c.Raw)
	if err != nil {
		return // nothing of it is needed by a run
	}
	if n := len(s.ActivitySettings.Resolvers); n > 0 {
		d.ok("copilot.resolvers", "%s for links that people share", count(int64(n), "resolver", "resolvers"))
		return
	}
	d.warn("copilot.resolvers", "the connection has no resolver (urlToItemResolvers), by which Microsoft 365 knows an item by a link that somebody shares",
		`give it one, such as echo '{"activitySettings":{"urlToItemResolvers":[{"priority":1,"itemId":"{id}","urlMatchInfo":{"baseUrls":["https://kb.example.com"],"urlPattern":"/(?<id>[^/]+)"}}]}}' | importer connection update `+
			c.Value.ID+" --file - --target "+d.f.target)
}

// local checks the local Graph.
func (d *doctor) local(ctx context.Context) {
	if _, err := os.Stat(filepath.Join(d.a.data, "graph.db")); err != nil {
		d.ok("graph.local", "there is no local Graph in %s yet: the first run makes it", d.a.data)
		return
	}
	t, err := d.a.openLocal(d.f, "", localgraph.Caller{App: true})
	if err != nil {
		d.fail("graph.local", err.Error(), "see the data checks below")
		return
	}
	defer t.close(true)
	n := 0
	for _, err := range t.graph.Connections(ctx, load.ListOptions{}) {
		if err != nil {
			d.fail("graph.local", apiWords(err), "look at the disk; a damaged graph.db can be moved away, and the next run makes another")
			return
		}
		n++
	}
	d.ok("graph.local", "the local Graph in %s answers: %s", d.a.data, count(int64(n), "connection", "connections"))
	if d.m != nil {
		d.connection(ctx, t.graph.On(d.m.Connection.ID), "")
	}
}
