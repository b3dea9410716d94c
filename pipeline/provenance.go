package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"importer/extract"
	"importer/pipeline/state"
	"importer/transform"
)

// MappingOf gives the path of the mapping that last filled a connection, "" if
// that is not known.
func MappingOf(ctx context.Context, store *state.Store) (string, error) {
	return store.Meta(ctx, metaMapping)
}

// FileOf is where a file of a source lies, given its path below the source's
// root; "" when the mapping has no such source.
func FileOf(m *transform.Mapping, dir, source, path string) string {
	c := &Crawl{Mapping: m, Dir: dir}
	src := c.source(source)
	if src == nil {
		return ""
	}
	return c.full(&state.Source{Found: state.Found{Path: path}}, src)
}

// Remake makes an item from its record again, by the mapping and the file as
// they are now. part counts the file's records from 0. The errors are those of
// Preview, or say that there is no such record any more.
func Remake(ctx context.Context, m *transform.Mapping, dir, source, path string, part int64) (*transform.Item, error) {
	c := &Crawl{Mapping: m, Dir: dir, Log: slog.New(slog.DiscardHandler)}
	src := c.source(source)
	if src == nil {
		return nil, fmt.Errorf("the mapping has no source %q any more", source)
	}
	f := &state.Source{Found: state.Found{Name: source, Path: path}}
	full := c.full(f, src)
	info, err := os.Stat(full)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be opened (%w)", filepath.ToSlash(full), cause(err))
	}
	f.Size, f.Modified = info.Size(), info.ModTime()
	in, closeFile, err := c.open(f, src)
	if err != nil {
		return nil, err
	}
	defer closeFile()
	var at int64
	for rec, err := range extract.Records(ctx, in, src.Options) {
		var bad *extract.RecordError
		if err != nil && (!errors.As(err, &bad) || at == part) {
			return nil, err
		}
		if at < part {
			at++
			continue
		}
		rec.File = c.fileOf(f, src)
		return src.Apply(rec)
	}
	return nil, fmt.Errorf("%s has no such record any more: it has %d", filepath.ToSlash(full), at)
}
