package localgraph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzSchema reads any body as a schema: what is accepted is the same after it
// was stored, may be registered again, and is accepted as it is answered.
func FuzzSchema(f *testing.F) {
	p := `{"baseType":"microsoft.graph.externalItem","properties":`
	for _, s := range []string{p + helpdesk + `}`, p + `[{"name":"a","type":"String","isSearchable":"true","labels":["Title"],"isRetrievable":true,"aliases":["b"]}]}`,
		p + `[{"name":"Refinable00","type":"string"},{"name":"s","type":"string","isRefinable":true}]}`, p + `[{"name":"a","type":"string","labels":["personAccount"]}]}`,
		p + `[{"name":"a","type":"int64","rankingHint":{"importanceScore":"low"},"isRefinable":"maybe"}]}`, p + `[null]}`, p + `7}`, `[]`, p + `[{"name":"a","type":"string","description":"` + strings.Repeat("é", 200) + `"}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) {
			return
		}
		props, err := readSchema(body)
		if err != nil {
			if _, ok := errors.AsType[*apiError](err); !ok {
				t.Errorf("%q is refused by %T: %v", body, err, err)
			}
			return
		}
		addSystemAliases(props)
		text, err := json.Marshal(props)
		if err != nil {
			t.Fatal(err)
		}
		sc, err := storedSchema(string(text))
		if err != nil {
			t.Fatalf("%q is stored as %s: %v", body, text, err)
		}
		if again, _ := json.Marshal(sc.props); !bytes.Equal(again, text) {
			t.Errorf("%s is read from the store as %s", text, again)
		}
		answered := make([]*property, len(sc.props))
		for i, p := range sc.props {
			answered[i] = p.answered(true, true)
		}
		sent, err := json.Marshal(map[string]any{"baseType": "microsoft.graph.externalItem", "properties": answered})
		if err != nil {
			t.Fatal(err)
		}
		changes, err := readSchema(sent)
		if err != nil {
			t.Fatalf("what is answered is refused: %s: %v", sent, err)
		}
		merged, err := mergeSchema(sc.props, changes)
		if err == nil {
			err = checkSchema(merged)
		}
		if err != nil {
			t.Fatalf("the same schema again: %v\n%s", err, sent)
		}
		if after, _ := json.Marshal(merged); !bytes.Equal(after, text) {
			t.Errorf("the same schema again makes %s of %s", after, text)
		}
	})
}

// FuzzBatch sends any body as a batch: it is malformed, or each part has an
// answer that is no fault of the server's.
func FuzzBatch(f *testing.F) {
	for _, s := range []string{`{"requests":[{"id":"1","method":"GET","url":"/external/connections/desk"}]}`, `{"requests":[{"id":"a","method":"PUT","url":"external/connections/desk/items/x","headers":{"content-type":"application/json"},"body":` + least + `},
		{"id":"b","method":"GET","url":"/external/connections/desk/items/x","dependsOn":["A"],"body":null}]}`, `{"requests":[{"id":"1","method":"POST","url":"/$batch","headers":{"Content-Type":"text/plain"},"body":"e30"}]}`,
		`{"requests":[{"id":"1","method":"GET","url":"/%zz"},{"id":"2","method":"","url":"?$filter=x"}]}`, `{"requests":[null]}`, `{"requests":{}}`, `{"requests":[{"id":"1","method":"PATCH","url":"/external/connections/desk","headers":{"Content-Type":"application/json"},"body":[[]]}]}`} {
		f.Add([]byte(s))
	}
	g := open(f, Options{})
	g.register("desk", helpdesk)
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/v1.0/$batch", bytes.NewReader(body))
		g.srv.ServeHTTP(w, r.WithContext(WithCaller(t.Context(), Caller{App: true})))
		if w.Code == http.StatusBadRequest {
			return
		}
		var asked struct{ Requests []struct{ ID string } }
		var answered struct {
			Responses []struct {
				ID     string
				Status int
				Body   json.RawMessage
			}
		}
		if err := errors.Join(json.Unmarshal(body, &asked), json.Unmarshal(w.Body.Bytes(), &answered)); err != nil || w.Code != 200 || len(asked.Requests) != len(answered.Responses) {
			t.Fatalf("%q = %d %s, %v", body, w.Code, w.Body, err)
		}
		for i, a := range answered.Responses {
			if a.ID != asked.Requests[i].ID || a.Status < 200 || a.Status >= 500 || a.Status >= 400 && !bytes.Contains(a.Body, []byte(`"innerError"`)) {
				t.Errorf("%q: part %q = %d %s", body, a.ID, a.Status, a.Body)
			}
		}
	})
}

// FuzzURL asks for any path: without a token the answer is 401; with one it is
// no fault of the server's, and a refusal has its envelope.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"/v1.0/external/connections/desk/items/a%2Fb?$select=id", "/beta/external/connections/desk/groups/g/members/%C3%BC", "/v1.0/users/u1/memberOf/microsoft.graph.group/$count", "//", "/v1.0/%zz",
		"/v1.0/external/connections?$filter=name%20eq%20%27x%27&$top=2&$skiptoken=YWZ0ZXI6MQ", "/_control/faults", "/v1.0/groups/g1/transitiveMembers?$filter=startswith(mail,'a') or not (id in ('x'))", "/v1.0/external/connections/desk/operations/$count?$expand=x", "/v1.0/me", "*"} {
		for i := range uint8(4) {
			f.Add(s, i)
		}
	}
	g := open(f, Options{})
	g.register("desk", helpdesk)
	g.want(201, "POST", base+"/desk/groups", `{"id":"g"}`)
	g.replaceDirectory(company)
	callers := []context.Context{context.Background(), WithCaller(context.Background(), Caller{App: true}), WithCaller(context.Background(), Caller{UserID: "u1"}),
		WithCaller(context.Background(), Caller{App: true, AppID: "a", SearchAs: "ann@contoso.com", Roles: "ExternalItem.Read.All"})}
	f.Fuzz(func(t *testing.T, target string, as uint8) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		ctx := callers[int(as)%len(callers)]
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			w := httptest.NewRecorder()
			g.srv.ServeHTTP(w, (&http.Request{Method: method, URL: u, Host: "x", Header: http.Header{"Consistencylevel": {"eventual"}}}).WithContext(ctx))
			switch {
			case w.Code >= 500, ctx == callers[0] && w.Code != 401:
				t.Errorf("%s %q = %d %s", method, target, w.Code, w.Body)
			case w.Code >= 400:
				var e errorBody
				if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Error.Code == "" || e.Error.Inner.RequestID == "" {
					t.Errorf("%s %q = %d %s, %v", method, target, w.Code, w.Body, err)
				}
			case w.Header().Get("Content-Type") == "application/json" && !json.Valid(w.Body.Bytes()):
				t.Errorf("%s %q = %s", method, target, w.Body)
			}
		}
	})
}

// FuzzBody reads any bytes as a body that says it is gzip: plain text is read
// as it is, the rest is what gzip makes of it or refused, and never more than
// the limit.
func FuzzBody(f *testing.F) {
	for _, s := range []string{`{"a":1}`, zipped(`{"a":1}`), zipped(`{"a":1}`)[:12], zipped("1") + zipped("2"), zipped("1") + "rest", "\x1f\x8b", "\x1f", "", "\xef\xbb\xbf{}", zipped(strings.Repeat(" ", 5000))} {
		f.Add([]byte(s))
	}
	const limit = 4096
	f.Fuzz(func(t *testing.T, body []byte) {
		read := func(encoding string) ([]byte, error) {
			r := httptest.NewRequest("PUT", "/", bytes.NewReader(body))
			r.Header.Set("Content-Encoding", encoding)
			c := &call{r: r}
			return c.rawBody(limit)
		}
		got, err := read("gzip")
		if err != nil {
			if e, ok := errors.AsType[*apiError](err); !ok || e.status != 400 && e.status != 413 {
				t.Errorf("%q is refused by %v", body, err)
			}
		}
		if len(got) > limit {
			t.Errorf("%d bytes of %d", len(got), limit)
		}
		if !bytes.HasPrefix(body, []byte("\x1f\x8b")) {
			if as, asErr := read("identity"); !bytes.Equal(got, as) || (err == nil) != (asErr == nil) {
				t.Errorf("%q marked as gzip is %q, %v; and %q, %v without", body, got, err, as, asErr)
			}
		} else if err == nil && string(got) != plain(string(body)) {
			t.Errorf("%q is read as %q", body, got)
		}
	})
}

// FuzzDirectory reads any file as a directory: what is wrong has a place in the
// file, and what is right can be imported.
func FuzzDirectory(f *testing.F) {
	for _, s := range []string{company, "id,upn,mail,members,type\nu1,a@x,m@x,,\ng1,,,a@x;g1,group\n", `{"users":[{"id":"\ud800"}],"groups":[{"id":"g","members":["x",null]}]}`, "id;mail\r\n\"a\nb\";c\r\n", "{", "id\n\"", "\xff", `{"users":[{"id":"a"},{"id":"A"}]}`, "id\tid\n"} {
		f.Add([]byte(s))
	}
	g := open(f, Options{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := ReadDirectory("d", raw)
		if err == nil {
			err = g.srv.ReplaceDirectory(t.Context(), d)
		}
		if err == nil {
			return
		}
		wrong, ok := errors.AsType[*DirectoryError](err)
		if !ok || wrong.Line < 1 || wrong.Line > bytes.Count(raw, []byte("\n"))+2 || wrong.Col < 1 || wrong.Text == "" {
			t.Errorf("%q: %#v", raw, err)
		}
	})
}

// FuzzODataFilter reads any text as a $filter: what it holds for in memory is
// what the store finds.
func FuzzODataFilter(f *testing.F) {
	for _, s := range []string{"id eq '1'", "not (mail eq null) and startswith(displayName,'A')", "id in ('1','2') or userType ne 'Guest'", "mail eq '' or id eq ''''", "(", "id eq true", "startswith(id,'%')", "not not id eq '1'", "displayName eq null and id in (null)"} {
		f.Add(s)
	}
	g := open(f, Options{})
	users := []User{{ID: "1", UserPrincipalName: "a@x", Mail: "m@x", DisplayName: "ann%", EmployeeID: "e1"}, {ID: "2", DisplayName: "b_"}, {ID: "3", Mail: `\`, EmployeeID: "'"}}
	if err := g.srv.ImportDirectory(context.Background(), users, nil); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		flt, err := parseFilter(text, userFields)
		if err != nil {
			if _, ok := errors.AsType[*apiError](err); !ok {
				t.Errorf("%q is refused by %T", text, err)
			}
			return
		}
		other, values := false, 0
		flt.walk(func(f *filter) {
			values += len(f.values)
			for _, v := range f.values {
				// The store compares without case, and knows an empty text as none.
				s, ok := v.(string)
				other = other || f.field == "userType" || ok && (s == "" && f.op != "startswith" || strings.ContainsFunc(s, func(r rune) bool { return r >= 'A' && r <= 'Z' || r > 127 || r == 0 }))
			}
		})
		if other || values > 200 {
			return
		}
		var want []string
		for _, u := range users {
			if flt.holds(u.properties().values) {
				want = append(want, u.ID)
			}
		}
		where, args := flt.sql(allUsers.column)
		rows, err := g.srv.rows(t.Context(), `SELECT * FROM (`+allUsers.query+`) WHERE `+where+` ORDER BY id`, args)
		if err != nil {
			t.Fatalf("%q is %s: %v", text, where, err)
		}
		var got []string
		for _, r := range rows {
			got = append(got, r.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q finds %v in the store as %s, and %v in memory", text, got, where, want)
		}
	})
}
