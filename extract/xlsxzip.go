package extract

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/net/html/charset"
)

// A bookZip gives out the parts of a workbook, or of another office file, and
// sees to it that the parts together unpack to no more than the limit.
type bookZip struct {
	ctx   context.Context // of the one sequence that the zip is read for
	parts map[string]*zip.File
	twice map[string]bool // names that two parts have
	limit int64
	read  int64 // unpacked so far
	given int64 // text given out in rows so far
}

// Guards against zip bombs. Deflate reaches 1032:1 at most; sheets of real
// books stay below 50:1, and a small part may be as repetitive as it likes.
const (
	maxRatio     = 200
	ratioFrom    = 64 << 20
	maxZipParts  = 100_000
	xmlPeekBytes = 256
)

// A limitError is a limit exceeded by the file as a whole.
type limitError struct{ detail string }

func (e *limitError) Error() string { return e.detail }

func newBookZip(ctx context.Context, zr *zip.Reader, limit int64) *bookZip {
	z := &bookZip{ctx: ctx, parts: make(map[string]*zip.File, len(zr.File)), twice: map[string]bool{}, limit: orDefault(limit, defaultUnzippedLimit)}
	for i, f := range zr.File {
		if i == maxZipParts {
			break
		}
		name := partName(f.Name)
		if z.parts[name] != nil {
			z.twice[name] = true
		}
		z.parts[name] = f
	}
	return z
}

// partName is the name under which a part is found: part names do not tell
// case apart (ECMA-376 part 2, 6.2.2.3), and some programs write backslashes.
func partName(name string) string {
	name = path.Clean("/" + strings.ReplaceAll(name, `\`, "/"))
	return strings.ToLower(name[1:])
}

func (z *bookZip) has(part string) bool { return part != "" && z.parts[partName(part)] != nil }

// open gives a part's content as UTF-8. The reader fails with a *limitError
// when the file grows too large, and with the context's error.
func (z *bookZip) open(part string) (io.ReadCloser, error) {
	rc, err := z.openRaw(part)
	if err != nil {
		return nil, err
	}
	r, err := utf8Reader(rc)
	if err != nil {
		rc.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{r, rc}, nil
}

// openRaw gives a part's content as it is, under the same limits.
func (z *bookZip) openRaw(part string) (io.ReadCloser, error) {
	f := z.parts[partName(part)]
	if f == nil {
		return nil, fmt.Errorf("%w: the part is missing", errMarkup)
	}
	if z.twice[partName(part)] { // programs differ on which of them counts
		return nil, fmt.Errorf("%w: two parts have this name", errMarkup)
	}
	if f.UncompressedSize64 > uint64(z.limit) {
		return nil, z.tooLarge()
	}
	if f.Flags&1 != 0 {
		return nil, &FileError{Reason: ReasonEncrypted, Detail: "the parts of this zip are encrypted one by one, which this format does not know; save it again in its own program"}
	}
	rc, err := f.Open()
	if err != nil {
		if errors.Is(err, zip.ErrAlgorithm) {
			return nil, &FileError{Reason: ReasonUnsupported, Err: err,
				Detail: "the file is packed by a method that its own program does not use; open it there and save it again"}
		}
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{&partReader{zip: z, name: part, rc: rc, packed: int64(min(f.CompressedSize64, 1<<62))}, rc}, nil
}

// readAll reads a small part to its end.
func (z *bookZip) readAll(part string) ([]byte, error) {
	rc, err := z.open(part)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	data, err := io.ReadAll(io.LimitReader(rc, maxSmallPart+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSmallPart {
		return nil, &limitError{fmt.Sprintf("the file's part %s is over %d MiB, which no honest file needs; open it in its own program and save it again", part, maxSmallPart>>20)}
	}
	return withoutProlog(data), nil
}

// withoutProlog drops the XML declaration, because the encoding that it may
// name is not that of data any more.
func withoutProlog(data []byte) []byte {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(data, []byte("<?xml")) {
		if _, rest, ok := bytes.Cut(data, []byte("?>")); ok {
			return rest
		}
	}
	return data
}

// textFactor is how much more text than XML a book may give: a sheet of a few
// bytes a cell can name one long text a million times.
const textFactor = 4

// give counts the text of a row.
func (z *bookZip) give(n int) error {
	if z.given += int64(n); z.given/textFactor > z.limit {
		return &limitError{fmt.Sprintf("the file's rows repeat more than %d MiB of text; if it is honest, raise limits: {unzipped: ...}", textFactor*z.limit>>20)}
	}
	return nil
}

func (z *bookZip) tooLarge() error {
	return &limitError{fmt.Sprintf("the file unpacks to more than %d MiB; if it is honest, raise limits: {unzipped: ...}", max(z.limit>>20, 1))}
}

// A partReader reads one part and counts.
type partReader struct {
	zip    *bookZip
	name   string
	rc     io.Reader
	n      int64
	packed int64
}

func (p *partReader) Read(b []byte) (int, error) {
	if err := p.zip.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := p.rc.Read(b)
	p.n += int64(n)
	p.zip.read += int64(n)
	if p.zip.read > p.zip.limit {
		return 0, p.zip.tooLarge()
	}
	if p.n > ratioFrom && p.n/maxRatio > p.packed {
		return 0, &limitError{fmt.Sprintf("the file's part %s unpacks to more than %d times its size, as a zip bomb does; open it in its own program and save it again", p.name, maxRatio)}
	}
	return n, err
}

// utf8Reader decodes a part that is not UTF-8. The standard asks for UTF-8 or
// UTF-16 (ECMA-376 part 2, 8.1.3); other encodings are met in the wild.
func utf8Reader(r io.Reader) (io.Reader, error) {
	head := make([]byte, xmlPeekBytes)
	n, err := io.ReadFull(r, head)
	// A part shorter than the peek ends it with ErrUnexpectedEOF, whole or cut;
	// which of the two it is, the next read says.
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	head = head[:n]
	r = io.MultiReader(bytes.NewReader(head), r)
	label := xmlEncoding(head)
	if label == "" {
		return r, nil
	}
	decoded, err := charset.NewReaderLabel(label, r)
	if err != nil {
		return nil, fmt.Errorf("%w: its encoding %q is not known", errMarkup, label)
	}
	return decoded, nil
}

// xmlEncoding names the encoding of an XML part, "" for UTF-8.
func xmlEncoding(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{'<', 0}):
		return "utf-16le"
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}), bytes.HasPrefix(head, []byte{0, '<'}):
		return "utf-16be"
	case !bytes.HasPrefix(head, []byte("<?xml")):
		return ""
	}
	decl, _, _ := bytes.Cut(head, []byte("?>"))
	_, after, ok := bytes.Cut(decl, []byte("encoding"))
	if !ok {
		return ""
	}
	after = bytes.TrimLeft(after, " \t\r\n=")
	if len(after) == 0 {
		return ""
	}
	value, _, _ := bytes.Cut(after[1:], after[:1])
	switch label := strings.ToLower(string(value)); label {
	case "utf-8", "utf8", "us-ascii", "ascii", "utf-16": // a part in UTF-16 was seen above
		return ""
	default:
		return label
	}
}
