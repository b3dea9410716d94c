package extract

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// RTF reads rich text: its text with tables as lines, headings by their style,
// notes, headers and footers. Pictures, objects and what is hidden are passed
// over. It is read as it comes, in one pass: a group that is opened costs a few
// bytes, however deep.
var RTF = &Format{
	Name:    "rtf",
	Exts:    []string{".rtf"},
	Sniff:   func(head []byte) bool { return bytes.HasPrefix(head, []byte(`{\rtf`)) },
	Read:    oneDocument("a rich text", readRTF),
	Keep:    true,
	Isolate: true,
	Version: "1",
}

// maxRTFDepth is more groups than any program opens.
const maxRTFDepth = 10_000

func readRTF(ctx context.Context, in Input, opt Options) (*Document, error) {
	if in.Size == 0 {
		return nil, docError(in, ReasonEmpty, "the file is empty", nil)
	}
	r := newRTFReader(ctx, io.NewSectionReader(in, 0, in.Size), newDocText(opt))
	err := r.read()
	var disk *FileError
	switch {
	case errors.As(err, &disk):
		disk.Place.File = in.Name
		return nil, disk
	case err != nil && !errors.Is(err, io.EOF):
		return nil, in.readFailure(err)
	case !r.begun:
		return nil, docError(in, ReasonBroken, `this is not rich text: it does not begin with {\rtf; give it the ending of what it is`, nil)
	}
	r.doc.takeText(r.text)
	if len(r.stack) > 0 && !r.text.full {
		r.doc.Warnings = append(r.doc.Warnings, "the text has no end: a part of it may be missing")
		return r.doc, docError(in, ReasonShort, "the file ends before its end (a group in it is not closed); copy or download it again", ErrShort)
	}
	return r.doc, nil
}

// An rtfGroup is what a group changes until it ends.
type rtfGroup struct {
	skip    bool
	hidden  bool
	dest    string // fonttbl, stylesheet, info, or an entry of info; "" is the text
	unicode int    // how many characters stand for a \u in programs that do not know it
	font    int
	style   int // the stylesheet's entry
}

// An rtfReader reads one rich text.
type rtfReader struct {
	ctx  context.Context
	r    *bufio.Reader
	text *docText
	doc  *Document

	begun bool
	rtfGroup
	stack  []rtfGroup
	star   bool  // the group began with \*
	first  bool  // the next word may name the group's destination
	page   codec // of the document
	fonts  map[int]codec
	bytes  []byte // characters of a code page that are not decoded yet
	high   rune   // the first half of a surrogate pair
	drop   int    // characters to pass over, after a \u
	entry  []byte // text of a destination that is no text
	styles map[int]bool
	date   [5]int // of info's creatim and the like
	head   bool   // the paragraph is a heading
	from   int    // where it begins
	steps  int
}

func newRTFReader(ctx context.Context, r io.Reader, text *docText) *rtfReader {
	page, _ := lookupCodec("windows-1252")
	return &rtfReader{ctx: ctx, r: bufio.NewReaderSize(r, 64<<10), text: text, doc: &Document{}, page: page, fonts: map[int]codec{}, styles: map[int]bool{},
		rtfGroup: rtfGroup{unicode: 1, font: -1, style: -1}}
}

// read goes to the end of the outermost group; its error is io.EOF where the
// file ends before.
func (r *rtfReader) read() error {
	for {
		if r.steps++; r.steps&0xfff == 0 && r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		c, err := r.r.ReadByte()
		if err != nil {
			r.flush()
			return err
		}
		switch c {
		case '{':
			if err := r.open(); err != nil {
				return err
			}
		case '}':
			r.flush()
			r.close()
			if len(r.stack) == 0 {
				return nil
			}
		case '\\':
			if err := r.control(); err != nil {
				return err
			}
		case '\r', '\n', 0:
		default:
			if !r.begun && len(r.stack) == 0 {
				return nil
			}
			r.char(c)
		}
		if r.text.full {
			return nil
		}
	}
}

func (r *rtfReader) open() error {
	r.flush()
	if len(r.stack) >= maxRTFDepth {
		return &FileError{Reason: ReasonTooLarge, Detail: fmt.Sprintf("its groups are nested more than %d deep, as no program writes them; open it in Word and save it again", maxRTFDepth)}
	}
	r.stack = append(r.stack, r.rtfGroup)
	r.first, r.star = true, false
	return nil
}

func (r *rtfReader) close() {
	if len(r.stack) == 0 {
		return
	}
	before := r.rtfGroup
	r.rtfGroup = r.stack[len(r.stack)-1]
	r.stack = r.stack[:len(r.stack)-1]
	r.first, r.star, r.drop = false, false, 0
	if before.dest != "" && !before.skip {
		r.endEntry(before)
	}
}

// endEntry takes what a destination has gathered, when a group in it ends.
func (r *rtfReader) endEntry(g rtfGroup) {
	text := strings.Trim(strings.ToValidUTF8(string(r.entry), ""), "; \t")
	switch g.dest {
	case "stylesheet":
		name := strings.ToLower(text)
		if g.style >= 0 && len(r.styles) < 10_000 && (name == "title" || strings.HasPrefix(name, "heading ")) {
			r.styles[g.style] = true
		}
	case "fonttbl":
	case "creatim", "revtim":
		d := r.date
		if d[0] > 0 {
			key := map[string]string{"creatim": "created", "revtim": "modified"}[g.dest]
			r.doc.setMeta(key, fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:00Z", d[0], max(d[1], 1), max(d[2], 1), d[3], d[4]))
		}
		r.date = [5]int{}
	default:
		if key, ok := rtfInfo[g.dest]; ok {
			r.doc.setMeta(key, text)
		}
	}
	r.entry = r.entry[:0]
}

// rtfInfo maps the destinations of the info group to keys of Document.Meta.
var rtfInfo = map[string]string{"title": "title", "subject": "subject", "author": "author", "keywords": "keywords", "doccomm": "description",
	"operator": "lastModifiedBy", "company": "company", "manager": "manager", "category": "category"}

// rtfPassed are destinations without text that a reader sees.
var rtfPassed = map[string]bool{"colortbl": true, "pict": true, "object": true, "objdata": true, "fldinst": true, "filetbl": true, "listtable": true, "listoverridetable": true,
	"revtbl": true, "rsidtbl": true, "generator": true, "xmlnstbl": true, "themedata": true, "datastore": true, "colorschememapping": true, "latentstyles": true,
	"bkmkstart": true, "bkmkend": true, "pntext": false, "xe": true, "tc": true, "nonshppict": true, "panose": true, "falt": true, "fontemb": true, "pgptbl": true,
	"mmathPr": true, "htmltag": true, "mhtmltag": true, "objclass": true, "objname": true, "template": true, "wgrffmtfilter": true, "background": true,
	"sp": true}

// rtfStarred are destinations with text though programs may ignore them.
var rtfStarred = map[string]bool{"shptxt": true, "shpinst": true, "annotation": true, "ud": true, "cs": true, "fldrslt": true, "footnote": true, "keywords": true,
	"shppict": false, "company": true, "manager": true, "category": true, "ts": true}

// control reads what follows a backslash.
func (r *rtfReader) control() error {
	c, err := r.r.ReadByte()
	if err != nil {
		return err
	}
	if !isLetter(c) {
		return r.symbol(c)
	}
	word := []byte{c}
	for {
		if c, err = r.r.ReadByte(); err != nil || !isLetter(c) || len(word) > 64 {
			break
		}
		word = append(word, c)
	}
	number := []byte(nil)
	if err == nil && c == '-' {
		number = append(number, c)
		c, err = r.r.ReadByte()
	}
	for err == nil && c >= '0' && c <= '9' && len(number) < 12 {
		number = append(number, c)
		c, err = r.r.ReadByte()
	}
	if err == nil && c != ' ' {
		_ = r.r.UnreadByte()
	}
	n, given := 0, len(number) > 0
	if given {
		v, _ := strconv.ParseInt(string(number), 10, 64)
		n = int(max(min(v, 1<<31-1), -1<<31))
	}
	return r.word(string(word), n, given)
}

func (r *rtfReader) symbol(c byte) error {
	switch c {
	case '\'':
		var hex [2]byte
		if _, err := io.ReadFull(r.r, hex[:]); err != nil {
			return err
		}
		if v, err := strconv.ParseUint(string(hex[:]), 16, 8); err == nil {
			r.char(byte(v))
		}
	case '*':
		r.star = r.first
		return nil // the destination's word is still to come
	case '\\', '{', '}':
		r.char(c)
	case '~':
		r.rune('\u00a0')
	case '_':
		r.rune('-')
	case '\r', '\n':
		r.paragraph()
	}
	r.first = false
	return nil
}

// word does what a control word says.
func (r *rtfReader) word(word string, n int, given bool) error {
	first, star := r.first, r.star
	r.first, r.star = false, false
	r.flush()
	if word == "rtf" && !r.begun {
		r.begun = true
		return nil
	}
	if first && r.destination(word, star) {
		return nil
	}
	switch word {
	case "u":
		r.unicodeChar(n)
	case "uc":
		r.rtfGroup.unicode = max(min(n, 16), 0)
	case "bin":
		if _, err := r.r.Discard(max(n, 0)); err != nil {
			return err
		}
	case "ansicpg":
		if c, err := lookupCodec(codePageName(n)); err == nil {
			r.page = c
		}
	case "mac":
		r.page, _ = lookupCodec("macintosh")
	case "f":
		r.font = n
	case "fcharset":
		if r.dest == "fonttbl" && len(r.fonts) < 10_000 {
			if c, ok := rtfCharset(n); ok {
				r.fonts[r.font] = c
			}
		}
	case "s":
		r.style = n
		if r.dest == "" && r.styles[n] {
			r.head = true
		}
	case "outlinelevel":
		if r.dest == "" && n < 9 {
			r.head = true
		}
	case "v", "deleted", "htmlrtf":
		r.hidden = !given || n != 0
	case "yr", "mo", "dy", "hr", "min":
		i := map[string]int{"yr": 0, "mo": 1, "dy": 2, "hr": 3, "min": 4}[word]
		r.date[i] = n
	default:
		r.layout(word)
	}
	return nil
}

// destination enters a group's destination; it is false for words that are none.
func (r *rtfReader) destination(word string, star bool) bool {
	_, info := rtfInfo[word]
	switch {
	case rtfPassed[word], star && !rtfStarred[word]:
		r.skip = true
	case word == "fonttbl", word == "stylesheet", word == "creatim", word == "revtim", info && r.dest == "info", info && star:
		r.dest = word
		r.entry = r.entry[:0]
	case word == "info", word == "printim", word == "buptim":
		r.dest = word
	case strings.HasPrefix(word, "header"), strings.HasPrefix(word, "footer"), word == "footnote", word == "annotation":
		if r.dest == "" {
			r.text.gap()
		}
	default:
		return false
	}
	return true
}

// layout does what a word says of lines, and writes the characters that have
// words.
func (r *rtfReader) layout(word string) {
	switch word {
	case "par", "sect", "page":
		r.paragraph()
	case "line", "softline":
		if r.shown() {
			r.text.line()
		}
	case "pard":
		r.head = false
	case "row", "nestrow":
		r.paragraph()
	case "cell", "nestcell":
		if r.shown() {
			r.text.write("\t")
		}
	case "tab":
		r.rune('\t')
	case "emdash":
		r.rune('—')
	case "endash":
		r.rune('–')
	case "lquote":
		r.rune('‘')
	case "rquote":
		r.rune('’')
	case "ldblquote":
		r.rune('“')
	case "rdblquote":
		r.rune('”')
	case "bullet":
		r.rune('•')
	case "emspace", "enspace":
		r.rune(' ')
	}
}

func (r *rtfReader) shown() bool { return !r.skip && !r.hidden && r.dest == "" }

// paragraph ends the paragraph.
func (r *rtfReader) paragraph() {
	if !r.shown() {
		return
	}
	if r.head {
		r.doc.addHeading(r.text.since(r.from))
	}
	r.text.line()
	r.from = len(r.text.b)
}

// char takes a byte of the code page.
func (r *rtfReader) char(c byte) {
	r.first = false
	if r.drop > 0 {
		r.drop--
		return
	}
	if !r.skip {
		r.bytes = append(r.bytes, c)
		if len(r.bytes) > 4<<10 && c < 0x80 {
			r.flush()
		}
	}
}

// flush decodes the characters that have come.
func (r *rtfReader) flush() {
	if len(r.bytes) == 0 {
		return
	}
	page := r.page
	if c, ok := r.fonts[r.font]; ok {
		page = c
	}
	s := ""
	if ascii(r.bytes) {
		s = string(r.bytes)
	} else {
		s = page.text(r.bytes)
	}
	r.bytes = r.bytes[:0]
	r.put(s)
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func (r *rtfReader) rune(c rune) {
	r.flush()
	r.put(string(c))
}

// put writes a text to where it belongs.
func (r *rtfReader) put(s string) {
	switch {
	case r.skip || r.hidden:
	case r.dest != "":
		if len(r.entry) < 64<<10 {
			r.entry = append(r.entry, s...)
		}
	default:
		r.text.write(s)
	}
}

// unicodeChar takes a UTF-16 unit; the characters for older programs that follow
// are passed over.
func (r *rtfReader) unicodeChar(n int) {
	c := rune(uint16(n))
	r.drop = r.rtfGroup.unicode
	switch {
	case utf16.IsSurrogate(c) && c < 0xdc00:
		r.high = c
		return
	case utf16.IsSurrogate(c):
		c = utf16.DecodeRune(r.high, c)
	}
	r.high = 0
	r.put(string(c))
}

// rtfCharset is the code page of a font's character set.
func rtfCharset(n int) (codec, bool) {
	name := ""
	switch n {
	case 0, 1, 2:
		return codec{}, false // the document's
	case 77:
		name = "macintosh"
	case 128:
		name = "shift_jis"
	case 129, 130:
		name = "euc-kr"
	case 134:
		name = "gbk"
	case 136:
		name = "big5"
	case 161:
		name = "windows-1253"
	case 162:
		name = "windows-1254"
	case 163:
		name = "windows-1258"
	case 177:
		name = "windows-1255"
	case 178:
		name = "windows-1256"
	case 186:
		name = "windows-1257"
	case 204:
		name = "windows-1251"
	case 222:
		name = "windows-874"
	case 238:
		name = "windows-1250"
	default:
		return codec{}, false
	}
	c, err := lookupCodec(name)
	return c, err == nil
}
