package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

var contractTeams = []membership{
	{Group: "procurement", Display: "Procurement", Description: "Buys for all plants"},
	{Group: "sales", Display: "Sales", Description: "Customers and partners"},
	{Group: "legal", Display: "Legal", Description: "Reviews every contract"},
	{Group: "hr", Display: "Human Resources", Description: "Employment and training contracts"},
}

var contractNames = []string{
	"en:Martha Lindqvist", "de:Bruno Keller", "it:Silvia Marchetti", "en:Owen Blake", "fr:Hélène Fournier", "de:Dieter Krause",
	"en:Aisha Rahman", "es:Tomás Herrera", "it:Lorenzo Galli", "pl:Ewa Kamińska", "en:Colin Stewart", "de:Frauke Hübner",
	"fr:Antoine Mercier", "en:Rachel Stone", "it:Federica Serra", "es:Beatriz Núñez", "en:Joseph Mbeki", "de:Moritz Bäcker",
	"el:Dimitra Laskari", "en:Helen Cho", "fr:Margaux Petit", "it:Enzo Villa", "en:Walter Hayes", "de:Ines Sturm",
}

var registerColumns = []string{"Contract No.", "Signed", "Ends", "Amount", "Currency", "Renewed", "Owner", "Team", "Not for", "Counterparty", "Subject", "Days", "Rate"}

var suppliers = []string{"Litware GmbH", "Proseware S.r.l.", "Tailspin Toys Ltd", "Wide World Importers", "Lucerne Publishing AG", "Fourth Coffee SARL", "Trey Research", "Alpine Ski House", "Müller & Söhne KG", "Officine Verdi S.p.A.", "Żeglarz Sp. z o.o.", "Αφοί Δήμου Α.Ε."}

var customers = []string{"Graphic Design Institute", "Humongous Insurance", "Woodgrove Bank", "City of Milan", "Stadtwerke Ulm", "Blue Yonder Airlines", "Consolidated Messenger", "Hôpital Saint-Louis", "株式会社みなと商事"}

var purchases = []string{"Supply of sheet steel", "Maintenance of the compressors", "Cleaning of offices and canteen", "Printer leasing, 24 devices", "Temporary staff for the warehouse", "Rahmenvertrag Schmierstoffe", "Manutenzione degli impianti elettrici", "Transport to the Hamburg plant", "Software licences for construction", "Fourniture de bureau", "Waste disposal", "Catering for the summer fair"}

var deals = []string{"Delivery of pump units", "Service level agreement, pumps", "Framework agreement for spare parts", "Wartungsvertrag Pumpstation", "Fornitura di pompe per l'acquedotto", "Extended warranty", "Training of the customer's technicians", "ポンプ保守契約"}

// contracts makes samples/contracts.
func contracts(t *tree) error {
	teams := []string{"procurement", "sales", "legal", "hr"}
	people := directory("Fabrikam", "fabrikam.com", contractNames, teams)
	if err := saveDirectory(t, "contracts/directory.csv", people); err != nil {
		return err
	}
	more := []membership{
		{"management", "Management", "Sees every contract but those of Human Resources", "user", people[1].Mail},
		{"management", "Management", "Sees every contract but those of Human Resources", "user", people[3].UPN},
		{"management", "Management", "Sees every contract but those of Human Resources", "externalGroup", "legal"},
	}
	if err := saveGroups(t, "contracts/groups.csv", people, contractTeams, more); err != nil {
		return err
	}
	if err := register(t, people); err != nil {
		return err
	}
	if err := archive(t, people); err != nil {
		return err
	}
	broken := "PK\x03\x04 this workbook was sent by mail and lost its end"
	t.add("contracts/register-2022.xlsx", []byte(broken))
	t.fault("contracts/register-2022.xlsx", "", "starts as a zip archive and is none", "truncated-file")
	return contractFiles(t)
}

// register makes the register of contracts in force.
func register(t *tree, people []person) error {
	const name = "contracts/register.xlsx"
	r := newRandom(name)
	b := &book{Title: "Contract register", Author: "Legal"}
	for _, s := range []struct {
		name, title string
		year, rows  int
		teams       []string
		parties     []string
		subjects    []string
	}{
		{"Suppliers 2023", "Fabrikam: contracts with suppliers signed in 2023", 2023, 90, []string{"procurement", "hr"}, suppliers, purchases},
		{"Suppliers 2024", "Fabrikam: contracts with suppliers signed in 2024", 2024, 90, []string{"procurement", "hr"}, suppliers, purchases},
		{"Customers", "Fabrikam: contracts with customers", 2023, 80, []string{"sales"}, customers, deals},
		{"Drafts", "Not signed yet, for the legal department only", 2024, 12, []string{"legal"}, suppliers, purchases},
	} {
		sh := sheet{Name: s.name, Title: s.title, Hidden: s.name == "Drafts", Columns: registerColumns}
		code := strings.ToUpper(s.name[:1])
		for i := range s.rows {
			row := sh.firstRow() + i
			team := s.teams[0]
			if len(s.teams) > 1 && i%9 == 8 {
				team = s.teams[1]
			}
			signed := time.Date(s.year, 1, 3, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i*355/s.rows)
			ends := signed.AddDate(r.between(1, 4), 0, r.below(30))
			var notFor any
			if r.chance(8) {
				notFor = pick(r, people).Mail
			}
			days := int(ends.Sub(signed).Hours() / 24)
			sh.Rows = append(sh.Rows, []any{fmt.Sprintf("%s-%d-%03d", code, s.year, i+1), signed, ends, float64(r.between(80_000, 95_000_000)) / 100,
				pick(r, []string{"EUR", "EUR", "EUR", "USD", "CHF", "PLN"}), r.chance(40), pick(r, members(people, team)).Mail, team, notFor,
				pick(r, s.parties), pick(r, s.subjects), formula{fmt.Sprintf("C%d-B%d", row, row), float64(days)}, float64(r.between(50, 900)) / 100})
		}
		b.Sheets = append(b.Sheets, sh)
	}
	spoil := func(sheet, row int, column string, v any, what, expect string) {
		s := &b.Sheets[sheet]
		s.Rows[row][slices.Index(registerColumns, column)] = v
		t.fault(name, fmt.Sprintf("sheet %s, row %d", s.Name, s.firstRow()+row), what, expect)
	}
	spoil(0, 14, "Amount", cellError{`VLOOKUP("S-2022-015",A:D,4,FALSE)`}, "Amount is the error cell #N/A", "amount: an error cell is not a double")
	spoil(0, 40, "Signed", "31.02.2023", "Signed is the text 31.02.2023, a day that does not exist", "signed: not a date")
	spoil(1, 22, "Team", "logistics", "Team is logistics, which groups.csv does not know", "acl: the external group cannot be resolved")
	spoil(1, 47, "Not for", "former.employee@fabrikam.com", "Not for is a person whom the directory does not know", "acl: the person to deny cannot be resolved")
	spoil(1, 60, "Contract No.", "S-2024-010", "Contract No. S-2024-010 for the second time", "duplicate id (the first is row 13)")
	spoil(2, 9, "Amount", "to be agreed", "Amount is the text \"to be agreed\"", "amount: not a double")
	spoil(2, 31, "Contract No.", nil, "Contract No. is empty", "id: empty")
	data, err := b.bytes()
	if err != nil {
		return err
	}
	t.add(name, data)
	return nil
}

// archive makes the workbook of the nineties, kept on a Mac ever since.
func archive(t *tree, people []person) error {
	const name = "contracts/archive-1904.xlsx"
	r := newRandom(name)
	s := sheet{Name: "Archive", Columns: []string{"Contract No.", "Signed", "Scanned", "Amount", "Currency", "Box", "Counterparty", "Subject"}}
	for i := range 60 {
		signed := time.Date(1991+i/6, time.Month(1+i%6*2), 1+i%28, 0, 0, 0, 0, time.UTC)
		scanned := time.Date(2011, 3, 1, 9, 0, 0, 0, time.UTC).Add(time.Duration(i*1447) * time.Minute)
		s.Rows = append(s.Rows, []any{fmt.Sprintf("A-%d-%02d", signed.Year(), i+1), signed, moment(scanned), float64(r.between(5_000, 9_000_000)) / 100,
			pick(r, []string{"DEM", "ITL", "FRF", "USD"}), i/10 + 1, pick(r, suppliers), pick(r, purchases)})
	}
	s.Rows[33][1] = cellError{}
	t.fault(name, fmt.Sprintf("sheet Archive, row %d", s.firstRow()+33), "Signed is the error cell #N/A", "signed: an error cell is not a date")
	data, err := (&book{Title: "Archive 1991-2000", Author: people[0].Name, Date1904: true, Sheets: []sheet{s}}).bytes()
	if err != nil {
		return err
	}
	t.add(name, data)
	return nil
}
