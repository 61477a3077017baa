// How the server is doing: its health, and the last hour.

import {get, poll} from "./api.js";
import {chart} from "./charts.js";
import {h, number, span, stamp, when} from "./dom.js";
import {alertBox, table} from "./parts.js";

const tile = (name, value, note, kind = "") =>
  h("div", {class: `tile ${kind}`}, h("dt", {}, name), h("dd", {}, h("b", {}, value), note && h("span", {}, note)));

const STORES = {sqlite: "SQLite", postgresql: "PostgreSQL", none: "None"};

function tiles(health) {
  const {store, certificate, keys} = health;
  const days = certificate && (certificate.not_after - health.now) / 86400;
  return h("dl", {class: "tiles"},
    tile("State", health.ready ? "Ready" : "Not ready", health.ready ? "" : (health.reasons ?? []).join(" "), health.ready ? "good" : "bad"),
    tile("Running for", span(health.now - health.started_at), `version ${health.version}`),
    tile("Accounts", STORES[store.kind] ?? store.kind, store.ready ? (health.accounts ? "passwords required" : "no accounts") : "cannot be used",
      store.ready ? "" : "bad"),
    tile("Key ring", keys.sealed ? "Sealed" : "Not sealed", keys.sealed ? "encrypted on disk" : "plain on disk", keys.sealed ? "good" : ""),
    certificate
      ? tile("Certificate", days > 0 ? `${span(days * 86400)} left` : "Expired", `until ${stamp(certificate.not_after).split(",")[0]}`,
        days < 7 ? "bad" : days < 21 ? "warn" : "good")
      : tile("Certificate", "None", "plain HTTP"),
    health.nodes?.length ? tile("Nodes", number(health.nodes.length), "share this store") : null);
}

const nodes = (health) => (health.nodes?.length ? h("section", {class: "card"}, h("h2", {}, "Nodes"),
  table("Nodes of the fleet", [
    {name: "Node", cell: (node) => h("b", {}, node.name)},
    {name: "Version", cell: (node) => node.version ?? "–"},
    {name: "Seen", cell: (node) => when(node.seen_at)},
  ], health.nodes)) : null);

const rate = (values, interval) => values.map((value) => (value === null ? null : value / interval));
const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);

export function overview({heading, onLeave, isShown}) {
  const top = h("div", {class: "slot"}, h("p", {class: "empty"}, "Loading…"));
  const trouble = h("div");
  const below = h("div");
  const charts = {requests: chart(), latency: chart(), refusals: chart(), logins: chart()};
  const totals = h("p", {class: "muted"});
  const grid = h("div", {class: "charts", hidden: true}, Object.values(charts));

  const guarded = (work) => async () => {
    try {
      const found = await work();
      if (!isShown()) return;
      found();
      trouble.replaceChildren();
    } catch (problem) {
      if (isShown()) trouble.replaceChildren(alertBox(problem));
      throw problem;
    }
  };
  onLeave(poll(10, guarded(async () => {
    const health = await get("health");
    return () => {
      top.replaceChildren(tiles(health));
      below.replaceChildren(...[nodes(health)].filter(Boolean));
    };
  })));
  onLeave(poll(10, guarded(async () => {
    const stats = await get("stats");
    return () => {
      const common = {from: stats.from, interval: stats.interval};
      const line = (name, values) => ({name, values});
      grid.hidden = false;
      totals.textContent = `In the last hour: ${number(sum(stats.requests))} requests, ${number(sum(stats.refused))} refused, ` +
        `${number(sum(stats.errors))} failed.`;
      charts.requests.data = {...common, title: "Requests", unit: "per second",
        series: [line("requests", rate(stats.requests, stats.interval))]};
      charts.latency.data = {...common, title: "Latency", unit: "milliseconds",
        series: [line("p50", stats.p50_ms), line("p99", stats.p99_ms)]};
      charts.refusals.data = {...common, title: "Refusals", unit: `per ${stats.interval} s`,
        series: [line("refused", stats.refused), line("by a limit", stats.limited), line("failed", stats.errors)]};
      charts.logins.data = {...common, title: "Logins", unit: `per ${stats.interval} s`,
        series: [line("logged in", stats.logins), line("wrong", stats.failed_logins)]};
    };
  })));
  return [h("div", {class: "head"}, heading, totals), trouble, top, grid, below];
}
