import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { suite } from "./contract.ts"

suite("MemoryApi", MemoryApi.layer)
