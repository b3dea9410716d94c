package pipeline

import (
	"fmt"

	"importer/transform"
)

// A BudgetError is a safety stop: so many records were refused that the run is
// failing at everything. What was settled stays; the next run goes on.
type BudgetError struct{ What string }

func (e *BudgetError) Error() string {
	return "safety stop: " + e.What + "; nothing was deleted. Look at what is in quarantine (importer quarantine) and mend the mapping or the files, then run again; --max-errors none goes on all the same"
}

// A budget counts the records that are refused, in crawl order.
type budget struct {
	transform.Budget
	total, row int
	last       []bool // the last 100, a ring
	next, bad  int
}

const budgetWindow = 100

func newBudget(b transform.Budget) budget { return budget{Budget: b} }

// note counts one record and returns what the budget says to it.
func (b *budget) note(refused bool) error {
	if refused {
		b.total++
		b.row++
	} else {
		b.row = 0
	}
	if b.Share > 0 {
		b.remember(refused)
	}
	switch {
	case !refused:
	case b.Total > 0 && b.total > b.Total:
		return &BudgetError{fmt.Sprintf("more than %d records were refused", b.Total)}
	case b.Row > 0 && b.row >= b.Row:
		return &BudgetError{fmt.Sprintf("%d records in a row were refused", b.row)}
	case b.Share > 0 && len(b.last) == budgetWindow && float64(b.bad) > b.Share*budgetWindow:
		return &BudgetError{fmt.Sprintf("%d of the last %d records were refused, and the budget is %g %%", b.bad, budgetWindow, b.Share*100)}
	}
	return nil
}

func (b *budget) remember(refused bool) {
	if len(b.last) < budgetWindow {
		b.last = append(b.last, refused)
	} else {
		if b.last[b.next] {
			b.bad--
		}
		b.last[b.next] = refused
		b.next = (b.next + 1) % budgetWindow
	}
	if refused {
		b.bad++
	}
}
