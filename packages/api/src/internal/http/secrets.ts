/** Headers whose values are public. */
const known = new Set(["accept", "accept-encoding", "content-type", "user-agent", "x-prefect-core-version"])

/** Shorter texts occur in any sentence. */
const shortest = 5

const base64 = (text: string): string => btoa(String.fromCharCode(...new TextEncoder().encode(text)))

const decoded = (text: string): string => {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)))
  } catch {
    return ""
  }
}

/**
 * The parts of a request that must not be quoted from a response: the values of its headers and of its URL's query, the
 * words and the user and password in them, each as it is, URL-encoded, and in base64; longest first.
 */
export const secretsOf = (headers: Readonly<Record<string, string>>, url: URL): ReadonlyArray<string> => {
  const plain = new Set<string>()
  for (const [name, value] of Object.entries(headers)) {
    if (known.has(name)) continue
    for (const part of [value, ...value.split(/\s+/)]) {
      plain.add(part)
      const inner = /^basic /i.test(value) ? decoded(part) : ""
      for (const text of [inner, ...inner.split(":")]) plain.add(text)
    }
  }
  if (url.search !== "") plain.add(url.search.slice(1))
  for (const value of url.searchParams.values()) plain.add(value)
  const all = new Set<string>()
  for (const text of plain) {
    if (text.length < shortest || /^(?:bearer|basic|token)$/i.test(text)) continue
    for (const form of [text, encodeURIComponent(text), base64(text), base64(text).replace(/(?<!=)=+$/, "")]) {
      all.add(form)
    }
  }
  return [...all].toSorted((left, right) => right.length - left.length)
}

/** A text without these secrets. */
export const withoutSecrets = (text: string, secrets: ReadonlyArray<string>): string => {
  let clean = text
  for (const secret of secrets) clean = clean.replaceAll(secret, "…")
  return clean
}
