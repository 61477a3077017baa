// An OAuth 2.0 client with openid-client and its defaults, which finds the server by its metadata. Arguments: the folder of
// node_modules, the issuer, the client's id, and a refresh token of a login. The secret is in CLIENT_SECRET. Prints what it got.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, issuer, id, refreshToken] = process.argv.slice(2);
const client = await import(pathToFileURL(createRequire(`${folder}/`).resolve("openid-client")));

const secret = process.env.CLIENT_SECRET;
const found = {};
for (const [name, method] of Object.entries({
  basic: client.ClientSecretBasic(secret),
  post: client.ClientSecretPost(secret),
})) {
  const config = await client.discovery(new URL(issuer), id, secret, method, {
    algorithm: "oauth2",
    execute: [client.allowInsecureRequests], // http, on this machine
  });
  const tokens = await client.clientCredentialsGrant(config, { scope: "encrypt" });
  found[name] = {
    token: tokens.access_token,
    type: tokens.token_type,
    expires: tokens.expiresIn(),
    before: await client.tokenIntrospection(config, tokens.access_token),
  };
  await client.tokenRevocation(config, tokens.access_token);
  found[name].after = await client.tokenIntrospection(config, tokens.access_token);
  found.metadata = config.serverMetadata();
}

const options = { algorithm: "oauth2", execute: [client.allowInsecureRequests] };
const nobody = await client.discovery(new URL(issuer), "a-page", undefined, client.None(), options);
const refreshed = await client.refreshTokenGrant(nobody, refreshToken);
found.refreshed = { token: refreshed.access_token, again: typeof refreshed.refresh_token };

const wrong = await client.discovery(new URL(issuer), id, "wrong", client.ClientSecretPost("wrong"), options);
found.errors = [];
for (const attempt of [
  () => client.clientCredentialsGrant(wrong),
  () => client.refreshTokenGrant(nobody, refreshToken), // once more
]) {
  try {
    await attempt();
    found.errors.push("none");
  } catch (error) {
    found.errors.push(error.error ?? error.code);
  }
}
console.log(JSON.stringify(found));
