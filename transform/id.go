package transform

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// idScheme names the way in which keys become item ids. It is part of every
// source's digest, so that a change of it is seen and never makes a second
// copy of a corpus in silence.
//
// Scheme 1:
//
//	[A-Za-z0-9_-]{1,128}   as it is, unless it starts with e_ or h_
//	e_...                  any other key: letters, digits and - as they are,
//	                       every other byte as _XX (upper-case hexadecimal)
//	h_...                  a key whose e_ form is over 128 bytes: base64url of
//	                       its SHA-256
//
// The service takes ids of 128 characters; its reference says alphanumeric,
// while its samples send - and _ as well.
const idScheme = "id/1"

const maxID = 128

// EncodeID makes a legal item id of any key, stably and reversibly where it
// fits. Different keys have different ids. The empty key has none.
func EncodeID(key string) string {
	if key == "" || isLegalID(key) && !strings.HasPrefix(key, "e_") && !strings.HasPrefix(key, "h_") {
		return key
	}
	n := 2
	for i := 0; i < len(key); i++ {
		if n++; !keptInID(key[i]) {
			n += 2
		}
	}
	if n > maxID {
		sum := sha256.Sum256([]byte(key))
		return "h_" + base64.RawURLEncoding.EncodeToString(sum[:])
	}
	b := append(make([]byte, 0, n), "e_"...)
	for i := 0; i < len(key); i++ {
		if c := key[i]; keptInID(c) {
			b = append(b, c)
		} else {
			b = append(b, '_', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(b)
}

// DecodeID gives the key of an item id. ok is false for a hashed one, and for
// what EncodeID does not make.
func DecodeID(id string) (key string, ok bool) {
	if !strings.HasPrefix(id, "e_") {
		return id, isLegalID(id) && !strings.HasPrefix(id, "h_")
	}
	var b strings.Builder
	for i := 2; i < len(id); i++ {
		c := id[i]
		switch {
		case keptInID(c):
			b.WriteByte(c)
		case c == '_' && i+2 < len(id):
			hi, lo := strings.IndexByte(hexDigits, id[i+1]), strings.IndexByte(hexDigits, id[i+2])
			if hi < 0 || lo < 0 {
				return "", false
			}
			b.WriteByte(byte(hi<<4 | lo))
			i += 2
		default:
			return "", false
		}
	}
	key = b.String()
	return key, key != "" && EncodeID(key) == id
}

func isLegalID(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !keptInID(c) && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= maxID
}

func keptInID(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c == '-'
}
