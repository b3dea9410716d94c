package pipeline

import (
	"errors"

	"golang.org/x/sys/unix"
)

// remoteTypes are the file systems on which changes may come without events,
// as another machine, a host or a daemon makes them, by the number that
// statfs(2) gives. They are those that tail of GNU coreutils polls (stat.c
// marks them remote), without overlayfs, which tells of what goes through it.
var remoteTypes = map[uint32]string{
	unix.NFS_SUPER_MAGIC:   "NFS",
	unix.SMB_SUPER_MAGIC:   "SMB",
	unix.SMB2_SUPER_MAGIC:  "SMB",
	unix.CIFS_SUPER_MAGIC:  "SMB",
	unix.FUSE_SUPER_MAGIC:  "FUSE", // sshfs, rclone, s3fs, virtiofs
	unix.V9FS_MAGIC:        "9P",   // drives of Windows in WSL, virtual machines
	unix.AFS_FS_MAGIC:      "AFS",
	unix.AFS_SUPER_MAGIC:   "AFS",
	unix.CODA_SUPER_MAGIC:  "Coda",
	unix.CEPH_SUPER_MAGIC:  "Ceph",
	unix.NCP_SUPER_MAGIC:   "NCP",
	unix.OCFS2_SUPER_MAGIC: "OCFS2",
	0x01161970:             "GFS2",
	0x0bd00bd0:             "Lustre",
	0x19830326:             "BeeGFS",
	0x47504653:             "GPFS",
	0x61636673:             "ACFS",
	0x6a656a63:             "Docker Desktop",
	0x786f4256:             "VirtualBox",
	0x7c7c6673:             "Parallels",
	0xaad7aaea:             "PanFS",
	0xbacbacbc:             "VMware",
}

// remote names the kind of file system that a folder lies on, if changes may
// come without events there; "" is that they do not.
func remote(dir string) string {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "" // what is wrong with it shows when it is watched
	}
	return remoteTypes[uint32(s.Type)]
}

// limitRemedy says what to do about a limit of the system that was met, ""
// when the error is no limit.
func limitRemedy(err error) string {
	switch {
	case errors.Is(err, unix.ENOSPC): // not of the disk: inotify(7) has it for this
		return "the limit of watched folders is reached; raise it with sysctl fs.inotify.max_user_watches=524288"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return "the limit of watchers or of open files is reached; raise it with sysctl fs.inotify.max_user_instances=512, or ulimit -n"
	}
	return ""
}
