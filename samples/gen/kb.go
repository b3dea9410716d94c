package main

import (
	"fmt"
	"time"
)

// An edition is the part of the knowledge base in one language: how many
// articles of each topic, and the one page that an older editor wrote.
type edition struct {
	Voice    *voice
	Articles int // spread over the topics in turn
	// OldEncoding and OldDeclare are those of the edition's first page.
	OldEncoding, OldDeclare string
}

var editions = []edition{
	{&english, 24, "utf-8", "meta"},
	{&german, 9, "windows-1252", "http-equiv"},
	{&italian, 8, "utf-8", "meta"},
	{&french, 7, "utf-8", ""},
	{&spanish, 5, "utf-8 bom", "meta"},
	{&polish, 4, "windows-1250", "meta"},
	{&greek, 3, "windows-1253", "http-equiv"},
	{&nihongo, 3, "shift_jis", "meta"},
}

// knowledgeBase makes samples/helpdesk/kb.
func knowledgeBase(t *tree) error {
	number := 0
	for _, e := range editions {
		r := newRandom("kb " + e.Voice.Language)
		for i := range e.Articles {
			number++
			about := topics[i%len(topics)]
			p := article(r, e.Voice, about, i/len(topics), number)
			if i == 0 {
				p.Encoding, p.Declare = e.OldEncoding, e.OldDeclare
			}
			name := fmt.Sprintf("helpdesk/kb/%s/%s/kb%04d.html", e.Voice.Language, about.Name, number)
			if number == 21 {
				p.Meta = append(p.Meta, [2]string{"article:modified_time", "2024-13-05T09:00:00Z"})
				t.fault(name, "", "article:modified_time is 2024-13-05", "modified: no such month")
			} else {
				p.Meta = append(p.Meta, [2]string{"article:modified_time", p.day(r)})
			}
			if err := p.save(t, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// day gives a time of review.
func (p *page) day(r *random) string {
	return time.Date(2024, time.January, 1, 9, 0, 0, 0, time.UTC).AddDate(0, 0, r.below(330)).Format(time.RFC3339)
}

// article writes one article; round numbers the articles of a topic.
func article(r *random, v *voice, about topic, round, number int) *page {
	w := v.Topics[about.Name]
	device := about.Devices[round%len(about.Devices)]
	say := func(text string) string {
		return fill(text, "device", device, "room", pick(r, v.Rooms), "n", itoa(r.between(2, 30)), "t", itoa(r.between(1, 4)), "h", itoa(r.between(9, 17)), "i", itoa(r.between(40100, 98700)))
	}
	var symptoms, steps []string
	for _, text := range w.Problems {
		symptoms = append(symptoms, say(text))
	}
	for _, text := range w.Fixes {
		steps = append(steps, say(text))
	}
	rows := [][]string{{v.Table, "Firmware", "KB"}}
	for _, d := range about.Devices {
		rows = append(rows, []string{d, fmt.Sprintf("%d.%02d", r.between(1, 9), r.below(100)), fmt.Sprintf("KB%04d", number)})
	}
	main := paragraphs(v.Intro) + "<h2>" + esc(v.Symptoms) + "</h2>\n" + list("ul", symptoms) +
		"<h2>" + esc(v.Solution) + "</h2>\n" + list("ol", steps) + paragraphs(say(pick(r, v.Details))) +
		"<h2>" + esc(v.Table) + "</h2>\n" + grid(rows)
	title := say(w.Titles[round%len(w.Titles)])
	audience := "everyone"
	if round == 1 || number%9 == 0 {
		audience = "support"
		main += "<p class=\"note\">" + esc(fill(secondLevel[about.Name], "n", itoa(r.between(2, 30)), "t", itoa(r.between(1, 4)), "h", itoa(r.between(9, 17)), "i", itoa(r.between(40100, 98700)))) + "</p>\n"
	}
	return &page{
		Language: v.Language, Encoding: "utf-8", Declare: "meta", Site: "Contoso " + v.Home, Title: title,
		Meta: [][2]string{
			{"description", symptoms[0]},
			{"author", pick(r, []string{"Alice Bennett", "Sabine Groß", "Marco Bianchi"})},
			{"keywords", about.Name + ", " + about.Tags[len(about.Tags)-1]},
			{"audience", audience},
		},
		Canonical: fmt.Sprintf("https://kb.contoso.com/%s/kb%04d", v.Language, number),
		Crumbs:    []string{v.Home, about.Team, about.Name},
		Menu:      []string{v.Home, v.Related, "Status"},
		Main:      main,
		Footer:    "© 2024 Contoso IT. " + v.Updated + ": 2024.",
		Script:    fmt.Sprintf("window.kb={article:%d,lang:%q};", number, v.Language),
	}
}
