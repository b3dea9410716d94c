package extract

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"mime"
	"strings"
	"time"
)

// A mailMessage is a message, whatever it was written down in.
type mailMessage struct {
	header      map[string]string // keys of Document.Meta
	text        string            // the plain text
	html        []byte            // in its own encoding, or UTF-8
	attachments []mailAttachment
	warnings    []string
}

// A mailAttachment is held in memory, as its message is.
type mailAttachment struct {
	name    string
	kind    string // its media type
	content func() ([]byte, error)
	size    int64
}

func (m *mailMessage) set(key, value string) {
	if value = collapse(strings.ToValidUTF8(value, "\uFFFD")); value != "" {
		if m.header == nil {
			m.header = map[string]string{}
		}
		m.header[key] = value
	}
}

// setID notes a header of message ids, without the angle brackets around each.
func (m *mailMessage) setID(key, value string) {
	m.set(key, strings.NewReplacer("<", " ", ">", " ").Replace(value))
}

func (m *mailMessage) setDate(key string, t time.Time) {
	if !t.IsZero() && t.Year() > 1 && t.Year() < 9999 {
		m.set(key, t.Format(time.RFC3339))
	}
}

// document makes the document of a message: the plain text, or that of the page
// where there is no other.
func (m *mailMessage) document(ctx context.Context, in Input, opt Options) (*Document, error) {
	d := &Document{Title: m.header["subject"], Warnings: m.warnings}
	for key, value := range m.header {
		d.setMeta(key, value)
	}
	if date := m.header["date"]; date != "" {
		d.setMeta("created", date)
	}
	d.setMeta("author", m.header["from"])
	d.setMeta("title", d.Title)
	body := cleanText(m.text)
	if len(m.html) > 0 {
		page, err := htmlText(ctx, in.Name, m.html)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		switch {
		case err != nil:
			d.Warnings = append(d.Warnings, "the HTML of the message cannot be read: "+err.Error())
		default:
			d.HTML = page.HTML
			if strings.TrimSpace(body) == "" {
				body = page.Body
				d.Headings = page.Headings
			}
		}
	}
	text := newDocText(opt)
	text.write(body)
	d.Body = string(text.b)
	if text.full {
		d.Warnings = append(d.Warnings, cutNote(len(text.b)))
	}
	for _, a := range m.attachments {
		d.Attachments = append(d.Attachments, Attachment{Name: a.name, Type: a.kind, Size: a.size, Open: func() (Input, error) {
			b, err := a.content()
			return Input{Size: int64(len(b)), ReaderAt: bytes.NewReader(b)}, err
		}})
	}
	return d, nil
}

// rfc822 writes the message as an Internet message, for messages inside of
// messages of other formats.
func (m *mailMessage) rfc822() ([]byte, error) {
	var b bytes.Buffer
	for _, h := range mailHeaders {
		if v := m.header[h.key]; v != "" {
			if h.key == "date" {
				if t, err := time.Parse(time.RFC3339, v); err == nil {
					v = t.Format(time.RFC1123Z)
				}
			}
			fmt.Fprintf(&b, "%s: %s\r\n", h.name, mime.QEncoding.Encode("utf-8", v))
		}
	}
	const boundary = "----=_importer_part"
	fmt.Fprintf(&b, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n", boundary)
	part := func(header string, content []byte) {
		fmt.Fprintf(&b, "--%s\r\n%s\r\nContent-Transfer-Encoding: base64\r\n\r\n", boundary, header)
		line := make([]byte, base64.StdEncoding.EncodedLen(len(content)))
		base64.StdEncoding.Encode(line, content)
		for len(line) > 0 {
			n := min(76, len(line))
			b.Write(line[:n])
			b.WriteString("\r\n")
			line = line[n:]
		}
	}
	if m.text != "" {
		part(`Content-Type: text/plain; charset="utf-8"`, []byte(m.text))
	}
	if len(m.html) > 0 {
		part("Content-Type: text/html", m.html)
	}
	for _, a := range m.attachments {
		content, err := a.content()
		if err != nil {
			return nil, err
		}
		kind := a.kind
		if kind == "" || strings.ContainsAny(kind, "\r\n") {
			kind = "application/octet-stream"
		}
		part(fmt.Sprintf("Content-Type: %s\r\nContent-Disposition: attachment; filename=\"%s\"", kind, mime.QEncoding.Encode("utf-8", strings.Map(plainName, a.name))), content)
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.Bytes(), nil
}

// plainName drops what would end a quoted name.
func plainName(r rune) rune {
	if r < ' ' || r == '"' || r == '\\' {
		return '_'
	}
	return r
}

// mailHeaders are the headers that become metadata.
var mailHeaders = []struct{ name, key string }{
	{"From", "from"}, {"Sender", "sender"}, {"Reply-To", "replyTo"}, {"To", "to"}, {"Cc", "cc"}, {"Bcc", "bcc"}, {"Subject", "subject"}, {"Date", "date"},
	{"Message-ID", "messageId"}, {"In-Reply-To", "inReplyTo"}, {"References", "references"}, {"List-Id", "listId"}, {"Keywords", "keywords"},
	{"Importance", "importance"}, {"Content-Language", "language"}, {"Organization", "company"},
}
