// Hides the packages of the variable WITHOUT: they are looked for where nothing is installed, so that Node says itself
// what is missing.
import { registerHooks } from "node:module"
import process from "node:process"

// Read anew each time: a process may hide one package after the other.
const hidden = () => (process.env["WITHOUT"] ?? "").split(" ")

registerHooks({
  resolve: (specifier, context, next) =>
    hidden().includes(specifier)
      ? next(specifier, { ...context, parentURL: "file:///nothing-is-installed-here/module.mjs" })
      : next(specifier, context)
})
