// Requests to this server. The access token is in a variable of this module and nowhere else; the refresh token is in a cookie
// that scripts cannot read. Nothing is kept in the browser's storage but the theme.

/** A response that is an error (RFC 9457). */
export class Problem extends Error {
  constructor(status, body) {
    super(body?.title ?? "The server does not answer.");
    this.status = status;
    this.code = (body?.type ?? "").split(":").pop();
    this.detail = body?.detail ?? "";
  }
}

/** Nobody is logged in. `isFirst`: because there is no account yet. */
export class Nobody extends Problem {
  constructor(isFirst) {
    super(401, {title: "Nobody is logged in."});
    this.isFirst = isFirst;
  }
}

let session = null;
const listeners = new Set();

/** Who is logged in: {username, scope}; null if nobody is. */
export const who = () => session && {username: session.username, scope: session.scope};
/** The token for a request that a view sends on its own. */
export const authorization = async () => `Bearer ${(await fresh()).token}`;
/** `listener` is called when a session ends on its own. */
export const onEnd = (listener) => listeners.add(listener);

async function read(response) {
  const text = await response.text();
  const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
  try {
    return isJson && text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

async function send(path, options) {
  let response;
  try {
    response = await fetch(path, {cache: "no-store", redirect: "error", referrerPolicy: "no-referrer", ...options});
  } catch {
    throw new Problem(0, {title: "The server cannot be reached.", detail: "Is it running? The console tries again."});
  }
  const body = await read(response);
  if (!response.ok) throw new Problem(response.status, body);
  return {body, response};
}

const json = (value) => ({
  method: "POST",
  headers: {"Content-Type": "application/json"},
  body: JSON.stringify(value),
});

async function begin(path, options) {
  const {body} = await send(path, {credentials: "same-origin", ...options});
  if (!body.access_token) throw new Nobody(body.first_start);
  session = {
    token: body.access_token,
    until: performance.now() + body.expires_in * 1000,
    username: body.username,
    scope: body.scope,
  };
  return who();
}

export const login = (username, password) => begin("login", json({username, password}));
export const first = (code, username, password) => begin("first", json({code, username, password}));

let resuming = null;
/** Continues the session of the cookie. Tabs take turns: a refresh token works once. */
export function resume() {
  const work = () => begin("refresh", {method: "POST"});
  const turn = () => (navigator.locks ? navigator.locks.request("sealgate-refresh", work) : work());
  resuming ??= turn().finally(() => (resuming = null));
  return resuming;
}

export async function logout() {
  session = null;
  await send("refresh/logout", {method: "POST", credentials: "same-origin"});
}

function ended() {
  const had = session;
  session = null;
  if (had) for (const listener of listeners) listener();
}

async function fresh() {
  if (session && performance.now() < session.until - 20_000) return session;
  try {
    await resume();
  } catch (problem) {
    if (problem.status) ended();
    throw problem;
  }
  return session;
}

/** What the administration API answers: {body, etag}. `query` has the parameters; empty ones are left out. */
export async function admin(method, path, {query, body, etag} = {}) {
  const target = new URL(`../admin/v1/${path}`, location.href.split("#")[0]);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") target.searchParams.set(name, value);
  }
  const attempt = async () => {
    const headers = {Authorization: await authorization()};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (etag) headers["If-Match"] = etag;
    const options = {method, headers, credentials: "omit", body: body === undefined ? undefined : JSON.stringify(body)};
    const found = await send(target, options);
    return {body: found.body, etag: found.response.headers.get("ETag")};
  };
  try {
    return await attempt();
  } catch (problem) {
    if (problem.status !== 401 || !session) throw problem;
    // Revoked, or older than the clock says: once more with a new token.
    session.until = 0;
    return attempt();
  }
}

export const get = async (path, query) => (await admin("GET", path, {query})).body;
export const name = encodeURIComponent;

/** The path of an account. Browsers would fold the names "." and ".." away, so these go into the query. */
export const account = (user, what = "") =>
  (/^\.\.?$/.test(user) ? `users/${what && `/${what}`}?name=${user}` : `users/${name(user)}${what && `/${what}`}`);

// Views ask again from time to time: all of them together at most once a second, and never while nobody looks.
const polls = new Set();
let timer = 0;

function tick() {
  const now = performance.now();
  let due = null;
  for (const poll of polls) {
    if (!poll.busy && poll.next <= now && (!due || poll.next < due.next)) due = poll;
  }
  if (due) run(due);
}

async function run(poll) {
  poll.busy = true;
  try {
    await poll.work();
    poll.wait = poll.seconds;
  } catch {
    // The view shows why.
    poll.wait = Math.min(2 * poll.wait, 60);
  } finally {
    poll.busy = false;
    poll.next = performance.now() + poll.wait * 1000;
  }
}

function watch() {
  clearInterval(timer);
  timer = polls.size && !document.hidden ? setInterval(tick, 1000) : 0;
}
document.addEventListener("visibilitychange", watch);

/** Calls `work`, which sends one request, now and then every so many seconds. Returns what ends that. */
export function poll(seconds, work) {
  const entry = {seconds, wait: seconds, work, busy: false, next: 0};
  polls.add(entry);
  run(entry);
  watch();
  return () => {
    polls.delete(entry);
    watch();
  };
}
