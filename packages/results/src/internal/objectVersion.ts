import type { ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"

const keys = ["version_id", "versionId", "VersionId"]

/** The version of an S3 object that a descriptor requests; undefined for the newest. */
export const objectVersion = (descriptor: ResultDescriptor): string | undefined =>
  descriptor._tag === "S3Result"
    ? keys.map((key) => descriptor.extra?.[key]).find((value): value is string => typeof value === "string")
    : undefined
