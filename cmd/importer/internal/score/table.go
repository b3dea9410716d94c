//go:build linux || darwin

package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A section is a table of figures.
type section struct {
	title string
	note  string
	rows  []figure
}

// A figure is one line of a table.
type figure struct {
	name   string
	value  float64
	better direction
	slack  float64 // how much worse it may become before that fails
	goal   string
}

// A direction says which way a figure is better.
type direction int

const (
	free    direction = iota // not guarded
	atLeast                  // more is better
	atMost                   // less is better
)

func (s *section) add(name string, value float64, better direction, slack float64, goal string) {
	s.rows = append(s.rows, figure{name, value, better, slack, goal})
}

// worse tells that the figure is worse than was, by more than its slack.
func (f figure) worse(was float64) bool {
	const rounding = 0.0006 // the table has three digits
	switch f.better {
	case atLeast:
		return f.value < was-f.slack-rounding
	case atMost:
		return f.value > was+f.slack+rounding
	}
	return false
}

// number prints a count as it is and a share with three digits.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) >= 2 || v == 0 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	if v >= 10 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

const tableHead = `# Scores

How well real files are read. Made by ` + "`make score`" + ` from a corpus that is no part of this repository; the test of
cmd/importer/internal/score fails when a figure becomes worse than it is here.
`

// render writes the sections as Markdown.
func render(sections []section) string { return merge("", sections) }

// merge is render, with the sections of a table that was there before and are
// not among the new ones. Those keep their place; new ones come last.
func merge(before string, sections []section) string {
	const sign = "\n## "
	made := map[string]string{}
	var titles []string
	for _, old := range strings.Split(before, sign)[1:] {
		title, body, _ := strings.Cut(old, "\n")
		made[title] = "\n" + strings.TrimRight(body, "\n") + "\n"
		made[title] = strings.Replace(made[title], "\n\n", "\n", 1)
		titles = append(titles, title)
	}
	for _, s := range sections {
		if _, known := made[s.title]; !known {
			titles = append(titles, s.title)
		}
		made[s.title] = s.body()
	}
	var b strings.Builder
	b.WriteString(tableHead)
	for _, title := range titles {
		b.WriteString(sign + title + "\n" + made[title])
	}
	return b.String()
}

// body is what stands below the section's title.
func (s *section) body() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n\n| figure | value | goal |\n|---|---|---|\n", s.note)
	for _, f := range s.rows {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", f.name, number(f.value), f.goal)
	}
	return b.String()
}

// parse gives the figures of a table by section and name.
func parse(text string) map[string]float64 {
	all := map[string]float64{}
	title := ""
	for line := range strings.Lines(text) {
		if t, ok := strings.CutPrefix(line, "## "); ok {
			title = strings.TrimSpace(t)
		}
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) < 2 || !strings.HasPrefix(cells[0], "| ") {
			continue
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(cells[1]), 64); err == nil {
			all[title+": "+strings.TrimPrefix(cells[0], "| ")] = v
		}
	}
	return all
}

// drops lists the guarded figures that have become worse than the table says,
// or do not stand in it.
func drops(sections []section, table map[string]float64) (bad []string) {
	for _, s := range sections {
		for _, f := range s.rows {
			was, known := table[s.title+": "+f.name]
			switch {
			case f.better == free:
			case !known:
				bad = append(bad, fmt.Sprintf("%s: %s is not in the table; run make score", s.title, f.name))
			case f.worse(was):
				bad = append(bad, fmt.Sprintf("%s: %s is %s, and was %s", s.title, f.name, number(f.value), number(was)))
			}
		}
	}
	return bad
}

func mean(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// quantile gives the value below which the share q of all lies.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return s[int(q*float64(len(s)-1))]
}

func share(v []float64, is func(float64) bool) float64 {
	n := 0
	for _, x := range v {
		if is(x) {
			n++
		}
	}
	return float64(n) / float64(max(1, len(v)))
}

// counts prints "a 3, b 1".
func counts(m map[string]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, m[k]))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
