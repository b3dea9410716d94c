package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"importer/load/localgraph"
)

// A tlsFlags is how serve proves who it is, as typed.
type tlsFlags struct {
	on        bool
	names     []string
	cert, key string
}

func (t *tlsFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&t.on, "tls", false, "serve https with a certificate of an authority in --data, which is made the first time")
	f.StringArrayVar(&t.names, "tls-name", nil, "a host `name` or address that the certificate holds for as well, such as graph.microsoft.com; can be repeated")
	f.StringVar(&t.cert, "tls-cert", "", "serve https with the certificate in this `file`, the ones that lead to its authority behind it")
	f.StringVar(&t.key, "tls-key", "", "`file` of the certificate's private key")
}

func (t *tlsFlags) check() error {
	switch {
	case (t.cert == "") != (t.key == ""):
		return usageError{errors.New("--tls-cert and --tls-key belong together: give both, or --tls for a certificate made here")}
	case t.on && t.cert != "":
		return usageError{errors.New("--tls makes a certificate and --tls-cert has one: give one of them")}
	case len(t.names) > 0 && !t.on:
		return usageError{errors.New("--tls-name is a name in the certificate that --tls makes: give --tls as well")}
	}
	return nil
}

// tlsConfig gives the TLS of a listener at the address listen, and the file that
// clients have to trust; both are empty for plain http.
func (a *app) tlsConfig(t *tlsFlags, listen string) (*tls.Config, string, error) {
	switch {
	case t.cert != "":
		files := &certificateFiles{cert: t.cert, key: t.key, warn: a.stderr}
		if err := files.load(); err != nil {
			return nil, "", usageError{err}
		}
		return &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return files.current(), nil }}, "", nil
	case t.on:
		names := t.names
		if host, _, err := net.SplitHostPort(listen); err == nil && host != "" && !unspecified(host) {
			names = append(names, host)
		}
		authority, err := localgraph.OpenAuthority(a.data, names...)
		if host, ok := errors.AsType[*localgraph.HostError](err); ok {
			return nil, "", usageError{fmt.Errorf("--tls-name: %w; a port or a scheme does not belong to it", host)}
		}
		if err != nil {
			return nil, "", err
		}
		return authority.TLS(), authority.File(), nil
	}
	return nil, "", nil
}

// unspecified tells whether a host means every address of the machine.
func unspecified(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsUnspecified()
}

// certificateFiles is a certificate with its key, read anew when somebody
// renews it: a server runs for longer than most certificates hold.
type certificateFiles struct {
	cert, key string
	warn      io.Writer

	mu    sync.Mutex // guards the fields below
	pair  *tls.Certificate
	stamp string // of the files that were read last, good or bad
}

// load reads the files.
func (c *certificateFiles) load() error {
	c.stamp = c.stampOf()
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		text := strings.TrimPrefix(err.Error(), "tls: ")
		return fmt.Errorf("--tls-cert %s, --tls-key %s: %s; give a certificate and its private key, both in PEM", c.cert, c.key, text)
	}
	c.pair = &pair
	return nil
}

// stampOf tells one state of the files from another.
func (c *certificateFiles) stampOf() string {
	var b strings.Builder
	for _, name := range []string{c.cert, c.key} {
		if info, err := os.Stat(name); err == nil {
			fmt.Fprint(&b, info.Size(), info.ModTime().UnixNano(), " ")
		}
	}
	return b.String()
}

// current gives the certificate of the files as they are. Files that cannot be
// read, as while they are being renewed, leave the one before.
func (c *certificateFiles) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stampOf() != c.stamp {
		if err := c.load(); err != nil {
			fmt.Fprintf(c.warn, "warning: the certificate that was read before is used further, until %s: %v\n", c.pair.Leaf.NotAfter.UTC().Format(time.DateOnly), err)
		}
	}
	return c.pair
}

// handshakeLog words what net/http says about connections that came to
// nothing. Most come of a client that does not trust the certificate.
func (a *app) handshakeLog(ca string) *log.Logger {
	return log.New(writerFunc(func(p []byte) (int, error) {
		text := strings.TrimSpace(string(p))
		rest, ok := strings.CutPrefix(text, "http: TLS handshake error from ")
		switch peer, why, _ := strings.Cut(rest, ": "); {
		case !ok:
			fmt.Fprintf(a.stderr, "warning: %s\n", text)
		case why == "EOF": // somebody only looked whether the port is open
		case strings.Contains(why, "HTTP request to an HTTPS server"):
			fmt.Fprintf(a.stderr, "warning: %s speaks http, and this address is https\n", peer)
		case ca != "":
			fmt.Fprintf(a.stderr, "warning: %s did not take the certificate (%s); let it trust %s\n", peer, why, ca)
		default:
			fmt.Fprintf(a.stderr, "warning: %s did not take the certificate: %s\n", peer, why)
		}
		return len(p), nil
	}), "", 0)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
