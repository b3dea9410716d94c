package extract

import (
	"fmt"
	"strings"
	"testing"
)

// crlf makes lines of a message.
func crlf(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }

var mixedMail = crlf(
	"From: =?utf-8?q?Ad=C3=A4?= <ada@example.org>",
	"To: bob@example.org,",
	"\tEve <eve@example.org>",
	"Subject: =?iso-8859-1?B?R3L832U=?= from",
	" here",
	"Date: Mon, 6 May 2024 07:08:09 +0200",
	"Message-ID: <1@example.org>",
	"MIME-Version: 1.0",
	`Content-Type: multipart/mixed; boundary="out er"`,
	"",
	"for old programs",
	"--out er",
	"Content-Type: multipart/alternative; boundary=in",
	"",
	"--in",
	"Content-Type: text/plain; charset=iso-8859-1",
	"Content-Transfer-Encoding: quoted-printable",
	"",
	"Gr=FC=DFe, a long =",
	"line.",
	"--in",
	"Content-Type: text/html; charset=utf-8",
	"",
	"<p>Greetings, <b>bold</b></p>",
	"--in--",
	"--out er",
	`Content-Type: text/csv; name="=?utf-8?q?t=C3=A4ble.csv?="`,
	"Content-Disposition: attachment",
	"Content-Transfer-Encoding: base64",
	"",
	"YSxiCjEsMgoz",
	"LDQK",
	"--out er",
	"Content-Type: message/rfc822",
	"",
	"Subject: inner",
	"From: eve@example.org",
	"",
	"the inner text",
	"--out er--",
)

func TestEML(t *testing.T) {
	doc := oneFile(t, "a.eml", mixedMail, Options{})
	same(t, "body", doc.Body, "Grüße, a long line.")
	same(t, "title", doc.Title, "Grüße from here")
	same(t, "meta", fmt.Sprint(doc.Meta), "map[author:Adä <ada@example.org> created:2024-05-06T07:08:09+02:00 date:2024-05-06T07:08:09+02:00 from:Adä <ada@example.org> "+
		"messageId:1@example.org subject:Grüße from here title:Grüße from here to:bob@example.org, Eve <eve@example.org>]")
	if html := doc.HTML(); !strings.Contains(html, "<b>bold</b>") {
		t.Errorf("HTML = %q", html)
	}
	var names []string
	for _, a := range doc.Attachments {
		names = append(names, a.Name+" "+a.Type)
	}
	same(t, "attachments", strings.Join(names, ", "), "täble.csv text/csv, inner.eml message/rfc822")
	if doc := oneFile(t, "a.eml", mixedMail, Options{Attachments: AttachmentNone}); len(doc.Attachments) > 0 {
		t.Errorf("attachments: none has %d", len(doc.Attachments))
	}
}

// TestEMLBent reads what mail programs write though they should not.
func TestEMLBent(t *testing.T) {
	tests := []struct{ name, raw, want string }{
		{"no header of type", "From: a@b\nSubject: s\n\ntext\n", "text"},
		{"only line feeds, only a page", "From: a@b\nContent-Type: text/html\n\n<p>text</p>", "text"},
		{"latin 1 without saying so", "From: a@b\n\nGr\xfc\xdfe aus K\xf6ln, sch\xf6n", "Grüße aus Köln, schön"},
		{"wrong charset", "From: a@b\nContent-Type: text/plain; charset=us-ascii\n\nGrüße", "Grüße"},
		{"unknown charset", "From: a@b\nContent-Type: text/plain; charset=x-what\n\nGrüße", "Grüße"},
		{"no last boundary", "From: a@b\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\ntext\n", "text"},
		{"a broken type", "From: a@b\nContent-Type: text/plain; charset=\"utf-8\"; =\n\ntext", "text"},
		{"flowed", "From: a@b\nContent-Type: text/plain; format=flowed\n\none \ntwo\n-- \nme", "one two\n--\nme"},
		{"a mailbox's line first", "From a@b Mon May  6 07:08:09 2024\nFrom: a@b\n\ntext", "text"},
		{"two plain versions, the best last", "From: a@b\nContent-Type: multipart/alternative; boundary=x\n\n--x\n\none\n--x\n\ntwo\n--x--\n", "two"},
		{"broken base64", "From: a@b\nContent-Transfer-Encoding: base64\n\ndG V4\r\ndA=", "text"},
		{"broken quoted-printable", "From: a@b\nContent-Transfer-Encoding: quoted-printable\n\na=zz=3D=\n", "a=zz="},
	}
	for _, tt := range tests {
		doc := oneFile(t, "a.eml", []byte(tt.raw), Options{})
		same(t, tt.name, strings.ReplaceAll(doc.Body, "-- ", "--"), tt.want)
	}
	cut := oneFile(t, "a.eml", mixedMail[:len(mixedMail)*2/3], Options{})
	if whole := oneFile(t, "a.eml", mixedMail, Options{}); len(cut.Warnings) == 0 || !strings.Contains(cut.Warnings[0], "no end") || len(whole.Warnings) > 0 {
		t.Errorf("warnings %q of a message that is cut, %q of the whole one", cut.Warnings, whole.Warnings)
	}
	refused(t, "a.eml", []byte("no message at all\n"), Options{}, ReasonBroken, "not a message")
	deep := "From: a@b\n"
	for i := range 200 {
		deep += fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	if doc := oneFile(t, "a.eml", []byte(deep), Options{}); len(doc.Warnings) != 1 {
		t.Errorf("warnings %q of 200 parts in parts, want one", doc.Warnings)
	}
}

func TestMailDate(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"Mon, 6 May 2024 07:08:09 +0200", "2024-05-06T07:08:09+02:00"},
		{"6 May 2024 07:08:09 GMT", "2024-05-06T07:08:09Z"},
		{"Mon, 06 May 2024 07:08:09 +0200 (CEST)", "2024-05-06T07:08:09+02:00"},
		{"Mon May  6 07:08:09 2024", "2024-05-06T07:08:09Z"},
		{"2024-05-06 07:08:09", "2024-05-06T07:08:09Z"},
		{"yesterday", ""},
	} {
		m := &mailMessage{}
		if when, ok := mailDate(tt.in); ok {
			m.setDate("date", when)
		}
		same(t, tt.in, m.header["date"], tt.want)
	}
}

func TestMbox(t *testing.T) {
	raw := "From a@b Mon May  6 07:08:09 2024\nFrom: a@b\nSubject: one\n\ntext\n>From here on\nFrom this line no message begins\n\n" +
		"From c@d Mon May  6 07:08:10 2024\nFrom: c@d\nSubject: two\n\nmore\n\nFrom e@f Mon May  6 07:08:11 2024\nnonsense without headers\n"
	got := readAll(t, t.Context(), bytesInput("a.mbox", []byte(raw)), Options{})
	if len(got.recs) != 2 || len(got.bad) != 1 || got.err != nil {
		t.Fatalf("%d records, bad %v, error %v, want 2, 1 and none", len(got.recs), got.bad, got.err)
	}
	first, second := got.recs[0], got.recs[1]
	same(t, "first", fmt.Sprint(first.Place, " ", first.Doc.Title, " ", first.Doc.Body), "a.mbox:1 one text\nFrom here on\nFrom this line no message begins")
	same(t, "second", fmt.Sprint(second.Place, " ", second.Doc.Title, " ", second.Doc.Body), "a.mbox:9 two more")
	same(t, "bad", got.bad[0].Place.String(), "a.mbox:15")
}

func TestSuiteMail(t *testing.T) {
	t.Run("eml", func(t *testing.T) {
		// What is cut off a message nobody sees, unless its last boundary is missing, as
		// it is in many that are whole.
		runSuite(t, suiteCase{format: EML, name: "a.eml", small: mixedMail, want: 1, unknowable: func(int) bool { return true }, cuts: 60, flips: 60})
	})
	t.Run("mbox", func(t *testing.T) {
		mbox := func(n int) []byte {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "From a@b Mon May  6 07:08:09 2024\nFrom: a@b\nSubject: %d\n\n%s\n\n", i, strings.Repeat("text ", 20))
			}
			return []byte(b.String())
		}
		runSuite(t, suiteCase{format: Mbox, name: "a.mbox", small: mbox(3), want: 3, unknowable: func(int) bool { return true }, big: mbox, bigN: 500, cuts: 60, flips: 60})
	})
}
