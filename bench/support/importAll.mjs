/** Imports the given modules with the compile cache on: the cost of a program that does nothing with them. */
import { enableCompileCache } from "node:module"

enableCompileCache()
await Promise.all(process.argv.slice(2).map((name) => import(name)))
