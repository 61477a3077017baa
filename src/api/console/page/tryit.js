// Trying the API: a form for each operation of /openapi.json, sent with the token of this session.

import {authorization} from "./api.js";
import {h, icon, number} from "./dom.js";
import {alertBox, badge, button, confirmed, field, input, slot, toast} from "./parts.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
// Not sent without a question: they end or change something.
const CAREFUL = /^\/(admin\/|api-keys|limit\/reset|logout|password|refresh|revoke)/;
// Members that hold a secret. The page shows how long they are, and copies them if asked.
const SECRET = /^(access_token|api_key|client_secret|password|refresh_token|secret|token)$/;

function resolver(document) {
  return (node) => {
    for (let depth = 0; node?.$ref && depth < 8; depth++) {
      node = node.$ref.slice(2).split("/").reduce((at, part) => at?.[part.replaceAll("~1", "/").replaceAll("~0", "~")], document);
    }
    return node ?? {};
  };
}

/** Something that fits a schema: its example, or an empty value. */
function sample(schema, resolve, depth = 0) {
  const known = resolve(schema);
  if (known.example !== undefined) return known.example;
  if (known.examples?.length) return known.examples[0];
  if (known.default !== undefined) return known.default;
  if (known.enum) return known.enum[0];
  const part = known.oneOf ?? known.anyOf ?? known.allOf;
  if (part && depth < 6) return sample(part[0], resolve, depth + 1);
  const type = [known.type].flat()[0];
  if ((type === "object" || known.properties) && depth < 6) {
    const wanted = known.required ?? Object.keys(known.properties ?? {});
    return Object.fromEntries(wanted.map((key) => [key, sample(known.properties?.[key], resolve, depth + 1)]));
  }
  return {array: [], integer: 0, number: 0, boolean: false, object: {}}[type] ?? "";
}

const exampleOf = (media, resolve) => {
  if (media.example !== undefined) return media.example;
  const first = Object.values(media.examples ?? {})[0];
  return first ? resolve(first).value : sample(media.schema, resolve);
};

const veil = (key, value) => (SECRET.test(key) && typeof value === "string" && value
  ? `(hidden: ${number(value.length)} characters)` : value);

function shown(text, type) {
  if (!type.includes("json")) return text.slice(0, 20_000);
  try {
    return JSON.stringify(JSON.parse(text, veil), null, 2).slice(0, 20_000);
  } catch {
    return text.slice(0, 20_000);
  }
}

function operations(document) {
  const found = [];
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (operation) found.push({path, method, operation, parameters: [...(item.parameters ?? []), ...(operation.parameters ?? [])]});
    }
  }
  return found;
}

function form(one, resolve, answer) {
  const {path, method, operation} = one;
  const parameters = one.parameters.map(resolve).filter((parameter) => ["path", "query"].includes(parameter.in));
  const fields = parameters.map((parameter) => ({
    parameter,
    control: input({required: parameter.in === "path" || parameter.required === true,
      value: parameter.in === "path" ? String(parameter.example ?? "") : ""}),
  }));
  const headers = one.parameters.map(resolve).filter((parameter) => parameter.in === "header" && parameter.name === "If-Match").map((parameter) =>
    ({parameter, control: input({})}));
  const media = Object.entries(resolve(operation.requestBody).content ?? {})[0];
  const isForm = media?.[0].includes("form");
  const example = media && exampleOf(resolve(media[1]), resolve);
  const text = isForm && typeof example === "object" ? new URLSearchParams(example).toString()
    : typeof example === "string" ? example : JSON.stringify(example, null, 2);
  const body = media && h("textarea", {class: "input mono", rows: 8, spellcheck: "false", value: text ?? ""});
  const needsToken = (operation.security ?? []).some((one) => "token" in one);

  const send = async () => {
    let target = path;
    const query = new URLSearchParams();
    for (const {parameter, control} of fields) {
      if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(control.value));
      else if (control.value) query.set(parameter.name, control.value);
    }
    if (query.size) target += `?${query}`;
    const options = {method: method.toUpperCase(), headers: {}, credentials: "omit", cache: "no-store", redirect: "manual"};
    if (needsToken) options.headers.Authorization = await authorization();
    for (const {parameter, control} of headers) if (control.value) options.headers[parameter.name] = control.value;
    if (body) {
      options.headers["Content-Type"] = media[0];
      options.body = body.value;
    }
    const begun = performance.now();
    const response = await fetch(target, options);
    const received = await response.text();
    const took = performance.now() - begun;
    const type = response.headers.get("Content-Type") ?? "";
    answer.replaceChildren(
      h("p", {class: "facts", role: "status"}, badge(String(response.status), response.ok ? "good" : response.status < 500 ? "warn" : "bad"),
        ` ${options.method} ${target}, ${took.toFixed(1)} ms, ${number(received.length)} characters`),
      received && h("pre", {class: "output", tabindex: 0, "aria-label": "Response"}, shown(received, type)),
      h("details", {}, h("summary", {}, "Headers"), h("dl", {class: "pairs"}, [...response.headers].map(([key, value]) =>
        h("div", {}, h("dt", {}, key), h("dd", {}, value))))),
      received && h("div", {}, button([icon("copy"), "Copy the response"], async () => {
        await navigator.clipboard.writeText(received);
        toast("Copied.");
      }, "small")),
    );
  };
  const wrong = h("div", {class: "wrong"});
  return h("form", {class: "stack", onsubmit: async (event) => {
    event.preventDefault();
    wrong.replaceChildren();
    try {
      if (method !== "get" && CAREFUL.test(path)) {
        await confirmed(`Send ${method.toUpperCase()} ${path}?`,
          `This is no rehearsal: the server does it, on your behalf. ${operation.summary ?? ""}.`, "Send", send);
      } else await send();
    } catch (problem) {
      wrong.replaceChildren(alertBox(problem));
    }
  }},
  h("p", {}, badge(method.toUpperCase(), "info"), " ", h("code", {}, path)),
  h("p", {class: "muted"}, operation.summary, needsToken ? ". Sent with your token." : ". Needs no token."),
  fields.map(({parameter, control}) => field(parameter.name, control, parameter.description)),
  headers.map(({parameter, control}) => field(parameter.name, control, parameter.description)),
  body && field(`Body, ${media[0]}`, body),
  wrong, h("div", {}, h("button", {class: "button primary", type: "submit"}, "Send")));
}

export function tryit({heading}) {
  const answer = h("div", {class: "stack"}, h("p", {class: "empty"}, "The response appears here."));
  const place = h("div");
  const found = slot(async () => {
    const document = await (await fetch("../openapi.json", {credentials: "omit"})).json();
    const resolve = resolver(document);
    const all = operations(document);
    const tags = [...new Set(all.map(({operation}) => operation.tags?.[0] ?? "other"))];
    const choose = h("select", {class: "input", onchange: () => pick()}, tags.map((tag) =>
      h("optgroup", {label: tag}, all.map((one, at) => ((one.operation.tags?.[0] ?? "other") === tag
        ? h("option", {value: at}, `${one.method.toUpperCase()} ${one.path}`) : null)))));
    const pick = () => {
      place.replaceChildren(form(all[Number(choose.value)], resolve, answer));
      answer.replaceChildren(h("p", {class: "empty"}, "The response appears here."));
    };
    choose.value = String(Math.max(0, all.findIndex(({path, method}) => path === "/healthz" && method === "get")));
    pick();
    return [field("Operation", choose), place];
  });
  found.quietly();
  return [
    h("div", {class: "head"}, heading),
    h("div", {class: "two"}, h("section", {class: "card", "aria-label": "Request"}, found.node),
      h("section", {class: "card", "aria-label": "Response"}, answer)),
  ];
}
