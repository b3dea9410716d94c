package main

import (
	"slices"
	"strings"

	msgraph "github.com/microsoftgraph/msgraph-sdk-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/externalconnectors"
	"github.com/microsoftgraph/msgraph-sdk-go/search"
)

// find searches and gives the one container of hits; more changes the request.
func (l *life) find(who *msgraph.GraphServiceClient, query string, more ...func(*models.SearchRequest)) (models.SearchHitsContainerable, error) {
	q := models.NewSearchQuery()
	q.SetQueryString(&query)
	r := models.NewSearchRequest()
	r.SetEntityTypes([]models.EntityType{models.EXTERNALITEM_ENTITYTYPE})
	r.SetContentSources([]string{"/external/connections/" + kb})
	r.SetQuery(q)
	for _, change := range more {
		change(r)
	}
	body := search.NewQueryPostRequestBody()
	body.SetRequests([]models.SearchRequestable{r})
	answer, err := who.Search().Query().PostAsQueryPostResponse(l.ctx, body, nil)
	if err != nil {
		return nil, err
	}
	same("responses", len(answer.GetValue()), 1)
	return answer.GetValue()[0].GetHitsContainers()[0], nil
}

// propertiesOf reads a hit's properties: this SDK has no type for them.
func propertiesOf(hit models.SearchHitable) map[string]any {
	m, ok := hit.GetResource().GetAdditionalData()["properties"].(map[string]any)
	check(ok, "the hit has no properties: %v", hit.GetResource().GetAdditionalData())
	return m
}

func idsOf(c models.SearchHitsContainerable) []string {
	ids := []string{}
	for _, hit := range c.GetHits() {
		source, _ := propertiesOf(hit)["substrateContentDomainId"].(*string)
		_, id, ok := strings.Cut(value(source), ",")
		check(ok, "substrateContentDomainId %q", value(source))
		ids = append(ids, id)
	}
	return ids
}

func (l *life) found(who *msgraph.GraphServiceClient, query string, more ...func(*models.SearchRequest)) []string {
	c, err := l.find(who, query, more...)
	must(err)
	ids := idsOf(c)
	slices.Sort(ids)
	return ids
}

func (l *life) trimmed() {
	put := func(id string, views int64, tags []string, acl ...externalconnectors.Aclable) {
		l.put(id, newItem(map[string]any{"title": "Lantern " + id, "views": views, "tags": tags, "tags@odata.type": "Collection(String)"}, "A lantern on the desk.", acl...))
	}
	put("all", 1, []string{"red", "blue"}, everyone())
	put("nested", 2, []string{"red"}, entry(externalconnectors.EXTERNALGROUP_ACLTYPE, "staff", grant))
	put("denied", 3, []string{"green"}, everyone(), entry(externalconnectors.USER_ACLTYPE, l.anna.id, deny))
	put("boris", 4, []string{"blue"}, entry(externalconnectors.USER_ACLTYPE, l.boris.id, grant))
	put("nobody", 5, []string{"red"}, entry(externalconnectors.EXTERNALGROUP_ACLTYPE, "none", grant))
	until("an item's becoming searchable", func() bool { return len(l.found(l.boris.client, "lantern")) == 3 })
	same("Anna's", l.found(l.anna.client, "lantern"), []string{"all", "nested"})
	same("Boris's", l.found(l.boris.client, "lantern"), []string{"all", "boris", "denied"})
	c, err := l.find(l.anna.client, "Übersicht")
	must(err)
	hit := c.GetHits()[0]
	same("rank", value(hit.GetRank()), int32(1))
	same("type", value(hit.GetResource().GetOdataType()), "#microsoft.graph.externalConnectors.externalItem")
	same("title", value(propertiesOf(hit)["title"].(*string)), "Die Übersicht")
	c, err = l.find(l.anna.client, "desk")
	must(err)
	check(strings.Contains(value(c.GetHits()[0].GetSummary()), "<c0>desk</c0>"), "summary %q", value(c.GetHits()[0].GetSummary()))
}

func (l *life) refined() {
	byViews := models.NewSortProperty()
	byViews.SetName(new("views"))
	byViews.SetIsDescending(new(true))
	page := func(from, size int32) func(*models.SearchRequest) {
		return func(r *models.SearchRequest) {
			r.SetSortProperties([]models.SortPropertyable{byViews})
			r.SetFields([]string{"title", "views"})
			r.SetFrom(&from)
			r.SetSize(&size)
		}
	}
	first, err := l.find(l.boris.client, "lantern", page(0, 2))
	must(err)
	same("first page", idsOf(first), []string{"boris", "denied"})
	same("total", value(first.GetTotal()), int32(3))
	same("more", value(first.GetMoreResultsAvailable()), true)
	properties := propertiesOf(first.GetHits()[0])
	check(properties["title"] != nil && properties["views"] != nil && properties["tags"] == nil, "fields: %v", properties)
	second, err := l.find(l.boris.client, "lantern", page(2, 2))
	must(err)
	same("second page", idsOf(second), []string{"all"})
	same("more", value(second.GetMoreResultsAvailable()), false)

	count := models.COUNT_BUCKETAGGREGATIONSORTPROPERTY
	buckets := models.NewBucketAggregationDefinition()
	buckets.SetSortBy(&count)
	buckets.SetIsDescending(new(true))
	buckets.SetMinimumCount(new(int32(0)))
	byTag := models.NewAggregationOption()
	byTag.SetField(new("tags"))
	byTag.SetSize(new(int32(10)))
	byTag.SetBucketDefinition(buckets)
	c, err := l.find(l.boris.client, "lantern", func(r *models.SearchRequest) { r.SetAggregations([]models.AggregationOptionable{byTag}) })
	must(err)
	counts, token := map[string]int32{}, ""
	for _, b := range c.GetAggregations()[0].GetBuckets() {
		counts[value(b.GetKey())] = value(b.GetCount())
		if value(b.GetKey()) == "blue" {
			token = value(b.GetAggregationFilterToken())
		}
	}
	same("buckets", counts, map[string]int32{"blue": 2, "red": 1, "green": 1})
	same("filtered", l.found(l.boris.client, "lantern", func(r *models.SearchRequest) { r.SetAggregationFilters([]string{"tags:" + token}) }), []string{"all", "boris"})
	same("KQL", l.found(l.boris.client, "lant* views>=3 NOT tags:blue"), []string{"denied"})
	byTag.SetField(new("title"))
	_, err = l.find(l.boris.client, "lantern", func(r *models.SearchRequest) { r.SetAggregations([]models.AggregationOptionable{byTag}) })
	refused(err, 400, "InvalidRequest", "title")
}

func (l *life) permissions() {
	_, err := l.find(l.app, "lantern")
	refused(err, 403, "Forbidden", "")
	err = l.at(l.anna.client).Items().ByExternalItemId("all").Delete(l.ctx, nil)
	refused(err, 403, "Forbidden", "")
}
