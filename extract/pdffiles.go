package extract

import (
	"bytes"
	"errors"
	"fmt"
)

// This file has the files inside of a PDF: those that belong to the document,
// and those that are pinned to a page.

// A pdfFile is a file inside of a document. Where its content was asked for, it
// lies in the request's Spool under Key.
type pdfFile struct {
	Name string `json:"name,omitempty"`
	Type string `json:"type,omitempty"`
	Size int64  `json:"size,omitempty"`
	Key  string `json:"key,omitempty"`
}

// errNoFile is the error of a file whose content cannot be had. The engine is
// as it was.
var errNoFile = errors.New("its content is damaged")

// files gives the files pinned to page n, or for 0 those of the document, and
// puts their contents where the request wants them. A failure costs no more
// than them.
func (d *pdfReading) files(n int) ([]pdfFile, error) {
	if d.req.NoFiles {
		return nil, nil
	}
	var files []pdfFile
	if err := guarded(func() (err error) {
		files, err = d.doc.files(n)
		return err
	}); err != nil {
		if err := d.emit(pdfFrame{Kind: frameNote, Text: "what is attached" + onPage(n) + " cannot be listed"}); err != nil {
			return nil, err
		}
		return nil, d.reopen(n, err)
	}
	if len(files) == 0 {
		return nil, nil
	}
	if len(files) > maxAttachments {
		files = files[:maxAttachments+1] // the last tells that there are more
	}
	// Whoever watches us knows by this frame what hangs.
	if err := d.emit(pdfFrame{Kind: frameUnpack}); err != nil {
		return nil, err
	}
	for i := range files {
		f := &files[i]
		f.Name, f.Type = oneLine(f.Name), oneLine(f.Type)
		if d.req.Spool == "" {
			continue
		}
		f.Key = fmt.Sprintf("%d-%d", n, i)
		if err := d.spoolFile(n, i, f); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// onPage is " to page n", or nothing for the document.
func onPage(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" to page %d", n)
}

// spoolFile puts the content of a file where the parent finds it.
func (d *pdfReading) spoolFile(n, i int, f *pdfFile) error {
	var content []byte
	broken := guarded(func() (err error) {
		content, err = d.doc.content(n, i)
		return err
	})
	if errors.Is(broken, errNoFile) && n == 0 {
		content, broken = d.otherContent(i, f.Name)
	}
	why := broken
	if broken == nil {
		f.Size, why = d.spool.put(f.Key, func() (Input, error) {
			return Input{Size: int64(len(content)), ReaderAt: bytes.NewReader(content)}, nil
		})
	}
	if why == nil {
		return nil
	}
	f.Key = ""
	if err := d.emit(pdfFrame{Kind: frameNote, Text: fmt.Sprintf("the attachment %q cannot be read: %s", f.Name, oneLine(why.Error()))}); err != nil {
		return err
	}
	if broken != nil && !errors.Is(broken, errNoFile) {
		return d.reopen(n, broken)
	}
	return nil
}

// attachments makes attachments of files whose contents lie in spool.
func attachments(files []pdfFile, spool string) []Attachment {
	var all []Attachment
	for _, f := range files {
		a := Attachment{Name: f.Name, Type: f.Type, Size: f.Size, Open: spooled(spool, f.Key)}
		if spool != "" && f.Key == "" {
			a.Open = func() (Input, error) { return Input{}, errNoFile }
		}
		all = append(all, a)
	}
	return all
}
