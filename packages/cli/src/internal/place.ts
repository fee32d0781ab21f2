import * as CollectOutput from "@effect-prefect/collect/CollectOutput"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { resolve } from "node:path"
import { UsageError } from "./errors.ts"

const schemes = /^([a-z][a-z0-9+.-]+):\/\//i

/** The output that a place names. */
export const outputOf = (place: string): Layer.Layer<CollectOutput.CollectOutput, UsageError> => {
  const scheme = schemes.exec(place)?.[1]?.toLowerCase()
  if (place === "") return refused("a place is a folder or s3://BUCKET/PREFIX")
  if (scheme === undefined) return CollectOutput.layerLocal(place)
  return refused(`${scheme}:// is no place to collect to: give a folder`)
}

const refused = (message: string) => Layer.effectDiscard(Effect.fail(new UsageError({ message }))) as never

/** A place as others are told it, who work in other folders. */
export const sharedPlace = (place: string): string => schemes.test(place) ? place : resolve(place)
