/**
 * The contract suite of `PrefectApi` on a real Postgres, whose URL is in the environment and whose tables are loaded.
 */
import * as PostgresApi from "@effect-prefect/api/PostgresApi"
import * as Redacted from "effect/Redacted"
import { suite } from "../../packages/api/test/contract.ts"

suite("PostgresApi", () => PostgresApi.layer({ url: Redacted.make(process.env["CONTRACT_DATABASE"] ?? "") }))
