import { stat } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { errorCode } from "../errorCode.ts"
import { readText } from "../node.ts"

/** The key of a password. */
export interface Login {
  readonly host: string
  readonly port: string
  readonly database: string
  readonly user: string
}

/** The fields of a line: `:` separates them, `\` escapes the next character. */
const fieldsOf = (line: string): ReadonlyArray<string> => {
  const fields: Array<string> = []
  let field = ""
  for (let at = 0; at < line.length; at++) {
    if (line[at] === "\\" && at + 1 < line.length) field += line[++at]
    // The rest after the fourth colon is the password, which may contain colons.
    else if (line[at] === ":" && fields.length < 4) {
      fields.push(field)
      field = ""
    } else field += line[at]
  }
  return [...fields, field]
}

/**
 * The password for a login in a libpq password file: that of the first matching line
 * `host:port:database:user:password`, where `*` matches anything.
 */
const findPassword = (text: string, login: Login): string | undefined => {
  const wanted = [login.host, login.port, login.database, login.user]
  for (const line of text.split(/\r?\n/)) {
    if (line === "" || line.startsWith("#")) continue
    const fields = fieldsOf(line)
    if (fields.length === 5 && wanted.every((value, at) => fields[at] === "*" || fields[at] === value)) return fields[4]
  }
  return undefined
}

const maxBytes = 1024 * 1024

/**
 * The password of a login in the password file: `path`, else `~/.pgpass`. As in libpq, a file that others may read is
 * not used, with a problem to be told; so is one that was named and cannot be read.
 */
export const readPassword = async (
  path: string | undefined,
  login: Login,
  signal: AbortSignal
): Promise<{ readonly password?: string | undefined; readonly problem?: string }> => {
  const file = path ??
    (process.platform === "win32"
      ? join(process.env["APPDATA"] ?? homedir(), "postgresql", "pgpass.conf")
      : join(homedir(), ".pgpass"))
  const name = path === undefined ? `the password file ${file}` : "the password file of PGPASSFILE"
  try {
    const stats = await stat(file)
    if (process.platform !== "win32" && (stats.mode & 0o077) !== 0) {
      return { problem: `${name} is not used, because others may read it: chmod 600 changes that` }
    }
    return { password: findPassword(await readText(file, { maxBytes, signal }), login) }
  } catch (error) {
    const code = errorCode(error) ?? "unknown error"
    return path === undefined && (code === "ENOENT" || code === "ENOTDIR")
      ? {}
      : { problem: `${name} cannot be read (${code})` }
  }
}
