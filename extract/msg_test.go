package extract

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// msgProp makes a stream of a property: a text is UTF-16, bytes are as they are.
func msgProp(id int, v any) cfbNode {
	switch v := v.(type) {
	case string:
		return cfbNode{name: fmt.Sprintf("__substg1.0_%04X001F", id), content: utf16le(v)}
	case []byte:
		return cfbNode{name: fmt.Sprintf("__substg1.0_%04X0102", id), content: v}
	}
	panic("no such property")
}

// msgFixed makes the stream of properties of fixed size.
func msgFixed(header int, props map[int]uint64) cfbNode {
	b := make([]byte, header)
	for id, v := range props {
		b = append(b, le32(uint32(id)<<16|0x40, 6)...)
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return cfbNode{name: "__properties_version1.0", content: b}
}

// fileTime is a time as Windows has it.
func fileTime(t time.Time) uint64 { return uint64(t.Unix()+11644473600) * 1e7 }

func msgParts() []cfbNode {
	when := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	recipient := func(n int, name, address string, kind uint64) cfbNode {
		return cfbNode{name: fmt.Sprintf("__recip_version1.0_#%08X", n), children: []cfbNode{
			msgProp(propDisplayName, name), msgProp(propSMTPAddress, address), msgFixed(8, map[int]uint64{propRecipientType: kind})}}
	}
	inner := []cfbNode{msgProp(propSubject, "inner: a/b"), msgProp(propBody, "the inner text"), msgProp(propSenderSMTP, "eve@example.org"), msgFixed(24, nil)}
	return []cfbNode{
		msgFixed(32, map[int]uint64{propSubmitTime: fileTime(when)}),
		msgProp(propSubject, "Grüße"), msgProp(propBody, "The text.\r\nMore of it."), msgProp(propHTML, []byte("<p>The <b>text</b>.</p>")),
		msgProp(propSenderName, "Ada"), msgProp(propSenderSMTP, "ada@example.org"), msgProp(propMessageID, "<1@example.org>"),
		recipient(0, "Bob", "bob@example.org", 1), recipient(1, "eve@example.org", "eve@example.org", 2),
		{name: "__attach_version1.0_#00000000", children: []cfbNode{msgFixed(8, nil), msgProp(propAttachName, "TABLE~1.CSV"), msgProp(propAttachLongName, "täble.csv"), msgProp(propAttachType, "text/csv"),
			msgProp(propAttachData, []byte("a,b\n1,2\n"))}},
		{name: "__attach_version1.0_#00000001", children: []cfbNode{msgFixed(8, nil), {name: fmt.Sprintf("__substg1.0_%04X%04X", propAttachData, msgObject), children: inner}}},
		{name: "__attach_version1.0_#00000002", children: []cfbNode{msgFixed(8, nil), msgProp(propAttachName, "logo.png"), msgProp(propAttachType, "image/png"), msgProp(propAttachID, "logo@1"), msgProp(propAttachData, []byte("x"))}},
	}
}

func TestMSG(t *testing.T) {
	b := cfbBytes(t, msgParts()...)
	doc := oneFile(t, "a.msg", b, Options{})
	same(t, "body", doc.Body, "The text.\nMore of it.")
	same(t, "meta", fmt.Sprint(doc.Meta), "map[author:Ada <ada@example.org> cc:eve@example.org created:2024-05-06T07:08:09Z date:2024-05-06T07:08:09Z from:Ada <ada@example.org> "+
		"messageId:1@example.org subject:Grüße title:Grüße to:Bob <bob@example.org>]")
	if html := doc.HTML(); !strings.Contains(html, "<b>text</b>") {
		t.Errorf("HTML = %q", html)
	}
	var names []string
	for _, a := range doc.Attachments {
		names = append(names, a.Name+" "+a.Type)
	}
	same(t, "attachments", strings.Join(names, ", "), "täble.csv text/csv, inner: a/b.eml message/rfc822")

	got := readAll(t, t.Context(), bytesInput("a.msg", b), Options{Attachments: AttachmentItems})
	var lines []string
	for _, rec := range got.recs {
		path := ""
		if rec.Part != nil {
			path = rec.Part.Path
		}
		lines = append(lines, fmt.Sprintf("%s [%s] %s", rec.Place, path, strings.ReplaceAll(rec.Doc.Body, "\n", "|")))
	}
	same(t, "records", strings.Join(lines, "\n"), "a.msg [] The text.|More of it.\na.msg!täble.csv [täble.csv] a\tb|1\t2|\na.msg!b.eml [b.eml] the inner text")

	refused(t, "a.msg", cfbBytes(t, cfbNode{name: "Other", content: []byte("x")}), Options{}, ReasonBroken, "no message")
	refused(t, "a.msg", b[:len(b)-600], Options{}, ReasonShort, "cut short")
}

// TestMSGRichText reads a message whose only text is packed rich text, by the
// example of [MS-OXRTFCP] 4.1.
func TestMSGRichText(t *testing.T) {
	packed := []byte{0x2d, 0, 0, 0, 0x2b, 0, 0, 0, 'L', 'Z', 'F', 'u', 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0x00, 0x0a, 0x00, 0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42,
		0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09, 0x00, 0x20, 0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0}
	rtf, err := unpackRTF(packed)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "unpacked", string(rtf), "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n")
	doc := oneFile(t, "a.msg", cfbBytes(t, msgFixed(32, nil), msgProp(propRTF, packed)), Options{})
	same(t, "body", doc.Body, "hello world")
	for n := range packed {
		_, _ = unpackRTF(packed[:n]) // it ends
	}
}

// TestCompound follows no chain for ever.
func TestCompound(t *testing.T) {
	b := cfbBytes(t, cfbNode{name: "Stream", content: make([]byte, 2000)})
	open := func(b []byte) error {
		c, err := openCompound(bytesInput("", b), int64(len(b)))
		if err != nil {
			return err
		}
		r, err := c.open(c.find(0, "stream"))
		if err == nil {
			_, err = io.ReadAll(r)
		}
		return err
	}
	if err := open(b); err != nil {
		t.Fatal(err)
	}
	fat := len(b) - 512
	circle := slices.Clone(b)
	dir := binary.LittleEndian.Uint32(b[48:])
	binary.LittleEndian.PutUint32(circle[fat+4*int(dir):], dir)
	if err := open(circle); err == nil || !strings.Contains(err.Error(), "circle") {
		t.Errorf("a directory that goes round: error = %v", err)
	}
	beyond := slices.Clone(b)
	binary.LittleEndian.PutUint32(beyond[fat:], 100_000)
	if err := open(beyond); err == nil {
		t.Error("a stream beyond the file was read")
	}
}

func TestSuiteMSG(t *testing.T) {
	runSuite(t, suiteCase{format: MSG, name: "a.msg", small: cfbBytes(t, msgParts()...), want: 1, cuts: 60, flips: 60})
}
