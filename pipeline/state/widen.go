package state

import (
	"fmt"
	"slices"
	"strings"
)

// A Widening is a stored item that was sent to more people than before.
type Widening struct {
	ID  string `json:"item"`
	Why string `json:"why"` // for whom it is now
}

// A WideningError is a safety stop: items that were stored would be shown to
// more people, and the guard does not let so many. None of the batch was sent.
type WideningError struct {
	Widened, Most int64
	Sample        []Widening
}

func (e *WideningError) Error() string {
	s := fmt.Sprintf("safety stop: at least %d stored items would be seen by more people than before, and the guard lets %d; they were not sent. "+
		"Look whether that is meant; if it is, run again with --max-acl-widenings and a number. Some of them:", e.Widened, e.Most)
	for _, w := range e.Sample {
		s += fmt.Sprintf("\n  %s (%s)", w.ID, w.Why)
	}
	return s
}

const maxWideningSample = 20

// guardWidenings counts the items of a batch that more people would see, gives
// how many the run has with them, and the first. It comes before the intent:
// what is stopped here leaves no trace, so that the next run finds it again.
// The count is of the run, whatever process it is in, and is written with the
// intent; what was in flight when a process died is counted when it is sent
// again.
func (s *Store) guardWidenings(entries []Entry, verdicts []Verdict) (n int64, sample []Widening, err error) {
	n = s.widened
	for i := range verdicts {
		if why := verdicts[i].Widens; why != "" {
			n++
			if len(sample) < maxWideningSample {
				sample = append(sample, Widening{entries[i].ID, why})
			}
		}
	}
	if len(sample) > 0 && s.MaxWidenings >= 0 && n > s.MaxWidenings {
		return 0, nil, &WideningError{n, s.MaxWidenings, sample[:min(len(sample), 10)]}
	}
	return n, sample, nil
}

// Widened is the number of items that the run has sent to more people than
// before, and the first of those that this process has.
func (s *Store) Widened() (n int64, first []Widening) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.widened, slices.Clone(s.widenings)
}

// widens says for whom e is that could not see what the target has of it; ""
// is nobody, and nothing known.
func (it *stored) widens(e *Entry) string {
	if it.open < 0 {
		return "" // the target does not have it, as far as is known
	}
	if e.Open > it.open {
		return [...]string{"", "everyone but guests", "everyone"}[e.Open]
	}
	if it.denies == "" || it.denies == e.Denies {
		return ""
	}
	now := strings.Split(e.Denies, "\n")
	for d := range strings.SplitSeq(it.denies, "\n") {
		if !slices.Contains(now, d) {
			kind, who, _ := strings.Cut(d, ":")
			return fmt.Sprintf("%s %s, who was denied", kind, who)
		}
	}
	return ""
}
