package extract

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"codeberg.org/go-pdf/fpdf"
)

// A setLine is a line of text of a page that is set in type of 10 points, whose
// characters are 5 wide, or 10 in Chinese and the like.
type setLine struct {
	x, y float32
	text string
}

// typeWidth is how wide the text is in characters.
func typeWidth(text string) (n int) {
	for _, c := range text {
		if n++; isIdeographic(c) {
			n++
		}
	}
	return n
}

// wrap breaks a text into lines of so many characters. Words may be divided at |,
// and a / begins a paragraph.
func wrap(text string, width int) (lines []string) {
	for par := range strings.SplitSeq(text, "/") {
		line := ""
		for word := range strings.FieldsSeq(par) {
			parts := strings.Split(word, "|")
			whole := strings.Join(parts, "")
			if line == "" || typeWidth(line+" "+whole) <= width {
				line = strings.TrimPrefix(line+" "+whole, " ")
				continue
			}
			for i := len(parts) - 1; i >= 0; i-- {
				head := strings.Join(parts[:i], "")
				if i > 0 && typeWidth(line+" "+head+"-") <= width {
					lines, line = append(lines, line+" "+head+"-"), strings.Join(parts[i:], "")
					break
				}
				if i == 0 {
					lines, line = append(lines, line), whole
				}
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// set puts lines below each other from (x, y) downwards.
func set(x, y, step float32, texts ...string) (lines []setLine) {
	for i, text := range texts {
		if text != "" {
			lines = append(lines, setLine{x, y - float32(i)*step, text})
		}
	}
	return lines
}

// The ways to draw a page. What is on one height comes together in all but one.
func byColumn(page []setLine) []setLine { return page }

func drawnAcross(page []setLine) []setLine {
	page = slices.Clone(page)
	slices.SortStableFunc(page, func(a, b setLine) int {
		return cmp.Or(cmp.Compare(b.y, a.y), cmp.Compare(a.x, b.x))
	})
	return page
}

func rightFirst(page []setLine) []setLine {
	page = slices.Clone(page)
	slices.SortStableFunc(page, func(a, b setLine) int {
		return cmp.Or(cmp.Compare(b.y, a.y), cmp.Compare(b.x, a.x))
	})
	return page
}

func wordByWord(page []setLine) (words []setLine) {
	for _, l := range drawnAcross(page) {
		at := float32(0)
		for word := range strings.SplitSeq(l.text, " ") {
			words = append(words, setLine{l.x + at, l.y, word + "_"}) // the engine sees a blank
			at += 5 * float32(typeWidth(word+" "))
		}
	}
	return words
}

// withBlanks draws rows as programs for plain text do, with blanks for the white
// between columns.
func withBlanks(page []setLine) (rows []setLine) {
	for _, l := range drawnAcross(page) {
		if n := len(rows); n > 0 && rows[n-1].y == l.y {
			r := &rows[n-1]
			r.text += strings.Repeat(" ", max(1, int(l.x-r.x)/5-typeWidth(r.text))) + l.text
			continue
		}
		rows = append(rows, l)
	}
	return rows
}

// typeset draws the lines, turned about the page's corner.
func typeset(page []setLine, angle float64) (chars []pdfChar) {
	sin, cos := math.Sincos(angle)
	s, k := float32(sin), float32(cos)
	for _, l := range page {
		at := float32(0)
		for _, c := range l.text {
			place := func() pdfChar {
				x := l.x + at
				return typed(x*k-l.y*s, x*s+l.y*k, 10, angle, string(c))[0]
			}
			char := place()
			at += 5
			if isIdeographic(c) {
				half := place()
				char.left, char.right = min(char.left, half.left), max(char.right, half.right)
				char.bottom, char.top = min(char.bottom, half.bottom), max(char.top, half.top)
				at += 5
			}
			chars = append(chars, char)
		}
	}
	return chars
}

const (
	englishText = "The importer reads the files of an archive and makes items of what it finds in them, so that people can search " +
		"for a sentence that they only half remember. A page is put to|gether from the places of its char|acters, which is " +
		"harder than it sounds, because no file says where a word ends or which line comes next. / Most pro|grams that write " +
		"documents draw a page in the order in which it is read, but some draw all that stands on one height before they go on " +
		"with the next. What such a page says can only be told by looking at the white between its col|umns, and at the text: " +
		"a sentence goes on in the next line of its own column, and so does a word that is divi|ded at the end of a line. / " +
		"Where that is not plain the order remains as it was drawn, since nobody wants the rows of a table to be torn apart."
	germanText = "Der Import liest die Dateien eines Archivs und macht daraus Einträge, damit die Leute nach einem Satz suchen können, " +
		"an den sie sich nur halb er|innern. Eine Seite wird aus den Orten ihrer Zei|chen zusammen|gesetzt, was schwerer ist, als es " +
		"klingt, denn in keiner Datei steht, wo ein Wort endet oder welche Zeile als nächste kommt. / Die meisten Pro|gramme zeichnen " +
		"eine Seite in der Reihen|folge, in der man sie liest, manche aber alles, was auf einer Höhe steht, bevor sie mit der nächsten " +
		"weiter|machen. Was auf so einer Seite steht, sagt nur der Weiß|raum zwischen den Spal|ten, und der Text."
	hebrewText = "התוכנה קוראת את הקבצים של הארכיון ועושה פריטים ממה שהיא מוצאת בהם, כדי שאנשים יוכלו לחפש משפט שהם זוכרים רק את " +
		"חציו. כל דף מורכב מן המקומות של האותיות שלו וזה קשה יותר ממה שנשמע, כי אין קובץ שאומר איפה נגמרת מילה או איזו שורה " +
		"באה אחריה. רוב התוכנות מציירות את הדף בסדר שבו קוראים אותו, אבל יש גם כאלה שמציירות כל מה שעומד בגובה אחד לפני שהן " +
		"ממשיכות אל הגובה הבא, ואז רק הלבן שבין הטורים אומר מה כתוב בדף"
	chineseText = "导入程序读取档案中的文件并把找到的内容做成条目，这样人们就能查找只记得一半的句子。一页是由字符的位置拼成的，这比听起来要难" +
		"因为没有文件说明一个词在哪里结束或者哪一行是下一行。大多数程序按照阅读的顺序画一页，但是有些程序先画同一高度上的所有内容" +
		"然后再继续往下画。这样的一页说了什么只能看各栏之间的空白才知道。如果不清楚顺序就保持原样，因为没有人希望表格的行被拆开"
)

// chineseLines breaks where it likes.
func chineseLines(width int) (lines []string) {
	text := []rune(chineseText)
	for part := range slices.Chunk(text, width/2) {
		lines = append(lines, string(part))
	}
	return lines
}

// columnsOfText sets the lines in columns of one height, that many lines each.
func columnsOfText(lines []string, xs []float32, y, step float32, high int) (columns [][]setLine) {
	for i, x := range xs {
		part := lines[min(len(lines), i*high):min(len(lines), (i+1)*high)]
		columns = append(columns, set(x, y, step, part...))
	}
	return columns
}

// hebrewColumns sets lines from x to the left, in two columns.
func hebrewColumns(lines []string, y float32) (page []setLine) {
	high := (len(lines) + 1) / 2
	for i, text := range lines {
		x := float32(500 - 200*(i/high))
		page = append(page, setLine{x, y - 12*float32(i%high), text})
	}
	return page
}

func typesetHebrew(page []setLine) (chars []pdfChar) {
	for _, l := range page {
		x := l.x
		for _, c := range l.text {
			x -= 5
			if c == ' ' {
				chars = append(chars, pdfChar{c: c, made: true})
				continue
			}
			chars = append(chars, pdfChar{c: c, x: x, y: l.y, left: x, right: x + 5, bottom: l.y - 2, top: l.y + 9})
		}
	}
	return chars
}

// pair sets a text in two columns with their heads at y.
func pair(text string, y float32) []setLine {
	lines := wrap(text, 36)
	return slices.Concat(columnsOfText(lines, []float32{50, 244}, y, 12, (len(lines)+1)/2)...)
}

// columnPages are pages of columns, in the order in which they are read.
func columnPages() map[string][]setLine {
	lines := wrap(englishText, 36)
	high := (len(lines) + 1) / 2
	page := pair(englishText, 700)
	left, right := page[:high], page[high:]
	foot := 700 - 12*float32(high)
	line := func(x, y float32, text string) []setLine { return []setLine{{x, y, text}} }
	lower := func(lines []setLine, by float32) []setLine {
		lines = slices.Clone(lines)
		for i := range lines {
			lines[i].y -= by
		}
		return lines
	}
	return map[string][]setLine{
		"two columns":       page,
		"German":            slices.Concat(columnsOfText(wrap(germanText, 40), []float32{50, 262}, 700, 12, 10)...),
		"three columns":     slices.Concat(columnsOfText(wrap(englishText+" / "+englishText, 28), []float32{50, 204, 358}, 700, 12, 23)...),
		"Chinese":           slices.Concat(columnsOfText(chineseLines(20), []float32{50, 170}, 700, 14, 9)...),
		"one ends early":    slices.Concat(left, right[:8]),
		"loose lines":       slices.Concat(columnsOfText(lines, []float32{50, 244}, 700, 20, high)...),
		"title and foot":    slices.Concat(line(50, 722, "On the order in which the columns of a page are read, and other matters"), page, line(50, foot-8, "This line goes from one side of the page to the other, below its columns.")),
		"heading between":   slices.Concat(page, line(50, foot-6, "What follows has a heading that goes over both of its columns"), pair(englishText, foot-24)),
		"short one between": slices.Concat(page, line(50, foot-12, "2 Order"), pair(englishText, foot-30)),
		"centred one":       slices.Concat(page, line(200, foot, "The second part"), pair(englishText, foot-12)),
		"head and number":   slices.Concat(line(50, 772, "The importer"), line(400, 772, "12"), line(50, 760, "A manual"), line(400, 760, "2024"), page, line(230, foot-40, "12")),
		"head near":         slices.Concat(line(50, 720, "The importer"), line(400, 720, "12"), page, line(50, foot-8, "Contoso"), line(400, foot-8, "2024")),
		"below a figure":    slices.Concat(left[5:], right),
		"beside a figure":   slices.Concat(left, right[5:]),
		"table in a column": slices.Concat(left[:6], line(60, left[6].y, "Colour"), line(150, left[6].y, "Sheets"), line(60, left[7].y, "Black"), line(150, left[7].y, "4,000"), left[8:], right),
		"headings in both":  slices.Concat(left[:4], line(50, left[4].y-6, "2 Order"), lower(left[5:], 12), right[:9], line(244, right[9].y-6, "3 Tables"), lower(right[10:], 12)),
	}
}

func TestReadColumns(t *testing.T) {
	draw := map[string]func([]setLine) []setLine{"by column": byColumn, "across": drawnAcross, "right first": rightFirst, "word by word": wordByWord, "with blanks": withBlanks}
	for name, page := range columnPages() {
		want := joinPDFLines(drawnLines(typeset(page, 0)))
		for how, order := range draw {
			if how == "with blanks" && (name == "table in a column" || strings.HasPrefix(name, "head ") || name == "Chinese") {
				continue // blanks are no tabs, and are not so wide as a character of Chinese
			}
			for _, angle := range []float64{0, math.Pi / 2, math.Pi} {
				if got := joinPDFLines(layoutPDF(typeset(order(page), angle))); got != want {
					t.Errorf("%s, drawn %s and turned by %.1f:\n%s\n\nwant\n%s", name, how, angle, got, want)
				}
			}
		}
	}
}

// Columns whose lines do not stand on the same heights come as lines of their
// own, one from the left and one from the right.
func TestReadColumnsBesideEachOther(t *testing.T) {
	lines := wrap(englishText, 36)
	high := (len(lines) + 1) / 2
	for _, by := range []float32{-6, 5, 6, 8} {
		page := slices.Concat(set(50, 700, 12, lines[:high]...), set(244, 700-by, 12, lines[high:]...))
		want := strings.Join(lines, "\n")
		for how, order := range map[string]func([]setLine) []setLine{"by column": byColumn, "across": drawnAcross, "word by word": wordByWord} {
			if got := joinPDFLines(layoutPDF(typeset(order(page), 0))); got != want {
				t.Errorf("%g points lower, drawn %s:\n%s", by, how, got)
			}
		}
	}
}

// A tall character makes a gutter no narrower.
func TestReadColumnsTall(t *testing.T) {
	lines := wrap(englishText, 36)
	high := (len(lines) + 1) / 2
	chars := typeset(drawnAcross(slices.Concat(columnsOfText(lines, []float32{50, 239}, 700, 12, high)...)), 0)
	for i := range chars {
		if c := &chars[i]; c.y == 700-7*12 && c.x < 55 {
			c.top += 9
		}
	}
	if got, want := joinPDFLines(layoutPDF(chars)), strings.Join(lines, "\n"); got != want {
		t.Errorf("%s\n\nwant\n%s", got, want)
	}
}

func TestReadColumnsRightToLeft(t *testing.T) {
	lines := wrap(hebrewText, 32)
	page := hebrewColumns(lines, 700)
	want := strings.Join(lines, "\n")
	for how, order := range map[string]func([]setLine) []setLine{"by column": byColumn, "across": drawnAcross, "right first": rightFirst} {
		if got := joinPDFLines(layoutPDF(typesetHebrew(order(page)))); got != want {
			t.Errorf("drawn %s:\n%s\n\nwant\n%s", how, got, want)
		}
	}
}

// tablePages are pages of rows, which stay together.
func tablePages() map[string][]setLine {
	// rows sets texts in columns of so many characters; what is longer goes on
	// below, and gap is how much white is between rows.
	rows := func(gap float32, widths []int, cells ...string) (page []setLine) {
		y := float32(750)
		for row := range slices.Chunk(cells, len(widths)) {
			x, high := float32(40), 0
			for i, text := range row {
				lines := wrap(text, widths[i])
				page = append(page, set(x, y, 12, lines...)...)
				x, high = x+5*float32(widths[i])+14, max(high, len(lines))
			}
			y -= 12*float32(high) + gap
		}
		return page
	}
	long := strings.Split(strings.ReplaceAll(englishText, " / ", " "), ". ")
	sentence := func(i int) string { return long[i%len(long)] + "." }
	var prose, steps, parallel, phrases, index, words, ledger, glossary, oneLine []string
	for i := range 9 {
		prose = append(prose, sentence(i), sentence(i+1))
		steps = append(steps, fmt.Sprint(i+1), sentence(i), sentence(i+2))
		glossary = append(glossary, []string{"archive", "bookmark", "column", "divided word", "entry", "folder", "gutter", "heading", "item"}[i], sentence(i))
	}
	germanLong := strings.Split(strings.ReplaceAll(germanText, " / ", " "), ", ")
	for i := range 12 {
		parallel = append(parallel, fmt.Sprintf("%d cups of flour, sifted", i+1), fmt.Sprintf("heat the oven to %d degrees", 100+10*i))
		phrases = append(phrases, wrap(englishText, 20+i)[i/2], germanLong[i%len(germanLong)])
		index = append(index, fmt.Sprintf("apples, green, %d, %d", i, 2*i), fmt.Sprintf("letters, lost, %d", 70+i), fmt.Sprintf("tables, torn, %d-%d", i, 3*i))
		words = append(words, "the house on the hill", "das Haus auf dem Berg")
		ledger = append(ledger, fmt.Sprintf("0%d.05.2024", i%9+1), "Toner for the printers of the second floor", fmt.Sprintf("%d.50", 100+i), fmt.Sprintf("%d.00", 2000-i))
		oneLine = append(oneLine, fmt.Sprintf("Option number %d of the printer", i), "Says what the printer does when a page is empty")
	}
	poem := []string{"Shall I compare thee to a summer's day", "Thou art more lovely and more temperate", "Rough winds do shake the darling buds", "And summer's lease hath all too short"}
	return map[string][]setLine{
		"sentences beside sentences":             rows(0, []int{40, 40}, prose...),
		"the same with white between":            rows(8, []int{40, 40}, prose...),
		"one more narrow than the other":         rows(0, []int{24, 60}, prose...),
		"numbered requirements":                  rows(4, []int{3, 36, 40}, steps...),
		"parallel lists":                         rows(0, []int{30, 40}, parallel...),
		"phrases in two languages":               rows(0, []int{34, 50}, phrases...),
		"an index":                               rows(0, []int{26, 26, 26}, index...),
		"the same phrase again and again":        rows(0, []int{30, 30}, words...),
		"a ledger":                               rows(0, []int{12, 50, 8, 8}, ledger...),
		"a glossary":                             rows(0, []int{16, 60}, glossary...),
		"a glossary with white between":          rows(6, []int{16, 60}, glossary...),
		"options":                                rows(0, []int{36, 52}, oneLine...),
		"a poem in two columns":                  rows(0, []int{44, 44}, slices.Concat(poem, poem, poem, poem)...),
		"a form":                                 rows(4, []int{20, 20, 20}, slices.Repeat([]string{"Name: Ada Lovelace", "Town: London", "Signed:"}, 8)...),
		"contents":                               rows(0, []int{70, 4}, slices.Repeat([]string{"the order of columns . . . . . . . . . . . . . . . . . . . . . . .", "12"}, 20)...),
		"a calendar":                             rows(0, []int{6, 6, 6, 6, 6, 6, 6}, slices.Repeat([]string{"1", "2", "3", "4", "5", "6", "7"}, 8)...),
		"program text with remarks":              rows(0, []int{40, 40}, slices.Repeat([]string{"for (i = 0; i < n; i++) {", "go over all of them", "sum += a[i] * b[i];", "and add up", "}", "the end of the loop"}, 4)...),
		"a letter's head":                        rows(0, []int{40, 30}, slices.Repeat([]string{"Contoso Printers Limited", "phone 0123 456"}, 4)...),
		"columns too short to tell":              slices.Concat(set(50, 700, 12, wrap(englishText, 36)[:4]...), set(244, 700, 12, wrap(englishText, 36)[8:12]...)),
		"prose beside numbers":                   slices.Concat(set(50, 700, 12, wrap(englishText, 50)...), set(314, 700, 12, slices.Repeat([]string{"12.50", "1,300.00"}, 8)...)),
		"prose beside a list":                    slices.Concat(set(50, 700, 12, wrap(englishText, 50)...), set(314, 700, 12, slices.Repeat([]string{"black", "red and blue", "green"}, 5)...)),
		"prose beside names of the same length":  slices.Concat(set(50, 700, 12, wrap(englishText, 50)...), set(314, 700, 12, slices.Repeat([]string{"Ada Maria Lovelace", "Charles E. Babbage"}, 7)...)),
		"prose beside sentences that are a line": slices.Concat(set(50, 700, 12, wrap(englishText, 50)...), set(314, 700, 12, slices.Repeat([]string{"The toner is nearly empty.", "Close the cover of it now."}, 7)...)),
	}
}

func TestReadColumnsLeavesRows(t *testing.T) {
	draw := map[string]func([]setLine) []setLine{"by column": byColumn, "across": drawnAcross, "right first": rightFirst, "word by word": wordByWord, "with blanks": withBlanks}
	for name, page := range tablePages() {
		for how, order := range draw {
			lines := drawnLines(typeset(order(page), 0))
			if got := readColumns(lines); joinPDFLines(got) != joinPDFLines(lines) {
				t.Errorf("%s, drawn %s, is torn apart:\n%s\n\nwant\n%s", name, how, joinPDFLines(got), joinPDFLines(lines))
			}
		}
	}
}

// Vertical writing goes from right to left as it is.
func TestReadColumnsDownwards(t *testing.T) {
	var page []setLine
	for i, line := range chineseLines(24) {
		for k, c := range []rune(line) {
			page = append(page, setLine{500 - 14*float32(i), 700 - 10*float32(k), string(c)})
		}
	}
	want := strings.Join(chineseLines(24), "\n")
	if got := joinPDFLines(layoutPDF(typeset(page, 0))); got != want {
		t.Errorf("%s\n\nwant\n%s", got, want)
	}
}

func TestFollows(t *testing.T) {
	at := func(base float32) pdfLine {
		return pdfLine{text: "text", left: 50, right: 150, base: base, bottom: base - 2, top: base + 9, cells: []pdfCell{{0, 50, 150}}}
	}
	first := at(700)
	high, turned, unknown := at(688), at(688), at(688)
	high.right, high.bottom = 60, 600
	turned.angle = math.Pi / 2
	unknown.cells = nil
	for _, tt := range []struct {
		name string
		line pdfLine
		want bool
	}{
		{"below", at(688), true}, {"beside", at(700), true}, {"a little higher", at(704), true}, {"higher", at(712), false},
		{"after a line left blank", at(676), true}, {"far below", at(660), false},
		{"downwards", high, false}, {"turned", turned, false}, {"of which only the text is known", unknown, false}, {"without a height", pdfLine{cells: first.cells}, false},
	} {
		if got := tt.line.follows(&first); got != tt.want {
			t.Errorf("a line %s follows: %v", tt.name, got)
		}
	}
}

// Nothing is lost or made.
func FuzzReadColumns(f *testing.F) {
	for _, page := range columnPages() {
		var b []byte
		for _, l := range drawnAcross(page) {
			b = append(b, byte(l.x/4), byte(l.y/4), byte(len(l.text)))
		}
		f.Add(b, englishText)
	}
	f.Fuzz(func(t *testing.T, places []byte, text string) {
		var page []setLine
		for p := range slices.Chunk(places, 3) {
			if len(p) == 3 && text != "" {
				from := int(p[0]) % len(text)
				page = append(page, setLine{4 * float32(p[0]), 4 * float32(p[1]), strings.ToValidUTF8(text[from:min(len(text), from+int(p[2]))], "")})
			}
		}
		lines := drawnLines(typeset(page, 0))
		letters := func(lines []pdfLine) []rune {
			r := []rune(strings.Join(strings.Fields(joinPDFLines(lines)), ""))
			slices.Sort(r)
			return r
		}
		if was, is := letters(lines), letters(readColumns(lines)); !slices.Equal(was, is) {
			t.Fatalf("%q became %q", string(was), string(is))
		}
	})
}

// printedColumns are the lines of two columns of a page, the first of which ends
// in a word that the second begins with. Those at their heads are of this page
// alone.
func printedColumns(page int) (left, right []string) {
	lines := wrap(strings.NewReplacer("|", "", " /", "").Replace(englishText), 42)
	high := len(lines) / 2
	left = append(lines[:high:high], "All of this is done by an auto-")
	right = append([]string{"matic reader, which is tested here by a"}, lines[high:]...)
	for i := range 3 {
		word := " " + strings.Repeat(string(rune('a'+page)), 3)
		left[i], right[i] = left[i]+word, right[i]+word
	}
	return left, right
}

// printColumns draws printedColumns on every page of a document, in one of the
// ways that programs have, below a head.
func printColumns(t testing.TB, pages int, how string) []byte {
	return makePDF(t, make([]string, pages), func(p *fpdf.Fpdf) {
		p.SetAutoPageBreak(false, 0)
		p.SetHeaderFunc(func() {
			p.SetFont("Helvetica", "", 10)
			p.Text(20, 10, "Contoso printers")
			left, right := printedColumns(p.PageNo())
			if how == "turned" {
				p.TransformBegin()
				p.TransformRotate(90, 100, 100)
				defer p.TransformEnd()
			}
			draw := func(x, y float64, text string) {
				if how != "by glyph" && how != "by word" {
					p.Text(x, y, text)
					return
				}
				for word := range strings.FieldsSeq(text) {
					if how == "by word" {
						p.Text(x, y, word)
					}
					for _, c := range word {
						if how == "by glyph" {
							p.Text(x, y, string(c))
						}
						x += p.GetStringWidth(string(c))
					}
					x += p.GetStringWidth(" ")
				}
			}
			row := func(x float64, lines []string, i int) {
				if i < len(lines) {
					draw(x, 22+5*float64(i), lines[i])
				}
			}
			for i := range max(len(left), len(right)) {
				row(20, left, i)
				if how != "by column" {
					row(104, right, i)
				}
			}
			for i := range right {
				if how == "by column" {
					row(104, right, i)
				}
			}
		})
	})
}

func TestPDFColumns(t *testing.T) {
	if !havePDFium {
		t.Skip("only PDFium tells where lines stand")
	}
	left, right := printedColumns(2)
	lines := slices.Concat(left, right)
	want := strings.Join(lines, "\n")
	want = strings.Replace(want, "auto-\nmatic", "automatic", 1)
	for _, how := range []string{"by column", "across", "by word", "by glyph", "turned"} {
		for _, heads := range []string{headsKeep, headsDrop} {
			docs, _, err := readPDFs(t.Context(), bytesInput("c.pdf", printColumns(t, 3, how)), Options{Item: "page", PDF: PDFOptions{RunningHeads: heads}})
			if err != nil || len(docs) != 3 {
				t.Fatalf("%s: %d pages, %v", how, len(docs), err)
			}
			body := want
			if heads == headsKeep {
				body = "Contoso printers\n" + want
			}
			if docs[1].Body != body {
				t.Errorf("drawn %s, heads %s:\n%s\n\nwant\n%s", how, heads, docs[1].Body, body)
			}
			if heads == headsDrop && docs[1].Meta["runningHeads"] != "Contoso printers" {
				t.Errorf("drawn %s: the running heads are %q", how, docs[1].Meta["runningHeads"])
			}
		}
	}
}
