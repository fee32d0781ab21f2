// CommonJS: every package by require().
const api = require("@effect-prefect/api")
const results = require("@effect-prefect/results")
for (const name of ["core", "pickle", "formats", "collect"]) require(`@effect-prefect/${name}`)
console.log(typeof api.MemoryApi.layer === "function" && typeof results.TaskRun.fromView === "function" ? "ok" : "missing")
