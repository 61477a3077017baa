// Who gets in: accounts, their sessions and API keys.

import {account, admin, get, name, who} from "./api.js";
import {h, icon, later, number, stamp, when} from "./dom.js";
import {
  alertBox, ask, badge, button, chips, confirmed, field, input, objectOf, paged, rowButton, scopeField, secretOnce, slot,
  table, toast, unlessChanged,
} from "./parts.js";

// Accounts: who may log in, and what they may do.

const isLocked = (user) => user.locked_until && user.locked_until > Date.now() / 1000;

const stateOf = (user) =>
  user.disabled ? badge("disabled", "bad") : isLocked(user) ? badge("locked", "warn") : badge("active", "good");

const link = (user) => h("a", {class: "name", href: `#/users/${name(user.name)}`}, user.name);

export const users = (context) => (context.detail ? oneUser(context) : allUsers(context));

const USER_COLUMNS = [
  {name: "Name", cell: link},
  {name: "State", cell: stateOf},
  {name: "Kind", cell: (user) => user.kind},
  {name: "Scopes", cell: (user) => chips(user.scopes), kind: "wide"},
  {name: "Added", cell: (user) => when(user.created_at)},
];

function allUsers({heading}) {
  const search = input({type: "search", "aria-label": "Search for names", placeholder: "Search for names"});
  const found = paged(
    async (after) => {
      const body = await get("users", {limit: 100, after, q: search.value});
      return {rows: body.users, next: body.next};
    },
    (rows) => table("Accounts", USER_COLUMNS, rows, search.value ? "No name has this text." : "There are no accounts."),
  );
  search.addEventListener("input", later(found.quietly));
  found.quietly();
  return [
    h("div", {class: "head"}, heading, h("div", {class: "acts"},
      button("Add a client", () => addUser("client", found)), button("Add a user", () => addUser("user", found), "primary"))),
    h("div", {class: "bar"}, search),
    h("section", {class: "card"}, found.node),
  ];
}

async function addUser(kind, found) {
  const scopes = scopeField(kind === "user" ? ["secure-data", "encrypt", "decrypt"] : []);
  const isUser = kind === "user";
  const made = await ask({
    title: isUser ? "Add a user" : "Add a client", action: "Add",
    body: [
      field("Name", input({name: "name", required: true, maxlength: 256}), isUser ? null
        : "A program that logs in with a secret (OAuth 2.0). The server generates it."),
      isUser && field("Password", input({name: "password", type: "password", required: true, autocomplete: "new-password"}),
        "8 to 128 characters. The server refuses common ones."),
      scopes.node,
    ],
    work: async (values) => {
      const body = {name: values.name, scopes: scopes.read(), kind};
      if (isUser) body.password = values.password;
      return (await admin("POST", "users", {body})).body;
    },
  });
  if (!made) return;
  found.quietly();
  toast(`${made.name} was added.`);
  if (made.client_secret) secretOnce(`The secret of ${made.name}`, "Client secret", made.client_secret);
}

function oneUser({heading, detail}) {
  const path = account(detail);
  let etag = null;
  let user = null;
  const trouble = h("div");
  heading.textContent = detail;

  /** Changes the account as it was shown. If somebody else has changed it meanwhile, that is shown instead. */
  const change = async (body, said) => {
    const made = await unlessChanged(trouble, "account", () => admin("PATCH", path, {body, etag}));
    await all.refresh();
    if (made) toast(said);
  };
  const post = async (what, method = "POST", body) => (await admin(method, account(detail, what), {body})).body;

  const disable = async () => {
    if (!user.disabled) {
      return confirmed(`Disable ${detail}?`,
        "All its tokens are revoked for good, and it cannot log in until it is enabled again.", "Disable",
        () => change({disabled: true}, `${detail} is disabled.`));
    }
    return ask({title: `Enable ${detail}?`, action: "Enable", body: h("p", {}, "It can log in again. Old tokens stay revoked."),
      work: () => change({disabled: false}, `${detail} is enabled.`)});
  };
  const password = () => ask({
    title: `New password for ${detail}`, action: "Set the password",
    body: field("New password", input({name: "password", type: "password", required: true, autocomplete: "new-password"}),
      "All logins of the account end, and its tokens are revoked."),
    work: async ({password}) => {
      await post("password", "PUT", {password});
      await all.refresh();
      toast("The password was changed.");
    },
  });
  const secret = async () => {
    const made = await ask({title: `New secret for ${detail}`, action: "Make a new secret", kind: "danger",
      body: h("p", {}, "The old secret stops working at once, and the client's tokens are revoked."),
      work: () => post("secret")});
    if (made) secretOnce(`The new secret of ${detail}`, "Client secret", made.client_secret);
  };
  const unlock = async () => {
    try {
      await post("unlock");
      toast("The wrong passwords are forgotten.");
      all.quietly();
    } catch (problem) {
      toast(problem.message, "bad");
    }
  };
  const remove = async () => {
    const own = who()?.username === detail ? " This is your own account: you will be logged out." : "";
    const gone = await confirmed(`Remove ${detail}?`,
      `The account is deleted, its tokens are revoked and its API keys stop working. This cannot be undone.${own}`, "Remove",
      () => admin("DELETE", path));
    if (gone) {
      toast(`${detail} was removed.`);
      location.hash = "#/users";
    }
  };

  const edit = (title, node, hint, save) => {
    const wrong = h("div", {class: "wrong"});
    const send = h("button", {class: "button", type: "submit"}, "Save");
    return h("section", {class: "card"}, h("h2", {}, title), h("form", {class: "stack", onsubmit: async (event) => {
      event.preventDefault();
      send.disabled = true;
      wrong.replaceChildren();
      try {
        await save();
      } catch (problem) {
        wrong.replaceChildren(alertBox(problem));
      } finally {
        send.disabled = false;
      }
    }}, node, h("p", {class: "hint"}, hint), wrong, h("div", {}, send)));
  };

  const all = slot(async () => {
    const found = await admin("GET", path);
    ({body: user, etag} = found);
    const isUser = user.kind !== "client";
    const scopes = scopeField(user.scopes, true);
    const claims = h("textarea", {class: "input mono", rows: 4, spellcheck: "false",
      value: JSON.stringify(user.claims ?? {}, null, 2), "aria-label": "Claims as a JSON object"});
    return [
      h("p", {class: "facts"}, stateOf(user), ` ${user.kind}, added `, when(user.created_at),
        isLocked(user) && `; attempts are delayed until ${stamp(user.locked_until)}`),
      h("div", {class: "acts"},
        isUser ? button("Reset the password", password) : button("Make a new secret", secret),
        isUser && button("Unlock", unlock),
        button(user.disabled ? "Enable" : "Disable", disable), button("Remove", remove, "danger")),
      h("div", {class: "two"},
        edit("Scopes", scopes.node, "If a scope is removed, all tokens of the account are revoked.",
          () => change({scopes: scopes.read()}, "The scopes were changed.")),
        edit("Claims", claims, "Custom claims of its tokens, as a JSON object. If one is removed or changed, all tokens of the " +
          "account are revoked.", () => change({claims: objectOf(claims.value)}, "The claims were changed."))),
    ];
  });
  all.quietly();

  const sessions = slot(async () => sessionTable((await get("sessions", {user: detail, limit: 100})).sessions, sessions.quietly));
  const keys = slot(async () => keyTable((await get("api-keys", {owner: detail, limit: 100})).api_keys, keys.quietly));
  sessions.quietly();
  keys.quietly();
  return [
    h("a", {class: "up", href: "#/users"}, icon("back"), "Users"),
    h("div", {class: "head"}, heading),
    trouble,
    all.node,
    h("section", {class: "card"}, h("div", {class: "head"}, h("h2", {}, "Sessions"),
      button("End all", async () => {
        const done = await confirmed(`End all sessions of ${detail}?`,
          "Every login of the account ends, and the tokens of these logins are revoked. It can log in again.", "End all",
          () => admin("DELETE", "sessions", {query: {user: detail}}));
        if (done) sessions.quietly();
      })), sessions.node),
    h("section", {class: "card"}, h("div", {class: "head"}, h("h2", {}, "API keys"),
      button("Add an API key", () => addKey(keys.quietly, detail))), keys.node),
  ];
}

// Logins that are alive, each with the refresh tokens that continue it.

async function endSession(session, changed) {
  const done = await confirmed("End this session?",
    `${session.user} is logged out there: the session's tokens are revoked. The account can log in again.`, "End it",
    () => admin("DELETE", `sessions/${name(session.id)}`, {query: {user: session.user}}));
  if (done) {
    toast("The session has ended.");
    changed();
  }
}

/** A list that can be restricted to one user: the field for the name, and the rows, which are the member `rows` of the response. */
function listOf(path, rows, parameter, label, table) {
  const whose = input({type: "search", "aria-label": label, placeholder: `${label}, as a whole`});
  const found = paged(
    async (after) => {
      const body = await get(path, {limit: 100, after, [parameter]: whose.value});
      return {rows: body[rows], next: body.next};
    },
    (shown) => table(shown, found.quietly, true),
  );
  whose.addEventListener("input", later(found.quietly));
  found.quietly();
  return [whose, found];
}

/** `changed` is called when a session was ended. */
const sessionTable = (rows, changed, withUser = false) => table("Sessions", [
  ...(withUser ? [{name: "User", cell: ({user}) => h("a", {class: "name", href: `#/users/${name(user)}`}, user)}] : []),
  {name: "Session", cell: ({id}) => h("code", {}, id)},
  {name: "Logged in", cell: (session) => when(session.created_at)},
  {name: "Used", cell: (session) => when(session.used_at)},
  {name: "Ends", cell: (session) => when(session.expires_at)},
  {name: "Actions", kind: "ops", cell: (session) => rowButton("End", `session ${session.id} of ${session.user}`,
    () => endSession(session, changed))},
], rows, "Nobody is logged in.");

export function sessions({heading}) {
  const [user, found] = listOf("sessions", "sessions", "user", "Username", sessionTable);
  return [h("div", {class: "head"}, heading), h("div", {class: "bar"}, user), h("section", {class: "card"}, found.node)];
}

// API keys: how machines get in.

async function revoke(key, changed) {
  const done = await confirmed("Revoke this API key?",
    `Programs that use ${key.id} are refused from now on. This cannot be undone.`, "Revoke",
    () => admin("DELETE", `api-keys/${name(key.id)}`));
  if (done) {
    toast("The API key was revoked.");
    changed();
  }
}

const limitOf = (limit) => (limit ? `${number(limit.max_requests)} in ${limit.window} s` : "the owner's");

/** `changed` is called when a key was revoked. */
const keyTable = (rows, changed, withOwner = false) => table("API keys", [
  {name: "Key", cell: (key) => h("code", {}, key.id)},
  ...(withOwner ? [{name: "Owner", cell: ({owner}) => h("a", {class: "name", href: `#/users/${name(owner)}`}, owner)}] : []),
  {name: "Scopes", cell: (key) => chips(key.scopes), kind: "wide"},
  {name: "Limit", cell: (key) => limitOf(key.limit)},
  {name: "Used", cell: (key) => when(key.last_used)},
  {name: "Expires", cell: (key) => (key.revoked_at ? badge("revoked", "bad")
    : key.expires_at * 1000 < Date.now() && key.expires_at ? badge("expired", "warn") : key.expires_at ? when(key.expires_at) : "never")},
  {name: "Actions", kind: "ops", cell: (key) => !key.revoked_at && rowButton("Revoke", `API key ${key.id}`, () => revoke(key, changed))},
], rows, "There are no API keys.");

/** Adds a key for `owner`, or for whomever the form names. */
async function addKey(changed, owner = "") {
  const scopes = scopeField([]);
  const made = await ask({
    title: owner ? `Add an API key for ${owner}` : "Add an API key", action: "Add",
    body: [
      !owner && field("Owner", input({name: "owner", required: true, maxlength: 256}), "The account that the key acts for."),
      field("Expires in days", input({name: "days", type: "number", min: 1, max: 36500, value: "90"}), "Empty: never."),
      scopes.node,
    ],
    work: async (values) => {
      const body = {owner: owner || values.owner, scopes: scopes.read()};
      if (values.days) body.expires_in = Math.round(values.days * 86400);
      return (await admin("POST", "api-keys", {body})).body;
    },
  });
  if (!made) return;
  changed();
  secretOnce("The new API key", "API key", made.api_key);
}

export function apikeys({heading}) {
  const [owner, found] = listOf("api-keys", "api_keys", "owner", "Owner", keyTable);
  return [
    h("div", {class: "head"}, heading,
      h("div", {class: "acts"}, button("Add an API key", () => addKey(found.quietly), "primary"))),
    h("div", {class: "bar"}, owner),
    h("section", {class: "card"}, found.node),
  ];
}
