// The frame around the views: who is logged in, where one can go, and which view is shown.

import {Problem, logout, onEnd, resume, who} from "./api.js";
import {h, icon} from "./dom.js";
import {loginView} from "./login.js";
import {toast} from "./parts.js";

// The views come meanwhile: whoever has to log in need not wait for them.
const resumed = resume();
const coming = import("./views.js").catch((fault) => {
  console.error(fault);
  throw new Problem(0, {title: "The console did not load completely.", detail: "Load the page again."});
});
coming.catch(() => {}); // shown by whoever waits for them
let VIEWS = {};

const GROUPS = [
  ["", ["overview"]],
  ["Accounts", ["users", "sessions", "apikeys"]],
  ["Security", ["keys", "audit", "limits"]],
  ["Server", ["settings", "tryit"]],
];

const app = document.getElementById("app");
let main = null;
let leave = [];

/** Ends what the view before this one does now and then. */
function clear() {
  for (const end of leave) end();
  leave = [];
}

function show() {
  if (!main) return;
  clear();
  const [place, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const known = Object.hasOwn(VIEWS, place) ? place : "overview";
  const [title, view] = VIEWS[known];
  let detail = "";
  try {
    detail = decodeURIComponent(rest.join("/"));
  } catch {
    // Not one of our links.
  }
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.place === known) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.classList.remove("menu");
  document.title = `${detail || title} – Sealgate`;
  const current = leave;
  const heading = h("h1", {tabindex: -1}, title);
  const context = {
    heading,
    detail,
    /** `end` is called when the view goes. */
    onLeave: (end) => (current === leave ? leave.push(end) : end()),
    /** Whether this view is still the one that is shown. */
    isShown: () => current === leave,
  };
  main.replaceChildren(...[view(context)].flat(9).filter(Boolean));
  return heading;
}

addEventListener("hashchange", () => {
  const heading = show();
  scrollTo(0, 0);
  heading?.focus({preventScroll: true});
});

const THEMES = ["system", "light", "dark"];
function theme(next) {
  let chosen = "system";
  try {
    if (next) localStorage.setItem("theme", next);
    chosen = localStorage.getItem("theme") ?? "system";
  } catch {
    chosen = next ?? "system";
  }
  document.documentElement.dataset.theme = THEMES.includes(chosen) ? chosen : "system";
  return document.documentElement.dataset.theme;
}
theme();

async function frame() {
  ({VIEWS} = await coming);
  const themes = h("select", {
    class: "plain", "aria-label": "Theme", onchange: (event) => theme(event.target.value),
  }, THEMES.map((name) => h("option", {value: name, selected: name === theme()}, `${name[0].toUpperCase()}${name.slice(1)}`)));
  const menu = h("button", {
    type: "button", class: "menu-button", "aria-label": "Menu", "aria-expanded": "false", "aria-controls": "menu",
    onclick: () => menu.setAttribute("aria-expanded", document.body.classList.toggle("menu")),
  }, icon("menu"));
  main = h("main", {id: "main", tabindex: -1});
  const group = ([title, places]) => [
    title && h("h2", {}, title),
    h("ul", {}, places.map((place) => h("li", {},
      h("a", {href: `#/${place}`, "data-place": place}, icon(place), VIEWS[place][0])))),
  ];
  app.replaceChildren(
    h("a", {class: "skip", href: "#main", onclick: (event) => {
      event.preventDefault();
      main.focus();
    }}, "Skip to the content"),
    h("header", {class: "side"},
      h("div", {class: "brand"}, h("img", {src: "icon.svg", alt: "", width: 26, height: 26}), h("b", {}, "Sealgate"), menu),
      h("div", {class: "menu-body", id: "menu"},
        h("nav", {"aria-label": "Views"}, GROUPS.map(group)),
        h("div", {class: "me"},
          h("div", {class: "me-name", title: who().username}, h("span", {class: "muted"}, "Logged in as"), h("b", {}, who().username)),
          h("div", {class: "me-acts"}, h("span", {class: "theme"}, icon("theme"), themes),
            h("button", {type: "button", class: "button small", onclick: end}, icon("leave"), "Log out"))))),
    main,
  );
  show();
}

async function end() {
  clear();
  main = null;
  try {
    await logout();
    enter("You are logged out.");
  } catch (problem) {
    enter(`${problem.message} The session may still be alive: end it in the view Sessions.`);
  }
}

/** The form to log in, and then the frame. */
function enter(note, isFirst = false) {
  clear();
  main = null;
  document.title = "Log in – Sealgate";
  app.replaceChildren(loginView({note, isFirst, onDone: frame}));
  app.querySelector("input")?.focus();
}

onEnd(() => {
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  enter("Your session has ended. Log in again.");
});

try {
  await resumed;
  await frame();
} catch (problem) {
  if (problem.code === undefined) throw problem;
  enter(problem.status === 401 ? "" : `${problem.message} ${problem.detail}`, problem.isFirst);
}
addEventListener("unhandledrejection", (event) => {
  if (event.reason?.status === undefined) return;
  event.preventDefault();
  toast(event.reason.message, "bad");
});
