package extract

import (
	"fmt"
	"iter"
	"strings"
	"testing"
)

// attached tells what came of a file and of what is attached to it, a line a
// record: its path in the file, its parent and its text.
func attached(t *testing.T, seq iter.Seq2[Record, error]) string {
	t.Helper()
	var b strings.Builder
	for rec, err := range seq {
		if err != nil {
			fmt.Fprintf(&b, "!%v\n", err)
			continue
		}
		side := func() (Side, error) { return nil, nil }
		rec.SetFile(&File{Path: "dir/" + strings.SplitN(rec.Place.File, partSep, 2)[0], Name: "f", Stem: "f", Side: side})
		if rec.File == nil || rec.File.Side == nil { // a deny that stands there holds for what is attached
			t.Fatal("a record without a file, or without the metadata beside it")
		}
		parent := ""
		if rec.Part != nil {
			if rec.Part.Parent == nil {
				t.Fatalf("%s has no parent", rec.Place)
			}
			parent = " of " + rec.Part.Parent.Doc.Title
			if sum, err := rec.File.SHA256(); len(sum) != 64 || err != nil {
				t.Errorf("%s: hash %q, error %v", rec.Place, sum, err)
			}
		}
		fmt.Fprintf(&b, "%s %s%s%s: %s\n", rec.File.Path, rec.File.Stem, rec.File.Ext, parent, strings.ReplaceAll(strings.TrimSpace(rec.Doc.Body), "\n", "|"))
	}
	return b.String()
}

func TestAttachments(t *testing.T) {
	items := Options{Attachments: AttachmentItems}
	png := "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
	part := func(name, kind, content string) string {
		return fmt.Sprintf("--b\r\nContent-Type: %s\r\nContent-Disposition: attachment; filename=\"%s\"\r\n\r\n%s\r\n", kind, name, content)
	}
	mail := func(subject string, parts ...string) string {
		return "From: a@b\r\nSubject: " + subject + "\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext of " + subject + "\r\n" + strings.Join(parts, "") + "--b--\r\n"
	}
	tests := []struct{ name, file, content, want string }{
		{"a table is a document", "m.eml", mail("m", part("t.csv", "text/csv", "a,b\r\n1,2")), "dir/m.eml f: text of m\ndir/m.eml!t.csv t.csv of m: a\tb|1\t2\n"},
		{"equal names", "m.eml", mail("m", part("a.log", "text/plain", "one"), part("A.LOG", "text/plain", "two")),
			"dir/m.eml f: text of m\ndir/m.eml!a.log a.log of m: one\ndir/m.eml!A (2).LOG A (2).LOG of m: two\n"},
		{"names that would lead elsewhere", "m.eml", mail("m", part("../../etc/pass!wd.log", "text/plain", "one"), part("", "text/plain", "two")),
			"dir/m.eml f: text of m\ndir/m.eml!pass_wd.log pass_wd.log of m: one\ndir/m.eml!attachment attachment of m: two\n"},
		{"what no format reads", "m.eml", mail("m", part("p.png", "image/png", png), part("a.log", "text/plain", "one")), "dir/m.eml f: text of m\ndir/m.eml!a.log a.log of m: one\n"},
		{"what is broken is one bad record", "m.eml", mail("m", part("d.docx", "application/x", "PK\x03\x04 broken"), part("a.log", "text/plain", "one")),
			"dir/m.eml f: text of m\n!m.eml!d.docx: the file is cut short: the list of its parts, which stands at its end, is missing; get the file again\ndir/m.eml!a.log a.log of m: one\n"},
		{"each message of a mailbox has its own", "m.mbox", "From a@b Mon May  6 07:08:09 2024\r\n" + mail("one", part("a.log", "text/plain", "first")) +
			"\r\nFrom a@b Mon May  6 07:08:09 2024\r\n" + mail("two", part("a.log", "text/plain", "second")),
			"dir/m.mbox f: text of one\ndir/m.mbox f: text of two\ndir/m.mbox!a.log a.log of one: first\ndir/m.mbox!a (2).log a (2).log of two: second\n"},
	}
	var warned []string
	warn := items
	warn.Warn = func(_ Place, text string) { warned = append(warned, text) }
	attached(t, Records(t.Context(), bytesInput("m.eml", []byte(mail("m", part("p.png", "image/png", png), part("a.bin", "x/y", "\x00\x01\x02")))), warn))
	same(t, "warnings", strings.Join(warned, "\n"), `attachments that no format reads were passed over: "a.bin"`+"\n"+
		`attachments that are pictures were passed over: "p.png"; ocr in the source has their text read`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := bytesInput(tt.file, []byte(tt.content))
			same(t, "records", attached(t, Records(t.Context(), in, items)), tt.want)
			cache := &Cache{dir: t.TempDir()}
			sum := func() []byte { return []byte("sum") }
			same(t, "records that are kept", attached(t, cache.Records(t.Context(), in, items, sum)), tt.want)
			kept, ok := cache.Get(t.Context(), sum(), in.Name, items)
			if !ok {
				t.Fatal("they are not kept")
			}
			same(t, "records that were kept", attached(t, kept), tt.want)
		})
	}
}

// TestAttachmentsBounded has no file be read for ever by what is in it.
func TestAttachmentsBounded(t *testing.T) {
	items := Options{Attachments: AttachmentItems}
	raw := "From: a@b\r\n\r\ninnermost"
	for i := range 10 {
		raw = fmt.Sprintf("From: a@b\r\nContent-Type: multipart/mixed; boundary=b%[1]d\r\n\r\n--b%[1]d\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=m.eml\r\n\r\n%[2]s\r\n--b%[1]d--\r\n", i, raw)
	}
	got := attached(t, Records(t.Context(), bytesInput("m.eml", []byte(raw)), items))
	if n := strings.Count(got, "\n"); n != 7 || !strings.Contains(got, "more than 5 times") {
		t.Errorf("%d lines of messages in messages, want 6 and that there are more:\n%s", n, got)
	}
	many := "From: a@b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	for range maxAttachments + 50 {
		many += "--b\r\nContent-Disposition: attachment; filename=a.log\r\n\r\nx\r\n"
	}
	got = attached(t, Records(t.Context(), bytesInput("m.eml", []byte(many)), items))
	if n := strings.Count(got, "\n"); n != maxAttachments+2 || !strings.Contains(got, "more than 1000 attachments") {
		t.Errorf("%d lines of many attachments, want 1 + %d + 1", n, maxAttachments)
	}
}

// TestWholeTable makes one document of a table.
func TestWholeTable(t *testing.T) {
	whole := Options{Item: "document"}
	doc := oneFile(t, "a.csv", []byte("a,b\n1,\n\"2\",x\n"), whole)
	same(t, "body", doc.Body, "a\tb\n1\n2\tx\n")
	doc = oneFile(t, "a.csv", []byte("a\n"+strings.Repeat("x\n", 1000)), Options{Item: "document", Limits: Limits{Record: 20}})
	if len(doc.Body) != 20 || len(doc.Warnings) != 1 {
		t.Errorf("%q, warnings %q, want 20 bytes and that it was cut", doc.Body, doc.Warnings)
	}
	got := readAll(t, t.Context(), bytesInput("a.jsonl", []byte("{\"a\":1}\n{\"a\":")), whole)
	if len(got.recs) != 1 || got.err == nil {
		t.Errorf("a table that is cut: %d records, error %v, want what is there and the error", len(got.recs), got.err)
	}
}
