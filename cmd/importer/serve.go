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

// A serveFlags is what to serve, as typed.
type serveFlags struct {
	listen, faults string
	tls            tlsFlags
	graph          graphFlags
}

func (a *app) serveCommand() *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Put the local Graph on a port, for any Graph client",
		Long: `serve answers the connectors API of Microsoft Graph at http://ADDRESS/v1.0 from
the local Graph in --data. It prints its address when it is ready.

Every request needs a bearer token. importer token prints one, for an
application or for a person, and makes clients for the token endpoint,
http://ADDRESS/TENANT/oauth2/v2.0/token. Scripts can also set one:

  IMPORTER_SERVE_TOKEN   the token of an application
  IMPORTER_SERVE_USER    the user that a search with that token runs as

--tls serves https, HTTP/2 included, for clients that send their token over
https only. The first time it makes a certificate authority in --data, which
can sign for this machine and the names in --tls-name only; clients trust the
file that it prints: importer by --graph-ca FILE, Node.js by
NODE_EXTRA_CA_CERTS=FILE, Go programs on Linux and OpenSSL's by
SSL_CERT_FILE=FILE, curl by --cacert FILE. --tls-cert and --tls-key serve it
with a certificate that you have; it is read anew when it changes.

--faults makes it behave as a service on a bad day. It is a list of:

  rate=25, concurrent=25   what each connection takes; more is answered 429
  429=5%, 500= 502= 503= 504=   the share of requests answered so
  retryAfter=decimal       integer, decimal, date or none; after=2s says how long
  slow=2s:1%               the share of requests that wait so long first
  dropBefore=1%            cut the connection before the request took effect
  dropAfter=1%             cut it after
  reject=0.1%              the share of items that are never taken
  schema=2m, schemaFail    how long a registration takes, or that it fails
  seed=1                   the same requests meet the same faults

An application can also read and change them while it runs, by GET and PUT of
/_control/faults: {"faults": {"429": "5%", "seed": 1}}.
` + graphHelp,
		Example: `  importer serve &
  curl -H "Authorization: Bearer $(importer token --app)" http://127.0.0.1:8080/v1.0/external/connections
  importer serve --listen 127.0.0.1:8443 --tls`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), &flags) },
	}
	cmd.Flags().StringVar(&flags.listen, "listen", "127.0.0.1:8080", "`address` to listen on; port 0 takes a free one")
	cmd.Flags().StringVar(&flags.faults, "faults", "", "`list` of what goes wrong on purpose, such as 429=5%,503=1%,dropAfter=1%,seed=1")
	flags.tls.add(cmd)
	flags.graph.add(cmd)
	return cmd
}

func (a *app) serve(ctx context.Context, flags *serveFlags) (err error) {
	if err := flags.tls.check(); err != nil {
		return err
	}
	wrong, err := localgraph.ParseFaults(flags.faults)
	if err != nil {
		return usageError{fmt.Errorf("--%w", err)}
	}
	listen := strings.TrimPrefix(strings.TrimPrefix(flags.listen, "http://"), "https://") // as it is printed
	secure, ca, err := a.tlsConfig(&flags.tls, listen)
	if err != nil {
		return err
	}
	opt := localgraph.Options{Faults: wrong, Tokens: map[string]localgraph.Caller{}}
	directory, err := flags.graph.read(&opt)
	if err != nil {
		return err
	}
	if opt.Issuer, err = localgraph.OpenIssuer(a.data); err != nil {
		return err
	}
	if token := os.Getenv("IMPORTER_SERVE_TOKEN"); token != "" {
		opt.Tokens[token] = localgraph.Caller{App: true, SearchAs: os.Getenv("IMPORTER_SERVE_USER")}
	}
	server, err := localgraph.Open(a.data, opt)
	if err != nil {
		return fmt.Errorf("%w, or choose another with --data", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	if err := a.loadDirectory(ctx, server, directory, flags.graph.directory); err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return usageError{fmt.Errorf("--listen %s: %w; choose another address or port", flags.listen, err)}
	}
	if err := a.adviseServing(ctx, server, l, secure != nil, ca); err != nil {
		return err
	}
	a.printServing(l.Addr().String(), secure != nil, ca)
	h := server.HTTPServer()
	h.TLSConfig, h.ErrorLog = secure, a.handshakeLog(ca)
	defer context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		h.Shutdown(end)
	})()
	listenAndServe := h.Serve
	if secure != nil {
		listenAndServe = func(l net.Listener) error { return h.ServeTLS(l, "", "") }
	}
	if err := listenAndServe(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// adviseServing tells what whoever started the server should know of it.
func (a *app) adviseServing(ctx context.Context, server *localgraph.Server, l net.Listener, secure bool, ca string) error {
	if host, _, err := net.SplitHostPort(l.Addr().String()); err == nil && !net.ParseIP(host).IsLoopback() && !secure {
		fmt.Fprintf(a.stderr, "warning: %s can be reached from other machines, and the token travels in clear text; serve with --tls, or listen on 127.0.0.1\n", l.Addr())
	}
	if user := os.Getenv("IMPORTER_SERVE_USER"); user != "" && !objectID.MatchString(user) {
		_, known, err := server.ResolveUser(ctx, user)
		if err != nil {
			return usageError{fmt.Errorf("IMPORTER_SERVE_USER: %w", err)}
		}
		if !known {
			fmt.Fprintf(a.stderr, "warning: %s is not in the directory of the local Graph in %s, so searches find what everyone may see; run a mapping with identities into it, or set IMPORTER_SERVE_USER to an object id\n", user, a.data)
		}
	}
	if os.Getenv("IMPORTER_SERVE_TOKEN") == "" && !a.quiet {
		fmt.Fprintf(a.stderr, "every request needs a token: importer token --app --data %s prints one, and --user MAIL one to search with\n", a.data)
	}
	if ca != "" && !a.quiet {
		fmt.Fprintf(a.stderr, "clients have to trust %s, such as by NODE_EXTRA_CA_CERTS, SSL_CERT_FILE or importer --graph-ca\n", ca)
	}
	return nil
}

// objectID is the form of a user's id in Entra, which needs no directory.
var objectID = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// printServing tells whoever started the server that it is ready.
func (a *app) printServing(address string, secure bool, ca string) {
	root := "http://" + address
	if secure {
		root = "https://" + address
	}
	if a.json {
		line := map[string]any{"type": "serving", "version": jsonVersion, "address": root}
		if ca != "" {
			line["ca"] = ca
		}
		a.printJSON(line)
		return
	}
	fmt.Fprintln(a.stdout, root)
}
