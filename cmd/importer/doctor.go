package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"importer/load"
	"importer/pipeline"
	"importer/transform"
)

// How a check has ended.
const (
	statusOK   = "ok"
	statusWarn = "warn" // it works, and could be better
	statusFail = "fail" // a run would not work
)

// A finding is what one check has found.
type finding struct {
	ID     string `json:"id"` // stable, such as auth.token
	Status string `json:"status"`
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

// A doctor makes checks one after the other.
type doctor struct {
	a        *app
	f        *targetFlags
	path     string             // of the mapping, or ""
	m        *transform.Mapping // nil without one, or when it is bad
	findings []finding
}

func (a *app) doctorCommand() *cobra.Command {
	var f targetFlags
	cmd := &cobra.Command{
		Use:   "doctor [MAPPING]",
		Short: "Check everything that a run needs: token, permissions, clock, service, disk, tools",
		Long: `doctor checks what a run needs and changes nothing: the token and its permissions,
the clock, the service, the connection and its schema, the data folder and the
disk, and the tools that read files. With a mapping it checks that too, whether
the token may do what it needs, and how ready its items are for Copilot.

Every check says ok, warn (it works, and could be better) or fail, with what was
found and what to do. It exits with 0 when nothing fails, with 4 when it is the
token or its permissions, and else with 1. No token is ever printed.

Ways to a token (--auth), and the variables that each takes; those that end in
_FILE name a file with the secret:

  auto              IMPORTER_GRAPH_TOKEN, else what the command in
                    IMPORTER_GRAPH_TOKEN_COMMAND prints, else what of the rest is there
  secret            AZURE_TENANT_ID, AZURE_CLIENT_ID, and AZURE_CLIENT_SECRET or
                    AZURE_CLIENT_SECRET_FILE
  certificate       AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_CERTIFICATE_PATH (PEM
                    or PFX), and for PFX AZURE_CLIENT_CERTIFICATE_PASSWORD or
                    AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE
  managed-identity  none; AZURE_CLIENT_ID for a user-assigned one (client or resource id)
  workload          AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE
  cli               none: the login of az login`,
		Example: `  importer doctor mappings/helpdesk.yaml
  importer doctor mappings/helpdesk.yaml --target graph`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("doctor takes one mapping file at most, not %d; see importer doctor --help", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.doctor(cmd.Context(), &f, strings.Join(args, ""))
		},
	}
	f.add(cmd, false)
	return cmd
}

func (a *app) doctor(ctx context.Context, f *targetFlags, path string) error {
	if f.target == "jsonl" {
		return usageError{errors.New("--target jsonl needs nothing that could be checked: use local or graph")}
	}
	if err := f.check(); err != nil {
		return err
	}
	d := &doctor{a: a, f: f, path: path}
	if path != "" {
		d.mapping(ctx)
	}
	if f.target == "graph" {
		d.tenant(ctx)
	} else {
		d.local(ctx)
	}
	if d.m != nil {
		d.copilot()
	}
	d.machine(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return d.end()
}

func (d *doctor) add(id, status, found, remedy string) {
	d.findings = append(d.findings, finding{id, status, found, remedy})
}

func (d *doctor) ok(id, format string, args ...any) {
	d.add(id, statusOK, fmt.Sprintf(format, args...), "")
}

func (d *doctor) warn(id, found, remedy string) { d.add(id, statusWarn, found, remedy) }

func (d *doctor) fail(id, found, remedy string) { d.add(id, statusFail, found, remedy) }

// failed tells whether one of the checks whose ids begin so has failed.
func (d *doctor) failed(prefix string) bool {
	return slices.ContainsFunc(d.findings, func(f finding) bool { return f.Status == statusFail && strings.HasPrefix(f.ID, prefix) })
}

// mapping reads the mapping and checks it against the heads of its files.
func (d *doctor) mapping(ctx context.Context) {
	m, err := transform.Load(d.path)
	if err == nil {
		d.m = m
		err = pipeline.Check(ctx, m, filepath.Dir(d.path))
	}
	if err != nil {
		first, more, _ := strings.Cut(err.Error(), "\n")
		if more != "" {
			first += fmt.Sprintf(" (and %d more)", 1+strings.Count(more, "\n"))
		}
		d.fail("mapping", first, "importer validate "+d.path+" shows it with its line")
		return
	}
	d.ok("mapping", "%s is good: connection %s, %s, %s", d.path, m.Connection.ID,
		count(int64(len(m.Schema)), "property", "properties"), count(int64(len(m.Sources)), "source", "sources"))
}

// copilot says how ready the items are. Nothing of it keeps a run from working
// but that no word finds anything.
func (d *doctor) copilot() {
	for _, r := range d.m.Readiness() {
		status := statusWarn
		switch {
		case r.Good:
			status = statusOK
		case r.Fatal:
			status = statusFail
		}
		d.add("copilot."+r.ID, status, r.Found, r.Remedy)
	}
}

// end prints what was found and gives the error to exit with.
func (d *doctor) end() error {
	counts := map[string]int64{}
	for _, f := range d.findings {
		counts[f.Status]++
	}
	if d.a.json {
		err := d.a.printJSON(map[string]any{"type": "doctor", "version": jsonVersion, "target": d.f.target, "ok": counts[statusFail] == 0,
			"warnings": counts[statusWarn], "failures": counts[statusFail], "checks": d.findings})
		if err != nil {
			return err
		}
	} else {
		d.print(counts)
	}
	switch {
	case d.failed("auth."):
		return errors.Join(&load.AuthError{Remedy: "the token does not do"}, errTold)
	case counts[statusFail] > 0:
		return errors.Join(errors.New("checks have failed"), errTold)
	}
	return nil
}

func (d *doctor) print(counts map[string]int64) {
	wide := 0
	for _, f := range d.findings {
		wide = max(wide, len(f.ID))
	}
	w := narrow(d.a.stdout)
	hang := 6 + wide + 2 // where the text of a finding goes on
	for _, f := range d.findings {
		text := f.Found
		if f.Remedy != "" {
			text += "\n" + f.Remedy
		}
		lead := fmt.Sprintf("%-4s  %-*s  ", f.Status, wide, f.ID)
		for line := range strings.SplitSeq(text, "\n") {
			if strings.Contains(line, " | ") { // a command, to be copied
				fmt.Fprintln(d.a.stdout, lead+line)
			} else {
				printHanging(w, hang, lead+line)
			}
			lead = strings.Repeat(" ", hang)
		}
	}
	fmt.Fprintf(w, "\n%s ok, %s, %s\n", number(counts[statusOK]),
		count(counts[statusWarn], "warning", "warnings"), count(counts[statusFail], "failure", "failures"))
}
