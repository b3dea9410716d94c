package extract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// MaxSide is the most that a file of metadata may have, in bytes.
const MaxSide = 1 << 20

// A Side is the metadata that stands in a file of its own beside a document: a
// value by its name, which for a value inside of another is the names joined by
// dots ("owner.mail"). A value is a text, as it is spelled in the file, or a
// []string. What is null or empty is not there. A list of objects gives a list
// of each of their fields.
type Side map[string]any

// Keys are the spellings of a name in the metadata, which people write by hand:
// as it is first, then others in case alone ("Hidden" for hidden), in order.
func (s Side) Keys(name string) (keys []string) {
	for k := range s {
		if k != name && strings.EqualFold(k, name) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if _, ok := s[name]; ok {
		keys = slices.Insert(keys, 0, name)
	}
	return keys
}

// A SideError says what is wrong in a file of metadata. Line and Col are
// 1-based, 0 is not known.
type SideError struct {
	Line, Col int
	Detail    string
}

func (e *SideError) Error() string { return e.Detail }

// ReadSide reads a file of metadata: JSON where its name says so, else YAML. Its
// error is a *SideError. A key that stands there twice is one: which of the two
// counts would be a guess.
func ReadSide(name string, data []byte) (side Side, err error) {
	return readSide(name, data, &sideReader{side: Side{}})
}

// A SideSpot is where a value of metadata stands, both 1-based, the column in
// characters.
type SideSpot struct {
	Value     string
	Line, Col int
}

// SideSpots gives where the values of a file of metadata stand, by their names
// in its Side; it has none of a file that ReadSide refuses.
func SideSpots(name string, data []byte) map[string][]SideSpot {
	s := &sideReader{side: Side{}, spots: map[string][]SideSpot{}}
	if _, err := readSide(name, data, s); err != nil {
		return nil
	}
	return s.spots
}

func readSide(name string, data []byte, s *sideReader) (side Side, err error) {
	if len(data) > MaxSide {
		return nil, &SideError{Detail: fmt.Sprintf("it is over %s", byteWords(MaxSide))}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return nil, &SideError{Detail: "it is not UTF-8"}
	}
	if strings.HasSuffix(strings.ToLower(name), ".json") {
		err = s.json(data)
	} else {
		err = s.yaml(data)
	}
	if err != nil {
		return nil, err
	}
	return s.side, nil
}

type sideReader struct {
	side  Side
	depth int
	nodes int

	spots     map[string][]SideSpot // nil: not wanted
	line, col int                   // of the value that is put next
}

// Bounds of a hostile file: aliases of aliases grow without end.
const (
	maxSideDepth = 32
	maxSideNodes = 100_000
)

func (s *sideReader) enter() error {
	if s.depth++; s.depth > maxSideDepth {
		return &SideError{Detail: fmt.Sprintf("it is nested deeper than %d", maxSideDepth)}
	}
	return nil
}

func (s *sideReader) count() error {
	if s.nodes++; s.nodes > maxSideNodes {
		return &SideError{Detail: "it has more values than metadata can have"}
	}
	return nil
}

// put adds a value of a name; list tells that it stands in a list.
func (s *sideReader) put(name, value string, list bool) error {
	if strings.TrimSpace(value) == "" {
		return nil
	}
	if s.spots != nil {
		s.spots[name] = append(s.spots[name], SideSpot{value, s.line, s.col})
	}
	have, there := s.side[name]
	all, isList := have.([]string)
	switch {
	case list && (isList || !there):
		s.side[name] = append(all, value)
	case there: // once by its parts, and once with dots in its name
		return &SideError{Detail: fmt.Sprintf("the key %q stands there twice", name)}
	default:
		s.side[name] = value
	}
	return nil
}

func below(name, key string) string {
	if name == "" {
		return key
	}
	return name + "." + key
}

// json reads a JSON object token by token, so that numbers keep their spelling
// and repeated keys are seen.
func (s *sideReader) json(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	fail := func(err error) error {
		line, col := nextIn(data, dec)
		var own *SideError
		if !errors.As(err, &own) {
			detail := "it is no JSON: " + err.Error()
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				detail = "it is no JSON: it ends too early"
			}
			own = &SideError{Detail: detail}
		}
		if own.Line == 0 {
			own.Line, own.Col = line, col
		}
		return own
	}
	tok, err := dec.Token()
	if err != nil {
		return fail(err)
	}
	if tok != json.Delim('{') {
		return fail(&SideError{Detail: "it holds no object of names and values"})
	}
	j := sideJSON{s, dec, data}
	if err := j.object("", false); err != nil {
		return fail(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fail(&SideError{Detail: "something stands behind the object"})
	}
	return nil
}

// nextIn is the line and the column of what a decoder of data reads next.
func nextIn(data []byte, dec *json.Decoder) (line, col int) {
	at := int(dec.InputOffset()) // behind the last token
	for at < len(data) && strings.IndexByte(" \t\r\n:,", data[at]) >= 0 {
		at++
	}
	return bytes.Count(data[:at], []byte("\n")) + 1, utf8.RuneCount(data[bytes.LastIndexByte(data[:at], '\n')+1:at]) + 1
}

type sideJSON struct {
	*sideReader
	dec  *json.Decoder
	data []byte
}

func (s sideJSON) object(name string, list bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for s.dec.More() {
		tok, err := s.dec.Token()
		if err != nil {
			return err
		}
		key, _ := tok.(string)
		if seen[key] {
			return &SideError{Detail: fmt.Sprintf("the key %q stands there twice", key)}
		}
		seen[key] = true
		if err := s.value(below(name, key), list); err != nil {
			return err
		}
	}
	s.depth--
	_, err := s.dec.Token()
	return err
}

func (s sideJSON) value(name string, list bool) error {
	if err := s.count(); err != nil {
		return err
	}
	if s.spots != nil {
		s.line, s.col = nextIn(s.data, s.dec)
	}
	tok, err := s.dec.Token()
	if err != nil {
		return err
	}
	switch tok := tok.(type) {
	case json.Delim:
		if tok == '{' {
			return s.object(name, list)
		}
		if err := s.enter(); err != nil {
			return err
		}
		for s.dec.More() {
			if err := s.value(name, true); err != nil {
				return err
			}
		}
		s.depth--
		_, err := s.dec.Token()
		return err
	case string:
		return s.put(name, tok, list)
	case json.Number:
		return s.put(name, tok.String(), list)
	case bool:
		return s.put(name, fmt.Sprint(tok), list)
	}
	return nil
}

// yaml reads a YAML mapping from its syntax tree, so that 007 stays 007.
func (s *sideReader) yaml(data []byte) (err error) {
	defer func() { // the parser has panicked on malformed input before
		if p := recover(); p != nil {
			err = &SideError{Detail: "the YAML parser gave up on it; check the indentation, quotes and brackets"}
		}
	}()
	f, err := parser.ParseBytes(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), 0)
	if err != nil {
		wrong := &SideError{Detail: "it is no YAML: " + err.Error()}
		var ye yaml.Error
		if errors.As(err, &ye) {
			wrong.Detail = "it is no YAML: " + ye.GetMessage()
			if t := ye.GetToken(); t != nil && t.Position != nil {
				wrong.Line, wrong.Col = t.Position.Line, t.Position.Column
			}
		}
		return wrong
	}
	y := yamlSide{s, map[string]ast.Node{}}
	docs := slices.DeleteFunc(f.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	switch {
	case len(docs) == 0:
		return nil
	case len(docs) > 1:
		return y.fail(docs[1].Body, "it holds several documents")
	}
	switch docs[0].Body.(type) {
	case *ast.MappingNode, *ast.MappingValueNode, *ast.AnchorNode:
		return y.value(docs[0].Body, "", false)
	}
	return y.fail(docs[0].Body, "it holds no names and values")
}

type yamlSide struct {
	*sideReader
	anchors map[string]ast.Node
}

func (y yamlSide) fail(n ast.Node, format string, args ...any) error {
	e := &SideError{Detail: fmt.Sprintf(format, args...)}
	if t := n.GetToken(); t != nil && t.Position != nil {
		e.Line, e.Col = t.Position.Line, t.Position.Column
	}
	return e
}

func (y yamlSide) value(n ast.Node, name string, list bool) error {
	if err := y.count(); err != nil {
		return err
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		y.line, y.col = t.Position.Line, t.Position.Column
	}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.AnchorNode:
		y.anchors[n.Name.GetToken().Value] = n.Value
		return y.value(n.Value, name, list)
	case *ast.AliasNode:
		to, ok := y.anchors[n.Value.GetToken().Value]
		if !ok {
			return y.fail(n, "there is no anchor %q before this", n.Value.GetToken().Value)
		}
		if err := y.enter(); err != nil {
			return err
		}
		defer func() { y.depth-- }()
		return y.value(to, name, list)
	case *ast.TagNode:
		return y.value(n.Value, name, list)
	case *ast.MappingNode:
		return y.object(n.Values, name, list)
	case *ast.MappingValueNode:
		return y.object([]*ast.MappingValueNode{n}, name, list)
	case *ast.SequenceNode:
		if err := y.enter(); err != nil {
			return err
		}
		for _, v := range n.Values {
			if err := y.value(v, name, true); err != nil {
				return err
			}
		}
		y.depth--
	case *ast.LiteralNode:
		return y.put(name, n.Value.Value, list)
	case *ast.StringNode:
		return y.put(name, n.Value, list)
	case ast.ScalarNode:
		return y.put(name, n.GetToken().Value, list)
	default:
		return y.fail(n, "this is no value")
	}
	return nil
}

func (y yamlSide) object(values []*ast.MappingValueNode, name string, list bool) error {
	if err := y.enter(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, kv := range values {
		if _, merge := kv.Key.(*ast.MergeKeyNode); merge {
			return y.fail(kv.Key, "<< is not for metadata; write the values out")
		}
		key := kv.Key.GetToken().Value
		if str, ok := kv.Key.(*ast.StringNode); ok {
			key = str.Value
		}
		if seen[key] {
			return y.fail(kv.Key, "the key %q stands there twice", key)
		}
		seen[key] = true
		if err := y.value(kv.Value, below(name, key), list); err != nil {
			return err
		}
	}
	y.depth--
	return nil
}
