/**
 * Modules of Node.js; undefined in a browser. They are loaded by a call, because an import of `node:…` would break a
 * bundle for browsers.
 */
const builtin = globalThis.process?.getBuiltinModule

export const fs = builtin?.("node:fs/promises")

export const os = builtin?.("node:os")

export const tls = builtin?.("node:tls")

export const http = builtin?.("node:http")

export const https = builtin?.("node:https")

/** A path whose `~` at the start is the user's home. */
export const withoutHome = (path: string): string =>
  /^~(?=$|[/\\])/.test(path) ? `${os?.homedir() ?? "~"}${path.slice(1)}` : path

/** The text of a file; a browser has none. */
export const readText = (path: string): Promise<string> =>
  fs === undefined ? Promise.reject(Object.assign(new Error(), { code: "ENOENT" })) : fs.readFile(path, "utf8")
