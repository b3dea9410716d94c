package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A ware is a line of products.
type ware struct {
	Category, Name string
	Models         []string
	Sizes          []string
	Low, High      int // price in cents
	Grams          int
	Text           string
}

var wares = []ware{
	{"Bikes", "Touring bike", []string{"Loire 300", "Danube 500", "Po 700"}, []string{"48", "52", "54", "56", "58"}, 79900, 329900, 12800, "Steel frame, 27 gears, racks front and rear; made for long days with luggage."},
	{"Bikes", "Mountain bike", []string{"Tatra", "Rila", "Etna Carbon"}, []string{"16", "18", "20"}, 99900, 519900, 13400, "Full suspension with 140 mm of travel and brakes that stop a rider with a backpack."},
	{"Bikes", "Kinderrad", []string{"Fuchs 16", "Dachs 20"}, []string{"16", "20"}, 24900, 44900, 7200, "Leicht und mit kurzen Bremshebeln für kleine Hände."},
	{"Components", "Sella in cuoio", []string{"Como", "Garda"}, []string{"143", "155"}, 6900, 15900, 480, "Cuoio conciato a mano su telaio d'acciaio; si adatta dopo 500 km."},
	{"Components", "Disc brake set", []string{"Grip 2", "Grip 4"}, []string{"160", "180", "203"}, 8900, 24900, 620, "Hydraulic, with pads for dry and wet weather."},
	{"Components", "Roue avant", []string{"Mistral", "Tramontane"}, []string{"622", "584"}, 7900, 38900, 890, "Moyeu étanche, 32 rayons, montée et centrée à la main."},
	{"Clothing", "Rain jacket", []string{"Bergen", "Galway"}, []string{"36", "38", "40", "42", "44"}, 9900, 27900, 310, "Packs into its own pocket; reflective at the back and on both sleeves."},
	{"Clothing", "Guantes", []string{"Teide", "Aneto"}, []string{"7", "8", "9", "10"}, 1900, 5900, 90, "Palma de cuero y dorso de punto; se lavan a máquina."},
	{"Clothing", "Kask rowerowy", []string{"Wilga", "Sokół"}, []string{"52", "56", "60"}, 12900, 44900, 270, "Kask z regulacją obwodu i światłem z tyłu."},
	{"Accessories", "Bike computer", []string{"Hub", "Hub GPS"}, nil, 2900, 29900, 85, "Speed, distance and, in the GPS model, a map that works without a phone."},
	{"Accessories", "Φακός ποδηλάτου", []string{"Φάρος 60", "Φάρος 100"}, nil, 1900, 8900, 140, "Φακός που φορτίζεται με USB και κρατά οκτώ ώρες."},
	{"Accessories", "輪行袋", []string{"北風", "南風"}, []string{"26", "28"}, 3900, 9900, 260, "自転車を列車で運ぶための軽い袋です。"},
}

var colours = []string{"red", "green", "blue", "black", "white", "grey", "orange", "yellow"}

var productColumns = []string{"SKU", "Name", "Category", "Colours", "Sizes", "Gears", "Weight kg", "List price", "Rating", "In stock", "Active", "Released", "Last change", "Discounts", "Description"}

// A product of the catalogue, as the price lists need it.
type product struct {
	sku, name string
	cents     int
}

// catalogue makes samples/catalogue.
func catalogue(t *tree) error {
	// Everybody may see the catalogue, so it has no directory and no groups.
	products, err := productBook(t)
	if err != nil {
		return err
	}
	if err := pricesEU(t, products); err != nil {
		return err
	}
	return pricesUS(t, products)
}

func productBook(t *tree) ([]product, error) {
	const name = "catalogue/products.xlsx"
	r := newRandom(name)
	s := sheet{Name: "Products", Columns: productColumns}
	var products []product
	for i := range 420 {
		w := wares[i%len(wares)]
		model := w.Models[i/len(wares)%len(w.Models)]
		p := product{fmt.Sprintf("%s-%05d", strings.ToUpper(w.Category[:2]), 1000+i*3), fmt.Sprintf("%s %s %d", w.Name, model, 2018+i/60), r.between(w.Low, w.High) / 10 * 10}
		products = append(products, p)
		var sizes, gears, rating any
		if len(w.Sizes) > 0 {
			sizes = strings.Join(sample(r, w.Sizes, r.between(1, len(w.Sizes))), ";")
		}
		if w.Category == "Bikes" {
			gears = pick(r, []int{1, 8, 21, 27, 30})
		}
		if r.chance(80) {
			rating = float64(r.between(21, 50)) / 10
		}
		discounts := []string{}
		for n, d := 0, 0; n < r.below(4); n++ {
			d += r.between(1, 9)
			discounts = append(discounts, fmt.Sprintf("%d.%d", d, r.below(2)*5))
		}
		stock := 0
		if r.chance(75) {
			stock = r.below(400)
		}
		released := time.Date(2018+i/60, time.Month(1+i%12), 1+i%28, 0, 0, 0, 0, time.UTC)
		s.Rows = append(s.Rows, []any{p.sku, p.name, w.Category, strings.Join(sample(r, colours, r.between(1, 4)), ";"), sizes, gears,
			float64(w.Grams+r.below(400)) / 1000, float64(p.cents) / 100, rating, stock, r.chance(85), released,
			moment(released.AddDate(0, 3, 0).Add(time.Duration(r.between(480, 1080)) * time.Minute)), strings.Join(discounts, ";"), w.Text})
	}
	spoil := func(row int, column string, v any, what, expect string) {
		s.Rows[row][slices.Index(productColumns, column)] = v
		t.fault(name, fmt.Sprintf("sheet %s, row %d", s.Name, s.firstRow()+row), what, expect)
	}
	spoil(31, "List price", cellError{}, "List price is the error cell #N/A", "price: an error cell is not a double")
	spoil(88, "Sizes", "48;52;XL", "Sizes is 48;52;XL", "sizes: XL is not a number")
	spoil(150, "Released", "30.02.2020", "Released is the text 30.02.2020, a day that does not exist", "released: not a date")
	spoil(205, "SKU", nil, "SKU is empty", "id: empty")
	spoil(260, "SKU", products[12].sku, "SKU "+products[12].sku+" for the second time", "duplicate id (the first is row 14)")
	spoil(333, "In stock", 12.5, "In stock is 12.5", "stock: not an int64")
	data, err := (&book{Title: "Product catalogue", Author: "Adventure Works", Sheets: []sheet{s}}).bytes()
	if err != nil {
		return nil, err
	}
	t.add(name, data)
	return products, nil
}

// pricesEU has decimal commas and thousands points, as a German program
// writes them.
func pricesEU(t *tree, products []product) error {
	const name = "catalogue/prices-eu.csv"
	r := newRandom(name)
	table := newTable(dialect{"windows-1252", ";", "\r\n", false}, []string{"Artikel", "Bezeichnung", "Preis", "Währung", "Mindestmenge", "Gültig ab", "Länder"})
	for i, p := range products[:300] {
		price := p.cents * r.between(92, 118) / 100
		// The program that wrote this list had no Greek, Polish or Japanese.
		title := p.name
		if strings.ContainsFunc(title, func(c rune) bool { return c > 0xff }) {
			title = "Artikel " + p.sku
		}
		fields := []string{p.sku, title, germanNumber(price), "EUR", itoa(pick(r, []int{1, 1, 1, 5, 10})),
			fmt.Sprintf("%02d.%02d.2024", 1+i%28, 1+i%12), strings.Join(sample(r, []string{"DE", "AT", "IT", "FR", "ES", "PL", "GR"}, r.between(2, 7)), ",")}
		switch i {
		case 45:
			fields[2] = "auf Anfrage"
		case 130:
			fields[5] = "31.02.2024"
		case 222:
			fields = append(fields, "doppelt")
		}
		line := table.row(fields)
		switch i {
		case 45:
			t.fault(name, "line "+itoa(line), "Preis is \"auf Anfrage\" (on request)", "price: not a double")
		case 130:
			t.fault(name, "line "+itoa(line), "Gültig ab is 31.02.2024", "validFrom: no such day")
		case 222:
			t.fault(name, "line "+itoa(line), "8 fields under 7 columns", "ragged-row")
		}
	}
	return table.save(t, name, "de")
}

// germanNumber writes cents as 1.249,90.
func germanNumber(cents int) string {
	whole := itoa(cents / 100)
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + "." + whole[at:]
	}
	return fmt.Sprintf("%s,%02d", whole, cents%100)
}

func pricesUS(t *tree, products []product) error {
	const name = "catalogue/prices-us.csv"
	r := newRandom(name)
	table := newTable(dialect{"utf-8", ",", "\n", true}, []string{"sku", "name", "price", "currency", "min_quantity", "valid_from", "states"})
	for i, p := range products[120:400] {
		fields := []string{p.sku, p.name, fmt.Sprintf("%.2f", float64(p.cents*r.between(98, 125)/100)/100), "USD", itoa(pick(r, []int{1, 1, 2, 12})),
			fmt.Sprintf("%02d/%02d/2024", 1+i%12, 1+i%28), strings.Join(sample(r, []string{"CA", "NY", "TX", "OR", "WA", "CO"}, r.between(1, 6)), " ")}
		switch i {
		case 60:
			fields[4] = "a dozen"
		case 199:
			fields[0] = ""
		}
		line := table.row(fields)
		switch i {
		case 60:
			t.fault(name, "line "+itoa(line), "min_quantity is \"a dozen\"", "minimum: not an int64")
		case 199:
			t.fault(name, "line "+itoa(line), "sku is empty", "id: empty")
		}
	}
	return table.save(t, name, "en")
}
