package transform

import (
	"errors"
	"strings"
	"testing"
)

// What the reference says of empty cells in conditions, so that nobody grants
// by what is not there.
func TestEmptyInConditions(t *testing.T) {
	for _, tt := range []struct{ when, want string }{
		{"a", "no"},
		{`a == "open"`, "no"},
		{`a in ["open"]`, "no"},
		{`a contains "x"`, "no"},
		{`match(a, "x")`, "no"},
		{`a == ""`, "yes"},
		{`a != "secret"`, "yes"},
		{`not (a == "secret")`, "yes"},
		{`a not in ["secret"]`, "yes"},
		{`not (a contains "secret")`, "yes"},
		{`a != "" && a != "secret"`, "no"},
		{"int(a) == 3", ReasonExpression},
		{"int(a) != 3", ReasonExpression},
		{"(int(a) ?? 0) == 0", "yes"},
		{"int(a) > 3", ReasonExpression},
		{"not bool(a)", ReasonExpression},
	} {
		m := mustParse(t, one("string", "b", "    where: '"+tt.when+"'"))
		for _, empty := range []string{"", " \u00a0"} {
			got := "yes"
			_, err := m.Sources[0].Apply(row("f.csv", 2, []string{"a", "b"}, empty, "x"))
			var bad *ItemError
			switch {
			case errors.As(err, &bad):
				got = bad.Reason
				if strings.Contains(bad.Detail, "interface") {
					t.Errorf("%s: %v", tt.when, err)
				}
			case err == ErrSkip:
				got = "no"
			case err != nil:
				t.Errorf("%s: %v", tt.when, err)
			}
			if got != tt.want {
				t.Errorf("%s with a=%q: %s (%v), want %s", tt.when, empty, got, err, tt.want)
			}
		}
	}
}
