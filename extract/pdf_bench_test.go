package extract

import (
	"strings"
	"testing"
)

// BenchmarkPDF reads a document of 100 full pages; the metric is time a page.
func BenchmarkPDF(b *testing.B) {
	pages := make([]string, 100)
	for i := range pages {
		pages[i] = strings.Repeat("The quick brown fox jumps over the lazy dog and reads 4,711 pages. ", 40)
	}
	pdf := makePDF(b, pages)
	for _, engine := range []string{engineAuto, engineLedongthuc} {
		b.Run(engine, func(b *testing.B) {
			for b.Loop() {
				for _, err := range readPDF(b.Context(), bytesInput("f.pdf", pdf), Options{Item: "page", PDF: PDFOptions{Engine: engine}}) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(pages)), "µs/page")
		})
	}
}

// BenchmarkPDFSmall reads a document of one line: what each file costs.
func BenchmarkPDFSmall(b *testing.B) {
	pdf := makePDF(b, []string{"one line"})
	for b.Loop() {
		for _, err := range readPDF(b.Context(), bytesInput("f.pdf", pdf), Options{}) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkPDFStart starts a worker for each document, with the compiled
// PDFium from the cache.
func BenchmarkPDFStart(b *testing.B) {
	pdf := makePDF(b, []string{"one line"})
	for b.Loop() {
		CloseWorkers()
		for _, err := range readPDF(b.Context(), bytesInput("f.pdf", pdf), Options{}) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
