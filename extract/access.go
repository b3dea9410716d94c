package extract

// An Access says who may read a file, as its surroundings have it. Only what
// somebody wants to know is filled in.
type Access struct {
	// Posix are the permissions of the file, and behind them those of the
	// folders around it, from the one that it lies in to the source's root.
	Posix []Posix
	// Folder is the nearest folder around the file, relative to the source's
	// root, that says who may see what lies in it; "." is the root, "" none.
	Folder string
	// Unknown says why it cannot be told, in a sentence with what to do; "" is
	// that it can.
	Unknown string
}

// A Posix is the permissions of a file or folder, what the mask of an access
// control list takes away left out. Each is a sum of 4 (read), 2 (write) and 1
// (execute, or pass).
type Posix struct {
	UID, GID           uint32
	User, Group, Other uint8
	// Users and Groups are the further entries of an access control list.
	Users, Groups []PosixEntry
}

// A PosixEntry is a named entry of an access control list.
type PosixEntry struct {
	ID   uint32
	Perm uint8
}
