package transform

import (
	"strings"
	"testing"

	"importer/extract"
)

const benchMapping = `version: 1
connection: {id: bench, name: Bench}
schema:
  number:   {type: string, retrievable: true}
  title:    {type: string, labels: [title], searchable: true, retrievable: true}
  status:   {type: string, refinable: true}
  priority: {type: int64, refinable: true}
  amount:   {type: double}
  opened:   {type: dateTime, refinable: true}
  team:     {type: string}
  city:     {type: string}
  requester: {type: string}
  url:      {type: string, labels: [url], retrievable: true}
sources:
  - name: rows
    path: rows.csv
    where: status != "deleted"
    id: number
    properties:
      number: number
      title: title
      status: status
      priority: int(priority)
      amount: float(amount)
      opened: date(opened, "2006-01-02 15:04", "Europe/Rome")
      team: team
      city: city
      requester: requester
      url: '"https://helpdesk.contoso.com/tickets/" + urlEscape(number)'
    content: {type: text, value: title + "\n\n" + description}
    acl: [{grant: everyone}]
`

var (
	benchColumns = []string{"number", "title", "status", "priority", "amount", "opened", "team", "city", "requester", "description"}
	benchRow     = []string{"INC0012345", "Printer on the second floor jams", "open", "3", "129.50", "2026-05-01 08:30", "Field Service", "Torino", "ada@contoso.com",
		"The printer near the kitchen jams on every second sheet since the toner was changed on Monday."}
)

func mustParse(t testing.TB, src string) *Mapping {
	t.Helper()
	m, err := parse("m.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// BenchmarkApply is the gate: about a microsecond for a row of ten columns.
func BenchmarkApply(b *testing.B) {
	s := mustParse(b, benchMapping).Sources[0]
	rec := extract.Record{Place: extract.Place{File: "rows.csv", Line: 2}, Header: extract.NewHeader(benchColumns), Text: benchRow}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Apply(rec); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkApplyMachine is the same row where three properties need the
// library's machine.
func BenchmarkApplyMachine(b *testing.B) {
	src := strings.NewReplacer("int(priority)", "int(priority) * 10 + 1", "team: team", `team: filter(split(team, " "), len(#) > 2)[0]`,
		"city: city", `'city: upper(substr(city, 0, 3))'`).Replace(benchMapping)
	src = strings.ReplaceAll(src, "'city: upper(substr(city, 0, 3))'", "city: upper(substr(city, 0, 3))")
	s := mustParse(b, src).Sources[0]
	rec := extract.Record{Place: extract.Place{File: "rows.csv", Line: 2}, Header: extract.NewHeader(benchColumns), Text: benchRow}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Apply(rec); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	s := mustParse(b, benchMapping).Sources[0]
	it, err := s.Apply(extract.Record{Header: extract.NewHeader(benchColumns), Text: benchRow})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		it.Digest()
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		mustParse(b, benchMapping)
	}
}
