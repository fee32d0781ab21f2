/**
 * The scripts of `--completions`: those of Effect's generator, which request the values that only the backend knows
 * from the hidden subcommand `complete`.
 */
import * as Completions from "effect/cli/Completions"
import type { Kind } from "./candidates.ts"

/** A placeholder for the values of a kind, whose characters no generator escapes. */
const marker = (kind: Kind): string => `__effect_prefect_${kind}`

const asked = (kind: Kind): Completions.FlagType & Completions.ArgumentType => ({
  _tag: "Choice",
  values: [marker(kind)]
})

const directory = { _tag: "Path", pathType: "directory" } as const
const file = { _tag: "Path", pathType: "file" } as const

const flagTypes: { readonly [name: string]: Completions.FlagType } = {
  state: asked("states"),
  flow: asked("flows"),
  "flow-run": asked("runs"),
  slug: asked("slugs"),
  label: asked("labels"),
  profile: asked("profiles"),
  archive: directory,
  output: file,
  mount: directory,
  "api-key-file": file,
  // The names in the help, without other accepted spellings.
  level: { _tag: "Choice", values: ["debug", "info", "warning", "error", "critical"] }
}

const argumentTypes: { readonly [name: string]: Completions.ArgumentType } = {
  run: asked("runs"),
  id: asked("taskRuns"),
  name: asked("profiles"),
  dir: directory
}

const withValues = (descriptor: Completions.CommandDescriptor): Completions.CommandDescriptor => ({
  ...descriptor,
  flags: descriptor.flags.map((flag) => ({
    ...flag,
    type: flagTypes[flag.name] ?? flag.type,
    // The opposite of the others is the default.
    negation: flag.name === "mapped" ? flag.negation : false
  })),
  arguments: descriptor.arguments.map((argument) => ({
    ...argument,
    type: argumentTypes[argument.name] ?? argument.type
  })),
  subcommands: descriptor.subcommands.map(withValues)
})

const bash = `
_effect_prefect--ask()
{
  local _program="\${words[0]/#\\~\\//$HOME/}" _values=() _value
  while IFS= read -r _value; do
    _values+=("$_value")
  done < <("$_program" complete "$1" -- "\${words[@]:1:cword}" 2>/dev/null </dev/null)
  _effect_prefect--choices "$cur" "$_comp_word" \${_values[@]+"\${_values[@]}"}
}
`

const zsh = `
_effect_prefect_ask() {
  local -a values shown
  local line
  for line in "\${(@f)$("\${(Q)_effect_prefect_words[1]/#\\~\\//$HOME/}" complete --descriptions "$1" -- "\${(@Q)_effect_prefect_words[2,-1]}" 2>/dev/null </dev/null)}"; do
    [[ -n "$line" ]] || continue
    values+=("\${line%%$'\\t'*}")
    shown+=("\${line/$'\\t'/  }")
  done
  (( \${#values} )) && compadd -V values -l -d shown -a -- values
}
`

const fish = `
function __effect_prefect_ask
  set -l words (commandline -opc) (commandline -ct)
  set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
  $program complete --descriptions $argv[1] -- $words[2..-1] 2>/dev/null </dev/null
end
`

/** The script that a shell reads to complete the command. */
export const script = (shell: Completions.Shell, command: Parameters<typeof Completions.fromCommand>[0]): string => {
  const text = Completions.generate(command.name, shell, withValues(Completions.fromCommand(command)))
    .replaceAll("# Static completion script", "# Completion script")
  const lines = text.split("\n")
  const insert = (before: (line: string) => boolean, more: string) => {
    const at = lines.findIndex(before)
    return [...lines.slice(0, at), more, ...lines.slice(at)].join("\n")
  }
  switch (shell) {
    case "bash":
      return insert((line) => line === "_effect_prefect()", bash)
        .replaceAll(
          /_effect_prefect--choices "\$cur" "\$_comp_word" '__effect_prefect_(\w+)'/g,
          "_effect_prefect--ask $1"
        )
    case "zsh":
      return insert((line) => line === "_effect_prefect() {", zsh)
        .replace(
          "\n_effect_prefect() {\n",
          "\n_effect_prefect() {\n  local -a _effect_prefect_words=(\"${(@)words[1,CURRENT]}\")\n"
        )
        .replaceAll(/:\(__effect_prefect_(\w+)\)'/g, ": _effect_prefect_ask $1'")
    case "fish":
      return insert((line) => line.startsWith("complete "), fish)
        .replaceAll(/-a '__effect_prefect_(\w+)'/g, "-a '(__effect_prefect_ask $1)'")
    case "powershell":
      // Effect's script for PowerShell cannot request values from a program.
      return Completions.generate(command.name, shell, Completions.fromCommand(command))
  }
}
