//go:build linux || darwin

package main

import (
	"bufio"
	"os"
	"strconv"
)

// mapping is an everyday one: eight properties of which two are numbers or
// dates and one is a list, a link made of a column, a text of two columns, and
// permissions that depend on the row.
const mapping = `version: 1
connection: {id: benchtickets, name: Tickets, description: Tickets to measure with.}
schema:
  title:    {type: string, labels: [title], searchable: true, retrievable: true, queryable: true}
  url:      {type: string, labels: [url], retrievable: true}
  number:   {type: string, retrievable: true, queryable: true}
  status:   {type: string, refinable: true, retrievable: true, queryable: true}
  team:     {type: string, refinable: true, retrievable: true, queryable: true}
  priority: {type: int64, refinable: true, retrievable: true, queryable: true}
  opened:   {type: dateTime, labels: [createdDateTime], refinable: true, retrievable: true, queryable: true}
  tags:     {type: stringCollection, refinable: true, retrievable: true, queryable: true}
sources:
  - name: tickets
    path: tickets.csv
    where: status != "deleted"
    id: number
    properties:
      title: title
      url: '"https://helpdesk.contoso.com/tickets/" + number'
      number: number
      status: status
      team: team
      priority: int(priority)
      opened: date(opened, "2006-01-02 15:04", "Europe/Rome")
      tags: split(tags, ";")
    content: {type: text, value: description + "\n\n" + resolution}
    acl:
      - {grant: everyone}
      - {deny: everyoneExceptGuests, when: visibility == "internal"}
`

var (
	statuses = []string{"open", "pending", "solved", "closed", "deleted"}
	teams    = []string{"Field Service", "Network", "Accounts", "Workplace", "Finance Systems"}
	tags     = []string{"printer", "vpn", "laptop", "password", "mail", "phone", "invoice", "licence", "projector", "badge"}
)

// vocabulary is the words of the texts, as many as a language has in use, so
// that an index has work.
var vocabulary = func() []string {
	const onsets, vowels = "bcdfglmnprstv", "aeiou"
	words := make([]string, 1<<15)
	for i := range words {
		var w []byte
		for n := i + 65; n > 0; n /= 65 { // two or three syllables
			w = append(w, onsets[n%13], vowels[n/13%5])
		}
		words[i] = string(w) + "n"[:i%2]
	}
	return words
}()

// A dice is a small generator of numbers, the same in every run
// (xorshift64*, Vigna 2016).
type dice uint64

func (d *dice) roll(n int) int {
	*d ^= *d >> 12
	*d ^= *d << 25
	*d ^= *d >> 27
	return int(uint64(*d) * 0x2545F4914F6CDD1D >> 33 % uint64(n))
}

// appendText appends words up to about n bytes, the earlier words of the
// vocabulary more often.
func (d *dice) appendText(dst []byte, n int) []byte {
	for end := len(dst) + n; len(dst) < end; {
		i := min(d.roll(len(vocabulary)), d.roll(len(vocabulary)), d.roll(len(vocabulary)))
		dst = append(append(dst, vocabulary[i]...), ' ')
	}
	return dst[:len(dst)-1]
}

// writeTable writes a table of that many rows of ten columns, numbered from
// from, text bytes of
// description and resolution each. Every fourth row has quotes, as a comma in
// its description needs.
func writeTable(path string, from, rows, text int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<16)
	d := dice(1 + from)
	line := []byte("number,title,status,priority,opened,tags,team,visibility,description,resolution\n")
	for i := 0; ; i++ {
		if _, err := w.Write(line); err != nil {
			return err
		}
		if i == rows {
			break
		}
		line = d.appendRow(line[:0], from+i, text)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func (d *dice) appendRow(b []byte, i, text int) []byte {
	b = strconv.AppendInt(append(b, "INC"...), int64(10_000_000+i), 10)
	b = d.appendText(append(b, ','), 30)
	status := d.roll(4)
	if d.roll(100) == 0 {
		status = 4
	}
	b = append(append(b, ','), statuses[status]...)
	b = strconv.AppendInt(append(b, ','), int64(1+d.roll(4)), 10)
	b = append(b, ",2026-"...)
	b = appendTwo(b, 1+d.roll(12))
	b = appendTwo(append(b, '-'), 1+d.roll(28))
	b = appendTwo(append(b, ' '), d.roll(24))
	b = appendTwo(append(b, ':'), d.roll(60))
	b = append(append(b, ','), tags[d.roll(len(tags))]...)
	b = append(append(b, ';'), tags[d.roll(len(tags))]...)
	b = append(append(b, ','), teams[d.roll(len(teams))]...)
	if d.roll(3) == 0 {
		b = append(b, ",internal,"...)
	} else {
		b = append(b, ",public,"...)
	}
	if i%4 == 0 {
		b = d.appendText(append(b, '"'), text/2)
		b = d.appendText(append(b, ", "...), text/2)
		b = append(b, '"')
	} else {
		b = d.appendText(b, text)
	}
	b = d.appendText(append(b, ','), text)
	return append(b, '\n')
}

func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }
