package state

import (
	"fmt"
	"slices"
	"strings"
)

// A WideningError is a safety stop: items that were stored would be shown to
// more people, and the guard does not let so many. None of the batch was sent.
type WideningError struct {
	Widened, Most int64
	Sample        []string // ids
}

func (e *WideningError) Error() string {
	return fmt.Sprintf("safety stop: at least %d stored items would be seen by more people than before (everyone was granted them, or somebody is not denied them any more), and the guard lets %d; they were not sent. "+
		"Look whether that is meant; if it is, run again with --max-acl-widenings and a number. Some of them: %s",
		e.Widened, e.Most, strings.Join(e.Sample, ", "))
}

// guardWidenings counts the items of a batch that more people would see. It
// comes before the intent: what is stopped here leaves no trace, so that the
// next run finds it again.
func (s *Store) guardWidenings(entries []Entry, verdicts []Verdict) error {
	var sample []string
	n := s.widened
	for i := range verdicts {
		if verdicts[i].Widens {
			n++
			if len(sample) < 10 {
				sample = append(sample, entries[i].ID)
			}
		}
	}
	if s.MaxWidenings >= 0 && n > s.MaxWidenings && len(sample) > 0 {
		return &WideningError{n, s.MaxWidenings, sample}
	}
	s.widened = n
	return nil
}

// Widened is the number of items that this process has sent to more people
// than before.
func (s *Store) Widened() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.widened
}

// widens tells whether e is for more people than the target has the item for.
func (it *stored) widens(e *Entry) bool {
	if it.open < 0 || it.status == statusRejected {
		return false // the target does not have it, as far as is known
	}
	if e.Open > it.open {
		return true
	}
	if it.denies == "" || it.denies == e.Denies {
		return false
	}
	now := strings.Split(e.Denies, "\n")
	for d := range strings.SplitSeq(it.denies, "\n") {
		if !slices.Contains(now, d) {
			return true
		}
	}
	return false
}
