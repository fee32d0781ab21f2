/** In the place of undici in bundles for browsers, which go through the browser's own proxies. */
export {}
