package transform

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"importer/extract"
)

// convertersFor lists the converters that files of a path may need, so that a
// new one is no change to sources of other files.
func (m *Mapping) convertersFor(p string) []extract.Converter {
	ending := func(name string) (ext string, sure bool) {
		ext = strings.ToLower(path.Ext(path.Base(name)))
		return ext, ext != "" && !strings.ContainsAny(ext, "*?[{\\")
	}
	ext, sure := ending(p)
	if !sure {
		return m.converters
	}
	var some []extract.Converter
	for _, c := range m.converters {
		if own, sure := ending(c.Match); !sure || own == ext {
			some = append(some, c)
		}
	}
	return some
}

// readConverters reads the programs that all sources share.
func (m *Mapping) readConverters(f field) {
	for i, n := range m.doc.list(f.value) {
		what := fmt.Sprintf("converter %d", i+1)
		s, ok := m.doc.section(n, "converter", what)
		if !ok {
			continue
		}
		c := extract.Converter{Match: s.text("match"), Command: s.texts("command"), Time: s.duration("time"), Memory: s.size("memory"), Size: s.size("size")}
		if s.has("output") {
			c.Output = s.word("converter", "output")
		}
		if err := c.Check(); err != nil && s.has("match") && s.has("command") {
			m.doc.errorf(s.pos, "see converters in mappings/README.md", "%s: %v", what, err)
		}
		// A program in a folder is one of the mapping's; others are in PATH.
		if len(c.Command) > 0 && strings.Contains(c.Command[0], "/") && !filepath.IsAbs(c.Command[0]) {
			if abs, err := filepath.Abs(filepath.Join(filepath.Dir(m.doc.file), c.Command[0])); err == nil {
				c.Command[0] = abs
			}
		}
		m.converters = append(m.converters, c)
	}
}
