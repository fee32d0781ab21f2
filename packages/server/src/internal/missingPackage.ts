/** Packages that users install themselves. */

/** The error of an import: one sentence on what to install when the package is missing, otherwise what it says itself. */
export const missingPackage = (error: unknown, name: string, purpose: string): Error => {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
  const isMissing = (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") &&
    String(message).includes(`'${name}'`)
  if (isMissing) return new Error(`${purpose} needs the package ${name}: npm install ${name}`)
  return error instanceof Error ? error : new Error(String(error))
}
