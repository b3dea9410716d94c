//go:build !nopdfium

package extract

import (
	"encoding/binary"
	"slices"
)

const annotFile = 17 // FPDF_ANNOT_FILEATTACHMENT

// files lists the files pinned to page n, from 1, or for 0 those of the document.
func (d *pdfiumDocument) files(n int) (files []pdfFile, err error) {
	err = d.eachFile(n, func(a handle) (bool, error) {
		f := pdfFile{}
		if f.Name, err = d.raw.text("FPDFAttachment_GetName", a); err != nil {
			return false, err
		}
		if f.Type, err = d.raw.text("FPDFAttachment_GetSubtype", a); err != nil {
			return false, err
		}
		files = append(files, f)
		return len(files) <= maxAttachments, nil
	})
	return files, err
}

// content is that of the i-th file that files lists.
func (d *pdfiumDocument) content(n, i int) (b []byte, err error) {
	at := 0
	found := errNoFile
	err = d.eachFile(n, func(a handle) (bool, error) {
		if at++; at <= i {
			return true, nil
		}
		b, found = d.fileBytes(a)
		return false, found
	})
	if err == nil {
		err = found
	}
	return b, err
}

// eachFile calls do with the files until it says false. An error of do ends the
// use of the page, whether the engine is broken or not.
func (d *pdfiumDocument) eachFile(n int, do func(a handle) (bool, error)) error {
	if n == 0 {
		return d.eachEmbedded(do)
	}
	page, err := d.load(n - 1)
	if err != nil {
		return err
	}
	err = d.annots(page, func(a handle, kind int) (bool, error) {
		if kind != annotFile {
			return true, nil
		}
		f, err := d.raw.call("FPDFAnnot_GetFileAttachment", a)
		if err != nil || f == 0 {
			return true, err
		}
		return do(f)
	})
	if err != nil && err != errNoFile {
		return err
	}
	if uerr := d.unload(page); uerr != nil {
		return uerr
	}
	return err
}

func (d *pdfiumDocument) eachEmbedded(do func(a handle) (bool, error)) error {
	count, err := d.raw.number("FPDFDoc_GetAttachmentCount", d.handle)
	if err != nil {
		return err
	}
	for i := range max(count, 0) {
		a, err := d.raw.call("FPDFDoc_GetAttachment", d.handle, uint64(i))
		if err != nil {
			return err
		}
		if a == 0 {
			continue
		}
		if more, err := do(a); err != nil || !more {
			return err
		}
	}
	return nil
}

// fileBytes is the content of a file, unpacked.
func (d *pdfiumDocument) fileBytes(a handle) ([]byte, error) {
	length := func(at uint64, room int) (int, error) {
		ok, err := d.raw.number("FPDFAttachment_GetFile", a, at, uint64(room), d.raw.out)
		if err != nil {
			return 0, err
		}
		if ok == 0 {
			return 0, errNoFile
		}
		b, err := d.raw.read(d.raw.out, 4) // an unsigned long of WebAssembly
		if err != nil {
			return 0, err
		}
		return int(binary.LittleEndian.Uint32(b)), nil
	}
	n, err := length(0, 0)
	if err != nil || n == 0 {
		return nil, err
	}
	at, err := d.raw.buffer(n)
	if err != nil {
		return nil, err
	}
	if _, err := length(at, n); err != nil {
		return nil, err
	}
	b, err := d.raw.read(at, n)
	return slices.Clone(b), err // the memory is PDFium's
}
