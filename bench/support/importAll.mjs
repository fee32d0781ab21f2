/** Imports the modules that it is given, with the compile cache on: what a program costs that does nothing with them. */
import { enableCompileCache } from "node:module"

enableCompileCache()
await Promise.all(process.argv.slice(2).map((name) => import(name)))
