package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"importer/extract"
	"importer/pipeline/state"
	"importer/transform"
)

// A beside is the file of metadata beside a file.
type beside struct {
	path string // "" when there is none
	data []byte
	err  error // why it cannot be read
}

// besideOf reads the file of metadata beside a file. Of two of them either
// would be a guess.
func besideOf(src *transform.Source, full string) (b beside) {
	for _, end := range src.Sidecar {
		path := full + end
		data, err := readBeside(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case b.path != "":
			b.err = fmt.Errorf("both %s and %s are there; take one away", filepath.ToSlash(b.path), filepath.Base(path))
			return b
		}
		b.path, b.data = path, data
		if err != nil {
			b.err = fmt.Errorf("%s cannot be read: %w", filepath.ToSlash(path), cause(err))
		}
	}
	return b
}

// readBeside reads no more than metadata can have, and a byte.
func readBeside(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for ever
		return nil, errors.New("it is no file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, extract.MaxSide+1))
}

// side parses it. A nil Side means that there is none.
func (b beside) side() (extract.Side, error) {
	if b.err != nil || b.path == "" {
		return nil, b.err
	}
	side, err := extract.ReadSide(b.path, b.data)
	if err == nil {
		return side, nil
	}
	at := filepath.ToSlash(b.path)
	if wrong, ok := errors.AsType[*extract.SideError](err); ok && wrong.Line > 0 {
		at = fmt.Sprintf("%s:%d:%d", at, wrong.Line, max(wrong.Col, 1))
	}
	return nil, fmt.Errorf("%s: %w", at, err)
}

// at is where a value of a name stands, or the first one of the name; of one
// that is not there it is the file alone, and of a file that is not there
// nothing.
func (b beside) at(name, value string) extract.Place {
	if b.path == "" {
		return extract.Place{}
	}
	p := extract.Place{File: filepath.ToSlash(b.path)}
	for i, spot := range extract.SideSpots(b.path, b.data)[name] {
		if i == 0 || spot.Value == value {
			p.Line, p.Col = spot.Line, spot.Col
		}
		if spot.Value == value {
			break
		}
	}
	return p
}

// sum identifies the metadata; "" when there is none.
func (b beside) sum() string {
	if b.path == "" {
		return ""
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%v\n", filepath.Base(b.path), b.err)
	h.Write(b.data)
	return hex.EncodeToString(h.Sum(nil))
}

// besides makes the metadata beside files, and the files' own permissions, a
// part of what decides whether they are read again.
func (c *Crawl) besides(ctx context.Context, found []state.Found) error {
	var g errgroup.Group
	g.SetLimit(max(c.Readers, 1))
	for i := range found {
		f := &found[i]
		src := c.source(f.Name)
		c.noteFolder(f)
		if f.Digest != c.digestOf(src) { // held: it is as it was
			continue
		}
		if len(src.Sidecar) == 0 && !src.TakesOver() {
			continue
		}
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			f.Digest = c.surroundings(f.Digest, src, f.Path)
			return nil
		})
	}
	return g.Wait()
}

// surroundings adds what stands around a file to what decides what its records
// become.
func (c *Crawl) surroundings(digest [32]byte, src *transform.Source, rel string) [32]byte {
	full := c.full(&state.Source{Found: state.Found{Path: rel}}, src)
	return withBeside(withAccess(digest, src, rel, c.accessOf(src, rel)), besideOf(src, full))
}

func withBeside(digest [32]byte, b beside) [32]byte {
	sum := b.sum()
	if sum == "" {
		return digest
	}
	return sha256.Sum256(append(digest[:], sum...))
}

// isBeside tells whether a file is the metadata of another one that is there.
func isBeside(src *transform.Source, full string) bool {
	for _, end := range src.Sidecar {
		if of, ok := strings.CutSuffix(full, end); ok {
			if info, err := os.Stat(of); err == nil && !info.IsDir() {
				return true
			}
		}
	}
	return false
}
