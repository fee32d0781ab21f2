/** The most characters of a server's text that a message repeats. */
const maxWords = 160
const maxRead = 2000

/** A word of ordinary prose, an upper-case name, a short number: nothing that looks like a key, an id or a path. */
const isPlain = (word: string): boolean =>
  /^[("]?(?:[A-Z]?[a-z]{1,20}(?:['-][a-z]{1,20})?|[A-Z]{1,20}(?:_[A-Z]{1,20})*|\d{1,5})[)".,:;!?]*$/.test(word)

/**
 * The words of a server's own text that are safe to repeat in an error. Quotations (values, ids, addresses, keys)
 * become an ellipsis, because they may be secret or stored data.
 */
export const plainWords = (text: string): string => {
  // What is read may end within a quotation.
  const unquoted = text.slice(0, maxRead).replace(/"[^"]*(?:"|$)|'[^' ][^']*'|`[^`]*(?:`|$)/g, " … ")
  const words: Array<string> = []
  for (const word of unquoted.split(/\s+/)) {
    if (word === "") continue
    if (isPlain(word)) words.push(word)
    else if (words.at(-1) !== "…") words.push("…")
  }
  while (words.at(-1) === "…") words.pop()
  const kept = words.filter((word) => word !== "…")
  // One word between ellipses carries no information.
  if (kept.length < words.length && kept.length < 2) return ""
  const joined = words.join(" ")
  return joined.length > maxWords ? `${joined.slice(0, maxWords)}…` : joined
}

const secretWords = /\b(bearer|basic)\s+\S+/gi
const secretPairs =
  /\b([\w-]{0,40}(?:key|token|secret|password|passwd|signature|credential)[\w-]{0,40})(["']?\s*[=:]\s*["']?)[^\s"'&,;]+/gi

/** A server's sentence about a request, without the credentials that were sent and anything that looks like one. */
export const withoutSecrets = (text: string, secrets: ReadonlyArray<string> = []): string => {
  let clean = text.slice(0, maxRead)
    .replace(/([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/@"']{0,500}@/gi, "$1")
    .replace(/([a-z][a-z0-9+.-]{0,30}:\/\/[^\s?"']{0,500})\?[^\s"']*/gi, "$1")
    .replace(secretWords, "$1 …")
    .replace(secretPairs, "$1$2…")
  for (const secret of secrets) if (secret.length > 3) clean = clean.replaceAll(secret, "…")
  return clean.replace(/\s+/g, " ").trim()
}
