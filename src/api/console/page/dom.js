// Building the page. Every text becomes a text node and every element is made by its name: nothing is ever parsed as markup,
// and the server forbids it (Trusted Types).

const SVG = "http://www.w3.org/2000/svg";

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(9).filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

/** An element: h("p", {class: "note"}, "text", child). What begins with "on" is a listener; children that are missing are left out. */
export const h = (name, attributes, ...children) => build(document.createElement(name), attributes, children);

/** The same for SVG. */
export const s = (name, attributes, ...children) => build(document.createElementNS(SVG, name), attributes, children);

let count = 0;
/** An id that no other element has. */
export const unique = (name) => `${name}-${++count}`;

/** Paths of icons on a grid of 20 by 20, drawn as lines. */
const ICONS = {
  overview: "M3 11.5h3.2l2-6 3.6 9.5 2.2-6 1 2.5h2",
  users: "M7.6 9.6a2.9 2.9 0 1 0 0-5.8 2.9 2.9 0 0 0 0 5.8zM2.4 16.2c.4-2.8 2.5-4.4 5.2-4.4s4.8 1.6 5.2 4.4M13 4.1a2.9 2.9 0 0 1 0 5.3M14.8 12c1.5.6 2.5 2 2.8 4.2",
  sessions: "M3 4.5h14v9H3zM7 16.5h6M10 13.5v3",
  apikeys: "M12.6 3.2a4.2 4.2 0 1 1-3.7 6.2L3.5 14.8v2h2.6v-1.9H8V13h1.5l1.6-1.6M13.4 6.8h.1",
  keys: "M10 2.8 16.6 5v5.1c0 3.7-2.7 6.1-6.6 7.3-3.9-1.2-6.6-3.6-6.6-7.3V5zM7.2 9.8l2 2 3.6-3.8",
  audit: "M5 2.8h10v14.4H5zM7.6 6.6h4.8M7.6 9.8h4.8M7.6 13h3",
  limits: "M3 14.6a7 7 0 1 1 14 0M10 14.2l3.2-4.4M3 14.6h2M15 14.6h2",
  settings: "M3 6h7M14 6h3M12 4.2v3.6M3 10h2.4M9.4 10H17M7.4 8.2v3.6M3 14h8M15 14h2M13 12.2v3.6",
  tryit: "M6.6 6.2 2.8 10l3.8 3.8M13.4 6.2l3.8 3.8-3.8 3.8M11.4 4.4l-2.8 11.2",
  menu: "M3 5.5h14M3 10h14M3 14.5h14",
  theme: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
  leave: "M8 3.5H3.8v13H8M12.4 6.6 15.8 10l-3.4 3.4M7.4 10h8.2",
  back: "M11.8 4.6 6.4 10l5.4 5.4",
  copy: "M7 7h9.2v9.2H7zM4 12.8V3.8h9",
  alert: "M10 3.2 18 16.8H2zM10 8v4.2M10 14.4h.01",
};

/** A decorative icon: what it means is in the text beside it. */
export const icon = (name) =>
  s("svg", {class: "icon", viewBox: "0 0 20 20", "aria-hidden": "true"}, s("path", {d: ICONS[name]}));

const NUMBERS = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", {maximumSignificantDigits: 3, notation: "compact"});
const STAMP = new Intl.DateTimeFormat("en-GB", {dateStyle: "medium", timeStyle: "medium"});
const CLOCK = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit"});

export const number = (value) => NUMBERS.format(value);
export const short = (value) => (value > 0 && value < 0.01 ? "<0.01" : SHORT.format(value));
export const stamp = (seconds) => STAMP.format(seconds * 1000);
export const clock = (seconds) => CLOCK.format(seconds * 1000);

const STEPS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

/** A length of time by its largest unit: "4 min". */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [unit, size] = STEPS.find(([, size]) => whole >= size * (size === 86400 ? 2 : 1)) ?? STEPS[3];
  return `${number(Math.floor(whole / size))} ${unit}`;
}

/** A moment, relative to now; the exact time is in its title. */
export function when(seconds) {
  if (!seconds) return h("span", {class: "muted"}, "–");
  const from = seconds - Date.now() / 1000;
  const text = from > 0.5 ? `in ${span(from)}` : from > -1.5 ? "now" : `${span(-from)} ago`;
  return h("time", {datetime: new Date(seconds * 1000).toISOString(), title: stamp(seconds)}, text);
}

/** Values that come late, such as while somebody types: the last call within this time. */
export function later(work, milliseconds = 250) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), milliseconds);
  };
}
