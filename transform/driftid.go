package transform

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// IDs are ids of a source with what they stand for. Of many the ones with the
// smallest hashes are kept: the same ones, whichever files they stand in, so
// that two sets can be compared.
type IDs map[uint64]IDTitle // by the hash of the id

// An IDTitle is what an id stands for.
type IDTitle struct {
	title uint64 // hash of the title; 0 is none
	key   string // the id; "" once it was written down
}

const (
	keptIDs   = 512
	enoughIDs = 20 // ids in common from which reuse is judged
)

// Add adds an item of the source; twice tells that its id was there.
func (ids IDs) Add(s *Source, it *Item) (twice bool) {
	h := hashText(it.ID)
	if _, twice = ids[h]; twice {
		return true
	}
	ids[h] = IDTitle{title: s.titleHash(it), key: it.Origin.Key}
	return false
}

// titleHash is the hash of the property that is labelled title. Without one,
// nothing tells what an id stands for.
func (s *Source) titleHash(it *Item) uint64 {
	for i := range s.m.Schema {
		if !slices.Contains(s.m.Schema[i].Labels, "title") {
			continue
		}
		for j := range it.Properties {
			if p := &it.Properties[j]; p.Name == s.m.Schema[i].Name {
				return hashText(trim(p.Value.Str))
			}
		}
	}
	return 0
}

// Names identifies how the source makes the ids and titles of its items. When
// the mapping changes that, those of before tell nothing of the files.
func (s *Source) Names() string {
	var c canon
	c.expr(s.def.id)
	for i := range s.def.props {
		if p := &s.def.props[i]; slices.Contains(p.def.Labels, "title") {
			c.str(p.def.Name)
			c.expr(p.x)
		}
	}
	sum := sha256.Sum256(c.b)
	return hex.EncodeToString(sum[:8])
}

// Reused tells of ids that stand for something else than before: a sentence,
// or "". Titles are corrected now and then, but not half of them at once.
func (ids IDs) Reused(was IDs) string {
	common, other, example := 0, 0, ""
	for h, now := range ids {
		before, there := was[h]
		if !there || before.title == 0 || now.title == 0 {
			continue
		}
		common++
		if before.title != now.title {
			if other++; example == "" || now.key < example {
				example = now.key
			}
		}
	}
	if common < enoughIDs || other*2 <= common {
		return ""
	}
	return fmt.Sprintf("ids are used again for other records: of %d ids that were there before, %d have another title now, such as %s", common, other, quoted(oneLine(example)))
}

// Merge adds others, which count where both have one, and keeps as many as are
// written down.
func (ids IDs) Merge(others IDs) IDs {
	all := maps.Clone(ids)
	if all == nil {
		all = IDs{}
	}
	maps.Copy(all, others)
	if len(all) > keptIDs {
		for _, h := range slices.Sorted(maps.Keys(all))[keptIDs:] {
			delete(all, h)
		}
	}
	return all
}

// MarshalText writes pairs of hashes, sorted.
func (ids IDs) MarshalText() ([]byte, error) {
	buf := make([]byte, 0, 16*len(ids))
	for _, h := range slices.Sorted(maps.Keys(ids)) {
		buf = binary.BigEndian.AppendUint64(buf, h)
		buf = binary.BigEndian.AppendUint64(buf, ids[h].title)
	}
	return []byte(base64.RawStdEncoding.EncodeToString(buf)), nil
}

var errIDs = errors.New("a sample of ids is damaged")

func (ids *IDs) UnmarshalText(text []byte) error {
	buf, err := base64.RawStdEncoding.DecodeString(string(text))
	if err != nil || len(buf)%16 != 0 || len(buf)/16 > keptIDs {
		return errIDs
	}
	*ids = IDs{}
	for ; len(buf) > 0; buf = buf[16:] {
		(*ids)[binary.BigEndian.Uint64(buf)] = IDTitle{title: binary.BigEndian.Uint64(buf[8:])}
	}
	return nil
}
