// The TypeScript examples of Markdown files: every fenced block that is marked ts. "ts no-run" marks one with
// requirements that we do not have, such as a server: it is only type-checked. Also checks their links.
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { root } from "./packages.mjs"

/** The Markdown files that users read. */
export const documents = () =>
  globSync(["*.md", "docs/**/*.md", "packages/*/README.md", "examples/*/README.md"], { cwd: root }).toSorted()

/** The sources whose docstrings have examples, which are only type-checked. */
export const sources = () => globSync("packages/*/src/*.ts", { cwd: root }).toSorted()

/**
 * The examples of one file, of a source those in its docstrings.
 * @param {string} document relative to the repository
 */
export const snippets = (document) => {
  const isSource = document.endsWith(".ts")
  const lines = readFileSync(join(root, document), "utf8").split("\n")
    .map((line) => isSource ? line.replace(/^ \* ?/, "") : line)
  /** @type {Array<{ document: string, line: number, runs: boolean, code: string }>} */
  const found = []
  for (let line = 0; line < lines.length; line++) {
    const fence = /^(\s*)```ts\b(.*)$/.exec(lines[line] ?? "")
    if (fence === null) continue
    const indent = fence[1]?.length ?? 0
    const end = lines.findIndex((text, at) => at > line && text.trim() === "```")
    if (end < 0) throw new Error(`${document}:${line + 1}: the block is not closed`)
    const code = lines.slice(line + 1, end).map((text) => text.slice(indent)).join("\n")
    found.push({ document, line: line + 1, runs: !isSource && !/\bno-run\b/.test(fence[2] ?? ""), code: `${code}\n` })
    line = end
  }
  return found
}

/** The anchor of a heading. */
const anchor = (/** @type {string} */ heading) =>
  heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(" ", "-")

/** Fails for broken links between the documents. docs/reference counts once it is written. */
export const links = () => {
  const broken = documents().flatMap((document) => {
    const text = readFileSync(join(root, document), "utf8").replaceAll(/^\s*```[^]*?^\s*```/gm, "")
    const anchors = new Set([...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchor(heading)))
    return [...text.matchAll(/\]\(([^()\s]+)\)/g)].flatMap(([, link = ""]) => {
      if (/^\w+:/.test(link)) return []
      const [path = "", hash = ""] = link.split("#")
      const target = join(dirname(document), path)
      if (target.startsWith(join("docs", "reference")) && !existsSync(join(root, "docs", "reference"))) return []
      // Headings of the reference that differ only in case have numbers appended.
      const isThere = path === ""
        ? anchors.has(hash.replace(/-\d+$/, "")) || anchors.has(hash)
        : existsSync(join(root, target))
      return isThere ? [] : [`${document}: ${link}`]
    })
  })
  if (broken.length > 0) throw new Error(`links that lead nowhere:\n${broken.join("\n")}`)
}
