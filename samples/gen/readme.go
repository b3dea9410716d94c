package main

import (
	"fmt"
	"strings"
)

const readmeHead = `# Samples

Four collections that look like what people have, each with the mapping that imports it:

| folder | mapping | what it is |
|---|---|---|
| helpdesk | [mappings/helpdesk.yaml](../mappings/helpdesk.yaml) | tickets in CSV from eight offices, manuals in PDF, a knowledge base in HTML |
| contracts | [mappings/contracts.yaml](../mappings/contracts.yaml) | a register and an archive in Excel, contracts in PDF, permissions by team |
| website | [mappings/website.yaml](../mappings/website.yaml) | the archive of a web site in five languages, with an intranet |
| catalogue | [mappings/catalogue.yaml](../mappings/catalogue.yaml) | products in Excel, price lists in CSV |

Companies, people and numbers are invented. Everything here, this file included, is written by

    go run ./samples/gen -o samples

and is the same on every machine, so change the generator and not the files. The want.jsonl files are the items that the
mappings make of the samples; they are made by the tool itself and read in review. [ops](ops/README.md) is not made: it
shows how to run imports by cron, systemd, Kubernetes, Airflow and Windows.

## Dialects and encodings

CSV files, and HTML files that are not UTF-8 or do not say what they are:

| file | language | encoding | delimiter | line ends | quoted | rows |
|---|---|---|---|---|---|---|
`

const readmeFaults = `
## What is wrong on purpose

Lines count from 1 and include the header; a row of a CSV file is named by the line on which it starts.

| file | place | what is wrong | why it is refused |
|---|---|---|---|
`

const readmeHidden = `
## Who sees what

A ticket that is marked confidential is hidden from the person that it is about, even when everybody else may see it. These
speak of a printer and are public but for one person, so a search for printer as that person and as another one differs:

| ticket | hidden from |
|---|---|
`

func readme(t *tree) []byte {
	var b strings.Builder
	b.WriteString(readmeHead)
	for _, f := range t.texts {
		d := f.Dialect
		delimiter := map[string]string{",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}[d.Delimiter]
		eol := map[string]string{"\n": "LF", "\r\n": "CRLF"}[d.EOL]
		quoted, rows := "", ""
		if delimiter != "" {
			quoted, rows = "where needed", itoa(f.Records)
			if d.QuoteAll {
				quoted = "always"
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", f.File, f.Language, d.Encoding, delimiter, eol, quoted, rows)
	}
	b.WriteString(readmeFaults)
	for _, f := range t.faults {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.File, f.Where, strings.ReplaceAll(f.What, "|", "\\|"), f.Expect)
	}
	b.WriteString(readmeHidden)
	for _, h := range t.hidden {
		fmt.Fprintf(&b, "| %s | %s |\n", h.Ticket, h.From)
	}
	return []byte(b.String())
}
