// Hides parquet-wasm: it is looked for where nothing is installed, so that Node says itself what is missing.
import { registerHooks } from "node:module"

registerHooks({
  resolve: (specifier, context, next) =>
    /^parquet-wasm(?:\/|$)/.test(specifier)
      ? next(specifier, { ...context, parentURL: "file:///nothing-is-installed-here/module.mjs" })
      : next(specifier, context)
})
