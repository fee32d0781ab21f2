/** Packages that users install themselves. */

/** The error of an import: one sentence on what to install when the package is missing, otherwise the same error. */
export const missingPackage = (error: unknown, name: string, purpose: string): unknown => {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
  const isMissing = (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") &&
    String(message).includes(`'${name}'`)
  return isMissing ? new Error(`${purpose} needs the package ${name}: npm install ${name}`) : error
}
