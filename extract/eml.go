package extract

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/mail"
	"regexp"
	"strings"
	"time"
)

// EML reads Internet messages (RFC 5322, MIME): headers as metadata, the text,
// the page as HTML, and what is attached. Mbox reads files of many of them, a
// record each. What is wrong in a message is mended as mail programs do.
var (
	EML = &Format{
		Name:    "eml",
		Exts:    []string{".eml"},
		Sniff:   nil, // Detect goes by the name; headers look like any text
		Read:    oneDocument("a message", readEML),
		Keep:    true,
		Isolate: true,
		Version: "1",
	}
	Mbox = &Format{
		Name:    "mbox",
		Exts:    []string{".mbox", ".mbx"},
		Sniff:   sniffMbox,
		Read:    readMbox,
		Keep:    true,
		Isolate: true,
		Version: "1",
	}
)

// Limits of messages.
const (
	maxMailDepth = 50      // multiparts in multiparts
	maxMailParts = 10_000  // parts of a message
	maxMailHead  = 1 << 20 // bytes of the headers of a part
	maxMail      = 256 << 20
)

func sniffMbox(head []byte) bool {
	line, rest, ok := bytes.Cut(head, []byte("\n"))
	return ok && mboxFrom.Match(line) && mailHeaderLine.Match(rest)
}

var (
	mboxFrom       = regexp.MustCompile(`^From \S+.* \d{2}:\d{2}(:\d{2})?.* \d{4}\s*$`)
	mailHeaderLine = regexp.MustCompile(`^[!-9;-~]+:[ \t]`)
)

func readEML(ctx context.Context, in Input, opt Options) (*Document, error) {
	if in.Size == 0 {
		return nil, docError(in, ReasonEmpty, "the file is empty", nil)
	}
	if in.Size > maxMail {
		return nil, docError(in, ReasonTooLarge, fmt.Sprintf("the message has %s, and may have %s", byteWords(in.Size), byteWords(maxMail)), nil)
	}
	raw := make([]byte, in.Size)
	if _, err := io.ReadFull(io.NewSectionReader(in, 0, in.Size), raw); err != nil {
		return nil, in.readFailure(err)
	}
	m, err := parseMail(ctx, raw)
	if err != nil {
		return nil, mailError(in, err)
	}
	return m.document(ctx, in, opt)
}

func mailError(in Input, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return docError(in, ReasonBroken, fmt.Sprintf("this is not a message, or it is damaged (%v); save it again in its program", err), err)
}

var errNoHeaders = errors.New("it has no headers")

// parseMail reads a message.
func parseMail(ctx context.Context, raw []byte) (*mailMessage, error) {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	raw = bytes.TrimLeft(raw, "\r\n")
	if bytes.HasPrefix(raw, []byte("From ")) { // the line of a mailbox
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	if !mailHeaderLine.Match(raw) && !bytes.Contains(raw[:min(len(raw), 4<<10)], []byte("\nFrom:")) {
		return nil, errNoHeaders
	}
	p := &mailParser{ctx: ctx, m: &mailMessage{}}
	head, body := splitMail(raw)
	p.headers(head)
	if err := p.part(head, body, 0, false); err != nil {
		return nil, err
	}
	p.m.text = strings.Join(p.texts, "\n")
	p.m.html = bytes.Join(p.pages, []byte("\n"))
	return p.m, nil
}

// A mailHead is the headers of a message or a part, by their names in lower
// case; those that come several times are joined by a comma.
type mailHead map[string]string

// splitMail parts the headers from the body.
func splitMail(raw []byte) (mailHead, []byte) {
	head := mailHead{}
	var name string
	var value []byte
	flush := func() {
		if name == "" {
			return
		}
		v := strings.TrimSpace(string(value))
		if old := head[name]; old != "" && v != "" {
			v = old + ", " + v
		}
		head[name] = v
		name, value = "", value[:0]
	}
	for read := 0; len(raw) > 0 && read < maxMailHead; {
		line, rest, _ := bytes.Cut(raw, []byte("\n"))
		text := bytes.TrimRight(line, "\r")
		read += len(line) + 1
		if len(text) == 0 {
			flush()
			return head, rest
		}
		if text[0] == ' ' || text[0] == '\t' {
			value = append(append(value, ' '), bytes.TrimSpace(text)...)
			raw = rest
			continue
		}
		flush()
		colon := bytes.IndexByte(text, ':')
		if colon <= 0 || bytes.ContainsAny(text[:colon], " \t") && len(head) > 0 && !bytes.HasPrefix(text, []byte("From ")) {
			return head, raw // no header: the empty line before the body is missing
		}
		name = strings.ToLower(strings.TrimSpace(string(text[:colon])))
		value = append(value[:0], text[colon+1:]...)
		raw = rest
	}
	flush()
	return head, raw
}

// A mailParser gathers the parts of a message.
type mailParser struct {
	ctx   context.Context
	m     *mailMessage
	texts []string
	pages [][]byte
	parts int
}

var wordDecoder = &mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
	c, err := lookupCodec(charset)
	if err != nil {
		return r, nil // as it is; what is no UTF-8 is mended
	}
	if c.enc == nil {
		return r, nil
	}
	return c.enc.NewDecoder().Reader(r), nil
}}

// decodeHeader decodes what headers write as =?utf-8?q?...?=.
func decodeHeader(s string) string {
	text, warning, err := decodeText([]byte(s), "", false)
	if err == nil && warning == "" {
		s = text
	}
	if out, err := wordDecoder.DecodeHeader(s); err == nil {
		return out
	}
	return s
}

func (p *mailParser) headers(head mailHead) {
	for _, h := range mailHeaders {
		v := decodeHeader(head[strings.ToLower(h.name)])
		if h.key == "date" {
			if t, ok := mailDate(v); ok {
				p.m.setDate("date", t)
			}
			continue
		}
		switch h.key {
		case "messageId", "inReplyTo", "references":
			p.m.setID(h.key, v)
		default:
			p.m.set(h.key, v)
		}
	}
}

// mailDate reads a date as mail programs write them.
func mailDate(s string) (time.Time, bool) {
	if t, err := mail.ParseDate(s); err == nil {
		return t, true
	}
	if i := strings.Index(s, " ("); i > 0 {
		s = s[:i]
	}
	s = collapse(s)
	for _, layout := range []string{time.RFC1123Z, time.RFC1123, "Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 MST", "2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 06 15:04:05 -0700",
		"Mon, 2 Jan 2006 15:04 -0700", "Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 MST 2006", "Mon, 2 Jan 2006 15:04:05", time.RFC3339, "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// mediaType reads a header such as Content-Type; parameters that are written
// wrong are found all the same.
func mediaType(s string) (kind string, params map[string]string) {
	kind, params, err := mime.ParseMediaType(s)
	if err == nil {
		return kind, params
	}
	kind, rest, _ := strings.Cut(s, ";")
	params = map[string]string{}
	for _, m := range mailParam.FindAllStringSubmatch(rest, -1) {
		params[strings.ToLower(m[1])] = firstFilled(m[2], m[3])
	}
	return strings.ToLower(strings.TrimSpace(kind)), params
}

var mailParam = regexp.MustCompile(`([A-Za-z0-9_-]+)\*?\s*=\s*(?:"([^"]*)"|([^;\s]+))`)

// part reads one part and what is in it. alternative tells that it is one of
// several versions of the same text.
func (p *mailParser) part(head mailHead, body []byte, depth int, alternative bool) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if p.parts++; p.parts > maxMailParts || depth > maxMailDepth {
		if len(p.m.warnings) == 0 {
			p.m.warnings = append(p.m.warnings, "the message has more parts than any program writes; the rest is not read")
		}
		return nil
	}
	kind, params := mediaType(head["content-type"])
	if kind == "" {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" {
		return p.multipart(kind, params["boundary"], body, depth)
	}
	disposition, dparams := mediaType(head["content-disposition"])
	name := decodeHeader(firstFilled(dparams["filename"], params["name"]))
	attached := disposition == "attachment" || name != "" && disposition != "inline"
	encoding := strings.ToLower(strings.TrimSpace(head["content-transfer-encoding"]))
	switch {
	case !attached && kind == "text/plain" && (name == "" || disposition == "inline"):
		text := decodePart(body, encoding, params["charset"])
		if strings.EqualFold(params["format"], "flowed") {
			text = unflow(text, strings.EqualFold(params["delsp"], "yes"))
		}
		p.texts = append(p.texts, text)
	case !attached && kind == "text/html" && (name == "" || disposition == "inline"):
		p.pages = append(p.pages, htmlPart(body, encoding, params["charset"]))
	case strings.HasPrefix(kind, "image/") && head["content-id"] != "" && disposition != "attachment":
		// A picture within the page.
	case kind == "text/calendar" && alternative, kind == "text/rtf" && alternative, kind == "text/enriched" && alternative:
	case kind == "message/delivery-status", kind == "text/rfc822-headers":
		p.texts = append(p.texts, decodePart(body, encoding, params["charset"]))
	case kind == "application/pkcs7-mime" || kind == "application/x-pkcs7-mime":
		p.m.warnings = append(p.m.warnings, "the message, or a part of it, is encrypted or signed as one block, which is not read")
	default:
		p.attach(kind, name, encoding, body)
	}
	return nil
}

func (p *mailParser) attach(kind, name, encoding string, body []byte) {
	if name == "" {
		name = "attachment"
		if kind == "message/rfc822" {
			head, _ := splitMail(body)
			name = firstFilled(clip(decodeHeader(head["subject"])), "message")
			name = strings.Map(func(r rune) rune {
				if strings.ContainsRune(`/\:*?"<>|`, r) {
					return '_'
				}
				return r
			}, name)
		}
	}
	if kind == "message/rfc822" && !strings.HasSuffix(strings.ToLower(name), ".eml") {
		name += ".eml"
	}
	size := int64(len(body))
	if encoding == "base64" {
		size = size * 57 / 78 // 57 bytes are a line of 76 characters and its end
	}
	p.m.attachments = append(p.m.attachments, mailAttachment{name: name, kind: kind, size: size,
		content: func() ([]byte, error) { return decodeTransfer(body, encoding), nil }})
}

// multipart reads the parts between the boundaries. A last boundary that is
// missing is no error: what has come is there.
func (p *mailParser) multipart(kind, boundary string, body []byte, depth int) error {
	alternative := kind == "multipart/alternative"
	texts, pages := len(p.texts), len(p.pages)
	parts, whole := splitParts(body, boundary)
	if !whole && len(p.m.warnings) == 0 {
		p.m.warnings = append(p.m.warnings, "the message has no end: a part of it may be missing")
	}
	for _, raw := range parts {
		head, content := splitMail(raw)
		if len(head) == 0 { // a part without headers begins with an empty line
			content = bytes.TrimLeft(raw, "\r\n")
		}
		if kind == "multipart/digest" && head["content-type"] == "" {
			head["content-type"] = "message/rfc822"
		}
		if err := p.part(head, content, depth+1, alternative); err != nil {
			return err
		}
	}
	if alternative { // versions of one text, the best last: one of each kind is enough
		if n := len(p.texts); n > texts+1 {
			p.texts = append(p.texts[:texts], p.texts[n-1])
		}
		if n := len(p.pages); n > pages+1 {
			p.pages = append(p.pages[:pages], p.pages[n-1])
		}
	}
	return nil
}

// splitParts gives what stands between lines of the boundary; whole tells that
// the last of them is there.
func splitParts(body []byte, boundary string) (parts [][]byte, whole bool) {
	mark := []byte("--" + boundary)
	start := -1
	for at := 0; at < len(body) && len(parts) < maxMailParts; {
		end := bytes.IndexByte(body[at:], '\n')
		next := len(body)
		if end >= 0 {
			next = at + end + 1
		}
		line := bytes.TrimRight(body[at:next], " \t\r\n")
		if bytes.HasPrefix(line, mark) {
			rest := line[len(mark):]
			if len(rest) == 0 || string(rest) == "--" {
				if start >= 0 {
					parts = append(parts, bytes.TrimSuffix(bytes.TrimSuffix(body[start:at], []byte("\n")), []byte("\r")))
				}
				start = next
				if len(rest) > 0 {
					return parts, true
				}
			}
		}
		at = next
	}
	if start >= 0 && start < len(body) {
		parts = append(parts, body[start:])
	}
	return parts, false
}

// decodeTransfer undoes a transfer encoding, as far as the bytes are in it.
func decodeTransfer(b []byte, encoding string) []byte {
	switch encoding {
	case "base64":
		clean := make([]byte, 0, len(b))
		for _, c := range b {
			if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' {
				clean = append(clean, c)
			} else if c == '-' || c == '_' { // the alphabet of addresses
				clean = append(clean, map[byte]byte{'-': '+', '_': '/'}[c])
			}
		}
		if len(clean)%4 == 1 {
			clean = clean[:len(clean)-1]
		}
		out := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
		n, _ := base64.RawStdEncoding.Decode(out, clean)
		return out[:n]
	case "quoted-printable":
		return unquotePrintable(b)
	}
	return b
}

// unquotePrintable undoes quoted-printable; what is not in it stays as it is.
func unquotePrintable(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '=' {
			out = append(out, b[i])
			continue
		}
		rest := b[i+1:]
		line := bytes.TrimLeft(rest[:min(len(rest), 100)], " \t")
		switch {
		case len(rest) >= 2 && unhex(rest[0]) >= 0 && unhex(rest[1]) >= 0:
			out = append(out, byte(unhex(rest[0])<<4|unhex(rest[1])))
			i += 2
		case bytes.HasPrefix(line, []byte("\r\n")):
			i += min(len(rest), 100) - len(line) + 2
		case bytes.HasPrefix(line, []byte("\n")):
			i += min(len(rest), 100) - len(line) + 1
		default:
			out = append(out, '=')
		}
	}
	return out
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// decodePart is the text of a part.
func decodePart(body []byte, encoding, charset string) string {
	b := decodeTransfer(body, encoding)
	if c, err := lookupCodec(charset); err == nil && charset != "" && !(c.enc == nil && !validText(b)) && !strings.EqualFold(charset, "us-ascii") {
		return c.text(b)
	}
	text, _, _ := decodeText(b, "", false)
	return text
}

func validText(b []byte) bool {
	_, invalid := utf8Evidence(string(b))
	return invalid == 0
}

// htmlPart is a page as UTF-8 where its header says its encoding, else as it is.
func htmlPart(body []byte, encoding, charset string) []byte {
	b := decodeTransfer(body, encoding)
	if c, err := lookupCodec(charset); err == nil && charset != "" && c.enc != nil {
		return []byte(c.text(b))
	}
	return b
}

// unflow joins the lines of a text in format=flowed (RFC 3676).
func unflow(s string, delsp bool) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		text := strings.TrimRight(line, "\r\n")
		if strings.HasSuffix(text, " ") && text != "-- " && !strings.HasPrefix(text, ">") {
			if delsp {
				text = text[:len(text)-1]
			}
			b.WriteString(text)
			continue
		}
		b.WriteString(text)
		if len(line) > len(text) {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// readMbox yields the messages of a mailbox: they begin at a line "From ..." at
// the beginning of the file or behind an empty line.
func readMbox(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if opt.Item != "" && opt.Item != "document" {
			yield(Record{}, docError(in, ReasonOption, fmt.Sprintf("item is %q, but every message of a mailbox is a record; write item: document, or leave it out", opt.Item), nil))
			return
		}
		if in.Size == 0 {
			yield(Record{}, docError(in, ReasonEmpty, "the file is empty", nil))
			return
		}
		b := &mboxReader{ctx: ctx, in: in, opt: opt, yield: yield}
		if err := b.read(); err != nil && err != errBreak {
			yield(Record{}, err)
		}
	}
}

type mboxReader struct {
	ctx   context.Context
	in    Input
	opt   Options
	yield func(Record, error) bool

	raw   []byte
	over  bool // the message is too large
	start int  // its line
}

func (b *mboxReader) read() error {
	r := bufio.NewReaderSize(io.NewSectionReader(b.in, 0, b.in.Size), 256<<10)
	blank := true
	b.start = 1
	fresh := true // the slice begins a line
	for line := 1; ; {
		part, err := r.ReadSlice('\n')
		if fresh && blank && bytes.HasPrefix(part, []byte("From ")) && mboxFrom.Match(bytes.TrimRight(part, "\r\n")) {
			if err := b.give(); err != nil {
				return err
			}
			b.start = line
		} else if fresh && bytes.HasPrefix(part, []byte(">From ")) {
			part = part[1:]
		}
		blank = fresh && len(bytes.TrimRight(part, "\r\n")) == 0
		if len(b.raw)+len(part) > maxMail {
			b.over = true
		}
		if !b.over {
			b.raw = append(b.raw, part...)
		}
		if fresh = !errors.Is(err, bufio.ErrBufferFull); fresh {
			line++
		}
		switch {
		case errors.Is(err, io.EOF):
			return b.give()
		case err != nil && fresh:
			return b.in.readFailure(err)
		}
	}
}

// give yields the message that has been gathered.
func (b *mboxReader) give() error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	raw, over := b.raw, b.over
	b.raw, b.over = nil, false
	if !over && len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	place := Place{File: b.in.Name, Line: b.start}
	bad := func(reason, detail string) error {
		if !b.yield(Record{}, &RecordError{Place: place, Reason: reason, Detail: detail}) {
			return errBreak
		}
		return nil
	}
	if over {
		return bad(ReasonTooLarge, fmt.Sprintf("the message has more than %s", byteWords(maxMail)))
	}
	m, err := parseMail(b.ctx, raw)
	if err == nil {
		var doc *Document
		if doc, err = m.document(b.ctx, b.in, b.opt); err == nil {
			finishDocument(doc, b.opt)
			if !b.yield(Record{Place: place, Doc: doc}, nil) {
				return errBreak
			}
			return nil
		}
	}
	if b.ctx.Err() != nil {
		return b.ctx.Err()
	}
	return bad(ReasonBroken, fmt.Sprintf("this is not a message, or it is damaged (%v)", err))
}
