//go:build !nopdfium

package extract

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestPDFiumModule holds that the trimmed PDFium has all functions that are
// called here by their names, or by methods of go-pdfium that have their names.
func TestPDFiumModule(t *testing.T) {
	paths, err := filepath.Glob("pdf*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:"|\binst\.)((?:FPDF|FORM_)\w+)[("]`).FindAllSubmatch(src, -1) {
			names[string(m[1])] = true
		}
	}
	if len(names) < 50 || !names["FPDF_LoadPage"] || !names["FPDFBookmark_GetTitle"] {
		t.Fatalf("%d names were found in the sources, want all: %v", len(names), names)
	}
	for name := range names {
		if !bytes.Contains(pdfiumModule, append([]byte{byte(len(name))}, name...)) {
			t.Errorf("%s is called, and is not in pdfium.wasm; name it in trimpdfium and run make pdfium", name)
		}
	}
}
