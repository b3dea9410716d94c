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

// ErrLeftOut tells of a record that somebody has left out on purpose.
var ErrLeftOut = errors.New("the record is left out on purpose, by an export of the quarantine")

// Remake makes an item from its record again, by the mapping, the file and the
// fixes as they are now, and what is known of names; mended tells that a fix was
// used. part counts the file's records from 0. The errors are those of Preview
// and ErrLeftOut, or say that there is no such record any more.
func Remake(ctx context.Context, store *state.Store, m *transform.Mapping, dir, source, path string, part int64) (it *transform.Item, mended bool, err error) {
	src, rec, mended, err := recordAt(ctx, store, m, dir, source, path, part)
	if err != nil {
		return nil, mended, err
	}
	known, err := knownPeople(ctx, store)
	if err != nil {
		return nil, mended, err
	}
	it, err = src.ApplyWith(rec, known)
	return it, mended, err
}

// recordAt reads a record again, with the values of its fix, if it has one:
// then mended is set.
func recordAt(ctx context.Context, store *state.Store, m *transform.Mapping, dir, source, path string, part int64) (src *transform.Source, rec extract.Record, mended bool, err error) {
	c := &Crawl{Mapping: m, Dir: dir, Store: store, Log: slog.New(slog.DiscardHandler)}
	if src = c.source(source); src == nil {
		return nil, rec, false, fmt.Errorf("the mapping has no source %q any more", source)
	}
	refs, err := store.FixesOf(ctx, source, path)
	if err != nil {
		return nil, rec, false, err
	}
	f := &state.Source{Found: state.Found{Name: source, Path: path}}
	full := c.full(f, src)
	info, err := os.Stat(full)
	if err != nil {
		return nil, rec, false, fmt.Errorf("%s: cannot be opened (%w)", filepath.ToSlash(full), cause(err))
	}
	f.Size, f.Modified = info.Size(), info.ModTime()
	in, closeFile, err := c.open(f, src)
	if err != nil {
		return nil, rec, false, err
	}
	defer closeFile()
	r := &reader{c: c, ctx: ctx, chunk: &chunk{file: f, src: src}, fixes: newFixes(refs, nil)}
	var at int64
	for rec, err := range extract.Records(ctx, in, src.Options) {
		var bad *extract.RecordError
		if err != nil && !errors.As(err, &bad) {
			return nil, rec, false, err
		}
		hit := r.fixes.meet(r.keep(rec, bad))
		if at < part {
			at++
			continue
		}
		switch {
		case hit.own != nil && hit.own.LeaveOut:
			return nil, rec, false, ErrLeftOut
		case hit.own != nil:
			now, err := store.FixRecord(ctx, hit.own.ID)
			if err != nil {
				return nil, rec, false, err
			}
			rec, mended = withValues(rec, bad, now), true
		case bad != nil:
			return nil, rec, false, bad
		}
		rec.SetFile(c.fileOf(f, src))
		return src, rec, mended, nil
	}
	return nil, rec, false, fmt.Errorf("%s has no such record any more: it has %d", filepath.ToSlash(full), at)
}
