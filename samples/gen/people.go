package main

import (
	"fmt"
	"strings"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
	"unicode"
)

// A person is a line of a directory.csv.
type person struct {
	ID, UPN, Mail, Name, Number string
	Team                        string // "" is staff without a team
	Language                    string
}

// A membership is a line of a groups.csv.
type membership struct{ Group, Display, Description, Type, Member string }

var utf8Commas = dialect{Encoding: "utf-8", Delimiter: ",", EOL: "\n"}

// directory makes people of a company. Names are "lang:Given Family"; a team
// gets every so many people in turn, the rest are staff.
func directory(company, domain string, names, teams []string) []person {
	r := newRandom(company + " directory")
	var people []person
	for i, entry := range names {
		language, name, _ := strings.Cut(entry, ":")
		p := person{ID: r.uuid(), Name: name, Language: language, Number: fmt.Sprintf("E%05d", 10200+i*7)}
		given, family, _ := strings.Cut(ascii(strings.ToLower(name)), " ")
		given, family = strings.ReplaceAll(given, " ", ""), strings.NewReplacer(" ", "", "'", "").Replace(family)
		p.Mail = given + "." + family + "@" + domain
		p.UPN = p.Mail
		if i%9 == 4 { // accounts made before the mail domain was bought
			p.UPN = given[:1] + family + "@" + strings.ToLower(company) + ".onmicrosoft.com"
		}
		if i%2 == 0 {
			p.Team = teams[i/2%len(teams)]
		}
		people = append(people, p)
	}
	return people
}

// ascii drops accents: Łukasz Wójcik is lukasz wojcik in his address.
func ascii(s string) string {
	s = strings.NewReplacer("ß", "ss", "ł", "l", "ø", "o", "ü", "ue", "ö", "oe", "ä", "ae").Replace(s)
	s, _, err := transform.String(transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC), s)
	if err != nil {
		panic(err) // unreachable: the chain has no failing state
	}
	return s
}

func saveDirectory(t *tree, name string, people []person) error {
	table := newTable(utf8Commas, []string{"id", "userPrincipalName", "mail", "displayName", "employeeId"})
	for _, p := range people {
		table.row([]string{p.ID, p.UPN, p.Mail, p.Name, p.Number})
	}
	return table.save(t, name, "")
}

// saveGroups writes the memberships. A member is named by mail, by user
// principal name, by employee number or by id, as lists from real systems do.
func saveGroups(t *tree, name string, people []person, teams []membership, more []membership) error {
	table := newTable(utf8Commas, []string{"group", "displayName", "description", "memberType", "member"})
	for _, team := range teams {
		for i, p := range people {
			if p.Team == team.Group {
				member := []string{p.Mail, p.UPN, p.Number, p.ID}[i/2%4]
				table.row([]string{team.Group, team.Display, team.Description, "user", member})
			}
		}
	}
	for _, m := range more {
		table.row([]string{m.Group, m.Display, m.Description, m.Type, m.Member})
	}
	return table.save(t, name, "")
}

// members lists the people of a team.
func members(people []person, team string) (in []person) {
	for _, p := range people {
		if p.Team == team {
			in = append(in, p)
		}
	}
	return in
}
