package pipeline

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"importer/extract"
)

// The extended attribute of a POSIX access control list, as acl(5) has it and
// the kernel's posix_acl_xattr.h lays it out, little endian: a version (2), and
// eight bytes an entry: tag, permissions, id.
const (
	aclAttribute = "system.posix_acl_access"
	aclVersion   = 2

	tagUser     = 0x02
	tagGroupObj = 0x04
	tagGroup    = 0x08
	tagMask     = 0x10
)

// posixOf reads the permissions of a file or folder, links followed.
func posixOf(full string) (p extract.Posix, err error) {
	info, err := os.Stat(full)
	if err != nil {
		return p, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return p, errors.New("the file system has none")
	}
	perm := info.Mode().Perm()
	p = extract.Posix{UID: st.Uid, GID: st.Gid, User: uint8(perm>>6) & 7, Group: uint8(perm>>3) & 7, Other: uint8(perm) & 7}
	buf := make([]byte, 4096)
	n, err := unix.Getxattr(full, aclAttribute, buf)
	switch {
	case errors.Is(err, unix.ENODATA), errors.Is(err, unix.ENOTSUP):
		return p, nil
	case err != nil: // ERANGE too: more entries than are ever made
		return p, &fs.PathError{Op: "getxattr", Path: full, Err: err}
	}
	return withACL(p, buf[:n])
}

// withACL adds the entries of an access control list. With one, the group bits
// of the mode are its mask.
func withACL(p extract.Posix, b []byte) (extract.Posix, error) {
	if len(b) < 4 || binary.LittleEndian.Uint32(b) != aclVersion || len(b)%8 != 4 {
		return p, errors.New("its access control list cannot be read")
	}
	mask := uint8(7)
	for e := b[4:]; len(e) > 0; e = e[8:] {
		tag, perm, id := binary.LittleEndian.Uint16(e), uint8(binary.LittleEndian.Uint16(e[2:]))&7, binary.LittleEndian.Uint32(e[4:])
		switch tag {
		case tagUser:
			p.Users = append(p.Users, extract.PosixEntry{ID: id, Perm: perm})
		case tagGroup:
			p.Groups = append(p.Groups, extract.PosixEntry{ID: id, Perm: perm})
		case tagGroupObj:
			p.Group = perm
		case tagMask:
			mask = perm
		}
	}
	p.Group &= mask
	for i := range p.Users {
		p.Users[i].Perm &= mask
	}
	for i := range p.Groups {
		p.Groups[i].Perm &= mask
	}
	return p, nil
}
