package extract

import (
	"fmt"
	"strings"
	"testing"
)

// groupRows reads a table and writes the groups and the refusals down.
func groupRows(t *testing.T, name string, data []byte, opt Options) (lines []string, err error) {
	t.Helper()
	for rec, err := range Records(t.Context(), Input{Name: name, Size: int64(len(data)), ReaderAt: strings.NewReader(string(data))}, opt) {
		switch {
		case err != nil && !isRecordError(err):
			return lines, err
		case err != nil:
			lines = append(lines, err.Error())
		default:
			var tags []string
			for _, r := range rec.Rows {
				tags = append(tags, fmt.Sprintf("%s@%d", r.Text[1], r.Place.Line))
			}
			lines = append(lines, fmt.Sprintf("%d: %s %s", rec.Place.Line, rec.Text[0], strings.Join(tags, " ")))
		}
	}
	return lines, nil
}

func TestGroupBy(t *testing.T) {
	const head = "id,tag\n"
	tests := []struct {
		name, text string
		opt        Options
		want       []string
		err        string
	}{
		{"rows behind each other", head + "1,a\n1,b\n2,c\n3,d\n3,e\n3,f\n", Options{}, []string{"2: 1 a@2 b@3", "4: 2 c@4", "5: 3 d@5 e@6 f@7"}, ""},
		{"rows apart", head + "1,a\n2,b\n,x\n1,c\n,y\n3,d\n2,e\n", Options{}, []string{"2: 1 a@2 c@5", "3: 2 b@3 e@8", "4:  x@4", "6:  y@6", "7: 3 d@7"}, ""},
		{"rows apart, and one that cannot be read", head + "1,a\n2,b\n1,c\n3,d,e\n", Options{}, nil, `x.csv:4: id "1" stands here again, with other rows between, and line 5 cannot be read`},
		{"a short row below an empty line is a row", "id,tag,more\n1,a,x\n2,b,x\n\n2,\n", Options{}, []string{"2: 1 a@2", "3: 2 b@3 @5"}, ""},
		{"white space", head + "1,a\n 1 ,b\n", Options{}, []string{"2: 1 a@2 b@3"}, ""},
		{"no value, no group", head + ",a\n,b\n1,c\n", Options{}, []string{"2:  a@2", "3:  b@3", "4: 1 c@4"}, ""},
		{"nothing", head, Options{}, nil, ""},
		{"a bad row between two groups", head + "1,a\n1,b,c\n2,d\n3,e\n", Options{},
			[]string{"x.csv:3: the row has 3 fields", `x.csv:2: the rows with id "1" may lack the one at line 3`, "4: 2 d@4", "5: 3 e@5"}, ""},
		{"a bad row that may be of either", head + "1,a\nz,b,c\n2,d\n3,e\n", Options{},
			[]string{"x.csv:3: the row has 3 fields", `x.csv:2: the rows with id "1" may lack the one at line 3`, `x.csv:4: the rows with id "2" may lack the one at line 3`, "5: 3 e@5"}, ""},
		{"a bad row inside", head + "1,a\nz,b,c\n1,d\n3,e\n", Options{},
			[]string{"x.csv:3: the row has 3 fields", `x.csv:2: the rows with id "1" may lack the one at line 3`, "5: 3 e@5"}, ""},
		{"a bad row first", head + "z,b,c\n1,d\n3,e\n", Options{},
			[]string{"x.csv:2: the row has 3 fields", `x.csv:3: the rows with id "1" may lack the one at line 2`, "4: 3 e@4"}, ""},
		{"a group over the limit", head + strings.Repeat("1,aaaaaaaaaaaaaaaa\n", 60) + "2,b\n", Options{Limits: Limits{Record: 1000}},
			[]string{`x.csv:2: the rows with id "1" take more than 1000 bytes`, "62: 2 b@62"}, ""},
		{"no such column", head + "1,a\n", Options{GroupBy: "ID"}, nil, `groupBy names the column "ID", which the table does not have; its columns are id, tag`},
		{"a file that ends early", head + "1,a\n2,b\n2,\"c\n", Options{}, nil, "the file seems to be cut off here"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.opt.GroupBy == "" {
				tt.opt.GroupBy = "id"
			}
			got, err := groupRows(t, "x.csv", []byte(tt.text), tt.opt)
			if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], tt.want[i]) {
					t.Errorf("line %d: got %q, want %q", i, got[i], tt.want[i])
				}
			}
		})
	}
}

// A file that is too large to be held is read twice.
func TestGroupByLarge(t *testing.T) {
	was := groupMemory
	groupMemory = 1000
	t.Cleanup(func() { groupMemory = was })
	var sorted strings.Builder
	sorted.WriteString("id,tag\n")
	for i := range 100 {
		fmt.Fprintf(&sorted, "%d,a\n%d,b\n", i, i)
	}
	told := 0
	opt := Options{GroupBy: "id", Found: func(*Format) { told++ }}
	got, err := groupRows(t, "x.csv", []byte(sorted.String()), opt)
	if err != nil || len(got) != 100 || got[99] != "200: 99 a@200 b@201" || told != 1 {
		t.Errorf("%d groups, error %v, the format told %d times, last %q", len(got), err, told, got[len(got)-1])
	}
	got, err = groupRows(t, "x.csv", []byte(sorted.String()+"7,c\n"), opt)
	if err == nil || len(got) > 0 || err.Error() != `x.csv:202: id "7" stands here again, with other rows between, and the file is too large to be put together; sort it by id` {
		t.Errorf("%d groups, error %v", len(got), err)
	}
}

// Groups end where the consumer stops, and documents pass.
func TestGroupByStops(t *testing.T) {
	data := "id,tag\n1,a\n2,b\n3,c\n"
	n := 0
	for range Records(t.Context(), Input{Name: "x.csv", Size: int64(len(data)), ReaderAt: strings.NewReader(data)}, Options{GroupBy: "id"}) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("got %d records after a break", n)
	}
	html := "<p>one</p>"
	for rec, err := range Records(t.Context(), Input{Name: "x.html", Size: int64(len(html)), ReaderAt: strings.NewReader(html)}, Options{GroupBy: "id"}) {
		if err != nil || rec.Doc == nil || rec.Rows != nil {
			t.Errorf("a document gave %+v, %v", rec, err)
		}
	}
}
