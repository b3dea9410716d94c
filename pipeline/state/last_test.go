package state

import "testing"

// A run dies when the later of two records was sent and what comes before it was
// not settled. When it is taken up, the earlier record does not go over it, be it
// that its file has it only now, or that it could not be read the first time.
func TestALaterRecordThatWasSentStays(t *testing.T) {
	for _, tt := range []struct {
		name   string
		later  []string // records of b.csv, the last of which is sent
		change func(w *world)
		file   int // that has the earlier record, as its last or only
	}{
		{"in another file", []string{"b0=x", "b1=x", "id=later"}, func(w *world) { w.write("a.csv", "a0=x", "id=earlier") }, 0},
		{"in the same file", []string{"id=earlier", "b1=x", "id=later"}, func(*world) {}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.write("a.csv", "a0=x")
			w.write("b.csv", tt.later...)
			files := w.begin()
			w.s.LastWins = true
			seq, entries, verdicts := w.admit(files[0], 0, 1)
			w.settle(files[0], seq, entries, verdicts, true)
			w.admit(files[1], 1, 2) // on its way for ever, and nothing of the first record is known
			seq, entries, verdicts = w.admit(files[1], 2, 3)
			w.must(w.s.Settle(t.Context(), seq, []Outcome{{Entry: &entries[0], Verdict: verdicts[0]}}, nil, nil, nil))
			w.kill()
			tt.change(w)
			files = w.begin()
			w.s.LastWins = true
			all := map[string][]Kind{}
			for i, src := range files {
				if src.Skip {
					continue
				}
				_, entries, verdicts := w.admit(src, int(src.Resume), len(w.files[src.Path]))
				for n, v := range verdicts {
					all[entries[n].ID] = append(all[entries[n].ID], v.Kind)
					if entries[n].ID == "id" && v.Kind == Duplicate && (w.s.Sends(v) || i != tt.file) {
						t.Errorf("record %d of %s would go over the later one", n, src.Path)
					}
				}
			}
			check(t, "both records", all["id"], []Kind{Duplicate, Unchanged})
		})
	}
}
