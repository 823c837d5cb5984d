// Walks a running forumd by its own /openapi.json: for each operation a request that must succeed, one that must fail, and for GETs one
// with If-None-Match. Status, headers and body must be what the document says. Names each mismatch and each operation that was not
// covered; exit code 1 when there is one. Writes to the server: users, posts and messages with random names.
//   node walk.mjs http://127.0.0.1:8080
import { randomBytes } from "node:crypto";
import Ajv2020 from "ajv/dist/2020.js";
import { faultsOf, load, operations, resolve } from "./validate.mjs";

const TIMEOUT_MS = 10000;
const run = randomBytes(4).toString("hex");

// In this order: what one makes is what later ones need. `path`, `query` and `body` get what was saved.
const plan = [
  { id: "get_root" },
  { id: "get_health" },
  { id: "get_ready" },
  { id: "get_metrics" },
  { id: "get_openapi_json" },
  { id: "post_auth_register", body: () => ({ username: `walk_a_${run}` }), save: (made, got) => (made.a = got.user_id) },
  { id: "post_auth_register", body: () => ({ username: `walk_b_${run}` }), save: (made, got) => (made.b = got.user_id) },
  {
    id: "post_auth_register",
    body: () => ({ username: `walk_c_${run}`, password: "long enough" }),
    save: (made, got) => (made.token = got.token),
  },
  { id: "post_auth_password", token: true, body: () => ({ old_password: "long enough", new_password: "longer than that" }) },
  { id: "post_auth_renew", token: true, body: () => ({}), save: (made, got) => (made.token = got.token) },
  { id: "post_auth_login", body: () => ({ username: `walk_c_${run}`, password: "longer than that" }) },
  { id: "post_auth_logout", token: true, body: () => ({ all: true }) },
  {
    id: "post_subreddits_create",
    body: (made) => ({ name: `walk_${run}`, description: "w\u00e4lk \u{1f600}", creator_id: made.a }),
    save: (made, got) => (made.sub = got.subreddit_id),
  },
  { id: "get_subreddits", query: () => ({ sort: "new", limit: 1 }) },
  { id: "get_subreddits_by_subreddit_id", path: (made) => ({ subreddit_id: made.sub }) },
  { id: "get_r_by_name", path: () => ({ name: `WALK_${run}` }) },
  {
    id: "post_subreddits_by_subreddit_id_join",
    path: (made) => ({ subreddit_id: made.sub }),
    body: (made) => ({ user_id: made.b }),
  },
  {
    id: "post_posts_create",
    body: (made) => ({ subreddit_id: made.sub, author_id: made.a, title: "  A title ", content: "text", url: "https://example.org/" }),
    save: (made, got) => (made.post = got.post_id),
  },
  {
    id: "post_posts_create",
    body: (made) => ({ subreddit_id: made.sub, author_id: made.b, title: "Bare", content: null, url: "" }),
  },
  { id: "get_posts_by_post_id", path: (made) => ({ post_id: made.post }) },
  {
    id: "post_posts_by_post_id_vote",
    path: (made) => ({ post_id: made.post }),
    body: (made) => ({ user_id: made.b, vote_type: "upvote" }),
  },
  {
    id: "post_posts_by_post_id_repost",
    path: (made) => ({ post_id: made.post }),
    body: (made) => ({ author_id: made.b, subreddit_id: made.sub }),
  },
  {
    id: "get_subreddits_by_subreddit_id_posts",
    path: (made) => ({ subreddit_id: made.sub }),
    query: () => ({ sort: "top", t: "day", limit: 2 }),
  },
  {
    id: "post_comments_create",
    body: (made) => ({ post_id: made.post, author_id: made.b, content: "first", parent_id: "" }),
    save: (made, got) => (made.comment = got.comment_id),
  },
  {
    id: "post_comments_create",
    body: (made) => ({ post_id: made.post, author_id: made.a, content: "second", parent_id: made.comment }),
  },
  { id: "get_comments_by_comment_id", path: (made) => ({ comment_id: made.comment }) },
  {
    id: "post_comments_by_comment_id_vote",
    path: (made) => ({ comment_id: made.comment }),
    body: (made) => ({ user_id: made.a, vote_type: "downvote" }),
  },
  { id: "get_posts_by_post_id_comments", path: (made) => ({ post_id: made.post }), query: () => ({ view: "tree", sort: "new" }) },
  {
    id: "get_posts_by_post_id_comments",
    path: (made) => ({ post_id: made.post }),
    query: (made) => ({ view: "flat", max_depth: 1, parent_id: made.comment }),
  },
  { id: "get_auth_user_by_username", path: () => ({ username: `WALK_B_${run}` }) },
  { id: "get_users_by_user_id", path: (made) => ({ user_id: made.a }) },
  { id: "get_users_by_user_id_public_key", path: (made) => ({ user_id: made.a }) },
  { id: "get_users_by_user_id_posts", path: (made) => ({ user_id: made.b }), query: () => ({ limit: 1 }) },
  { id: "get_users_by_user_id_comments", path: (made) => ({ user_id: made.b }) },
  { id: "get_feed_by_user_id", path: (made) => ({ user_id: made.b }), query: () => ({ sort: "new", limit: 2 }) },
  { id: "get_feed", query: (made) => ({ user_id: made.a, after: "" }) },
  {
    id: "post_dm_send",
    body: (made) => ({ from_user_id: made.a, to_user_id: made.b, content: "hello" }),
    save: (made, got) => (made.dm = got.message_id),
  },
  {
    id: "post_dm_send",
    body: (made) => ({ from_user_id: made.b, to_user_id: made.a, content: "hello back", reply_to_id: made.dm }),
  },
  { id: "get_dm_user_by_user_id", path: (made) => ({ user_id: made.b }) },
  { id: "get_dm_conversation_by_a_by_b", path: (made) => ({ a: made.a, b: made.b }), query: () => ({ limit: 1 }) },
  {
    id: "post_dm_conversation_by_a_by_b_read",
    path: (made) => ({ a: made.a, b: made.b }),
    body: (made) => ({ user_id: made.b, up_to: made.dm }),
  },
  {
    id: "post_subreddits_by_subreddit_id_leave",
    path: (made) => ({ subreddit_id: made.sub }),
    body: (made) => ({ user_id: made.b }),
  },
];

// Headers that the document lists and that need not be there each time.
const SOMETIMES = new Set(["Link", "X-Total-Count", "X-Feed-Stale", "Idempotent-Replayed"]);

// The document lets servers add fields; here an unknown one is a mismatch.
function closed(node) {
  if (Array.isArray(node)) return node.map(closed);
  if (node === null || typeof node !== "object") return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]));
  if (node.type === "object" && node.properties && node.additionalProperties === undefined) copy.additionalProperties = false;
  return copy;
}

class Walk {
  constructor(base, document) {
    this.base = base.replace(/\/$/, "");
    this.document = document;
    this.operations = new Map([...operations(document)].map((entry) => [entry.operation.operationId, entry]));
    this.ajv = new Ajv2020({ strict: false, allErrors: true });
    this.ajv.addSchema({ ...closed(document), $id: "https://forumd.invalid/openapi" });
    this.mismatches = [];
    this.covered = new Set();
    this.made = {};
    this.requests = 0;
  }

  fail(what, why) {
    this.mismatches.push(`${what}: ${why}`);
  }

  // Of a schema that stands in the document: references in it are the document's.
  faults(schema, value) {
    const rooted = JSON.parse(JSON.stringify(closed(schema)).replaceAll('"$ref":"#/', '"$ref":"https://forumd.invalid/openapi#/'));
    const validate = this.ajv.compile(rooted);
    return validate(value) ? [] : validate.errors.map((error) => `${error.instancePath || "the whole"} ${error.message} ${JSON.stringify(error.params)}`);
  }

  async send(entry, { path = {}, query = {}, body, headers = {} }) {
    const filled = entry.path.replace(/\{([^}]+)\}/g, (_, name) => encodeURIComponent(path[name]));
    const search = new URLSearchParams(query).toString();
    this.requests++;
    const response = await fetch(`${this.base}${filled}${search ? `?${search}` : ""}`, {
      method: entry.method.toUpperCase(),
      headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  checkHeaders(what, documented, answer) {
    for (const [name, header] of Object.entries(documented.headers ?? {})) {
      const value = answer.headers.get(name);
      if (value === null) {
        if (!SOMETIMES.has(name)) this.fail(what, `header ${name} is missing`);
        continue;
      }
      const schema = resolve(this.document, header).schema;
      const typed = schema.type === "integer" ? Number(value) : value;
      this.faults(schema, typed).forEach((fault) => this.fail(what, `header ${name}: ${fault}`));
    }
  }

  // Status, headers, media type and body, against the answer that the document has for that status. Returns the body.
  check(what, operation, answer) {
    const response = operation.responses[answer.status];
    if (response === undefined) {
      this.fail(what, `status ${answer.status} is not documented: ${answer.text.slice(0, 300)}`);
      return undefined;
    }
    const documented = resolve(this.document, response);
    this.checkHeaders(what, documented, answer);
    if (!documented.content) {
      if (answer.text !== "") this.fail(what, "a body where the document has none");
      return undefined;
    }
    const type = (answer.headers.get("content-type") ?? "").split(";")[0].trim();
    if (!documented.content[type]) {
      this.fail(what, `content type "${type}" is not documented for ${answer.status}`);
      return undefined;
    }
    let body = answer.text;
    try {
      if (type.endsWith("json")) body = JSON.parse(answer.text);
    } catch (error) {
      this.fail(what, `the body is not JSON: ${error.message}`);
      return undefined;
    }
    this.faults(documented.content[type].schema, body).forEach((fault) => this.fail(what, `body: ${fault}`));
    return body;
  }

  checkRequest(what, entry, query, body) {
    const schema = entry.operation.requestBody?.content["application/json"].schema;
    if (body !== undefined) this.faults(schema, body).forEach((fault) => this.fail(what, `own request's body: ${fault}`));
    for (const [name, value] of Object.entries(query)) {
      const parameter = entry.operation.parameters.map((one) => resolve(this.document, one)).find((one) => one.in === "query" && one.name === name);
      if (!parameter) this.fail(what, `own request's ?${name} is not documented`);
      else this.faults(parameter.schema, value).forEach((fault) => this.fail(what, `own request's ?${name}: ${fault}`));
    }
  }

  async succeed(step) {
    const entry = this.operations.get(step.id);
    if (!entry) return this.fail(step.id, "is not in the document");
    const what = `${entry.method.toUpperCase()} ${entry.path}`;
    const path = step.path?.(this.made) ?? {};
    const query = step.query?.(this.made) ?? {};
    const body = step.body?.(this.made);
    const success = Object.keys(entry.operation.responses).find((status) => /^2/.test(status));
    this.checkRequest(what, entry, query, body);
    const headers = step.token ? { Authorization: `Bearer ${this.made.token}` } : {};
    const answer = await this.send(entry, { path, query, body: body && JSON.stringify(body), headers });
    const got = this.check(what, entry.operation, answer);
    if (success && String(answer.status) !== success)
      return this.fail(what, `status ${answer.status}, not ${success}: ${answer.text.slice(0, 300)}`);
    this.covered.add(step.id);
    if (step.save && got) step.save(this.made, got);
    if (entry.method === "get") await this.repeat(what, entry, { path, query }, answer);
    if (entry.method === "get" && answer.headers.get("link")) await this.followLink(what, entry, answer);
  }

  // The tag may be out of date by then (counters, uptime): any documented answer will do, but 304 must be one without a body.
  async repeat(what, entry, request, answer) {
    const headers = { "If-None-Match": answer.headers.get("etag") ?? "" };
    this.check(`${what} (If-None-Match)`, entry.operation, await this.send(entry, { ...request, headers }));
  }

  async followLink(what, entry, answer) {
    const link = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get("link"));
    if (!link) return this.fail(what, `Link is malformed: ${answer.headers.get("link")}`);
    const next = await this.send({ ...entry, path: link[1].replace(/[{}]/g, "") }, {});
    if (next.status !== 200) this.fail(what, `Link leads to status ${next.status}`);
    this.check(`${what} (Link)`, entry.operation, next);
  }

  // Malformed ids in the path, a bad cursor or limit in the query, a body that is no JSON: always a documented problem.
  async misuse(entry) {
    const { method, operation } = entry;
    const what = `${method.toUpperCase()} ${entry.path}`;
    const parameters = (operation.parameters ?? []).map((one) => resolve(this.document, one));
    const path = Object.fromEntries(parameters.filter((one) => one.in === "path").map((one) => [one.name, "no-such-thing"]));
    const query = Object.fromEntries(parameters.filter((one) => one.in === "query").map((one) => [one.name, "?"]));
    if (method === "get" && Object.keys(path).length + Object.keys(query).length === 0) return;
    const tries = method === "post" ? [{ path, body: "{" }, { path, body: "[]" }] : [{ path, query }];
    for (const request of tries) {
      const answer = await this.send(entry, request);
      if (answer.status < 400 || answer.status > 499) this.fail(`${what} (misused)`, `status ${answer.status}`);
      this.check(`${what} (misused)`, operation, answer);
    }
  }

  async walk() {
    for (const step of plan) await this.succeed(step);
    for (const entry of this.operations.values()) await this.misuse(entry);
  }
}

if (process.argv.length !== 3) {
  console.error("usage: node walk.mjs http://127.0.0.1:8080");
  process.exit(64);
}
const base = process.argv[2].replace(/\/$/, "");
const document = await load(`${base}/openapi.json`);
const invalid = await faultsOf(document);
invalid.forEach((fault) => console.error(`the document: ${fault}`));
const walk = new Walk(base, document);
await walk.walk();
walk.mismatches.forEach((mismatch) => console.error(mismatch));
const missed = [...walk.operations.keys()].filter((id) => !walk.covered.has(id));
missed.forEach((id) => console.error(`${id}: not covered`));
console.log(
  `${walk.covered.size} of ${walk.operations.size} operations covered by ${walk.requests} requests, ` +
    `${walk.mismatches.length} mismatches, ${invalid.length} faults of the document`,
);
process.exit(walk.mismatches.length + missed.length + invalid.length > 0 ? 1 : 0);
