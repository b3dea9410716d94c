package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"path"
	"slices"
	"strings"

	"importer/extract"
	"importer/pipeline/state"
	"importer/transform"
)

// What of a source is mapped to find what is odd in it.
const (
	lintBytes   = 16 << 20 // of its tables
	lintRecords = 20_000
	lintFiles   = 200
	lintDear    = 20 // of them documents that are dear to read
)

// Lint maps a part of the records of a checked mapping and tells what no run
// would stop for and nobody wants: see transform.Lint. Its error is ctx's.
func Lint(ctx context.Context, m *transform.Mapping, dir string) (transform.Errors, error) {
	found := m.Lint()
	c := &Crawl{Mapping: m, Dir: dir, Log: slog.New(slog.DiscardHandler)}
	for _, src := range m.Sources {
		l := src.Lint()
		files, dear, budget := 0, 0, int64(lintBytes)
		for f, err := range walk(ctx, dir, src) {
			var walkErr *WalkError
			if errors.As(err, &walkErr) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if files == lintFiles || l.Records() >= lintRecords {
				break
			}
			if !isTable(f.rel, src) && !slices.Contains(extract.HTML.Exts, strings.ToLower(path.Ext(f.rel))) {
				if dear++; dear > lintDear {
					continue
				}
			}
			files++
			part := max(driftFew, budget/4)
			budget -= min(part, f.info.Size())
			c.lintFile(ctx, &state.Source{Found: state.Found{Name: src.Name, Path: f.rel, Size: f.info.Size(), Modified: f.info.ModTime()}}, src, part, l)
		}
		found = append(found, l.Findings()...)
	}
	return found, context.Cause(ctx)
}

// lintFile maps some records of a file. What is wrong with the file itself is
// for the run to tell.
func (c *Crawl) lintFile(ctx context.Context, f *state.Source, src *transform.Source, part int64, l *transform.Lint) {
	in, closeFile, err := c.open(f, src)
	if err != nil {
		return
	}
	defer closeFile()
	file := c.fileOf(f, src)
	opt := src.Options
	opt.Warn = nil
	for rec, err := range extract.Sample(ctx, in, opt, extract.Portion{Bytes: part, Rows: lintRecords}, func() {}) {
		if err != nil {
			continue
		}
		rec.SetFile(file)
		if l.Add(rec); l.Records() >= lintRecords {
			return
		}
	}
}
