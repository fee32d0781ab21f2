/** Commands that a command suggests, as they can be pasted into the same shell. */
import * as Option from "effect/Option"
import type { Style } from "./colors.ts"
import type * as Settings from "./settings.ts"
import { quoted } from "./shellWord.ts"
import { width } from "./table.ts"

/**
 * The beginning of an id that names it among any number that is likely. Ids of version 7 begin with the time, so those
 * of one minute have the same beginning.
 */
export const shortId = (id: string): string =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-6][0-9a-f]{3}-/.test(id) ? id.slice(0, 8) : quoted(id)

/** The flags that named the backend. A database's URL may hold a password, so it is not repeated. */
export const backendFlags = (flags: Settings.BackendFlags): string =>
  (["archive", "api", "prefect3", "profile"] as const).flatMap((name) => {
    const value = Option.getOrUndefined(flags[name])
    return value === undefined || /\/\/[^/]*@|[?#]/.test(value) ? [] : [` --${name} ${quoted(value)}`]
  }).join("")

/** The section `Next`: each command with what it shows, beside it where all of them fit. */
export const nextCommands = (
  commands: ReadonlyArray<readonly [command: string, what: string]>,
  paint: Style,
  columns: number | undefined
): string => {
  const room = Math.max(...commands.map(([command]) => width(command))) + 4
  const fits = columns === undefined || commands.every(([, what]) => room + width(what) <= columns)
  const lines = commands.map(([command, what]) =>
    fits
      ? `  ${command}${" ".repeat(room - 2 - width(command))}${paint.dim(what)}\n`
      : `  ${paint.dim(`# ${what}`)}\n  ${command}\n`
  )
  return `\n${paint.bold("Next")}\n${lines.join("")}`
}
