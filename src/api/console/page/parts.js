// What several views are made of: tables, badges, dialogs, messages.

import {h, icon, unique} from "./dom.js";

const status = h("div", {class: "toasts", role: "status"});
document.body.append(status);

/** A short message that goes on its own. */
export function toast(text, kind = "good") {
  const note = h("p", {class: `toast ${kind}`}, text);
  status.append(note);
  while (status.children.length > 3) status.firstChild.remove();
  setTimeout(() => note.remove(), 6000);
}

/** What went wrong, where it happened. */
export const alertBox = (problem) =>
  h("div", {class: "alert", role: "alert"}, icon("alert"),
    h("div", {}, h("b", {}, problem.message), problem.detail && ` ${problem.detail}`));

export const badge = (text, kind = "") => h("span", {class: `badge ${kind}`}, text);

/** Names as chips; the rest is counted. */
export function chips(names, most = 4) {
  if (!names.length) return h("span", {class: "muted"}, "none");
  const rest = names.slice(most);
  return h("span", {class: "chips"},
    names.slice(0, most).map((name) => h("span", {class: "chip"}, name)),
    rest.length ? h("span", {class: "chip more", title: rest.join(" ")}, `+${rest.length}`) : null);
}

export const button = (text, onclick, kind = "", more = {}) =>
  h("button", {type: "button", class: `button ${kind}`, onclick, ...more}, text);

/** A button in a row of a table: its name for screen readers says which row. */
export const rowButton = (text, about, onclick, kind = "") =>
  button([text, h("span", {class: "hidden"}, ` ${about}`)], onclick, `small ${kind}`);

/** {name, cell: (row) => node, kind?: "num" | "ops" | "wide"} for each column. On narrow screens rows become cards. */
export function table(caption, columns, rows, nothing = "Nothing here.") {
  if (!rows.length) return h("p", {class: "empty"}, nothing);
  return h("div", {class: "table"}, h("table", {role: "table"},
    h("caption", {class: "hidden"}, caption),
    h("thead", {role: "rowgroup"}, h("tr", {role: "row"}, columns.map(({name, kind}) =>
      h("th", {scope: "col", role: "columnheader", class: kind},
        kind === "ops" ? h("span", {class: "hidden"}, name) : name)))),
    h("tbody", {role: "rowgroup"}, rows.map((row) =>
      h("tr", {role: "row"}, columns.map(({name, cell, kind}) =>
        h("td", {role: "cell", class: kind, "data-name": kind === "ops" ? null : name}, cell(row))))))));
}

/** A labelled control. `control` is an element; `hint` says more below it. */
export function field(label, control, hint) {
  const id = unique("field");
  control.id = id;
  const note = hint && h("p", {class: "hint", id: `${id}-hint`}, hint);
  if (note) control.setAttribute("aria-describedby", note.id);
  return h("div", {class: "field"}, h("label", {for: id}, label), control, note);
}

export const input = (attributes) =>
  h("input", {class: "input", autocomplete: "off", autocapitalize: "none", spellcheck: "false", ...attributes});

export const select = (options, chosen, attributes) =>
  h("select", {class: "input", ...attributes}, options.map(([value, text]) =>
    h("option", {value, selected: value === chosen}, text ?? value)));

/**
 * A dialog with a form. `work` is called with the form's fields when it is sent; the dialog closes when that succeeds, and
 * otherwise shows why not. The promise is what `work` returns; undefined if somebody cancels.
 */
export function ask({title, body, action, kind = "primary", work, focus}) {
  return new Promise((resolve) => {
    const id = unique("dialog");
    let done;
    const wrong = h("div", {class: "wrong"});
    const send = h("button", {class: `button ${kind}`, type: "submit"}, action);
    const cancel = button("Cancel", () => dialog.close());
    const form = h("form", {class: "stack", onsubmit: async (event) => {
      event.preventDefault();
      send.disabled = true;
      wrong.replaceChildren();
      try {
        done = {value: await work(Object.fromEntries(new FormData(form)))};
        dialog.close();
      } catch (problem) {
        wrong.replaceChildren(alertBox(problem));
      } finally {
        send.disabled = false;
      }
    }}, body, wrong, h("div", {class: "buttons"}, cancel, send));
    const dialog = h("dialog", {"aria-labelledby": id, onclose: () => {
      dialog.remove();
      resolve(done?.value);
    }}, h("h2", {id}, title), form);
    document.body.append(dialog);
    dialog.showModal();
    (focus ?? (kind === "danger" ? cancel : form.querySelector("input, select, textarea") ?? send)).focus();
  });
}

/** Asks before something is destroyed, and says what will happen. True when it has been done. */
export const confirmed = async (title, sentence, action, work) =>
  (await ask({
    title, action, kind: "danger", body: h("p", {}, sentence),
    work: async () => {
      await work();
      return true;
    },
  })) === true;

/** Shows a secret that the server returns this once. */
export function secretOnce(title, label, secret) {
  const id = unique("dialog");
  const shown = h("output", {class: "secret", tabindex: 0, "aria-label": label}, secret);
  const copy = button([icon("copy"), "Copy"], async () => {
    try {
      await navigator.clipboard.writeText(secret);
      toast("Copied.");
    } catch {
      getSelection().selectAllChildren(shown);
    }
  });
  const dialog = h("dialog", {"aria-labelledby": id, onclose: () => dialog.remove()},
    h("h2", {id}, title),
    h("p", {}, "Store it now: the server keeps no copy, and nobody can show it again."), shown,
    h("div", {class: "buttons"}, copy, button("Done", () => dialog.close(), "primary")));
  document.body.append(dialog);
  dialog.showModal();
}

export const SCOPES = [
  "secure-data", "encrypt", "decrypt", "rewrap", "introspect", "api-keys", "api-keys-admin", "limit", "limit-reset", "metrics",
  "admin",
];

export const words = (text) => text.split(/\s+/).filter(Boolean);

/** Boxes for Sealgate's own scopes and a field for others; `read` returns all that are chosen. */
export function scopeField(chosen, isTitled = false) {
  const boxes = SCOPES.map((name) => h("input", {type: "checkbox", checked: chosen.includes(name)}));
  const others = input({value: chosen.filter((name) => !SCOPES.includes(name)).join(" ")});
  const node = h("fieldset", {class: "scopes"}, h("legend", {class: isTitled && "hidden"}, "Scopes"),
    h("div", {class: "boxes"}, boxes.map((box, at) => h("label", {}, box, SCOPES[at]))),
    field("Others, separated by spaces", others));
  const read = () => [...SCOPES.filter((_, at) => boxes[at].checked), ...words(others.value)];
  return {node, read};
}

/** The text of a JSON object; an error says what is wrong with it. */
export function objectOf(text) {
  let value;
  try {
    value = JSON.parse(text.trim() || "{}");
  } catch (error) {
    throw Object.assign(new Error("The claims are not JSON."), {detail: error.message});
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error("The claims must be a JSON object.");
  }
  return value;
}

/** The part of a view that waits, shows, or says why it cannot. `load` gets what to show into it. */
export function slot(load) {
  const node = h("div", {class: "slot", "aria-busy": "true"}, h("p", {class: "empty"}, "Loading…"));
  const refresh = async () => {
    try {
      const content = await load();
      if (content) node.replaceChildren(...[content].flat(9).filter(Boolean));
    } catch (problem) {
      node.replaceChildren(alertBox(problem));
      throw problem;
    } finally {
      node.setAttribute("aria-busy", "false");
    }
  };
  return {node, refresh, quietly: () => refresh().catch(() => {})};
}

/** Makes a change of what is shown. Says in `trouble` if it was not made because somebody else has changed that meanwhile. */
export async function unlessChanged(trouble, what, work) {
  trouble.replaceChildren();
  try {
    await work();
    return true;
  } catch (problem) {
    if (problem.status !== 412) throw problem;
    trouble.replaceChildren(alertBox({message: `Somebody else has changed this ${what}.`,
      detail: "It is shown as it is now, and your change was not made. Check and repeat it."}));
    return false;
  }
}

/** A list that comes in pages: `fetchPage(after)` returns {rows, next}. It holds at most 1,000 rows. */
export function paged(fetchPage, show) {
  let rows = [];
  let next = null;
  const more = async (after) => {
    const page = await fetchPage(after);
    rows = after ? [...rows, ...page.rows] : page.rows;
    next = page.next;
  };
  const list = slot(async () => {
    await more();
    return draw();
  });
  const draw = () => [
    show(rows),
    next && (rows.length < 1000
      ? h("p", {class: "pager"}, button("Load more", async (event) => {
        event.target.disabled = true;
        try {
          await more(next);
          list.node.replaceChildren(...draw().filter(Boolean));
        } catch (problem) {
          event.target.disabled = false;
          toast(problem.message, "bad");
        }
      }))
      : h("p", {class: "pager muted"}, "There are more. Search for what you need.")),
  ];
  return list;
}
