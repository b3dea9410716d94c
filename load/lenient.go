package load

import (
	"encoding/json"
	"strconv"
	"strings"
)

// What is read of an answer is read with patience: the model grew four times
// in a year, and clients of older releases of the service have met flags and
// numbers as strings. An answer that could be understood must not fail for
// the type of a value: it would be asked for again until retries run out.

// A lenient boolean reads "true" and null as well: Microsoft's own reference
// example writes flags as strings.
type lenient bool

func (l *lenient) UnmarshalJSON(data []byte) error {
	*l = lenient(strings.EqualFold(strings.Trim(string(data), `"`), "true"))
	return nil
}

// A text is a string that reads numbers and booleans as they are spelled, and
// null, arrays and objects as nothing.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '"':
		return json.Unmarshal(data, (*string)(t))
	case 'n', '[', '{':
		*t = ""
	default:
		*t = text(data)
	}
	return nil
}

// A number is an int that reads strings, fractions and null as well; what is
// no number is 0.
type number int

func (n *number) UnmarshalJSON(data []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(data), `" `), 64)
	if err != nil || !(f > -1<<53 && f < 1<<53) {
		f = 0
	}
	*n = number(f)
	return nil
}
