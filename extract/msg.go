package extract

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// MSG reads messages that Outlook has saved: a compound file whose streams are
// the message's properties ([MS-OXMSG]). It gives what EML gives.
var MSG = &Format{
	Name:    "msg",
	Exts:    []string{".msg", ".oft"},
	Sniff:   nil, // Detect looks into the compound file
	Read:    oneDocument("a message", readMSG),
	Keep:    true,
	Isolate: true,
	Version: "1",
}

// Properties that matter ([MS-OXPROPS]), and their types.
const (
	propSubject        = 0x0037
	propSubmitTime     = 0x0039
	propHeaders        = 0x007d
	propSenderName     = 0x0c1a
	propSenderAddress  = 0x0c1f
	propRecipientType  = 0x0c15
	propBcc            = 0x0e02
	propCc             = 0x0e03
	propTo             = 0x0e04
	propDeliveryTime   = 0x0e06
	propBody           = 0x1000
	propRTF            = 0x1009
	propHTML           = 0x1013
	propMessageID      = 0x1035
	propReferences     = 0x1039
	propInReplyTo      = 0x1042
	propDisplayName    = 0x3001
	propAddress        = 0x3003
	propAttachData     = 0x3701
	propAttachName     = 0x3704
	propAttachLongName = 0x3707
	propAttachType     = 0x370e
	propAttachID       = 0x3712
	propSMTPAddress    = 0x39fe
	propCodePage       = 0x3fde
	propMessagePage    = 0x3ffd
	propSenderSMTP     = 0x5d01
	propHidden         = 0x7ffe

	msgString8 = 0x001e
	msgUnicode = 0x001f
	msgBinary  = 0x0102
	msgObject  = 0x000d

	maxMsgDepth = 5
)

func readMSG(ctx context.Context, in Input, opt Options) (*Document, error) {
	if in.Size > 2*maxMail {
		return nil, docError(in, ReasonTooLarge, fmt.Sprintf("the message has %s, and may have %s", byteWords(in.Size), byteWords(2*maxMail)), nil)
	}
	c, err := openCompound(in, in.Size)
	if err != nil {
		return nil, compoundError(in.Name, "an Outlook message", err)
	}
	if c.find(0, "__properties_version1.0") < 0 {
		return nil, docError(in, ReasonBroken, "this is an old Office file, but no message; give it the ending of what it is", nil)
	}
	r := &msgReader{ctx: ctx, c: c}
	m, err := r.message(0, 32, 0)
	if err != nil {
		return nil, compoundError(in.Name, "an Outlook message", err)
	}
	return m.document(ctx, in, opt)
}

// A msgReader reads the messages of a compound file.
type msgReader struct {
	ctx     context.Context
	c       *compoundFile
	objects int
}

// msgProps are the properties of a storage.
type msgProps struct {
	r       *msgReader
	streams map[uint32]int // by id and type
	fixed   map[uint16]uint64
	page    codec
}

// props lists the properties of a storage; header is how many bytes stand
// before those of fixed size.
func (r *msgReader) props(storage, header int) (*msgProps, error) {
	p := &msgProps{r: r, streams: map[uint32]int{}, fixed: map[uint16]uint64{}}
	for _, i := range r.c.children(storage) {
		name := r.c.entries[i].name
		if rest, ok := strings.CutPrefix(name, "__substg1.0_"); ok && len(rest) >= 8 {
			var id uint32
			if _, err := fmt.Sscanf(rest[:8], "%08X", &id); err == nil {
				p.streams[id] = i
			}
		}
	}
	if i := r.c.find(storage, "__properties_version1.0"); i >= 0 {
		b, err := r.c.read(i, 16<<20)
		if err != nil {
			return nil, err
		}
		for at := header; at+16 <= len(b); at += 16 {
			tag := binary.LittleEndian.Uint32(b[at:])
			p.fixed[uint16(tag>>16)] = binary.LittleEndian.Uint64(b[at+8:])
		}
	}
	p.page, _ = lookupCodec("windows-1252")
	for _, id := range []uint16{propMessagePage, propCodePage} {
		if n, ok := p.fixed[id]; ok && uint32(n) != 0 {
			if c, err := lookupCodec(codePageName(int(uint32(n)))); err == nil {
				p.page = c
				break
			}
		}
	}
	return p, nil
}

// text is a property of text, "" if it is not there.
func (p *msgProps) text(id uint16) (string, error) {
	if i, ok := p.streams[uint32(id)<<16|msgUnicode]; ok {
		b, err := p.r.c.read(i, maxMail)
		return strings.TrimRight(string(appendUTF16(nil, b)), "\x00"), err
	}
	if i, ok := p.streams[uint32(id)<<16|msgString8]; ok {
		b, err := p.r.c.read(i, maxMail)
		return strings.TrimRight(p.page.text(b), "\x00"), err
	}
	return "", nil
}

func (p *msgProps) binary(id uint16) ([]byte, error) {
	if i, ok := p.streams[uint32(id)<<16|msgBinary]; ok {
		return p.r.c.read(i, maxMail)
	}
	return nil, nil
}

// time is a property of a point in time: 100 nanoseconds since 1601.
func (p *msgProps) time(id uint16) time.Time {
	v, ok := p.fixed[id]
	if !ok || v == 0 {
		return time.Time{}
	}
	const epoch = 11644473600 // seconds from 1601 to 1970
	return time.Unix(int64(v/1e7)-epoch, int64(v%1e7)*100).UTC()
}

// message reads the message in a storage.
func (r *msgReader) message(storage, header, depth int) (*mailMessage, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	p, err := r.props(storage, header)
	if err != nil {
		return nil, err
	}
	m := &mailMessage{}
	for _, f := range []struct {
		id  uint16
		key string
	}{{propSubject, "subject"}, {propTo, "to"}, {propCc, "cc"}, {propBcc, "bcc"}, {propMessageID, "messageId"}, {propInReplyTo, "inReplyTo"}, {propReferences, "references"}} {
		s, err := p.text(f.id)
		if err != nil {
			return nil, err
		}
		switch f.id {
		case propMessageID, propInReplyTo, propReferences:
			m.setID(f.key, s)
		default:
			m.set(f.key, s)
		}
	}
	if err := r.sender(p, m); err != nil {
		return nil, err
	}
	if err := r.recipients(storage, m); err != nil {
		return nil, err
	}
	date := p.time(propSubmitTime)
	if date.IsZero() {
		date = p.time(propDeliveryTime)
	}
	m.setDate("date", date)
	if err := r.body(p, m); err != nil {
		return nil, err
	}
	return m, r.attachments(storage, m, depth)
}

func (r *msgReader) sender(p *msgProps, m *mailMessage) error {
	name, err := p.text(propSenderName)
	if err != nil {
		return err
	}
	address, err := p.text(propSenderSMTP)
	if err == nil && address == "" {
		address, err = p.text(propSenderAddress)
	}
	m.set("from", nameAndAddress(name, address))
	headers, err2 := p.text(propHeaders)
	if err == nil {
		err = err2
	}
	if headers != "" && m.header["from"] == "" {
		head, _ := splitMail([]byte(headers))
		m.set("from", decodeHeader(head["from"]))
	}
	return err
}

// nameAndAddress writes Name <address>; addresses inside of Exchange are none.
func nameAndAddress(name, address string) string {
	name = strings.Trim(name, "' ")
	switch {
	case !strings.Contains(address, "@"):
		return name
	case name == "" || strings.EqualFold(name, address):
		return address
	}
	return name + " <" + address + ">"
}

// recipients replaces the names that are shown by names with addresses.
func (r *msgReader) recipients(storage int, m *mailMessage) error {
	lists := map[uint64][]string{}
	n := 0
	for _, i := range r.c.children(storage) {
		if !strings.HasPrefix(r.c.entries[i].name, "__recip_version1.0_") {
			continue
		}
		if n++; n > 10_000 {
			break
		}
		p, err := r.props(i, 8)
		if err != nil {
			return err
		}
		name, err := p.text(propDisplayName)
		if err != nil {
			return err
		}
		address, err := p.text(propSMTPAddress)
		if err == nil && address == "" {
			address, err = p.text(propAddress)
		}
		if err != nil {
			return err
		}
		kind := p.fixed[propRecipientType] & 0xf
		if who := nameAndAddress(name, address); who != "" {
			lists[kind] = append(lists[kind], who)
		}
	}
	for kind, key := range map[uint64]string{1: "to", 2: "cc", 3: "bcc"} {
		m.set(key, strings.Join(lists[kind], ", "))
	}
	return nil
}

// body reads the text: as it is, as a page, or as rich text.
func (r *msgReader) body(p *msgProps, m *mailMessage) (err error) {
	if m.text, err = p.text(propBody); err != nil {
		return err
	}
	if m.html, err = p.binary(propHTML); err != nil {
		return err
	}
	if len(m.html) == 0 {
		s, err := p.text(propHTML)
		if err != nil {
			return err
		}
		m.html = []byte(s)
	}
	if strings.TrimSpace(m.text) != "" || len(m.html) > 0 {
		return nil
	}
	packed, err := p.binary(propRTF)
	if err != nil || len(packed) == 0 {
		return err
	}
	rtf, err := unpackRTF(packed)
	if err != nil {
		m.warnings = append(m.warnings, "the rich text of the message cannot be unpacked")
		return nil
	}
	reader := newRTFReader(r.ctx, bytes.NewReader(rtf), newDocText(Options{}))
	if err := reader.read(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	m.text = reader.text.String()
	return nil
}

func (r *msgReader) attachments(storage int, m *mailMessage, depth int) error {
	for _, i := range r.c.children(storage) {
		if !strings.HasPrefix(r.c.entries[i].name, "__attach_version1.0_") {
			continue
		}
		if r.objects++; r.objects > maxAttachments {
			return nil
		}
		p, err := r.props(i, 8)
		if err != nil {
			return err
		}
		a := mailAttachment{}
		for _, id := range []uint16{propAttachLongName, propAttachName, propDisplayName} {
			if a.name, err = p.text(id); err != nil {
				return err
			}
			if a.name != "" {
				break
			}
		}
		if a.kind, err = p.text(propAttachType); err != nil {
			return err
		}
		id, err := p.text(propAttachID)
		if err != nil {
			return err
		}
		if strings.HasPrefix(a.kind, "image/") && (id != "" || p.fixed[propHidden] != 0) && len(m.html) > 0 {
			continue // a picture within the page
		}
		if object, ok := p.streams[propAttachData<<16|msgObject]; ok {
			if err := r.object(object, &a, depth); err != nil {
				return err
			}
			if a.content != nil {
				m.attachments = append(m.attachments, a)
			}
			continue
		}
		data, ok := p.streams[propAttachData<<16|msgBinary]
		if !ok {
			continue // a link
		}
		a.size = r.c.entries[data].size
		a.content = func() ([]byte, error) { return r.c.read(data, maxMail) }
		m.attachments = append(m.attachments, a)
	}
	return nil
}

// object makes an attachment of a message that lies in this one.
func (r *msgReader) object(storage int, a *mailAttachment, depth int) error {
	if depth >= maxMsgDepth || r.c.find(storage, "__properties_version1.0") < 0 {
		return nil // an object of another program
	}
	inner, err := r.message(storage, 24, depth+1)
	if err != nil {
		return err
	}
	if a.name == "" {
		a.name = firstFilled(inner.header["subject"], "message")
	}
	if !strings.HasSuffix(strings.ToLower(a.name), ".eml") {
		a.name = strings.TrimSuffix(a.name, ".msg") + ".eml"
	}
	a.kind = "message/rfc822"
	a.content = inner.rfc822
	return nil
}

// rtfPrebuf is the text that a packed rich text may refer back to before it
// begins ([MS-OXRTFCP] 2.1.3.1.2).
const rtfPrebuf = "{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"

var errPackedRTF = errors.New("not a packed rich text")

// unpackRTF undoes the packing of rich text in messages ([MS-OXRTFCP] 2.2).
func unpackRTF(b []byte) ([]byte, error) {
	if len(b) < 16 {
		return nil, errPackedRTF
	}
	size := int64(u32(b, 4))
	kind := string(b[8:12])
	b = b[16:]
	if kind == "MELA" {
		return b[:min(int64(len(b)), size)], nil
	}
	if kind != "LZFu" {
		return nil, errPackedRTF
	}
	most := min(size, 20*int64(len(b))+4096)
	var dict [4096]byte
	at := copy(dict[:], rtfPrebuf)
	var out []byte
	put := func(c byte) {
		dict[at] = c
		at = (at + 1) % len(dict)
		out = append(out, c)
	}
	for len(b) > 0 && int64(len(out)) < most {
		control := b[0]
		b = b[1:]
		for bit := range 8 {
			if control>>bit&1 == 0 {
				if len(b) < 1 {
					return out, nil
				}
				put(b[0])
				b = b[1:]
				continue
			}
			if len(b) < 2 {
				return out, nil
			}
			ref := int(b[0])<<8 | int(b[1])
			b = b[2:]
			offset, length := ref>>4, ref&15+2
			if offset == at {
				return out, nil
			}
			for range length {
				put(dict[offset])
				offset = (offset + 1) % len(dict)
			}
		}
	}
	return out, nil
}
