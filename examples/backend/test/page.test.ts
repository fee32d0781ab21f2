import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as InlineStorage from "@effect-prefect/results/InlineStorage"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import { afterAll, assert, it } from "@effect/vitest"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { page } from "../src/Page.ts"

const services = Layer.merge(
  MemoryApi.layer({ flow_run: [{ id: "run", name: "nightly" }] }),
  ResultStorage.layerMerge([InlineStorage.layer])
)
const { dispose, handler } = HttpRouter.toWebHandler(
  Layer.provide(page({ users: ["ada"], hosts: ["prefect.example.com"] }), services),
  { disableLogger: true }
)
afterAll(() => dispose())

const get = (path: string, headers: Record<string, string> = {}) =>
  handler(new Request(`http://prefect.example.com${path}`, { headers: { host: "prefect.example.com", ...headers } }))

it("the page is open to those whom the proxy names", async () => {
  const refused = await get("/page/api/flow-runs")
  assert.strictEqual(refused.status, 401)
  assert.include(await refused.text(), "This server does not let you in")
  assert.strictEqual((await get("/page/api/flow-runs", { "x-forwarded-user": "mallory" })).status, 401)
  const answer = await get("/page/api/flow-runs", { "x-forwarded-user": "ada" })
  const { items } = await answer.json() as { readonly items: ReadonlyArray<{ readonly name: string }> }
  assert.deepStrictEqual(items.map(({ name }) => name), ["nightly"])
  assert.strictEqual((await get("/page/flow-runs")).status, 200)
})
