// Generates files from the table of rooms.mjs: the overrides of .oxlintrc.json and the table of CONTRIBUTING.md. With
// --check it compares them, and checks every import of the packages, `import type` included: a package imports only
// those of its row, no import reaches into another package's internal/, modules form no cycle, and no two folders of a
// package import each other.
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs"
import { dirname, join, relative, sep } from "node:path"
import { parseSync } from "oxc-parser"
import { packageName, rooms } from "./rooms.mjs"

const scope = "@effect-prefect/"

// ---------------------------------------------------------------------------------------------------------- generated

/** @param {ReadonlyArray<string>} names */
const anyOf = (names) => names.map((name) => name.replace(/[/\\^$.|?*+()[\]{}]/g, "\\$&")).join("|")

const scoped = rooms.map(({ name }) => name).filter((name) => packageName(name).startsWith(scope))

const override = (/** @type {import("./rooms.mjs").Room} */ { alone, imports, name, runs }) => {
  const closed = rooms.filter((other) => other.name !== name && !imports.includes(other.name))
  return {
    files: [`packages/${name}/src/**/*.ts`, `packages/${name}/src/**/*.tsx`],
    rules: {
      "no-restricted-imports": ["error", {
        paths: [{ name: "effect", message: "Import the module: effect/Effect, effect/Schema, …" }],
        patterns: [
          ...(alone
            ? [{ regex: "^[^.]", message: `${name} has no dependency: neither packages nor Node modules.` }]
            : []),
          ...(runs === "browser" && !alone
            ? [{ regex: "^node:", message: `${name} runs in a browser: no Node modules.` }]
            : []),
          ...(closed.length > 0 && !alone
            ? [{
              regex: `^(${anyOf(closed.map((other) => packageName(other.name)))})(/|$)`,
              message: imports.length === 0
                ? `${name} imports no other package.`
                : `${name} imports ${imports.join(", ")} only.`
            }]
            : []),
          // The index of pickle is flat: it is the module.
          {
            regex: `^${scope}(${anyOf(scoped.filter((other) => other !== "pickle"))})$`,
            message: "Import the module: @effect-prefect/core/State, …"
          },
          { regex: "^(\\.\\./)+(packages/)?[a-z-]+/(src|test|dist)/", message: "Reach another package by its name." },
          { regex: `^${scope}[a-z-]+/(src/)?internal/`, message: "internal/ of a package is its own." }
        ]
      }]
    }
  }
}

/** @param {string} source */
const lintWith = (source) => {
  const config = JSON.parse(source)
  const kept = config.overrides.filter((/** @type {any} */ one) => !("no-restricted-imports" in (one.rules ?? {})))
  return `${JSON.stringify({ ...config, overrides: [...rooms.map(override), ...kept] }, null, 2)}\n`
}

const begin = "<!-- rooms: npm run imports writes this table -->"
const end = "<!-- /rooms -->"

const table = () => {
  const rows = [
    ["package", "is", "imports"],
    ...rooms.map(({ imports, is, name }) => [name, is, imports.length === 0 ? "–" : imports.join(", ")])
  ]
  const lines = rows.map((cells) => `| ${cells.join(" | ")} |`)
  return [lines[0], "|---|---|---|", ...lines.slice(1)].join("\n")
}

/** @param {string} source */
const contributingWith = (source) => {
  const from = source.indexOf(begin)
  const to = source.indexOf(end)
  if (from === -1 || to < from) throw new Error(`CONTRIBUTING.md has no place for the table: ${begin} … ${end}`)
  return `${source.slice(0, from + begin.length)}\n\n${table()}\n\n${source.slice(to)}`
}

// -------------------------------------------------------------------------------------------------------------- checked

/**
 * @param {string} folder
 * @returns {Array<string>}
 */
const filesBelow = (folder) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) =>
        /\.[cm]?tsx?$/.test(name) && !name.split(sep).some((part) => /^(node_modules|dist)$/.test(part))
      )
      .map((name) => join(folder, name))
      .toSorted()
    : []

/**
 * The imports of a file, including types and `import()`.
 * @param {string} file
 * @returns {Array<string>}
 */
const importsOf = (file) => {
  const source = readFileSync(file, "utf8")
  const { module, program } = parseSync(file, source)
  /** @type {Set<string>} */
  const found = new Set([
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap(({ moduleRequest }) => moduleRequest?.value ?? [])
    ),
    ...module.dynamicImports.flatMap(({ moduleRequest }) => {
      const text = source.slice(moduleRequest.start, moduleRequest.end)
      return /^(["'])[^"']*\1$/.test(text) ? [text.slice(1, -1)] : []
    })
  ])
  // `import("…")` as a type occurs only in the tree.
  /** @param {any} node */
  const visit = (node) => {
    if (Array.isArray(node)) return node.forEach(visit)
    if (typeof node !== "object" || node === null) return
    if (node.type === "TSImportType") {
      const text = (node.source ?? node.argument?.literal)?.value
      if (typeof text === "string") found.add(text)
    }
    for (const key of Object.keys(node)) visit(node[key])
  }
  if (/\bimport\s*\(/.test(source)) visit(program)
  return [...found]
}

const byName = new Map(rooms.map((room) => [packageName(room.name), room]))

/**
 * The components of a graph that have more than one member, or one that points at itself.
 * @param {ReadonlyMap<string, ReadonlySet<string>>} graph
 */
const circles = (graph) => {
  /** @type {Map<string, { index: number, low: number, on: boolean }>} */
  const seen = new Map()
  /** @type {Array<string>} */
  const stack = []
  /** @type {Array<Array<string>>} */
  const found = []
  const visit = (/** @type {string} */ node) => {
    const state = { index: seen.size, low: seen.size, on: true }
    seen.set(node, state)
    stack.push(node)
    for (const next of graph.get(node) ?? []) {
      const known = seen.get(next)
      if (known === undefined) state.low = Math.min(state.low, visit(next).low)
      else if (known.on) state.low = Math.min(state.low, known.index)
    }
    if (state.low === state.index) {
      const members = stack.splice(stack.indexOf(node))
      for (const member of members) {
        const one = seen.get(member)
        if (one !== undefined) one.on = false
      }
      if (members.length > 1 || graph.get(node)?.has(node)) found.push(members.toSorted())
    }
    return state
  }
  for (const node of graph.keys()) if (!seen.has(node)) visit(node)
  return found
}

/** A shortest path through a cycle, for the message. */
const wayRound = (/** @type {ReadonlyMap<string, ReadonlySet<string>>} */ graph, /** @type {string} */ start) => {
  /** @type {Array<Array<string>>} */
  const queue = [[start]]
  const visited = new Set()
  for (let way = queue.shift(); way !== undefined; way = queue.shift()) {
    for (const next of graph.get(way.at(-1) ?? "") ?? []) {
      if (next === start) return [...way, start]
      if (visited.has(next)) continue
      visited.add(next)
      queue.push([...way, next])
    }
  }
  return [start]
}

/** The imports of a tree that break a rule. */
const wrongImports = (/** @type {string} */ root) => {
  /** @type {Array<string>} */
  const problems = []
  const shown = (/** @type {string} */ file) => relative(root, file).split(sep).join("/")
  /** The package that a path below packages/ belongs to. */
  const roomOf = (/** @type {string} */ file) => {
    const [first, second] = shown(file).split("/")
    return first === "packages" ? second : undefined
  }
  const folders = existsSync(join(root, "packages")) ? readdirSync(join(root, "packages")) : []
  for (const folder of folders) {
    if (!rooms.some(({ name }) => name === folder)) problems.push(`packages/${folder} has no row in scripts/rooms.mjs`)
  }
  for (const room of rooms) {
    const base = join(root, "packages", room.name)
    /** @type {Map<string, Set<string>>} */
    const graph = new Map()
    /** The pairs of folders of the package where one imports the other, with an example. */
    /** @type {Map<string, Map<string, string>>} */
    const between = new Map()
    /** @type {Set<string>} */
    const imported = new Set()
    for (const file of filesBelow(base)) {
      const inSource = shown(file).startsWith(`packages/${room.name}/src/`)
      for (const specifier of importsOf(file)) {
        if (specifier.startsWith(".")) {
          const target = join(dirname(file), specifier)
          const other = roomOf(target)
          if (other !== room.name) {
            if (/\/internal\//.test(shown(target)) && other !== undefined) {
              problems.push(`${shown(file)} reaches into ${shown(target)}: internal/ of a package is its own`)
            } else if (inSource) problems.push(`${shown(file)} imports ${specifier}: reach another package by its name`)
            continue
          }
          if (!inSource || !existsSync(target)) continue
          const edges = graph.get(shown(file)) ?? new Set()
          graph.set(shown(file), edges.add(shown(target)))
          const [from, to] = [folderOf(base, file), folderOf(base, target)]
          if (from !== to) {
            const some = between.get(from) ?? new Map()
            between.set(from, some)
            if (!some.has(to)) some.set(to, `${shown(file)} → ${shown(target)}`)
          }
          continue
        }
        const [first = "", second = ""] = specifier.split("/")
        const name = specifier.startsWith("@") ? `${first}/${second}` : first
        const other = byName.get(name)
        if (other === undefined) continue
        if (specifier.slice(name.length).startsWith("/internal/")) {
          problems.push(`${shown(file)} imports ${specifier}: internal/ of a package is its own`)
        }
        if (inSource && other.name !== room.name) imported.add(name)
        if (inSource && other.name !== room.name && !room.imports.includes(other.name)) {
          problems.push(`${shown(file)} imports ${name}, which is not in the row of ${room.name} in scripts/rooms.mjs`)
        }
      }
    }
    for (const members of circles(graph)) {
      problems.push(`modules import each other in a circle: ${wayRound(graph, members[0] ?? "").join(" → ")}`)
    }
    for (const [from, some] of between) {
      for (const [to, example] of some) {
        // Public modules are above internal/ and provide its models: that pair is allowed.
        if (from > to || from === "" || to === "") continue
        const back = between.get(to)?.get(from)
        if (back !== undefined) {
          problems.push(`the folders ${from} and ${to} of ${room.name} import each other: ${example}, ${back}`)
        }
      }
    }
    // The manifest must agree with the table.
    const manifest = join(base, "package.json")
    if (!existsSync(manifest)) continue
    const read = JSON.parse(readFileSync(manifest, "utf8"))
    // Bundled packages are needed to build a package, and not to install it.
    const bundled = read["effect-prefect"]?.index === "built" ? read.devDependencies : {}
    const declared = new Set(
      Object.keys({ ...read.dependencies, ...read.peerDependencies, ...read.optionalDependencies, ...bundled })
    )
    for (const name of declared) {
      const other = byName.get(name)
      if (other !== undefined && !room.imports.includes(other.name)) {
        problems.push(`packages/${room.name}/package.json depends on ${name}, which is not in its row`)
      }
    }
    for (const name of imported) {
      if (!declared.has(name)) {
        problems.push(`packages/${room.name}/package.json does not depend on ${name}, which src imports`)
      }
    }
  }
  // Benchmarks and conformance scripts look inside on purpose; examples are users.
  for (const file of filesBelow(join(root, "examples"))) {
    for (const specifier of importsOf(file)) {
      if (/(^|\/)internal\//.test(specifier) && (specifier.startsWith(scope) || /\/packages\//.test(specifier))) {
        problems.push(`${shown(file)} imports ${specifier}: internal/ of a package is its own`)
      }
    }
  }
  return problems
}

/** The folder of a module inside its package: "" for src itself, "internal", "internal/run", "machine", … */
const folderOf = (/** @type {string} */ base, /** @type {string} */ file) =>
  relative(join(base, "src"), dirname(file)).split(sep).join("/")

/** @type {ReadonlyArray<readonly [name: string, make: (source: string) => string]>} */
const generated = [[".oxlintrc.json", lintWith], ["CONTRIBUTING.md", contributingWith]]

/** Everything that is wrong with a tree. */
export const problemsOf = (/** @type {string} */ root) => [
  ...generated.flatMap(([name, make]) => {
    const source = readFileSync(join(root, name), "utf8")
    return make(source) === source ? [] : [`${name} is not what scripts/rooms.mjs says: run npm run imports`]
  }),
  ...wrongImports(root)
]

/** Generates the files anew. */
const write = (/** @type {string} */ root) => {
  for (const [name, make] of generated) {
    const path = join(root, name)
    const source = readFileSync(path, "utf8")
    const wanted = make(source)
    if (wanted === source) continue
    writeFileSync(path, wanted)
    console.log(`${name} written`)
  }
}

// ------------------------------------------------------------------------------------------------------------------ main

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename) {
  const root = dirname(import.meta.dirname)
  if (!process.argv.includes("--check")) write(root)
  const problems = problemsOf(root)
  for (const problem of problems) console.error(problem)
  process.exitCode = problems.length > 0 ? 1 : 0
}
