"""Whether src/api/openapi.json describes a response: its status, its headers and its body."""

import functools
import json
from pathlib import Path

import jsonschema

FILE = Path(__file__).resolve().parents[2] / "src" / "api" / "openapi.json"


class Described:
    """An OpenAPI document."""

    def __init__(self, document):
        self.document = document
        self.validator = functools.lru_cache(maxsize=None)(self.new_validator)

    def new_validator(self, schema):
        # As in the Rust tests: a body has no members that its schema does not name.
        root = {"components": self.document["components"], "allOf": [json.loads(schema)], "unevaluatedProperties": False}
        return jsonschema.Draft202012Validator(root)

    def resolved(self, value):
        while "$ref" in value:
            found = self.document
            for name in value["$ref"].lstrip("#/").split("/"):
                found = found[name.replace("~1", "/")]
            value = found
        return value

    def item(self, target):
        """The path item of a target. A path with parameters stands for everything that begins as it does."""
        path = target.split("?")[0]
        for template, item in self.document["paths"].items():
            prefix, brace, _ = template.partition("{")
            if path.startswith(prefix) if brace else path == template:
                return item
        return None

    def check(self, method, target, status, headers, body):
        """Fails unless the response is described. What a host program adds has no path in the document."""
        item = self.item(target)
        if item is None:
            return
        operation = item.get(method.lower()) or (method == "HEAD" and item.get("get"))
        if operation:
            responses = operation["responses"]
        else:
            responses = {}
            for name in ("x-any-request", "x-no-operation"):
                responses.update(self.document[name]["responses"])
        about = f"{method} {target}: {status} {list(headers.items())} {body[:400]}"
        assert str(status) in responses, f"the status is not described: {about}"
        response = self.resolved(responses[str(status)])
        for name, header in response.get("headers", {}).items():
            header, text = self.resolved(header), headers.get(name)
            if text is None:
                assert not header.get("required"), f"{name} is missing: {about}"
                continue
            value = int(text) if header["schema"]["type"] == "integer" and text.isdigit() else text
            self.match(header["schema"], value, f"{name}: {about}")
        content, kind = response.get("content"), headers.get("Content-Type")
        if content is None:
            assert kind is None and not body, f"there is a body: {about}"
            return
        assert kind in content, f"the Content-Type is {kind}: {about}"
        if method != "HEAD":
            self.match(content[kind]["schema"], json.loads(body), about)

    def match(self, schema, value, about):
        wrong = [error.message for error in self.validator(json.dumps(schema)).iter_errors(value)]
        assert not wrong, f"{'; '.join(wrong)}: {about}"


@functools.lru_cache(maxsize=None)
def here():
    """The document that the server serves."""
    return Described(json.loads(FILE.read_text(encoding="utf-8")))
