/**
 * The way from a value to its JSON projection, which is made of the classes of all values and so lies above them.
 *
 * @since 0.1.0
 */

let project: ((value: unknown) => unknown) | null = null

/**
 * Says how values are projected; the package does that once, when it is loaded.
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

/** What `util.inspect` hands to a value that prints itself. */
export type Inspect = (value: unknown, options?: object) => string

/**
 * A value as `console.log` prints it: its name and its content, by Node's own printer. `depth` counts the levels that may
 * still be printed.
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

/** @internal */
export const inspectSymbol: unique symbol = Symbol.for("nodejs.util.inspect.custom") as never
