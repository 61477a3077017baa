// Logging in, and creating the first administrator.

import {first, login} from "./api.js";
import {h} from "./dom.js";
import {alertBox, field, input} from "./parts.js";

/** `note` is shown above the form. With `isFirst`, there are no accounts yet. */
export function loginView({note, isFirst, onDone}) {
  const wrong = h("div", {class: "wrong"});
  const code = input({name: "code", required: true, class: "input mono"});
  const username = input({name: "username", required: true, autocomplete: "username", maxlength: 256});
  const password = input({
    name: "password", type: "password", required: true, autocomplete: isFirst ? "new-password" : "current-password",
  });
  const send = h("button", {class: "button primary", type: "submit"}, isFirst ? "Create the administrator" : "Log in");
  const form = h("form", {class: "stack", onsubmit: async (event) => {
    event.preventDefault();
    send.disabled = true;
    wrong.replaceChildren();
    try {
      if (isFirst) await first(code.value, username.value, password.value);
      else await login(username.value, password.value);
      password.value = code.value = "";
      await onDone();
    } catch (problem) {
      const lacks = problem.code === "insufficient_scope";
      wrong.replaceChildren(alertBox(lacks
        ? {message: "This account is no administrator.", detail: "The console is for accounts with the scope admin."}
        : problem));
      send.disabled = false;
      password.select();
    }
  }},
  isFirst && field("One-time code", code, "It is in the server's log, in the line that begins with “the console has no administrator”."),
  field("Username", username),
  field("Password", password, isFirst && "8 to 128 characters, and none of the common ones."),
  wrong, send);
  return h("main", {class: "login"},
    h("div", {class: "login-card"},
      h("div", {class: "brand"}, h("img", {src: "icon.svg", alt: "", width: 36, height: 36}),
        h("div", {}, h("h1", {}, isFirst ? "Welcome to Sealgate" : "Sealgate"),
          h("p", {class: "muted"}, isFirst ? "Create the first administrator" : "Console for administrators"))),
      note && h("p", {class: "note", role: "status"}, note),
      form));
}
