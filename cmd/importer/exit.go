package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"importer/load"
	"importer/pipeline"
	"importer/pipeline/state"
	"importer/transform"
)

// The exit codes are a promise: scripts branch on them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitQuarantined = 3
	exitAuth        = 4
	exitUnavailable = 5
	exitGuard       = 6
	exitDrift       = 7
	exitDiffers     = 8
	exitTimeOver    = 10
	exitLocked      = 11
	exitInterrupted = 130
)

var exitWords = []struct {
	code  int
	words string
}{
	{exitDone, "done"},
	{exitFailed, "failed"},
	{exitUsage, "wrong usage, or a mistake in the mapping"},
	{exitQuarantined, "finished, with records in quarantine or files that could not be read"},
	{exitAuth, "no token, or one that the target does not take"},
	{exitUnavailable, "the target did not answer after all retries; run again to go on"},
	{exitGuard, "safety stop: more deletes, ACL widenings or refused records than the guards allow, or a plan that does not fit any more"},
	{exitDrift, "the files are not as they were, or do not have the columns that the mapping needs"},
	{exitDiffers, "there are differences (asked for by --exit-code)"},
	{exitTimeOver, "time is over at a checkpoint; run again to go on"},
	{exitLocked, "another run works on the same connection"},
	{exitInterrupted, "interrupted at a checkpoint; run again to go on"},
}

func exitHelp() string {
	var b strings.Builder
	for _, w := range exitWords {
		fmt.Fprintf(&b, "  %3d  %s\n", w.code, w.words)
	}
	return strings.TrimRight(b.String(), "\n")
}

// A usageError is a mistake in how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errTold wraps an error that the user has been told of already.
var errTold = errors.New("told")

// errQuarantined ends a run that finished with refused records.
var errQuarantined = errors.New("records are in quarantine")

// errDiffers ends a comparison that found differences, where that is asked for.
var errDiffers = errors.New("there are differences")

// exitCode is the one table from errors to exit codes.
func exitCode(err error) int {
	var (
		usage       usageError
		mapping     *transform.Error
		mappings    transform.Errors
		auth        *load.AuthError
		unavailable *load.UnavailableError
		schema      *load.SchemaError
		guard       *pipeline.GuardError
		groups      *pipeline.GroupGuardError
		widening    *state.WideningError
		foreign     *pipeline.ForeignError
		budget      *pipeline.BudgetError
		plan        *pipeline.PlanError
		exists      *load.ExistsError
		drift       *pipeline.DriftError
		timeOver    *pipeline.TimeOver
	)
	switch {
	case errors.Is(err, errQuarantined):
		return exitQuarantined
	case errors.Is(err, errDiffers):
		return exitDiffers
	case errors.As(err, &timeOver): // before Canceled, which it is as well
		return exitTimeOver
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &drift): // before mapping: it wraps its findings
		return exitDrift
	case errors.As(err, &usage), errors.As(err, &mapping), errors.As(err, &mappings), errors.As(err, &schema), errors.As(err, &exists):
		return exitUsage
	case errors.As(err, &auth):
		return exitAuth
	case errors.As(err, &unavailable):
		return exitUnavailable
	case errors.As(err, &guard), errors.As(err, &groups), errors.As(err, &widening), errors.As(err, &foreign), errors.As(err, &budget), errors.As(err, &plan):
		return exitGuard
	case errors.Is(err, state.ErrLocked):
		return exitLocked
	}
	return exitFailed
}

// tell prints an error once, for people to stderr and, with --json, as a line
// to stdout as well.
func (a *app) tell(err error, code int) {
	fmt.Fprintf(a.stderr, "importer: %s\n", words(err))
	if a.json {
		a.printJSON(map[string]any{"type": "error", "version": jsonVersion, "message": words(err), "exit": code})
	}
}

// An interruptedError says what an interrupted command has left under way.
type interruptedError struct{ words string }

func (e interruptedError) Error() string { return e.words }
func (e interruptedError) Unwrap() error { return context.Canceled }

// words is the text of an error as a user meets it.
func words(err error) string {
	if told, ok := errors.AsType[interruptedError](err); ok {
		return told.words
	}
	if over, ok := errors.AsType[*pipeline.TimeOver](err); ok {
		return over.Error()
	}
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	var mappings transform.Errors
	var drift *pipeline.DriftError
	if errors.As(err, &mappings) && !errors.As(err, &drift) {
		var b strings.Builder
		for i, e := range mappings {
			if i > 0 {
				b.WriteString("\n")
			}
			b.WriteString(e.Error())
			if e.Excerpt != "" {
				b.WriteString("\n" + strings.TrimRight(e.Excerpt, "\n"))
			}
		}
		return b.String()
	}
	return err.Error()
}

// jsonVersion is the version of every JSON shape that this program prints. It
// changes when a key changes its meaning or goes; keys may be added.
const jsonVersion = 1

func (a *app) printJSON(v any) error {
	a.printing.Lock() // schedule prints from several goroutines
	defer a.printing.Unlock()
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
