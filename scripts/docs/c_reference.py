"""Writes the reference of the C library as pages of the book, from include/sealgate.h.

usage: c_reference.py HEADER SOURCES OUTPUT_FOLDER

SOURCES is src/ffi: a function is on the page of the file that defines it. Prints the pages' lines for SUMMARY.md. Anything in the
header that has no place on a page is an error, so that no declaration is missing without notice.
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

PAGES = {
    "gates": ("Gates: tokens, encryption, masking", ["gate", "inspection", "bytes", "signed", "buffer"]),
    "claims": ("Claims of tokens", ["claims", "custom_claims"]),
    "limits": ("Rate limits", ["limits"]),
    "streams": ("Streams", ["stream"]),
    "accounts": ("Accounts and sessions", ["users", "accounts", "sessions", "revoke"]),
    "clients": ("OAuth 2.0 clients and API keys", ["clients", "api_keys"]),
    "keys": ("Keys and backups", ["keys", "backup"]),
    "servers": ("Servers and routes", ["server", "route", "reload", "login", "request", "response"]),
    "library": ("Settings, errors, log, version", ["config", "error", "status", "log", "version"]),
}
TYPES = ("types", "Types and callbacks")
STATUSES = ("statuses", "Statuses")
CONSTANTS = ("constants", "Constants and macros")


class HeaderError(Exception):
    """The header has something that this script does not understand."""


@dataclass
class Item:
    """A documented declaration."""

    kind: str  # function, type, enum, macro
    name: str
    declaration: str
    text: str
    more: list = field(default_factory=list)  # the other macros that it defines


def comment(lines):
    """The text of a comment without its stars."""
    text = "\n".join(lines)
    text = re.sub(r"^\s*/\*\*?", "", text)
    text = re.sub(r"\*/\s*$", "", text)
    return "\n".join(re.sub(r"^\s*\* ?", "", line).rstrip() for line in text.splitlines()).strip()


def blocks(header):
    """Pairs of a comment's text and the lines of code that follow it."""
    found, text, code, inside = [], None, [], []
    depth = 0
    for line in header.splitlines():
        start = line.strip().startswith("/*")
        if inside or (start and depth == 0):
            if not inside and (code or text is not None):
                found.append((text, code))
                text, code = None, []
            inside.append(line)
            if "*/" in line:
                text, inside = comment(inside), []
            continue
        depth += line.count("{") - line.count("}") - (0 if 'extern "C"' not in line else 1)
        depth = max(depth, 0)
        code.append(line)
    found.append((text, code))
    return found


def items(header):
    """Every documented declaration of the header, in its order, and the text at its top."""
    found, top = [], None
    for text, code in blocks(header):
        if text is None:
            continue
        code = "\n".join(code).strip()
        code = re.sub(r'#ifdef __cplusplus\n(extern "C" \{|\}.*)\n#endif.*', "", code).strip()
        if top is None:
            top = text
            continue
        if match := re.match(r"(?:SEALGATE_MUST_USE\s+)?((?:const )?\w+ \*?(sealgate_\w+)\([^;]*\);)", code):
            found.append(Item("function", match[2], match[1], text))
        elif match := re.match(r"typedef struct (sealgate_\w+) (?:\{.*\} )?\1;", code, re.DOTALL):
            found.append(Item("type", match[1], match[0], text))
        elif match := re.match(r"typedef [^;{]*\(\*(sealgate_\w+)\)\([^;]*\);", code):
            found.append(Item("type", match[1], match[0], text))
        elif match := re.match(r"enum (sealgate_\w+)\n.*?\n \{\n(.*?)\n\};", code, re.DOTALL):
            found.append(Item("enum", match[1], match[2], text))
        elif match := re.match(r"(?:#if .*\n)?#define (SEALGATE_\w+).*", code):
            # Several may share a comment, and the alternatives of an #if share a name.
            lines = {re.match(r"#define (\w+)", line)[1]: line for line in reversed(re.findall(r"^#define SEALGATE_.*$", code, re.MULTILINE))}
            names = list(reversed(lines))
            found.append(Item("macro", match[1], "\n".join(lines[name] for name in names), text, names[1:]))
        else:
            raise HeaderError(f"no place for: {code[:200]!r}")
    return top, found


def complete(header, found):
    """Fails unless every exported name of the header is among the items."""
    known = {name for item in found for name in [item.name, *item.more]}
    declared = set(re.findall(r"\b(sealgate_\w+)\((?!\*)[^;{}]*\);", re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)))
    declared |= set(re.findall(r"^#define (SEALGATE_\w+)", header, re.MULTILINE)) - {"SEALGATE_H"}
    declared |= set(re.findall(r"^typedef struct (sealgate_\w+)", header, re.MULTILINE))
    declared |= set(re.findall(r"^typedef [^;{]*\(\*(sealgate_\w+)\)", header, re.MULTILINE))
    if missing := declared - known:
        raise HeaderError(f"not read: {', '.join(sorted(missing))}")


def homes(sources):
    """The page of each function, by the file of src/ffi that defines it."""
    page_of_file = {file: page for page, (_, files) in PAGES.items() for file in files}
    found = {}
    for path in sorted(sources.glob("*.rs")):
        for name in re.findall(r'extern "C" fn (sealgate_\w+)', path.read_text()):
            if path.stem not in page_of_file:
                raise HeaderError(f"{path} is on no page: add it to PAGES")
            found[name] = page_of_file[path.stem]
    return found


class Writer:
    """Writes pages whose names are links to where they are explained."""

    def __init__(self, pages):
        self.pages = pages  # the page of each name

    def link(self, name, shown, page):
        home = self.pages.get(name)
        if home is None:
            return shown
        return f"[{shown}]({'' if home == page else home + '.md'}#{name})"

    def prose(self, text, page):
        """Names in backticks, and statuses after "Statuses:", become links; code blocks stay as they are."""
        parts = re.split(r"(```.*?```)", text, flags=re.DOTALL)
        for index in range(0, len(parts), 2):
            part = re.sub(r"(?<!`)`((?:sealgate|SEALGATE)_\w+)`", lambda m: self.link(m[1], m[0], page), parts[index])
            part = re.sub(
                r"\b(?<![_`\[#])(?!SEALGATE_)([A-Z][A-Z0-9_]+)\b(?!`)",
                lambda m: self.link(f"SEALGATE_STATUS_{m[1]}", m[1], page),
                part,
            )
            # Each of the facts at the end of a comment has a line of its own.
            part = re.sub(r"\n?(?<=\s)(Statuses: )", r"\n\n**Statuses:** ", part)
            part = re.sub(r"(?<=[.\s])\s?(Thread safety: )", r"\n\n**Thread safety:** ", part)
            part = re.sub(r"^# Safety\n", "**Safety:** ", part, flags=re.MULTILINE)
            part = re.sub(r"(?<=\. )Since (\d+\.\d+)\.", r"**Since** \1.", part)
            parts[index] = part.replace("{0}", "`{0}`").replace("``{0}``", "`{0}`")
        return "".join(parts).strip()

    def entry(self, item, page):
        declaration = re.sub(r"  /\*\*.*?\*/", lambda m: "  /* " + " ".join(comment([m[0]]).split()) + " */", item.declaration,
                             flags=re.DOTALL)
        title = f"## {item.name} {{#{item.name}}}\n\n"
        if item.more:
            title = f"## {item.name} and others {{#{item.name}}}\n\n" + "".join(f'<a id="{name}"></a>' for name in item.more) + "\n\n"
        return f"{title}```c\n{declaration}\n```\n\n{self.prose(item.text, page)}\n"


def statuses(enum, writer):
    """The table of statuses, in the order of their numbers."""
    rows = []
    for text, name, number in re.findall(r"/\*\*(.*?)\*/\s*(SEALGATE_STATUS_\w+) = (\d+)", enum.declaration, re.DOTALL):
        meaning = " ".join(comment([text]).split())
        rows.append((int(number), f'| {number} | <a id="{name}"></a>`{name}` | {writer.prose(meaning, STATUSES[0])} |'))
    if len(rows) != enum.declaration.count(" = "):
        raise HeaderError("a status has no comment")
    table = "\n".join(row for _, row in sorted(rows))
    return f"{writer.prose(enum.text, STATUSES[0])}\n\n| number | name | meaning |\n| --- | --- | --- |\n{table}\n"


def first_sentence(text):
    """What an index shows of a comment."""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.])\s", paragraph)[0].replace("|", "\\|")


def main(header, sources, out):
    text = Path(header).read_text()
    top, found = items(text)
    complete(text, found)
    where = homes(Path(sources))
    pages = {}
    for item in found:
        if item.kind == "function":
            if item.name not in where:
                raise HeaderError(f"{item.name} is in no file of {sources}")
            pages[item.name] = where[item.name]
        else:
            for name in [item.name, *item.more]:
                pages[name] = {"type": TYPES[0], "enum": STATUSES[0], "macro": CONSTANTS[0]}[item.kind]
    (enum,) = (item for item in found if item.kind == "enum")
    pages |= {name: STATUSES[0] for name in re.findall(r"SEALGATE_STATUS_\w+", enum.declaration)}
    del pages[enum.name]
    writer = Writer(pages)

    out = Path(out)
    out.mkdir(parents=True)
    titles = {page: title for page, (title, _) in PAGES.items()} | dict([TYPES, STATUSES, CONSTANTS])
    bodies = {page: [] for page in titles}
    for item in found:
        if item.kind == "enum":
            bodies[STATUSES[0]].append(statuses(item, writer))
        else:
            bodies[pages[item.name]].append(writer.entry(item, pages[item.name]))
    for page, title in titles.items():
        if not bodies[page]:
            raise HeaderError(f"the page {page} is empty")
        (out / f"{page}.md").write_text(f"# {title}\n\n" + "\n".join(bodies[page]))

    functions = sorted((item for item in found if item.kind == "function"), key=lambda item: item.name)
    index = [
        "# C reference",
        "",
        "Generated from [sealgate.h](../../../include/sealgate.h). The [guide](../../c.md) explains how to install, link and use the"
        " library.",
        "",
        "\n\n".join(top.split("\n\n")[1:]).replace("Generated from src/ffi by `make header`: do not edit. ", ""),
        "",
        *[f"- [{title}]({page}.md)" for page, title in titles.items()],
        "",
        f"## All {len(functions)} functions",
        "",
        "| function | |",
        "| --- | --- |",
        *[f"| {writer.link(item.name, f'`{item.name}`', 'index')} | {first_sentence(item.text)} |" for item in functions],
    ]
    (out / "index.md").write_text("\n".join(index) + "\n")
    print("- [C reference](reference/c/index.md)")
    for page, title in titles.items():
        print(f"  - [{title}](reference/c/{page}.md)")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: c_reference.py HEADER SOURCES OUTPUT_FOLDER")
    try:
        main(*sys.argv[1:])
    except HeaderError as error:
        sys.exit(f"C reference: {error}")
