/** The part of an object store that differs between stores. */
import type { Readable } from "node:stream"
import type { StorageReason } from "../../ResultError.ts"
import type { Checksum } from "./checksum.ts"

export interface ObjectName {
  /** The bucket, or the container of Azure. */
  readonly bucket: string
  readonly key: string
  /** One version of the object: S3's version id, Google's generation, Azure's version id. */
  readonly version: string | undefined
}

/** A part of an object: the rest of an interrupted download, or a requested range. */
export interface Part {
  readonly offset: number
  /** Undefined: to the end. */
  readonly length?: number | undefined
  /** The store's own identifier for the bytes, which must be unchanged: an ETag, a generation. */
  readonly tag: string | undefined
}

/** Whether a response carries an object or a part of one. Others without an error, such as 204, carry nothing. */
export const isObjectStatus = (status: number): boolean => status === 200 || status === 206

/** The `Range` header of a part. */
export const rangeOf = ({ length, offset }: Part): string =>
  `bytes=${offset}-${length === undefined ? "" : offset + length - 1}`

/** A store's answer says that it is a part, but not one that an object can have. */
export class NoSuchPart extends Error {}

/** `bytes 5-9/10`, as offset and size; undefined for an answer that is the whole object. */
export const contentRange = (
  range: string | undefined,
  status?: number
): readonly [offset: number, size: number] | undefined => {
  if (range === undefined && status !== 206) return undefined
  const [first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range ?? "")?.slice(1).map(Number) ?? []
  // What a store says is not believed: a size below the offset would ask for less than no memory.
  if (first! <= last! && last! < size! && Number.isSafeInteger(size)) return [first!, size!]
  throw new NoSuchPart()
}

/**
 * What a store says of an object besides its tag, in an order of its own: its version, when it was last changed. Some
 * stores give a tag again after a change, and would send two halves of different objects.
 */
export type Marks = ReadonlyArray<string | undefined>

/** Whether marks may be of the same object: a store need not give each of them every time. */
export const agree = (left: Marks = [], right: Marks = []): boolean =>
  left.every((mark, at) => mark === undefined || right[at] === undefined || mark === right[at])

/** An object whose headers have arrived. */
export interface Opened {
  readonly body: Readable
  /** The offset of the body: the requested one, or 0 from a store that cannot send parts. */
  readonly offset: number
  /** Whether the body is the requested part. */
  readonly isPart: boolean
  /** Of the whole object. */
  readonly size: number | undefined
  readonly tag: string | undefined
  readonly marks?: Marks | undefined
  /** Of the whole object. */
  readonly checksum: Checksum | undefined
}

/** Destroys a body that will not be read. Without a listener, its error would end the process. */
export const discard = (body: Readable): void => void body.on("error", () => {}).destroy()

/** An object by what its headers say, which may be nothing that an object can have: its body is then ended. */
export const openedAs = (body: Readable, describe: () => Omit<Opened, "body">): Opened => {
  try {
    return { body, ...describe() }
  } catch (error) {
    discard(body)
    throw error
  }
}

/** The reason why a request failed, and whether to retry. */
export interface Failure {
  readonly reason: StorageReason
  /**
   * `never`, `later`, or `slower`: the store reported too many requests. `restart`: the object has changed.
   */
  readonly retry: "never" | "later" | "slower" | "restart"
  /** The bytes of memory to wait for, when there is too little: that is no failed attempt. */
  readonly needs?: number | undefined
  /** Milliseconds to wait, as requested by the store. */
  readonly after?: number | undefined
}

export interface Client {
  readonly open: (object: ObjectName, part: Part | undefined, signal: AbortSignal) => Promise<Opened>
  /** Classifies an error of `open`, or of the body. */
  readonly failure: (error: unknown, object: ObjectName, location: string) => Failure
  readonly close: () => void
}
