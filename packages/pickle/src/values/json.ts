/**
 * The link from a value to its JSON projection, which is built from the classes of all values and therefore depends on
 * them.
 *
 * @since 0.1.0
 */

let project: ((value: unknown) => unknown) | null = null

/**
 * Sets the projection of values; the package does that once, when it is loaded.
 *
 * @internal
 */
export const bindProjection = (projection: (value: unknown) => unknown): void => {
  project = projection
}

/**
 * The JSON projection of a value, for `toJSON`.
 *
 * @internal
 */
export const projected = (value: unknown): unknown => project === null ? null : project(value)

/** The arguments that `util.inspect` passes to a value that prints itself. */
export type Inspect = (value: unknown, options?: object) => string

/**
 * The form in which `console.log` prints a value: its name and content, by Node's own printer. `depth` is the number of
 * levels that may still be printed.
 *
 * @internal
 */
export const inspected = (
  name: string,
  content: unknown,
  depth: number,
  options: object,
  inspect: Inspect | undefined
): string => {
  if (inspect === undefined || depth < 0) return `[${name}]`
  const { depth: given } = options as { readonly depth?: number | null }
  return `${name} ${inspect(content, { ...options, depth: given == null ? null : given - 1 })}`
}
