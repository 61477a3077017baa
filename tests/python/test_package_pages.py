"""The package as readers see it: everything public says what it is, and every example runs."""

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest

import sealgate
from conftest import PACKAGE, ROOT

MODULES = [sealgate, *(importlib.import_module(f"sealgate.{found.name}") for found in pkgutil.iter_modules(sealgate.__path__))]


def test_every_example_of_the_documentation_runs():
    results = [doctest.testmod(module) for module in MODULES]
    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) >= 25


PAGES = [PACKAGE / "README.md", ROOT / "docs" / "python.md", ROOT / "docs" / "python-web.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_example_of_the_pages_runs(page):
    code = "\n".join(re.findall(r"^```pycon\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))
    test = doctest.DocTestParser().get_doctest(code, {}, page.name, str(page), 0)
    assert len(test.examples) > 3
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_code_of_the_readme_runs(python):
    [code] = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert python(code).succeeded() == b"meet me at noon\nalice\n"


def public():
    for module in MODULES:
        for name in getattr(module, "__all__", ()):
            what = getattr(module, name)
            if getattr(what, "__module__", "").startswith("sealgate"):
                yield f"{module.__name__}.{name}", what
                if inspect.isclass(what):
                    for member, value in vars(what).items():
                        if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                            yield f"{module.__name__}.{name}.{member}", value


@pytest.mark.parametrize(("name", "what"), [pytest.param(name, what, id=name) for name, what in public()])
def test_everything_public_says_what_it_is(name, what):
    inherited = {"Answer", "Verdict", "Admission"}
    assert inspect.getdoc(what) or name.split(".")[-1] in inherited


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_module_says_what_it_owns_and_is_short(module):
    source = inspect.getsource(module)
    assert module.__doc__ and source.count("\n") <= 400
    assert max(map(len, source.splitlines())) <= 128
