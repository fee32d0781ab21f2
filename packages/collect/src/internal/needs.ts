/** The locations of results, and whether a storage layer allows them. */
import * as ResultDescriptor from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import type { ResultStorage } from "@effect-prefect/results/ResultStorage"

type Storage = ResultStorage["Service"]

/** Whether a storage layer would read a result there. The store is not contacted. */
const isAllowed = (storage: Storage, descriptor: ResultDescriptor.ResultDescriptor): boolean =>
  storage.resolve(descriptor)?.resolved._tag === "Allowed"

/** A location as a prefix, and a result in it for asking a storage layer. */
interface Place {
  readonly prefix: string
  readonly probe: ResultDescriptor.ResultDescriptor
}

const folderOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf("/")))

const isAbsolute = (path: string): boolean => path.startsWith("/") || /^[A-Za-z]:[\\/]/.test(path)

const isBelow = (path: string, folder: string): boolean =>
  path.startsWith(folder.endsWith("/") ? folder : `${folder}/`) && !path.split("/").includes("..")

const local = (prefix: string): Place => ({
  prefix,
  probe: new ResultDescriptor.LocalResult({ location: `${prefix}/x`, dir: prefix })
})

const objectProbe = (
  tag: "S3Result" | "GCSResult" | "AzureResult",
  bucket: string,
  location: string
): ResultDescriptor.ResultDescriptor =>
  tag === "S3Result"
    ? new ResultDescriptor.S3Result({ location, bucket })
    : tag === "GCSResult"
    ? new ResultDescriptor.GCSResult({ location, bucket })
    : new ResultDescriptor.AzureResult({ location, container: bucket })

const schemes = { S3Result: "s3", GCSResult: "gs", AzureResult: "azure" } as const

/** The prefixes of a result's location, the widest first; empty for a result without a location. */
const placesOf = (descriptor: ResultDescriptor.ResultDescriptor): ReadonlyArray<Place> => {
  switch (descriptor._tag) {
    case "LocalResult": {
      const { dir, location } = descriptor as ResultDescriptor.LocalResult
      if (typeof location !== "string" || !isAbsolute(location)) return []
      const folder = local(folderOf(location))
      return typeof dir === "string" && isBelow(location, dir)
        ? [local(dir.replace(/(?<=.)\/$/, "")), folder]
        : [folder]
    }
    case "S3Result":
    case "GCSResult":
    case "AzureResult": {
      const { location } = descriptor
      const bucket = "bucket" in descriptor ? descriptor.bucket : (descriptor as ResultDescriptor.AzureResult).container
      if (typeof location !== "string" || typeof bucket !== "string" || bucket === "") return []
      const whole = `${schemes[descriptor._tag]}://${bucket}`
      const folder = location.replace(/^\/+/, "").split("/").slice(0, -1).join("/")
      const places = [{ prefix: whole, probe: objectProbe(descriptor._tag, bucket, "x") }]
      if (folder !== "") {
        places.push({ prefix: `${whole}/${folder}`, probe: objectProbe(descriptor._tag, bucket, `${folder}/x`) })
      }
      return places
    }
    default:
      return []
  }
}

/** The widest prefix of a view's result; undefined when it has no location. */
export const placeOf = (view: TaskRunView): string | undefined => {
  const descriptor = State.resultDescriptor(view.state)
  return descriptor === undefined ? undefined : placesOf(descriptor)[0]?.prefix
}

/**
 * The locations of a sample of results, as prefixes: for each the widest that the planner may read itself, otherwise
 * the widest.
 */
export class Needs {
  private readonly prefixes = new Set<string>()
  private readonly storage: Storage

  constructor(storage: Storage) {
    this.storage = storage
  }

  add(view: TaskRunView): void {
    if (!State.isFinished(view.state)) return
    const descriptor = State.resultDescriptor(view.state)
    if (descriptor === undefined || !ResultDescriptor.isPersisted(descriptor)) return
    const places = placesOf(descriptor)
    const place = places.find(({ probe }) => isAllowed(this.storage, probe)) ?? places[0]
    if (place !== undefined) this.prefixes.add(place.prefix)
  }

  /** Sorted; prefixes below another one are omitted. */
  get list(): ReadonlyArray<string> {
    const sorted = [...this.prefixes].sort()
    return sorted.filter((prefix) => !sorted.some((other) => other !== prefix && isBelow(prefix, other)))
  }
}

const bucketPlace = /^(s3|gs|azure):\/\/([^/]+)(?:\/(.*))?$/
const tags = { s3: "S3Result", gs: "GCSResult", azure: "AzureResult" } as const

/** The first location that a storage layer does not allow. */
export const firstDenied = (storage: Storage, needs: ReadonlyArray<string>): string | undefined =>
  needs.find((prefix) => {
    const bucket = bucketPlace.exec(prefix)
    if (bucket === null) return !isAllowed(storage, local(prefix).probe)
    const [, scheme, name, folder] = bucket
    const location = folder === undefined ? "x" : `${folder}/x`
    return !isAllowed(storage, objectProbe(tags[scheme as keyof typeof tags], name!, location))
  })
