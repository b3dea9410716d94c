package extract

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/readeck/go-readability/v2"
	"golang.org/x/net/html"
)

// BenchmarkHTML reads the corpus's articles, beside the parser and readability
// alone on the same pages.
func BenchmarkHTML(b *testing.B) {
	paths, _ := filepath.Glob(filepath.Join(corpusDir(b, "html", "mozilla+readability"), "*", "source.html"))
	var pages [][]byte
	size := 0
	for _, path := range paths {
		page, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		pages = append(pages, page)
		size += len(page)
	}
	run := func(name string, read func(page []byte) error) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for i, page := range pages {
					if err := read(page); err != nil {
						b.Fatalf("%s: %v", paths[i], err)
					}
				}
			}
			b.ReportMetric(float64(len(pages)*b.N)/b.Elapsed().Seconds(), "pages/s")
		})
	}
	for _, content := range []string{"article", "main", "full"} {
		run(content, func(page []byte) error {
			in := Input{Name: "page.html", Size: int64(len(page)), ReaderAt: bytes.NewReader(page)}
			for _, err := range readHTML(b.Context(), in, Options{HTML: HTMLOptions{Content: content}}) {
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	run("parse alone", func(page []byte) error {
		_, err := html.Parse(bytes.NewReader(page))
		return err
	})
	run("readability alone", func(page []byte) error {
		p := readability.NewParser()
		article, err := p.Parse(bytes.NewReader(page), nil)
		if err != nil || article.Node == nil {
			return err
		}
		return article.RenderText(&strings.Builder{})
	})
}
