package localgraph

import (
	"database/sql/driver"

	"modernc.org/sqlite"
)

// sqlHas is kql_has(value, want, mode): whether a value has the words of
// want, or some value of a JSON array, by the rules of the index. NULL has
// nothing.
func sqlHas(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	text, ok := asText(args[0])
	want, ok2 := asText(args[1])
	mode, ok3 := args[2].(int64)
	if !ok || !ok2 || !ok3 {
		return int64(0), nil
	}
	if mode&inList == 0 {
		return truth(hasValue(text, want, mode)), nil
	}
	found := false
	_ = walkArray([]byte(text), func(val []byte) error { // cannot fail: f does not
		found = found || hasValue(unquote(val), want, mode&^inList)
		return nil
	})
	return truth(found), nil
}

// sqlFold is kql_fold(value): text without case and diacritics, to sort by;
// any other value is itself.
func sqlFold(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	if s, ok := asText(args[0]); ok {
		return foldToken(s), nil
	}
	return args[0], nil
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
