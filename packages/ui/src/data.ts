/** Requests as hooks: the old data stays visible until new data arrives, and abandoned requests are cancelled. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { useCallback, useEffect, useRef, useState } from "preact/hooks"
import { type Failure, run } from "./api.ts"

export interface Query<A> {
  readonly data: A | undefined
  readonly failure: Failure | undefined
  readonly isLoading: boolean
  readonly isStopped: boolean
  readonly reload: () => void
  /** Cancels the request; data that is already shown stays. */
  readonly stop: () => void
}

const maxKept = 60
const kept = new Map<string, unknown>()
const keep = (key: string, value: unknown): void => {
  kept.delete(key)
  kept.set(key, value)
  if (kept.size > maxKept) kept.delete(kept.keys().next().value!)
}

interface State<A> {
  readonly key: string | null
  readonly data: A | undefined
  readonly failure: Failure | undefined
  readonly isLoading: boolean
  readonly isStopped: boolean
}

/** Requests data when the key changes, and on reload. A null key makes no request. */
export const useQuery = <A, E>(key: string | null, make: () => Effect.Effect<A, E>): Query<A> => {
  const [state, set] = useState<State<A>>({
    key: null,
    data: undefined,
    failure: undefined,
    isLoading: true,
    isStopped: false
  })
  const [asked, ask] = useState(0)
  const current = useRef<AbortController | undefined>(undefined)
  const made = useRef(make)
  made.current = make
  useEffect(() => {
    if (key === null) return
    const controller = new AbortController()
    current.current = controller
    set((before) => ({
      key,
      data: before.key === key ? before.data : kept.get(key) as A | undefined,
      failure: before.key === key ? before.failure : undefined,
      isLoading: true,
      isStopped: false
    }))
    run(
      made.current(),
      controller.signal,
      (data) => {
        keep(key, data)
        set({ key, data, failure: undefined, isLoading: false, isStopped: false })
      },
      (failure) => set((before) => ({ ...before, key, failure, isLoading: false, isStopped: false }))
    )
    return () => controller.abort()
  }, [key, asked])
  const reload = useCallback(() => ask((n) => n + 1), [])
  const stop = useCallback(() => {
    current.current?.abort()
    set((before) => ({ ...before, isLoading: false, isStopped: true }))
  }, [])
  const isOther = state.key !== key
  return {
    data: isOther ? key === null ? undefined : kept.get(key) as A | undefined : state.data,
    failure: isOther ? undefined : state.failure,
    isLoading: key !== null && (isOther || state.isLoading),
    isStopped: !isOther && state.isStopped,
    reload,
    stop
  }
}

export interface Following<A> {
  readonly value: A
  readonly failure: Failure | undefined
  readonly isRunning: boolean
  readonly isDone: boolean
  readonly isStopped: boolean
  readonly start: () => void
  readonly stop: () => void
}

/**
 * Folds a stream into a value as its elements arrive. `fold` may modify the value in place: the page is rendered at
 * most once per frame.
 */
export const useStream = <A, B, E>(
  key: string | null,
  make: () => Stream.Stream<B, E> | Effect.Effect<Stream.Stream<B, E>, E>,
  initial: () => A,
  fold: (value: A, elements: ReadonlyArray<B>) => A,
  options: { readonly auto?: boolean } = {}
): Following<A> => {
  const auto = options.auto !== false
  const [, redraw] = useState(0)
  const [generation, begin] = useState(auto ? 1 : 0)
  const state = useRef({
    key: "",
    value: initial(),
    failure: undefined as Failure | undefined,
    isRunning: false,
    isDone: false,
    isStopped: false
  })
  const controller = useRef<AbortController | undefined>(undefined)
  if (key !== null && state.current.key !== key) {
    state.current = { key, value: initial(), failure: undefined, isRunning: auto, isDone: false, isStopped: false }
  }
  useEffect(() => {
    if (key === null || generation === 0) return
    const own = new AbortController()
    controller.current = own
    const mine = {
      key,
      value: initial(),
      failure: undefined as Failure | undefined,
      isRunning: true,
      isDone: false,
      isStopped: false
    }
    const hadValue = state.current.key === key && state.current.isDone
    if (!hadValue) state.current = mine
    let frame = 0
    const draw = () => {
      if (frame !== 0) return
      frame = requestAnimationFrame(() => {
        frame = 0
        redraw((n) => n + 1)
      })
    }
    const made = make()
    const stream = Effect.isEffect(made)
      ? Stream.unwrap(made as Effect.Effect<Stream.Stream<B, E>, E>)
      : made as Stream.Stream<B, E>
    run(
      Stream.runForEachArray(stream, (elements) =>
        Effect.sync(() => {
          mine.value = fold(mine.value, elements)
          if (!hadValue) draw()
        })),
      own.signal,
      () => {
        mine.isRunning = false
        mine.isDone = true
        state.current = mine
        draw()
      },
      (failure) => {
        mine.isRunning = false
        mine.failure = failure
        if (!hadValue) state.current = mine
        else state.current = { ...state.current, failure }
        draw()
      }
    )
    draw()
    return () => {
      own.abort()
      if (frame !== 0) cancelAnimationFrame(frame)
    }
  }, [key, generation])
  const start = useCallback(() => begin((n) => n + 1), [])
  const stop = useCallback(() => {
    controller.current?.abort()
    state.current.isRunning = false
    state.current.isStopped = true
    redraw((n) => n + 1)
  }, [])
  const { failure, isDone, isRunning, isStopped, value } = state.current
  return { value, failure, isRunning: key !== null && isRunning, isDone, isStopped, start, stop }
}

/** A setting that is stored in the browser. */
export const useSetting = <A extends string>(name: string, initial: A): readonly [A, (value: A) => void] => {
  const [value, set] = useState<A>(() => readSetting(name, initial))
  useEffect(() => {
    const listener = (event: Event) => {
      const { detail } = event as CustomEvent<{ readonly name: string; readonly value: A }>
      if (detail.name === name) set(detail.value)
    }
    addEventListener("effect-prefect-setting", listener)
    return () => removeEventListener("effect-prefect-setting", listener)
  }, [name])
  return [value, (next) => {
    try {
      localStorage.setItem(`effect-prefect ${name}`, next)
    } catch {
      // It lasts as long as this page.
    }
    dispatchEvent(new CustomEvent("effect-prefect-setting", { detail: { name, value: next } }))
  }]
}

export const readSetting = <A extends string>(name: string, initial: A): A => {
  try {
    return (localStorage.getItem(`effect-prefect ${name}`) ?? initial) as A
  } catch {
    return initial
  }
}
