package localgraph

import (
	"database/sql/driver"
	"errors"
	"sync"

	"modernc.org/sqlite"
)

// registerFunctions adds the SQL functions that queries use. The driver keeps
// them for the whole process.
//
//	kql_has(value, want, mode)   whether a value has the words of want
//	kql_may(search, acl)         whether the searcher may read what has the ACL
//	kql_in(search, set, row)     whether the row is in a set of them
//	kql_wanted(search, row)      whether a hit is to be scored
//
// and, as aggregate functions that feed the collector of a search:
//
//	kql_hit(search, row, score, modified, values...)
//	kql_again(search, row, score, modified)
//	kql_mark(search, tier, row)
//	kql_set(search, set, row)
//	kql_note(search, row, score)
//	kql_word(search, word)
//	kql_acl(search, acl, deny)
var registerFunctions = sync.OnceValue(func() error {
	return errors.Join(
		sqlite.RegisterFunction("kql_has", &sqlite.FunctionImpl{NArgs: 3, Deterministic: true, VolatileArgs: true, Scalar: sqlHas}),
		sqlite.RegisterFunction("kql_in", &sqlite.FunctionImpl{NArgs: 3, Scalar: sqlIn}),
		asks("kql_may", func(c *collector, n int64) bool { return c.at.may(n) }),
		asks("kql_wanted", (*collector).wanted),
		registerStep("kql_hit", (*collector).hit),
		registerStep("kql_again", (*collector).hitAgain),
		registerStep("kql_mark", func(c *collector, args []driver.Value) { c.mark(args[0].(int64), args[1].(int64)) }),
		registerStep("kql_set", func(c *collector, args []driver.Value) { c.at.sets[args[0].(int64)].set(args[1].(int64)) }),
		registerStep("kql_note", func(c *collector, args []driver.Value) { c.note(args[0].(int64), args[1].(float64)) }),
		registerStep("kql_word", func(c *collector, args []driver.Value) { c.like.take(args[0].(string)) }),
		registerStep("kql_acl", func(c *collector, args []driver.Value) { c.acl(args[0].(int64), args[1].(int64) != 0) }),
	)
})

// sqlHas is kql_has(value, want, mode): whether a value has the words of
// want, or some value of a JSON array, by the rules of the index. NULL has
// nothing. Its arguments are only good for the call.
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

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
