package extract

import (
	"math"
	"slices"
	"testing"
)

// type10 writes a text in a font of 10 points whose characters are 5 wide, from
// x to the right on the baseline y. A \n or _ is a line end or blank that the
// engine has put in by itself.
func type10(x, y float32, text string) []pdfChar {
	return typed(x, y, 10, 0, text)
}

func typed(x, y, size float32, angle float64, text string) (chars []pdfChar) {
	sin, cos := math.Sincos(angle)
	s, k := float32(sin), float32(cos)
	at := func(along, up float32) (float32, float32) { return x + along*k - up*s, y + along*s + up*k }
	along := float32(0)
	for _, c := range text {
		switch c {
		case '\n':
			chars = append(chars, pdfChar{c: '\r', made: true}, pdfChar{c: '\n', made: true})
			continue
		case '_':
			chars = append(chars, pdfChar{c: ' ', made: true})
			continue
		}
		ch := pdfChar{c: c, angle: float32(angle)}
		ch.x, ch.y = at(along, 0)
		x1, y1 := at(along, -0.2*size)
		x2, y2 := at(along+size/2, 0.9*size)
		ch.left, ch.right, ch.bottom, ch.top = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
		chars = append(chars, ch)
		along += size / 2
	}
	return chars
}

func TestLayoutPDF(t *testing.T) {
	backward := type10(100, 700, "abc") // as with a negative font size
	for i := range backward {
		left := 100 - 5*float32(i)
		backward[i].x, backward[i].left, backward[i].right = left, left-5, left
	}
	badWidth := type10(100, 700, "abc")
	badWidth[1].left, badWidth[1].right = 95, 105
	tests := []struct {
		name string
		in   [][]pdfChar
		want []string
	}{
		{"nothing", nil, nil},
		{"words as the engine parts them", [][]pdfChar{type10(50, 700, "two words\n"), type10(50, 688, "next")}, []string{"two words", "next"}},
		{"lines that the engine has put together", [][]pdfChar{type10(50, 700, "one"), type10(50, 688, "two"), type10(300, 300, "three")}, []string{"one", "two", "three"}},
		{"a superscript is no line", [][]pdfChar{type10(50, 700, "x\n"), typed(55, 703.5, 6, 0, "2\n"), type10(58, 700, "+ 1")}, []string{"x2+ 1"}},
		{"the parts of a fraction", [][]pdfChar{type10(50, 700, "1"), type10(50, 692, "n")}, []string{"1", "n"}},
		{"cells of a row", [][]pdfChar{type10(50, 700, "Toner"), type10(150, 700, "42"), type10(250, 701, "kg")}, []string{"Toner\t42\tkg"}},
		{"a gap that the engine has missed", [][]pdfChar{type10(50, 700, "left"), type10(77, 700, "right")}, []string{"left right"}},
		{"a line end within a line", [][]pdfChar{type10(50, 700, "au\n"), type10(60, 700, "to"), type10(73, 700, "\nfeed")}, []string{"auto feed"}},
		{"cells drawn from right to left", [][]pdfChar{type10(250, 700, "third"), type10(150, 700, "second"), type10(50, 700, "first")}, []string{"first\tsecond\tthird"}},
		{"a shadow", [][]pdfChar{type10(50, 700, "Title"), type10(50.5, 700, "Title"), type10(50, 680, "text")}, []string{"Title", "text"}},
		{"another text over it", [][]pdfChar{type10(50, 700, "Draft"), type10(50.5, 700, "Final")}, []string{"Draft", "Final"}},
		{"turned by a quarter", [][]pdfChar{typed(100, 100, 10, math.Pi/2, "up here"), typed(112, 100, 10, math.Pi/2, "and there")}, []string{"up here", "and there"}},
		{"turned by a half", [][]pdfChar{typed(400, 100, 10, math.Pi, "upside"), typed(400, 112, 10, math.Pi, "down")}, []string{"upside", "down"}},
		{"axis labels beside each other", [][]pdfChar{type10(50, 50, "0"), type10(150, 50, "2"), typed(40, 60, 10, math.Pi/2, "volts")}, []string{"0\t2", "volts"}},
		{"a negative font size", [][]pdfChar{backward}, []string{"abc"}},
		{"one character of negative width", [][]pdfChar{badWidth}, []string{"abc"}},
		{"right to left", [][]pdfChar{{
			{c: 'ש', left: 95, right: 100, x: 95, y: 700, bottom: 698, top: 709}, {c: 'ל', left: 90, right: 95, x: 90, y: 700, bottom: 698, top: 709},
			{c: ' ', made: true}, {c: 'ו', left: 80, right: 85, x: 80, y: 700, bottom: 698, top: 709}}}, []string{"של ו"}},
		{"downwards", [][]pdfChar{type10(300, 700, "日"), type10(300, 690, "本"), type10(300, 680, "語"), type10(285, 700, "次")}, []string{"日本語", "次"}},
		{"a pair of surrogates", [][]pdfChar{{
			{c: 0xD83D, left: 50, right: 55, x: 50, y: 700, bottom: 698, top: 709}, {c: 0xDE00, left: 55, right: 60, x: 55, y: 700, bottom: 698, top: 709}}}, []string{"😀"}},
		{"glyphs without a meaning part words", [][]pdfChar{type10(50, 700, "ab\x03cd\x00ef")}, []string{"ab cdef"}},
		{"the mark of a divided word stays for later", [][]pdfChar{type10(50, 700, "auto\x02\n"), type10(50, 688, "matic")}, []string{"auto\x02", "matic"}},
		{"fonts without a height", [][]pdfChar{{{c: 'a'}, {c: '\n', made: true}, {c: 'b'}}}, []string{"a", "b"}},
		{"places that are no numbers", [][]pdfChar{{{c: 'a', left: float32(math.NaN()), top: float32(math.Inf(1))}, {c: 'b', x: float32(math.NaN())}}}, []string{"ab"}},
	}
	for _, tt := range tests {
		var got []string
		for _, l := range layoutPDF(slices.Concat(tt.in...)) {
			got = append(got, l.text)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestMergePDFLines(t *testing.T) {
	line := func(left, right, base float32, text string) pdfLine {
		return pdfLine{text: text, left: left, right: right, base: base, bottom: base - 2, top: base + 9}
	}
	page := []pdfLine{line(50, 90, 700, "Name:"), line(300, 340, 700, "Town:"), line(50, 90, 680, "Agreed "), line(50, 90, 100, "Page 1")}
	notes := []pdfLine{
		line(350, 400, 701, "London"), line(100, 200, 699, "Ada"), line(95, 105, 681, "✔"),
		line(60, 200, 400, "a remark"), line(10, 40, 760, "a stamp"),
	}
	var got []string
	for _, l := range mergePDFLines(page, notes) {
		got = append(got, l.text)
	}
	want := []string{"a stamp", "Name: Ada", "Town: London", "Agreed ✔", "a remark", "Page 1"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzLayoutPDF(f *testing.F) {
	f.Add([]byte("abc"), 700.0, 5.0, 0.0)
	f.Add([]byte("\x02\x00\n"), math.Inf(1), -5.0, 1.57)
	f.Fuzz(func(t *testing.T, text []byte, y, step, angle float64) {
		var chars []pdfChar
		for i, b := range text {
			x := float32(i) * float32(step)
			chars = append(chars, pdfChar{c: rune(b) * 7, made: b%11 == 0, left: x, right: x + float32(b%7), bottom: float32(y), top: float32(y) + float32(b%5),
				x: x, y: float32(y) * float32(b%3), angle: float32(angle)})
		}
		letters := 0
		for _, c := range chars {
			if !c.made && c.c > ' ' {
				letters++
			}
		}
		lines := layoutPDF(chars)
		n := 0
		for _, l := range lines {
			n += len([]rune(l.text))
		}
		if letters > 0 && n == 0 {
			t.Fatalf("%d characters are lost", letters)
		}
	})
}
