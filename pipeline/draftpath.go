package pipeline

import (
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// patternOf gives a glob that matches these files and no other that lies
// beside them, but perhaps some of a list; "" where there is none that a
// person would write.
func patternOf(files, perhaps []string) string {
	if len(files) == 1 {
		return escapePattern(files[0])
	}
	dir := commonFolder(files...)
	rels := make([]string, len(files))
	deep := false
	for i, f := range files {
		rels[i] = strings.TrimPrefix(strings.TrimPrefix(f, dir), "/")
		if dir == "." {
			rels[i] = f
		}
		deep = deep || strings.Contains(rels[i], "/")
	}
	ext := extensions(files)
	bases := make([]string, len(rels))
	for i, r := range rels {
		bases[i] = path.Base(r)
	}
	prefix := strings.TrimRight(commonPrefix(bases), "0123456789")
	var tries []string
	if deep {
		tries = append(tries, "**/*"+ext, "**/"+escapePattern(prefix)+"*"+ext)
	} else {
		tries = append(tries, "*"+ext, escapePattern(prefix)+"*"+ext)
	}
	if one := list(rels); one != "" {
		tries = append(tries, one)
	}
	for _, t := range tries {
		pattern := path.Join(escapePattern(dir), t)
		if dir == "." {
			pattern = t
		}
		if matchesOnly(pattern, files, perhaps) {
			return pattern
		}
	}
	return ""
}

// list writes the files one by one: {a,b}.csv.
func list(rels []string) string {
	if len(rels) > 50 || slices.ContainsFunc(rels, func(r string) bool { return strings.ContainsAny(r, `,{}*?[]\`) }) {
		return ""
	}
	ext := path.Ext(rels[0])
	for _, r := range rels {
		if path.Ext(r) != ext {
			ext = ""
		}
	}
	names := make([]string, len(rels))
	for i, r := range rels {
		names[i] = strings.TrimSuffix(r, ext)
	}
	return "{" + strings.Join(names, ",") + "}" + ext
}

// matchesOnly compares what a pattern finds with what it should find. Names
// that a walk passes over, and those of perhaps, do not count.
func matchesOnly(pattern string, files, perhaps []string) bool {
	found, err := doublestar.FilepathGlob(pattern, doublestar.WithFilesOnly())
	if err != nil {
		return false
	}
	n := 0
	for _, f := range found {
		f = path.Clean(strings.ReplaceAll(f, `\`, "/"))
		if hidden(f) || slices.Contains(perhaps, f) {
			continue
		}
		if !slices.Contains(files, f) {
			return false
		}
		n++
	}
	return n == len(files)
}

func hidden(p string) bool {
	return slices.ContainsFunc(strings.Split(p, "/"), func(part string) bool {
		return strings.HasPrefix(part, ".") && part != "." && part != ".." || strings.HasPrefix(part, "~$")
	})
}

// extensions gives the endings of the files as a pattern: .csv, .{csv,txt}.
func extensions(files []string) string {
	var exts []string
	for _, f := range files {
		if e := strings.TrimPrefix(path.Ext(f), "."); !slices.Contains(exts, e) {
			exts = append(exts, e)
		}
	}
	slices.Sort(exts)
	if len(exts) == 1 {
		if exts[0] == "" {
			return ""
		}
		return "." + exts[0]
	}
	return ".{" + strings.Join(exts, ",") + "}"
}

// commonFolder is the deepest folder that holds all files.
func commonFolder(files ...string) string {
	dir := path.Dir(files[0])
	for _, f := range files[1:] {
		for dir != "." && dir != "/" && !strings.HasPrefix(f, dir+"/") {
			dir = path.Dir(dir)
		}
	}
	return dir
}

func commonPrefix(names []string) string {
	prefix := names[0]
	for _, n := range names[1:] {
		for !strings.HasPrefix(n, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	return strings.ToValidUTF8(prefix, "")
}
