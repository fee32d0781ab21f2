// The packages of the workspace and the packages that each of them may import. `imports.mjs` generates the lint rules
// and the table of CONTRIBUTING.md from it, and checks the other consequences.

/**
 * @typedef {object} Room
 * @property {string} name the folder below packages/
 * @property {string} is what the package is, for the table
 * @property {ReadonlyArray<string>} imports the packages of this workspace that it may import
 * @property {"browser" | "node"} runs where it runs: a browser has no Node modules
 * @property {boolean} [alone] whether it imports nothing at all from outside
 * @property {boolean} [program] whether it is a program or ends in one: only other programs, examples and tests import it
 */

/** @type {ReadonlyArray<Room>} */
export const rooms = [
  { name: "core", is: "schemas and views: pure, no I/O", imports: [], runs: "browser" },
  { name: "pickle", is: "pickle bytes to plain values: no dependency", imports: [], runs: "browser", alone: true },
  {
    name: "formats",
    is: "stored bytes to a value, a value to JSON or a schema: knows nothing of Prefect",
    imports: ["pickle"],
    runs: "node"
  },
  { name: "api", is: "the `PrefectApi` service and its backends", imports: ["core"], runs: "node" },
  {
    name: "results",
    is: "storages, `TaskRun`, `FlowRun`, `Watch`, archives",
    imports: ["core", "api", "formats", "pickle"],
    runs: "node"
  },
  {
    name: "collect",
    is: "results of any number into parts, on one machine or many",
    imports: ["core", "api", "results", "formats", "pickle"],
    runs: "node"
  },
  { name: "server", is: "the embedded read-only Prefect 1 server", imports: ["core"], runs: "node", program: true },
  { name: "ui-api", is: "the page's HttpApi: routes and schemas", imports: ["core"], runs: "browser" },
  { name: "ui", is: "the page's client, built for browsers", imports: ["core", "ui-api"], runs: "browser" },
  {
    name: "ui-server",
    is: "the page's handlers, as a layer",
    imports: ["core", "pickle", "api", "results", "formats", "ui-api", "ui"],
    runs: "node",
    program: true
  },
  {
    name: "cli",
    is: "the `effect-prefect` command",
    imports: ["core", "api", "formats", "results", "collect", "server", "ui-api", "ui-server", "ui"],
    runs: "node",
    program: true
  }
]

/**
 * The name of a room's package on npm.
 * @param {string} room
 */
export const packageName = (room) => room === "cli" ? "effect-prefect" : `@effect-prefect/${room}`
