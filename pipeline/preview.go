package pipeline

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"importer/extract"
	"importer/pipeline/state"
	"importer/transform"
)

// Check checks a mapping against its files, without a target: what run does
// before it writes anything.
func Check(ctx context.Context, m *transform.Mapping, dir string) error {
	store, err := state.OpenTemp(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	c := &Crawl{Mapping: m, Dir: dir, Store: store, Log: slog.New(slog.DiscardHandler)}
	run, err := store.BeginRun(ctx, [32]byte{}, false, time.Now())
	if err != nil {
		return err
	}
	rep := &Report{}
	if _, err := c.meet(ctx, run, rep); err != nil {
		return err
	}
	return c.check(ctx, run)
}

// Preview maps the records of one source in crawl order, and remembers
// nothing. Each pair is an item and nil, or nil and an error: of one record
// (*extract.RecordError, *transform.ItemError) or file (*extract.FileError),
// after which it goes on, or of the mapping (transform.Errors, *DriftError),
// which ends it. Records that the mapping filters out are passed over.
func Preview(ctx context.Context, dir string, src *transform.Source, log *slog.Logger) iter.Seq2[*transform.Item, error] {
	return func(yield func(*transform.Item, error) bool) {
		m := &transform.Mapping{Sources: []*transform.Source{src}}
		c := &Crawl{Mapping: m, Dir: dir, Log: log}
		any := false
		for f, err := range walk(ctx, dir, src) {
			if err != nil {
				if !yield(nil, err) {
					return
				}
				continue
			}
			any = true
			found := &state.Source{Found: state.Found{Name: src.Name, Path: f.rel, Size: f.info.Size(), Modified: f.info.ModTime()}}
			if !c.previewFile(ctx, found, src, yield) {
				return
			}
		}
		if !any && !src.Optional && ctx.Err() == nil {
			yield(nil, transform.Errors{c.nothing(src, 0)})
		}
	}
}

func (c *Crawl) previewFile(ctx context.Context, f *state.Source, src *transform.Source, yield func(*transform.Item, error) bool) bool {
	in, closeFile, err := c.open(f, src)
	if err != nil {
		return yield(nil, err)
	}
	defer closeFile()
	file := c.fileOf(f, src)
	opt := src.Options
	opt.Warn = func(p extract.Place, what string) { c.Log.Warn(p.String() + ": " + what) }
	for rec, err := range extract.Records(ctx, in, opt) {
		if err != nil {
			if !yield(nil, err) {
				return false
			}
			continue
		}
		rec.SetFile(file)
		item, err := src.Apply(rec)
		var wrong transform.Errors
		switch {
		case errors.Is(err, transform.ErrSkip):
			continue
		case errors.As(err, &wrong):
			yield(nil, err)
			return false
		}
		if !yield(item, err) {
			return false
		}
	}
	return ctx.Err() == nil
}

// An Extent is how much a mapping has to read.
type Extent struct {
	Files   int64
	Bytes   int64
	Largest int64 // bytes of the largest file
}

// Measure looks at the files of a mapping and opens none of them. Folders that
// cannot be looked at are passed over: Check tells of them.
func Measure(ctx context.Context, m *transform.Mapping, dir string) (Extent, error) {
	var e Extent
	for _, src := range m.Sources {
		for f, err := range walk(ctx, dir, src) {
			var walkErr *WalkError
			if errors.As(err, &walkErr) {
				continue
			}
			if err != nil {
				return e, err
			}
			e.Files++
			e.Bytes += f.info.Size()
			e.Largest = max(e.Largest, f.info.Size())
		}
	}
	return e, ctx.Err()
}
