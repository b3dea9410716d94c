package extract

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// mailWith makes a message with a file attached to it.
func mailWith(text, name, kind, content string) string {
	return fmt.Sprintf("From: a@contoso.com\r\nSubject: %s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=%[2]d\r\n\r\n"+
		"--%[2]d\r\nContent-Type: text/plain\r\n\r\n%[1]s\r\n--%[2]d\r\nContent-Type: %[4]s; name=%[3]s\r\nContent-Disposition: attachment; filename=%[3]s\r\n\r\n%[5]s\r\n--%[2]d--\r\n",
		text, len(content), name, kind, content)
}

// TestAttachmentsOfWorkers has what is attached to what is attached, all read by
// workers, come one after the other; nothing stays behind.
func TestAttachmentsOfWorkers(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	inner := mailWith("inner", "note.txt", "text/plain", "a note")
	outer := mailWith("outer", "inner.eml", "message/rfc822", inner)
	var got []string
	for rec, err := range Records(t.Context(), bytesInput("m.eml", []byte(outer)), Options{Attachments: AttachmentItems}) {
		if err != nil {
			t.Fatal(err)
		}
		path := ""
		if rec.Part != nil {
			path = rec.Part.Path
		}
		got = append(got, path+": "+strings.TrimSpace(rec.Doc.Body))
	}
	want := "[: outer inner.eml: inner inner.eml!note.txt: a note]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
