const maxDepth = 8

/**
 * The first `code` that matches, in an error or its causes. Only the code of a foreign error is kept, because its
 * message may contain a header, a URL or a stored value.
 */
export const errorCode = (error: unknown, pattern: RegExp = /./): string | undefined => {
  let current = error
  for (let depth = 0; depth < maxDepth && typeof current === "object" && current !== null; depth++) {
    const code: unknown = Reflect.get(current, "code")
    if (typeof code === "string" && pattern.test(code)) return code
    const errors: unknown = Reflect.get(current, "errors")
    current = Array.isArray(errors) && errors.length > 0
      ? errors[0]
      : Reflect.get(current, "reason") ?? Reflect.get(current, "cause")
  }
  return undefined
}
