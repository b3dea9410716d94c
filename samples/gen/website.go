package main

import (
	"fmt"
	"strings"
	"time"
)

// website makes samples/website: the archive of a shop's site, five
// languages, and the pages of its intranet in a folder of their own.
func website(t *tree) error {
	people := directory("Northwind", "northwindoutdoors.com", []string{"en:Jane Alder", "en:Rob Finch", "de:Katrin Büttner", "de:Uwe Sommer", "it:Anna Valli", "it:Mattia Perù",
		"fr:Léa Châtel", "fr:Hugo Noël", "es:Ana Peña", "es:Iker Sáez", "en:Margo Tate", "en:Neil Winters"}, []string{"Editors"})
	if err := saveDirectory(t, "website/directory.csv", people); err != nil {
		return err
	}
	editors := []membership{{Group: "Editors", Display: "Editors", Description: "Write and read the pages of the intranet"}}
	if err := saveGroups(t, "website/groups.csv", people, editors, nil); err != nil {
		return err
	}
	for i := range shopVoices {
		v := &shopVoices[i]
		s := &site{tree: t, voice: v, random: newRandom("website " + v.Language)}
		for _, part := range []func() error{s.news, s.products, s.legal} {
			if err := part(); err != nil {
				return err
			}
		}
	}
	return intranet(t)
}

// A site is the pages of one language.
type site struct {
	tree   *tree
	voice  *shopVoice
	random *random
	pages  int
}

func (s *site) say(text, gear string) string {
	text = fill(text, "place", pick(s.random, s.voice.Places), "n", itoa(s.random.between(3, 60)), "gear", gear)
	first := []rune(text)
	return strings.ToUpper(string(first[:1])) + string(first[1:])
}

// page makes what all pages of the language share.
func (s *site) page(id, path, title, description string, crumbs []string, published time.Time, main string) *page {
	v := s.voice
	s.pages++
	encoding, declare := "utf-8", "meta"
	switch {
	case v.Language == "es" && s.pages%3 == 0: // left over from the site before 2010
		encoding, declare = "windows-1252", "http-equiv"
	case v.Language == "fr" && s.pages%5 == 0:
		encoding, declare = "iso-8859-15", "meta"
	case v.Language == "de" && s.pages%7 == 0:
		declare = ""
	}
	return &page{
		Language: v.Language, Encoding: encoding, Declare: declare, Site: "Northwind Outdoors", Title: title,
		Meta: [][2]string{{"page-id", id}, {"description", description}, {"author", pick(s.random, v.Authors)}, {"og:title", title},
			{"article:published_time", published.Format(time.RFC3339)}, {"article:modified_time", published.AddDate(0, 0, s.random.below(90)).Format(time.RFC3339)}},
		Canonical: "https://www.northwindoutdoors.com/" + path,
		Crumbs:    append([]string{v.Home}, crumbs...),
		Menu:      []string{v.Home, v.News, v.Products, v.Legal}, Main: main, Footer: "© 2024 " + v.Imprint, Script: "window.shop={basket:[]};",
	}
}

func (s *site) news() error {
	v, r := s.voice, s.random
	for i := range 30 {
		published := time.Date(2024, 1, 4, 7, 30, 0, 0, time.UTC).AddDate(0, 0, i*12+r.below(10))
		gear := v.Gear[i%len(v.Gear)]
		title := s.say(v.Headlines[i%len(v.Headlines)], gear)
		lead := s.say(pick(r, v.Leads), gear)
		texts := []string{lead}
		for _, text := range sample(r, v.Reports, r.between(2, 4)) {
			texts = append(texts, s.say(text, gear))
		}
		id := fmt.Sprintf("news-%s-%03d", v.Language, i+1)
		path := fmt.Sprintf("%s/news/2024/%02d/%s.html", v.Language, published.Month(), id)
		p := s.page(id, path, title, lead, []string{v.News, "2024"}, published, paragraphs(texts...))
		s.spoil(p, i, path)
		if err := p.save(s.tree, "website/"+path); err != nil {
			return err
		}
	}
	return nil
}

// spoil puts the deliberate faults into the news.
func (s *site) spoil(p *page, i int, path string) {
	change := func(name, value, what, expect string) {
		for n := range p.Meta {
			if p.Meta[n][0] == name {
				p.Meta[n][1] = value
			}
		}
		s.tree.fault("website/"+path, "", what, expect)
	}
	switch fmt.Sprint(s.voice.Language, i) {
	case "en9":
		change("article:published_time", "2024-02-31T07:30:00Z", "article:published_time is 2024-02-31", "published: no such day")
	case "it6":
		change("page-id", "", "page-id is empty", "id: empty")
	case "fr12":
		change("page-id", "news-fr-003", "page-id news-fr-003 is that of another page too", "duplicate id")
	case "de15":
		change("article:modified_time", "gestern", "article:modified_time is \"gestern\" (yesterday)", "modified: not a date")
	}
}

func (s *site) products() error {
	v, r := s.voice, s.random
	models := []string{"Fell 2", "Loch", "Tarn 40", "Skye", "Ridge Pro"}
	for i := range 15 {
		kind := i % len(v.Gear)
		model := models[i%len(models)]
		texts := []string{}
		for _, text := range sample(r, v.Pitches, 4) {
			texts = append(texts, s.say(text, v.Gear[kind]))
		}
		price := fmt.Sprintf("%d,%02d €", r.between(39, 690), 90)
		rows := [][]string{{v.Weight, v.Season, v.Price}, {fmt.Sprintf("%d g", r.between(380, 3900)), v.SeasonsOf, price}}
		id := fmt.Sprintf("product-%s-%s-%02d", v.Language, gearNames[kind], i+1)
		path := fmt.Sprintf("%s/products/%s/%s.html", v.Language, gearNames[kind], strings.ToLower(strings.ReplaceAll(model, " ", "-"))+"-"+itoa(i+1))
		title := s.say(v.Gear[kind]+" "+model, "")
		published := time.Date(2023, time.Month(1+i%12), 5, 6, 0, 0, 0, time.UTC)
		p := s.page(id, path, title, texts[0], []string{v.Products, v.Gear[kind]}, published, paragraphs(texts...)+grid(rows))
		if err := p.save(s.tree, "website/"+path); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) legal() error {
	v := s.voice
	for i, title := range v.LegalTitles {
		main := ""
		for n, text := range v.LegalTexts {
			main += fmt.Sprintf("<h2>%d. %s</h2>\n", n+1, esc(v.LegalTitles[(i+n)%len(v.LegalTitles)])) + paragraphs(s.say(text, ""))
		}
		id := fmt.Sprintf("legal-%s-%d", v.Language, i+1)
		path := fmt.Sprintf("%s/legal/%s.html", v.Language, []string{"privacy", "terms", "returns", "cookies"}[i])
		p := s.page(id, path, title, s.say(v.LegalTexts[i], ""), []string{v.Legal}, time.Date(2022, 5, 25, 0, 0, 0, 0, time.UTC), main)
		if err := p.save(s.tree, "website/"+path); err != nil {
			return err
		}
	}
	return nil
}

// intranet makes the pages that only staff may see.
func intranet(t *tree) error {
	v := &shopVoices[0]
	s := &site{tree: t, voice: v, random: newRandom("website internal")}
	for i, title := range []string{"Staff discount", "Opening hours over Christmas", "How we answer complaints", "Margins of the autumn range", "Recall: what to say to the press", "Workshop prices",
		"Holiday calendar", "Style guide for product pages", "Who to call at night", "Plans for a shop in Fort William"} {
		folder := "staff"
		if i%3 == 0 {
			folder = "editors"
		}
		texts := []string{"For staff only: " + strings.ToLower(title) + ".", s.say(pick(s.random, v.Reports), "stove"), "Questions go to Margo Tate."}
		id := fmt.Sprintf("internal-%02d", i+1)
		path := fmt.Sprintf("internal/%s/%s.html", folder, strings.ToLower(strings.NewReplacer(" ", "-", ":", "").Replace(title)))
		p := s.page(id, path, title, texts[0], []string{"Intranet", folder}, time.Date(2024, 10, 1+i, 8, 0, 0, 0, time.UTC), paragraphs(texts...))
		if err := p.save(t, "website/"+path); err != nil {
			return err
		}
	}
	t.add("website/internal/staff/canteen-menu.html", nil)
	t.fault("website/internal/staff/canteen-menu.html", "", "no bytes", "empty-file")
	return nil
}
