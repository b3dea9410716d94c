package transform

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
)

// WithConnection gives the text of a mapping with another id of its connection:
// comments, order and everything else stay. src is the text of the mapping in
// file. Its errors say what to do by hand.
func WithConnection(file string, src []byte, id string) ([]byte, error) {
	if what, remedy := ConnectionIDFault(id); what != "" {
		return nil, fmt.Errorf("%s; %s", what, remedy)
	}
	m, err := parse(file, src)
	if err != nil {
		return nil, err
	}
	old := m.Connection.ID
	// The id stands behind connection:, in a line of its own or in braces. What
	// the expression finds is held against what the mapping then says.
	for _, at := range regexp.MustCompile(`\bid:\s*["']?(`+regexp.QuoteMeta(old)+`)\b`).FindAllSubmatchIndex(src, -1) {
		text := bytes.Join([][]byte{src[:at[2]], []byte(id), src[at[3]:]}, nil)
		now, err := parse(file, text)
		if err == nil && now.Connection.ID == id && sameSources(m, now) {
			return text, nil
		}
	}
	return nil, errors.New("the connection's id is not written out in the mapping: change it by hand, and run the mapping")
}

// sameSources tells that two mappings make the same items.
func sameSources(a, b *Mapping) bool {
	if len(a.Sources) != len(b.Sources) {
		return false
	}
	for i := range a.Sources {
		if a.Sources[i].Digest() != b.Sources[i].Digest() {
			return false
		}
	}
	return true
}
