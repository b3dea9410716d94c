package transform

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// suggest says "did you mean" where one of the names is near, and otherwise
// lists them when they are few.
func suggest(name string, names []string) string {
	if best := nearest(name, names); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(names) == 0 {
		return "take it out"
	}
	if len(names) > 12 {
		return "known are " + strings.Join(names[:12], ", ") + " and " + fmt.Sprint(len(names)-12) + " more"
	}
	return "known are " + strings.Join(names, ", ")
}

// nearest finds the name that a mistyped one most likely stands for, or "".
func nearest(name string, names []string) string {
	best, bestCost := "", max(len(name)/3, 1)+1
	for _, n := range names {
		cost := distance(strings.ToLower(name), strings.ToLower(n))
		if cost < bestCost && cost < max(len(n), 2) {
			best, bestCost = n, cost
		}
	}
	return best
}

// distance counts the letters to insert, drop, change or swap.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 64 || len(y) > 64 {
		return 1 << 20
	}
	prev2, prev, cur := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(x); i++ {
		cur[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(y)]
}

func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
