/**
 * Real Prefect 2.6, 2.10 and 2.20: each with its own server and flows, every value, state, error and listing compared
 * with its own client, a live run watched to its end, and 2.20's database under a server of Prefect 3.
 */
import { compare } from "./prefectVersions/compare.ts"
import { prefect210, prefect220, prefect26 } from "./prefectVersions/versions.ts"

for (const version of [prefect26, prefect210, prefect220]) await compare(version)
