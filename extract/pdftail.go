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
	for n := int64(64 << 10); ; n *= 8 {
		n = min(n, in.Size, pdfTailMost)
		buf := make([]byte, n)
		if read, err := in.ReadAt(buf, in.Size-n); int64(read) < n {
			if err == nil {
				err = io.ErrUnexpectedEOF
			}
			return pdfTail{}, err
		}
		if bytes.Contains(buf, []byte("endobj")) || n == in.Size || n == pdfTailMost {
			return judgePDFTail(buf), nil
		}
	}
}

// judgePDFTail judges by the end of a file.
func judgePDFTail(end []byte) pdfTail {
	last := bytes.LastIndex(end, []byte("endobj"))
	if last < 0 {
		return pdfTail{}
	}
	before, after := end[:last], end[last+len("endobj"):]
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
	if bytes.Contains(before, []byte("startxref")) {
		// PDFium takes the table of the revision before this one, and with
		// it the old state of the document.
		return pdfTail{}
	}
	whole := bytes.Contains(after, []byte("xref")) || bytes.Contains(after, []byte("trailer"))
	return pdfTail{whole: whole, repaired: whole}
}
