/** The storages of blocks that have credentials of their own: few are open at once, and none for a block that has changed. */
import type { StorageBlock } from "@effect-prefect/api/Backend"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as ResultStorage from "../../ResultStorage.ts"

type Storage = ResultStorage.ResultStorage["Service"]

/** The most storages that are open while nothing is read from them: a server can name a new block with each result. */
const maxOpen = 64

interface Opened {
  readonly block: StorageBlock
  readonly storage: Effect.Effect<Storage>
  readonly scope: Scope.Closeable
  /** The reads under way. */
  reads: number
  /** Whether it is closed after them. */
  isLeft: boolean
}

export interface BlockStorages {
  /** Reads from the storage of a block, which stays open meanwhile. */
  readonly use: <A, E>(
    id: string,
    block: StorageBlock,
    read: (storage: Storage) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
}

/** `onLeft` receives the id of a block whose storage is not to be used any longer. */
export const make = (
  inner: Storage,
  forBlock: ((block: StorageBlock) => Layer.Layer<ResultStorage.ResultStorage> | undefined) | undefined,
  scope: Scope.Scope,
  onLeft: (id: string) => void
): BlockStorages => {
  const opened = new Map<string, Opened>()
  const close = (one: Opened) => one.isLeft && one.reads === 0 ? Scope.close(one.scope, Exit.void) : Effect.void
  const leave = (id: string, one: Opened) => {
    opened.delete(id)
    onLeft(id)
    one.isLeft = true
    return close(one)
  }
  const open = (id: string, block: StorageBlock, own: Layer.Layer<ResultStorage.ResultStorage>) =>
    Effect.gen(function*() {
      const [oldest] = opened
      const child = Scope.forkUnsafe(scope)
      const storage = yield* Effect.cached(
        Effect.map(Layer.buildWithScope(own, child), Context.get(ResultStorage.ResultStorage))
      )
      const one: Opened = { block, storage, scope: child, reads: 1, isLeft: false }
      // Before the other is closed, which may take a while: another read of this block finds this one.
      opened.set(id, one)
      if (opened.size > maxOpen && oldest !== undefined) yield* leave(...oldest)
      return one
    })
  const acquire = (id: string, block: StorageBlock): Effect.Effect<Opened | undefined> =>
    Effect.suspend(() => {
      const known = opened.get(id)
      if (known !== undefined && Equal.equals(known.block, block)) {
        known.reads++
        // The one that was used least lately is closed first.
        opened.delete(id)
        opened.set(id, known)
        return Effect.succeed(known)
      }
      const own = forBlock?.(block)
      const closing = known === undefined ? Effect.void : leave(id, known)
      return Effect.tap(own === undefined ? Effect.undefined : open(id, block, own), closing)
    })
  return {
    use: (id, block, read) =>
      Effect.acquireUseRelease(
        acquire(id, block),
        (one) => one === undefined ? read(inner) : Effect.flatMap(one.storage, read),
        (one) => {
          if (one === undefined) return Effect.void
          one.reads--
          return close(one)
        }
      )
  }
}
