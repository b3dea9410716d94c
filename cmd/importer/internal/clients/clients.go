// Package clients runs Graph clients that others have written against importer
// serve: each makes the whole life of a connection, checks what it gets, and
// is as it was published.
//
//	c, err := clients.Install(ctx, clients.JavaScript, opt)
//	report, err := c.Run(ctx)
//
// What the clients do stands in cmd/importer/testdata/clients, a folder each.
// Nothing of them is part of the importer.
package clients

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A Client is one of the clients. Its name is that of its folder.
type Client struct {
	Name    string
	Product string
	node    int // the least version of Node.js, 0 for none
}

// The clients, the lightest first.
var (
	JavaScript = Client{"js", "@microsoft/microsoft-graph-client", 18}
	Go         = Client{"go", "msgraph-sdk-go", 0}
	M365       = Client{"m365", "@pnp/cli-microsoft365", 20}
)

// All are all clients.
var All = []Client{JavaScript, Go, M365}

// Options says where things are.
type Options struct {
	Importer string    // the program
	Source   string    // the folder of the clients' folders
	Cache    string    // where packages are installed, once for each lock file; "" is the user's cache folder
	Log      io.Writer // what the clients print, as they go; may be nil
}

// A MissingError says what this machine does not have, or does not reach.
type MissingError struct{ What string }

func (e *MissingError) Error() string { return e.What }

// An Installed client can be run.
type Installed struct {
	Client
	opt    Options
	folder string // with what was installed
}

// Install makes a client ready to run. The error is a *MissingError if the
// machine is at fault.
func Install(ctx context.Context, c Client, opt Options) (*Installed, error) {
	if opt.Cache == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("there is no folder for installed clients: %w", err)
		}
		opt.Cache = filepath.Join(cache, "importer-clients")
	}
	if opt.Log == nil {
		opt.Log = io.Discard
	}
	if err := os.MkdirAll(opt.Cache, 0o700); err != nil {
		return nil, fmt.Errorf("installing %s: %w", c.Product, err)
	}
	in := &Installed{Client: c, opt: opt}
	install := in.npm
	if c.node == 0 {
		install = in.build
	}
	if err := install(ctx); err != nil {
		return nil, fmt.Errorf("installing %s: %w", c.Product, err)
	}
	return in, nil
}

// checkNode tells whether there is a Node.js that the client can run with.
func checkNode(ctx context.Context, least int) error {
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			return &MissingError{fmt.Sprintf("%s is not installed; Node.js %d or later brings it", name, least)}
		}
	}
	out, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return fmt.Errorf("node --version: %w", err)
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < least {
		return &MissingError{fmt.Sprintf("this is Node.js %s; the client needs %d or later", strings.TrimSpace(string(out)), least)}
	}
	return nil
}

// output runs a command in a folder and gives an error with what it printed.
func output(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if errors.Is(err, exec.ErrNotFound) {
		return &MissingError{name + " is not installed"}
	}
	text := strings.TrimSpace(string(out))
	if line := unreachable(text); line != "" {
		return &MissingError{fmt.Sprintf("%s does not reach its registry (%s)", name, line)}
	}
	return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, text)
}

// unreachable finds the line in which npm or go says that there is no network;
// "" is none.
func unreachable(text string) string {
	for line := range strings.Lines(text) {
		for _, words := range []string{"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH",
			"dial tcp", "i/o timeout", "no such host", "connection refused", "module lookup disabled"} {
			if strings.Contains(line, words) {
				return strings.TrimSpace(line)
			}
		}
	}
	return ""
}

func lastLine(text string) string { return text[strings.LastIndexByte(text, '\n')+1:] }
