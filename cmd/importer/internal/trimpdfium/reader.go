package main

import "fmt"

// malformed is the panic of a reader, which trim makes an error.
type malformed string

// A reader takes a module apart.
type reader struct {
	b  []byte
	at int
}

func (r *reader) byte() byte {
	if r.at >= len(r.b) {
		panic(malformed("the module ends too soon"))
	}
	r.at++
	return r.b[r.at-1]
}

func (r *reader) bytes(n uint32) []byte {
	if int64(n) > int64(len(r.b)-r.at) {
		panic(malformed("the module ends too soon"))
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at]
}

// number reads an unsigned number of 32 bits as LEB128.
func (r *reader) number() (n uint32) {
	for shift := 0; ; shift += 7 {
		c := r.byte()
		if shift > 28 || shift == 28 && c > 0x0f {
			panic(malformed("a number is too long"))
		}
		n |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
}

// count is the length of a list, whose elements have a byte at least.
func (r *reader) count() uint32 {
	n := r.number()
	if int64(n) > int64(len(r.b)-r.at) {
		panic(malformed("a list is longer than the module"))
	}
	return n
}

// skip passes LEB128 numbers of any size and sign.
func (r *reader) skip(n int) {
	for range n {
		for r.byte() >= 0x80 {
		}
	}
}

// end holds that all has been read.
func (r *reader) end() {
	if r.at != len(r.b) {
		panic(malformed(fmt.Sprintf("%d bytes are left over", len(r.b)-r.at)))
	}
}

func (r *reader) valueType() {
	if t := r.byte(); t == 0x63 || t == 0x64 { // a reference to a type that follows
		r.skip(1)
	}
}

// Instructions with a meaning here; the others matter by what follows them
// (core specification, 5.4, and the proposal of exceptions).
const (
	opEnd        = 0x0b
	opCall       = 0x10
	opReturnCall = 0x12
	opRefFunc    = 0xd2
	opTryTable   = 0x1f
	opBranches   = 0x0e
	opSelect     = 0x1c
	opMore       = 0xfc
	opVector     = 0xfd
)

// expression passes instructions to the end that belongs to them, and gives the
// functions that they name.
func (r *reader) expression() (functions []uint32) {
	for depth := 1; depth > 0; {
		switch op := r.byte(); {
		case op == opEnd:
			depth--
		case op == 0x02 || op == 0x03 || op == 0x04: // block, loop, if
			depth++
			r.skip(1)
		case op == opTryTable:
			depth++
			r.skip(1)
			for range r.count() {
				if kind := r.byte(); kind < 2 {
					r.skip(1) // the exception; the others catch all
				}
				r.skip(1) // where to go
			}
		case op == opCall || op == opReturnCall || op == opRefFunc:
			functions = append(functions, r.number())
		case op == opBranches:
			r.skip(int(r.count()) + 1)
		case op == opSelect:
			for range r.count() {
				r.valueType()
			}
		case op >= 0x28 && op <= 0x3e: // load and store
			r.address()
		case op == 0x43: // a constant of 32 bits
			r.bytes(4)
		case op == 0x44:
			r.bytes(8)
		case op == opMore:
			r.more()
		case op == opVector:
			r.vector()
		default:
			n, ok := operands(op)
			if !ok {
				panic(malformed(fmt.Sprintf("instruction %#x is not known here", op)))
			}
			r.skip(n)
		}
	}
	return functions
}

// operands is how many numbers follow an instruction.
func operands(op byte) (n int, ok bool) {
	switch {
	case op == 0x11 || op == 0x13: // call_indirect, return_call_indirect
		return 2, true
	case op == 0x08, // throw
		op == 0x0c, op == 0x0d, // br, br_if
		op >= 0x20 && op <= 0x26, // variables and tables
		op == 0x3f, op == 0x40,   // memory.size, memory.grow
		op == 0x41, op == 0x42, // constants
		op == 0xd0: // ref.null
		return 1, true
	case op == 0x00, op == 0x01, op == 0x05, // unreachable, nop, else
		op == 0x0a, op == 0x0f, // throw_ref, return
		op == 0x1a, op == 0x1b, // drop, select
		op >= 0x45 && op <= 0xc4, // arithmetic
		op == 0xd1:               // ref.is_null
		return 0, true
	}
	return 0, false
}

// address passes an alignment and an offset.
func (r *reader) address() {
	if r.number() >= 64 {
		panic(malformed("a module of several memories is not known here"))
	}
	r.skip(1)
}

// more passes what follows the prefix of saturating conversions and of bulk
// operations.
func (r *reader) more() {
	switch op := r.number(); {
	case op <= 7:
	case op == 8, op == 10, op == 12, op == 14: // init and copy
		r.skip(2)
	case op <= 17:
		r.skip(1)
	default:
		panic(malformed(fmt.Sprintf("instruction 0xfc %d is not known here", op)))
	}
}

// vector passes what follows the prefix of vectors.
func (r *reader) vector() {
	switch op := r.number(); {
	case op <= 11, op == 92, op == 93: // load and store
		r.address()
	case op == 12, op == 13: // a constant, lanes
		r.bytes(16)
	case op >= 21 && op <= 34: // a lane
		r.byte()
	case op >= 84 && op <= 91: // load and store of a lane
		r.address()
		r.byte()
	case op > 275:
		panic(malformed(fmt.Sprintf("instruction 0xfd %d is not known here", op)))
	}
}
