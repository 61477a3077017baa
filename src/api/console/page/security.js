// What protects the server: its keys, the audit trail, and who is being limited.

import {admin, get, name, poll} from "./api.js";
import {h, later, number, span, stamp, when} from "./dom.js";
import {alertBox, ask, badge, button, confirmed, input, rowButton, select, slot, table, toast, unlessChanged} from "./parts.js";

// The key ring: which keys there are, and how much they have been used. No key itself ever comes here.

const KINDS = {
  token: ["Token keys", "They sign and verify tokens.",
    "A new key is made. It signs tokens as soon as every server knows it; tokens under the old one stay valid until they expire."],
  data: ["Data keys", "They encrypt and decrypt data.",
    "New data is encrypted under a new key from now on. The old one still decrypts what it has encrypted."],
};
const STATES = {in_use: ["in use", "good"], next: ["next", "info"], accepted: ["accepted", ""], retired: ["retired", "bad"]};

function stateOf(key) {
  const [text, look] = STATES[key.state] ?? [key.state, ""];
  const more = key.state === "next" ? ["signs ", when(key.signs_from)]
    : key.accepted_until ? ["until ", when(key.accepted_until)] : null;
  return [badge(text, look), more && h("span", {class: "sub"}, more)];
}

export function keys({heading, onLeave, isShown}) {
  let etag = null;
  const trouble = h("div");
  const change = async (path, body, said) => {
    const made = await unlessChanged(trouble, "key ring", () => admin("POST", path, {body, etag}));
    await all.refresh();
    if (made) toast(said);
  };
  const rotate = (kind) => ask({
    title: `Rotate the ${kind} key?`, action: "Rotate", body: h("p", {}, KINDS[kind]?.[2] ?? "A new key is used from now on."),
    work: () => change("keys/rotate", {kind}, "A new key was made."),
  });
  const retire = (key) => confirmed(`Retire the key ${key.id}?`,
    key.kind === "data" ? "Data that is encrypted under it cannot be decrypted any more, until the key is accepted again."
      : "Tokens that it has signed are refused at once, until the key is accepted again.", "Retire",
    () => change(`keys/${name(key.id)}/retire`, undefined, "The key was retired."));
  const accept = (key) => ask({
    title: `Accept the key ${key.id} again?`, action: "Accept",
    body: h("p", {}, "What was made with it is accepted again. It is not used for anything new."),
    work: () => change(`keys/${name(key.id)}/accept`, undefined, "The key is accepted."),
  });

  const acts = (key) => {
    if (!key.in_ring) return h("span", {class: "muted"}, "from the settings");
    if (key.state === "retired") return rowButton("Accept", `key ${key.id}`, () => accept(key));
    return key.state === "accepted" && rowButton("Retire", `key ${key.id}`, () => retire(key));
  };
  const columns = (kind) => [
    {name: "Key", cell: ({id}) => (id ? h("code", {}, id) : h("span", {class: "muted"}, "without an id"))},
    {name: "State", cell: stateOf},
    {name: "Age", cell: (key) => (key.age_seconds === null ? "–" : span(key.age_seconds))},
    kind === "token" ? {name: "Algorithm", cell: (key) => key.algorithm ?? "–"}
      : {name: "Messages", cell: (key) => (key.messages === null ? "–" : number(key.messages))},
    {name: "Actions", kind: "ops", cell: acts},
  ];
  const all = slot(async () => {
    const found = await admin("GET", "keys");
    if (!isShown()) return null;
    etag = found.etag;
    const {keys, sealed} = found.body;
    const kinds = [...new Set(["token", "data", ...keys.map(({kind}) => kind)])];
    return [
      h("p", {class: "facts"}, sealed ? badge("sealed", "good") : badge("not sealed", "warn"),
        sealed ? " The ring is encrypted on disk." : " The ring is not encrypted on disk: sealgate keys seal."),
      ...kinds.map((kind) => h("section", {class: "card"},
        h("div", {class: "head"}, h("div", {}, h("h2", {}, KINDS[kind]?.[0] ?? kind),
          h("p", {class: "muted"}, KINDS[kind]?.[1])), button(`Rotate the ${kind} key`, () => rotate(kind))),
        table(KINDS[kind]?.[0] ?? kind, columns(kind), keys.filter((key) => key.kind === kind), "There are no such keys."))),
    ];
  });
  // A row that has the focus must not be replaced under it.
  onLeave(poll(5, async () => {
    if (!all.node.contains(document.activeElement) && !document.querySelector("dialog[open]")) await all.refresh();
  }));
  return [h("div", {class: "head"}, heading), trouble, all.node];
}

// The audit trail: who has done what. The newest events come first, and new ones appear on their own.

const EVENTS = [
  "login", "refresh", "logout", "denied", "lockout", "client.token", "token.issue", "revoke.token", "revoke.user", "account.add",
  "account.password", "account.secret", "account.scopes", "account.claims", "account.disable", "account.enable",
  "account.unlock", "account.remove", "api_key.add", "api_key.revoke", "limit.reset", "session.end", "keys.generate",
  "keys.rotate", "keys.retire", "keys.accept", "keys.seal", "keys.unseal", "keys.export", "keys.import", "backup", "restore",
];
const MOST = 500;
const SINCE = [["", "Any time"], ["900", "Last 15 minutes"], ["3600", "Last hour"], ["86400", "Last day"]];
const SHOWN = ["seq", "time", "event", "result", "user"];

const look = (event) => (event.result === "ok" || event.result === undefined ? "good"
  : ["denied", "lockout"].includes(event.event) ? "warn" : "bad");
const plain = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

function row(event) {
  const rest = Object.entries(event).filter(([key, value]) => !SHOWN.includes(key) && value !== null && value !== "");
  return h("tr", {role: "row"},
    h("td", {role: "cell", "data-name": "Time"}, h("time", {datetime: new Date(event.time * 1000).toISOString()}, stamp(event.time))),
    h("td", {role: "cell", "data-name": "Event"}, h("code", {}, event.event)),
    h("td", {role: "cell", "data-name": "Result"}, badge(event.result ?? "ok", look(event))),
    h("td", {role: "cell", "data-name": "User"}, event.user ?? h("span", {class: "muted"}, "–")),
    h("td", {role: "cell", "data-name": "Details", class: "wide"}, h("dl", {class: "pairs"},
      rest.map(([key, value]) => h("div", {}, h("dt", {}, key), h("dd", {}, plain(value)))))));
}

export function audit({heading, onLeave, isShown}) {
  const event = select([["", "Every event"], ...EVENTS.map((one) => [one])], "", {"aria-label": "Event"});
  const user = input({type: "search", "aria-label": "User", placeholder: "User"});
  const text = input({type: "search", "aria-label": "Text", placeholder: "Text in the event"});
  const since = select(SINCE, "", {"aria-label": "Time"});
  const follow = h("input", {type: "checkbox", checked: true});
  const body = h("tbody", {role: "rowgroup"});
  const trouble = h("div");
  const note = h("p", {class: "muted", role: "status"}, "Loading…");
  const older = button("Older events", () => page());
  let newest = 0;
  let oldest = 0;
  let round = 0;

  const filter = () => ({
    event: event.value, user: user.value, q: text.value,
    since: since.value && Math.floor(Date.now() / 1000) - Number(since.value),
  });
  const tell = (first) => {
    const count = body.children.length;
    note.textContent = count === 0 ? "No event fits." : `${count} events${count >= MOST ? ", the newest that fit here" : ""}.`;
    older.hidden = !count || count >= MOST || oldest <= first;
  };

  /** The newest events, or those before the ones that are shown. */
  async function page(isNew = false) {
    const mine = isNew ? ++round : round;
    try {
      const found = await get("audit", {limit: 100, before: isNew ? undefined : oldest, ...filter()});
      if (!isShown() || mine !== round) return;
      const rows = found.events.map(row);
      if (isNew) {
        body.replaceChildren(...rows);
        newest = found.last ?? 0;
      } else body.append(...rows);
      oldest = found.events.at(-1)?.seq ?? (isNew ? 0 : (found.first ?? 0));
      trouble.replaceChildren();
      tell(found.events.length ? (found.first ?? 0) : oldest);
    } catch (problem) {
      if (isShown()) trouble.replaceChildren(alertBox(problem));
      throw problem;
    }
  }

  /** The events since the last look. */
  async function tail() {
    const mine = round;
    const found = await get("audit", {limit: 100, after: newest, ...filter()});
    if (!isShown() || mine !== round) return;
    // Fewer than before: the server has been restarted.
    if ((found.last ?? 0) < newest) return page(true);
    newest = found.last ?? newest;
    body.prepend(...found.events.map(row));
    while (body.children.length > MOST) body.lastChild.remove();
    trouble.replaceChildren();
    if (found.events.length) tell(0);
  }

  const again = () => page(true).catch(() => {});
  for (const control of [event, since]) control.addEventListener("change", again);
  for (const control of [user, text]) control.addEventListener("input", later(again));
  let isFirst = true;
  onLeave(poll(2, async () => {
    if (isFirst) {
      isFirst = false;
      return page(true);
    }
    return follow.checked ? tail() : undefined;
  }));
  return [
    h("div", {class: "head"}, heading, h("label", {class: "switch"}, follow, "Follow")),
    h("div", {class: "bar"}, event, user, text, since),
    trouble,
    h("section", {class: "card"}, note, h("div", {class: "table"}, h("table", {role: "table"},
      h("caption", {class: "hidden"}, "Audit events, the newest first"),
      h("thead", {role: "rowgroup"}, h("tr", {role: "row"}, ["Time", "Event", "Result", "User", "Details"].map((title) =>
        h("th", {scope: "col", role: "columnheader"}, title)))), body)),
    h("p", {class: "pager"}, older)),
  ];
}

// Who is being limited now.

export function limits({heading, onLeave, isShown}) {
  const policy = input({type: "search", "aria-label": "Name of the limit", placeholder: "Name of the limit"});
  const content = h("div", {class: "slot"}, h("p", {class: "empty"}, "Loading…"));

  const reset = async ({policy: name, kind, who}) => {
    const done = await confirmed("Forget these requests?",
      `${who} may send requests again at once, as if it had sent none under the limit ${name}.`, "Forget them",
      () => admin("POST", "limits/reset", {body: {policy: name, kind, who}}));
    if (done) {
      toast("The requests are forgotten.");
      load().catch(() => {});
    }
  };
  const columns = [
    {name: "Limit", cell: (row) => h("code", {}, row.policy)},
    {name: "Who", cell: (row) => [h("b", {}, row.who), h("span", {class: "sub"}, row.kind)]},
    {name: "State", cell: (row) => (row.refused ? badge("refused", "bad") : badge("at the limit", "warn"))},
    {name: "Used", cell: (row) => h("span", {class: "used"},
      h("meter", {min: 0, max: row.limit, low: row.limit * 0.6, high: row.limit * 0.85, optimum: 0, value: row.count, "aria-label": "Used"}),
      `${number(row.count)} of ${number(row.limit)}`)},
    {name: "Window", cell: (row) => span(row.window)},
    {name: "Free in", cell: (row) => span(row.reset_at - Date.now() / 1000)},
    {name: "Actions", kind: "ops", cell: (row) => rowButton("Forget", `the requests of ${row.who} under ${row.policy}`,
      () => reset(row))},
  ];

  async function load() {
    try {
      const {limited} = await get("limits", {limit: 100, policy: policy.value.trim()});
      if (!isShown()) return;
      content.replaceChildren(table("Callers at their limit", columns, limited, "Nobody is at a limit."));
    } catch (problem) {
      if (isShown()) content.replaceChildren(alertBox(problem));
      throw problem;
    }
  }
  policy.addEventListener("change", () => load().catch(() => {}));
  // A row that has the focus must not be replaced under it.
  onLeave(poll(2, async () => {
    if (!content.contains(document.activeElement) && !document.querySelector("dialog[open]")) await load();
  }));
  return [h("div", {class: "head"}, heading), h("div", {class: "bar"}, policy), h("section", {class: "card"}, content)];
}
