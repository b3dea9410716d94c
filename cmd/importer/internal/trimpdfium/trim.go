package main

import (
	"errors"
	"fmt"
)

// The parts of a WebAssembly module that matter here, by their numbers (core
// specification, 5.5).
const (
	sectionImport   = 2
	sectionGlobal   = 6
	sectionExport   = 7
	sectionStart    = 8
	sectionElements = 9
	sectionCode     = 10

	kindFunction = 0
)

var magic = []byte("\x00asm\x01\x00\x00\x00")

// A section is a part of a module with its content, in the module's order.
type section struct {
	id   byte
	body []byte
}

// trim gives a module that exports only what keep says, and in which no function
// has a body that nothing can reach: from its exports, its tables of functions
// and its start. Functions keep their numbers; one without a body traps.
func trim(module []byte, keep func(name string) bool) (_ []byte, err error) {
	defer func() {
		if bad, ok := recover().(malformed); ok {
			err = errors.New(string(bad))
		}
	}()
	sections := parse(module)
	g := &callGraph{}
	var roots []uint32
	for i := range sections {
		r := &reader{b: sections[i].body}
		switch sections[i].id {
		case sectionImport:
			g.imported = countFunctions(r)
		case sectionGlobal:
			for range r.count() {
				r.valueType()
				r.byte() // whether it changes
				roots = append(roots, r.expression()...)
			}
			r.end()
		case sectionExport:
			var kept []uint32
			sections[i].body, kept = trimExports(r, keep)
			roots = append(roots, kept...)
		case sectionStart:
			roots = append(roots, r.number())
			r.end()
		case sectionElements:
			roots = append(roots, elements(r)...)
		case sectionCode:
			for range r.count() {
				g.bodies = append(g.bodies, r.bytes(r.number()))
			}
			r.end()
		}
	}
	used := g.reach(roots)
	for i := range sections {
		if sections[i].id == sectionCode {
			sections[i].body = g.code(used)
		}
	}
	out := append([]byte{}, magic...)
	for _, s := range sections {
		out = append(appendNumber(append(out, s.id), len(s.body)), s.body...)
	}
	return out, nil
}

func parse(module []byte) (sections []section) {
	r := &reader{b: module}
	if string(r.bytes(uint32(len(magic)))) != string(magic) {
		panic(malformed("this is no WebAssembly module"))
	}
	for r.at < len(r.b) {
		id := r.byte()
		sections = append(sections, section{id, r.bytes(r.number())})
	}
	return sections
}

// countFunctions is how many functions are imported: they are numbered first.
func countFunctions(r *reader) (n int) {
	for range r.count() {
		module, name := r.bytes(r.number()), r.bytes(r.number())
		if kind := r.byte(); kind != kindFunction {
			panic(malformed(fmt.Sprintf("%s.%s is imported and no function", module, name)))
		}
		r.number() // its type
		n++
	}
	r.end()
	return n
}

func trimExports(r *reader, keep func(string) bool) (body []byte, functions []uint32) {
	n := 0
	for range r.count() {
		name := r.bytes(r.number())
		kind, what := r.byte(), r.number()
		if !keep(string(name)) {
			continue
		}
		n++
		body = append(append(appendNumber(body, len(name)), name...), kind)
		body = appendNumber(body, int(what))
		if kind == kindFunction {
			functions = append(functions, what)
		}
	}
	r.end()
	return append(appendNumber(nil, n), body...), functions
}

// elements are the functions in tables: who calls through a table may call any.
func elements(r *reader) (functions []uint32) {
	for range r.count() {
		if form := r.number(); form != 0 {
			panic(malformed(fmt.Sprintf("elements of form %d are not known here", form)))
		}
		functions = append(functions, r.expression()...) // where they go
		for range r.count() {
			functions = append(functions, r.number())
		}
	}
	r.end()
	return functions
}

// A callGraph has the functions of a module, of which the imported ones come
// first and have no bodies.
type callGraph struct {
	imported int
	bodies   [][]byte
}

// reach tells which bodies can be reached from some functions.
func (g *callGraph) reach(roots []uint32) []bool {
	used := make([]bool, len(g.bodies))
	for len(roots) > 0 {
		last := len(roots) - 1
		i := int(roots[last]) - g.imported
		roots = roots[:last]
		if i >= len(g.bodies) {
			panic(malformed("a function is called that does not exist"))
		}
		if i < 0 || used[i] {
			continue
		}
		used[i] = true
		r := &reader{b: g.bodies[i]}
		for range r.count() { // local variables
			r.number()
			r.valueType()
		}
		roots = append(roots, r.expression()...)
		r.end()
	}
	return used
}

// code is the section of bodies; those that are not used only trap.
func (g *callGraph) code(used []bool) []byte {
	const unreachable, end = 0x00, 0x0b
	trap := []byte{0, unreachable, end} // no local variables
	out := appendNumber(nil, len(g.bodies))
	for i, body := range g.bodies {
		if !used[i] {
			body = trap
		}
		out = append(appendNumber(out, len(body)), body...)
	}
	return out
}

// appendNumber writes a number as LEB128.
func appendNumber(b []byte, n int) []byte {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}
