/** Everything that the packages export except their own entry points, so that a bundler must resolve all of it. */
import * as api from "@effect-prefect/api"
import * as collect from "@effect-prefect/collect"
import * as core from "@effect-prefect/core"
import * as formats from "@effect-prefect/formats"
import * as pickle from "@effect-prefect/pickle"
import * as results from "@effect-prefect/results"

const modules = { api, collect, core, formats, pickle, results }
// What is printed needs all of them, so that nothing is left out of the bundle.
const exported = Object.values(modules).flatMap((module) => Object.values(module)).flatMap((module) =>
  typeof module === "object" ? Object.values(module) : [module]
)
console.log(exported.length > 200 ? "everything" : exported.length)
