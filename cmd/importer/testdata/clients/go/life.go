package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	khttp "github.com/microsoft/kiota-http-go"
	msgraph "github.com/microsoftgraph/msgraph-sdk-go"
	msgraphcore "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/external"
	"github.com/microsoftgraph/msgraph-sdk-go/models/externalconnectors"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
)

const kb = "golife"

func (l *life) at(client *msgraph.GraphServiceClient) *external.ConnectionsExternalConnectionItemRequestBuilder {
	return client.External().Connections().ByExternalConnectionId(kb)
}

func (l *life) item(id string) *external.ConnectionsItemItemsExternalItemItemRequestBuilder {
	return l.at(l.app).Items().ByExternalItemId(id)
}

func (l *life) notFound() {
	_, err := l.at(l.app).Get(l.ctx, nil)
	refused(err, 404, "ItemNotFound", "")
	_, err = l.at(l.app).Schema().Get(l.ctx, nil)
	refused(err, 404, "ItemNotFound", "")
	_, err = l.item("1").Get(l.ctx, nil)
	refused(err, 404, "ItemNotFound", "")
}

func newConnection(id, name string) *externalconnectors.ExternalConnection {
	c := externalconnectors.NewExternalConnection()
	c.SetId(&id)
	c.SetName(&name)
	c.SetDescription(new("Articles of the knowledge base."))
	return c
}

func (l *life) connection() {
	match := externalconnectors.NewUrlMatchInfo()
	match.SetBaseUrls([]string{"https://kb.contoso.example"})
	match.SetUrlPattern(new("/(?<slug>[^/]+)"))
	resolver := externalconnectors.NewItemIdResolver()
	resolver.SetItemId(new("{slug}"))
	resolver.SetPriority(new(int32(1)))
	resolver.SetUrlMatchInfo(match)
	activity := externalconnectors.NewActivitySettings()
	activity.SetUrlToItemResolvers([]externalconnectors.UrlToItemResolverBaseable{resolver})
	template := externalconnectors.NewDisplayTemplate()
	template.SetId(new("kb1"))
	template.SetPriority(new(int32(1)))
	template.SetLayout(serialization.NewUntypedObject(map[string]serialization.UntypedNodeable{
		"type": serialization.NewUntypedString("AdaptiveCard"), "version": serialization.NewUntypedString("1.3"),
	}))
	search := externalconnectors.NewSearchSettings()
	search.SetSearchResultTemplates([]externalconnectors.DisplayTemplateable{template})
	c := newConnection(kb, "Wissen für alle")
	c.SetActivitySettings(activity)
	c.SetSearchSettings(search)
	made, err := l.app.External().Connections().Post(l.ctx, c, nil)
	must(err)
	same("state", value(made.GetState()), externalconnectors.DRAFT_CONNECTIONSTATE)
	got, err := l.at(l.app).Get(l.ctx, nil)
	must(err)
	same("name", value(got.GetName()), "Wissen für alle")
	back, ok := got.GetActivitySettings().GetUrlToItemResolvers()[0].(externalconnectors.ItemIdResolverable)
	check(ok, "the resolver has no type: %T", got.GetActivitySettings().GetUrlToItemResolvers()[0])
	same("pattern", value(back.GetUrlMatchInfo().GetUrlPattern()), "/(?<slug>[^/]+)")
	same("template", value(got.GetSearchSettings().GetSearchResultTemplates()[0].GetId()), "kb1")

	_, err = l.app.External().Connections().Post(l.ctx, newConnection(kb, "Other"), nil)
	refused(err, 409, "Conflict", "")
	_, err = l.app.External().Connections().Post(l.ctx, newConnection("go-life", "Hyphen"), nil)
	refused(err, 400, "InvalidRequest", "letters and digits")
	change := externalconnectors.NewExternalConnection()
	change.SetDescription(new("Changed."))
	_, err = l.at(l.app).Patch(l.ctx, change, nil)
	must(err)
	got, err = l.at(l.app).Get(l.ctx, nil)
	must(err)
	same("description", value(got.GetDescription()), "Changed.")
	same("name", value(got.GetName()), "Wissen für alle")
}

// column makes a property of a schema; flags are of s, q, r and f for
// searchable, queryable, retrievable and refinable.
func column(name string, t externalconnectors.PropertyType, flags string, labels ...externalconnectors.Label) externalconnectors.Propertyable {
	p := externalconnectors.NewProperty()
	p.SetName(&name)
	p.SetTypeEscaped(&t)
	for _, f := range []struct {
		letter string
		set    func(*bool)
	}{{"s", p.SetIsSearchable}, {"q", p.SetIsQueryable}, {"r", p.SetIsRetrievable}, {"f", p.SetIsRefinable}} {
		f.set(new(strings.Contains(flags, f.letter)))
	}
	p.SetLabels(labels)
	return p
}

func (l *life) schema() {
	s := externalconnectors.NewSchema()
	s.SetBaseType(new("microsoft.graph.externalItem"))
	s.SetProperties([]externalconnectors.Propertyable{
		column("title", externalconnectors.STRING_PROPERTYTYPE, "sqr", externalconnectors.TITLE_LABEL),
		column("url", externalconnectors.STRING_PROPERTYTYPE, "r", externalconnectors.URL_LABEL),
		column("tags", externalconnectors.STRINGCOLLECTION_PROPERTYTYPE, "qrf"),
		column("views", externalconnectors.INT64_PROPERTYTYPE, "qrf"),
		column("sizes", externalconnectors.INT64COLLECTION_PROPERTYTYPE, "qr"),
		column("price", externalconnectors.DOUBLE_PROPERTYTYPE, "qrf"),
		column("ratios", externalconnectors.DOUBLECOLLECTION_PROPERTYTYPE, "qr"),
		column("changed", externalconnectors.DATETIME_PROPERTYTYPE, "qrf", externalconnectors.LASTMODIFIEDDATETIME_LABEL),
		column("days", externalconnectors.DATETIMECOLLECTION_PROPERTYTYPE, "qr"),
		column("public", externalconnectors.BOOLEAN_PROPERTYTYPE, "qr"),
	})
	headers := khttp.NewHeadersInspectionOptions()
	headers.InspectResponseHeaders = true
	_, err := l.at(l.app).Schema().Patch(l.ctx, s, &external.ConnectionsItemSchemaRequestBuilderPatchRequestConfiguration{Options: []abstractions.RequestOption{headers}})
	must(err)
	location := headers.ResponseHeaders.Get("Location")
	check(len(location) == 1 && strings.HasPrefix(location[0], l.graph+"/v1.0/external/connections/"+kb+"/operations/"), "Location: %q", location)
	operation := location[0][strings.LastIndex(location[0], "/")+1:]
	until("the registration", func() bool {
		op, err := l.at(l.app).Operations().ByConnectionOperationId(operation).Get(l.ctx, nil)
		must(err)
		status := value(op.GetStatus())
		check(op.GetError() == nil && status != externalconnectors.FAILED_CONNECTIONOPERATIONSTATUS, "the registration failed: %v", op.GetError())
		return status == externalconnectors.COMPLETED_CONNECTIONOPERATIONSTATUS
	})
	got, err := l.at(l.app).Schema().Get(l.ctx, nil)
	must(err)
	same("properties", len(got.GetProperties()), len(s.GetProperties()))
	for i, want := range s.GetProperties() {
		p := got.GetProperties()[i]
		same(value(want.GetName()), value(p.GetTypeEscaped()), value(want.GetTypeEscaped()))
		same(value(want.GetName()), value(p.GetIsRefinable()), value(want.GetIsRefinable()))
	}
	same("label", got.GetProperties()[7].GetLabels(), []externalconnectors.Label{externalconnectors.LASTMODIFIEDDATETIME_LABEL})
	c, err := l.at(l.app).Get(l.ctx, nil)
	must(err)
	same("state", value(c.GetState()), externalconnectors.READY_CONNECTIONSTATE)
}

// An entry of an ACL.
func entry(t externalconnectors.AclType, who string, access externalconnectors.AccessType) externalconnectors.Aclable {
	a := externalconnectors.NewAcl()
	a.SetTypeEscaped(&t)
	a.SetValue(&who)
	a.SetAccessType(&access)
	return a
}

const (
	grant = externalconnectors.GRANT_ACCESSTYPE
	deny  = externalconnectors.DENY_ACCESSTYPE
)

func everyone() externalconnectors.Aclable {
	return entry(externalconnectors.EVERYONE_ACLTYPE, "everyone", grant)
}

func newItem(properties map[string]any, content string, acl ...externalconnectors.Aclable) *externalconnectors.ExternalItem {
	it := externalconnectors.NewExternalItem()
	if len(acl) > 0 {
		it.SetAcl(acl)
	}
	if properties != nil {
		p := externalconnectors.NewProperties()
		p.SetAdditionalData(properties)
		it.SetProperties(p)
	}
	if content != "" {
		c := externalconnectors.NewExternalItemContent()
		c.SetTypeEscaped(new(externalconnectors.TEXT_EXTERNALITEMCONTENTTYPE))
		c.SetValue(&content)
		it.SetContent(c)
	}
	return it
}

func (l *life) put(id string, it externalconnectors.ExternalItemable) {
	stored, err := l.item(id).Put(l.ctx, it, nil)
	must(err)
	same("id", value(stored.GetId()), id)
}

// everyType sends annotations and values in the random order of a Go map.
func (l *life) everyType() {
	for range 10 {
		l.put("all-types", newItem(map[string]any{
			"title": "Die Übersicht", "title@odata.type": "String",
			"tags": []string{"Büro", "印刷"}, "tags@odata.type": "Collection(String)",
			"views": int64(9007199254740993),
			"sizes": []int64{-9223372036854775808, 9223372036854775807}, "sizes@odata.type": "Collection(Int64)",
			"price":  float64(10000000000),
			"ratios": []float64{0.5, 2}, "ratios@odata.type": "Collection(Double)",
			"changed": time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC),
			"days":    []string{"2026-01-01T00:00:00Z"}, "days@odata.type": "Collection(DateTimeOffset)",
			"public": true,
		}, "Ein Text.", everyone()))
	}
	// The SDK reads numbers as float64, so the digits are looked at without it.
	raw, err := l.raw(http.MethodGet, "/v1.0/external/connections/"+kb+"/items/all-types", "")
	must(err)
	got := fmt.Sprint(raw["properties"])
	for _, digits := range []string{"9007199254740993", "-9223372036854775808 9223372036854775807", "Die Übersicht", "[Büro 印刷]"} {
		check(strings.Contains(got, digits), "no %s in %s", digits, got)
	}
	it, err := l.item("all-types").Get(l.ctx, nil)
	must(err)
	properties := it.GetProperties().GetAdditionalData()
	same("price", value(properties["price"].(*float64)), 1e10)
	same("public", value(properties["public"].(*bool)), true)
	same("content", value(it.GetContent().GetValue()), "Ein Text.")
	same("acl", value(it.GetAcl()[0].GetTypeEscaped()), externalconnectors.EVERYONE_ACLTYPE)
}

func (l *life) ids() {
	for _, id := range []string{"AUP-001", "auth__name", "-_-", strings.Repeat("a", 128)} {
		l.put(id, newItem(map[string]any{"title": id}, "", everyone()))
		_, err := l.item(id).Get(l.ctx, nil)
		must(err)
	}
	for _, id := range []string{"a,b", "a=b", "a@b", "a b", "a;b", "a'b", "(a)", "a/b", "a%b", "ü", "a+b", strings.Repeat("a", 129)} {
		_, err := l.item(id).Put(l.ctx, newItem(map[string]any{"title": id}, "", everyone()), nil)
		refused(err, 400, "InvalidRequest", "id")
	}
}

func (l *life) patch() {
	l.put("AUP-001", newItem(map[string]any{"title": "Use of computers", "views": int64(7)}, "Rules.", entry(externalconnectors.USER_ACLTYPE, l.anna.id, grant)))
	info, err := l.item("AUP-001").ToPutRequestInformation(l.ctx, newItem(map[string]any{"title": "Acceptable use"}, ""), nil)
	must(err)
	info.Method = abstractions.PATCH
	errorMapping := abstractions.ErrorMappings{"XXX": odataerrors.CreateODataErrorFromDiscriminatorValue}
	_, err = l.app.GetAdapter().Send(l.ctx, info, externalconnectors.CreateExternalItemFromDiscriminatorValue, errorMapping)
	must(err)
	it, err := l.item("AUP-001").Get(l.ctx, nil)
	must(err)
	properties := it.GetProperties().GetAdditionalData()
	same("title", value(properties["title"].(*string)), "Acceptable use")
	check(properties["views"] == nil, "views is still there: %v", properties["views"])
	same("acl", value(it.GetAcl()[0].GetValue()), l.anna.id)
	same("content", value(it.GetContent().GetValue()), "Rules.")
	l.put("AUP-001", newItem(nil, "", everyone()))
	it, err = l.item("AUP-001").Get(l.ctx, nil)
	must(err)
	same("title", value(it.GetProperties().GetAdditionalData()["title"].(*string)), "Acceptable use")
	same("acl", value(it.GetAcl()[0].GetTypeEscaped()), externalconnectors.EVERYONE_ACLTYPE)
}

func (l *life) refusals() {
	for _, bad := range []struct {
		words string
		item  externalconnectors.ExternalItemable
	}{
		{"acl", newItem(map[string]any{"title": "x"}, "")},
		{"properties", newItem(nil, "", everyone())},
		{"colour", newItem(map[string]any{"colour": "red"}, "", everyone())},
		{"views", newItem(map[string]any{"views": "many"}, "", everyone())},
		{"Collection(String)", newItem(map[string]any{"tags": []string{"a"}}, "", everyone())},
	} {
		_, err := l.item("bad").Put(l.ctx, bad.item, nil)
		refused(err, 400, "InvalidRequest", bad.words)
	}
	_, err := l.item("bad").Put(l.ctx, newItem(map[string]any{"title": "x"}, strings.Repeat("x", 4_000_000), everyone()), nil)
	refused(err, 413, "RequestEntityTooLarge", "")
	_, err = l.item("bad").Get(l.ctx, nil)
	refused(err, 404, "ItemNotFound", "")
	it := newItem(map[string]any{"title": "x"}, "", everyone())
	it.SetId(new("bad"))
	_, err = l.at(l.app).Items().Post(l.ctx, it, nil)
	refused(err, 404, "ItemNotFound", "")
}

func (l *life) activity() *externalconnectors.ExternalActivity {
	by := externalconnectors.NewIdentity()
	by.SetId(&l.anna.id)
	by.SetTypeEscaped(new(externalconnectors.USER_IDENTITYTYPE))
	a := externalconnectors.NewExternalActivity()
	a.SetOdataType(new("#microsoft.graph.externalConnectors.externalActivity"))
	a.SetTypeEscaped(new(externalconnectors.VIEWED_EXTERNALACTIVITYTYPE))
	a.SetStartDateTime(new(time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)))
	a.SetPerformedBy(by)
	return a
}

func (l *life) activities() {
	add := func(id string, n int) (external.ConnectionsItemItemsItemMicrosoftGraphExternalConnectorsAddActivitiesAddActivitiesPostResponseable, error) {
		body := external.NewConnectionsItemItemsItemMicrosoftGraphExternalConnectorsAddActivitiesAddActivitiesPostRequestBody()
		var list []externalconnectors.ExternalActivityable
		for range n {
			list = append(list, l.activity())
		}
		body.SetActivities(list)
		return l.item(id).MicrosoftGraphExternalConnectorsAddActivities().PostAsAddActivitiesPostResponse(l.ctx, body, nil)
	}
	answer, err := add("all-types", 2)
	must(err)
	same("results", len(answer.GetValue()), 2)
	for _, r := range answer.GetValue() {
		check(r.GetError() == nil, "an activity failed: %v", r.GetError())
		same("type", value(r.GetTypeEscaped()), externalconnectors.VIEWED_EXTERNALACTIVITYTYPE)
	}
	_, err = add("all-types", 21)
	refused(err, 400, "InvalidRequest", "20")
	_, err = add("none", 1)
	refused(err, 404, "ItemNotFound", "")
	with := newItem(map[string]any{"title": "With an activity"}, "", everyone())
	with.SetActivities([]externalconnectors.ExternalActivityable{l.activity()})
	l.put("active", with)
}

func (l *life) groups() {
	groups := l.at(l.app).Groups()
	for _, id := range []string{"team", "staff", "none"} {
		g := externalconnectors.NewExternalGroup()
		g.SetId(&id)
		g.SetDisplayName(new("Gruppe " + id))
		made, err := groups.Post(l.ctx, g, nil)
		must(err)
		same("id", value(made.GetId()), id)
	}
	member := func(group string, t externalconnectors.IdentityType, id string) error {
		m := externalconnectors.NewIdentity()
		m.SetId(&id)
		m.SetTypeEscaped(&t)
		_, err := groups.ByExternalGroupId(group).Members().Post(l.ctx, m, nil)
		return err
	}
	must(member("team", externalconnectors.USER_IDENTITYTYPE, l.anna.id))
	must(member("staff", externalconnectors.EXTERNALGROUP_IDENTITYTYPE, "team"))
	must(member("team", externalconnectors.EXTERNALGROUP_IDENTITYTYPE, "staff"))
	refused(member("team", externalconnectors.USER_IDENTITYTYPE, l.anna.id), 409, "Conflict", "")
	change := externalconnectors.NewExternalGroup()
	change.SetDisplayName(new("Das Team"))
	_, err := groups.ByExternalGroupId("team").Patch(l.ctx, change, nil)
	must(err)
	got, err := groups.ByExternalGroupId("team").Get(l.ctx, nil)
	must(err)
	same("name", value(got.GetDisplayName()), "Das Team")
	members, err := groups.ByExternalGroupId("team").Members().Get(l.ctx, nil)
	must(err)
	same("members", len(members.GetValue()), 2)
	_, err = groups.ByExternalGroupId("other").Get(l.ctx, nil)
	refused(err, 404, "ItemNotFound", "")
}

func (l *life) batch() {
	request := msgraphcore.NewBatchRequest(l.app.GetAdapter())
	steps := make([]msgraphcore.BatchItem, 20)
	for i := range steps {
		info, err := l.item(fmt.Sprintf("batch-%d", i)).ToPutRequestInformation(l.ctx, newItem(map[string]any{"title": fmt.Sprintf("Batch %d", i), "views": int64(i)}, "", everyone()), nil)
		must(err)
		steps[i], err = request.AddBatchRequestStep(*info)
		must(err)
		if i > 0 {
			steps[i].DependsOnItem(steps[0])
		}
	}
	answer, err := request.Send(l.ctx, l.app.GetAdapter())
	must(err)
	for i, s := range steps {
		it, err := msgraphcore.GetBatchResponseById[externalconnectors.ExternalItemable](answer, *s.GetId(), externalconnectors.CreateExternalItemFromDiscriminatorValue)
		must(err)
		same("id", value(it.GetId()), fmt.Sprintf("batch-%d", i))
	}

	failing := msgraphcore.NewBatchRequest(l.app.GetAdapter())
	info, err := l.item("missing").ToGetRequestInformation(l.ctx, nil)
	must(err)
	first, err := failing.AddBatchRequestStep(*info)
	must(err)
	info, err = l.item("batch-1").ToDeleteRequestInformation(l.ctx, nil)
	must(err)
	second, err := failing.AddBatchRequestStep(*info)
	must(err)
	second.DependsOnItem(first)
	answer, err = failing.Send(l.ctx, l.app.GetAdapter())
	must(err)
	same("failed", answer.GetFailedResponses(), map[string]int32{*first.GetId(): 404, *second.GetId(): 424})
	_, err = l.item("batch-1").Get(l.ctx, nil)
	must(err)
}

func (l *life) lists() {
	for i := range 3 {
		_, err := l.app.External().Connections().Post(l.ctx, newConnection(fmt.Sprintf("gopage%d", i), fmt.Sprintf("It's page %d & more", i)), nil)
		must(err)
	}
	query := &external.ConnectionsRequestBuilderGetQueryParameters{Top: new(int32(2)), Select: []string{"id", "name"}}
	first, err := l.app.External().Connections().Get(l.ctx, &external.ConnectionsRequestBuilderGetRequestConfiguration{QueryParameters: query})
	must(err)
	same("page", len(first.GetValue()), 2)
	check(strings.HasPrefix(value(first.GetOdataNextLink()), l.graph+"/v1.0/external/connections?"), "nextLink %q", value(first.GetOdataNextLink()))
	pages, err := msgraphcore.NewPageIterator[externalconnectors.ExternalConnectionable](first, l.app.GetAdapter(), externalconnectors.CreateExternalConnectionCollectionResponseFromDiscriminatorValue)
	must(err)
	var seen []string
	must(pages.Iterate(l.ctx, func(c externalconnectors.ExternalConnectionable) bool {
		seen = append(seen, value(c.GetId()))
		return true
	}))
	slices.Sort(seen)
	same("connections", seen, []string{kb, "gopage0", "gopage1", "gopage2"})
	query = &external.ConnectionsRequestBuilderGetQueryParameters{Filter: new("name eq 'It''s page 2 & more'")}
	named, err := l.app.External().Connections().Get(l.ctx, &external.ConnectionsRequestBuilderGetRequestConfiguration{QueryParameters: query})
	must(err)
	check(len(named.GetValue()) == 1 && value(named.GetValue()[0].GetId()) == "gopage2", "by name: %d", len(named.GetValue()))
}

func (l *life) burst() {
	together(60, func(i int) {
		l.put(fmt.Sprintf("burst-%d", i), newItem(map[string]any{"title": fmt.Sprint(i)}, "", everyone()))
	})
}

// together runs n at once and passes on the first failure.
func together(n int, run func(i int)) {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = try(func() { run(i) }) })
	}
	wg.Wait()
	for _, err := range errs {
		must(err)
	}
}

// throttled makes many clients, for each orders its handlers by a Go map: with
// the retry outside the compression, it repeats a request with the header of
// the compressed body and the plain one.
func (l *life) throttled() {
	const clients, items = 16, 5
	// A whole second: of a fraction the SDK makes none at all, and then reads
	// the body anew while the transport still reads it.
	l.faults(`{"429": "25%", "503": "10%", "seed": 5}`)
	retry := &khttp.RetryHandlerOptions{MaxRetries: 10, DelaySeconds: 1,
		ShouldRetry: func(time.Duration, int, *http.Request, *http.Response) bool { return true }}
	config := &external.ConnectionsItemItemsExternalItemItemRequestBuilderPutRequestConfiguration{Options: []abstractions.RequestOption{retry}}
	made := make([]*msgraph.GraphServiceClient, clients) // one after the other: the SDK's registries take no two at once
	for i := range made {
		made[i] = l.client(l.token)
	}
	together(clients, func(c int) {
		for i := range items {
			id := fmt.Sprintf("throttled-%d-%d", c, i)
			it, err := l.at(made[c]).Items().ByExternalItemId(id).Put(l.ctx, newItem(map[string]any{"title": "Größe " + id, "title@odata.type": "String"}, "", everyone()), config)
			must(err)
			same("id", value(it.GetId()), id)
		}
	})
	counts, err := l.raw(http.MethodGet, "/_control/faults", "")
	must(err)
	l.faults(`{}`)
	m, _ := counts["counts"].(map[string]any)
	check(m["429"] != nil && m["503"] != nil, "no fault was met: %v", slices.Collect(maps.Keys(m)))
	for c := range clients {
		for i := range items {
			id := fmt.Sprintf("throttled-%d-%d", c, i)
			it, err := l.item(id).Get(l.ctx, nil)
			must(err)
			same("title", value(it.GetProperties().GetAdditionalData()["title"].(*string)), "Größe "+id)
		}
	}
}

func (l *life) away() {
	retry := &khttp.RetryHandlerOptions{MaxRetries: 1, DelaySeconds: 1,
		ShouldRetry: func(time.Duration, int, *http.Request, *http.Response) bool { return false }}
	config := &external.ConnectionsExternalConnectionItemRequestBuilderGetRequestConfiguration{Options: []abstractions.RequestOption{retry}}
	for _, f := range []struct {
		status int
		code   string
	}{{429, "TooManyRequests"}, {503, "serviceNotAvailable"}, {504, "GatewayTimeout"}, {500, "InternalServerError"}} {
		l.faults(fmt.Sprintf(`{"%d": "100%%"}`, f.status))
		_, err := l.at(l.app).Get(l.ctx, config)
		refused(err, f.status, f.code, "")
	}
	l.faults(`{"502": "100%"}`)
	_, err := l.at(l.app).Get(l.ctx, config)
	check(err != nil, "a gateway's page is taken for a connection")
	l.faults(`{"dropAfter": "100%"}`)
	_, err = l.item("cut").Put(l.ctx, newItem(map[string]any{"title": "It arrived"}, "", everyone()), nil)
	check(err != nil, "the connection was not cut")
	l.faults(`{}`)
	_, err = l.item("cut").Get(l.ctx, nil)
	must(err)
}

func (l *life) deleted() {
	must(l.item("AUP-001").Delete(l.ctx, nil))
	_, err := l.item("AUP-001").Get(l.ctx, nil)
	refused(err, 404, "ItemNotFound", "")
	team := l.at(l.app).Groups().ByExternalGroupId("team")
	must(team.Members().ByIdentityId(l.anna.id).Delete(l.ctx, nil))
	members, err := team.Members().Get(l.ctx, nil)
	must(err)
	same("members", len(members.GetValue()), 1)
	must(l.at(l.app).Groups().ByExternalGroupId("none").Delete(l.ctx, nil))
	_, err = l.at(l.app).Groups().ByExternalGroupId("none").Get(l.ctx, nil)
	refused(err, 404, "ItemNotFound", "")
	for _, id := range []string{kb, "gopage0", "gopage1", "gopage2"} {
		c := l.app.External().Connections().ByExternalConnectionId(id)
		must(c.Delete(l.ctx, nil))
		until("the end of "+id, func() bool {
			_, err := c.Get(l.ctx, nil)
			if err == nil {
				return false
			}
			refused(err, 404, "ItemNotFound", "")
			return true
		})
	}
}
