/** Help that fits the terminal: descriptions wrap beside their flags, and the flags of every command come last. */
import * as CliOutput from "effect/cli/CliOutput"
import type { FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import * as Option from "effect/Option"
import { styleText } from "node:util"
import { width } from "./table.ts"
import { wrap } from "./wrap.ts"

/** Longer lines are hard to read, however wide the terminal. */
const widest = 110
const narrowest = 40
/** The description of a longer name goes below it. */
const nameColumns = 28

/** Flags that Effect adds to every command but that do not apply to this one. */
const hidden: ReadonlySet<string> = new Set(["wizard"])

interface Row {
  readonly name: string
  readonly text: string
}

/** The value of a flag in short form: the description lists the choices when there are many. */
const typeOf = ({ type }: FlagDoc): string =>
  type === "boolean" ? "" : ` ${type.length > 20 && type.startsWith("<") ? "VALUE" : type}`

/** Effect repeats the choices after the description. */
const withoutChoices = (text: string): string => text.replace(/ ?\(choices: [^()]*\)$/, "")

const flagRow = (flag: FlagDoc): Row => {
  const text = withoutChoices(Option.getOrElse(flag.description, () => ""))
  const choices = /^<(.+)>$/.exec(flag.type)?.[1]
  return {
    name: `${[`--${flag.name}`, ...flag.aliases].join(", ")}${typeOf(flag)}`,
    text: choices !== undefined && flag.type.length > 20 ? `${text}: ${choices.split("|").join(", ")}` : text
  }
}

export const format = (
  doc: HelpDoc,
  options: { readonly columns: number | undefined; readonly colors: boolean }
): string => {
  const columns = Math.max(narrowest, Math.min(options.columns ?? 100, widest))
  const bold = (text: string) => options.colors ? styleText("bold", text, { validateStream: false }) : text
  const cyan = (text: string) => options.colors ? styleText("cyan", text, { validateStream: false }) : text
  const table = (rows: ReadonlyArray<Row>): string => {
    const nameWidth = Math.min(nameColumns, Math.max(...rows.map(({ name }) => width(name)))) + 2
    return rows.map(({ name, text }) => {
      const [first = "", ...rest] = wrap(text, columns - 2 - nameWidth)
      const indent = " ".repeat(2 + nameWidth)
      const room = nameWidth - width(name)
      const head = room >= 2 ? `  ${cyan(name)}${" ".repeat(room)}${first}` : `  ${cyan(name)}\n${indent}${first}`
      return [head.trimEnd(), ...rest.map((line) => `${indent}${line}`)].join("\n")
    }).join("\n")
  }
  const section = (title: string, body: string): string => `${bold(title)}\n${body}\n`
  const shown = (flags: ReadonlyArray<FlagDoc> | undefined) => (flags ?? []).filter(({ name }) => !hidden.has(name))
  const parts = [wrap(doc.description, columns).join("\n") + "\n", section("USAGE", `  ${cyan(doc.usage)}`)]
  if (doc.args !== undefined && doc.args.length > 0) {
    parts.push(section(
      "ARGUMENTS",
      table(doc.args.map(({ description, name, variadic }) => ({
        name: variadic ? `${name}...` : name,
        text: Option.getOrElse(description, () => "")
      })))
    ))
  }
  for (const { commands, group } of doc.subcommands ?? []) {
    parts.push(section(
      group ?? "COMMANDS",
      table(
        commands.map(({ description, name, shortDescription }) => ({ name, text: shortDescription ?? description }))
      )
    ))
  }
  if (doc.flags.length > 0) parts.push(section("FLAGS", table(shown(doc.flags).map(flagRow))))
  if (doc.examples !== undefined && doc.examples.length > 0) {
    parts.push(section(
      "EXAMPLES",
      doc.examples.map(({ command, description }) =>
        `${description === undefined ? "" : `  # ${description}\n`}  ${cyan(command)}`
      ).join("\n\n")
    ))
  }
  const everywhere = [...shown(doc.inheritedFlags), ...shown(doc.globalFlags)]
  if (everywhere.length > 0) parts.push(section("FLAGS OF EVERY COMMAND", table(everywhere.map(flagRow))))
  return parts.join("\n").trimEnd()
}

/** The formatter of help; everything else is Effect's own. */
export const layer = (options: { readonly columns: number | undefined; readonly colors: boolean }) =>
  CliOutput.layer({
    ...CliOutput.defaultFormatter({ colors: options.colors }),
    formatHelpDoc: (doc) => format(doc, options)
  })
