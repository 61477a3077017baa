"""The console in a real browser: what its tests and the script that takes its pictures share."""

import contextlib
import os
import re
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest

pytest.importorskip("playwright", reason="playwright needs a newer Python")
from playwright.sync_api import expect, sync_playwright

from doors import PATIENCE, Server, eventually

BROWSERS = ("chromium-headless-shell", "chromium")
MODULES = Path(os.environ.get("SEALGATE_NODE_MODULES", Path(__file__).resolve().parents[2] / "target" / "node"))
AXE = MODULES / "node_modules" / "axe-core" / "axe.min.js"
NAME, PASSWORD = "root", "correct horse battery staple"
VIEWS = ("overview", "users", f"users/{NAME}", "sessions", "apikeys", "keys", "audit", "limits", "settings", "tryit")
# Which rules of axe-core are asked: WCAG 2.2 A and AA.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

expect.set_options(timeout=PATIENCE * 1000)


@contextlib.contextmanager
def chromium():
    """The system's Chromium."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("there is no Chromium; scripts/bootstrap test installs one on Debian")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-dev-shm-usage"]  # root can have no sandbox
        browser = playwright.chromium.launch(executable_path=found, args=flags)
        try:
            yield browser
        finally:
            browser.close()


def serve(binary, folder, **settings):
    """A server with a console that limits no requests unless told to."""
    settings = {"SEALGATE_CONSOLE": "on", "MAX_REQUESTS": 0, "SEALGATE_LOGIN_MAX_REQUESTS": 0} | settings
    return Server(binary, folder, settings)


def code_of(server):
    """The code that the server's log shows for the first administrator."""
    line = r"the console has no administrator: .*/console/ with the code ([0-9A-Z-]+)"
    return eventually(lambda: re.search(line, server.err.read_text()))[1]


class Console:
    """A page of the console, and everything that it has done: requests, errors, reports of its policy, dialogs."""

    def __init__(self, browser, server, **options):
        self.server = server
        self.address = f"http://127.0.0.1:{server.port}/console/"
        self.wrong = []
        self.requests = []
        options = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"} | options
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE * 1000)
        self.page = self.context.new_page()
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} "
            "${event.blockedURI} ${event.sample}`))"
        )
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("dialog", self._asked)
        self.page.on("request", lambda request: self.requests.append(request))

    def _heard(self, message):
        if message.type in ("error", "warning"):
            self.wrong.append(f"{message.type}: {message.text}")

    def _asked(self, dialog):
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def open(self, view=""):
        self.page.goto(self.address + (f"#/{view}" if view else ""))
        return self

    def log_in(self, name=NAME, password=PASSWORD):
        self.open()
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("heading", level=1, name="Overview")).to_be_visible()
        return self

    def show(self, view):
        """Goes to a view and waits until it has loaded."""
        self.page.goto(f"{self.address}#/{view}")
        title = {"apikeys": "API keys", "tryit": "Try it"}.get(view, view.split("/")[-1].capitalize())
        title = view.split("/", 1)[1] if "/" in view else title
        expect(self.page.get_by_role("heading", level=1, name=title, exact=True)).to_be_visible()
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0)
        expect(self.page.get_by_text("Loading…")).to_have_count(0)
        return self

    def user(self, name):
        self.page.goto(f"{self.address}#/users/{quote(name, safe='')}")
        expect(self.page.get_by_role("heading", level=1)).to_have_text(name)
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0)
        return self

    def row(self, *texts):
        """The row of a table that has all these texts."""
        found = self.page.get_by_role("row")
        for text in texts:
            found = found.filter(has_text=text)
        return found.first

    def press(self, name, within=None):
        (within or self.page).get_by_role("button", name=name, exact=True).first.click()

    def confirm(self, action):
        """Presses the button of the dialog that asks, which closes when it has been done."""
        self.page.locator("dialog[open]").get_by_role("button", name=action, exact=True).click()
        expect(self.page.locator("dialog")).to_have_count(0)

    def axe(self):
        """What axe-core has against the view, one sentence for each."""
        if self.page.evaluate("window.axe === undefined"):
            session = self.context.new_cdp_session(self.page)
            session.send("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})  # the page's policy forbids it
            session.detach()
        violations = self.page.evaluate(
            "(rules) => axe.run(document, {runOnly: rules}).then(({violations}) => violations.flatMap(({id, nodes}) => "
            "nodes.map(({target, failureSummary}) => `${id}: ${target.join(' ')}: ${failureSummary}`)))",
            RULES,
        )
        return violations

    def overflow(self):
        """How many pixels of the page are beyond the right edge."""
        return self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
