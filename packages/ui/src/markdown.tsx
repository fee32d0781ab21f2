/** Markdown of artifacts as elements: headings, lists, tables, code, emphasis and links. HTML in it is text. */
import type { ComponentChildren } from "preact"
import { visible } from "./text.ts"

/** The address of a link with a safe scheme; undefined for other schemes. */
export const safeLink = (address: string): string | undefined => {
  try {
    const url = new URL(address.trim())
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : undefined
  } catch {
    return undefined
  }
}

const maxText = 200_000
const maxBlocks = 600

const inline = (text: string): ComponentChildren => {
  const out: Array<ComponentChildren> = []
  const pattern =
    /`([^`\n]{1,2000})`|\*\*([^*\n]{1,2000})\*\*|\*([^*\n]{1,2000})\*|!?\[([^\]\n]{0,500})\]\(([^()\s]{1,2000})\)|<(https?:\/\/[^\s<>]{1,2000})>/g
  let at = 0
  for (const match of text.matchAll(pattern)) {
    if (match.index > at) out.push(visible(text.slice(at, match.index)))
    const [whole, code, strong, emphasis, label, target, auto] = match
    if (code !== undefined) out.push(<code>{visible(code)}</code>)
    else if (strong !== undefined) out.push(<strong>{visible(strong)}</strong>)
    else if (emphasis !== undefined) out.push(<em>{visible(emphasis)}</em>)
    else {
      const address = target ?? auto ?? ""
      const link = safeLink(address)
      const isImage = whole.startsWith("!")
      out.push(
        link === undefined || isImage
          ? visible(whole)
          : (
            <a href={link} rel="noopener noreferrer" target="_blank" title="Leaves this page">
              {label === undefined || label === "" || label === address
                ? visible(address)
                : `${visible(label)} (${visible(address)})`}
            </a>
          )
      )
    }
    at = match.index + whole.length
  }
  if (at < text.length) out.push(visible(text.slice(at)))
  return out
}

const cells = (line: string): Array<string> => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim())

const blocks = (text: string): Array<ComponentChildren> => {
  const lines = text.slice(0, maxText).split(/\r?\n/)
  const out: Array<ComponentChildren> = []
  let i = 0
  while (i < lines.length && out.length < maxBlocks) {
    const line = lines[i]!
    if (line.trim() === "") {
      i++
      continue
    }
    if (line.startsWith("```")) {
      const code: Array<string> = []
      for (i++; i < lines.length && !lines[i]!.startsWith("```"); i++) code.push(lines[i]!)
      i++
      out.push(<pre class="json">{visible(code.join("\n"), true)}</pre>)
      continue
    }
    const heading = /^(#{1,6}) +(?! )(.*)$/.exec(line)
    if (heading !== null) {
      out.push(<p class={`md-heading md-${heading[1]!.length}`}>{inline(heading[2]!)}</p>)
      i++
      continue
    }
    if (line.includes("|") && /^[\s|:-]+$/.test(lines[i + 1] ?? "") && (lines[i + 1] ?? "").includes("-")) {
      const head = cells(line)
      const rows: Array<Array<string>> = []
      for (i += 2; i < lines.length && lines[i]!.includes("|") && rows.length < 200; i++) rows.push(cells(lines[i]!))
      out.push(
        <table class="md-table">
          <thead>
            <tr>{head.map((cell, j) => <th key={j} scope="col">{inline(cell)}</th>)}</tr>
          </thead>
          <tbody>
            {rows.map((row, j) => <tr key={j}>{head.map((_, k) => <td key={k}>{inline(row[k] ?? "")}</td>)}</tr>)}
          </tbody>
        </table>
      )
      continue
    }
    const bullet = /^\s*(?:[-*+]|(\d{1,9})[.)]) +(?! )(.*)$/.exec(line)
    if (bullet !== null) {
      const isOrdered = bullet[1] !== undefined
      const items: Array<ComponentChildren> = []
      for (; i < lines.length && items.length < 500; i++) {
        const item = /^\s*(?:[-*+]|\d{1,9}[.)]) +(?! )(.*)$/.exec(lines[i]!)
        if (item === null) break
        items.push(<li key={i}>{inline(item[1]!)}</li>)
      }
      out.push(isOrdered ? <ol>{items}</ol> : <ul>{items}</ul>)
      continue
    }
    const paragraph: Array<string> = []
    for (; i < lines.length && lines[i]!.trim() !== "" && !/^(?:```|#{1,6} )/.test(lines[i]!); i++) {
      paragraph.push(lines[i]!)
    }
    out.push(<p>{inline(paragraph.join(" "))}</p>)
  }
  return out
}

export const Markdown = ({ text }: { readonly text: string }) => (
  <div class="markdown">
    {blocks(text).map((block, i) => <div key={i}>{block}</div>)}
    {text.length > maxText ? <p class="dim">It is longer than is shown here.</p> : null}
  </div>
)
