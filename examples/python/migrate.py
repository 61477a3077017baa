"""Takes data that the original program encrypted (AES-CBC) over into the sealed format.

    AES_KEY=... AES_IV=... python3 examples/python/migrate.py < old.txt > new.txt

One base64 text a line. Lines that are sealed already stay as they are, so that it may run again over its own output. Nothing
is written unless all of it opens: else the numbers of the lines are told, and the exit code is 1. The settings are the
original's; the new data opens under the same AES_KEY.

With a context for each line nobody can exchange one line for another: where the data has an identity, such as the number of a
row, give `context=` to `encrypt`, and to `decrypt` later.
"""

import sys

import sealgate

# Opens what the original made; what is new is sealed. Without AES_IV nothing of the original's can be opened.
gate = sealgate.Gate(sealgate.Config(environment=True, cbc="open"))
# Knows the sealed format only, so it tells whether a line is in it.
sealed_only = sealgate.Gate(sealgate.Config(environment=True, cbc="off"))


def migrated(line: str) -> str:
    try:
        sealed_only.decrypt(line)
        return line
    except sealgate.DecryptFailedError:
        # AES-CBC cannot tell what is damaged. The original's data is text, and damaged text is hardly ever UTF-8.
        return gate.encrypt(gate.decrypt(line).decode())


lines = []
bad = []
for number, line in enumerate(sys.stdin, 1):
    try:
        lines.append(migrated(line.strip()))
    except ValueError:  # DecryptFailedError is one, and so is what is no text
        bad.append(str(number))
if bad:
    sys.exit(f"nothing was written: these lines do not open under AES_KEY and AES_IV: {', '.join(bad)}")
sys.stdout.writelines(f"{line}\n" for line in lines)
print(f"{len(lines)} lines are sealed now", file=sys.stderr)
