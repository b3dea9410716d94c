package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// TestMappings runs importer test on the mappings of this project.
func TestMappings(t *testing.T) {
	mappings, err := filepath.Glob("../../mappings/*.yaml")
	if err != nil || len(mappings) < 4 {
		t.Fatalf("%d mappings (%v), want at least 4", len(mappings), err)
	}
	var out bytes.Buffer
	if code := run(t.Context(), append([]string{"test"}, mappings...), strings.NewReader(""), &out, &out); code != 0 {
		t.Errorf("exit %d; go run ./cmd/importer test mappings/*.yaml --update takes what the mappings make of the records now\n%s", code, out.String())
	}
}
