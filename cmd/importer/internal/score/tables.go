//go:build linux || darwin

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// differencesFile stands beside the table of scores.
const differencesFile = "excel-differences.md"

// excelPart scores workbooks, and writes the cells that differ beside the table.
func excelPart(ctx context.Context, s *settings) ([]section, error) {
	books, err := scoreBooks(ctx, s)
	if err != nil {
		return nil, err
	}
	sections := []section{excelSection(books)}
	if s.beside == "" {
		fmt.Print(renderDifferences(differences(books, "")), "\n")
		return sections, nil
	}
	path := filepath.Join(s.beside, differencesFile)
	before, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return sections, os.WriteFile(path, []byte(renderDifferences(differences(books, string(before)))), 0o644)
}

// csvPart scores tables.
func csvPart(ctx context.Context, s *settings) ([]section, error) {
	sec, err := scoreCSV(ctx, s)
	return []section{sec}, err
}
