package localgraph

import (
	"fmt"
	"strings"
	"sync"
)

const (
	minimal = `{"acl":[{"accessType":"grant","type":"everyone","value":"everyone"}],"content":{"type":"text","value":"Rotor check"},"properties":{"title":"One"}}`
	seen    = `{"@odata.type":"#microsoft.graph.externalConnectors.externalActivity","performedBy":{"id":"5b2c0000-0000-4000-8000-000000000001","type":"user"},"startDateTime":"2026-05-01T08:00:00Z","type":"viewed"}`
)

// writingPoints are those about what is sent and what a write answers.
var writingPoints = []point{
	{1, "gzip bodies everywhere", "Go SDK, always", func(w *wire) {
		desk := w.ready("desk") // POST, PATCH schema
		body := plus(goSDK, "Content-Encoding: gzip", jsonBody)
		w.want(204, "PATCH", desk, body, zipped(`{"description":"new"}`))
		w.want(200, "PUT", desk+"/items/1", body, zipped(minimal))
		w.want(201, "POST", desk+"/groups", body, zipped(`{"id":"g1","description":"d","displayName":"One"}`))
		w.want(201, "POST", desk+"/groups/g1/members", body, zipped(`{"id":"5b2c","type":"user"}`))
		w.want(204, "PATCH", desk+"/groups/g1", body, zipped(`{"displayName":"Uno"}`))
		w.want(200, "POST", desk+"/items/1/microsoft.graph.externalConnectors.addActivities", body, zipped(`{"activities":[`+seen+`]}`))
		w.want(200, "POST", "/v1.0/search/query", asUser(body), zipped(searchBody("desk", "rotor", "")))
		w.want(200, "POST", "/v1.0/$batch", body, zipped(`{"requests":[{"id":"1","method":"GET","url":"/external/connections/desk"}]}`))
		if a := w.want(200, "GET", desk, goSDK, ""); a.get("description") != "new" {
			w.Errorf("connection = %v", a)
		}
	}},
	{2, "plain JSON marked as gzip, chunked, on a retry", "Go SDK, after 429, 503, 504", func(w *wire) {
		desk := w.ready("desk")
		retry := plus(goSDK, "Content-Encoding: gzip", jsonBody, "Retry-Attempt: 1")
		for _, headers := range [][]string{retry, plus(retry, "Transfer-Encoding: chunked")} {
			w.want(200, "PUT", desk+"/items/1", headers, minimal)
			w.want(204, "PATCH", desk, headers, `{"description":"again"}`)
			w.want(200, "POST", "/v1.0/$batch", headers, `{"requests":[{"id":"1","method":"GET","url":"/external/connections/desk"}]}`)
			w.completed(w.want(202, "PATCH", desk+"/schema", headers, `{"baseType":"microsoft.graph.externalItem","properties":`+helpdesk+`}`))
		}
		w.want(201, "POST", desk+"/groups", plus(retry, "Transfer-Encoding: chunked"), `{"id":"g1"}`)
		w.want(201, "POST", base, retry, `{"id":"other","name":"other","description":"d"}`)
		w.want(200, "PUT", desk+"/items/2", plus(goSDK, "Content-Encoding: gzip", jsonBody, "Transfer-Encoding: chunked"), zipped(minimal))
		w.want(400, "PUT", desk+"/items/3", plus(goSDK, "Content-Encoding: gzip", jsonBody), zipped(minimal)[:20])
	}},
	{3, "JSON as a form on PATCH schema", "m365 schema add", func(w *wire) {
		w.want(201, "POST", base, plus(m365, "content-type: application/json"), `{"id":"desk","name":"desk","description":"d","configuration":{"authorizedAppIds":[]}}`)
		w.completed(w.want(202, "PATCH", base+"/desk/schema", plus(m365, "Content-Type: application/x-www-form-urlencoded"),
			"{\r\n  \"baseType\": \"microsoft.graph.externalItem\",\r\n  \"properties\": [\r\n    {\r\n      \"name\": \"ticketTitle\",\r\n      \"type\": \"String\"\r\n    }\r\n  ]\r\n}\r\n"))
	}},
	{4, "registration by PATCH and by POST", "all; POST: sample policies", func(w *wire) {
		for i, method := range []string{"PATCH", "POST"} {
			id := fmt.Sprintf("desk%d", i)
			w.want(201, "POST", base, plus(jsClient, jsonBody), `{"id":"`+id+`","name":"`+id+`","description":"d"}`)
			w.completed(w.want(202, method, base+"/"+id+"/schema", plus(jsClient, jsonBody), `{"baseType":"microsoft.graph.externalItem","properties":`+helpdesk+`}`))
		}
	}},
	{5, "booleans as strings in, real ones out", "sample policies", func(w *wire) {
		w.want(201, "POST", base, plus(jsClient, jsonBody), `{"id":"desk","name":"desk","description":"d"}`)
		w.completed(w.want(202, "POST", base+"/desk/schema", plus(jsClient, jsonBody),
			`{"baseType":"microsoft.graph.externalItem","properties":[{"name":"title","type":"String","isSearchable":"true","isRetrievable":"True","isQueryable":"false","isRefinable":null,"labels":["title"]}]}`))
		a := w.want(200, "GET", base+"/desk/schema", jsClient, "")
		for flag, want := range map[string]any{"isSearchable": true, "isRetrievable": true, "isQueryable": false, "isRefinable": false} {
			if got := a.get("properties", 0, flag); got != want {
				w.Errorf("%s = %#v, want %v", flag, got, want)
			}
		}
	}},
	{6, "types in any case in, lower camel out", "samples, m365: Pascal; Kiota reads camel only", func(w *wire) {
		w.want(201, "POST", base, plus(m365, jsonBody), `{"id":"desk","name":"desk","description":"d"}`)
		types := []string{"String", "string", "DateTime", "dateTime", "StringCollection", "Int64", "int64Collection", "DOUBLE", "Boolean", "DateTimeCollection", "doubleCollection"}
		var list []string
		for i, typ := range types {
			list = append(list, fmt.Sprintf(`{"name":"p%d","type":%q}`, i, typ))
		}
		w.completed(w.want(202, "PATCH", base+"/desk/schema", plus(kiotaTS, jsonBody), `{"baseType":"microsoft.graph.externalItem","properties":[`+strings.Join(list, ",")+`]}`))
		a := w.want(200, "GET", base+"/desk/schema", kiotaTS, "")
		for i, want := range []string{"string", "string", "dateTime", "dateTime", "stringCollection", "int64", "int64Collection", "double", "boolean", "dateTimeCollection", "doubleCollection"} {
			if got := a.get("properties", i, "type"); got != want {
				w.Errorf("%s is answered as %v, want %s", types[i], got, want)
			}
		}
	}},
	{7, "202 with an absolute Location and no body", "samples' middleware, m365", func(w *wire) {
		w.want(201, "POST", base, plus(jsClient, jsonBody), `{"id":"desk","name":"desk","description":"d"}`)
		a := w.want(202, "PATCH", base+"/desk/schema", plus(jsClient, jsonBody), `{"baseType":"microsoft.graph.externalItem","properties":`+helpdesk+`}`)
		prefix := "http://" + w.server.Listener.Addr().String() + "/v1.0/external/connections/desk/operations/"
		if loc := a.header.Get("Location"); !strings.HasPrefix(loc, prefix) || len(loc) == len(prefix) || len(a.raw) > 0 {
			w.Errorf("Location %q and the body %q, want %s... and none", loc, a.raw, prefix)
		}
	}},
	{8, "inprogress, completed, failed; error null or a message", "samples loop on inprogress", func(w *wire) {
		w.want(201, "POST", base, plus(jsClient, jsonBody), `{"id":"desk","name":"desk","description":"d"}`)
		register := func(faults string) string {
			w.want(200, "PUT", "/_control/faults", plus(jsClient, jsonBody), `{"faults":`+faults+`}`)
			loc := w.want(202, "PATCH", base+"/desk/schema", plus(jsClient, jsonBody), `{"baseType":"microsoft.graph.externalItem","properties":`+helpdesk+`}`).header.Get("Location")
			return loc[strings.Index(loc, "/v1.0"):]
		}
		operation := func(path, status string) answer {
			var a answer
			wait(w, status, func() bool { a = w.want(200, "GET", path, jsClient, ""); return a.get("status") == status })
			if a.header.Get("Location") != "" {
				w.Errorf("an operation that is %s has a Location", status)
			}
			return a
		}
		if a := operation(register(`{"schemaFail":true}`), "failed"); a.get("error", "message") == nil {
			w.Errorf("failed = %v", a)
		}
		if a := operation(register(`{}`), "completed"); a.get("error") != nil {
			w.Errorf("completed = %v", a)
		}
		if a := operation(register(`{"schema":"1h"}`), "inprogress"); a.get("error") != nil || !strings.Contains(string(a.raw), `"error":null`) {
			w.Errorf("inprogress = %v", a)
		}
	}},
	{9, "GET of an operation with a Content-Type and no body", "samples' middleware", func(w *wire) {
		w.want(201, "POST", base, plus(jsClient, jsonBody), `{"id":"desk","name":"desk","description":"d"}`)
		loc := w.want(202, "PATCH", base+"/desk/schema", plus(jsClient, jsonBody), `{"baseType":"microsoft.graph.externalItem","properties":`+helpdesk+`}`).header.Get("Location")
		w.want(200, "GET", loc[strings.Index(loc, "/v1.0"):], plus(jsClient, jsonBody), "")
	}},
	{10, "404 with an envelope for what is not there", "samples: e.statusCode === 404 drives create", func(w *wire) {
		w.want(404, "GET", base+"/nosuch", jsClient, "")
		w.want(201, "POST", base, plus(jsClient, jsonBody), `{"id":"draft1","name":"draft","description":"d"}`)
		w.want(404, "GET", base+"/draft1/schema", jsClient, "")
		desk := w.ready("desk")
		for _, path := range []string{"/items/nosuch", "/groups/nosuch", "/groups/nosuch/members/u", "/operations/nosuch"} {
			if a := w.want(404, "GET", desk+path, jsClient, ""); a.get("error", "code") == nil || a.get("error", "message") == "" {
				w.Errorf("%s = %v", path, a)
			}
		}
	}},
	{11, "the error envelope on every 4xx and 5xx", "all", func(w *wire) {
		desk := w.ready("desk")
		w.want(201, "POST", base, plus(goSDK, jsonBody), `{"id":"gone","name":"gone","description":"d"}`)
		statuses := map[int]bool{}
		refuse := func(status int, code, method, path string, headers []string, body string) {
			w.Helper()
			a := w.want(status, method, path, headers, body)
			statuses[status] = true
			if a.get("error", "code") != code || a.get("error", "message") == nil || a.header.Get("Content-Type") != "application/json" {
				w.Errorf("%s %s = %v %v, want the code %s", method, path, a.header, a, code)
			}
			if inner, _ := a.get("error", "innerError").(map[string]any); inner["request-id"] != a.header.Get("request-id") || inner["date"] == nil {
				w.Errorf("%s %s: innerError = %v", method, path, inner)
			}
		}
		body := plus(goSDK, jsonBody)
		refuse(400, "InvalidRequest", "PUT", desk+"/items/1", body, `{"acl":[],"properties":{"title":"x"}}`)
		refuse(401, "InvalidAuthenticationToken", "GET", desk, nil, "")
		refuse(401, "InvalidAuthenticationToken", "GET", desk, []string{"Authorization: Bearer expired"}, "")
		refuse(403, "Forbidden", "GET", desk, asUser(goSDK), "")
		refuse(404, "ItemNotFound", "POST", desk+"/items", body, minimal)
		refuse(404, "UnknownError", "DELETE", desk+"/schema", goSDK, "")
		refuse(405, "Request_BadRequest", "POST", desk, body, `{}`)
		refuse(409, "Conflict", "POST", base, body, `{"id":"desk","name":"other","description":"d"}`)
		refuse(413, "RequestEntityTooLarge", "PUT", desk+"/items/1", body, `{"content":"`+strings.Repeat("x", ItemSize4MB)+`"}`)
		refuse(415, "UnsupportedMediaType", "PUT", desk+"/items/1", plus(goSDK, "Content-Type: text/plain"), minimal)
		faults := func(text string) {
			w.want(200, "PUT", "/_control/faults", body, `{"faults":`+text+`}`)
		}
		for status, code := range map[int]string{429: "TooManyRequests", 500: "InternalServerError", 503: "serviceNotAvailable", 504: "GatewayTimeout"} {
			faults(fmt.Sprintf(`{"%d":"100%%"}`, status))
			refuse(status, code, "GET", desk, goSDK, "")
		}
		faults(`{}`)
		w.want(204, "PATCH", "/_control/connections/desk", body, `{"state":"limitExceeded"}`)
		refuse(507, "QuotaLimitReached", "PUT", desk+"/items/new", body, minimal)
		if len(statuses) != 13 {
			w.Errorf("statuses shown: %v", statuses)
		}
	}},
	{12, "annotations before and after their property", "Go SDK: random order; m365: before", func(w *wire) {
		desk := w.ready("desk")
		acl := `"acl":[{"accessType":"grant","type":"everyone","value":"everyone"}]`
		for i, properties := range []string{
			`{"tags@odata.type":"Collection(String)","tags":["a"],"numbers@odata.type":"Collection(Int64)","numbers":[1],"days@odata.type":"Collection(DateTimeOffset)","days":["2026-05-01T08:00:00.000Z"],"title":"x"}`,
			`{"tags":["a"],"numbers":[1],"days":["2026-05-01T08:00:00.000Z"],"title":"ü","title@odata.type":"String","days@odata.type":"Collection(DateTimeOffset)","tags@odata.type":"Collection(String)","numbers@odata.type":"Collection(Int64)"}`,
		} {
			a := w.want(200, "PUT", fmt.Sprintf("%s/items/%d", desk, i), plus(goSDK, jsonBody), `{`+acl+`,"properties":`+properties+`}`)
			if a.get("properties", "tags@odata.type") != "Collection(String)" || a.get("properties", "tags", 0) != "a" || a.get("properties", "days", 0) == nil {
				w.Errorf("item = %v", a)
			}
		}
		w.want(400, "PUT", desk+"/items/3", plus(goSDK, jsonBody), `{`+acl+`,"properties":{"title":"x","tags":["a"]}}`)
		w.want(400, "PUT", desk+"/items/3", plus(goSDK, jsonBody), `{`+acl+`,"properties":{"title":"x","days@odata.type":"Collection(DateTime)","days":[]}}`)
	}},
	{13, "whole numbers for a Double, Int64 above 2^53 exact", "Go SDK", func(w *wire) {
		desk := w.ready("desk")
		a := w.want(200, "PUT", desk+"/items/1", plus(goSDK, jsonBody), strings.Replace(minimal, `"title":"One"`, `"cost":10000000000,"priority":9223372036854775807`, 1))
		for _, a := range []answer{a, w.want(200, "GET", desk+"/items/1", goSDK, "")} {
			if fmt.Sprint(a.get("properties", "cost")) != "10000000000" || fmt.Sprint(a.get("properties", "priority")) != "9223372036854775807" {
				w.Errorf("item = %v", a)
			}
		}
	}},
	{14, "id in the body, or not", "m365 and samples send it; SDKs do not", func(w *wire) {
		desk := w.ready("desk")
		w.want(200, "PUT", desk+"/items/AUP-001", plus(m365, jsonBody), strings.Replace(minimal, `{`, `{"id":"AUP-001",`, 1))
		w.want(200, "PUT", desk+"/items/AUP-001", plus(goSDK, "Content-Encoding: gzip", jsonBody), zipped(minimal))
		w.want(400, "PUT", desk+"/items/AUP-001", plus(m365, jsonBody), strings.Replace(minimal, `{`, `{"id":"AUP-002",`, 1))
	}},
	{15, "PUT answers 200 with the item", "m365 item add prints it", func(w *wire) {
		desk := w.ready("desk")
		for range 2 { // created, and updated
			a := w.want(200, "PUT", desk+"/items/1", plus(m365, jsonBody), minimal)
			if a.get("id") != "1" || a.get("acl", 0, "value") != "everyone" || a.get("properties", "title") != "One" || a.get("content", "value") != "Rotor check" {
				w.Errorf("item = %v", a)
			}
		}
	}},
	{16, "PATCH of an item replaces the bag and keeps the rest", "JS client", func(w *wire) {
		desk := w.ready("desk")
		w.want(200, "PUT", desk+"/items/1", plus(jsClient, jsonBody), strings.Replace(minimal, `"title":"One"`, `"title":"One","status":"open"`, 1))
		w.want(200, "PATCH", desk+"/items/1", plus(jsClient, jsonBody), `{"properties":{"title":"Two"}}`)
		a := w.want(200, "GET", desk+"/items/1", jsClient, "")
		if a.get("properties", "title") != "Two" || a.get("properties", "status") != nil || a.get("acl", 0, "type") != "everyone" || a.get("content", "value") != "Rotor check" {
			w.Errorf("item = %v", a)
		}
	}},
	{17, "both names of addActivities", "short: JS, m365; qualified: Go SDK", func(w *wire) {
		desk := w.ready("desk")
		w.want(200, "PUT", desk+"/items/1", plus(goSDK, jsonBody), minimal)
		short := w.want(200, "POST", desk+"/items/1/addActivities", plus(jsClient, jsonBody), `{"activities":[`+seen+`]}`)
		long := w.want(200, "POST", desk+"/items/1/microsoft.graph.externalConnectors.addActivities", plus(goSDK, "Content-Encoding: gzip", jsonBody), zipped(`{"activities":[`+seen+`]}`))
		for _, a := range []answer{short, long} {
			if a.get("value", 0, "type") != "viewed" || a.get("value", 0, "error") != nil {
				w.Errorf("result = %v", a)
			}
		}
		w.want(207, "POST", desk+"/items/1/addActivities", plus(jsClient, jsonBody), `{"activities":[`+seen+`,`+strings.Replace(seen, "viewed", "liked", 1)+`]}`)
	}},
	{18, "activities with their type; in a PUT never without", "all", func(w *wire) {
		desk := w.ready("desk")
		with := strings.Replace(minimal, `{`, `{"activities":[`+seen+`],`, 1)
		w.want(200, "PUT", desk+"/items/1", plus(goSDK, jsonBody), with)
		without := strings.Replace(with, `"@odata.type":"#microsoft.graph.externalConnectors.externalActivity",`, "", 1)
		w.want(400, "PUT", desk+"/items/1", plus(goSDK, jsonBody), without)
	}},
}

// readingPoints are those about paths, queries, answers and the connection.
var readingPoints = []point{
	{19, "encoded ids: split the raw path, then decode", "Go SDK and Kiota encode, JS and m365 do not", func(w *wire) {
		desk := w.ready("desk")
		const encoded, id = "%2C%3D%40%20%3B%27%28%29%2F%25%C3%BC%2B", ",=@ ;'()/%ü+"
		w.want(201, "POST", desk+"/groups", plus(goSDK, jsonBody), `{"id":"g1"}`)
		w.want(201, "POST", desk+"/groups/g1/members", plus(goSDK, jsonBody), `{"id":"`+id+`","type":"externalGroup"}`)
		if a := w.want(200, "GET", desk+"/groups/g1/members/"+encoded, goSDK, ""); a.get("id") != id {
			w.Errorf("member = %v", a)
		}
		w.want(204, "DELETE", desk+"/groups/g1/members/"+encoded, goSDK, "")
		// An item's id may not have them: it is refused, and nothing else is not found.
		for _, c := range []string{"%2C", "%3D", "%40", "%20", "%3B", "%27", "%28", "%29", "%2F", "%25", "%C3%BC", "%2B"} {
			if a := w.want(400, "PUT", desk+"/items/a"+c+"b", plus(goSDK, jsonBody), minimal); !strings.Contains(a.inner(), "letters, digits, - and _") {
				w.Errorf("%s = %v", c, a)
			}
			w.want(404, "GET", desk+"/items/a"+c+"b", goSDK, "")
		}
		w.want(200, "PUT", desk+"/items/%41%2D1", plus(goSDK, jsonBody), minimal)
		w.want(200, "GET", desk+"/items/A-1", jsClient, "")
		w.want(400, "PUT", desk+"/items/it's(raw)", plus(jsClient, jsonBody), minimal)
	}},
	{20, "$filter, $select, $top, $skiptoken, $expand", "m365 by name; JS client", func(w *wire) {
		for i, name := range []string{"It's R&D", "Second", "Third"} {
			w.want(201, "POST", base, plus(m365, jsonBody), fmt.Sprintf(`{"id":"desk%d","name":%q,"description":"d"}`, i, name))
		}
		a := w.want(200, "GET", base+"?$filter=name%20eq%20%27It%27%27s%20R%26D%27", m365, "")
		if a.ids() != "desk0" {
			w.Errorf("by name = %v", a)
		}
		a = w.want(200, "GET", base+"?$filter=name%20eq%20%27It%27%27s%20R%26D%27&$select=id", m365, "")
		if a.ids() != "desk0" || a.get("value", 0, "name") != nil {
			w.Errorf("by name, the id = %v", a)
		}
		a = w.want(200, "GET", base+"?$select=id,name&$top=2", jsClient, "")
		next, _ := a.get("@odata.nextLink").(string)
		if a.ids() != "desk0 desk1" || !strings.Contains(next, "$skiptoken=") {
			w.Fatalf("first page = %v", a)
		}
		if a = w.want(200, "GET", next[strings.Index(next, "/v1.0"):], jsClient, ""); a.ids() != "desk2" || a.get("@odata.nextLink") != nil || a.get("value", 0, "state") != nil {
			w.Errorf("last page = %v", a)
		}
		desk := w.ready("desk")
		if a = w.want(200, "GET", desk+"?$expand=schema", jsClient, ""); a.get("schema", "properties", 0, "name") != "title" {
			w.Errorf("expanded = %v", a)
		}
	}},
	{21, "any Accept, or none", "m365; Go and Kiota; JS; Go's next page and $batch", func(w *wire) {
		w.want(201, "POST", base, plus(goSDK, jsonBody), `{"id":"desk","name":"desk","description":"d"}`)
		for _, accept := range []string{"Accept: application/json;odata.metadata=none", "Accept: application/json", "accept: */*", ""} {
			headers := []string{"Authorization: Bearer " + appToken}
			if accept != "" {
				headers = append(headers, accept)
			}
			if a := w.want(200, "GET", base+"/desk", headers, ""); a.header.Get("Content-Type") != "application/json" || a.get("id") != "desk" {
				w.Errorf("%q: %v", accept, a)
			}
			w.want(200, "POST", "/v1.0/$batch", plus(headers, jsonBody), `{"requests":[{"id":"1","method":"GET","url":"/external/connections/desk"}]}`)
		}
	}},
	{22, "Prefer: include-unknown-enum-members", "m365 connection doctor", func(w *wire) {
		w.want(201, "POST", base, plus(m365, jsonBody), `{"id":"desk","name":"desk","description":"d"}`)
		w.completed(w.want(202, "PATCH", base+"/desk/schema", plus(m365, jsonBody), `{"baseType":"microsoft.graph.externalItem","properties":[{"name":"icon","type":"String","isRetrievable":"true","labels":["iconUrl"]}]}`))
		if a := w.want(200, "GET", base+"/desk/schema", plus(m365, "prefer: include-unknown-enum-members"), ""); a.get("properties", 0, "labels", 0) != "iconUrl" || a.header.Get("Preference-Applied") == "" {
			w.Errorf("with the header = %v", a)
		}
		if a := w.want(200, "GET", base+"/desk/schema", m365, ""); a.get("properties", 0, "labels", 0) != "unknownFutureValue" {
			w.Errorf("without = %v", a)
		}
	}},
	{23, "GraphConnectors-Ticket with connectorId", "samples markdown and food-catalog", func(w *wire) {
		a := w.want(201, "POST", base, plus(jsClient, jsonBody, "GraphConnectors-Ticket: eyJ0eXAi"), `{"id":"desk","name":"desk","description":"d","connectorId":"00000000-0000-4000-8000-000000000001"}`)
		if a.get("connectorId") != "00000000-0000-4000-8000-000000000001" {
			w.Errorf("connection = %v", a)
		}
	}},
	{24, "resolvers and layouts are kept as they are", "m365, samples, Go SDK", func(w *wire) {
		const resolver = `{"@odata.type":"#microsoft.graph.externalConnectors.itemIdResolver","priority":1,"itemId":"{slug}","urlMatchInfo":{"baseUrls":["https://x.example"],"urlPattern":%s}}`
		for i, pattern := range []string{`"/(?<slug>[^/]+)"`, `"$'/(?<slug>[^/]+)'"`, `"["`} {
			id := fmt.Sprintf("desk%d", i)
			a := w.want(201, "POST", base, plus(jsClient, jsonBody), `{"id":"`+id+`","name":"`+id+`","description":"d","activitySettings":{"urlToItemResolvers":[`+fmt.Sprintf(resolver, pattern)+`]},
					"searchSettings":{"searchResultTemplates":[{"id":"t1","priority":1,"layout":{"type":"AdaptiveCard","version":"1.3","body":[{"type":"TextBlock","text":"${title} [${if(a,'<b>','&')}]"}],"$data":{"a":[1,null]}}}]}}`)
			for _, a := range []answer{a, w.want(200, "GET", base+"/"+id, jsClient, "")} {
				if got := a.get("activitySettings", "urlToItemResolvers", 0, "urlMatchInfo", "urlPattern"); fmt.Sprintf("%q", got) != pattern ||
					a.get("activitySettings", "urlToItemResolvers", 0, "@odata.type") != "#microsoft.graph.externalConnectors.itemIdResolver" {
					w.Errorf("resolver = %v", a)
				}
				if !strings.Contains(string(a.raw), `"text":"${title} [${if(a,'<b>','&')}]"}],"$data":{"a":[1,null]}`) {
					w.Errorf("layout = %s", a.raw)
				}
			}
		}
		w.want(204, "PATCH", base+"/desk0", plus(m365, jsonBody), `{"activitySettings":{"urlToItemResolvers":[{"itemId":"{id}","priority":2,"urlMatchInfo":{"baseUrls":["https://y.example"],"urlPattern":"/(?<id>.+)"},"@odata.type":"#microsoft.graph.externalConnectors.itemIdResolver"}]}}`)
		if a := w.want(200, "GET", base+"/desk0", m365, ""); a.get("activitySettings", "urlToItemResolvers", 0, "itemId") != "{id}" {
			w.Errorf("replaced = %v", a)
		}
	}},
	{25, "$batch as the clients write it", "Go core, JS BatchRequestContent, m365 request", testBatchPoint},
	{26, "search, and the item's id in a hit", "all; the id: m365 connection doctor", func(w *wire) {
		desk := w.ready("desk")
		w.want(200, "PUT", desk+"/items/AUP-001", plus(m365, jsonBody), minimal)
		for _, query := range []string{"*", "rotor", "Rotor check"} {
			a := w.want(200, "POST", "/v1.0/search/query", asUser(plus(m365, jsonBody)),
				`{"requests":[{"entityTypes":["externalItem"],"contentSources":["/external/connections/desk"],"query":{"queryString":"`+query+`"},"from":0,"size":1,"fields":["title"]}]}`)
			hit := func(path ...any) any {
				return a.get(append([]any{"value", 0, "hitsContainers", 0, "hits", 0}, path...)...)
			}
			id, _ := hit("resource", "properties", "substrateContentDomainId").(string)
			if hit("hitId") == nil || fmt.Sprint(hit("rank")) != "1" || hit("summary") == nil || hit("resource", "@odata.type") != "#microsoft.graph.externalConnectors.externalItem" ||
				hit("resource", "properties", "title") != "One" || !strings.HasSuffix(id, ",AUP-001") {
				w.Errorf("%s: %v", query, a)
			}
			if a := w.want(200, "GET", desk+"/items/"+strings.Split(id, ",")[1], m365, ""); a.get("content", "value") != "Rotor check" {
				w.Errorf("the item behind the hit = %v", a)
			}
		}
	}},
	{27, "Retry-After in whole seconds", "all", func(w *wire) {
		desk := w.ready("desk")
		for _, status := range []int{429, 503} {
			w.want(200, "PUT", "/_control/faults", plus(goSDK, jsonBody), fmt.Sprintf(`{"faults":{"%d":"100%%"}}`, status))
			a := w.want(status, "PUT", desk+"/items/1", plus(goSDK, "Content-Encoding: gzip", jsonBody), zipped(minimal))
			if after := a.header.Get("Retry-After"); after != "1" {
				w.Errorf("Retry-After = %q, want 1", after)
			}
			w.want(200, "PUT", "/_control/faults", plus(goSDK, jsonBody), `{"faults":{}}`)
			w.want(200, "PUT", desk+"/items/1", plus(goSDK, "Content-Encoding: gzip", jsonBody, "Retry-Attempt: 1"), minimal)
		}
	}},
	{28, "deletes: 202 and then 404; 204 without a body", "all", func(w *wire) {
		desk := w.ready("desk")
		w.want(200, "PUT", desk+"/items/1", plus(goSDK, jsonBody), minimal)
		w.want(201, "POST", desk+"/groups", plus(goSDK, jsonBody), `{"id":"g1"}`)
		w.want(201, "POST", desk+"/groups/g1/members", plus(goSDK, jsonBody), `{"id":"u1","type":"user"}`)
		for _, path := range []string{"/items/1", "/groups/g1/members/u1", "/groups/g1"} {
			w.want(204, "DELETE", desk+path, goSDK, "")
			w.want(404, "GET", desk+path, goSDK, "")
		}
		w.want(202, "DELETE", desk, jsClient, "")
		wait(w, "the deletion", func() bool { return w.send("GET", desk, jsClient, "").status == 404 })
	}},
	{29, "10 and 60 PUTs in flight on kept connections", "sample solutiongallery; Go SDK", func(w *wire) {
		desk := w.ready("desk")
		for _, flights := range []int{10, 60} {
			var wg sync.WaitGroup
			for i := range flights {
				wg.Go(func() {
					own := &wire{T: w.T, server: w.server} // one connection for all of its requests
					for k := range 3 {
						a := own.send("PUT", fmt.Sprintf("%s/items/%d-%d-%d", desk, flights, i, k), plus(jsClient, jsonBody), minimal)
						if a.status != 200 || own.conn == nil {
							w.Errorf("PUT = %v, connection kept: %v", a, own.conn != nil)
							return
						}
					}
				})
			}
			wg.Wait()
		}
		a := w.want(200, "POST", "/v1.0/search/query", asUser(plus(jsClient, jsonBody)), searchBody("desk", "*", ""))
		if fmt.Sprint(a.get("value", 0, "hitsContainers", 0, "total")) != "210" {
			w.Errorf("stored: %v", a)
		}
	}},
	{30, "bodies of 3 MB and more", "JS client", func(w *wire) {
		desk := w.ready("desk")
		for _, size := range []int{3_000_000, ItemSize4MB - 200} {
			body := strings.Replace(minimal, "Rotor check", strings.Repeat("rotor ", size/6), 1)
			w.want(200, "PUT", desk+"/items/big", plus(jsClient, jsonBody), body)
			w.want(200, "PUT", desk+"/items/big", plus(goSDK, "Content-Encoding: gzip", jsonBody, "Transfer-Encoding: chunked"), zipped(body))
		}
	}},
	{31, "links made from the request's Host", "Go SDK behind a reverse proxy", func(w *wire) {
		for i := range 2 {
			w.want(201, "POST", base, plus(goSDK, jsonBody), fmt.Sprintf(`{"id":"desk%d","name":"desk%d","description":"d"}`, i, i))
		}
		w.host = "graph.proxy.example:8443"
		a := w.want(202, "PATCH", base+"/desk0/schema", plus(goSDK, jsonBody), `{"baseType":"microsoft.graph.externalItem","properties":`+helpdesk+`}`)
		if loc := a.header.Get("Location"); !strings.HasPrefix(loc, "http://graph.proxy.example:8443/v1.0/external/connections/desk0/operations/") {
			w.Errorf("Location = %q", loc)
		}
		a = w.want(200, "GET", base+"?$top=1", plus(goSDK, "X-Forwarded-Proto: https"), "")
		if next, _ := a.get("@odata.nextLink").(string); !strings.HasPrefix(next, "https://graph.proxy.example:8443/v1.0/external/connections?") {
			w.Errorf("nextLink = %q", next)
		}
	}},
}

func testBatchPoint(w *wire) {
	w.ready("desk")
	part := func(a answer, id string) (status string, body map[string]any) {
		list, _ := a.get("responses").([]any)
		for i := range list {
			if a.get("responses", i, "id") == id {
				if a.get("responses", i, "headers", "Content-Type") == nil && fmt.Sprint(a.get("responses", i, "status")) != "204" {
					w.Errorf("part %s has no Content-Type", id)
				}
				body, _ = a.get("responses", i, "body").(map[string]any)
				return fmt.Sprint(a.get("responses", i, "status")), body
			}
		}
		return "none", nil
	}
	// The Go SDK: no Accept, gzip, ids that are UUIDs, lower-case headers, and
	// null for what is not there.
	a := w.want(200, "POST", "/v1.0/$batch", []string{"Authorization: Bearer " + appToken, "Content-Encoding: gzip", jsonBody}, zipped(
		`{"requests":[{"body":`+minimal+`,"dependsOn":[],"headers":{"accept":"application/json","content-type":"application/json"},"id":"0d6e3a5c-8f5f-4b5e-9d8e-0123456789ab","method":"PUT","url":"/external/connections/desk/items/1"},`+
			`{"body":null,"dependsOn":["0D6E3A5C-8F5F-4B5E-9D8E-0123456789AB"],"headers":{"accept":"application/json"},"id":"1d6e3a5c-8f5f-4b5e-9d8e-0123456789ab","method":"GET","url":"/external/connections/desk/items/1"}]}`))
	if status, body := part(a, "1d6e3a5c-8f5f-4b5e-9d8e-0123456789ab"); status != "200" || body["id"] != "1" {
		w.Errorf("the Go SDK's batch = %v", a)
	}
	// The JavaScript client: words for ids, and URLs of all kinds.
	a = w.want(200, "POST", "/v1.0/$batch", plus(jsClient, jsonBody), `{"requests":[
		{"url":"/external/connections/desk/items/2","method":"PUT","headers":{"content-type":"application/json"},"body":`+minimal+`,"id":"put"},
		{"url":"external/connections/desk","method":"GET","id":"bare"},
		{"url":"/v1.0/external/connections/desk","method":"get","id":"version"},
		{"url":"/external/connections?$filter=name eq 'Name of desk'&$select=id","method":"GET","id":"spaces"},
		{"url":"/external/connections?%24filter=name%20eq%20%27Name%20of%20desk%27","method":"GET","id":"encoded"},
		{"url":"/external/connections/nosuch","method":"GET","id":"missing"},
		{"url":"/external/connections/desk/items/3","method":"PUT","headers":{"content-type":"application/json"},"body":`+minimal+`,"id":"after","dependsOn":["missing"]},
		{"url":"/external/connections/desk/items/3","method":"GET","id":"untouched","dependsOn":["put"]},
		{"url":"/%zz","method":"GET","id":"broken"},
		{"url":"https://graph.microsoft.com/v1.0/external/connections/desk","method":"GET","id":"absolute"},
		{"url":"/external/connections/desk/items/2","method":"DELETE","id":"delete","dependsOn":["put"]}]}`)
	for id, want := range map[string]string{"put": "200", "bare": "200", "version": "200", "spaces": "200", "encoded": "200", "missing": "404", "after": "424",
		"untouched": "404", "broken": "400", "absolute": "404", "delete": "204"} {
		if status, body := part(a, id); status != want {
			w.Errorf("part %s = %s %v, want %s", id, status, body, want)
		}
	}
	var many []string
	for i := range 21 {
		many = append(many, fmt.Sprintf(`{"id":"%d","method":"GET","url":"/external/connections/desk"}`, i))
	}
	w.want(200, "POST", "/v1.0/$batch", plus(m365, jsonBody), `{"requests":[`+strings.Join(many[:20], ",")+`]}`)
	w.want(400, "POST", "/v1.0/$batch", plus(m365, jsonBody), `{"requests":[`+strings.Join(many, ",")+`]}`)
	w.want(400, "POST", "/v1.0/$batch", plus(m365, jsonBody), `{"requests":[{"id":"a","method":"GET","url":"/users"},{"id":"A","method":"GET","url":"/users"}]}`)
	w.want(400, "POST", "/v1.0/$batch", plus(m365, jsonBody), `{"requests":[{"id":"a","method":"POST","url":"/external/connections","body":{"id":"x"}}]}`)
}
