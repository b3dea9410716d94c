// Command runclients runs Graph clients of others against importer serve and
// prints a table. It fails when one of them fails, or cannot be run.
//
//	make clients
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"text/tabwriter"
	"time"

	"importer/cmd/importer/internal/clients"
)

func main() {
	var opt clients.Options
	flag.StringVar(&opt.Importer, "bin", "bin/importer", "the program, as make build makes it")
	flag.StringVar(&opt.Source, "source", "cmd/importer/testdata/clients", "`folder` of the clients")
	flag.StringVar(&opt.Cache, "cache", "", "`folder` for their packages; default is in the user's cache folder")
	quiet := flag.Bool("q", false, "only the table")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if !*quiet {
		opt.Log = os.Stderr
	}
	if !run(ctx, opt, flag.Args(), os.Stdout, os.Stderr) {
		os.Exit(1)
	}
}

// run runs the clients of those names, or all, and tells whether all is well.
func run(ctx context.Context, opt clients.Options, names []string, stdout, stderr io.Writer) bool {
	good := true
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "client\tversion\tsteps\tseconds\tresult")
	for _, c := range chosen(names) {
		fmt.Fprintf(stderr, "== %s\n", c.Product)
		began := time.Now()
		report, err := one(ctx, c, opt)
		result := "ok"
		var missing *clients.MissingError
		switch {
		case errors.As(err, &missing):
			result = "not run: " + missing.What
		case err != nil:
			result = "failed"
			fmt.Fprintln(stderr, err)
		}
		good = good && err == nil
		fmt.Fprintf(table, "%s\t%s\t%d\t%.0f\t%s\n", c.Product, report.Version, report.Steps, time.Since(began).Seconds(), result)
	}
	table.Flush()
	return good
}

func chosen(names []string) (list []clients.Client) {
	for _, c := range clients.All {
		take := len(names) == 0
		for _, name := range names {
			take = take || name == c.Name
		}
		if take {
			list = append(list, c)
		}
	}
	return list
}

func one(ctx context.Context, c clients.Client, opt clients.Options) (clients.Report, error) {
	installed, err := clients.Install(ctx, c, opt)
	if err != nil {
		return clients.Report{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	return installed.Run(ctx)
}
