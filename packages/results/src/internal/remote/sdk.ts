/** Loads SDKs on demand; users install them. */
import * as Effect from "effect/Effect"
import { StorageNotProvided, StorageUnavailable } from "../../ResultError.ts"

/** For `import(…).catch(rethrow)`: bundlers treat a caught import as one whose package may be missing. */
export const rethrow = (error: unknown): never => {
  throw error
}

const isMissing = (error: unknown, name: string): boolean => {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
  const isNotFound = code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND" ||
    // Vite's replacement for a package that it did not find.
    String(message).startsWith("Could not resolve")
  return isNotFound && [`'${name}'`, `"${name}"`].some((quoted) => String(message).includes(quoted))
}

/** Loads a package, or fails with instructions for installing it. */
export const load = <Module>(
  type: string,
  name: string,
  importer: () => Promise<Module>
): Effect.Effect<Module, StorageNotProvided | StorageUnavailable> =>
  Effect.tryPromise({
    try: importer,
    catch: (error) =>
      isMissing(error, name)
        ? new StorageNotProvided({
          type,
          hint: `its package is not installed: npm install ${name}, or mount a copy of the files`
        })
        : new StorageUnavailable({
          location: type,
          detail: `the package ${name} could not be loaded: install it again, or mount a copy of the files`
        })
  })
