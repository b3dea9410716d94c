package main

import (
	"fmt"
	"time"
)

// A clause bank is the text of contracts in one language. {party}, {subject},
// {amount}, {days} and {date} are filled in.
type clauseBank struct {
	Language, Kind, Preamble string
	Clauses                  []section
}

var clauseBanks = []clauseBank{
	{"en", "Agreement", "This agreement is made on {date} between Fabrikam Pumps, Harbour Road 4, Bristol, and {party}.", []section{
		{Heading: "1. Subject", Paragraphs: []string{"The subject of this agreement is: {subject}. Details are laid down in annex 1, which is part of the agreement."}},
		{Heading: "2. Price and payment", Paragraphs: []string{"The price is {amount} without value added tax. Invoices are payable within {days} days of receipt.", "Prices are fixed for the first year and follow the producer price index afterwards, by at most three per cent a year."}},
		{Heading: "3. Term and termination", Paragraphs: []string{"The agreement runs for two years and is renewed by a year unless one side gives notice {days} days before its end.", "Each side may terminate at once for good cause, in particular if the other is insolvent."}},
		{Heading: "4. Warranty and liability", Paragraphs: []string{"The supplier repairs or replaces whatever does not have the agreed quality. Liability is limited to the price of a year, except for intent and gross negligence."}},
		{Heading: "5. Confidentiality", Paragraphs: []string{"Drawings, prices and the names of customers are confidential during the agreement and for five years after it."}},
		{Heading: "6. Law and court", Paragraphs: []string{"The law of England applies. Disputes go to the courts of Bristol."}}}},
	{"de", "Vertrag", "Dieser Vertrag wird am {date} zwischen der Fabrikam Pumpen GmbH, Hafenstraße 4, Hamburg, und {party} geschlossen.", []section{
		{Heading: "§ 1 Gegenstand", Paragraphs: []string{"Gegenstand des Vertrages ist: {subject}. Einzelheiten regelt die Anlage 1, die Bestandteil des Vertrages ist."}},
		{Heading: "§ 2 Vergütung", Paragraphs: []string{"Die Vergütung beträgt {amount} zuzüglich Umsatzsteuer. Rechnungen sind innerhalb von {days} Tagen fällig."}},
		{Heading: "§ 3 Laufzeit und Kündigung", Paragraphs: []string{"Der Vertrag läuft zwei Jahre und verlängert sich um ein Jahr, wenn er nicht {days} Tage vor Ablauf gekündigt wird."}},
		{Heading: "§ 4 Gewährleistung und Haftung", Paragraphs: []string{"Für Mängel gelten die gesetzlichen Vorschriften. Die Haftung für leichte Fahrlässigkeit ist ausgeschlossen, soweit keine wesentlichen Pflichten verletzt sind."}},
		{Heading: "§ 5 Schlussbestimmungen", Paragraphs: []string{"Änderungen bedürfen der Schriftform. Gerichtsstand ist Hamburg."}}}},
	{"it", "Contratto", "Il presente contratto è stipulato il {date} tra Fabrikam Pompe S.r.l., via del Porto 4, Genova, e {party}.", []section{
		{Heading: "Art. 1 Oggetto", Paragraphs: []string{"Oggetto del contratto: {subject}. I dettagli sono nell'allegato 1, che ne è parte integrante."}},
		{Heading: "Art. 2 Corrispettivo", Paragraphs: []string{"Il corrispettivo è di {amount} oltre IVA. Le fatture sono pagate entro {days} giorni."}},
		{Heading: "Art. 3 Durata e recesso", Paragraphs: []string{"Il contratto dura due anni e si rinnova per un anno salvo disdetta {days} giorni prima della scadenza."}},
		{Heading: "Art. 4 Garanzia", Paragraphs: []string{"Il fornitore ripara o sostituisce ciò che non ha la qualità pattuita."}},
		{Heading: "Art. 5 Foro competente", Paragraphs: []string{"Per ogni controversia è competente il foro di Genova."}}}},
}

// contractFiles makes samples/contracts/pdf: a folder for each team.
func contractFiles(t *tree) error {
	plan := []struct {
		team     string
		count    int
		parties  []string
		subjects []string
		authors  []string
	}{
		{"procurement", 8, suppliers[:10], purchases, []string{"Martha Lindqvist", "Federica Serra"}},
		{"sales", 7, customers[:8], deals[:7], []string{"Silvia Marchetti"}},
		{"legal", 2, []string{"Woodgrove Bank"}, []string{"Non-disclosure, project Anchor", "Settlement of a claim"}, []string{"Hélène Fournier"}},
		{"hr", 3, []string{"School of Fine Art", "Margie's Travel"}, []string{"Training of apprentices", "Relocation services", "Occupational health"}, []string{"Aisha Rahman"}},
	}
	number := 0
	for _, p := range plan {
		for i := range p.count {
			number++
			r := newRandom(fmt.Sprintf("contract %s %d", p.team, i))
			bank := clauseBanks[number%len(clauseBanks)]
			signed := time.Date(2022, 2, 1, 10, 0, 0, 0, time.UTC).AddDate(0, number, r.below(27))
			say := func(text string) string {
				return fill(text, "party", p.parties[i%len(p.parties)], "subject", p.subjects[i%len(p.subjects)],
					"amount", fmt.Sprintf("EUR %d.%02d", r.between(1200, 480000), r.below(100)), "days", itoa(pick(r, []int{14, 30, 60})), "date", signed.Format("02.01.2006"))
			}
			d := &document{Title: say(bank.Kind + ": {subject}"), Author: pick(r, p.authors), Subject: p.subjects[i%len(p.subjects)],
				Keywords: p.parties[i%len(p.parties)] + "; " + p.team, Language: bank.Language, Modified: signed.AddDate(0, 2, 0),
				Sections: []section{{Heading: fmt.Sprintf("F-%d-%03d", signed.Year(), number), Paragraphs: []string{say(bank.Preamble)}}}}
			for n, clause := range bank.Clauses {
				s := section{Heading: clause.Heading, NewPage: n == 3 && number%2 == 0}
				for _, text := range clause.Paragraphs {
					s.Paragraphs = append(s.Paragraphs, say(text))
				}
				d.Sections = append(d.Sections, s)
			}
			if err := saveContract(t, d, p.team, number); err != nil {
				return err
			}
		}
	}
	return terms(t)
}

// saveContract writes one, or what became of it.
func saveContract(t *tree, d *document, team string, number int) error {
	name := fmt.Sprintf("contracts/pdf/%s/contract-%03d.pdf", team, number)
	if number == 17 { // one of legal's two
		d.Password = "anchor"
		t.fault(name, "", "needs a user password", "encrypted")
	}
	data, err := d.bytes()
	if err != nil {
		return err
	}
	if number == 5 {
		data = data[:len(data)/2]
		t.fault(name, "", "cut off in the middle", "truncated-file")
	}
	t.add(name, data)
	return nil
}

// terms are read page by page: each page is an item of its own.
func terms(t *tree) error {
	d := &document{Title: "General terms of purchase", Author: "Hélène Fournier", Subject: "Terms", Keywords: "terms; purchase", Language: "en",
		Modified: time.Date(2024, 5, 2, 8, 0, 0, 0, time.UTC)}
	for i, clause := range clauseBanks[0].Clauses {
		s := section{Heading: clause.Heading, NewPage: i%2 == 0}
		for _, text := range clause.Paragraphs {
			s.Paragraphs = append(s.Paragraphs, fill(text, "party", "the supplier", "subject", "goods and services ordered by Fabrikam", "amount", "as ordered", "days", "60", "date", "2 May 2024"))
		}
		d.Sections = append(d.Sections, s)
	}
	data, err := d.bytes()
	if err != nil {
		return err
	}
	t.add("contracts/terms/terms-of-purchase.pdf", data)
	return nil
}
