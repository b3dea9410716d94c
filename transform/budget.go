package transform

import (
	"fmt"
	"strconv"
	"strings"
)

// A Budget says how many records may be refused before a run stops, because it
// is failing at everything. Zero fields set no limit.
type Budget struct {
	Total int     // of the whole run
	Row   int     // one after the other
	Share float64 // of the last 100, of 1
	Set   bool    // somebody has said so; else the default holds
}

// defaultRow lets a file of some hundred bad records through, and ends a run
// into a target that takes nothing within a minute.
const defaultRow = 1000

// Or gives b where it is set, else the other, else the default.
func (b Budget) Or(other Budget) Budget {
	switch {
	case b.Set:
		return b
	case other.Set:
		return other
	}
	return Budget{Row: defaultRow, Set: true}
}

// ParseBudget reads a budget as a flag has it: "none", "500" (in all), or a list
// such as "total=5000,consecutive=100,share=15%".
func ParseBudget(s string) (Budget, error) {
	b := Budget{Set: true}
	s = strings.ReplaceAll(s, " ", "")
	if s == "none" {
		return b, nil
	}
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		b.Total = n
		return b, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		name, value, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(value)
		switch good := err == nil && n > 0; {
		case name == "total" && good:
			b.Total = n
		case name == "consecutive" && good:
			b.Row = n
		case name == "share" && parseShare(value, &b.Share):
		default:
			return Budget{}, fmt.Errorf("%q is neither none, nor a number such as 500, nor a list such as total=5000,consecutive=100,share=15%%", s)
		}
	}
	return b, nil
}

// parseShare reads a percentage between 0 and 100.
func parseShare(s string, share *float64) bool {
	num, ok := strings.CutSuffix(strings.TrimSpace(s), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
	if !ok || err != nil || !(f > 0 && f <= 100) {
		return false
	}
	*share = f / 100
	return true
}
