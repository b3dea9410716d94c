package transform

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// wordsOf parts a column's name into words in lower case without accents:
// "DueDate", "due_date" and "Due date" are due, date.
func wordsOf(name string) []string {
	var words []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			words = append(words, b.String())
			b.Reset()
		}
	}
	var before rune
	for _, r := range norm.NFKD.String(strings.NewReplacer("ß", "ss", "ø", "o", "Ø", "O", "ł", "l", "Ł", "L", "æ", "ae").Replace(name)) {
		switch {
		case unicode.Is(unicode.Mn, r):
			continue
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
		case unicode.IsUpper(r) && unicode.IsLower(before):
			flush()
			fallthrough
		default:
			b.WriteRune(unicode.ToLower(r))
		}
		before = r
	}
	flush()
	return words
}

func hasWord(name string, set []string) bool {
	words := wordsOf(name)
	joined := strings.Join(words, "")
	return slices.Contains(set, joined) || slices.ContainsFunc(words, func(w string) bool { return slices.Contains(set, w) })
}

// Words of column names, in the languages that exports come in, without
// accents and spaces.
var (
	idWords = []string{"id", "uid", "uuid", "guid", "key", "no", "nr", "num", "number", "nummer", "code", "sku", "ref", "reference", "ticket", "incident", "artikel", "artikelnummer", "kundennummer",
		"numero", "codice", "codigo", "clave", "kod", "numer", "isbn", "ean", "gtin", "asin", "iban", "vat", "zip", "plz", "postcode", "postleitzahl", "cap", "phone", "tel", "telefon", "telephone", "telefono", "mobile", "fax",
		"projektid", "schluessel", "schlussel", "belegnummer", "vorgang", "aktenzeichen", "matricule", "matricola"}
	numberedWords = []string{"zip", "plz", "postcode", "postleitzahl", "cap", "phone", "tel", "telefon", "telephone", "telefono", "mobile", "fax", "vat", "iban"}
	titleWords    = []string{"title", "titel", "titre", "titolo", "titulo", "tytul", "subject", "betreff", "objet", "oggetto", "asunto", "temat", "name", "bezeichnung", "nom", "nome", "nombre", "nazwa", "summary", "headline",
		"heading", "caption", "label", "produktname", "productname", "displayname", "designation", "τιτλος", "件名", "タイトル", "題名", "标题", "名称", "название", "тема"}
	bestTitles  = []string{"title", "titel", "titre", "titolo", "titulo", "tytul", "subject", "betreff", "objet", "oggetto", "asunto", "headline"}
	longWords   = []string{"description", "beschreibung", "descrizione", "descripcion", "opis", "body", "text", "content", "inhalt", "comment", "comments", "notes", "note", "resolution", "details", "bemerkung", "message", "abstract"}
	urlWords    = []string{"url", "uri", "link", "href", "webpage", "website", "permalink", "weblink"}
	iconWords   = []string{"icon", "iconurl", "image", "imageurl", "thumbnail", "thumbnailurl", "bild", "logo"}
	createWords = []string{"created", "creation", "createdat", "createdon", "opened", "openedat", "submitted", "published", "issued", "erstellt", "angelegt", "eroffnet", "cree", "creato", "creado", "signed", "added", "reported",
		"releasedate", "released", "utworzono", "datecreated", "creationdate", "erstelldatum", "anlagedatum"}
	changeWords = []string{"modified", "modifiedat", "modifiedon", "updated", "updatedat", "updatedon", "changed", "lastchange", "lastmodified", "lastupdate", "lastupdated", "revised", "geandert", "aenderung", "anderung", "geaendert",
		"aktualisiert", "modifie", "modificato", "modificado", "zmieniono", "datemodified", "edited"}
	dueWords      = []string{"due", "duedate", "deadline", "faellig", "fallig", "faelligkeit", "echeance", "scadenza", "vencimiento", "termin"}
	closeWords    = []string{"closed", "closedat", "closedon", "resolved", "resolvedat", "completed", "finished", "geschlossen", "erledigt", "cloture", "chiuso", "cerrado", "zamknieto"}
	stateWords    = []string{"status", "state", "stand", "zustand", "statut", "stato", "estado", "stan"}
	priorityWords = []string{"priority", "prio", "prioritat", "prioritaet", "priorite", "priorita", "prioridad", "priorytet"}
	severityWords = []string{"severity", "schweregrad", "severite", "gravita", "gravedad"}
	tagWords      = []string{"tags", "tag", "keywords", "labels", "topics", "schlagworte", "stichworte", "categories", "kategorien", "motscles"}
	authorWords   = []string{"author", "authors", "autor", "autoren", "auteur", "autore", "verfasser", "writer"}
	creatorWords  = []string{"createdby", "creator", "requester", "requestor", "reporter", "openedby", "submittedby", "submitter", "ersteller", "melder", "erfasser", "antragsteller"}
	changerWords  = []string{"modifiedby", "updatedby", "changedby", "editor", "lasteditor", "lastmodifiedby", "bearbeiter"}
	assignWords   = []string{"assignee", "assignedto", "assigned", "owner", "responsible", "zustandig", "zustaendig", "verantwortlich", "responsable", "responsabile"}
	flagWords     = []string{"is", "has", "active", "enabled", "deleted", "flag", "aktiv", "confidential", "vertraulich", "public", "private", "closed", "archived", "visible", "valid", "ist", "hat"}
	teamWords     = []string{"team", "teams", "group", "groups", "department", "dept", "gruppe", "abteilung", "bereich", "division", "unit", "service", "equipe", "squadra", "reparto", "equipo", "departamento", "zespol", "dzial",
		"orgunit", "costcenter", "kostenstelle", "audience", "visibleto", "readers", "access"}
	secretWords = []string{"confidential", "vertraulich", "private", "privat", "secret", "geheim", "restricted", "sensitive", "confidentiel", "riservato", "confidencial", "poufne", "internal", "intern"}
	notWords    = []string{"not", "deny", "denied", "except", "excluded", "exclude", "blocked", "hidden", "forbidden", "nicht", "kein", "ausser", "gesperrt", "sauf", "exclu", "escluso", "excluido"}
	openWords   = []string{"visibility", "sichtbarkeit", "classification", "class", "klassifizierung", "access", "zugriff", "public", "offentlich", "oeffentlich", "audience", "scope", "level"}
)

// identifies tells a column whose whole numbers are names of something.
func identifies(name string) bool { return hasWord(name, idWords) }

// legalName makes a property's name of a column's: at most 32 letters and
// digits of ASCII. What has none of these is named by its position.
func legalName(name string, nth int) string {
	name = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(name, "meta."), `meta["`), `"]`)
	name = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "Ä", "Ae", "Ö", "Oe", "Ü", "Ue").Replace(name)
	var b strings.Builder
	for i, w := range wordsOf(name) {
		var word strings.Builder
		for _, r := range w {
			if r < 128 {
				word.WriteRune(r)
			}
		}
		w = word.String()
		if i > 0 && b.Len() > 0 && w != "" {
			w = strings.ToUpper(w[:1]) + w[1:]
		}
		b.WriteString(w)
	}
	s := b.String()
	if s == "" {
		return "column" + strconv.Itoa(nth)
	}
	return s[:min(len(s), 32)]
}

// another gives a name that differs from those taken, whatever their case.
func another(name string, taken map[string]bool) string {
	free := name
	for n := 2; taken[strings.ToLower(free)]; n++ {
		suffix := strconv.Itoa(n)
		free = name[:min(len(name), 32-len(suffix))] + suffix
	}
	return free
}

// plainYAML tells a text that YAML takes as it stands, as the value of a key.
func plainYAML(s string) bool {
	if s == "" || strings.TrimSpace(s) != s || strings.ContainsAny(s, "\n\r\t") || strings.Contains(s, ": ") || strings.Contains(s, " #") || strings.HasSuffix(s, ":") {
		return false
	}
	if strings.ContainsAny(s[:1], "\"'`%@&*!|>{}[],#?-:=~<") || strings.Contains(s, "${") {
		return false
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "nil", "y", "n":
		return false
	}
	return !literalForm.MatchString(s)
}

// scalarYAML writes a text as a value; in flow tells that it stands in { }.
func scalarYAML(s string, flow bool) string {
	if plainYAML(s) && !(flow && strings.ContainsAny(s, "{}[],\"'")) {
		return s
	}
	if strings.ContainsAny(s, "\n\r\t") || strings.IndexFunc(s, unicode.IsControl) >= 0 {
		return strconv.Quote(s)
	}
	return "'" + strings.ReplaceAll(strings.ReplaceAll(s, "${", "$${"), "'", "''") + "'"
}
