package transform

import "importer/extract"

// The keys of the mapping language, in one table: unknown keys are found by
// it, the editor's JSON Schema and the reference in mappings/README.md are
// made from it.

// An object is a mapping node of the language.
type object struct {
	name string // as it is called in messages and in the reference
	doc  string
	keys []key
}

// A key is one key of an object.
type key struct {
	name     string
	kind     keyKind
	enum     []string // kindEnum: the words; others: words besides the value, such as auto
	object   string   // kindObject, kindObjects, kindMap: what stands below
	required bool
	plain    bool // kindObject: an expression alone is its value
	doc      string
	example  string // a YAML value
}

type keyKind uint8

const (
	kindString keyKind = iota
	kindStrings
	kindInt
	kindBool
	kindEnum
	kindExpr
	kindExprs   // map of names to expressions or to objects
	kindLiteral // any scalar
	kindLimit   // a number or a percentage
	kindSize    // bytes, with a unit
	kindDuration
	kindObject
	kindObjects // a list of objects
	kindMap     // a map of names to objects
)

var kindNames = [...]string{"text", "list of texts", "number", "true or false", "word", "expression",
	"properties", "value", "number or percentage", "size", "duration", "object", "list of objects", "map of objects"}

func (k keyKind) String() string { return kindNames[k] }

var driftPolicies = []string{"stop", "quarantine", "evolve"}

var objects = []*object{
	{"mapping", "The whole file.", []key{
		{name: "version", kind: kindInt, required: true, example: "1", doc: "The version of the language: 1."},
		{name: "connection", kind: kindObject, object: "connection", required: true, example: "{id: contosohelpdesk, name: Contoso Helpdesk}", doc: "The connection that the items go to."},
		{name: "schema", kind: kindMap, object: "schema property", required: true, example: "{title: {type: string, labels: [title], retrievable: true}}", doc: "The properties of an item, by name, 1 to 128 of them."},
		{name: "identities", kind: kindObject, object: "identities", example: "{file: directory.csv, match: [email]}", doc: "The people that permissions may name."},
		{name: "groups", kind: kindObject, object: "groups", example: "{file: groups.csv}", doc: "The external groups that permissions may name."},
		{name: "timezone", kind: kindString, example: "Europe/Rome", doc: "The time zone of dates that carry none, an IANA name. The default is UTC. A source can have its own."},
		{name: "sources", kind: kindObjects, object: "source", required: true, example: "[{name: tickets, path: tickets/*.csv, id: number, properties: {title: title}, acl: [{grant: everyone}]}]", doc: "Where the records are and what becomes of them."},
		{name: "duplicates", kind: kindEnum, enum: []string{"quarantine", "first", "last"}, example: "first", doc: "What happens to a record whose id another record of the run had. The default is quarantine."},
		{name: "drift", kind: kindEnum, enum: driftPolicies, example: "quarantine", doc: "What happens when files are not as they were when they were read before, see Drift. By default a run stops (exit code 7) for what feeds ids, permissions and typed values, and tells of the rest. stop: for anything. quarantine: the file is kept out of the run. evolve: everything is told and taken. A source can have its own."},
		{name: "schedule", kind: kindObject, object: "schedule", example: `{full: "0 2 * * 0"}`, doc: "When importer schedule crawls."},
		{name: "safety", kind: kindObject, object: "safety", example: "{maxDeletes: 2%}", doc: "What stops a run before it does harm."},
		{name: "converters", kind: kindObjects, object: "converter", example: `[{match: "*.dwg", command: [dwg2txt, "{in}"]}]`, doc: "Programs that make text of files that no format reads."},
		{name: "target", kind: kindObject, object: "target", example: "{itemSize: 3500000}", doc: "Limits of the target."},
	}},
	{"connection", "The connection, as Microsoft Graph knows it.", []key{
		{name: "id", kind: kindString, required: true, example: "contosohelpdesk", doc: "3 to 32 letters and digits, unique in the tenant; cannot be changed later."},
		{name: "name", kind: kindString, required: true, example: "Contoso Helpdesk", doc: "What administrators see, at most 128 characters."},
		{name: "description", kind: kindString, example: "Tickets and manuals of the Contoso helpdesk.", doc: "What the content is about. Copilot chooses connections by it, so write a good sentence."},
		{name: "contentCategory", kind: kindEnum, enum: contentCategories, example: "knowledgeBase", doc: "The kind of content. Leave it out to leave it to the service."},
	}},
	{"schema property", "One property of the schema.", []key{
		{name: "type", kind: kindEnum, enum: typeNames[1:], required: true, example: "string", doc: "The type, see Types."},
		{name: "labels", kind: kindStrings, example: "[title]", doc: "What the property means to Microsoft 365, see Labels. At most one label a property, and one property a label; needs retrievable."},
		{name: "aliases", kind: kindStrings, example: "[heading]", doc: "Other names in queries, at most 32 letters and digits each."},
		{name: "searchable", kind: kindBool, example: "true", doc: "Words of it are found by full-text search. Only for string and stringCollection, and not with refinable."},
		{name: "queryable", kind: kindBool, example: "true", doc: "Can be used in queries as name:value."},
		{name: "retrievable", kind: kindBool, example: "true", doc: "Is returned with search results."},
		{name: "refinable", kind: kindBool, example: "true", doc: "Can be filtered, sorted and counted. Not for boolean, and not with searchable. Cannot be added later."},
		{name: "exactMatch", kind: kindBool, example: "true", doc: "Only the whole value matches. Only for string and stringCollection, and not with searchable."},
		{name: "description", kind: kindString, example: "The number that the requester knows.", doc: "At most 200 characters; helps Copilot to understand queries."},
	}},
	{"identities", "How people and groups of the directory are found by what records call them. The file is CSV with the columns id (the Entra object id), userPrincipalName, mail, displayName, employeeId, samAccountName, sid and userType; a line whose type is group is a group, and its members (by id or mail, with semicolons between) are for the local Graph. Other columns are ignored.", []key{
		{name: "file", kind: kindString, example: "directory.csv", doc: "The file, relative to the mapping."},
		{name: "columns", kind: kindObject, object: "identities columns", example: "{id: objectId, mail: E-Mail}", doc: "Which columns of the file are what, where they are called otherwise."},
		{name: "match", kind: kindStrings, enum: matchNames, example: "[email, employeeId]", doc: "The columns that a value may stand in, besides mail, userPrincipalName and sid, which always count. Groups are found by mail and sid, and by displayName and samAccountName if these stand here."},
		{name: "entra", kind: kindBool, example: "true", doc: "Who is not in the file is looked up in Entra ID, through the target: the tenant's, or the local Graph's directory. It takes the permissions User.Read.All and, for groups, GroupMember.Read.All."},
		{name: "cacheFor", kind: kindDuration, example: "7d", doc: "How long an answer of Entra ID counts. The default is 7d. Then it is asked again, and records whose answer has changed are mapped again."},
		{name: "unknownFor", kind: kindDuration, example: "1h", doc: "The same of the answer that nobody, or several, have the name. The default is 1h."},
		{name: "rewrite", kind: kindObjects, object: "rewrite", example: `[{match: '^.*<(.*)>$', replace: $1}]`, doc: "Rules that turn what records call people into what they are looked up by, one after the other."},
		{name: "stripDomain", kind: kindBool, example: "true", doc: `CONTOSO\anna is looked up as anna.`},
		{name: "domain", kind: kindString, example: "contoso.com", doc: "A name without @ that is not found as it is, is looked up as name@domain."},
		{name: "unknown", kind: kindEnum, enum: []string{"quarantine", "drop"}, example: "drop", doc: "What an unknown or ambiguous name does: the record is quarantined (the default), or that grant alone is left out. A deny is never left out."},
	}},
	{"identities columns", "Which columns of the identities file are what.", []key{
		{name: "id", kind: kindString, example: "objectId", doc: "The Entra object id."},
		{name: "userPrincipalName", kind: kindString, example: "UPN", doc: "The name to sign in with."},
		{name: "mail", kind: kindString, example: "E-Mail", doc: "The mail address."},
		{name: "displayName", kind: kindString, example: "Name", doc: "The name that people see."},
		{name: "employeeId", kind: kindString, example: "Personnel no.", doc: "The number of the employee."},
		{name: "samAccountName", kind: kindString, example: "Account", doc: "The account name in an on-premises domain, without the domain."},
		{name: "sid", kind: kindString, example: "SID", doc: "The security identifier, S-1-5-21-..."},
		{name: "userType", kind: kindString, example: "Kind", doc: "Member or Guest."},
		{name: "type", kind: kindString, example: "Object type", doc: "user or group."},
		{name: "members", kind: kindString, example: "Members", doc: "Of a group, its members."},
	}},
	{"rewrite", "A rule that rewrites names of people and groups.", []key{
		{name: "match", kind: kindString, required: true, example: `'^i:0#\.f\|membership\|'`, doc: "A regular expression (RE2)."},
		{name: "replace", kind: kindString, example: "$1", doc: "What takes the place of each match; $1 is its first group. The default is nothing."},
	}},
	{"groups", "Where external groups and their members come from. The file is CSV, one member a line: the columns group, displayName, description, memberType (user, group or externalGroup), member. A member whom nobody knows is left out and told; where a group may be denied, that would show items, so nothing runs.", []key{
		{name: "file", kind: kindString, example: "groups.csv", doc: "The file, relative to the mapping."},
		{name: "columns", kind: kindStrings, example: "[department]", doc: "Columns of the identities file: every value is a group, and who has it is a member."},
		{name: "folders", kind: kindString, example: ".access.csv", doc: "The name of files in folders of the sources that say who may see what lies there, with the columns memberType and member; see from: folder."},
	}},
	{"source", "A set of files that are read alike.", []key{
		{name: "name", kind: kindString, required: true, example: "tickets", doc: "A name of its own, used in reports and in what is remembered."},
		{name: "path", kind: kindString, required: true, example: "../samples/tickets/*.csv", doc: "A file, a folder or a glob (* and ** and {a,b}), relative to the mapping."},
		{name: "optional", kind: kindBool, example: "true", doc: "That no file matches is no error."},
		{name: "item", kind: kindEnum, enum: []string{"row", "page", "document"}, example: "page", doc: "What becomes one item. The default is the format's own: rows of tables, whole documents. page is for PDF and presentations; document makes one item of a table, its rows as lines."},
		{name: "groupBy", kind: kindString, example: "order_id", doc: "Tables: the rows of a file that have the same value in this column are one record, see Joins. Large files (32 MB of cells) must be sorted by it."},
		{name: "sidecar", kind: kindStrings, example: "[.yaml, .json]", doc: "Endings of files with metadata beside each file: with .yaml, that of a/b.pdf is a/b.pdf.yaml. Its values are side.author and the like, see Joins. Two of them beside one file are an error."},
		{name: "format", kind: kindEnum, enum: extract.FormatNames(), example: "csv", doc: "The format, where it should not be found by content; one of [Formats](#formats)."},
		{name: "attachments", kind: kindEnum, enum: []string{extract.AttachmentNames, extract.AttachmentItems, extract.AttachmentNone}, example: "items", doc: "What becomes of files inside of documents (messages, PDF, office files): their names are told as `attachments` (the default), or each that some format reads becomes an item as well, or nothing. See [Attachments](#attachments)."},
		{name: "timezone", kind: kindString, example: "Europe/Rome", doc: "The time zone of this source's dates that carry none."},
		{name: "where", kind: kindExpr, example: `status != "deleted"`, doc: "Records for which this is false are left out, and counted as filtered."},
		{name: "id", kind: kindExpr, required: true, example: "ticket_number", doc: "What identifies the record, unique in the connection and stable over time."},
		{name: "properties", kind: kindExprs, object: "property value", required: true, example: "{title: title, priority: int(priority)}", doc: "The item's properties: an expression each, or an object for what should happen when it fails."},
		{name: "content", kind: kindObject, object: "content", plain: true, example: "{type: text, value: body}", doc: "The text that is searched and that snippets come from. An expression alone is its value, as text."},
		{name: "acl", kind: kindObjects, object: "acl entry", required: true, example: "[{grant: everyone}]", doc: "Who may see the item. There is no default."},
		{name: "activities", kind: kindObjects, object: "activity", example: "[{type: created, at: opened_at, by: requester}]", doc: "Who did what with the item; each is sent once. At most 200 of a record."},
		{name: "drift", kind: kindEnum, enum: driftPolicies, example: "evolve", doc: "What happens when this source's files are not as they were."},
		{name: "csv", kind: kindObject, object: "csv", example: `{delimiter: ";"}`, doc: "How CSV files are read."},
		{name: "excel", kind: kindObject, object: "excel", example: "{sheets: [Register]}", doc: "How workbooks are read, those of OpenDocument and of old Excel too."},
		{name: "pdf", kind: kindObject, object: "pdf", example: "{engine: pdfium}", doc: "How PDF files are read."},
		{name: "ocr", kind: kindObject, object: "ocr", example: "{languages: [eng, deu]}", doc: "How text in pictures is read: images, and pages of PDF files that have none. Without it such pages are counted and told. See [Text in pictures](#text-in-pictures)."},
		{name: "html", kind: kindObject, object: "html", example: "{content: main}", doc: "How HTML files are read."},
		{name: "text", kind: kindObject, object: "text", example: "{encoding: windows-1252}", doc: "How plain text and Markdown are read."},
		{name: "json", kind: kindObject, object: "json", example: "{records: data.items}", doc: "What of JSON and JSON lines is a record."},
		{name: "xml", kind: kindObject, object: "xml", example: "{record: //ticket}", doc: "What of XML is a record."},
		{name: "limits", kind: kindObject, object: "limits", example: "{pages: 500}", doc: "Guards against hostile files."},
	}},
	{"property value", "The long form of a property.", []key{
		{name: "value", kind: kindExpr, required: true, example: "int(priority)", doc: "The expression."},
		{name: "onError", kind: kindEnum, enum: []string{"quarantine", "omit", "default"}, example: "omit", doc: "What happens when the value does not convert: the record is quarantined (the default), the property is left out, or it gets default."},
		{name: "default", kind: kindLiteral, example: "3", doc: "The value where the record has none; with onError: default also where it does not convert."},
	}},
	{"content", "The item's text.", []key{
		{name: "type", kind: kindEnum, enum: []string{"text", "html"}, example: "text", doc: "The default is text. As html, the expression body gives the document's HTML."},
		{name: "value", kind: kindExpr, required: true, example: `description + "\n\n" + resolution`, doc: "The expression. What is over the target's size is cut at a word boundary, and counted."},
	}},
	{"acl entry", "One entry of the permissions: grant, deny or from, one of them.", []key{
		{name: "grant", kind: kindEnum, enum: aclTypes, example: "everyone", doc: "Lets see the item."},
		{name: "deny", kind: kindEnum, enum: aclTypes, example: "user", doc: "Hides the item, whatever is granted."},
		{name: "from", kind: kindEnum, enum: []string{"posix", "ntfs", "folder"}, example: "folder", doc: "Takes over who may read the file itself: by its owner, group, mode and access control list (posix, on Linux), by a table of Windows permissions (ntfs), or by the nearest folder that says so (folder)."},
		{name: "value", kind: kindExpr, example: "requester_email", doc: "The user (found by identities, or an Entra id), group (the same) or external group (its name); a fixed text is '\"Editors\"'; a list gives an entry each. Not for everyone; everyoneExceptGuests takes only the tenant's id, as a fixed text."},
		{name: "when", kind: kindExpr, example: "confidential", doc: "The entry counts only where this is true."},
		{name: "principals", kind: kindString, example: "unix.csv", doc: "With from: posix or ntfs, a CSV file that says whom identities are: the columns identity (uid:1000, gid:100, other, or a name of Windows), type (user, group, externalGroup, everyone, everyoneExceptGuests or nobody) and value."},
		{name: "table", kind: kindString, example: "permissions.csv", doc: "With from: ntfs, the exported permissions: the columns path, identity, access and rights."},
		{name: "root", kind: kindString, example: `'D:\share'`, doc: "With from: ntfs, the folder in the table's paths that is the source's root."},
	}},
	{"activity", "Something that a person did with the item.", []key{
		{name: "type", kind: kindEnum, enum: activityTypes, required: true, example: "created", doc: "What was done."},
		{name: "at", kind: kindExpr, required: true, example: "opened_at", doc: "When. Without a time the activity is left out."},
		{name: "by", kind: kindExpr, required: true, example: "requester_email", doc: "Who. A person that identities does not know leaves the activity out."},
		{name: "when", kind: kindExpr, example: `requester_email != ""`, doc: "The activity counts only where this is true."},
		{name: "from", kind: kindString, example: "views.csv", doc: "A file of events (CSV or Excel, relative to the mapping), a row each: at, by and when are then of its columns, see Joins."},
		{name: "id", kind: kindExpr, example: "ticket", doc: "With from: the id of the record that the event is of, as the source's id gives it."},
	}},
	{"schedule", "When importer schedule crawls, as cron expressions of five fields: minute, hour, day of month, month, day of week.", []key{
		{name: "full", kind: kindString, example: `"0 2 * * 0"`, doc: "When every file is looked into. It takes the place of an incremental crawl that is due at the same time."},
		{name: "incremental", kind: kindString, example: `"0 2 * * 1-6"`, doc: "When the files that have changed by size and time are read."},
		{name: "timezone", kind: kindString, example: "Europe/Rome", doc: "The time zone of the expressions, an IANA name. The default is the machine's."},
		{name: "jitter", kind: kindDuration, example: "10m", doc: "A crawl starts up to so much later, by a length of time that is always the same for the same connection and due time, so that not all start at once."},
	}},
	{"safety", "Guards of a run.", []key{
		{name: "maxDeletes", kind: kindLimit, example: "2%", doc: "A run that would delete more items stops before it deletes any (exit code 6). The default is 10%, and at least 50."},
		{name: "maxAclWidenings", kind: kindLimit, example: "0", doc: "A run that would show more stored items than this to more people (everyone where it was not, or a deny that is gone) stops before it sends them (exit code 6). The default is 10%, and at least 50."},
		{name: "deleteAfter", kind: kindInt, example: "3", doc: "In how many runs in a row a record must be missing before its item is deleted. The default is 1. Each crawl of importer watch is a run."},
		{name: "maxErrors", kind: kindString, example: "consecutive=100,share=15%", doc: "How many records may be refused before the run stops (exit code 6): a number in all, or a list of total, consecutive and share (of the last 100), or none. The default is consecutive=1000."},
	}},
	{"target", "What the target takes.", []key{
		{name: "itemSize", kind: kindSize, example: "3.5MB", doc: "The most that an item may take as JSON. The default, 3.5MB, stays under Graph's 4 MB."},
	}},
	{"csv", "How CSV files are read. An explicit setting always wins over detection.", []key{
		{name: "delimiter", kind: kindString, example: `";"`, doc: "One character, tab, or auto (the default)."},
		{name: "quote", kind: kindString, example: `"'"`, doc: "One character, none, or auto (the default): the double quote, or the single one where the fields of a table stand in it."},
		{name: "escape", kind: kindString, example: `"\\"`, doc: "The character before a quote that does not end its field: one character, none (quotes are doubled only), or auto (the default): a backslash where no quote is doubled and a backslash stands before quotes."},
		{name: "encoding", kind: kindString, example: "windows-1252", doc: "An IANA or WHATWG name, or auto (the default)."},
		{name: "header", kind: kindInt, enum: []string{"auto", "none"}, example: "1", doc: "The number of the record that names the columns, from 1 and without empty lines; auto (the default: the first that is no title above the table), or none."},
		{name: "footer", kind: kindEnum, enum: []string{"auto", "keep"}, example: "keep", doc: "Rows below the table, such as totals: auto (the default) passes over them and says so, keep reads them as records, as groupBy always does."},
		{name: "columns", kind: kindStrings, example: "[number, title]", doc: "The names of the columns of a file without header."},
		{name: "ragged", kind: kindEnum, enum: []string{"pad", "quarantine", "cut"}, example: "pad", doc: "Rows of another width: pad fills short ones and quarantines long ones (the default), quarantine refuses both, cut fills and cuts."},
		{name: "comment", kind: kindString, example: `"#"`, doc: "The start of lines to be passed over."},
		{name: "trim", kind: kindBool, example: "true", doc: "Takes white space off both ends of every field."},
	}},
	{"excel", "What of a workbook is read.", []key{
		{name: "sheets", kind: kindStrings, example: "[Register, 20*]", doc: "Names or globs of sheets. The default is every visible sheet."},
		{name: "header", kind: kindInt, enum: []string{"auto", "none"}, example: "3", doc: "The row that names the columns, auto (the default), or none."},
		{name: "hidden", kind: kindBool, example: "true", doc: "Hidden sheets, rows and columns are read as well."},
		{name: "merged", kind: kindBool, example: "true", doc: "A merged range's value is repeated in each of its cells."},
		{name: "passwords", kind: kindStrings, example: `["${env:BOOK_PASSWORD}"]`, doc: "Tried on encrypted books, in order."},
	}},
	{"text", "How plain text and Markdown are read.", []key{
		{name: "encoding", kind: kindString, example: "windows-1252", doc: "An IANA or WHATWG name, or auto (the default)."},
	}},
	{"json", "What of JSON and JSON lines is a record.", []key{
		{name: "records", kind: kindString, example: "data.items", doc: "The keys that lead to the list of records, with dots between them. The default is the file's own value: every element of a list, or the one object."},
		{name: "columns", kind: kindStrings, example: "[id, closed_at]", doc: "Keys that a record may have: they are columns even of a file in which no record has them."},
	}},
	{"xml", "What of XML is a record.", []key{
		{name: "record", kind: kindString, example: "//ticket", doc: "The elements that are records: //name wherever they stand, /export/tickets/ticket at that place. The default is what stands right under the root."},
		{name: "columns", kind: kindStrings, example: "[id, closed]", doc: "Names that a record may have: they are columns even of a file in which no record has them."},
	}},
	{"converter", "A program that reads files for the importer. It is run without a shell, with nothing of the environment but where programs are, in a folder of its own, and ended with all that it has started when a limit is reached.", []key{
		{name: "match", kind: kindString, required: true, example: `"*.dwg"`, doc: "A glob of the names of the files; case does not count. It goes before the formats."},
		{name: "command", kind: kindStrings, required: true, example: `[dwg2txt, "{in}"]`, doc: "The program and its arguments. {in} is the file. A program with a slash in its name is relative to the mapping, any other is looked for in PATH. The result is what it prints, or the file {out}, or the one file that it leaves in the folder {outdir}."},
		{name: "output", kind: kindEnum, enum: extract.FormatNames(), example: "text", doc: "The format of the result; text is the default."},
		{name: "time", kind: kindDuration, example: "60s", doc: "How long it may run; 60s."},
		{name: "memory", kind: kindSize, example: "1GB", doc: "How much memory it may take (on Linux); 1GB."},
		{name: "size", kind: kindSize, example: "64MB", doc: "How large the result may be; 64MB."},
	}},
	{"pdf", "How the text of a PDF is found.", []key{
		{name: "engine", kind: kindEnum, enum: []string{"auto", "pdfium", "ledongthuc", "facts"}, example: "auto", doc: "auto (the default) reads with PDFium, and with ledongthuc where PDFium has nothing; pdfium and ledongthuc read with one of them; facts reads no text, only title, author, dates, outline, number of pages and attachments, and is quick."},
		{name: "passwords", kind: kindStrings, example: `["${env:PDF_PASSWORD}"]`, doc: "Tried on encrypted files, in order."},
		{name: "runningHeads", kind: kindEnum, enum: []string{"keep", "drop"}, example: "drop", doc: "Heads, feet and page numbers that are repeated from page to page: they stay in the text (the default), or move to meta.runningHeads."},
		{name: "audit", kind: kindLimit, example: "5%", doc: "The share of documents that the other engine reads as well: meta.agreement tells how much percent of what that reads the text has, and under 80 is a warning. The default is none."},
	}},
	{"ocr", "How text in pictures is read: by tesseract, which has to be installed (Debian: tesseract-ocr, and a package for every language).", []key{
		{name: "when", kind: kindEnum, enum: []string{extract.OCRAuto, extract.OCRAlways, extract.OCRNever}, example: "auto", doc: "auto (the default) reads images and pages that have no text; always reads every page that shows something, in place of its own text; never reads none."},
		{name: "languages", kind: kindStrings, example: "[eng, deu]", doc: "The languages of the text, by tesseract's names, the most frequent first. The default is eng."},
		{name: "dpi", kind: kindInt, example: "300", doc: "How finely pages of PDF files are drawn for it; 300."},
		{name: "pages", kind: kindInt, example: "1000", doc: "How many pages of one document are read so; 1000. Those after them are told."},
		{name: "time", kind: kindDuration, example: "60s", doc: "How long one page may take; 60s. It comes on top of limits.time."},
	}},
	{"html", "What of a page is content.", []key{
		{name: "content", kind: kindEnum, enum: []string{"article", "main", "full"}, example: "main", doc: "The main text (article, the default), everything but navigation, header, footer and scripts (main), or everything."},
		{name: "encoding", kind: kindString, example: "iso-8859-2", doc: "Overrides what the page says of itself."},
	}},
	{"limits", "What one file may cost.", []key{
		{name: "record", kind: kindSize, example: "16MB", doc: "Bytes of one row, or of the text of one document."},
		{name: "columns", kind: kindInt, example: "16384", doc: "Columns of a table."},
		{name: "unzipped", kind: kindSize, example: "2GB", doc: "Bytes of a file's parts once unpacked, and of its attachments."},
		{name: "pages", kind: kindInt, example: "20000", doc: "Pages of a document."},
		{name: "time", kind: kindDuration, example: "60s", doc: "Time for one document. The default is 20s and more for large ones; a table may take 20s without a row."},
		{name: "memory", kind: kindSize, example: "2GB", doc: "Memory for reading one document, of formats that are read in a process of their own."},
	}},
}

var (
	aclTypes          = []string{"user", "group", "everyone", "everyoneExceptGuests", "externalGroup"}
	activityTypes     = []string{"viewed", "modified", "created", "commented"}
	matchNames        = []string{"id", "userPrincipalName", "upn", "mail", "email", "displayName", "employeeId", "samAccountName", "sid"}
	contentCategories = []string{"uncategorized", "knowledgeBase", "wikis", "fileRepository", "qna", "crm", "dashboard", "people", "media",
		"email", "messaging", "meetingTranscripts", "taskManagement", "learningManagement"}
)

func objectNamed(name string) *object {
	for _, o := range objects {
		if o.name == name {
			return o
		}
	}
	panic("no object " + name) // unreachable: a test looks every name up
}

func (o *object) key(name string) *key {
	for i := range o.keys {
		if o.keys[i].name == name {
			return &o.keys[i]
		}
	}
	return nil
}

func (o *object) names() []string {
	names := make([]string, len(o.keys))
	for i, k := range o.keys {
		names[i] = k.name
	}
	return names
}
