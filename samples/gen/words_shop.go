package main

// A shopVoice is the language of a web site that sells outdoor gear.
type shopVoice struct {
	Language                             string
	Home, News, Products, Legal, Imprint string
	Headlines, Leads, Reports            []string // {place}, {n}, {gear}
	Gear, Pitches                        []string // Gear: tent, backpack, boots, jacket, stove, sleeping bag
	Weight, Price, Season, SeasonsOf     string
	LegalTitles                          []string
	LegalTexts                           []string
	Places                               []string
	Authors                              []string
}

var gearNames = []string{"tent", "backpack", "boots", "jacket", "stove", "sleeping-bag"}

var shopVoices = []shopVoice{
	{Language: "en", Home: "Home", News: "News", Products: "Products", Legal: "Legal", Imprint: "Northwind Outdoors Ltd, Kendal",
		Headlines: []string{"New shop opens in {place}", "{gear}: test winner after {n} nights outside", "We repair {n} items for free in {place}", "Recall: {gear} of last autumn", "Trail day in {place} with {n} volunteers", "Summer sale starts with the {gear}"},
		Leads:     []string{"Northwind Outdoors has been in {place} since this week, with a workshop and a climbing wall.", "For {n} nights testers slept outside, in rain and frost, and one product stood out.", "Bring what is broken: our workshop mends zips, soles and poles while you wait."},
		Reports:   []string{"The {gear} is made in a mill that runs on water power.", "Customers who register get {n} per cent off the first repair.", "Over {n} people came on the first Saturday, many of them with children.", "Nothing is thrown away: parts of old gear go into the workshop of {place}.", "The shop is two minutes from the station and has room for bicycles.", "Please return the affected {gear} to any shop; you get your money back without a receipt.", "The mountain rescue of {place} was there and showed how to call for help without a phone."},
		Gear:      []string{"tent", "backpack", "boots", "jacket", "stove", "sleeping bag"},
		Pitches:   []string{"Tested for {n} days in the hills above {place}.", "Two people carry it easily; one person sets it up in {n} minutes.", "Seams are taped by hand and checked with water pressure.", "Spare parts are kept for fifteen years.", "Suitable for spring, summer and autumn; in frost take the winter model.", "Wash it by hand with soap, never with softener."},
		Weight:    "Weight", Price: "Price", Season: "Seasons", SeasonsOf: "spring to autumn",
		LegalTitles: []string{"Privacy policy", "Terms of sale", "Returns and refunds", "Cookies"},
		LegalTexts:  []string{"We keep your name and address for as long as the warranty runs, and for no other purpose.", "You may return goods within {n} days without giving a reason; we pay the postage.", "Payment is due on dispatch. The goods stay ours until they are paid for.", "You can ask at any time what we know of you, and have it corrected or deleted.", "We set one cookie for the shopping basket. There is no tracking and no advertising."},
		Places:      []string{"Kendal", "Fort William", "Keswick", "Bristol"}, Authors: []string{"Jane Alder", "Rob Finch"}},
	{Language: "de", Home: "Startseite", News: "Neuigkeiten", Products: "Produkte", Legal: "Rechtliches", Imprint: "Northwind Outdoors GmbH, Garmisch",
		Headlines: []string{"Neuer Laden in {place}", "{gear}: Testsieger nach {n} Nächten im Freien", "Wir reparieren {n} Stücke kostenlos in {place}", "Rückruf: {gear} vom letzten Herbst", "Wegetag in {place} mit {n} Freiwilligen", "Der Sommerverkauf beginnt: {gear}"},
		Leads:     []string{"Seit dieser Woche gibt es Northwind Outdoors in {place}, mit Werkstatt und Kletterwand.", "Tester schliefen {n} Nächte draußen, bei Regen und Frost, und ein Produkt ragte heraus.", "Bringen Sie Kaputtes mit: Unsere Werkstatt flickt Reißverschlüsse, Sohlen und Gestänge, während Sie warten."},
		Reports:   []string{"Das Gewebe kommt aus einer Spinnerei, die mit Wasserkraft läuft.", "Wer sich anmeldet, erhält {n} Prozent auf die erste Reparatur.", "Über {n} Menschen kamen am ersten Samstag, viele mit Kindern.", "Nichts wird weggeworfen: Teile alter Ausrüstung gehen in die Werkstatt in {place}.", "Der Laden liegt zwei Minuten vom Bahnhof.", "Bitte bringen Sie das betroffene Stück in einen Laden; das Geld gibt es auch ohne Beleg zurück.", "Die Bergwacht {place} zeigte, wie man ohne Telefon Hilfe ruft."},
		Gear:      []string{"Zelt", "Rucksack", "Stiefel", "Jacke", "Kocher", "Schlafsack"},
		Pitches:   []string{"{n} Tage lang in den Bergen über {place} geprüft.", "In {n} Minuten aufgebaut, auch mit kalten Händen.", "Die Nähte sind von Hand verschweißt und auf Wasserdruck geprüft.", "Ersatzteile gibt es fünfzehn Jahre lang.", "Geeignet für Frühling, Sommer und Herbst; für Frost gibt es das Wintermodell.", "Mit Seife von Hand waschen, nie mit Weichspüler."},
		Weight:    "Gewicht", Price: "Preis", Season: "Jahreszeiten", SeasonsOf: "Frühling bis Herbst",
		LegalTitles: []string{"Datenschutz", "Verkaufsbedingungen", "Rückgabe und Erstattung", "Cookies"},
		LegalTexts:  []string{"Wir speichern Name und Anschrift, solange die Gewährleistung läuft, und zu keinem anderen Zweck.", "Sie können Waren innerhalb von {n} Tagen ohne Grund zurückgeben; das Porto zahlen wir.", "Die Zahlung ist mit dem Versand fällig. Bis dahin bleibt die Ware unser Eigentum.", "Sie können jederzeit Auskunft, Berichtigung und Löschung verlangen.", "Wir setzen ein Cookie für den Warenkorb, sonst keines."},
		Places:      []string{"Garmisch", "Füssen", "Schliersee", "Görlitz"}, Authors: []string{"Katrin Büttner", "Uwe Sommer"}},
	{Language: "it", Home: "Inizio", News: "Notizie", Products: "Prodotti", Legal: "Note legali", Imprint: "Northwind Outdoors S.r.l., Trento",
		Headlines: []string{"Nuovo negozio a {place}", "{gear}: vince la prova dopo {n} notti all'aperto", "Ripariamo gratis {n} capi a {place}", "Richiamo: {gear} dello scorso autunno", "Giornata dei sentieri a {place} con {n} volontari", "Cominciano i saldi estivi: {gear}"},
		Leads:     []string{"Da questa settimana Northwind Outdoors è a {place}, con laboratorio e parete di arrampicata.", "Per {n} notti i collaudatori hanno dormito fuori, con pioggia e gelo, e un prodotto si è distinto.", "Portate ciò che è rotto: il laboratorio aggiusta cerniere, suole e pali mentre aspettate."},
		Reports:   []string{"Il tessuto viene da una filanda che funziona ad acqua.", "Chi si iscrive ha il {n} per cento di sconto sulla prima riparazione.", "Più di {n} persone sono venute il primo sabato, molte con i bambini.", "Non si butta niente: i pezzi vecchi vanno al laboratorio di {place}.", "Il negozio è a due minuti dalla stazione.", "Riportate il prodotto in un negozio: rimborsiamo anche senza scontrino.", "Il soccorso alpino di {place} ha mostrato come chiedere aiuto senza telefono."},
		Gear:      []string{"tenda", "zaino", "scarponi", "giacca", "fornello", "sacco a pelo"},
		Pitches:   []string{"Provato per {n} giorni sui monti sopra {place}.", "Si monta in {n} minuti, anche con le mani fredde.", "Le cuciture sono nastrate a mano e provate con acqua in pressione.", "I ricambi sono disponibili per quindici anni.", "Adatto a primavera, estate e autunno; per il gelo c'è il modello invernale.", "Lavare a mano con sapone, mai con ammorbidente."},
		Weight:    "Peso", Price: "Prezzo", Season: "Stagioni", SeasonsOf: "da primavera ad autunno",
		LegalTitles: []string{"Informativa sulla privacy", "Condizioni di vendita", "Resi e rimborsi", "Cookie"},
		LegalTexts:  []string{"Conserviamo nome e indirizzo finché dura la garanzia, e per nessun altro scopo.", "La merce si può restituire entro {n} giorni senza motivo; la spedizione è a nostro carico.", "Il pagamento è dovuto alla spedizione.", "Potete chiedere in ogni momento quali dati abbiamo, correggerli o farli cancellare.", "Usiamo un solo cookie, per il carrello."},
		Places:      []string{"Trento", "Cortina", "Aosta", "L'Aquila"}, Authors: []string{"Anna Valli", "Mattia Perù"}},
	{Language: "fr", Home: "Accueil", News: "Actualités", Products: "Produits", Legal: "Mentions légales", Imprint: "Northwind Outdoors SARL, Annecy",
		Headlines: []string{"Nouvelle boutique à {place}", "{gear} : vainqueur du test après {n} nuits dehors", "Nous réparons {n} articles gratuitement à {place}", "Rappel : {gear} de l'automne dernier", "Journée des sentiers à {place} avec {n} bénévoles", "Les soldes d'été commencent : {gear}"},
		Leads:     []string{"Northwind Outdoors est à {place} depuis cette semaine, avec un atelier et un mur d'escalade.", "Pendant {n} nuits, les testeurs ont dormi dehors, sous la pluie et le gel, et un produit s'est distingué.", "Apportez ce qui est cassé : l'atelier répare fermetures, semelles et arceaux pendant que vous attendez."},
		Reports:   []string{"Le tissu vient d'une filature qui tourne à l'énergie de l'eau.", "À l'inscription, {n} pour cent de remise sur la première réparation.", "Plus de {n} personnes sont venues le premier samedi.", "Rien ne se jette : les vieilles pièces vont à l'atelier de {place}.", "La boutique est à deux minutes de la gare.", "Rapportez le produit en boutique : remboursement même sans ticket.", "Le secours en montagne de {place} a montré comment appeler à l'aide sans téléphone."},
		Gear:      []string{"tente", "sac à dos", "chaussures", "veste", "réchaud", "sac de couchage"},
		Pitches:   []string{"Éprouvé pendant {n} jours au-dessus de {place}.", "Monté en {n} minutes, même les mains froides.", "Les coutures sont étanchées à la main et contrôlées sous pression.", "Pièces détachées garanties quinze ans.", "Convient au printemps, à l'été et à l'automne.", "Laver à la main au savon, jamais d'adoucissant."},
		Weight:    "Poids", Price: "Prix", Season: "Saisons", SeasonsOf: "du printemps à l'automne",
		LegalTitles: []string{"Vie privée", "Conditions de vente", "Retours et remboursements", "Cookies"},
		LegalTexts:  []string{"Nous gardons nom et adresse le temps de la garantie, et pour aucun autre usage.", "Retour possible sous {n} jours sans motif ; le port est à notre charge.", "Le paiement est dû à l'expédition.", "Vous pouvez à tout moment demander, corriger ou faire effacer vos données.", "Un seul cookie, pour le panier."},
		Places:      []string{"Annecy", "Chamonix", "Gap", "Besançon"}, Authors: []string{"Léa Châtel", "Hugo Noël"}},
	{Language: "es", Home: "Inicio", News: "Noticias", Products: "Productos", Legal: "Aviso legal", Imprint: "Northwind Outdoors S.L., Jaca",
		Headlines: []string{"Nueva tienda en {place}", "{gear}: gana la prueba tras {n} noches al raso", "Reparamos gratis {n} prendas en {place}", "Retirada: {gear} del otoño pasado", "Día de los senderos en {place} con {n} voluntarios", "Empiezan las rebajas de verano: {gear}"},
		Leads:     []string{"Northwind Outdoors está en {place} desde esta semana, con taller y rocódromo.", "Durante {n} noches los probadores durmieron fuera, con lluvia y helada, y un producto destacó.", "Traiga lo que esté roto: el taller arregla cremalleras, suelas y varillas mientras espera."},
		Reports:   []string{"El tejido viene de una hilandería que funciona con agua.", "Quien se inscribe tiene un {n} por ciento en la primera reparación.", "Más de {n} personas vinieron el primer sábado.", "No se tira nada: las piezas viejas van al taller de {place}.", "La tienda está a dos minutos de la estación.", "Devuelva el producto en cualquier tienda, también sin recibo.", "El grupo de rescate de {place} enseñó a pedir ayuda sin teléfono."},
		Gear:      []string{"tienda de campaña", "mochila", "botas", "chaqueta", "hornillo", "saco de dormir"},
		Pitches:   []string{"Probado {n} días en los montes de {place}.", "Se monta en {n} minutos, incluso con las manos frías.", "Costuras selladas a mano y probadas con presión de agua.", "Recambios durante quince años.", "Para primavera, verano y otoño.", "Lavar a mano con jabón, nunca con suavizante."},
		Weight:    "Peso", Price: "Precio", Season: "Estaciones", SeasonsOf: "de primavera a otoño",
		LegalTitles: []string{"Privacidad", "Condiciones de venta", "Devoluciones y reembolsos", "Cookies"},
		LegalTexts:  []string{"Guardamos nombre y dirección mientras dura la garantía, y para nada más.", "Puede devolver el producto en {n} días sin motivo; pagamos el envío.", "El pago vence con el envío.", "Puede pedir, corregir o borrar sus datos en cualquier momento.", "Solo una cookie, para la cesta."},
		Places:      []string{"Jaca", "Benasque", "Cangas de Onís", "Logroño"}, Authors: []string{"Ana Peña", "Iker Sáez"}},
}
