package localgraph

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A contract is the published description of the API, compiled. Every answer
// that a test gets is held against it: the status that the reference pages
// state, and the body's shape with no member that the model does not have.
type contract struct {
	operations []operation
	envelope   *jsonschema.Schema // of errors
	batch      *jsonschema.Schema
	directory  *jsonschema.Schema // users, groups and the organization
}

type operation struct {
	method string
	path   []string // "*" is any segment
	status []int    // as documented; none: any 2xx
	body   *jsonschema.Schema
}

var published = sync.OnceValues(readContract)

func readContract() (*contract, error) {
	text, err := os.ReadFile("testdata/graph-openapi.json")
	if err != nil {
		return nil, err
	}
	var api struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct{ Schemas map[string]map[string]any }
	}
	if err := json.Unmarshal(text, &api); err != nil {
		return nil, err
	}
	conv := converter{api.Components.Schemas}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("graph.json", map[string]any{"$defs": conv.all()}); err != nil {
		return nil, err
	}
	con := &contract{}
	for name, s := range map[string]**jsonschema.Schema{"microsoft.graph.ODataErrors.ODataError": &con.envelope,
		"batch": &con.batch, "directory": &con.directory} {
		if *s, err = compiler.Compile("graph.json#/$defs/" + name); err != nil {
			return nil, err
		}
	}
	for path, methods := range api.Paths {
		for method, raw := range methods {
			var m struct {
				Status    string `json:"x-doc-status"`
				Short     string `json:"x-doc-short-path"`
				Responses map[string]struct {
					Content map[string]struct{ Schema map[string]any }
				}
			}
			if err := json.Unmarshal(raw, &m); err != nil {
				continue // the parameters of the path
			}
			op := operation{method: strings.ToUpper(method), path: segments(path)}
			for _, s := range regexp.MustCompile(`\d+`).FindAllString(m.Status, -1) {
				n, _ := strconv.Atoi(s) // cannot fail: digits
				op.status = append(op.status, n)
			}
			if ref, ok := m.Responses["2XX"].Content["application/json"].Schema["$ref"].(string); ok {
				name := ref[strings.LastIndexByte(ref, '/')+1:]
				if op.body, err = compiler.Compile("graph.json#/$defs/" + name); err != nil {
					return nil, err
				}
			}
			con.operations = append(con.operations, op)
			if m.Short != "" {
				op.path = segments(m.Short)
				con.operations = append(con.operations, op)
			}
			// What v1.0 once had, or other tools still use: the same answers.
			older := map[string]string{"PATCH schema": "POST", "PUT *": "PATCH"}[op.method+" "+op.path[len(op.path)-1]]
			if older != "" {
				op.method = older
				con.operations = append(con.operations, op)
			}
		}
	}
	return con, nil
}

func segments(path string) []string {
	list := strings.Split(strings.Trim(path, "/"), "/")
	for i, s := range list {
		if strings.HasPrefix(s, "{") {
			list[i] = "*"
		}
	}
	return list
}

// A converter turns schemas of OpenAPI 3.0 into JSON Schema.
type converter struct{ schemas map[string]map[string]any }

func (c converter) all() map[string]any {
	defs := map[string]any{}
	for name, s := range c.schemas {
		defs[name] = c.schema(name, s)
	}
	// Not in the subset: what the batching page describes, and the little of
	// the directory that resolving identities needs. The members are those of
	// Microsoft's pages on user, group and organization.
	text := map[string]any{"type": "string"}
	texts := map[string]any{"type": "array", "items": text}
	flag := map[string]any{"type": "boolean"}
	members := map[string]any{"id": text, "userType": text, "businessPhones": texts, "otherMails": texts, "proxyAddresses": texts, "groupTypes": texts,
		"accountEnabled": flag, "mailEnabled": flag, "securityEnabled": flag, "tenantType": text,
		"verifiedDomains": map[string]any{"type": "array", "items": map[string]any{"type": "object"}}}
	for _, name := range strings.Fields("userPrincipalName mail displayName employeeId givenName jobTitle mobilePhone officeLocation preferredLanguage surname" +
		" department companyName mailNickname onPremisesSamAccountName description visibility") {
		members[name] = map[string]any{"type": []any{"string", "null"}}
	}
	one := map[string]any{"type": "object", "properties": members, "additionalProperties": false, "patternProperties": map[string]any{"@odata\\.": true}}
	defs["directory"] = map[string]any{"anyOf": []any{one, map[string]any{"type": "object", "required": []any{"value"},
		"properties": map[string]any{"value": map[string]any{"type": "array", "items": one}}}}}
	defs["batch"] = map[string]any{"type": "object", "required": []any{"responses"}, "additionalProperties": false, "properties": map[string]any{
		"responses": map[string]any{"type": "array", "minItems": 1, "maxItems": 20, "items": map[string]any{
			"type": "object", "required": []any{"id", "status", "headers"}, "additionalProperties": false, "properties": map[string]any{
				"id": text, "status": map[string]any{"type": "integer"}, "body": true,
				"headers": map[string]any{"type": "object", "additionalProperties": text}}}}}}
	return defs
}

// schema converts a named schema. Its allOf is the inheritance of types; it is
// written out, so that the object can be closed.
func (c converter) schema(name string, s map[string]any) any {
	if s["type"] == "string" {
		return map[string]any{"type": "string", "enum": s["enum"]}
	}
	members, open := map[string]any{}, false
	required := []any{}
	c.inherit(s, members, &required, &open)
	// "@odata.type" is required of every type in the file. With minimal
	// metadata, the default, the service leaves it out where the declared type
	// says it; abstract types, which give it no default, must have it.
	abstract := false
	if typ, ok := members["@odata.type"].(map[string]any); ok {
		_, concrete := typ["default"]
		abstract = !concrete
	}
	if !abstract {
		required = slices.DeleteFunc(required, func(v any) bool { return v == "@odata.type" })
	}
	if strings.HasSuffix(name, "CollectionResponse") {
		required = []any{"value"}
	}
	if name == "microsoft.graph.ODataErrors.InnerError" {
		// The service prints the date without a zone, which is no date-time.
		members["date"] = map[string]any{"type": "string", "pattern": `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$`}
		required = append(required, "date", "request-id", "client-request-id")
	}
	if name == "microsoft.graph.Json" {
		open = true
	}
	object := map[string]any{"type": "object", "properties": members, "required": required,
		"additionalProperties": open, "patternProperties": map[string]any{"@odata\\.": true}}
	// A value of a derived type says so.
	var out any = object
	for _, derived := range slices.Sorted(maps.Keys(c.schemas)) {
		if derived != name && c.derives(c.schemas[derived], name) {
			out = map[string]any{
				"if":   map[string]any{"required": []any{"@odata.type"}, "properties": map[string]any{"@odata.type": map[string]any{"const": "#" + derived}}},
				"then": map[string]any{"$ref": "#/$defs/" + derived}, "else": out,
			}
		}
	}
	return out
}

func (c converter) inherit(s map[string]any, members map[string]any, required *[]any, open *bool) {
	if ref, ok := s["$ref"].(string); ok {
		c.inherit(c.schemas[ref[strings.LastIndexByte(ref, '/')+1:]], members, required, open)
		return
	}
	all, _ := s["allOf"].([]any)
	for _, part := range all {
		c.inherit(part.(map[string]any), members, required, open)
	}
	props, _ := s["properties"].(map[string]any)
	for k, v := range props {
		members[k] = c.value(v.(map[string]any))
	}
	more, _ := s["required"].([]any)
	*required = append(*required, more...)
	if s["additionalProperties"] == true {
		*open = true
	}
}

func (c converter) derives(s map[string]any, from string) bool {
	all, _ := s["allOf"].([]any)
	for _, part := range all {
		if ref, ok := part.(map[string]any)["$ref"].(string); ok {
			name := ref[strings.LastIndexByte(ref, '/')+1:]
			if name == from || c.derives(c.schemas[name], from) {
				return true
			}
		}
	}
	return false
}

// value converts the schema of a member.
func (c converter) value(s map[string]any) map[string]any {
	if ref, ok := s["$ref"].(string); ok {
		return map[string]any{"$ref": "#/$defs/" + ref[strings.LastIndexByte(ref, '/')+1:]}
	}
	if either, ok := s["anyOf"].([]any); ok { // a type, or the nullable object that stands for null
		return map[string]any{"anyOf": []any{c.value(either[0].(map[string]any)), map[string]any{"type": "null"}}}
	}
	out := map[string]any{}
	for _, k := range []string{"type", "format", "enum", "minimum", "maximum", "default"} {
		if v, ok := s[k]; ok {
			out[k] = v
		}
	}
	if f, _ := s["format"].(string); strings.HasPrefix(f, "int") {
		out["type"] = "integer"
	}
	if items, ok := s["items"].(map[string]any); ok {
		out["items"] = c.value(items)
	}
	if s["nullable"] == true {
		out["type"] = []any{out["type"], "null"}
	}
	return out
}

// check holds one answer against the contract. The request's body is looked
// at for a batch.
func (con *contract) check(method, path string, status int, header http.Header, body, request []byte) error {
	path, _, _ = strings.Cut(path, "?")
	seg := segments(tidyPath(path))
	if status >= 400 {
		if t := header.Get("Content-Type"); t != "application/json" {
			return fmt.Errorf("the error has the content type %q", t)
		}
		return conforms(con.envelope, body)
	}
	if len(seg) > 0 && (seg[0] == "beta" || seg[0] == "_control") || method == http.MethodHead || method == http.MethodOptions {
		return nil // the file describes v1.0
	}
	if len(seg) > 0 && seg[len(seg)-1] == "$count" {
		if _, err := strconv.Atoi(string(body)); err != nil || header.Get("Content-Type") != "text/plain" {
			return fmt.Errorf("a count of the type %q: %q", header.Get("Content-Type"), body)
		}
		return nil
	}
	if len(seg) > 0 && seg[0] == "v1.0" {
		seg = seg[1:]
	}
	switch {
	case len(seg) == 1 && seg[0] == "$batch":
		return con.checkBatch(request, body)
	case len(seg) > 0 && slices.Contains([]string{"users", "groups", "me", "organization"}, seg[0]):
		return conforms(con.directory, body)
	}
	for _, op := range con.operations {
		if op.method == method && slices.EqualFunc(op.path, seg, func(want, got string) bool { return want == "*" || want == got }) {
			return op.check(status, header, body)
		}
	}
	return fmt.Errorf("no such operation is published, and it answers %d", status)
}

func (op *operation) check(status int, header http.Header, body []byte) error {
	if len(op.status) > 0 && !slices.Contains(op.status, status) {
		return fmt.Errorf("status %d, documented are %v", status, op.status)
	}
	if status == http.StatusAccepted || status == http.StatusNoContent {
		if len(body) > 0 || header.Get("Content-Type") != "" {
			return fmt.Errorf("status %d with a body of the type %q: %s", status, header.Get("Content-Type"), body)
		}
		if location := header.Get("Location"); op.path[len(op.path)-1] == "schema" && !strings.Contains(location, "/operations/") {
			return fmt.Errorf("the Location %q leads to no operation", location)
		}
		return nil
	}
	if t := header.Get("Content-Type"); t != "application/json" {
		return fmt.Errorf("content type %q", t)
	}
	var top struct {
		Context string `json:"@odata.context"`
	}
	if err := json.Unmarshal(body, &top); err != nil {
		return err
	}
	if !strings.Contains(top.Context, "/$metadata#") {
		return fmt.Errorf("@odata.context is %q", top.Context)
	}
	return conforms(op.body, body)
}

// checkBatch holds each part's answer against its request.
func (con *contract) checkBatch(request, body []byte) error {
	if err := conforms(con.batch, body); err != nil {
		return err
	}
	var asked struct {
		Requests []struct{ ID, Method, URL string }
	}
	var answered struct {
		Responses []struct {
			ID      string
			Status  int
			Headers map[string]string
			Body    json.RawMessage
		}
	}
	if err := cmp.Or(json.Unmarshal(request, &asked), json.Unmarshal(body, &answered)); err != nil {
		return err
	}
	if len(asked.Requests) != len(answered.Responses) {
		return fmt.Errorf("%d requests, %d responses", len(asked.Requests), len(answered.Responses))
	}
	for _, r := range answered.Responses {
		header := http.Header{}
		for k, v := range r.Headers {
			header.Set(k, v)
		}
		i := slices.IndexFunc(asked.Requests, func(q struct{ ID, Method, URL string }) bool { return q.ID == r.ID })
		if i < 0 {
			return fmt.Errorf("response %q has no request", r.ID)
		}
		if err := con.check(strings.ToUpper(asked.Requests[i].Method), asked.Requests[i].URL, r.Status, header, r.Body, nil); err != nil {
			return fmt.Errorf("response %s: %w", r.ID, err)
		}
	}
	return nil
}

func conforms(s *jsonschema.Schema, body []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	return s.Validate(v)
}

// checked is a handler whose every answer is held against the contract.
func checked(t testing.TB, h http.Handler) http.Handler {
	con, err := published()
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{status: http.StatusOK, header: http.Header{}}
		request, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading the request: %v", err)
		}
		r.Body = io.NopCloser(bytes.NewReader(request))
		h.ServeHTTP(rec, r)
		if err := con.check(r.Method, r.URL.EscapedPath(), rec.status, rec.header, rec.body.Bytes(), request); err != nil {
			t.Errorf("%s %s breaks the published contract: %v\n%d %s", r.Method, r.URL, err, rec.status, rec.body.Bytes())
		}
		maps.Copy(w.Header(), rec.header)
		w.WriteHeader(rec.status)
		_, _ = w.Write(rec.body.Bytes()) // a client that hung up gets nothing
	})
}

// TestContract shows that the contract can be broken.
func TestContract(t *testing.T) {
	con, err := published()
	if err != nil {
		t.Fatal(err)
	}
	const ctx = `"@odata.context":"http://x/v1.0/$metadata#x"`
	const desk = "/v1.0/external/connections/desk"
	for _, tt := range []struct {
		name, method, path string
		status             int
		body               string
		fault              string // part of the message; "" is none
	}{
		{"a connection", "GET", desk, 200, `{` + ctx + `,"id":"desk","name":"x","description":null,"state":"ready","configuration":null}`, ""},
		{"no context", "GET", desk, 200, `{"id":"desk"}`, "context"},
		{"another status", "PATCH", desk, 200, `{` + ctx + `,"id":"desk"}`, "status 200"},
		{"a body where none is", "DELETE", desk, 202, `{}`, "with a body"},
		{"a member that is not in the model", "GET", desk, 200, `{` + ctx + `,"id":"desk","extra":1}`, "extra"},
		{"a state that is none", "GET", desk, 200, `{` + ctx + `,"id":"desk","state":"Ready"}`, "state"},
		{"null for what is not nullable", "GET", desk, 200, `{` + ctx + `,"id":null}`, "/id"},
		{"a resolver without its type", "GET", desk, 200, `{` + ctx + `,"activitySettings":{"urlToItemResolvers":[{"priority":1}]}}`, "@odata.type"},
		{"a resolver", "GET", desk, 200, `{` + ctx + `,"activitySettings":{"urlToItemResolvers":[{"@odata.type":"#microsoft.graph.externalConnectors.itemIdResolver","itemId":"a"}]}}`, ""},
		{"a wrong member of a resolver", "GET", desk, 200, `{` + ctx + `,"activitySettings":{"urlToItemResolvers":[{"@odata.type":"#microsoft.graph.externalConnectors.itemIdResolver","itemId":7}]}}`, "itemId"},
		{"a list without value", "GET", "/v1.0/external/connections", 200, `{` + ctx + `}`, "value"},
		{"no Location", "PATCH", desk + "/schema", 202, ``, "Location"},
		{"no such operation", "GET", desk + "/nonsense", 200, `{}`, "no such operation"},
		{"an error", "GET", desk, 404, `{"error":{"code":"x","message":"y","innerError":{"date":"2026-05-01T08:00:00","request-id":"r","client-request-id":"c"}}}`, ""},
		{"an error without a message", "GET", desk, 404, `{"error":{"code":"x"}}`, "message"},
		{"a date with a zone", "GET", desk, 404, `{"error":{"code":"x","message":"y","innerError":{"date":"2026-05-01T08:00:00Z","request-id":"r","client-request-id":"c"}}}`, "date"},
		{"a hit without its type", "POST", "/v1.0/search/query", 200, `{` + ctx + `,"value":[{"hitsContainers":[{"hits":[{"hitId":"1","resource":{"properties":{}}}]}]}]}`, "@odata.type"},
		{"a total that is text", "POST", "/v1.0/search/query", 200, `{` + ctx + `,"value":[{"hitsContainers":[{"total":"1"}]}]}`, "total"},
		{"a broken part of a batch", "POST", "/v1.0/$batch", 200, `{"responses":[{"id":"1","status":404,"headers":{"Content-Type":"application/json"},"body":{}}]}`, "response 1"},
		{"a part that was not asked for", "POST", "/v1.0/$batch", 200, `{"responses":[{"id":"2","status":204,"headers":{}}]}`, "no request"},
	} {
		header := http.Header{}
		if tt.body != "" {
			header.Set("Content-Type", "application/json")
		}
		err := con.check(tt.method, tt.path, tt.status, header, []byte(tt.body), []byte(`{"requests":[{"id":"1","method":"GET","url":"/external/connections"}]}`))
		if (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s: %v, want a fault with %q", tt.name, err, tt.fault)
		}
	}
}
