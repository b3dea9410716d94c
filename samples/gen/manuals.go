package main

import (
	"slices"
	"time"
)

// A manual is a PDF of the helpdesk.
type manual struct {
	File, Title, Author, Keywords string
	Voice                         *voice
	Columns                       int
	Password                      string
	Topic                         string
	Chapters                      []section // written for this manual
	Trouble                       string    // the heading of the chapter made of the voice's words
}

var manualFiles = []manual{
	{File: "printers/office-laser-printer.pdf", Title: "Office laser printer: user manual", Author: "Tom Hughes", Keywords: "printer, toner, paper jam", Voice: &english, Topic: "printer", Trouble: "Troubleshooting",
		Chapters: []section{
			{Heading: "1 Before you print", Paragraphs: []string{
				"Every floor has one printer in the copy room. The printer wakes up when you hold your badge to the reader; your jobs wait for a day and are then deleted.",
				"Choose the queue Contoso-Follow-Me in the print dialogue. It works at every printer of the company, in London as well as in Munich or Tokyo.",
				"Print on both sides unless a customer asks otherwise. Colour is for drawings and presentations."}},
			{Heading: "2 Paper and trays", NewPage: true, Paragraphs: []string{
				"Tray 1 holds 250 sheets of A4, tray 2 holds 500. Tray 3 is for letterhead: face down, head to the left.",
				"Fan the paper before you fill a tray, and never fill above the mark. Most paper jams come of overfilled trays.",
				"Labels and thick card go through the manual feed only. Labels that were in the printer once must not go in again."}},
			{Heading: "3 Changing the toner", NewPage: true, Paragraphs: []string{
				"The display shows Toner low about 300 pages before the end. Order nothing yourself: the printer orders its own cartridge, which waits at reception.",
				"Open the front door, pull the old cartridge straight out, shake the new one five times from side to side, take off the orange strip and push it in until it clicks.",
				"Toner on clothes comes off with a dry cloth and cold water. Warm water fixes it."}},
			{Heading: "4 Clearing a paper jam", NewPage: true, Paragraphs: []string{
				"The display shows where the paper is. Open the doors in the order of their numbers and pull the paper in the direction of its travel.",
				"If the printer jams at the same place three times in a day, call the Service Desk; the rollers wear out after about 100,000 pages."}}}},
	{File: "printers/label-printer.pdf", Title: "Label printer ZD421: quick guide", Author: "Tom Hughes", Keywords: "printer, labels, warehouse", Voice: &english, Topic: "printer", Trouble: "When labels go wrong",
		Chapters: []section{{Heading: "Loading a roll", Paragraphs: []string{
			"Press both latches, lift the lid, spread the holders and hang the roll so that labels come from below. Close the lid until both sides click.",
			"Hold the feed button until the light blinks twice: the printer measures the gap between two labels. Without that it prints over the edge."}},
			{Heading: "Settings for the warehouse", Paragraphs: []string{
				"Darkness 22, speed 4 inches per second, width 102 mm. The shipping system sets these with each job; do not change them on the printer."}}}},
	{File: "network/vpn-guide.pdf", Title: "Working from home: the VPN guide", Author: "Priya Nair", Keywords: "vpn, remote work, token", Voice: &english, Topic: "vpn", Trouble: "If the VPN does not connect",
		Chapters: []section{{Heading: "First connection", Paragraphs: []string{
			"Install the VPN client from the Company Portal and restart the laptop. Sign in with your mail address; the second factor is the number that your phone shows.",
			"The VPN carries only traffic to Contoso. Video calls and the web go directly, so a slow VPN never explains a bad call."}},
			{Heading: "Hotels, trains, phones", Paragraphs: []string{
				"Accept the terms of a hotel network in the browser before you start the VPN. On trains the connection drops in tunnels and comes back by itself within a minute.",
				"A phone as hotspot is fine; an hour of office work takes about 150 MB."}}}},
	{File: "laptops/laptop-handbook.pdf", Title: "The Contoso laptop handbook", Author: "Daniel Price", Keywords: "laptop, docking station, warranty", Voice: &english, Columns: 2, Topic: "laptop", Trouble: "Common trouble",
		Chapters: []section{
			{Heading: "Your laptop", Paragraphs: []string{
				"Laptops are replaced after four years, or earlier when a repair costs more than a third of a new one. You choose between a light model with a 14 inch screen and a workstation.",
				"The disk is encrypted. Nobody in the company, the Service Desk included, can read it without your key or the recovery key that Security keeps.",
				"Keep the laptop in the docking station on working days: updates install at night, and only there."}},
			{Heading: "Battery and dock", Paragraphs: []string{
				"A battery loses a fifth of its capacity in two years; that is normal. Less than two hours of work on a full charge is not, and is covered by the warranty.",
				"The dock charges with 90 W and drives two monitors. If a monitor stays dark, unplug the dock from the wall for ten seconds."}},
			{Heading: "Loss and theft", Paragraphs: []string{
				"Report a lost laptop to Security at once, day or night. They lock it and wipe it; you get a spare within a day.",
				"Never leave a laptop in a car. The insurance does not pay, and neither do we."}},
			{Heading: "Software", Paragraphs: []string{
				"The Company Portal has everything that is licensed for you; it installs without an administrator. For anything else open a ticket and name the purpose and the manager who approves it.",
				"Updates of Windows are offered for three days and then installed. Save your work when the clock beside the task bar turns orange.",
				"Programs from the web are blocked. If you need one for a customer's project, Security lends you a laptop outside the network for up to a month."}},
			{Heading: "Data", Paragraphs: []string{
				"Keep documents in OneDrive or in the folders of your team, never on the desktop of the laptop: only the former are backed up. A laptop that dies takes everything else with it.",
				"Memory sticks are read-only by policy. Customers' sticks go through the scanning station at reception, which copies what is clean to your OneDrive."}},
			{Heading: "Screens, keyboards, headsets", Paragraphs: []string{
				"Each desk has two monitors of 24 inches. At home you may have one; it is delivered by post and stays the company's.",
				"Keyboards come in English, German, French, Italian, Spanish, Polish, Greek and Japanese layout. Say which one you want; the one on the laptop cannot be changed afterwards.",
				"Headsets with a cable need no charging and never lose the connection. We recommend them for those who are on the phone all day."}},
			{Heading: "Travelling", Paragraphs: []string{
				"Take the small power supply of 65 W. Plug adapters for Japan, the United Kingdom and the United States are at reception; please bring them back.",
				"Some countries look into laptops at the border. Before you travel outside Europe ask Security for an empty one; you get your data back through the VPN when you have arrived."}},
			{Heading: "Leaving the company", Paragraphs: []string{
				"Bring the laptop, the power supply and the dock back on the last day. Private files are yours to copy before; afterwards they are deleted."}}}},
	{File: "printers/druckerhandbuch.pdf", Title: "Druckerhandbuch für alle Büros", Author: "Sabine Groß", Keywords: "Drucker, Toner, Papierstau", Voice: &german, Topic: "printer", Trouble: "Störungen",
		Chapters: []section{{Heading: "Drucken", Paragraphs: []string{
			"Halten Sie den Ausweis an das Lesegerät; der Drucker wacht auf und zeigt Ihre Aufträge. Nicht abgeholte Aufträge werden nach einem Tag gelöscht.",
			"Für größere Auflagen über 500 Blatt gibt es die Hausdruckerei. Eine Farbseite kostet 0,08 €, eine Seite in Schwarzweiß 0,02 €.",
			"Straßenkarten, Pläne und Übergrößen druckt der Plotter im Erdgeschoß."}},
			{Heading: "Papier und Toner", Paragraphs: []string{
				"Fach 1 fasst 250 Blatt, Fach 2 fasst 500. Briefpapier gehört mit der Schriftseite nach unten in Fach 3.",
				"Der Drucker bestellt seinen Toner selbst. Die Kartusche liegt am Empfang."}}}},
	{File: "network/guida-vpn.pdf", Title: "Guida alla VPN", Author: "Giulia Rossi", Keywords: "vpn, lavoro da casa", Voice: &italian, Topic: "vpn", Trouble: "Se qualcosa non va",
		Chapters: []section{{Heading: "Prima connessione", Paragraphs: []string{
			"Installate il client VPN dal portale aziendale e riavviate il portatile. L'accesso è con l'indirizzo di posta e il numero che appare sul telefono.",
			"La VPN serve solo per i sistemi dell'azienda: le videochiamate passano direttamente, perciò una VPN lenta non c'entra."}}}},
	{File: "finance/traitement-des-factures.pdf", Title: "Traitement des factures dans SAP", Author: "Élodie Moreau", Keywords: "invoice, facture, SAP", Voice: &french, Topic: "invoice", Trouble: "Questions fréquentes",
		Chapters: []section{{Heading: "De la réception au paiement", Paragraphs: []string{
			"Une facture reçue par courriel est lue automatiquement ; le montant, la TVA et le numéro de commande sont proposés, jamais validés d'office.",
			"Au-delà de 5 000 € il faut deux approbations. Le délai de paiement court à partir de la date de la facture, pas de sa réception."}}}},
	{File: "accounts/politica-de-contrasenas.pdf", Title: "Política de contraseñas", Author: "Lucía Fernández", Keywords: "password, contraseña", Voice: &spanish, Topic: "password", Trouble: "Preguntas frecuentes",
		Chapters: []section{{Heading: "Reglas", Paragraphs: []string{
			"Una contraseña tiene al menos catorce caracteres y no se cambia sin motivo. Use una frase que nadie más diría.",
			"Nadie de soporte le pedirá nunca su contraseña. Si alguien la pide, avise a Seguridad."}}}},
	{File: "security/incident-response-plan.pdf", Title: "Incident response plan", Author: "Nora Quinn", Keywords: "security, incident", Voice: &english, Password: "only-security-knows", Topic: "access", Trouble: "Cases",
		Chapters: []section{{Heading: "Who decides", Paragraphs: []string{"The head of Security decides alone for the first hour."}}}},
	{File: "printers/plotter-quick-start.pdf", Title: "Plotter: quick start", Author: "Tom Hughes", Keywords: "printer, plotter", Voice: &english, Topic: "printer", Trouble: "Troubleshooting",
		Chapters: []section{{Heading: "Loading paper", Paragraphs: []string{"The plotter takes rolls of 914 mm. Cut the edge square before you load it."}}}},
}

// manuals makes samples/helpdesk/manuals.
func manuals(t *tree) error {
	for i, m := range manualFiles {
		data, err := m.document(i).bytes()
		if err != nil {
			return err
		}
		name := "helpdesk/manuals/" + m.File
		switch m.File {
		case "security/incident-response-plan.pdf":
			t.fault(name, "", "needs a user password", "encrypted")
		case "printers/plotter-quick-start.pdf":
			data = data[:len(data)*3/5]
			t.fault(name, "", "cut off after three fifths of its bytes: no catalogue, no cross-reference table", "truncated-file")
		}
		t.add(name, data)
	}
	return nil
}

func (m *manual) document(i int) *document {
	r := newRandom(m.File)
	sections := slices.Clone(m.Chapters)
	var cases []string
	about := topics[slices.IndexFunc(topics, func(t topic) bool { return t.Name == m.Topic })]
	w := m.Voice.Topics[m.Topic]
	for n, problem := range w.Problems {
		text := problem + " - " + w.Fixes[n%len(w.Fixes)]
		cases = append(cases, fill(text, "device", about.Devices[n%len(about.Devices)], "room", pick(r, m.Voice.Rooms), "n", itoa(r.between(2, 30)), "t", itoa(r.between(1, 4)), "h", itoa(r.between(9, 17)), "i", itoa(r.between(40100, 98700))))
	}
	sections = append(sections, section{Heading: m.Trouble, Paragraphs: cases, NewPage: i%2 == 0})
	return &document{Title: m.Title, Author: m.Author, Subject: m.Topic, Keywords: m.Keywords, Language: m.Voice.Language,
		Modified: time.Date(2024, time.Month(1+i), 3+i, 10, 0, 0, 0, time.UTC), Columns: m.Columns, Password: m.Password, Sections: sections}
}
