package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"importer/load/localgraph"
	"importer/transform"
)

const annID, bobID, staffID = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222", "77777777-7777-4777-8777-777777777777"

func TestLookUp(t *testing.T) {
	server, g := newLocalGraph(t, nil)
	users := []localgraph.User{
		{ID: annID, UserPrincipalName: "ann@contoso.com", Mail: "ann.o'hara@contoso.com", DisplayName: "Ann O'Hara", EmployeeID: "E1"},
		{ID: bobID, UserPrincipalName: "guest_x.com#EXT#@contoso.com", Mail: "guest@x.com", DisplayName: "Twin", EmployeeID: "E2"},
		{ID: "33333333-3333-4333-8333-333333333333", UserPrincipalName: "twin@contoso.com", Mail: "ann@contoso.com", DisplayName: "twin"},
	}
	for i := range 40 { // more than a question, and more than a $batch, of names
		users = append(users, localgraph.User{ID: fmt.Sprintf("44444444-4444-4444-8444-%012d", i), UserPrincipalName: fmt.Sprintf("u%d@contoso.com", i), EmployeeID: fmt.Sprint("N", i)})
	}
	groups := []localgraph.DirectoryGroup{{ID: staffID, DisplayName: "Staff", Mail: "staff@contoso.com"}}
	if err := server.ImportDirectory(t.Context(), users, groups); err != nil {
		t.Fatal(err)
	}
	match := []string{"displayName", "employeeId", "samAccountName"}
	type want struct {
		kind, name, id string
		several        bool
	}
	wants := []want{
		{"user", "ann.o'hara@contoso.com", annID, false},
		{"user", "ann o'hara", annID, false},
		{"user", "e1", annID, false},
		{"user", "guest_x.com#ext#@contoso.com", bobID, false},
		{"user", "ann@contoso.com", "", true}, // the UPN of one and the mail of another
		{"user", "twin", "", true},
		{"user", "nobody@contoso.com", "", false},
		{"user", "staff", "", false}, // a group is no person
		{"user", "s-1-5-21-1", "", false},
		{"user", strings.Repeat("x", 300), "", false},
		{"user", "", "", false},
		{"group", "staff@contoso.com", staffID, false},
		{"group", "staff", staffID, false},
		{"group", "ann@contoso.com", "", false},
	}
	for i := range 40 {
		wants = append(wants, want{"user", fmt.Sprintf("u%d@contoso.com", i), users[3+i].ID, false}, want{"user", fmt.Sprint("n", i), users[3+i].ID, false})
	}
	var names []transform.Name
	for range 10 {
		for _, w := range wants {
			names = append(names, transform.Name{Kind: w.kind, Text: w.name})
		}
	}
	found, err := g.LookUp(t.Context(), names, match)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range found {
		if w := wants[i%len(wants)]; f.ID != w.id || f.Several != w.several {
			t.Errorf("%s %q is %+v, want %+v", w.kind, w.name, f, w)
		}
	}
	if f := found[0]; f.DisplayName != "Ann O'Hara" || f.Mail != "ann.o'hara@contoso.com" || f.UPN != "ann@contoso.com" {
		t.Errorf("what is shown of a person: %+v", f)
	}
	// What the mapping does not want counted is not looked for.
	found, err = g.LookUp(t.Context(), []transform.Name{{Kind: "user", Text: "e1"}, {Kind: "group", Text: "staff"}}, nil)
	if err != nil || found[0].ID+found[1].ID != "" {
		t.Errorf("without match: %+v, %v", found, err)
	}
}

// A directory is a transport that answers the parts of a $batch.
type directory func(method string, u *url.URL, headers map[string]string) (status int, header map[string]string, body any)

func (d directory) RoundTrip(r *http.Request) (*http.Response, error) {
	reply := func(status int, body any) *http.Response {
		b, _ := json.Marshal(body)
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(b))), Request: r}
	}
	if !strings.HasSuffix(r.URL.Path, "/$batch") {
		status, _, body := d(r.Method, &url.URL{Path: strings.TrimPrefix(r.URL.Path, "/v1.0"), RawQuery: r.URL.RawQuery}, map[string]string{"ConsistencyLevel": r.Header.Get("ConsistencyLevel")})
		return reply(status, body), nil
	}
	var in struct{ Requests []lookUpRequest }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	var out []map[string]any
	for _, p := range in.Requests {
		u, err := url.Parse(p.URL)
		if err != nil {
			return nil, err
		}
		status, header, body := d(p.Method, u, p.Headers)
		out = append(out, map[string]any{"id": p.ID, "status": status, "headers": header, "body": body})
	}
	slices.Reverse(out) // they come in any order
	return reply(http.StatusOK, map[string]any{"responses": out}), nil
}

// Parts that are put off are asked again after the time that they name, and
// only those; pages are followed; a part that is refused ends it.
func TestLookUpThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, refuse := map[string]int{}, false
		d := directory(func(method string, u *url.URL, headers map[string]string) (int, map[string]string, any) {
			kind := u.Path + " " + u.Query().Get("page")
			calls[kind]++
			switch {
			case headers["ConsistencyLevel"] != "eventual":
				return 400, nil, map[string]any{"error": map[string]any{"code": "x", "message": "no header"}}
			case refuse && u.Path == "/groups":
				return 403, nil, map[string]any{"error": map[string]any{"code": "Authorization_RequestDenied", "message": "Insufficient privileges"}}
			case u.Path == "/users" && calls[kind] == 1:
				return 429, map[string]string{"Retry-After": "7"}, map[string]any{"error": map[string]any{"code": "TooManyRequests"}}
			case u.Path == "/users" && u.Query().Get("page") == "":
				return 200, nil, map[string]any{"value": []any{}, "@odata.nextLink": "https://evil.example/v1.0/users?page=2"}
			case u.Path == "/users":
				return 200, nil, map[string]any{"value": []any{map[string]any{"id": annID, "displayName": "Ann"}}}
			}
			return 200, nil, map[string]any{"value": []any{map[string]any{"id": staffID, "displayName": "STAFF", "mail": nil}}}
		})
		g, err := NewGraph(GraphOptions{Transport: d, Connection: "desk", Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		names := []transform.Name{{Kind: "user", Text: "ann"}, {Kind: "group", Text: "staff"}}
		began := time.Now()
		found, err := g.LookUp(t.Context(), names, []string{"displayName"})
		if err != nil || found[0].ID != annID || found[1].ID != staffID {
			t.Fatalf("found %+v, %v", found, err)
		}
		if waited := time.Since(began); waited < 7*time.Second || calls["/groups "] != 1 {
			t.Errorf("waited %v, and the groups were asked for %d times", waited, calls["/groups "])
		}
		refuse = true
		_, err = g.LookUp(t.Context(), names, []string{"displayName"})
		var auth *AuthError
		if !errors.As(err, &auth) || !strings.Contains(err.Error(), "User.Read.All") || strings.Contains(err.Error(), "desk") {
			t.Errorf("without the permission: %v", err)
		}
	})
}
