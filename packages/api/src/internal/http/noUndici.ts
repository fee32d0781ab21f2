/** Replaces undici in bundles for browsers, which use the browser's own proxies. */
export {}
