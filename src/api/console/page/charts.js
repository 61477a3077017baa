// A chart of the last hour, as a custom element: lines over time, a figure for now, and the same as a table.

import {clock, h, s, short, unique} from "./dom.js";

const WIDTH = 360;
const HEIGHT = 100;

/** The smallest round number that is not less. */
function above(value) {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((round) => round >= value);
}

function path(values, top) {
  let line = "";
  let pen = "M";
  values.forEach((value, at) => {
    if (value === null || value === undefined) return void (pen = "M");
    const x = (at / (values.length - 1 || 1)) * WIDTH;
    line += `${pen}${x.toFixed(1)} ${(HEIGHT - (value / top) * HEIGHT).toFixed(1)}`;
    pen = "L";
  });
  return line;
}

class Chart extends HTMLElement {
  /** {title, unit, from, interval, series: [{name, values}]}; the last value of each is the newest. */
  set data(data) {
    this.last = data;
    if (!this.plot) this.make(data);
    const {series, unit, from, interval} = data;
    const length = series[0].values.length;
    const most = Math.max(0, ...series.flatMap(({values}) => values.map((value) => value ?? 0)));
    const top = above(most);
    const now = series.map(({values}) => (values.at(-1) === null ? "–" : short(values.at(-1) ?? 0)));
    this.now.replaceChildren(
      ...series.map(({name}, at) =>
        h("span", {class: `figure tone${at}`}, h("b", {}, now[at]), series.length > 1 ? ` ${name}` : ` ${unit}`)),
    );
    this.high.textContent = short(top);
    this.middle.textContent = short(top / 2);
    this.start.textContent = length > 1 ? clock(from) : "";
    this.end.textContent = clock(from + interval * (length - 1));
    const lines = series.map(({values}, at) => s("path", {class: `line tone${at}`, d: path(values, top)}));
    const line = path(series[0].values, top);
    const area = series.length === 1 && line && s("path", {class: "area", d: `${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`});
    this.drawn.replaceChildren(...(area ? [area] : []), ...lines);
    const peaks = series.map(({name, values}, at) =>
      `${name}: now ${now[at]}, at most ${short(Math.max(0, ...values.map((value) => value ?? 0)))}`);
    this.plot.setAttribute("aria-label", `${data.title} over the last hour, ${unit}. ${peaks.join("; ")}.`);
    if (this.details.open) this.tabulate();
  }

  make({title, unit}) {
    const id = unique("chart");
    this.now = h("p", {class: "now"});
    this.high = h("span");
    this.middle = h("span");
    this.start = h("span");
    this.end = h("span");
    this.drawn = s("g");
    this.cross = s("line", {class: "cross", y1: 0, y2: HEIGHT, visibility: "hidden"});
    const grid = [0, 50, 100].map((y) => s("line", {class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y}));
    this.plot = s(
      "svg",
      {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img"},
      ...grid, this.drawn, this.cross,
    );
    this.note = h("div", {class: "tip", hidden: true});
    const area = h(
      "div",
      {class: "plot", onpointermove: (event) => this.point(event), onpointerleave: () => this.unpoint()},
      this.plot, this.note,
    );
    this.table = h("div", {class: "chart-table"});
    this.details = h("details", {ontoggle: () => this.tabulate()}, h("summary", {}, "Figures"), this.table);
    this.append(
      h("section", {class: "card chart", "aria-labelledby": id},
        h("header", {}, h("h2", {id}, title), this.now),
        h("div", {class: "frame"},
          h("div", {class: "scale", "aria-hidden": "true"}, this.high, this.middle, h("span", {}, "0")),
          area,
          h("div", {class: "times", "aria-hidden": "true"}, this.start, h("span", {}, unit), this.end)),
        this.details),
    );
  }

  point(event) {
    const {series, from, interval} = this.last;
    const box = this.plot.getBoundingClientRect();
    const length = series[0].values.length;
    const at = Math.round(((event.clientX - box.left) / box.width) * (length - 1));
    if (!(at >= 0 && at < length)) return;
    const x = (at / (length - 1 || 1)) * WIDTH;
    this.cross.setAttribute("x1", x);
    this.cross.setAttribute("x2", x);
    this.cross.setAttribute("visibility", "visible");
    this.note.hidden = false;
    this.note.textContent = [
      clock(from + at * interval),
      ...series.map(({name, values}) => `${name} ${values[at] === null ? "–" : short(values[at] ?? 0)}`),
    ].join("  ");
    this.note.classList.toggle("left", x > WIDTH / 2);
    this.note.style.left = `${(x / WIDTH) * 100}%`;
  }

  unpoint() {
    this.cross.setAttribute("visibility", "hidden");
    this.note.hidden = true;
  }

  /** Every five minutes, the newest first: for those who cannot see the lines. */
  tabulate() {
    if (!this.details.open || !this.last) return;
    const {series, from, interval, title} = this.last;
    const step = Math.max(1, Math.round(300 / interval));
    const rows = [];
    for (let end = series[0].values.length; end > 0; end -= step) {
      const part = ({values}) => values.slice(Math.max(0, end - step), end).filter((value) => value !== null);
      const mean = (some) => (some.length ? short(some.reduce((sum, value) => sum + value, 0) / some.length) : "–");
      rows.push(h("tr", {},
        h("th", {scope: "row"}, clock(from + (end - 1) * interval)),
        series.map((one) => h("td", {class: "num"}, mean(part(one))))));
    }
    this.table.replaceChildren(h("table", {},
      h("caption", {class: "hidden"}, `${title}, means of five minutes`),
      h("thead", {}, h("tr", {}, h("th", {scope: "col"}, "Until"),
        series.map(({name}) => h("th", {scope: "col", class: "num"}, name)))),
      h("tbody", {}, rows)));
  }
}

customElements.define("sg-chart", Chart);
export const chart = () => document.createElement("sg-chart");
