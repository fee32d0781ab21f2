// Writes docs/reference from the docstrings of the sources and the signatures of the built declarations, one page for
// each module. It fails for an export without text, @since or one @category in its docstring, unless it is @internal. --check writes nothing, and fails
// when pages are there and are not what it would write. Needs npm run build.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { parseSync } from "oxc-parser"
import { packages, root } from "./packages.mjs"

/** @typedef {{ doc: string | undefined, text: string, base: string | undefined }} Declaration */
/** @typedef {{ header: string | undefined, declared: Map<string, Array<Declaration>>, exported: Map<string, { name: string, from?: string, doc?: string | undefined }> }} File */

/** @type {Map<string, File>} */
const files = new Map()

/** The file that a relative import means: beside declarations those of the module. */
const target = (/** @type {string} */ from, /** @type {string} */ specifier) =>
  join(dirname(from), from.endsWith(".d.ts") ? specifier.replace(/\.ts$/, ".d.ts") : specifier)

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
  const file = { header: undefined, declared: new Map(), exported: new Map() }
  // The docstring of a module comes first, after line comments, and has no category; the one of its first export has one.
  const [first] = blocks
  const isHeader = first !== undefined && /^(\s|\/\/[^\n]*)*$/.test(source.slice(0, first.start)) &&
    !first.value.includes("@category")
  if (isHeader) file.header = blocks.shift()?.value
  /** @type {Map<string, { name: string, from: string }>} */
  const imported = new Map()
  for (const node of program.body) {
    if (node.type === "ImportDeclaration" && node.source.value.startsWith(".")) {
      for (const one of node.specifiers) {
        if (one.type !== "ImportSpecifier" || one.imported.type !== "Identifier") continue
        imported.set(one.local.name, { name: one.imported.name, from: target(path, node.source.value) })
      }
      continue
    }
    if (node.type === "ExportAllDeclaration") {
      const from = target(path, node.source.value)
      if (node.exported === null) {
        for (const name of read(from).exported.keys()) file.exported.set(name, { name, from })
      }
      continue
    }
    if (node.type === "ExportNamedDeclaration" && node.declaration === null) {
      for (const { exported, local, start } of node.specifiers) {
        if (exported.type !== "Identifier" || local.type !== "Identifier") continue
        const from = node.source === null ? imported.get(local.name) : { from: target(path, node.source.value) }
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
        base: superClass?.type === "Identifier" ? superClass.name : undefined
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

/**
 * The page of one module: what `exports` names, by category.
 * @param {{ title: string, use: string, path: string, module: string }} options
 */
const page = ({ module, path, title, use }) => {
  const source = join(path, "src", `${module}.ts`)
  const declarations = join(path, "dist", `${module}.d.ts`)
  const shown = relative(root, source)
  const header = read(source).header
  if (header === undefined) problems.push(`${shown}: the module has no docstring`)
  const { since: [moduleSince], text: about } = parts(header ?? "")
  /** @type {Map<string, Array<{ name: string, entry: string }>>} */
  const byCategory = new Map()
  for (const [name, { doc: own }] of read(source).exported) {
    // A type and a value of one name may share a text.
    const docs = [own, ...resolve(source, name).map(({ doc }) => doc)].flatMap((doc) =>
      doc === undefined ? [] : [parts(doc)]
    )
    if (docs.some(({ internal }) => internal)) continue
    const { categories, since, text } = docs.find((doc) => doc.text !== "") ?? docs[0] ?? parts("")
    const lacks = [
      ...(text === "" ? ["text in a docstring"] : []),
      ...(since.length === 1 ? [] : ["@since"]),
      ...(categories.length === 1 ? [] : ["one @category"])
    ]
    if (lacks.length > 0) problems.push(`${shown}: ${name} has no ${lacks.join(", no ")}`)
    const signature = [...new Set(resolve(declarations, name).map((one) => one.text))].join("\n")
      .replaceAll(/import\("[^"]+"\)\./g, "")
    const section = byCategory.get(categories[0] ?? "") ?? []
    const added = since[0] === moduleSince ? "" : `\nSince ${since[0]}.\n`
    section.push({ name, entry: `### ${name}\n\n${text}\n\n\`\`\`typescript\n${signature}\n\`\`\`\n${added}` })
    byCategory.set(categories[0] ?? "", section)
  }
  const sections = [...byCategory].toSorted(([left], [right]) => left.localeCompare(right, "en"))
  // Of headings that differ by nothing but their case, the later ones get a number.
  /** @type {Map<string, number>} */
  const anchors = new Map()
  const anchor = (/** @type {string} */ heading) => {
    const plain = heading.toLowerCase()
    const times = anchors.get(plain) ?? 0
    anchors.set(plain, times + 1)
    return times === 0 ? plain : `${plain}-${times}`
  }
  const contents = sections.map(([category, entries]) => {
    anchor(category)
    return `- ${category}: ${entries.map(({ name }) => `[${name}](#${anchor(name)})`).join(", ")}`
  })
  return [
    `# ${title}\n\n${about}\n\n\`\`\`typescript\n${use}\n\`\`\`\n\nSince ${moduleSince}.\n\n${contents.join("\n")}\n`,
    ...sections.flatMap(([category, entries]) => [`## ${category}\n`, ...entries.map(({ entry }) => entry)])
  ].join("\n")
}

const summary = (/** @type {string} */ text) => text.split("\n\n")[1]?.replaceAll("\n", " ") ?? ""

let index = "# Reference\n\nWritten by `npm run docs` from the docstrings.\n"
for (const { folder, index: kind, manifest, modules, name, path } of packages) {
  // A command is described by its --help, a page by what it shows.
  if (manifest.bin !== undefined || kind === "built") continue
  index += `\n## ${name}\n\n${manifest.description}.\n\n`
  const listed = kind === "flat"
    ? ["index", ...modules.filter((module) => `./${module}` in manifest.exports)]
    : modules.filter((module) => /^[A-Z]/.test(module))
  for (const module of listed) {
    const title = module === "index" ? name : `${name}/${module}`
    const file = module === "index" ? `${folder}.md` : `${folder}/${module}.md`
    const use = module === "index"
      ? `import * as Pickle from "${name}"`
      : `import * as ${module} from "${name}/${module}"`
    const text = page({ module, path, title, use })
    pages.set(file, text)
    index += `- [${module === "index" ? name : module}](${file}): ${summary(text)}\n`
  }
}
pages.set("README.md", index)

const pagesFolder = join(root, "docs", "reference")
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
