package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

var helpdeskTeams = []membership{
	{Group: "Service Desk", Display: "Service Desk", Description: "First level: takes every call"},
	{Group: "Workplace", Display: "Workplace", Description: "Printers, laptops, meeting rooms"},
	{Group: "Network", Display: "Network", Description: "Switches, Wi-Fi, VPN"},
	{Group: "Messaging", Display: "Messaging", Description: "Mail and telephones"},
	{Group: "Finance Systems", Display: "Finance Systems", Description: "SAP and the invoice workflow"},
	{Group: "Security", Display: "Security", Description: "Accounts, access rights, incidents"},
}

var helpdeskNames = []string{
	"en:Alice Bennett", "en:Oliver Grant", "de:Jürgen Müller", "it:Giulia Rossi", "fr:Élodie Moreau", "en:Priya Nair",
	"es:Lucía Fernández", "pl:Łukasz Wójcik", "el:Eleni Papadopoulou", "ja:Yuki Tanaka", "en:Tom Hughes", "de:Sabine Groß",
	"it:Marco Bianchi", "en:Grace Okafor", "fr:Julien Lefèvre", "es:Javier Muñoz", "en:Daniel Price", "pl:Agnieszka Nowak",
	"de:Björn Schäfer", "el:Nikos Georgiou", "en:Emma Clarke", "ja:Kenji Sato", "it:Chiara Esposito", "en:Samir Patel",
	"de:Anke Jäger", "fr:Camille Durand", "en:Ruth Walker", "es:Marta Gómez", "it:Davide Ricci", "pl:Piotr Kowalski",
	"en:Henry Ford Adams", "de:Stefan König", "en:Nora Quinn", "ja:Haruka Suzuki", "el:Maria Ioannou", "it:Paola Ferrari",
	"fr:Théo Girard", "en:Liam Murphy", "es:Íñigo Ruiz", "en:Zoe Carter", "pl:Zofia Lewandowska", "de:Ulrike Weiß",
	"it:Niccolò Greco", "en:Peter O'Neill", "ja:Takashi Mori", "fr:Chloé Bernard", "en:Isla Morgan", "el:Giorgos Dimou",
	"es:Carmen Ibáñez", "de:Holger Böhm", "en:Victor Lane", "it:Elisa Conti", "pl:Michał Zieliński", "en:Fatima Khan",
	"fr:Benoît Roux", "de:Käthe Vogel", "en:George Ellis", "ja:Aiko Yamada", "el:Sofia Pappa", "es:Raúl Ortiz",
}

// An office exports its tickets its own way.
type office struct {
	Name    string
	Voice   *voice
	Dialect dialect
	Tickets int
	Faults  []ticketFault
}

// A ticketFault changes the ticket of a row, counted from 0.
type ticketFault struct {
	Row    int
	Change func(fields []string) []string
	What   string
	Expect string
}

var ticketColumns = []string{"ticket_number", "title", "status", "priority", "visibility", "team", "requester_email",
	"opened_at", "closed_at", "tags", "confidential", "description", "resolution"}

// set gives a fault that puts value into a column.
func set(name, value string) func([]string) []string {
	return func(fields []string) []string {
		fields[slices.Index(ticketColumns, name)] = value
		return fields
	}
}

var offices = []office{
	{"london", &english, dialect{"utf-8", ",", "\n", false}, 440, []ticketFault{
		{57, set("opened_at", "2024-02-31 09:15"), "opened_at is 2024-02-31 09:15", "opened: no such day"},
		{120, func(f []string) []string {
			return set("requester_email", "ghost.writer@contoso.com")(set("confidential", "true")(f))
		}, "requester_email is ghost.writer@contoso.com, whom the directory does not know", "acl: the person to deny cannot be resolved"},
		{200, set("ticket_number", "INC-10013"), "ticket_number INC-10013 for the second time", "duplicate id (the first is the row with that number above)"},
	}},
	{"munich", &german, dialect{"windows-1252", ";", "\r\n", false}, 240, []ticketFault{
		{33, set("opened_at", "31.02.2024 09:10"), "opened_at is 31.02.2024 09:10", "opened: neither the format nor a day that exists"},
		{80, set("priority", "hoch"), "priority is hoch", "priority: not an int64"},
	}},
	{"rome", &italian, dialect{"windows-1252", ";", "\r\n", true}, 210, []ticketFault{
		{71, set("ticket_number", ""), "ticket_number is empty", "id: empty"},
	}},
	{"paris", &french, dialect{"utf-16be bom", ";", "\r\n", false}, 160, []ticketFault{
		{44, func(f []string) []string { return set("team", "Équipe Atlantide")(set("visibility", "team")(f)) },
			"team is Équipe Atlantide, which groups.csv does not know", "acl: the external group cannot be resolved"},
	}},
	{"madrid", &spanish, dialect{"utf-8", ",", "\r\n", true}, 150, []ticketFault{
		{25, func(f []string) []string { return append(f, "duplicado", "por error") }, "15 fields under 13 columns", "ragged-row"},
	}},
	{"warsaw", &polish, dialect{"windows-1250", ";", "\r\n", false}, 140, []ticketFault{
		{60, func(f []string) []string { return set("team", "")(set("visibility", "team")(f)) },
			"team is empty and the ticket is not public", "acl: nobody could see it"},
	}},
	{"athens", &greek, dialect{"utf-8 bom", "|", "\n", false}, 120, []ticketFault{
		{40, set("priority", "3.5"), "priority is 3.5", "priority: not an int64"},
	}},
	{"tokyo", &nihongo, dialect{"utf-16le bom", "\t", "\r\n", false}, 110, []ticketFault{
		{18, set("confidential", "たぶん"), "confidential is たぶん (perhaps)", "acl: confidential is not a boolean"},
	}},
}

// helpdesk makes samples/helpdesk.
func helpdesk(t *tree) error {
	var teams []string
	for _, team := range helpdeskTeams {
		teams = append(teams, team.Group)
	}
	people := directory("Contoso", "contoso.com", helpdeskNames, teams)
	if err := saveDirectory(t, "helpdesk/directory.csv", people); err != nil {
		return err
	}
	var all []membership
	for _, team := range teams {
		all = append(all, membership{"All Support", "All support teams", "Everybody who answers tickets, and the external auditors", "externalGroup", team})
	}
	all = append(all, membership{"All Support", "All support teams", "Everybody who answers tickets, and the external auditors", "group", newRandom("auditors").uuid()})
	if err := saveGroups(t, "helpdesk/groups.csv", people, helpdeskTeams, all); err != nil {
		return err
	}
	number := 10000
	for _, o := range offices {
		if err := o.export(t, people, &number); err != nil {
			return err
		}
	}
	t.add("helpdesk/tickets/lisbon-2024.csv", nil)
	t.fault("helpdesk/tickets/lisbon-2024.csv", "", "no bytes: the export failed", "empty-file")
	if err := manuals(t); err != nil {
		return err
	}
	return knowledgeBase(t)
}

// export writes the tickets of an office.
func (o *office) export(t *tree, people []person, number *int) error {
	r := newRandom(o.Name)
	name := "helpdesk/tickets/" + o.Name + "-2024.csv"
	var callers []person
	for _, p := range people {
		if p.Language == o.Voice.Language {
			callers = append(callers, p)
		}
	}
	at := time.Date(2024, 1, 2, 8, 0, 0, 0, time.UTC)
	step := 363 * 24 * 60 / o.Tickets // minutes between tickets, so that they fill the year
	table := newTable(o.Dialect, ticketColumns)
	for row := range o.Tickets {
		*number++
		at = at.Add(time.Duration(r.between(step/2, step*3/2)) * time.Minute)
		opened := at.Truncate(24 * time.Hour).Add(time.Duration(r.between(7*60, 18*60)) * time.Minute)
		fields := o.ticket(r, *number, opened, pick(r, callers))
		bad := slices.IndexFunc(o.Faults, func(f ticketFault) bool { return f.Row == row })
		if bad < 0 {
			table.row(fields)
			if tells(fields) {
				t.hidden = append(t.hidden, hidden{fields[0], column(fields, "requester_email")})
			}
			continue
		}
		f := o.Faults[bad]
		set("status", "open")(fields) // the mapping leaves deleted tickets out before it sees what is wrong
		line := table.row(f.Change(fields))
		t.fault(name, "line "+itoa(line), f.What, f.Expect)
	}
	return table.save(t, name, o.Voice.Language)
}

func column(fields []string, name string) string { return fields[slices.Index(ticketColumns, name)] }

// tells tells whether a ticket is a hidden one as the type says.
func tells(fields []string) bool {
	text := strings.ToLower(column(fields, "title") + " " + column(fields, "description") + " " + column(fields, "resolution"))
	return column(fields, "visibility") == "public" && column(fields, "confidential") == "true" &&
		column(fields, "status") != "deleted" && strings.Contains(text, "printer")
}

// ticket makes the fields of one ticket, in the order of ticketColumns.
func (o *office) ticket(r *random, number int, at time.Time, caller person) []string {
	about := pickTopic(r)
	words := o.Voice.Topics[about.Name]
	device, n := pick(r, about.Devices), itoa(r.between(2, 48))
	tray, hour, invoice := itoa(r.between(1, 4)), itoa(r.between(9, 17)), itoa(r.between(40100, 98700))
	say := func(text string) string {
		return fill(text, "device", device, "room", pick(r, o.Voice.Rooms), "n", n, "t", tray, "h", hour, "i", invoice)
	}
	description := say(pick(r, words.Problems))
	switch {
	case r.chance(12): // a mail pasted into the form, with its line breaks
		description += "\n\n" + say(pick(r, o.Voice.Details)) + "\n-- \n" + caller.Name
	case r.chance(60):
		description += " " + say(pick(r, o.Voice.Details))
	}
	status := pick(r, []string{"open", "pending", "solved", "solved", "closed", "closed", "closed"})
	if r.chance(3) {
		status = "deleted"
	}
	closed, resolution := "", ""
	if status == "solved" || status == "closed" {
		closed = at.Add(time.Duration(r.between(25, 6*24*60)) * time.Minute).Format("2006-01-02 15:04")
		resolution = say(pick(r, words.Fixes))
		if r.chance(25) {
			resolution += " " + say(secondLevel[about.Name])
		}
	}
	visibility := "team"
	if r.chance(55) {
		visibility = "public"
	}
	tags := append(sample(r, about.Tags, r.between(1, len(about.Tags))), o.Name)
	return []string{fmt.Sprintf("INC-%d", number), say(pick(r, words.Titles)), status, itoa(r.between(1, 4)), visibility, about.Team,
		caller.Mail, at.Format("2006-01-02 15:04"), closed, strings.Join(tags, ";"), fmt.Sprint(r.chance(10)), description, resolution}
}

// pickTopic picks by share.
func pickTopic(r *random) topic {
	n := r.below(100)
	for _, about := range topics {
		if n -= about.Share; n < 0 {
			return about
		}
	}
	panic("the shares of the topics do not add up to 100")
}
