package localgraph

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Faults are what a Server does wrong on purpose, and the limits that it
// keeps. The zero Faults is none. Shares are from 0 to 1.
//
// Whether a request meets a fault depends on the seed, its method, its path
// and how many times it came before, and on nothing else: two runs that send
// the same requests meet the same faults, in whatever order they send them.
type Faults struct {
	// Rate is how many requests a second each connection takes; the others
	// get 429, and count as well (Graph's throttling page says so).
	Rate float64
	// Concurrent is how many requests each connection takes at once.
	Concurrent int
	// Status is the share of requests that get 429, 500, 502 (an HTML page, as
	// a gateway sends it), 503 or 504, without effect.
	Status map[int]float64
	// RetryAfter is the form of that header with 429 and 503: integer (the
	// default), decimal, date or none. After is how long it asks to wait; 0 is
	// one second, and a 429 of Rate asks for what it takes.
	RetryAfter string
	After      time.Duration
	// Slow is how long the share SlowShare of the requests waits first.
	Slow      time.Duration
	SlowShare float64
	// DropBefore and DropAfter are the shares whose connection is cut, before
	// or after the request took effect.
	DropBefore, DropAfter float64
	// Reject is the share of items that are never taken: their PUT is a 400.
	Reject float64
	// Schema is how long a registration takes, if not 0; with SchemaFail each
	// one fails.
	Schema     time.Duration
	SchemaFail bool
	Seed       uint64
}

var (
	faultStatus     = []int{429, 500, 502, 503, 504}
	retryAfterForms = []string{"integer", "decimal", "date", "none"}
)

// A faultKey is one setting as it is written.
type faultKey struct {
	name string
	form string // an example, for messages
	set  func(f *Faults, text string) error
	get  func(f *Faults) string // "" is unset
}

// faultKeys are the settings, in the order in which they are printed.
var faultKeys = slices.Concat([]faultKey{
	{"rate", "25", func(f *Faults, s string) error { return setNumber(&f.Rate, s) }, func(f *Faults) string { return number(f.Rate) }},
	{"concurrent", "25", func(f *Faults, s string) (err error) {
		f.Concurrent, err = strconv.Atoi(s)
		return err
	}, func(f *Faults) string { return number(float64(f.Concurrent)) }},
}, statusKeys(), []faultKey{
	{"retryAfter", strings.Join(retryAfterForms, ", "), func(f *Faults, s string) error {
		if !slices.Contains(retryAfterForms, s) {
			return errForm
		}
		f.RetryAfter = s
		return nil
	}, func(f *Faults) string { return f.RetryAfter }},
	{"after", "10s", func(f *Faults, s string) error { return setDuration(&f.After, s) }, func(f *Faults) string { return duration(f.After) }},
	{"slow", "2s:1%", func(f *Faults, s string) error {
		d, share, ok := strings.Cut(s, ":")
		if !ok {
			return errForm
		}
		if err := setDuration(&f.Slow, d); err != nil {
			return err
		}
		return setShare(&f.SlowShare, share)
	}, func(f *Faults) string {
		if f.Slow == 0 {
			return ""
		}
		return duration(f.Slow) + ":" + percent(f.SlowShare)
	}},
	shareKey("dropBefore", func(f *Faults) *float64 { return &f.DropBefore }),
	shareKey("dropAfter", func(f *Faults) *float64 { return &f.DropAfter }),
	shareKey("reject", func(f *Faults) *float64 { return &f.Reject }),
	{"schema", "2m", func(f *Faults, s string) error { return setDuration(&f.Schema, s) }, func(f *Faults) string { return duration(f.Schema) }},
	{"schemaFail", "true", func(f *Faults, s string) (err error) {
		f.SchemaFail, err = strconv.ParseBool(s)
		return err
	}, func(f *Faults) string {
		if f.SchemaFail {
			return "true"
		}
		return ""
	}},
	{"seed", "1", func(f *Faults, s string) (err error) {
		f.Seed, err = strconv.ParseUint(s, 10, 64)
		return err
	}, func(f *Faults) string {
		if f.Seed == 0 {
			return ""
		}
		return strconv.FormatUint(f.Seed, 10)
	}},
})

func statusKeys() (keys []faultKey) {
	for _, status := range faultStatus {
		keys = append(keys, faultKey{strconv.Itoa(status), "1%", func(f *Faults, s string) error {
			var share float64
			err := setShare(&share, s)
			if f.Status == nil {
				f.Status = map[int]float64{}
			}
			f.Status[status] = share
			return err
		}, func(f *Faults) string { return percent(f.Status[status]) }})
	}
	return keys
}

func shareKey(name string, field func(*Faults) *float64) faultKey {
	return faultKey{name, "1%", func(f *Faults, s string) error { return setShare(field(f), s) }, func(f *Faults) string { return percent(*field(f)) }}
}

var errForm = fmt.Errorf("not of that form")

func setNumber(v *float64, s string) (err error) {
	*v, err = strconv.ParseFloat(s, 64)
	if math.IsNaN(*v) || math.IsInf(*v, 0) {
		return errForm
	}
	return err
}

func setDuration(v *time.Duration, s string) (err error) {
	*v, err = time.ParseDuration(s)
	return err
}

// setShare takes 5% and 0.05.
func setShare(v *float64, s string) error {
	digits, per := strings.CutSuffix(s, "%")
	if err := setNumber(v, digits); err != nil {
		return err
	}
	if per {
		*v /= 100
	}
	if *v < 0 || *v > 1 {
		return errForm
	}
	return nil
}

func number(v float64) string {
	if v == 0 {
		return ""
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func percent(v float64) string {
	if v == 0 {
		return ""
	}
	return strconv.FormatFloat(v*100, 'g', 10, 64) + "%"
}

func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func (f *Faults) set(name, text string) error {
	for _, k := range faultKeys {
		if k.name != name {
			continue
		}
		if err := k.set(f, strings.TrimSpace(text)); err != nil {
			return fmt.Errorf("faults: %s=%s: the value must be like %s", name, text, k.form)
		}
		return nil
	}
	var names []string
	for _, k := range faultKeys {
		names = append(names, k.name)
	}
	return fmt.Errorf("faults: %q is none of %s", name, strings.Join(names, ", "))
}

// check refuses what cannot be done.
func (f *Faults) check() error {
	sum := f.DropBefore + f.DropAfter
	for _, share := range f.Status {
		sum += share
	}
	switch {
	case sum > 1+1e-9:
		return fmt.Errorf("faults: the shares of 429, 500, 502, 503, 504, dropBefore and dropAfter add up to %s", percent(sum))
	case f.Rate < 0 || f.Rate > 1e6 || f.Concurrent < 0:
		return fmt.Errorf("faults: rate must be 0 to 1000000, and concurrent not negative")
	case f.Slow < 0 || f.Schema < 0 || f.After < 0:
		return fmt.Errorf("faults: slow, schema and after must not be negative")
	}
	return nil
}

// ParseFaults reads faults as they are written on a command line, such as
// rate=25,429=5%,retryAfter=decimal,slow=2s:1%,dropAfter=1%,schemaFail,seed=1.
func ParseFaults(text string) (f Faults, err error) {
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok && name == "schemaFail" {
			value = "true"
		}
		if err := f.set(strings.TrimSpace(name), value); err != nil {
			return Faults{}, err
		}
	}
	return f, f.check()
}

// String writes faults as ParseFaults reads them.
func (f Faults) String() string {
	var parts []string
	for _, k := range faultKeys {
		if v := k.get(&f); v != "" {
			parts = append(parts, k.name+"="+v)
		}
	}
	return strings.Join(parts, ",")
}

// MarshalJSON writes an object with the same names and values.
func (f Faults) MarshalJSON() ([]byte, error) {
	m := map[string]string{}
	for _, k := range faultKeys {
		if v := k.get(&f); v != "" {
			m[k.name] = v
		}
	}
	return json.Marshal(m)
}

// UnmarshalJSON also takes numbers and booleans. What is not named is none.
func (f *Faults) UnmarshalJSON(raw []byte) error {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("faults must be an object such as {\"429\":\"5%%\",\"seed\":1}")
	}
	*f = Faults{}
	for name, v := range m {
		text := string(v)
		if kindOf(v) == '"' {
			text = unquote(v)
		}
		if err := f.set(name, text); err != nil {
			return err
		}
	}
	return f.check()
}

// SetFaults changes what the server does wrong, from the next request on, and
// begins to count anew.
func (s *Server) SetFaults(f Faults) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.String() == "" {
		s.faults.Store(nil)
		return nil
	}
	s.faults.Store(newInjector(f))
	return nil
}

// control answers what is under /_control, which Graph does not have: it is
// for tests and demonstrations. A fetch without a content type says text/plain.
func (c *call) control(seg []string) error {
	c.anyType = true
	if !c.caller.App {
		return errAppOnly
	}
	if c.caller.Roles != "" {
		return errControl // it was given permissions by name, and this is none of them
	}
	if len(seg) == 1 && seg[0] == "faults" {
		return c.by(methods{"GET": c.getFaults, "PUT": c.putFaults})
	}
	if len(seg) == 1 && seg[0] == "directory" {
		// Who puts people into groups chooses what they read, in every connection.
		if c.caller.AppID != "" {
			return errControl
		}
		return c.by(methods{"GET": c.getDirectory, "PUT": c.putDirectory})
	}
	if len(seg) == 2 && seg[0] == "connections" {
		return c.only("PATCH", func() error { return c.setState(seg[1]) })
	}
	return noSegment(strings.Join(seg, "/"))
}

// setState puts a connection into a state that the service decides on:
// {"state":"limitExceeded"}, and back.
func (c *call) setState(id string) error {
	var body struct {
		State string `json:"state"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	cn, err := c.s.connection(c.r.Context(), id)
	if err != nil {
		return err
	}
	if err := c.manages(cn); err != nil {
		return err
	}
	states := []string{stateReady, stateLimit, stateObsolete}
	if cn.schema == nil {
		states = []string{stateDraft, stateObsolete}
	}
	if !slices.Contains(states, body.State) {
		return badRequest("state: %q is none of %s", body.State, strings.Join(states, ", "))
	}
	err = c.s.change(c.r.Context(), func(tx *wtx) error {
		return tx.exec(`UPDATE connections SET state = ? WHERE n = ?`, body.State, cn.n)
	})
	if err != nil {
		return err
	}
	return c.replyNothing(http.StatusNoContent)
}

func (c *call) getFaults() error {
	body := map[string]any{"faults": Faults{}, "counts": map[string]int64{}, "connections": map[string]Tally{}}
	if in := c.s.faults.Load(); in != nil {
		body["faults"], body["counts"], body["connections"] = in.Faults, in.counted(), in.tallies()
	}
	return c.reply(http.StatusOK, body)
}

func (c *call) putFaults() error {
	raw, err := c.body(maxAdminBytes)
	if err != nil {
		return err
	}
	var body struct{ Faults *Faults }
	if err := json.Unmarshal(raw, &body); err != nil {
		return badRequest("%v", err)
	}
	if body.Faults == nil {
		return badRequest("faults: the member is missing; {\"faults\":{}} ends all faults")
	}
	if err := c.s.SetFaults(*body.Faults); err != nil {
		return badRequest("%v", err)
	}
	return c.getFaults()
}
