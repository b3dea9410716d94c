//go:build nopdfium

package extract

import "errors"

const havePDFium = false

const pdfEngineVersion = "ledongthuc/20260907"

func newPDFium() (pdfEngine, error) {
	return nil, errors.New("this program was built without PDFium")
}
