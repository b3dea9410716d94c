// Command trimpdfium makes extract/pdfium.wasm: the PDFium of go-pdfium without
// the functions that cannot be reached from those that importer calls. Every
// process that reads PDFs decodes and checks all of the module when it starts,
// and has its machine code in memory.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	out := flag.String("o", filepath.Join("extract", "pdfium.wasm"), "the file to write")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "trimpdfium:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	whole, trimmed, err := trimPDFium()
	if err != nil {
		return err
	}
	fmt.Printf("%d bytes of %d\n", len(trimmed), len(whole))
	return os.WriteFile(out, trimmed, 0o644)
}

// trimPDFium trims the module of the go-pdfium that go.mod names.
func trimPDFium() (whole, trimmed []byte, err error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/klippa-app/go-pdfium").Output()
	if err != nil {
		return nil, nil, fmt.Errorf("go list: %w", err)
	}
	whole, err = os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "internal", "pdfium_wasm", "pdfium.wasm"))
	if err != nil {
		return nil, nil, err
	}
	trimmed, err = trim(whole, kept)
	return whole, trimmed, err
}

// kept tells whether something that PDFium exports stays: what it has for its
// host, and of its own functions those that importer calls.
func kept(name string) bool {
	for _, prefix := range []string{"FPDF", "FORM_", "FSDK_", "FX_", "IFSDK_", "UNSUPPORT_", "pdfium_"} {
		if strings.HasPrefix(name, prefix) {
			return slices.Contains(called, name)
		}
	}
	return true
}

// called are the functions of PDFium that importer calls, in extract/pdf*.go by
// their names and through go-pdfium. A test there holds that none is missing.
var called = strings.Fields(`
	FPDF_InitLibrary FPDF_DestroyLibrary FPDF_GetLastError
	FPDF_LoadMemDocument FPDF_LoadCustomDocument FPDF_FILEACCESS_Create FPDF_CloseDocument
	FPDF_GetPageCount FPDF_GetMetaText FPDF_GetPageLabel FPDFCatalog_GetLanguage
	FPDFBookmark_GetFirstChild FPDFBookmark_GetNextSibling FPDFBookmark_GetTitle FPDFBookmark_GetDest FPDFDest_GetDestPageIndex
	FPDF_LoadPage FPDF_ClosePage FPDF_GetPageBoundingBox FPDF_GetPageWidthF FPDF_GetPageHeightF
	FPDFText_LoadPage FPDFText_ClosePage FPDFText_CountChars FPDFText_GetUnicode FPDFText_IsGenerated FPDFText_IsHyphen
	FPDFText_GetCharAngle FPDFText_GetCharOrigin FPDFText_GetLooseCharBox
	FPDFPage_CountObjects FPDFPage_GetObject FPDFPage_RemoveObject FPDFPage_GenerateContent FPDFPage_Flatten
	FPDFPageObj_GetType FPDFPageObj_GetBounds FPDFPageObj_Destroy
	FPDFPage_GetAnnotCount FPDFPage_GetAnnot FPDFPage_CloseAnnot FPDFAnnot_GetSubtype FPDFAnnot_GetRect FPDFAnnot_GetFlags
	FPDFAnnot_GetAP FPDFAnnot_GetFileAttachment FPDFAnnot_GetFormFieldType FPDFAnnot_GetFormFieldFlags FPDFAnnot_GetFormFieldValue
	FPDFAnnot_GetOptionCount FPDFAnnot_GetOptionLabel
	FPDF_FORMFILLINFO_Create FPDFDOC_InitFormFillEnvironment FPDFDOC_ExitFormFillEnvironment
	FPDFDoc_GetAttachmentCount FPDFDoc_GetAttachment FPDFAttachment_GetName FPDFAttachment_GetSubtype FPDFAttachment_GetFile
	FPDFBitmap_CreateEx FPDFBitmap_FillRect FPDFBitmap_GetBuffer FPDFBitmap_GetStride FPDFBitmap_Destroy FPDF_RenderPageBitmap
`)
