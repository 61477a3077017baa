// The views and their titles.

import {overview} from "./overview.js";
import {apikeys, sessions, users} from "./accounts.js";
import {audit, keys, limits} from "./security.js";
import {settings} from "./settings.js";
import {tryit} from "./tryit.js";

export const VIEWS = {
  overview: ["Overview", overview],
  users: ["Users", users],
  sessions: ["Sessions", sessions],
  apikeys: ["API keys", apikeys],
  keys: ["Keys", keys],
  audit: ["Audit", audit],
  limits: ["Limits", limits],
  settings: ["Settings", settings],
  tryit: ["Try it", tryit],
};
