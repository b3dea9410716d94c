package transform

import (
	"flag"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"importer/extract"
)

var update = flag.Bool("update", false, "rewrite what is generated from the code")

func diff(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(extract.Options{})); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func diffItems(t *testing.T, got, want *Item) {
	t.Helper()
	diff(t, "item", got, want)
}
