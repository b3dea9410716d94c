package main

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"importer/cmd/importer/internal/clients"
)

// TestJavaScriptClient runs Microsoft's JavaScript client, as it is published,
// against importer serve; make clients runs the heavier ones too. It needs
// Node.js and, the first time, the npm registry. IMPORTER_CLIENTS=required
// makes it fail where it would be skipped.
func TestJavaScriptClient(t *testing.T) {
	t.Parallel()
	importer, err := exec.LookPath("importer")
	if err != nil {
		t.Fatal(err)
	}
	opt := clients.Options{Importer: importer, Source: "testdata/clients", Log: t.Output()}
	client, err := clients.Install(t.Context(), clients.JavaScript, opt)
	if missing := (*clients.MissingError)(nil); errors.As(err, &missing) && os.Getenv("IMPORTER_CLIENTS") != "required" {
		t.Skipf("Microsoft's JavaScript client is not run: %v", missing)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}
