import { vi } from "@effect/vitest"

/** The most keys of an object that `Object.keys` lists at once from now on, until `stop`. */
export const mostListedKeys = (): { readonly most: () => number; readonly stop: () => void } => {
  let most = 0
  const { keys } = Object
  const spy = vi.spyOn(Object, "keys").mockImplementation((object: object) => {
    const listed = keys(object)
    most = Math.max(most, listed.length)
    return listed
  })
  return { most: () => most, stop: () => spy.mockRestore() }
}
