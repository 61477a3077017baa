// A resource server that checks tokens with jose and its defaults. Arguments: the folder of node_modules, the address of
// jwks.json, and how many times faster than ours its clock runs. Reads a token a line, answers "ok" or why not.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, address, speed] = process.argv.slice(2);
const { createRemoteJWKSet, jwtVerify } = await import(pathToFileURL(createRequire(`${folder}/`).resolve("jose")));

// The time of its caches alone: that of tokens comes from `new Date()`.
const now = Date.now;
const begin = now();
Date.now = () => begin + (now() - begin) * Number(speed);

const keys = createRemoteJWKSet(new URL(address));
for await (const token of createInterface({ input: process.stdin })) {
  try {
    await jwtVerify(token, keys, { issuer: "sealgate" });
    console.log("ok");
  } catch (error) {
    console.log(error.code ?? String(error));
  }
}
