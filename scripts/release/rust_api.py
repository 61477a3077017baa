"""The public interface of the Rust crate, as a list of lines made from rustdoc's pages; and what changed between two lists.

usage: rust_api.py list FOLDER                                      print the list; FOLDER is target/doc/sealgate
       rust_api.py compare OLD NEW OLD_VERSION NEW_VERSION          exit code 1 if programs may fail to build with the new version,
                                                                    although the versions promise that they build

A line is a path and a declaration. One that is gone or changed breaks programs; so does a variant that an enum gets, a method that a
trait wants, or a field of a struct without private ones, unless they are marked as not exhaustive.
"""

import html
import re
import sys
from pathlib import Path

import version as versions

ITEM = re.compile(r'<li><a href="([^"]+)">([^<]+)</a></li>')
DECLARATION = re.compile(r'<pre class="rust item-decl">(.*?)</pre>', re.DOTALL)
PART = re.compile(r'<section id="[^"]+" class="(method|associatedconstant|associatedtype|impl)[^"]*">(.*?)</section>', re.DOTALL)
HEADING = re.compile(r'<h[34] class="code-header">(.*?)</h[34]>', re.DOTALL)
REEXPORT = re.compile(r'id="reexport\.[^"]+">\s*<code>(.*?)</code>', re.DOTALL)
# Where the implementations that a crate writes end, and those begin that the compiler adds; of these, two are promises.
SYNTHETIC, BLANKET = 'id="synthetic-implementations-list"', 'id="blanket-implementations-list"'
PROMISED = re.compile(r"impl(<.*>)? !?(Send|Sync) for ")


class ApiError(Exception):
    """There is no list to compare."""


def words(markup):
    """The text of markup, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).replace("ⓘ", "").split())


def without_value(line):
    """A constant's value is not part of the promise."""
    return re.sub(r"(\bconst [A-Z][^=]*?) =.*", r"\1", line)


def declaration(path, markup):
    """The first line of a declaration, and one for each variant, field or method that it lists."""
    markup = re.sub(r"<summary\b.*?</summary>", "", markup, flags=re.DOTALL)  # "Show 17 variants"
    text = html.unescape(re.sub(r"<[^>]+>", "", markup)).replace("]pub ", "] pub ")
    head, brace, body = text.partition("{")
    if not brace or not re.search(r"\b(enum|struct|trait|union) ", head):
        yield f"{path}: {without_value(' '.join(text.split()))}"
        return
    private = " /* private */" if "private fields" in body else ""
    yield f"{path}: {' '.join(head.split())}{private}"
    member, depth = "", 0
    for line in body.rsplit("}", 1)[0].splitlines():
        line = line.strip()
        if not line or line.startswith(("//", "/*")):
            continue
        member = f"{member} {line}".strip()
        depth += sum(map(line.count, "({[")) - sum(map(line.count, ")}]"))
        if depth == 0 and line.endswith((",", ";", "}")):
            yield f"{path}: has {member.rstrip(',')}"
            member = ""
    if member:
        yield f"{path}: has {member}"


def listed(folder):
    """All lines, sorted."""
    everything = folder / "all.html"
    if not everything.is_file():
        raise ApiError(f"{everything} is missing: make doc")
    found = set()
    for address, name in ITEM.findall(everything.read_text()):
        page = (folder / address).read_text()
        path, markup = html.unescape(name), DECLARATION.search(page)
        if not markup:
            raise ApiError(f"{address} has no declaration")
        found |= set(declaration(path, markup[1]))
        # A type alias repeats the declaration of what it stands for.
        if address.rpartition("/")[2].startswith("type."):
            continue
        own, _, rest = page.partition(SYNTHETIC)
        for kind, part in PART.findall(own.partition(BLANKET)[0]):
            if heading := HEADING.search(part):
                line = words(heading[1])
                if line.startswith("impl StructuralPartialEq "):
                    continue  # the compiler's own
                # An inherent impl has no line of its own, nor has a method of somebody else's trait.
                if (kind == "impl") == (" for " in line) and (kind == "impl" or line.startswith("pub ") or ".trait." in address):
                    found.add(f"{path}: {without_value(line)}")
        for _, part in PART.findall(rest.partition(BLANKET)[0]):
            heading = HEADING.search(part)
            if heading and PROMISED.match(line := words(heading[1])):
                found.add(f"{path}: {line}")
    for page in folder.rglob("index.html"):
        module = "::".join(page.parent.relative_to(folder).parts)
        found |= {f"{module}: {words(markup)}" for markup in REEXPORT.findall(page.read_text())}
    return sorted(found)


def breaking(old, new):
    """What breaks programs, one sentence each."""
    problems = [f"gone: {line}" for line in sorted(old - new)]
    heads = {line.partition(": ")[0]: line for line in old if ": has " not in line and re.search(r"\b(enum|struct|trait) ", line)}
    for line in sorted(new - old):
        path, _, member = line.partition(": has ")
        head = heads.get(path)
        if not member or head is None or "#[non_exhaustive]" in head or "/* private */" in head:
            continue
        if " trait " in head and member.endswith("}"):
            continue  # it has a default
        problems.append(f"added to what programs list in full: {line}")
    return problems


def read(path):
    lines = set(Path(path).read_text().splitlines())
    if not lines:
        raise ApiError(f"{path} is empty")
    return lines


def compare(old, new, old_version, new_version):
    problems = breaking(read(old), read(new))
    print(f"Rust: {len(problems)} changes from {old_version} to {new_version} that programs may notice")
    print("".join(f"{line}\n" for line in problems), end="")
    if problems and versions.compatible(old_version, new_version):
        sys.exit(f"{new_version} promises to be compatible with {old_version}")


def main(arguments):
    match arguments:
        case ["list", folder]:
            print("\n".join(listed(Path(folder))))
        case ["compare", old, new, old_version, new_version]:
            compare(old, new, old_version, new_version)
        case _:
            print(__doc__.split("\n\n")[1], file=sys.stderr)
            sys.exit(2)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ApiError, OSError, versions.VersionError) as error:
        print(f"Rust: {error}", file=sys.stderr)
        sys.exit(2)
