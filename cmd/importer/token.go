package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"importer/load/localgraph"
)

// A tokenFlags is what to print a token of, as typed.
type tokenFlags struct {
	app          bool
	roles        []string
	user         string
	life         time.Duration
	newClient    string
	removeClient string
}

func (a *app) tokenCommand() *cobra.Command {
	var t tokenFlags
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print a token for the local Graph that serve puts on a port",
		Long: `token prints a bearer token for the local Graph in --data: of an application,
which writes, or of a person, who searches. serve need not be restarted, and
takes it until it expires. An application's token has all permissions, or with
--role only those, as an administrator may consent to in a tenant.

--new-client makes an application that gets its own tokens, as from Entra ID,
by POST of client_id, client_secret, grant_type=client_credentials and
scope=https://graph.microsoft.com/.default to http://ADDRESS/TENANT/oauth2/v2.0/token,
for any TENANT. Its secret is printed once and not kept. Such an application
sees only the connections that it made or that name it in authorizedAppIds, and
reads the directory.`,
		Example: `  importer token --app
  importer token --user anna.berg@contoso.com --for 8h
  importer token --new-client indexer`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.token(cmd.Context(), &t) },
	}
	f := cmd.Flags()
	f.BoolVar(&t.app, "app", false, "the token of an application")
	f.StringSliceVar(&t.roles, "role", nil, "the application permissions of --app, such as `ExternalItem.ReadWrite.OwnedBy`; all without it")
	f.StringVar(&t.user, "user", "", "the token of a person: a `mail` address, a user principal name or an object id")
	f.DurationVar(&t.life, "for", localgraph.TokenLife, "how long the token holds")
	f.StringVar(&t.newClient, "new-client", "", "make an application with this `name`, and print its id and secret")
	f.StringVar(&t.removeClient, "remove-client", "", "remove the application with this `id`")
	return cmd
}

func (a *app) token(ctx context.Context, t *tokenFlags) error {
	asked := 0
	for _, yes := range []bool{t.app, t.user != "", t.newClient != "", t.removeClient != ""} {
		if yes {
			asked++
		}
	}
	if asked != 1 {
		return usageError{errors.New("say whose token: --app, --user MAIL, --new-client NAME or --remove-client ID, one of them")}
	}
	if t.newClient != "" && strings.TrimSpace(t.newClient) == "" {
		return usageError{errors.New("--new-client needs a name")}
	}
	if len(t.roles) > 0 && !t.app {
		return usageError{errors.New("--role is for the token of an application: --app")}
	}
	if t.life < time.Second {
		return usageError{fmt.Errorf("--for %v is too short; give a second at least, such as 1h", t.life)}
	}
	issuer, err := localgraph.OpenIssuer(a.data)
	if err != nil {
		return err
	}
	switch {
	case t.newClient != "":
		return a.newClient(issuer, t.newClient)
	case t.removeClient != "":
		if err := issuer.RemoveClient(t.removeClient); err != nil {
			return usageError{err}
		}
		return nil
	case t.user != "":
		if err := a.tellStranger(ctx, t.user); err != nil {
			return err
		}
	}
	token, err := issuer.Mint(localgraph.Caller{App: t.app, UserID: t.user, Roles: strings.Join(t.roles, " ")}, t.life)
	if err != nil {
		return usageError{err}
	}
	if a.json {
		return a.printJSON(map[string]any{"type": "token", "version": jsonVersion, "token": token, "expires": time.Now().Add(t.life).UTC().Truncate(time.Second)})
	}
	_, err = fmt.Fprintln(a.stdout, token)
	return err
}

func (a *app) newClient(issuer *localgraph.Issuer, name string) error {
	id, secret, err := issuer.NewClient(name)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]any{"type": "client", "version": jsonVersion, "name": name, "clientId": id, "clientSecret": secret})
	}
	_, err = fmt.Fprintf(a.stdout, "client id      %s\nclient secret  %s\n", id, secret)
	fmt.Fprintln(a.stderr, "the secret is not kept: write it down now")
	return err
}

// tellStranger warns of a name that the directory does not have: such a person
// may search, and finds little.
func (a *app) tellStranger(ctx context.Context, name string) (err error) {
	server, err := localgraph.Open(a.data, localgraph.Options{})
	if err != nil {
		return fmt.Errorf("%w; choose another folder with --data", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	_, known, err := server.ResolveUser(ctx, name)
	if err == nil && !known {
		fmt.Fprintf(a.stderr, "warning: the directory of the local Graph in %s has no %s; the token is for somebody in no group\n", a.data, name)
	}
	return err
}
