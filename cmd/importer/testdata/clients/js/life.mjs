// The whole life of a connection, as @microsoft/microsoft-graph-client makes
// it: the package as it is published, given only a base URL and the host that
// may have the token, which is what a client does in a national cloud.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { BatchRequestContent, BatchResponseContent, Client, GraphError, PageIterator, ResponseType, RetryHandlerOptions } from "@microsoft/microsoft-graph-client";
import { end, env, step, until } from "../steps.mjs";

const graph = env("GRAPH"); // https://localhost:port
const anna = { id: env("ANNA_ID"), token: env("ANNA_TOKEN") };
const boris = { id: env("BORIS_ID"), token: env("BORIS_TOKEN") };

async function login(secret) {
  const response = await fetch(`${graph}/contoso.example/oauth2/v2.0/token`, {
    method: "POST",
    body: new URLSearchParams({ grant_type: "client_credentials", client_id: env("CLIENT_ID"), client_secret: secret, scope: "https://graph.microsoft.com/.default" }),
  });
  return [response.status, await response.json()];
}

function clientOf(token) {
  return Client.initWithMiddleware({
    baseUrl: graph + "/",
    defaultVersion: "v1.0",
    customHosts: new Set([new URL(graph).hostname]),
    authProvider: { getAccessToken: async () => token },
  });
}

const app = clientOf(await step("an application logs in", async () => {
  const [wrongStatus, wrong] = await login("wrong");
  assert.deepEqual([wrongStatus, wrong.error], [401, "invalid_client"]);
  const [status, answer] = await login(env("CLIENT_SECRET"));
  assert.equal(status, 200);
  assert.equal(answer.token_type, "Bearer");
  return answer.access_token;
}));
const asAnna = clientOf(anna.token);
const asBoris = clientOf(boris.token);

const kb = "/external/connections/jslife";
const annotation = (type) => `#microsoft.graph.externalConnectors.${type}`;
const everyone = [{ type: "everyone", value: "everyone", accessType: "grant" }];
const grant = (type, value, accessType = "grant") => ({ type, value, accessType });

/** refused asserts that the service refuses a call, and gives the error. */
async function refused(call, status, code, words) {
  let error;
  try {
    await call;
  } catch (e) {
    error = e;
  }
  assert.ok(error instanceof GraphError, `want a GraphError, got ${error?.stack ?? "a success"}`);
  assert.equal(error.statusCode, status, error.body);
  assert.equal(error.code, code, error.body);
  const body = JSON.parse(error.body);
  assert.equal(error.requestId, body.innerError["request-id"]);
  assert.match(error.requestId, /^[0-9a-f-]{36}$/);
  if (words) assert.match(body.innerError.message, words);
  return error;
}

/** operation registers a schema and follows its Location to the end. */
async function registered(connection, schema, method = "patch", headers = {}) {
  const response = await app.api(`${connection}/schema`).headers(headers).responseType(ResponseType.RAW)[method](schema);
  assert.equal(response.status, 202, await response.clone().text());
  assert.equal(await response.text(), "");
  const location = response.headers.get("Location");
  assert.ok(location.startsWith(`${graph}/v1.0${connection}/operations/`), location);
  return until(`the registration of ${connection}`, async () => {
    // The samples' middleware sends the PATCH's Content-Type again.
    const operation = await app.api(location).header("Content-Type", "application/json").get();
    assert.ok(["inprogress", "completed"].includes(operation.status), operation.status);
    assert.equal(operation.error, null);
    return operation.status === "completed" ? operation : undefined;
  });
}

await step("what is not there is not found", async () => {
  await refused(app.api(kb).get(), 404, "ItemNotFound");
  await refused(app.api(`${kb}/schema`).get(), 404, "ItemNotFound");
  await refused(app.api(`${kb}/items/1`).get(), 404, "ItemNotFound");
});

const resolver = {
  "@odata.type": annotation("itemIdResolver"), priority: 1, itemId: "{slug}",
  urlMatchInfo: { baseUrls: ["https://kb.contoso.example"], urlPattern: "/(?<slug>[^/]+)" },
};
const card = { type: "AdaptiveCard", version: "1.3", body: [{ type: "TextBlock", text: "${title}", wrap: true }], $schema: "http://adaptivecards.io/schemas/adaptive-card.json" };

await step("create a connection with a resolver and a result template", async () => {
  const made = await app.api("/external/connections").post({
    id: "jslife", name: "Wissen für alle", description: "Articles of the knowledge base.",
    activitySettings: { urlToItemResolvers: [resolver] },
    searchSettings: { searchResultTemplates: [{ id: "kb1", priority: 1, layout: card }] },
  });
  assert.equal(made.state, "draft");
  assert.equal(made.name, "Wissen für alle");
  assert.deepEqual(made.activitySettings.urlToItemResolvers, [resolver]);
  assert.deepEqual(made.searchSettings.searchResultTemplates[0].layout, card);
  await app.api(kb).patch({ description: "Changed." });
  const got = await app.api(kb).get();
  assert.deepEqual([got.description, got.name, got.activitySettings], ["Changed.", "Wissen für alle", made.activitySettings]);
});

await step("a connection that cannot be made is refused", async () => {
  await refused(app.api("/external/connections").post({ id: "jslife", name: "Other" }), 409, "Conflict");
  await refused(app.api("/external/connections").post({ id: "js-life", name: "Hyphen" }), 400, "InvalidRequest", /id: .*letters and digits/);
  await refused(app.api("/external/connections").post("{"), 400, "InvalidRequest", /not valid JSON/);
  await refused(app.api(`${kb}/items/1`).put({ acl: everyone, properties: { title: "x" } }), 409, "Conflict");
});

const flags = (...names) => Object.fromEntries(names.map((name) => [`is${name}`, true]));
const schema = {
  baseType: "microsoft.graph.externalItem",
  properties: [
    { name: "title", type: "string", ...flags("Searchable", "Queryable", "Retrievable"), labels: ["title"] },
    { name: "url", type: "string", ...flags("Retrievable"), labels: ["url"] },
    { name: "icon", type: "string", ...flags("Retrievable"), labels: ["iconUrl"] },
    { name: "tags", type: "stringCollection", ...flags("Queryable", "Retrievable", "Refinable"), aliases: ["topic"] },
    { name: "views", type: "int64", ...flags("Queryable", "Retrievable", "Refinable") },
    { name: "sizes", type: "int64Collection", ...flags("Queryable", "Retrievable") },
    { name: "price", type: "double", ...flags("Queryable", "Retrievable", "Refinable") },
    { name: "ratios", type: "doubleCollection", ...flags("Queryable", "Retrievable") },
    { name: "changed", type: "dateTime", ...flags("Queryable", "Retrievable", "Refinable"), labels: ["lastModifiedDateTime"] },
    { name: "days", type: "dateTimeCollection", ...flags("Queryable", "Retrievable") },
    { name: "public", type: "boolean", ...flags("Queryable", "Retrievable") },
    { name: "team", type: "string", ...flags("Queryable", "Retrievable", "Refinable") },
  ],
};

await step("register the schema and follow Location", async () => {
  await registered(kb, schema);
  assert.equal((await app.api(kb).get()).state, "ready");
});

await step("the schema comes back in the API's spelling", async () => {
  const label = async (prefer) => {
    const answer = await app.api(`${kb}/schema`).headers(prefer).get();
    assert.deepEqual(answer.properties.map((p) => p.type), schema.properties.map((p) => p.type));
    return answer.properties.find((p) => p.name === "icon").labels[0];
  };
  assert.equal(await label({}), "unknownFutureValue");
  assert.equal(await label({ prefer: "include-unknown-enum-members" }), "iconUrl");
});

await step("a sample's schema: POST, flags as strings, types in Pascal case", async () => {
  // The Teams samples send a ticket with a connector's id; the zx sample's shell
  // leaves its quotes in a pattern.
  const quoted = { ...resolver, urlMatchInfo: { baseUrls: ["https://policies.contoso.example"], urlPattern: "$'/(?<slug>[^/]+)'" } };
  const made = await app.api("/external/connections").header("GraphConnectors-Ticket", "ticket").post({
    id: "jspolicies", name: "Policies", description: "As the sample has it.", connectorId: "0f1d3c5e-0000-4000-8000-000000000001",
    activitySettings: { urlToItemResolvers: [quoted] },
  });
  assert.equal(made.connectorId, "0f1d3c5e-0000-4000-8000-000000000001");
  assert.equal(made.activitySettings.urlToItemResolvers[0].urlMatchInfo.urlPattern, quoted.urlMatchInfo.urlPattern);
  const older = {
    baseType: "microsoft.graph.externalItem",
    properties: [
      { name: "Title", type: "String", isSearchable: "true", isQueryable: "true", isRetrievable: "true", labels: ["Title"] },
      { name: "Tags", type: "StringCollection", isQueryable: "true", isRetrievable: "true", isRefinable: "false" },
    ],
  };
  await registered("/external/connections/jspolicies", older, "post", { "Content-Type": "application/x-www-form-urlencoded", Prefer: "respond-async" });
  const got = (await app.api("/external/connections/jspolicies/schema").get()).properties;
  assert.deepEqual(got.map((p) => [p.type, p.isSearchable, p.isRefinable, p.labels]), [["string", true, false, ["title"]], ["stringCollection", false, false, []]]);
  const found = await app.api("/external/connections/jspolicies").get();
  assert.ok(found.searchSettings == null, "the sample sets a layout when there is none");
  await app.api("/external/connections/jspolicies").patch({ searchSettings: { searchResultTemplates: [{ id: "p", priority: 1, layout: card }] } });
});

const everything = {
  title: "Die Übersicht für Zürich",
  "title@odata.type": "String",
  url: "https://kb.contoso.example/overview",
  icon: "https://kb.contoso.example/icon.png",
  "tags@odata.type": "Collection(String)",
  tags: ["Büro", "печать", "印刷"],
  views: 42,
  "sizes@odata.type": "Collection(Int64)",
  sizes: [1, 2, 3],
  price: 10000000000,
  "ratios@odata.type": "Collection(Double)",
  ratios: [0.5, 2, -1.25e-3],
  changed: "2026-03-01T08:30:00.000Z",
  "days@odata.type": "Collection(DateTimeOffset)",
  days: ["2026-01-01T00:00:00Z", "2026-02-01T12:00:00+01:00"],
  public: true,
  team: "Küche",
};

await step("an item with every type of property", async () => {
  const sent = { id: "overview", acl: everyone, properties: everything, content: { type: "html", value: "<p>Der Drucker im <b>Büro</b></p>" } };
  for (const answer of [await app.api(`${kb}/items/overview`).put(sent), await app.api(`${kb}/items/overview`).get()]) {
    assert.equal(answer.id, "overview");
    assert.deepEqual(answer.acl, everyone);
    assert.deepEqual(answer.content, sent.content);
    for (const [name, value] of Object.entries(everything)) {
      const same = name === "changed" || name === "days" ? [value].flat().map((d) => Date.parse(d)) : value;
      const got = name === "changed" || name === "days" ? [answer.properties[name]].flat().map((d) => Date.parse(d)) : answer.properties[name];
      if (!name.startsWith("title@")) assert.deepEqual(got, same, name);
    }
  }
});

await step("an int64 above 2^53 keeps its digits", async () => {
  const text = `{"acl":${JSON.stringify(everyone)},"properties":{"title":"Large","views":9007199254740993,"sizes@odata.type":"Collection(Int64)","sizes":[-9223372036854775808,9223372036854775807]}}`;
  await app.api(`${kb}/items/large`).put(text); // a JavaScript number has not so many digits
  const back = await app.api(`${kb}/items/large`).responseType(ResponseType.TEXT).get();
  for (const digits of ["9007199254740993", "-9223372036854775808", "9223372036854775807"]) assert.ok(back.includes(digits), back);
});

await step("odd ids, as this client sends them: raw", async () => {
  for (const id of ["AUP-001", "auth__name", "0", "a".repeat(128), "-_-"]) {
    const put = await app.api(`${kb}/items/${id}`).put({ acl: everyone, properties: { title: id } });
    assert.equal(put.id, id);
    assert.equal((await app.api(`${kb}/items/${id}`).get()).properties.title, id);
  }
  for (const id of ["a".repeat(129), "a,b", "a@b", "a=b", "a b", "ü", "a%2Fb"]) {
    await refused(app.api(`${kb}/items/${id}`).put({ acl: everyone, properties: { title: "x" } }), 400, "InvalidRequest", /id/);
  }
});

await step("PATCH and PUT replace what is sent and keep the rest", async () => {
  const path = `${kb}/items/AUP-001`;
  await app.api(path).put({ acl: [grant("user", anna.id)], properties: { title: "Use of computers", views: 7 }, content: { type: "text", value: "Rules." } });
  await app.api(path).patch({ properties: { title: "Acceptable use" } });
  let got = await app.api(path).get();
  assert.deepEqual(got.properties.title, "Acceptable use");
  assert.equal(got.properties.views, undefined);
  assert.deepEqual([got.acl, got.content.value], [[grant("user", anna.id)], "Rules."]);
  await app.api(path).put({ acl: everyone });
  got = await app.api(path).get();
  assert.deepEqual([got.acl, got.properties.title, got.content.value], [everyone, "Acceptable use", "Rules."]);
});

await step("ten at once, with an empty string, and one of 3 MB", async () => {
  await Promise.all(Array.from({ length: 10 }, (_, i) => app.api(`${kb}/items/page-${i}`).put({ acl: everyone, properties: { title: `Page ${i}`, team: "" } })));
  await app.api(`${kb}/items/large`).patch({ content: { type: "text", value: "word ".repeat(600_000) } });
  assert.equal((await app.api(`${kb}/items/large`).get()).content.value.length, 3_000_000);
});

await step("an item that breaks a rule is refused, and the rule named", async () => {
  const put = (body) => app.api(`${kb}/items/bad`).put(body);
  await refused(put({ properties: { title: "x" } }), 400, "InvalidRequest", /acl/);
  await refused(put({ acl: everyone }), 400, "InvalidRequest", /properties/);
  await refused(put({ acl: everyone, properties: { colour: "red" } }), 400, "InvalidRequest", /colour/);
  await refused(put({ acl: everyone, properties: { views: "many" } }), 400, "InvalidRequest", /views/);
  await refused(put({ acl: everyone, properties: { tags: ["a"] } }), 400, "InvalidRequest", /tags.*Collection\(String\)/);
  await refused(put({ acl: everyone, properties: { title: "x" }, content: "a bare string" }), 400, "InvalidRequest", /content/);
  await refused(put({ acl: everyone, properties: { title: "x" }, activities: [{ type: "viewed", startDateTime: "2026-05-01T08:00:00Z", performedBy: { type: "user", id: anna.id } }] }), 400, "InvalidRequest", /@odata\.type/);
  const large = await app.api(`${kb}/items/bad`).responseType(ResponseType.RAW).put({ acl: everyone, properties: { title: "x" }, content: { type: "text", value: "x".repeat(4_000_000) } });
  assert.equal(large.status, 413);
  await refused(app.api(`${kb}/items/bad`).get(), 404, "ItemNotFound");
  await refused(app.api(`${kb}/items`).post({ id: "bad" }), 404, "ItemNotFound");
});

await step("activities, by the action and with the item", async () => {
  const view = (start) => ({ "@odata.type": annotation("externalActivity"), type: "viewed", startDateTime: start, performedBy: { type: "user", id: anna.id } });
  const answer = await app.api(`${kb}/items/overview/addActivities`).post({ activities: [view("2026-05-01T08:00:00Z"), { ...view("2026-05-02T08:00:00.000Z"), type: "commented" }] });
  assert.deepEqual(answer.value.map((r) => [r.type, r.error]), [["viewed", null], ["commented", null]]);
  const qualified = `${kb}/items/overview/microsoft.graph.externalConnectors.addActivities`;
  const mixed = await app.api(qualified).responseType(ResponseType.RAW).post({ activities: [view("2026-05-01T08:00:00Z"), view("yesterday")] });
  assert.equal(mixed.status, 207);
  const results = (await mixed.json()).value;
  assert.equal(results[0].error, null);
  assert.match(results[1].error.message, /yesterday/);
  await refused(app.api(qualified).post({ activities: Array(21).fill(view("2026-05-01T08:00:00Z")) }), 400, "InvalidRequest", /20/);
  await refused(app.api(`${kb}/items/none/addActivities`).post({ activities: [view("2026-05-01T08:00:00Z")] }), 404, "ItemNotFound");
  await app.api(`${kb}/items/page-0`).put({ acl: everyone, properties: { title: "Page 0" }, activities: [view("2026-05-01T08:00:00Z")] });
});

await step("external groups with nested members, and a circle", async () => {
  for (const id of ["team", "staff", "none"]) {
    const made = await app.api(`${kb}/groups`).post({ id, displayName: `Gruppe ${id}`, description: "d" });
    assert.equal(made.id, id);
  }
  await refused(app.api(`${kb}/groups`).post({ id: "team" }), 409, "Conflict");
  const member = (group, type, id) => app.api(`${kb}/groups/${group}/members`).post({ id, type });
  assert.deepEqual((({ id, type }) => ({ id, type }))(await member("team", "user", anna.id)), { id: anna.id, type: "user" });
  await member("staff", "externalGroup", "team");
  await member("team", "externalGroup", "staff");
  await refused(member("team", "user", anna.id), 409, "Conflict");
  await app.api(`${kb}/groups/team`).patch({ displayName: "Das Team" });
  assert.equal((await app.api(`${kb}/groups/team`).get()).displayName, "Das Team");
  assert.deepEqual((await app.api(`${kb}/groups/team/members`).get()).value.map((m) => m.id).sort(), [anna.id, "staff"].sort());
  await refused(app.api(`${kb}/groups/other`).get(), 404, "ItemNotFound");
});

await step("a batch of 20 with dependencies", async () => {
  const item = (i) => ({
    id: String(i),
    dependsOn: i === 1 ? undefined : ["1"],
    request: new Request(`${graph}${kb}/items/batch-${i}`, { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ acl: everyone, properties: { title: `Batch ${i}`, views: i } }) }),
  });
  const content = new BatchRequestContent(Array.from({ length: 20 }, (_, i) => item(i + 1)));
  const answer = new BatchResponseContent(await app.api("/$batch").post(await content.getContent()));
  assert.equal(answer.getResponses().size, 20);
  for (const [id, response] of answer.getResponses()) {
    assert.equal(response.status, 200);
    assert.equal((await response.json()).properties.views, Number(id));
  }
  // A failed one takes with it those that depend on it. A full URL leaves the
  // version in the address of a part.
  const failing = new BatchRequestContent([
    { id: "a", request: new Request(`${graph}/v1.0${kb}/items/missing`, { method: "GET" }) },
    { id: "b", dependsOn: ["a"], request: new Request(`${graph}/v1.0${kb}/items/batch-1`, { method: "DELETE" }) },
  ]);
  const failed = new BatchResponseContent(await app.api("/$batch").post(await failing.getContent()));
  assert.deepEqual([failed.getResponseById("a").status, failed.getResponseById("b").status], [404, 424]);
  assert.equal((await failed.getResponseById("a").json()).error.code, "ItemNotFound");
  const deleting = new BatchRequestContent([{ id: "d", request: new Request(`${graph}${kb}/items/batch-20`, { method: "DELETE" }) }]);
  assert.equal(new BatchResponseContent(await app.api("/$batch").post(await deleting.getContent())).getResponseById("d").status, 204);
  const parts = Array.from({ length: 21 }, (_, i) => ({ id: `${i}`, method: "GET", url: kb }));
  await refused(app.api("/$batch").post({ requests: parts }), 400, "InvalidRequest", /20/);
});

await step("lists by pages, and one by its name", async () => {
  for (const i of [1, 2, 3]) await app.api("/external/connections").post({ id: `jspage${i}`, name: `It's page ${i} & more`, description: "d" });
  const seen = [];
  const first = await app.api("/external/connections").top(2).select(["id", "name"]).get();
  assert.equal(first.value.length, 2);
  assert.ok(first["@odata.nextLink"].startsWith(`${graph}/v1.0/external/connections?`), first["@odata.nextLink"]);
  await new PageIterator(app, first, (connection) => {
    assert.deepEqual(Object.keys(connection).sort(), ["id", "name"]);
    seen.push(connection.id);
    return true;
  }).iterate();
  assert.deepEqual(seen.sort(), ["jslife", "jspage1", "jspage2", "jspage3", "jspolicies"]);
  const named = await app.api("/external/connections").filter(encodeURIComponent("name eq 'It''s page 2 & more'")).get();
  assert.deepEqual(named.value.map((c) => c.id), ["jspage2"]);
  await refused(app.api("/external/connections").filter("colour eq 'x'").get(), 400, "InvalidRequest", /filter/);
});

const find = async (who, queryString, more = {}) => {
  const answer = await who.api("/search/query").post({ requests: [{ entityTypes: ["externalItem"], contentSources: [kb], query: { queryString }, ...more }] });
  return answer.value[0];
};
const idsOf = (result) => (result.hitsContainers[0].hits ?? []).map((hit) => hit.resource.properties.substrateContentDomainId.split(",")[1]);

await step("items that only some may see", async () => {
  const put = (id, acl, views, tags) => app.api(`${kb}/items/${id}`).put({
    acl, content: { type: "text", value: "A lantern on the desk." },
    properties: { title: `Lantern ${id}`, views, "tags@odata.type": "Collection(String)", tags, team: id, changed: `2026-05-0${views}T00:00:00Z` },
  });
  await put("all", everyone, 1, ["red", "blue"]);
  await put("nested", [grant("externalGroup", "staff")], 2, ["red"]);
  await put("denied", [...everyone, grant("user", anna.id, "deny")], 3, ["green"]);
  await put("boris", [grant("user", boris.id)], 4, ["blue"]);
  await put("nobody", [grant("externalGroup", "none")], 5, ["red"]);
});

await step("search as people, each of whom sees what the ACLs let through", async () => {
  await until("an item's becoming searchable", async () => (idsOf(await find(asBoris, "lantern")).length === 3 ? true : undefined));
  assert.deepEqual(idsOf(await find(asAnna, "lantern")).sort(), ["all", "nested"]);
  assert.deepEqual(idsOf(await find(asBoris, "lantern")).sort(), ["all", "boris", "denied"]);
  const hit = (await find(asAnna, "Zürich")).hitsContainers[0].hits[0];
  assert.equal(hit.resource["@odata.type"], annotation("externalItem"));
  assert.equal(hit.rank, 1);
  assert.equal(hit.resource.properties.title, everything.title);
  assert.match((await find(asAnna, "Drucker")).hitsContainers[0].hits[0].summary, /<c0>Drucker<\/c0>/);
});

await step("search with fields, sorting, pages, aggregations and their filter", async () => {
  const narrow = (await find(asBoris, "lantern", { fields: ["title", "views"] })).hitsContainers[0].hits[0].resource.properties;
  assert.ok(narrow.title && narrow.views && narrow.team === undefined, JSON.stringify(narrow));
  const sortProperties = [{ name: "views", isDescending: true }];
  assert.deepEqual(idsOf(await find(asBoris, "lantern", { sortProperties })), ["boris", "denied", "all"]);
  const page = await find(asBoris, "lantern", { sortProperties, from: 0, size: 2 });
  assert.deepEqual([idsOf(page), page.hitsContainers[0].total, page.hitsContainers[0].moreResultsAvailable], [["boris", "denied"], 3, true]);
  const rest = await find(asBoris, "lantern", { sortProperties, from: 2, size: 2 });
  assert.deepEqual([idsOf(rest), rest.hitsContainers[0].moreResultsAvailable], [["all"], false]);

  const tags = { field: "tags", size: 10, bucketDefinition: { sortBy: "count", isDescending: true, minimumCount: 0 } };
  const ranges = { field: "views", bucketDefinition: { sortBy: "keyAsNumber", ranges: [{ to: "2" }, { from: "2" }] } };
  const found = await find(asBoris, "lantern", { aggregations: [tags, ranges] });
  const buckets = Object.fromEntries(found.hitsContainers[0].aggregations.map((a) => [a.field, a.buckets]));
  assert.deepEqual(Object.fromEntries(buckets.tags.map((b) => [b.key, b.count])), { blue: 2, red: 1, green: 1 });
  assert.equal(buckets.views.reduce((sum, b) => sum + b.count, 0), 3);
  const { aggregationFilterToken } = buckets.tags.find((b) => b.key === "blue");
  assert.deepEqual(idsOf(await find(asBoris, "lantern", { aggregationFilters: [`tags:${aggregationFilterToken}`] })).sort(), ["all", "boris"]);
  await refused(find(asBoris, "lantern", { aggregations: [{ ...tags, field: "title" }] }), 400, "InvalidRequest", /title/);
});

await step("search in KQL, and the result template", async () => {
  assert.deepEqual(idsOf(await find(asBoris, "lantern views>=3 NOT team:boris")), ["denied"]);
  assert.deepEqual(idsOf(await find(asBoris, "topic:green OR topic:missing")), ["denied"]);
  assert.deepEqual(idsOf(await find(asBoris, "lant* changed>=2026-05-04")), ["boris"]);
  const templated = await find(asAnna, "Zürich", { resultTemplateOptions: { enableResultTemplate: true } });
  assert.equal(templated.hitsContainers[0].hits[0].resultTemplateId, "kb1");
  assert.deepEqual(templated.resultTemplates.kb1.body, card);
});

await step("an application does not search, a person does not write", async () => {
  await refused(find(app, "lantern"), 403, "Forbidden");
  await refused(asAnna.api(`${kb}/items/all`).delete(), 403, "Forbidden");
  await refused(clientOf("not a token").api(kb).get(), 401, "InvalidAuthenticationToken");
});

const faults = (list) => app.api(`${graph}/_control/faults`).version("_control").put({ faults: list });

await step("throttled and unavailable: the client tries again, and nothing is lost", async () => {
  const patient = [new RetryHandlerOptions(0.01, 10)];
  for (const [form, share, count] of [["decimal", "40%", 25], ["integer", "100%", 1], ["date", "100%", 1], ["none", "100%", 1]]) {
    await faults({ 429: share, 503: share === "100%" ? "0%" : "10%", retryAfter: form, after: form === "decimal" ? "5ms" : "1s", seed: 3 });
    const lift = share === "100%" ? setTimeout(() => faults({}), 200) : undefined;
    await Promise.all(Array.from({ length: count }, (_, i) => app.api(`${kb}/items/${form}-${i}`).middlewareOptions(patient).put({ acl: everyone, properties: { title: `Item ${i}`, views: i } })));
    clearTimeout(lift);
    const { counts } = await app.api(`${graph}/_control/faults`).version("_control").get();
    if (share !== "100%") assert.ok(counts[429] > 0 && counts[503] > 0, JSON.stringify(counts));
    await faults({});
    for (let i = 0; i < count; i++) assert.equal((await app.api(`${kb}/items/${form}-${i}`).get()).properties.views, i);
  }
});

await step("a service that stays away ends in an error that says so", async () => {
  const once = [new RetryHandlerOptions(0, 1)];
  for (const [status, code] of [[429, "TooManyRequests"], [503, "serviceNotAvailable"], [504, "GatewayTimeout"], [500, "InternalServerError"]]) {
    await faults({ [status]: "100%", retryAfter: "decimal", after: "1ms" });
    await refused(app.api(kb).middlewareOptions(once).get(), status, code);
  }
  await faults({ 502: "100%" });
  const page = await app.api(kb).responseType(ResponseType.RAW).get();
  assert.deepEqual([page.status, page.headers.get("Content-Type")], [502, "text/html"]);
  await faults({ dropAfter: "100%" });
  await assert.rejects(app.api(`${kb}/items/cut`).put({ acl: everyone, properties: { title: "It arrived" } }));
  await faults({});
  assert.equal((await app.api(`${kb}/items/cut`).get()).properties.title, "It arrived");
});

await step("deleted is gone: items, members, groups", async () => {
  assert.equal(await app.api(`${kb}/items/boris`).delete(), undefined);
  await refused(app.api(`${kb}/items/boris`).get(), 404, "ItemNotFound");
  await app.api(`${kb}/groups/team/members/${anna.id}`).delete();
  await until("the group's change", async () => (idsOf(await find(asAnna, "lantern")).length === 1 ? true : undefined));
  await app.api(`${kb}/groups/none`).delete();
  await refused(app.api(`${kb}/groups/none`).get(), 404, "ItemNotFound");
});

await step("a deleted connection goes in the background, and its id is free again", async () => {
  for (const id of ["jslife", "jspolicies", "jspage1", "jspage2", "jspage3"]) {
    const path = `/external/connections/${id}`;
    const answer = await app.api(path).responseType(ResponseType.RAW).delete();
    assert.equal(answer.status, 202);
    await until(`the end of ${id}`, () => app.api(path).get().then(() => undefined, (error) => error.statusCode === 404 || undefined));
  }
  assert.equal((await app.api("/external/connections").post({ id: "jslife", name: "Wissen für alle", description: "d" })).state, "draft");
  await app.api(kb).delete();
});

end("@microsoft/microsoft-graph-client", createRequire(import.meta.url)("@microsoft/microsoft-graph-client/package.json").version);
