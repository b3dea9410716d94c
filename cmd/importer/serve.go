package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"importer/load/localgraph"
)

func (a *app) serveCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Put the local Graph on a port, for any Graph client",
		Long: `serve answers the connectors API of Microsoft Graph at http://ADDRESS/v1.0 from
the local Graph in --data. It prints its address when it is ready.

Every request needs a bearer token. Set it in the environment:

  IMPORTER_SERVE_TOKEN   the token of an application
  IMPORTER_SERVE_USER    the user that a search with that token runs as`,
		Example: `  IMPORTER_SERVE_TOKEN=$(openssl rand -hex 16) importer serve --listen 127.0.0.1:8080`,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), listen) },
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "`address` to listen on; port 0 takes a free one")
	return cmd
}

func (a *app) serve(ctx context.Context, listen string) (err error) {
	token := os.Getenv("IMPORTER_SERVE_TOKEN")
	if token == "" {
		return usageError{errors.New("every request needs a token: set IMPORTER_SERVE_TOKEN to a long random string, such as the output of openssl rand -hex 16")}
	}
	server, err := localgraph.Open(a.data, localgraph.Options{
		Tokens: map[string]localgraph.Caller{token: {App: true, SearchAs: os.Getenv("IMPORTER_SERVE_USER")}},
	})
	if err != nil {
		return fmt.Errorf("%w, or choose another with --data", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	l, err := net.Listen("tcp", strings.TrimPrefix(listen, "http://")) // as it is printed
	if err != nil {
		return usageError{fmt.Errorf("--listen %s: %w; choose another address or port", listen, err)}
	}
	if host, _, err := net.SplitHostPort(l.Addr().String()); err == nil && !net.ParseIP(host).IsLoopback() {
		fmt.Fprintf(a.stderr, "warning: %s can be reached from other machines, and the token travels in clear text; put a TLS proxy in front, or listen on 127.0.0.1\n", l.Addr())
	}
	if user := os.Getenv("IMPORTER_SERVE_USER"); user != "" && !objectID.MatchString(user) {
		if _, known, err := server.ResolveUser(ctx, user); err == nil && !known {
			fmt.Fprintf(a.stderr, "warning: %s is not in the directory of the local Graph in %s, so searches find what everyone may see; run a mapping with identities into it, or set IMPORTER_SERVE_USER to an object id\n", user, a.data)
		}
	}
	a.printServing(l.Addr().String())
	h := &http.Server{
		Handler:           server,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       5 * time.Minute, // a 30 MB item over a slow line
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	defer context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		h.Shutdown(end)
	})()
	if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// objectID is the form of a user's id in Entra, which needs no directory.
var objectID = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// printServing tells whoever started the server that it is ready.
func (a *app) printServing(address string) {
	if a.json {
		a.printJSON(map[string]any{"type": "serving", "version": jsonVersion, "address": "http://" + address})
		return
	}
	fmt.Fprintf(a.stdout, "http://%s\n", address)
}
