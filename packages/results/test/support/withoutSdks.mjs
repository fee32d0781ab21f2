// Hides the SDKs of the stores: they are looked for where nothing is installed, so that Node says itself what is missing.
import { registerHooks } from "node:module"

const sdk = /^@(?:aws-sdk|smithy|google-cloud|azure)\//

registerHooks({
  resolve: (specifier, context, next) =>
    sdk.test(specifier)
      ? next(specifier, { ...context, parentURL: "file:///nothing-is-installed-here/module.mjs" })
      : next(specifier, context)
})
