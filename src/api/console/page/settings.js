// The settings that the server runs with. Of secrets only the length is known here.

import {get} from "./api.js";
import {h, number} from "./dom.js";
import {badge, input, slot, table} from "./parts.js";

function value(setting) {
  if (setting.secret) {
    return setting.length ? h("span", {class: "muted"}, `a secret of ${number(setting.length)} bytes`) : h("span", {class: "muted"}, "not set");
  }
  if (setting.value === null || setting.value === undefined || setting.value === "") return h("span", {class: "muted"}, "not set");
  return h("code", {}, String(setting.value));
}

const COLUMNS = [
  {name: "Setting", cell: (setting) => [h("b", {}, setting.name), h("code", {class: "sub"}, setting.variable)]},
  {name: "Value", cell: value, kind: "wide"},
  {name: "From", cell: (setting) => (setting.is_default ? h("span", {class: "muted"}, "default") : badge(setting.source ?? "set", "info"))},
];

export function settings({heading}) {
  const search = input({type: "search", "aria-label": "Search for settings", placeholder: "Search for settings"});
  const changed = h("input", {type: "checkbox"});
  let known = [];
  const fits = (setting) => {
    const text = `${setting.name} ${setting.variable} ${setting.value ?? ""}`.toLowerCase();
    return (!changed.checked || !setting.is_default) && text.includes(search.value.trim().toLowerCase());
  };
  const rows = () => table("Settings", COLUMNS, known.filter(fits), "No setting fits.");
  const found = slot(async () => {
    known = (await get("settings")).settings;
    return rows();
  });
  const draw = () => found.node.replaceChildren(rows());
  search.addEventListener("input", draw);
  changed.addEventListener("change", draw);
  found.quietly();
  return [
    h("div", {class: "head"}, heading, h("label", {class: "switch"}, changed, "Only what is not the default")),
    h("div", {class: "bar"}, search),
    h("section", {class: "card"}, found.node),
  ];
}
