package extract

import (
	"bytes"
	"io"
	"regexp"
)

// A pdfTail is what the end of a PDF says of the file being all there.
//
// A PDF is objects ("7 0 obj ... endobj") followed by a table of them (xref),
// a trailer, "startxref", an offset and "%%EOF"; changes append more of the
// same (ISO 32000-1, 7.5). PDFium rebuilds a missing table from the objects
// that it finds, so a file cut in half opens, with fewer pages, shorter pages
// or other fonts, and no error. What PDFium makes of the file therefore
// proves nothing; that the objects are followed by the start of a table does.
type pdfTail struct {
	whole    bool // every object was written: a table or trailer follows the last
	repaired bool // whole, but what follows the objects is not complete
}

// pdfTailMost is how far from the end the last object may end. The table of a
// million objects has 20 MB.
const pdfTailMost = 64 << 20

var pdfObject = regexp.MustCompile(`\d\s+\d+\s+obj\b`)

func readPDFTail(in Input) (pdfTail, error) {
	after, err := afterLastObject(in)
	if err != nil {
		return pdfTail{}, err
	}
	return judgePDFTail(after), nil
}

// judgePDFTail judges what follows the last endobj of a file.
func judgePDFTail(after []byte) pdfTail {
	if all := pdfObject.FindAllIndex(after, -1); all != nil {
		// An object without its endobj: a cut, or a careless writer that
		// went on to the table.
		after = after[all[len(all)-1][1]:]
	}
	if i := bytes.LastIndex(after, []byte("%%EOF")); i >= 0 {
		rest := bytes.TrimSpace(after[i+len("%%EOF"):])
		if len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9' {
			return pdfTail{} // another revision had just begun
		}
		return pdfTail{whole: true, repaired: !bytes.Contains(after, []byte("startxref"))}
	}
	whole := bytes.Contains(after, []byte("xref")) || bytes.Contains(after, []byte("trailer"))
	return pdfTail{whole: whole, repaired: whole}
}

// afterLastObject gives the bytes after the last endobj, none when there is
// no endobj within pdfTailMost.
func afterLastObject(in Input) ([]byte, error) {
	for n := int64(64 << 10); ; n *= 8 {
		n = min(n, in.Size, pdfTailMost)
		buf := make([]byte, n)
		if read, err := in.ReadAt(buf, in.Size-n); int64(read) < n {
			if err == nil {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if i := bytes.LastIndex(buf, []byte("endobj")); i >= 0 {
			return buf[i+len("endobj"):], nil
		}
		if n == in.Size || n == pdfTailMost {
			return nil, nil
		}
	}
}
