package extract

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"importer/extract/scratch"
)

// What is attached to a document that a worker reads comes to the parent in
// files, one an attachment, which are read when the document has been: a worker
// serves one document at a time.

// A spool is a folder for what is attached to the documents of one file, and to
// what is attached to them. It is made when it is needed.
type spool struct {
	dir   *scratch.Folder
	count int
}

// folder makes a folder for the attachments of one document.
func (s *spool) folder() (string, error) {
	if s.dir == nil {
		dir, err := scratch.New("attachments")
		if err != nil {
			return "", err
		}
		s.dir = dir
	}
	s.count++
	dir := filepath.Join(s.dir.Path, strconv.Itoa(s.count))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("no temporary folder can be made (%v); free some space or set TMPDIR", withoutPath(err))
	}
	return dir, nil
}

// remove ends the use of all that is in it.
func (s *spool) remove() { s.dir.Remove() }

// A spooler puts attachments into a folder.
type spooler struct {
	dir   string
	most  int64 // bytes of all together
	bytes int64
}

// put copies what open gives to the file name, and tells its size.
func (s *spooler) put(name string, open func() (Input, error)) (int64, error) {
	name = filepath.Join(s.dir, name)
	out, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // a second attempt at a document writes it again
	if err != nil {
		return 0, withoutPath(err)
	}
	defer out.Close()
	in, err := open()
	if err != nil {
		return 0, err
	}
	defer in.close()
	if s.bytes += in.Size; s.bytes > s.most {
		return 0, fmt.Errorf("the attachments have more than %s; raise limits.unzipped", byteWords(s.most))
	}
	return io.Copy(out, io.NewSectionReader(in, 0, in.Size))
}

// spooled opens the attachment that has been put into a folder; "" is that of a
// document whose attachments were not asked for.
func spooled(dir, name string) func() (Input, error) {
	if dir == "" {
		return func() (Input, error) { return Input{}, errNotSpooled }
	}
	name = filepath.Join(dir, name)
	return func() (Input, error) {
		f, err := os.Open(name)
		if err != nil {
			return Input{}, withoutPath(err)
		}
		info, err := f.Stat()
		if err != nil {
			f.Close()
			return Input{}, withoutPath(err)
		}
		return Input{Size: info.Size(), Path: name, ReaderAt: f}, nil
	}
}

var errNotSpooled = errors.New("attachments: items was not asked for")
