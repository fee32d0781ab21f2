/**
 * Texts that are slow for a regular expression, if any text is: each unbounded repetition is repeated many times, after
 * its prefix and before a text that it cannot match.
 */

type Node =
  | { readonly type: "text"; readonly samples: ReadonlyArray<string> }
  | { readonly type: "sequence"; readonly items: ReadonlyArray<Node> }
  | { readonly type: "choice"; readonly options: ReadonlyArray<Node> }
  | { readonly type: "repeat"; readonly item: Node; readonly min: number; readonly unbounded: boolean }

const empty: Node = { type: "sequence", items: [] }
const text = (...samples: ReadonlyArray<string>): Node => ({ type: "text", samples })

/** Characters such that every class contains one of them. */
const probes = [
  ..."a",
  "Z",
  "f",
  "0",
  "9",
  "_",
  " ",
  "\n",
  "\t",
  "/",
  "\\",
  ".",
  ":",
  "-",
  "+",
  ",",
  "=",
  "\"",
  "'",
  "?",
  "@",
  "[",
  "\u00e9",
  "\u0000"
]

const escapes: Record<string, string> = { n: "\n", r: "\r", t: "\t", v: "\v", f: "\f", 0: "\0" }

/** Parses the syntax that the sources use; unknown syntax makes the test fail. */
class Parser {
  private at = 0
  private readonly source: string
  private readonly flags: string
  constructor(source: string, flags: string) {
    this.source = source
    this.flags = flags
  }

  parse(): Node {
    const node = this.choice()
    if (this.at !== this.source.length) throw new Error(`cannot read ${this.source} at ${this.at}`)
    return node
  }

  private choice(): Node {
    const options = [this.sequence()]
    while (this.source[this.at] === "|") {
      this.at++
      options.push(this.sequence())
    }
    return options.length === 1 ? options[0]! : { type: "choice", options }
  }

  private sequence(): Node {
    const items: Array<Node> = []
    while (this.at < this.source.length && this.source[this.at] !== "|" && this.source[this.at] !== ")") {
      items.push(this.quantified(this.atom()))
    }
    return { type: "sequence", items }
  }

  private quantified(item: Node): Node {
    const rest = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/.exec(this.source.slice(this.at))
    if (rest === null) return item
    this.at += rest[0].length
    const [quantifier] = rest[0]
    if (quantifier === "*") return { type: "repeat", item, min: 0, unbounded: true }
    if (quantifier === "+") return { type: "repeat", item, min: 1, unbounded: true }
    if (quantifier === "?") return { type: "repeat", item, min: 0, unbounded: false }
    return { type: "repeat", item, min: Number(rest[1]), unbounded: rest[2] === "," && rest[3] === "" }
  }

  private atom(): Node {
    const start = this.at
    const character = this.source[this.at++]!
    if (character === "^" || character === "$") return empty
    if (character === "(") {
      const group = /^\?(?:[:=!]|<[=!]|<\w+>)/.exec(this.source.slice(this.at))?.[0] ?? ""
      this.at += group.length
      const inner = this.choice()
      this.at++
      return group === "?!" || group === "?<!" || group === "?=" || group === "?<=" ? { ...empty } : inner
    }
    if (character === "[") {
      let escaped = false
      for (let first = true; first || escaped || this.source[this.at] !== "]"; this.at++) {
        escaped = !escaped && this.source[this.at] === "\\"
        first = false
      }
      this.at++
      return this.members(this.source.slice(start, this.at))
    }
    if (character === ".") return this.members(".")
    if (character !== "\\") return text(character)
    const escape = this.source[this.at++]!
    if (escape === "b" || escape === "B") return empty
    if (escape === "u" || escape === "x") {
      const code = /^(?:\{([0-9a-f]+)\}|([0-9a-f]{2,4}))/i.exec(this.source.slice(this.at))!
      this.at += code[0].length
      return text(String.fromCodePoint(parseInt(code[1] ?? code[2]!, 16)))
    }
    if (escape === "p" || escape === "P") {
      this.at = this.source.indexOf("}", this.at) + 1
      return this.members(this.source.slice(start, this.at))
    }
    return /[dDwWsS]/.test(escape) ? this.members(`\\${escape}`) : text(escapes[escape] ?? escape)
  }

  private members(set: string): Node {
    const one = new RegExp(`^${set}$`, this.flags.replace(/[gy]/g, ""))
    const named = [...set].filter((character) => one.test(character))
    const samples = [...new Set([...probes, ...named])].filter((character) => one.test(character))
    // Characters that the expression names elsewhere come first: several of its parts can match them.
    const shared = samples.filter((character) => this.source.replace(set, "").includes(character))
    return text(...new Set([...shared, ...samples.slice(0, 8)]))
  }
}

/** Short texts that a node matches. */
const samplesOf = (node: Node): ReadonlyArray<string> => {
  switch (node.type) {
    case "text":
      return node.samples
    case "choice":
      return node.options.flatMap(samplesOf).slice(0, 12)
    case "repeat":
      return [
        ...(node.min === 0 ? [""] : []),
        ...samplesOf(node.item).map((sample) => sample.repeat(Math.max(1, node.min)))
      ]
    case "sequence": {
      const parts = node.items.map(samplesOf)
      const first = parts.map((samples) => samples[0] ?? "").join("")
      // Each part's other samples, the rest as before.
      const others = parts.flatMap((samples, index) =>
        samples.slice(1, 6).map((sample) => parts.map((part, at) => at === index ? sample : part[0] ?? "").join(""))
      )
      return [first, ...others].slice(0, 12)
    }
  }
}

interface Pump {
  readonly prefix: string
  readonly pump: string
}

/** Everything that a node repeats without bound, and its prefix. */
const pumpsOf = (node: Node, prefix: string): ReadonlyArray<Pump> => {
  switch (node.type) {
    case "text":
      return []
    case "choice":
      return node.options.flatMap((option) => pumpsOf(option, prefix))
    case "sequence": {
      const pumps: Array<Pump> = []
      let before = prefix
      for (const item of node.items) {
        pumps.push(...pumpsOf(item, before))
        const samples = samplesOf(item)
        before += samples.find((sample) => sample !== "") ?? samples[0] ?? ""
      }
      return pumps
    }
    case "repeat": {
      const inner = pumpsOf(node.item, prefix)
      if (!node.unbounded) return inner
      const own = samplesOf(node.item).filter((sample) => sample !== "").map((pump) => ({ prefix, pump }))
      // Its prefix, repeated: it matches all the rest each time.
      if (prefix !== "") own.push({ prefix: "", pump: prefix })
      return [...own, ...inner]
    }
  }
}

const suffixes = ["", "\u0001", "!", "\n", " x", "x"]

/** Gives texts of about `length` characters each; always the same ones, in the same order. */
export const slowTexts = (source: string, flags: string): (length: number) => ReadonlyArray<string> => {
  const node = new Parser(source, flags).parse()
  const start = samplesOf(node)[0] ?? ""
  const pumps = new Map<string, Pump>()
  for (const { prefix, pump } of pumpsOf(node, "")) {
    for (const before of ["", prefix, start]) pumps.set(`${before}\u0000${pump}`, { prefix: before, pump })
  }
  // The beginning of an unanchored expression, repeated: matching starts again at each of them.
  for (const pump of samplesOf(node)) if (pump !== "") pumps.set(`\u0000${pump}`, { prefix: "", pump })
  return (length) =>
    [...pumps.values()].flatMap(({ prefix, pump }) =>
      suffixes.map((suffix) => prefix + pump.repeat(Math.ceil(length / pump.length)) + suffix)
    )
}
