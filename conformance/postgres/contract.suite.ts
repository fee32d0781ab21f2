/**
 * The contract suite of `PrefectApi` on a real Postgres, whose URL is in the environment and whose tables are loaded.
 */
import * as PostgresApi from "@effect-prefect/api/PostgresApi"
import { suite } from "@effect-prefect/api/testing"
import * as Redacted from "effect/Redacted"

suite("PostgresApi", () => PostgresApi.layer({ url: Redacted.make(process.env["CONTRACT_DATABASE"] ?? "") }))
