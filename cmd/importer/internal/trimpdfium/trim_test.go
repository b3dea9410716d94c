package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// TestCommitted holds that extract/pdfium.wasm is what this program makes of the
// go-pdfium that go.mod names.
func TestCommitted(t *testing.T) {
	whole, want, err := trimPDFium()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "extract", "pdfium.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("extract/pdfium.wasm is not made of this go-pdfium; run make pdfium")
	}
	if len(want)*10 > len(whole)*9 {
		t.Errorf("%d bytes are left of %d, want less than nine tenths", len(want), len(whole))
	}
	again, err := trim(want, kept)
	if err != nil || !bytes.Equal(again, want) {
		t.Errorf("trimmed again it is another one (%v)", err)
	}
	for _, name := range called {
		if !bytes.Contains(want, append([]byte{byte(len(name))}, name...)) {
			t.Errorf("%s is called, but this PDFium does not have it", name)
		}
	}
}

// vec is a list of WebAssembly's, list its elements one after the other.
func vec(n int, list ...byte) []byte { return append([]byte{byte(n)}, list...) }

func module(parts ...[]byte) []byte {
	m := append([]byte{}, magic...)
	for i := 0; i < len(parts); i += 2 {
		m = append(append(append(m, parts[i]...), byte(len(parts[i+1]))), parts[i+1]...)
	}
	return m
}

// testModule has functions that give a number each:
//
//	0 is imported
//	1 "a" calls 2, 3 by try_table's side, and 5 through the table
//	2, 3 give 20 and 30
//	4 "b" calls 6
//	5 is in the table and gives 50
//	6 gives 60
func testModule() []byte {
	body := func(code ...byte) []byte { return append([]byte{byte(len(code) + 2), 0}, append(code, 0x0b)...) }
	constant := func(n byte) []byte { return body(0x41, n) }
	code := []byte{6}
	for _, b := range [][]byte{
		// call 2; try_table (result i32) { catch_all 0 }, call 3, end; i32.add;
		// br_table's and a constant's bytes look like calls of 6; call_indirect; i32.add
		body(0x02, 0x40, 0x41, 0x00, 0x0e, 0x01, 0x00, 0x00, 0x0b, 0x42, 0x10, 0x1a,
			0x10, 0x02, 0x1f, 0x7f, 0x00, 0x10, 0x03, 0x0b, 0x6a, 0x41, 0x00, 0x11, 0x00, 0x00, 0x6a),
		constant(20), constant(30), body(0x10, 0x06), constant(50), constant(60),
	} {
		code = append(code, b...)
	}
	return module(
		[]byte{1}, vec(1, 0x60, 0, 1, 0x7f), // the type of all: nothing to i32
		[]byte{2}, vec(1, 1, 'e', 1, 'f', 0, 0),
		[]byte{3}, vec(6, 0, 0, 0, 0, 0, 0),
		[]byte{4}, vec(1, 0x70, 0, 1),
		[]byte{7}, vec(2, 1, 'a', 0, 1, 1, 'b', 0, 4),
		[]byte{9}, vec(1, 0, 0x41, 0, 0x0b, 1, 5),
		[]byte{10}, code,
	)
}

// call instantiates a module and calls a function, which gives -1 where it is not
// exported.
func call(t *testing.T, module []byte, name string) int32 {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2|experimental.CoreFeaturesExceptionHandling))
	defer rt.Close(ctx)
	if _, err := rt.NewHostModuleBuilder("e").NewFunctionBuilder().WithFunc(func() int32 { return 1 }).Export("f").Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	m, err := rt.Instantiate(ctx, module)
	if err != nil {
		t.Fatal(err)
	}
	f := m.ExportedFunction(name)
	if f == nil {
		return -1
	}
	res, err := f.Call(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return int32(res[0])
}

// TestTrim has a module that does the same without what it does not need.
func TestTrim(t *testing.T) {
	whole := testModule()
	if a, b := call(t, whole, "a"), call(t, whole, "b"); a != 100 || b != 60 {
		t.Fatalf("the module gives %d and %d", a, b)
	}
	trimmed, err := trim(whole, func(name string) bool { return name == "a" })
	if err != nil {
		t.Fatal(err)
	}
	if a, b := call(t, trimmed, "a"), call(t, trimmed, "b"); a != 100 || b != -1 {
		t.Errorf("trimmed it gives %d and %d, want 100 and no b", a, b)
	}
	trap := []byte{3, 0, 0, 0x0b}
	if n := bytes.Count(trimmed, trap); n != 2 {
		t.Errorf("%d functions have no body, want those of b alone: %x", n, trimmed)
	}
	other, err := trim(whole, func(name string) bool { return name == "b" })
	if err != nil || call(t, other, "b") != 60 || bytes.Count(other, trap) != 3 {
		t.Errorf("with b alone: %x, %v", other, err)
	}
	same, err := trim(whole, func(string) bool { return true })
	if err != nil || !bytes.Equal(same, whole) {
		t.Errorf("with all it is another one: %v", err)
	}
}

// TestTrimRefuses has modules that are not understood refused, not spoilt.
func TestTrimRefuses(t *testing.T) {
	whole := testModule()
	for i := range whole {
		if _, err := trim(whole[:i], kept); err == nil && !atSection(whole, i) {
			t.Errorf("cut off after %d bytes it is taken", i)
		}
	}
	unknown := bytes.Replace(whole, []byte{0x41, 60, 0x0b}, []byte{0xfe, 60, 0x0b}, 1) // a shared memory's instruction
	if _, err := trim(unknown, func(string) bool { return true }); err == nil || !strings.Contains(err.Error(), "0xfe") {
		t.Errorf("an unknown instruction: %v", err)
	}
}

// atSection tells that a section ends at a place.
func atSection(module []byte, end int) bool {
	at := len(magic)
	for at < end {
		at += 2 + int(module[at+1])
	}
	return at == end
}

func FuzzTrim(f *testing.F) {
	f.Add(testModule())
	f.Add(module([]byte{6}, vec(1, 0x7f, 0, 0xd2, 1, 0x0b), []byte{8}, []byte{1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		trimmed, err := trim(b, kept)
		if err != nil {
			return
		}
		again, err := trim(trimmed, kept)
		if err != nil || !bytes.Equal(again, trimmed) {
			t.Errorf("trimmed again it is another one (%v)", err)
		}
	})
}
