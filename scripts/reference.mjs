// Writes docs/reference from the docstrings of the sources and the signatures of the built declarations, one page for
// each module. It fails for an export without text, @since or one @category in its docstring, unless it is @internal;
// for a type of a signature that has no page, because no module exports it; and for a main function without an example.
// --check writes nothing, and fails when pages are there and are not what it would write. Needs npm run build.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { parseSync } from "oxc-parser"
import { packages, root } from "./packages.mjs"

/** @typedef {{ doc: string | undefined, text: string, base: string | undefined, path: string, line: number }} Declaration */
/** @typedef {{ name: string | undefined, from: string }} Import without a name: a namespace */
/** @typedef {{ header: string | undefined, declared: Map<string, Array<Declaration>>, exported: Map<string, { name: string, from?: string, doc?: string | undefined }>, imported: Map<string, Import> }} File */

/** @type {Map<string, File>} */
const files = new Map()

/**
 * The file that an import means, beside declarations those of the module; undefined for a module that is not ours.
 * @param {string} from
 * @param {string} specifier
 * @returns {string | undefined}
 */
const target = (from, specifier) => {
  const isDeclarations = from.endsWith(".d.ts")
  if (specifier.startsWith(".")) {
    return join(dirname(from), isDeclarations ? specifier.replace(/\.ts$/, ".d.ts") : specifier)
  }
  const one = packages.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`))
  if (one === undefined || one.index === "built") return undefined
  const module = specifier.slice(one.name.length + 1) || "index"
  return join(one.path, isDeclarations ? `dist/${module}.d.ts` : `src/${module}.ts`)
}

/**
 * What a file declares and exports; the text of a declaration is as it stands there.
 * @param {string} path
 * @returns {File}
 */
const read = (path) => {
  const known = files.get(path)
  if (known !== undefined) return known
  const source = readFileSync(path, "utf8")
  const { comments, errors, program } = parseSync(path, source)
  if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`)
  const blocks = comments.filter(({ type, value }) => type === "Block" && value.startsWith("*"))
  const docBefore = (/** @type {number} */ start) =>
    blocks.find(({ end }) => end <= start && source.slice(end, start).trim() === "")?.value
  /** @type {File} */
  const file = { header: undefined, declared: new Map(), exported: new Map(), imported: new Map() }
  // The docstring of a module comes first, after line comments, and has no category; the one of its first export has one.
  const [first] = blocks
  const isHeader = first !== undefined && /^(\s|\/\/[^\n]*)*$/.test(source.slice(0, first.start)) &&
    !first.value.includes("@category")
  if (isHeader) file.header = blocks.shift()?.value
  const { imported } = file
  for (const node of program.body) {
    if (node.type === "ImportDeclaration") {
      const from = target(path, node.source.value)
      if (from === undefined) continue
      for (const one of node.specifiers) {
        if (one.type === "ImportNamespaceSpecifier") imported.set(one.local.name, { name: undefined, from })
        if (one.type !== "ImportSpecifier" || one.imported.type !== "Identifier") continue
        imported.set(one.local.name, { name: one.imported.name, from })
      }
      continue
    }
    if (node.type === "ExportAllDeclaration") {
      const from = target(path, node.source.value) ?? ""
      if (node.exported === null) {
        for (const name of read(from).exported.keys()) file.exported.set(name, { name, from })
      }
      continue
    }
    if (node.type === "ExportNamedDeclaration" && node.declaration === null) {
      for (const { exported, local, start } of node.specifiers) {
        if (exported.type !== "Identifier" || local.type !== "Identifier") continue
        const source = node.source === null ? imported.get(local.name) : { from: target(path, node.source.value) ?? "" }
        const from = source === undefined
          ? {}
          : { name: "name" in source ? source.name ?? "" : local.name, from: source.from }
        file.exported.set(exported.name, { name: local.name, ...from, doc: docBefore(start) ?? docBefore(node.start) })
      }
      continue
    }
    const isExport = node.type === "ExportNamedDeclaration"
    const declaration = isExport ? node.declaration : node
    if (declaration === null || !("id" in declaration || "declarations" in declaration)) continue
    const ids = "declarations" in declaration ? declaration.declarations.map(({ id }) => id) : [declaration.id]
    const superClass = "superClass" in declaration ? declaration.superClass : null
    for (const id of ids) {
      if (id === null || id.type !== "Identifier") continue
      const text = source.slice(node.start, node.end).replace(/^export /, "").replace(/^declare /, "").replace(/;$/, "")
      const list = file.declared.get(id.name) ?? []
      list.push({
        doc: docBefore(node.start),
        text,
        base: superClass?.type === "Identifier" ? superClass.name : undefined,
        path,
        line: source.slice(0, node.start).split("\n").length
      })
      file.declared.set(id.name, list)
      if (isExport) file.exported.set(id.name, { name: id.name })
    }
  }
  files.set(path, file)
  return file
}

/**
 * The declarations behind an export, followed through re-exports.
 * @param {string} path
 * @param {string} name
 * @returns {Array<Declaration>}
 */
const resolve = (path, name) => {
  const exported = read(path).exported.get(name)
  if (exported === undefined) return []
  if (exported.from !== undefined) return resolve(exported.from, exported.name)
  const { declared } = read(path)
  return (declared.get(exported.name) ?? []).map((one) => {
    // The compiler gives the superclass of a schema class a name of its own, as a constant.
    const base = one.base === undefined ? undefined : declared.get(one.base)?.[0]?.text
    const type = base === undefined ? null : /^const \w+: ([^]*)$/.exec(base)
    return type === null ? one : { ...one, text: one.text.replace(`extends ${one.base}`, `extends ${type[1]}`) }
  })
}

/**
 * Where an export is declared, followed through re-exports.
 * @param {string} path
 * @param {string} name
 * @returns {{ path: string, name: string } | undefined}
 */
const origin = (path, name) => {
  const exported = read(path).exported.get(name)
  if (exported === undefined) return undefined
  return exported.from === undefined ? { path, name: exported.name } : origin(exported.from, exported.name)
}

/** @typedef {{ type?: unknown, [key: string]: unknown }} Node */

/**
 * The names of types in a declaration, each as the identifiers between its dots, without its own type parameters.
 * @param {string} text
 * @returns {Array<ReadonlyArray<string>>}
 */
const typesIn = (text) => {
  /** @type {Array<ReadonlyArray<string>>} */
  const found = []
  const own = new Set()
  /** @returns {Array<string>} */
  const dotted = (/** @type {any} */ node) =>
    node.type === "Identifier"
      ? [node.name]
      : node.type === "TSQualifiedName"
      ? [...dotted(node.left), node.right.name]
      : node.type === "MemberExpression"
      ? [...dotted(node.object), node.property.name]
      : []
  const visit = (/** @type {unknown} */ value) => {
    if (Array.isArray(value)) return value.forEach(visit)
    if (typeof value !== "object" || value === null) return
    const node = /** @type {any} */ (value)
    if (node.type === "TSTypeParameter") own.add(node.name.name)
    if (node.type === "TSTypeReference") found.push(dotted(node.typeName))
    if (node.type === "TSTypeQuery") found.push(dotted(node.exprName))
    if (node.type === "TSInterfaceHeritage" || node.type === "TSClassImplements") found.push(dotted(node.expression))
    for (const child of Object.values(node)) visit(child)
  }
  visit(parseSync("declaration.d.ts", `export declare ${text.replace(/^default /, "")}`).program.body)
  return found.filter(([first, ...rest]) => first !== undefined && !(rest.length === 0 && own.has(first)))
}

/**
 * Where a name that a declaration mentions is declared; undefined when that is not in our packages.
 * @param {string} path of the declaration
 * @param {ReadonlyArray<string>} names
 * @returns {{ path: string, name: string } | undefined}
 */
const meant = (path, [first = "", second]) => {
  const { declared, imported } = read(path)
  const from = imported.get(first)
  if (from === undefined) return declared.has(first) ? { path, name: first } : undefined
  return from.name === undefined ? origin(from.from, second ?? "") : origin(from.from, from.name)
}

/** The page and the anchor of each exported declaration, by its file and name. @type {Map<string, { file: string, anchor: string, name: string }>} */
const pageOf = new Map()
const keyOf = (/** @type {{ path: string, name: string }} */ { name, path }) => `${path}#${name}`

/** The parts of a docstring. */
const parts = (/** @type {string} */ doc) => {
  const lines = doc.replace(/^\*/, "").split("\n").map((line) => line.replace(/^\s*\* ?/, "").trimEnd())
  const first = lines.findIndex((line) => line.startsWith("@"))
  const tags = (first < 0 ? [] : lines.slice(first)).filter((line) => line.startsWith("@"))
  const tagged = (/** @type {string} */ name) =>
    tags.filter((tag) => tag.startsWith(`@${name} `)).map((tag) => tag.slice(name.length + 2))
  const text = lines.slice(0, first < 0 ? lines.length : first).join("\n").trim().replaceAll(
    /\{@link ([^}]+)\}/g,
    "`$1`"
  )
  return { text, since: tagged("since"), categories: tagged("category"), internal: tags.includes("@internal") }
}

/** @type {Array<string>} */
const problems = []
/** @type {Map<string, string>} */
const pages = new Map()

/** @typedef {{ name: string, categories: Array<string>, since: string | undefined, text: string, signature: string, links: Array<string>, source: Declaration | undefined }} Entry */
/** @typedef {{ title: string, use: string, file: string, path: string, module: string }} Listed */

/** The exports of a module by category, in the order of its page. */
const entriesOf = (/** @type {Listed} */ { module, path }) => {
  const source = join(path, "src", `${module}.ts`)
  /** @type {Map<string, Array<{ name: string, docs: Array<ReturnType<typeof parts>> }>>} */
  const byCategory = new Map()
  for (const [name, { doc: own }] of read(source).exported) {
    // A type and a value of one name may share a text.
    const docs = [own, ...resolve(source, name).map(({ doc }) => doc)].flatMap((doc) =>
      doc === undefined ? [] : [parts(doc)]
    )
    if (docs.some(({ internal }) => internal)) continue
    const category = (docs.find((doc) => doc.text !== "") ?? docs[0])?.categories[0] ?? ""
    const section = byCategory.get(category) ?? []
    section.push({ name, docs })
    byCategory.set(category, section)
  }
  return [...byCategory].toSorted(([left], [right]) => left.localeCompare(right, "en"))
}

/** Of headings that differ by nothing but their case, the later ones get a number. */
const anchors = () => {
  /** @type {Map<string, number>} */
  const seen = new Map()
  return (/** @type {string} */ heading) => {
    const plain = heading.toLowerCase()
    const times = seen.get(plain) ?? 0
    seen.set(plain, times + 1)
    return times === 0 ? plain : `${plain}-${times}`
  }
}

const pagesFolder = join(root, "docs", "reference")
const linkTo = (/** @type {string} */ file, /** @type {string} */ path) =>
  relative(dirname(join(pagesFolder, file)), path).replaceAll("\\", "/")

/** Registers what a page explains. */
const register = (/** @type {Listed} */ listed) => {
  const declarations = join(listed.path, "dist", `${listed.module}.d.ts`)
  const anchor = anchors()
  for (const [category, entries] of entriesOf(listed)) {
    anchor(category)
    for (const { name } of entries) {
      const place = { file: listed.file, anchor: anchor(name), name }
      const at = origin(declarations, name)
      if (at === undefined) continue
      // The module that declares it comes before those that export it again.
      if (!pageOf.has(keyOf(at)) || at.path === declarations) pageOf.set(keyOf(at), place)
    }
  }
}

/** The types of a signature that are explained on other pages, or further down, as links. */
const linksOf = (
  /** @type {Listed} */ { file },
  /** @type {string} */ shown,
  /** @type {ReadonlyArray<Declaration>} */ found
) => {
  /** @type {Map<string, string>} */
  const links = new Map()
  for (const { path, text } of found) {
    for (const names of typesIn(text)) {
      const at = meant(path, names)
      if (
        at === undefined ||
        found.some((one) => one.path === at.path && read(one.path).declared.get(at.name)?.includes(one))
      ) {
        continue
      }
      const docs = read(at.path).declared.get(at.name)?.flatMap(({ doc }) => doc ?? []) ?? []
      if (docs.some((doc) => doc.includes("@internal"))) continue
      const place = pageOf.get(keyOf(at))
      if (place === undefined) {
        problems.push(
          `${shown}: ${names.join(".")} is in its signature, but no module exports it (${relative(root, at.path)})`
        )
      } else {
        const page = place.file === file ? "" : linkTo(file, join(pagesFolder, place.file))
        links.set(place.name, `[${place.name}](${page}#${place.anchor})`)
      }
    }
  }
  return [...links.values()]
}

/** The page of one module: what it exports, by category. */
const page = (/** @type {Listed} */ listed) => {
  const { file, module, path, title, use } = listed
  const source = join(path, "src", `${module}.ts`)
  const declarations = join(path, "dist", `${module}.d.ts`)
  const shown = relative(root, source)
  const header = read(source).header
  if (header === undefined) problems.push(`${shown}: the module has no docstring`)
  const { since: [moduleSince], text: about } = parts(header ?? "")
  const sections = entriesOf(listed).map(([category, entries]) => {
    const written = entries.map(({ docs, name }) => {
      const { categories, since, text } = docs.find((doc) => doc.text !== "") ?? docs[0] ?? parts("")
      const lacks = [
        ...(text === "" ? ["text in a docstring"] : []),
        ...(since.length === 1 ? [] : ["@since"]),
        ...(categories.length === 1 ? [] : ["one @category"])
      ]
      if (lacks.length > 0) problems.push(`${shown}: ${name} has no ${lacks.join(", no ")}`)
      const found = resolve(declarations, name)
      const signature = [...new Set(found.map((one) => one.text))].join("\n").replaceAll(/import\("[^"]+"\)\./g, "")
      const [first] = resolve(source, name)
      const links = [
        ...(first === undefined ? [] : [`[source](${linkTo(file, first.path)}#L${first.line})`]),
        ...linksOf(listed, `${shown}: ${name}`, found)
      ]
      const added = since[0] === moduleSince ? "" : `\nSince ${since[0]}.\n`
      return `### ${name}\n\n${text}\n\n\`\`\`typescript\n${signature}\n\`\`\`\n\n${links.join(" · ")}\n${added}`
    })
    return { category, names: entries.map(({ name }) => name), written }
  })
  const anchor = anchors()
  const contents = sections.map(({ category, names }) => {
    anchor(category)
    return `- ${category}: ${names.map((name) => `[${name}](#${anchor(name)})`).join(", ")}`
  })
  const text = [
    `# ${title}\n\n${about}\n\n\`\`\`typescript\n${use}\n\`\`\`\n\n[Source](${
      linkTo(file, source)
    }), since ${moduleSince}.\n\n${contents.join("\n")}\n`,
    ...sections.flatMap(({ category, written }) => [`## ${category}\n`, ...written])
  ].join("\n")
  // An example of a main function shows how it is called.
  const examples = [...text.matchAll(/^```ts$([^]*?)^```$/gm)].map(([, code = ""]) => code).join("\n")
  for (const name of mainFunctions(module, sections.flatMap(({ names }) => names))) {
    const called = module === "index" ? new RegExp(`\\b${name}\\(`) : new RegExp(`\\b${module}\\.${name}\\b`)
    if (!called.test(examples)) problems.push(`${shown}: no example calls ${name}`)
  }
  return text
}

const summary = (/** @type {string} */ text) => text.split("\n\n")[1]?.replaceAll("\n", " ") ?? ""

/** Packages in the order in which to read about them, and in each the modules that come first. */
const order = [
  {
    folder: "results",
    first: ["TaskRun", "FlowRun", "ResultStorage", "LocalStorage", "ResultError", "ResultOptions", "Watch"]
  },
  {
    folder: "api",
    first: ["PrefectApi", "GraphQLApi", "Prefect3Api", "PostgresApi", "ArchiveApi", "MemoryApi", "PrefectApiError"]
  },
  { folder: "core", first: ["TaskRunView", "FlowRunView", "State", "ResultDescriptor"] },
  {
    folder: "formats",
    first: ["ResultSchema", "ClassRegistry", "Table", "TableParts", "JsonProjection", "TableEncoder"]
  },
  { folder: "pickle", first: [] },
  { folder: "collect", first: ["Collect", "CollectOutput", "CollectFormat"] },
  { folder: "server", first: ["Server", "Database"] },
  { folder: "ui-server", first: ["UiServer"] },
  { folder: "ui-api", first: [] }
]

/** The functions that users call first, whichever module they are in: of others it is enough to say what they do. */
const main = new Map(Object.entries({
  ArchiveApi: ["layer"],
  ArchiveExport: ["exportTables"],
  ArchiveVerify: ["verify"],
  ClassRegistry: ["make", "schema"],
  Collect: ["run"],
  FlowRun: ["fromFlowRunId", "fromView"],
  index: ["loads"],
  JsonProjection: ["toJson", "toText"],
  LocalStorage: ["layerArchive"],
  MemoryStorage: ["make"],
  Mount: ["parse"],
  Progress: ["make"],
  PythonJson: ["parse"],
  ResultFormat: ["decode"],
  ResultSchema: ["list", "table"],
  State: ["fromJson", "isFinished"],
  Table: ["Table"],
  TableEncoder: ["csv", "parquet", "arrow"],
  TaskRun: ["fromTaskRunId", "fromTaskSlug", "fromView"],
  TaskRunView: ["fromRow"],
  Watch: ["watch"]
}))

/** @returns {Array<string>} */
const mainFunctions = (/** @type {string} */ module, /** @type {ReadonlyArray<string>} */ names) => [
  ...names.filter((name) => name === "layer" || name === "layerConfig" && !names.includes("layer")),
  ...(main.get(module) ?? [])
]

/** @type {Array<Listed & { folder: string }>} */
const listed = []
for (const { folder, first } of order) {
  const one = packages.find((one) => one.folder === folder)
  if (one === undefined) throw new Error(`there is no package ${folder}`)
  const { index: kind, manifest, modules, name, path } = one
  const own = kind === "flat"
    ? ["index", ...modules.filter((module) => `./${module}` in manifest.exports)]
    : modules.filter((module) => /^[A-Z]/.test(module) || `./${module}` in manifest.exports)
  const missing = first.filter((module) => !own.includes(module))
  if (missing.length > 0) throw new Error(`${name} has no ${missing.join(", ")}`)
  for (const module of [...first, ...own.filter((module) => !first.includes(module))]) {
    listed.push({
      folder,
      module,
      path,
      title: module === "index" ? name : `${name}/${module}`,
      file: module === "index" ? `${folder}.md` : `${folder}/${module}.md`,
      use: module === "index"
        ? `import * as Pickle from "${name}"`
        : `import * as ${module[0]?.toUpperCase()}${module.slice(1)} from "${name}/${module}"`
    })
  }
}
// A command is described by its --help, a page by what it shows.
const left = packages.filter(({ folder, index, manifest }) =>
  manifest.bin === undefined && index !== "built" && !order.some((one) => one.folder === folder)
)
if (left.length > 0) throw new Error(`the order does not have ${left.map(({ folder }) => folder).join(", ")}`)

for (const one of listed) register(one)
let index = `# Reference

Written by \`npm run docs\` from the docstrings, in the order in which to read it: a program begins with
[TaskRun](results/TaskRun.md), one layer of [a backend](#effect-prefectapi) and one of [a storage](#effect-prefectresults).
Under each signature are its source and the types in it.
`
for (const { folder } of order) {
  const one = packages.find((one) => one.folder === folder)
  index += `\n## ${one?.name}\n\n${one?.manifest.description}.\n\n`
  for (const page_ of listed.filter((one) => one.folder === folder)) {
    const text = page(page_)
    pages.set(page_.file, text)
    index += `- [${page_.module === "index" ? one?.name : page_.module}](${page_.file}): ${summary(text)}\n`
  }
}
pages.set("README.md", index)

if (process.argv.includes("--check")) {
  const there = existsSync(pagesFolder)
    ? readdirSync(pagesFolder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md"))
    : []
  const same = there.length === pages.size &&
    there.every((name) => readFileSync(join(pagesFolder, name), "utf8") === pages.get(name))
  if (there.length > 0 && !same) problems.push("docs/reference is out of date: run npm run docs")
} else {
  rmSync(pagesFolder, { recursive: true, force: true })
  for (const [name, text] of pages) {
    mkdirSync(dirname(join(pagesFolder, name)), { recursive: true })
    writeFileSync(join(pagesFolder, name), text)
  }
  console.log(`docs/reference: ${pages.size} pages written`)
}
for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0
