// Gen writes the sample data under samples/: four collections that look like
// what people really have, in the dialects, encodings and languages in which
// they have it, each with a few records that are wrong on purpose.
//
//	go run ./samples/gen -o samples
//
// The nouns: a tree is the set of files that one run makes, a fault is one
// deliberately bad record or file, a voice is the vocabulary of a language.
//
// The output is a function of this program alone: the random numbers have a
// fixed seed and their own generator, no clock is read, nothing is taken from
// a map in map order. TestCommittedFilesAreCurrent holds the committed files
// to it, so change the program, never the files.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("o", "samples", "write the files below this `folder`")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	t, err := generate()
	if err == nil {
		err = t.write(*dir)
	}
	if err != nil {
		fmt.Fprintln(stderr, "gen:", err)
		return 1
	}
	fmt.Fprintf(stdout, "%d files, %d bytes, %d deliberate faults below %s\n", len(t.files), t.size(), len(t.faults), *dir)
	return 0
}

// generate makes all files in memory: they are small.
func generate() (*tree, error) {
	t := newTree()
	for _, part := range []func(*tree) error{helpdesk, contracts, website, catalogue} {
		if err := part(t); err != nil {
			return nil, err
		}
	}
	t.add("README.md", readme(t))
	// Without this git would change line ends on some machines, and with them
	// the dialects that the files are there to show.
	t.add(".gitattributes", []byte("* -text\n"))
	return t, nil
}

// write puts the files below dir. It leaves other files alone: the golden
// want.jsonl files live among the samples.
func (t *tree) write(dir string) error {
	for _, name := range t.names() {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, t.files[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}
