package extract

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
)

type parquetTicket struct {
	No    int64     `parquet:"no"`
	Title string    `parquet:"title"`
	Open  bool      `parquet:"open"`
	Score *float64  `parquet:"score,optional"`
	Small float32   `parquet:"small"`
	Due   int32     `parquet:"due,date"`
	At    time.Time `parquet:"at,timestamp(microsecond)"`
	Took  int32     `parquet:"took,time(millisecond)"`
	Price int64     `parquet:"price,decimal(2:18)"`
	Key   [16]byte  `parquet:"key,uuid"`
	Many  uint64    `parquet:"many"`
	Tags  []string  `parquet:"tags,list"`
	By    struct {
		Name string `parquet:"name"`
	} `parquet:"by"`
	Raw      []byte           `parquet:"raw"`
	Counters map[string]int32 `parquet:"counters"`
}

func parquetOf(t testing.TB, n int, pad string) []byte {
	t.Helper()
	score := 0.1
	var b bytes.Buffer
	w := parquet.NewGenericWriter[parquetTicket](&b, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(1000))
	for i := range n {
		r := parquetTicket{No: int64(i), Title: "Grüße " + pad, Open: i%2 == 1, Small: 0.1, Due: 19849, At: time.Date(2024, 5, 6, 7, 8, 9, 250e6, time.UTC), Took: 3_661_000, Price: -1250,
			Key: [16]byte{0x12, 15: 0xff}, Many: math.MaxUint64, Tags: []string{"a", "b"}, Raw: []byte{0xff, 0x00}}
		r.By.Name = "Ada"
		if i%2 == 0 {
			r.Score = &score
		} else {
			r.Tags = nil
		}
		if _, err := w.Write([]parquetTicket{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestParquet(t *testing.T) {
	b := parquetOf(t, 2, "x")
	got := readAll(t, t.Context(), bytesInput("a.parquet", b), Options{})
	if got.err != nil || len(got.recs) != 2 {
		t.Fatalf("%d records, error %v", len(got.recs), got.err)
	}
	cells := map[string]string{}
	for i, name := range got.recs[0].Header.Names() {
		cells[name] = fmt.Sprintf("%s %T", got.recs[0].Text[i], got.recs[0].Typed[i])
	}
	for name, want := range map[string]string{"no": "0 int64", "title": "Grüße x <nil>", "open": "false bool", "score": "0.1 float64", "small": "0.1 float64", "due": "2024-05-06 time.Time",
		"at": "2024-05-06T07:08:09.25 time.Time", "took": "01:01:01 time.Duration", "price": "-12.50 float64", "key": "12000000-0000-0000-0000-0000000000ff <nil>",
		"many": "18446744073709551615 float64", "tags": "a\nb <nil>", "by.name": "Ada <nil>", "raw": "ff00 <nil>"} {
		same(t, name, cells[name], want)
	}
	second := got.recs[1]
	for _, name := range []string{"score", "tags"} {
		if i, ok := second.Header.Index(name); !ok || second.Text[i] != "" || second.Typed[i] != nil {
			t.Errorf("%s of the second row is %q, want nothing", name, second.Text[i])
		}
	}
	refused(t, "a.parquet", b[:len(b)-10], Options{}, ReasonShort, "its directory")
	refused(t, "a.parquet", []byte("PARE"+strings.Repeat("x", 100)), Options{Format: "parquet"}, ReasonEncrypted, "without encryption")
	refused(t, "a.parquet", []byte("no such thing at all"), Options{Format: "parquet"}, ReasonBroken, "not a Parquet file")
	refused(t, "a.parquet", b, Options{Item: "page"}, ReasonOption, "item is")
	refused(t, "a.parquet", b, Options{Limits: Limits{Columns: 3}}, ReasonTooLarge, "limits.columns")
	got = readAll(t, t.Context(), bytesInput("a.parquet", b), Options{Limits: Limits{Record: 20}})
	if len(got.recs) != 0 || len(got.bad) != 2 || got.bad[0].Reason != ReasonTooLarge || got.err != nil {
		t.Errorf("rows over the limit: %d records, bad %v, error %v", len(got.recs), got.bad, got.err)
	}
}

func TestSuiteParquet(t *testing.T) {
	runSuite(t, suiteCase{format: Parquet, name: "a.parquet", small: parquetOf(t, 3, "x"), want: 3, cuts: 60, flips: 100,
		big: func(n int) []byte { return parquetOf(t, n, strings.Repeat("text ", 20)) }, bigN: 1000})
}
