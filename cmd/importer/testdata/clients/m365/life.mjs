// The life of a connection, as the CLI for Microsoft 365 makes it: its
// commands, run one after the other as a person or a script would, against
// the hosts that are written into them. hosts.cjs leads these to the local
// Graph; the CLI itself is as it was published.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { end, env, step, until } from "../steps.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const found = createRequire(import.meta.url).resolve("@pnp/cli-microsoft365/package.json");
const cli = join(found, "..", "dist", "index.js");
const anna = env("ANNA_ID");
const homes = [];
process.on("exit", () => homes.forEach((home) => rmSync(home, { recursive: true, force: true })));

/** home makes a person's home folder, in which the CLI keeps its login. */
function home(more = {}) {
  const dir = mkdtempSync(join(tmpdir(), "m365-"));
  homes.push(dir);
  return {
    ...process.env, HOME: dir, USERPROFILE: dir, XDG_CONFIG_HOME: join(dir, "config"), NO_UPDATE_NOTIFIER: "1", CI: "true",
    NODE_OPTIONS: `--require ${JSON.stringify(join(here, "hosts.cjs"))}`, ...more,
  };
}

/** run runs a command and gives its exit code and output. */
function run(who, ...args) {
  return new Promise((resolve) => {
    execFile(process.execPath, [cli, ...args], { env: who, timeout: 180_000, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      resolve({ code: error ? error.code ?? -1 : 0, stdout, stderr, args });
    });
  });
}

/** m365 runs a command that must succeed, and gives what it prints, read. */
async function m365(who, ...args) {
  const { code, stdout, stderr } = await run(who, ...args, "--output", "json");
  assert.equal(code, 0, `m365 ${args.join(" ")}: exit ${code}\n${stdout}${stderr}`);
  return stdout.trim() ? JSON.parse(stdout) : undefined;
}

/** refused runs a command that must fail, with words in its message. */
async function refused(words, who, ...args) {
  const { code, stdout, stderr } = await run(who, ...args, "--output", "json");
  assert.equal(code, 1, `m365 ${args.join(" ")}: exit ${code}, want 1\n${stdout}${stderr}`);
  assert.match(stdout + stderr, words);
}

const app = home();
const kb = "m365life";
const request = (method, path, body, who = app) => m365(who, "request", "--url", `@graph/${path}`, "--method", method, ...(body === undefined ? [] : ["--body", JSON.stringify(body), "--content-type", "application/json"]));

await step("log in with a secret", async () => {
  await m365(app, "cli", "config", "set", "--key", "disableTelemetry", "--value", "true");
  const login = (secret) => ["login", "--authType", "secret", "--appId", env("CLIENT_ID"), "--tenant", "contoso.example", "--secret", secret];
  await refused(/Invalid client secret/, app, ...login("wrong"));
  await m365(app, ...login(env("CLIENT_SECRET")));
  const status = await m365(app, "status");
  assert.equal(status.connectedAs, "clients");
});

await step("add connections", async () => {
  await m365(app, "external", "connection", "add", "--id", kb, "--name", "Wissen für alle", "--description", "Articles of the knowledge base.");
  await m365(app, "external", "connection", "add", "--id", "m365other", "--name", "It's & another", "--description", "d", "--authorizedAppIds", env("CLIENT_ID"));
  await refused(/already exists/, app, "external", "connection", "add", "--id", kb, "--name", "Other", "--description", "d");
});

await step("list connections, get one by id and by name", async () => {
  assert.deepEqual((await m365(app, "external", "connection", "list")).map((c) => c.id).sort(), [kb, "m365other"]);
  const byID = await m365(app, "external", "connection", "get", "--id", kb);
  assert.deepEqual([byID.name, byID.state], ["Wissen für alle", "draft"]);
  const byName = await m365(app, "external", "connection", "get", "--name", "It's & another");
  assert.deepEqual([byName.id, byName.configuration.authorizedAppIds], ["m365other", [env("CLIENT_ID")]]);
  await refused(/not found/, app, "external", "connection", "get", "--id", "missing");
});

await step("add a resolver and a result template", async () => {
  await m365(app, "external", "connection", "urltoitemresolver", "add", "--externalConnectionId", kb, "--baseUrls", "https://kb.contoso.example", "--urlPattern", "/(?<slug>[^/]+)", "--itemId", "{slug}", "--priority", "1");
  await request("patch", `external/connections/${kb}`, { searchSettings: { searchResultTemplates: [{ id: "kb1", priority: 1, layout: { type: "AdaptiveCard", version: "1.3" } }] } });
  const got = await m365(app, "external", "connection", "get", "--id", kb);
  assert.equal(got.activitySettings.urlToItemResolvers[0].itemId, "{slug}");
  assert.equal(got.searchSettings.searchResultTemplates[0].id, "kb1");
});

const flags = (...names) => Object.fromEntries(names.map((name) => [`is${name}`, true]));
const schema = {
  baseType: "microsoft.graph.externalItem",
  properties: [
    { name: "title", type: "String", ...flags("Searchable", "Queryable", "Retrievable"), labels: ["title"] },
    { name: "url", type: "String", ...flags("Retrievable"), labels: ["url"] },
    { name: "icon", type: "String", ...flags("Retrievable"), labels: ["iconUrl"] },
    { name: "tags", type: "StringCollection", ...flags("Queryable", "Retrievable", "Refinable") },
    { name: "views", type: "Int64", ...flags("Queryable", "Retrievable", "Refinable") },
    { name: "price", type: "Double", ...flags("Queryable", "Retrievable") },
    { name: "changed", type: "DateTime", ...flags("Queryable", "Retrievable", "Refinable"), labels: ["lastModifiedDateTime"] },
    { name: "public", type: "Boolean", ...flags("Queryable", "Retrievable") },
  ],
};

await step("register the schema and wait for it, which takes the CLI a minute", async () => {
  const text = JSON.stringify(schema, undefined, 2); // its line breaks are sent as they are, as a form
  const location = await m365(app, "external", "connection", "schema", "add", "--externalConnectionId", kb, "--schema", text, "--wait");
  assert.match(location, new RegExp(`^https://graph\\.microsoft\\.com/v1\\.0/external/connections/${kb}/operations/`));
  assert.equal((await request("get", location.replace(/^.*\/v1\.0\//, ""))).status, "completed");
  assert.equal((await m365(app, "external", "connection", "get", "--id", kb)).state, "ready");
});

const item = (id, ...more) => ["external", "item", "add", "--externalConnectionId", kb, "--id", id, "--acls", "grant,everyone,everyone", ...more];

await step("add items, with a collection and non-ASCII", async () => {
  const added = await m365(app, ...item("overview", "--content", "<p>Der Drucker im <b>Büro</b></p>", "--contentType", "html",
    "--title", "Die Übersicht", "--url", "https://kb.contoso.example/overview", "--tags@odata.type", "Collection(String)", "--tags", "Büro;#印刷",
    "--changed", "2026-03-01T08:30:00.000Z"));
  assert.deepEqual([added.id, added.properties.title, added.properties.tags], ["overview", "Die Übersicht", ["Büro", "印刷"]]);
  const csv = await run(app, ...item("AUP-001", "--content", "Rules.", "--title", "Use of computers", "--tags@odata.type", "Collection(String)", "--tags", "a;#b"), "--output", "csv");
  assert.equal(csv.code, 0, csv.stderr);
  assert.match(csv.stdout, /a, b/);
  // Of a refusal the CLI prints the general message only, and request the status.
  await refused(/malformed or incorrect/, app, ...item("bad", "--content", "x", "--colour", "red"));
  await refused(/status code 400/, app, "request", "--url", `@graph/external/connections/${kb}/items/bad`, "--method", "put", "--content-type", "application/json",
    "--body", JSON.stringify({ acl: [{ type: "everyone", value: "everyone", accessType: "grant" }], properties: { title: "x", tags: ["a"] } }));
});

await step("get an item, and replace it in part", async () => {
  const path = `external/connections/${kb}/items/AUP-001`;
  await m365(app, "request", "--url", `@graph/${path}`, "--method", "patch", "--content-type", "application/json", "--body", '{"properties":{"title":"Acceptable use","views":9,"price":10000000000,"public":true}}');
  const got = await request("get", path);
  assert.deepEqual([got.properties.title, got.properties.price, got.properties.public, got.properties.tags, got.content.value], ["Acceptable use", 1e10, true, undefined, "Rules."]);
});

await step("activities", async () => {
  const view = { "@odata.type": "#microsoft.graph.externalConnectors.externalActivity", type: "viewed", startDateTime: "2026-05-01T08:00:00Z", performedBy: { type: "user", id: anna } };
  const answer = await request("post", `external/connections/${kb}/items/overview/addActivities`, { activities: [view] });
  assert.deepEqual(answer.value.map((r) => [r.type, r.error]), [["viewed", null]]);
});

await step("external groups with nested members", async () => {
  for (const id of ["team", "staff"]) assert.equal((await request("post", `external/connections/${kb}/groups`, { id, displayName: `Gruppe ${id}` })).id, id);
  await request("post", `external/connections/${kb}/groups/team/members`, { id: anna, type: "user" });
  await request("post", `external/connections/${kb}/groups/staff/members`, { id: "team", type: "externalGroup" });
  assert.equal((await request("get", `external/connections/${kb}/groups/staff`)).displayName, "Gruppe staff");
  await m365(app, "external", "item", "add", "--externalConnectionId", kb, "--id", "nested", "--acls", "grant,externalGroup,staff", "--content", "A lantern.", "--title", "Lantern nested");
  await m365(app, "external", "item", "add", "--externalConnectionId", kb, "--id", "denied", "--acls", `grant,everyone,everyone;deny,user,${anna}`, "--content", "A lantern.", "--title", "Lantern denied");
});

await step("a batch of 20 with a dependency", async () => {
  const part = (i) => ({
    id: `p${i}`, method: "PUT", url: `/external/connections/${kb}/items/batch-${i}`, headers: { "Content-Type": "application/json" }, ...(i ? { dependsOn: ["p0"] } : {}),
    body: { acl: [{ type: "everyone", value: "everyone", accessType: "grant" }], properties: { title: `Batch ${i}`, views: i }, content: { type: "text", value: `Page ${i}.` } },
  });
  const { responses } = await request("post", "$batch", { requests: Array.from({ length: 20 }, (_, i) => part(i)) });
  assert.deepEqual(responses.map((r) => r.status), Array(20).fill(200));
  await refused(/status code 400/, app, "request", "--url", "@graph/$batch", "--method", "post", "--content-type", "application/json", "--body", JSON.stringify({ requests: Array.from({ length: 21 }, (_, i) => part(i)) }));
});

// The doctor and a search need a signed-in user. A managed identity gives the
// CLI such a token without a browser: the one that serve was started with.
const identity = createServer((_, response) => {
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ access_token: env("SERVE_TOKEN"), expires_on: String(Math.floor(Date.now() / 1000) + 3600), token_type: "Bearer" }));
});
await new Promise((listening) => identity.listen(0, "localhost", listening));
const user = home({ IDENTITY_ENDPOINT: `http://localhost:${identity.address().port}/token`, IDENTITY_HEADER: "x" });

await step("search as a user", async () => {
  await m365(user, "cli", "config", "set", "--key", "disableTelemetry", "--value", "true");
  await m365(user, "login", "--authType", "identity");
  const find = async (queryString) => {
    const body = { requests: [{ entityTypes: ["externalItem"], contentSources: [`/external/connections/${kb}`], query: { queryString }, from: 0, size: 25, aggregations: [{ field: "tags", size: 5, bucketDefinition: { sortBy: "count", isDescending: true, minimumCount: 0 } }] }] };
    return (await request("post", "search/query", body, user)).value[0].hitsContainers[0];
  };
  const hits = await until("an item's becoming searchable", async () => {
    const container = await find("lantern");
    return container.total ? container.hits : undefined;
  });
  assert.deepEqual(hits.map((hit) => hit.resource.properties.title), ["Lantern nested"]);
  assert.deepEqual((await find("Drucker")).aggregations[0].buckets.map((b) => b.key).sort(), ["Büro", "印刷"].sort());
  await refused(/status code 403/, app, "request", "--url", "@graph/search/query", "--method", "post", "--content-type", "application/json", "--body", '{"requests":[{"entityTypes":["externalItem"],"query":{"queryString":"lantern"}}]}');
});

await step("the doctor finds nothing wrong", async () => {
  const checks = await m365(user, "external", "connection", "doctor", "--id", kb);
  assert.deepEqual(checks.filter((c) => !["passed", "manual"].includes(c.status)), []);
  assert.ok(checks.some((c) => c.id === "copilotRequiredSemanticLabels" && c.status === "passed"), JSON.stringify(checks));
  assert.ok(checks.some((c) => c.id === "contentIngested" && c.status === "passed"), JSON.stringify(checks));
});

await step("throttled and unavailable: the CLI waits and tries again", async () => {
  const admin = (method, body) => fetch(`${env("GRAPH")}/_control/faults`, { method, body, headers: { Authorization: `Bearer ${env("SERVE_TOKEN")}` } }).then((r) => r.json());
  for (const status of ["429", "503"]) {
    await admin("PUT", JSON.stringify({ faults: { [status]: "100%" } }));
    const under = m365(app, ...item(`throttled-${status}`, "--content", "x", "--title", `After ${status}`));
    await until(`a ${status}`, async () => ((await admin("GET")).counts[status] ? true : undefined));
    await admin("PUT", '{"faults":{}}');
    assert.equal((await under).properties.title, `After ${status}`);
  }
});

await step("remove what was made, by id and by name", async () => {
  await request("delete", `external/connections/${kb}/items/overview`);
  await refused(/status code 404/, app, "request", "--url", `@graph/external/connections/${kb}/items/overview`);
  await request("delete", `external/connections/${kb}/groups/staff`);
  await m365(app, "external", "connection", "remove", "--id", kb, "--force");
  await m365(app, "external", "connection", "remove", "--name", "It's & another", "--force");
  await until("the end of the connections", async () => ((await m365(app, "external", "connection", "list")).length === 0 ? true : undefined));
  await m365(app, "logout");
});

identity.close();
end("@pnp/cli-microsoft365", JSON.parse(readFileSync(found, "utf8")).version);
