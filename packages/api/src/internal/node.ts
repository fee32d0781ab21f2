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

/** The most bytes of profiles and certificates. */
const maxTextBytes = 2 ** 24

/** The text of a file; a browser has none. */
export const readText = async (path: string): Promise<string> => {
  if (fs === undefined) throw Object.assign(new Error(), { code: "ENOENT" })
  if ((await fs.stat(path)).size > maxTextBytes) throw Object.assign(new Error(), { code: "EFBIG" })
  return fs.readFile(path, "utf8")
}
