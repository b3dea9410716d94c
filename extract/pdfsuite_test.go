package extract

import (
	"fmt"
	"strings"
	"testing"
)

func TestSuitePDF(t *testing.T) {
	small := makePDF(t, []string{"Open the front cover.", "Replace the toner.", "Close the front cover."})
	t.Run("document", func(t *testing.T) {
		runSuite(t, suiteCase{format: PDF, name: "manual.pdf", small: small, want: 1})
	})
	t.Run("page", func(t *testing.T) {
		runSuite(t, suiteCase{
			format: PDF, name: "manual.pdf", opt: Options{Item: "page"}, small: small, want: 3,
			big: func(n int) []byte {
				objects := []string{"<</Type/Catalog/Pages 2 0 R>>", "", "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"}
				var kids strings.Builder
				for i := range n {
					id := len(objects) + 1
					fmt.Fprintf(&kids, "%d 0 R ", id)
					objects = append(objects,
						fmt.Sprintf("<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents %d 0 R/Resources<</Font<</F1 3 0 R>>>>>>", id+1),
						stream("", fmt.Sprintf("BT /F1 12 Tf 20 300 Td (This is page %d.) Tj ET", i+1)))
				}
				objects[1] = fmt.Sprintf("<</Type/Pages/Kids[%s]/Count %d>>", &kids, n)
				return rawPDF(objects...)
			},
			bigN: 500,
		})
	})
}
