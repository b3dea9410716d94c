//go:build !nopdfium

package extract

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"slices"
	"unicode/utf16"

	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/tetratelabs/wazero/api"
)

// A rawPDFium calls PDFium's C functions by their names, in the module that
// go-pdfium has started. go-pdfium's own methods make a UUID for every page and
// allocate for every number that comes back, which is nothing for a document
// and too much for every character: the place of each is needed for what
// PDFium gets wrong in putting them together.
//
// A handle is an address in the module's memory, 0 for none.
type rawPDFium struct {
	functions map[string]api.Function
	export    func(name string) (api.Function, bool)
	memory    api.Memory
	stack     [8]uint64
	out       uint64 // room for results in the module's memory
	room      uint64 // of texts
	size      uint64 // of room
}

type handle = uint64

// errNoRaw tells that go-pdfium is built in another way than it was: the
// version that go.mod names is not.
var errNoRaw = errors.New("the functions of PDFium cannot be reached")

const outSize = 64

// newRawPDFium finds the module of an instance.
func newRawPDFium(inst pdfium.Pdfium) (r *rawPDFium, err error) {
	defer func() {
		if recover() != nil { // of reflect
			r, err = nil, errNoRaw
		}
	}()
	module := reflect.ValueOf(inst.GetImplementation()).Elem().FieldByName("Module").Elem()
	export := module.MethodByName("ExportedFunction")
	r = &rawPDFium{functions: make(map[string]api.Function), export: func(name string) (api.Function, bool) {
		f, ok := export.Call([]reflect.Value{reflect.ValueOf(name)})[0].Interface().(api.Function)
		return f, ok
	}}
	var ok bool
	if r.memory, ok = module.MethodByName("Memory").Call(nil)[0].Interface().(api.Memory); !ok {
		return nil, errNoRaw
	}
	if r.out, err = r.call("malloc", outSize); err != nil || r.out == 0 {
		return nil, errNoRaw
	}
	return r, nil
}

// document is the handle of a document that go-pdfium has opened.
func (r *rawPDFium) document(inst pdfium.Pdfium, doc references.FPDF_DOCUMENT) (handle, error) {
	return r.lookup(inst, "documentRefs", doc)
}

// lookup finds the handle of one of go-pdfium's references in one of its tables.
func (r *rawPDFium) lookup(inst pdfium.Pdfium, table string, ref any) (h handle, err error) {
	defer func() {
		if recover() != nil { // of reflect
			h, err = 0, errNoRaw
		}
	}()
	refs := reflect.ValueOf(inst.GetImplementation()).Elem().FieldByName(table)
	return refs.MapIndex(reflect.ValueOf(ref)).Elem().FieldByName("handle").Elem().Uint(), nil
}

// call calls a function. Its error is that of a module that has trapped, after
// which nothing of it may be used.
func (r *rawPDFium) call(name string, args ...uint64) (uint64, error) {
	f, ok := r.functions[name]
	if !ok {
		if f, ok = r.export(name); !ok {
			return 0, errNoRaw
		}
		r.functions[name] = f
	}
	return r.invoke(f, args...)
}

func (r *rawPDFium) invoke(f api.Function, args ...uint64) (uint64, error) {
	copy(r.stack[:], args)
	if err := f.CallWithStack(context.Background(), r.stack[:]); err != nil {
		return 0, err
	}
	return r.stack[0], nil
}

// number calls a function that gives an int.
func (r *rawPDFium) number(name string, args ...uint64) (int, error) {
	v, err := r.call(name, args...)
	return int(int32(v)), err
}

// float calls a function that gives a float.
func (r *rawPDFium) float(name string, args ...uint64) (float64, error) {
	v, err := r.call(name, args...)
	return float64(math.Float32frombits(uint32(v))), err
}

// buffer gives room for so many bytes.
func (r *rawPDFium) buffer(size int) (uint64, error) {
	if r.size >= uint64(size) {
		return r.room, nil
	}
	if r.room != 0 {
		if _, err := r.call("free", r.room); err != nil {
			return 0, err
		}
		r.room, r.size = 0, 0
	}
	want := uint64(max(size, 64<<10))
	p, err := r.call("malloc", want)
	if err != nil {
		return 0, err
	}
	if p == 0 {
		return 0, errors.New("PDFium is out of memory")
	}
	r.room, r.size = p, want
	return p, nil
}

func (r *rawPDFium) read(at uint64, size int) ([]byte, error) {
	b, ok := r.memory.Read(uint32(at), uint32(size))
	if !ok {
		return nil, errors.New("an address outside of PDFium's memory")
	}
	return b, nil
}

// rect reads a rectangle that has been written to out.
func (r *rawPDFium) rect() (rect, error) {
	b, err := r.read(r.out, 16)
	if err != nil {
		return rect{}, err
	}
	one := rect{left: float(b), top: float(b[4:]), right: float(b[8:]), bottom: float(b[12:])}
	one.left, one.right = min(one.left, one.right), max(one.left, one.right)
	one.bottom, one.top = min(one.bottom, one.top), max(one.bottom, one.top)
	return one, nil
}

// maxRawText is the most that is taken of a value, in bytes of UTF-16.
const maxRawText = 16 << 20

// text calls a function that writes UTF-16 to a buffer, given as the last two
// arguments, and tells its length in bytes, with two for the end.
func (r *rawPDFium) text(name string, args ...uint64) (string, error) {
	n, err := r.number(name, append(slices.Clone(args), 0, 0)...)
	if err != nil || n <= 2 || n > maxRawText {
		return "", err
	}
	at, err := r.buffer(n)
	if err != nil {
		return "", err
	}
	if _, err := r.call(name, append(slices.Clone(args), at, uint64(n))...); err != nil {
		return "", err
	}
	b, err := r.read(at, n-2)
	if err != nil {
		return "", err
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units)), nil
}

// chars are the characters of a text page with their places.
func (r *rawPDFium) chars(text handle, n int) ([]pdfChar, error) {
	functions := [6]api.Function{}
	for i, name := range []string{"FPDFText_GetUnicode", "FPDFText_GetLooseCharBox", "FPDFText_GetCharOrigin", "FPDFText_IsGenerated", "FPDFText_GetCharAngle", "FPDFText_IsHyphen"} {
		if _, err := r.call(name, 0, 0, r.out, r.out); err != nil {
			return nil, err
		}
		functions[i] = r.functions[name]
	}
	chars := make([]pdfChar, 0, n)
	var before *pdfChar
	for i := range uint64(n) {
		c, err := r.invoke(functions[0], text, i)
		if err != nil {
			return nil, err
		}
		ch := pdfChar{c: rune(uint32(c))}
		if ch.c == hyphenMark {
			h, err := r.invoke(functions[5], text, i)
			if err != nil {
				return nil, err
			}
			if int32(h) != 1 {
				ch.c = 1 // the code of a glyph that nobody can name
			}
		}
		if ch.c == ' ' || ch.c == '\r' || ch.c == '\n' {
			g, err := r.invoke(functions[3], text, i)
			if err != nil {
				return nil, err
			}
			ch.made = int32(g) == 1
			if ch.made {
				chars = append(chars, ch)
				continue
			}
		}
		if _, err := r.invoke(functions[1], text, i, r.out); err != nil {
			return nil, err
		}
		if _, err := r.invoke(functions[2], text, i, r.out+16, r.out+24); err != nil {
			return nil, err
		}
		b, err := r.read(r.out, 32)
		if err != nil {
			return nil, err
		}
		ch.left, ch.top, ch.right, ch.bottom = float(b), float(b[4:]), float(b[8:]), float(b[12:])
		ch.x, ch.y = float32(math.Float64frombits(binary.LittleEndian.Uint64(b[16:]))), float32(math.Float64frombits(binary.LittleEndian.Uint64(b[24:])))
		// A character that goes on where the last has ended lies as that does.
		if before == nil || before.y != ch.y || before.angle != 0 || abs(ch.left-before.right) > 2*ch.height() {
			a, err := r.invoke(functions[4], text, i)
			if err != nil {
				return nil, err
			}
			if angle := math.Float32frombits(uint32(a)); angle > 0.01 && angle < 2*math.Pi-0.01 {
				ch.angle = -angle // PDFium counts clockwise
			}
		}
		chars = append(chars, ch)
		before = &chars[len(chars)-1]
	}
	return chars, nil
}

func float(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }
