/**
 * Converts geometries of shapely and geopandas, which pickles hold as well-known binary (WKB), to GeoJSON.
 *
 * @since 0.1.0
 */
import { Dict } from "../values/dict.ts"
import { PyGlobal, PyObject } from "../values/objects.ts"

const names = [
  "Geometry",
  "Point",
  "LineString",
  "Polygon",
  "MultiPoint",
  "MultiLineString",
  "MultiPolygon",
  "GeometryCollection"
]

const maxDepth = 100

class NotWkb extends Error {}

interface Cursor {
  readonly view: DataView
  at: number
}

const take = (cursor: Cursor, size: number): number => {
  const at = cursor.at
  if (at + size > cursor.view.byteLength) throw new NotWkb()
  cursor.at = at + size
  return at
}

const readGeometry = (cursor: Cursor, depth: number): Record<string, unknown> => {
  if (depth > maxDepth) throw new NotWkb()
  const { view } = cursor
  const order = view.getUint8(take(cursor, 1))
  if (order > 1) throw new NotWkb()
  const little = order === 1
  const code = view.getUint32(take(cursor, 4), little)
  // Z and M are flags in EWKB and added thousands in ISO WKB.
  const iso = (code & 0x1fffffff) % 1_000
  const thousands = Math.floor((code & 0x1fffffff) / 1_000)
  const hasZ = (code & 0x80000000) !== 0 || thousands === 1 || thousands === 3
  const hasM = (code & 0x40000000) !== 0 || thousands === 2 || thousands === 3
  if ((code & 0x20000000) !== 0) take(cursor, 4)
  const width = 2 + (hasZ ? 1 : 0)
  const stored = width + (hasM ? 1 : 0)
  const position = (): Array<number> => {
    const at = take(cursor, stored * 8)
    return Array.from({ length: width }, (_, i) => view.getFloat64(at + i * 8, little))
  }
  const count = (size: number): number => {
    const length = view.getUint32(take(cursor, 4), little)
    if (length * size > view.byteLength - cursor.at) throw new NotWkb()
    return length
  }
  const positions = (): Array<Array<number>> => Array.from({ length: count(stored * 8) }, position)
  const rings = (): Array<Array<Array<number>>> => Array.from({ length: count(4) }, positions)
  const geometries = (): Array<Record<string, unknown>> =>
    Array.from({ length: count(5) }, () => readGeometry(cursor, depth + 1))
  const out = new Dict()
  out["type"] = names[iso] ?? "Geometry"
  switch (iso) {
    case 1: {
      const point = position()
      out["coordinates"] = point.every(Number.isNaN) ? [] : point
      return out
    }
    case 2:
      out["coordinates"] = positions()
      return out
    case 3:
      out["coordinates"] = rings()
      return out
    case 4:
    case 5:
    case 6:
      out["coordinates"] = geometries().map((geometry) => geometry["coordinates"])
      return out
    case 7:
      out["geometries"] = geometries()
      return out
    default:
      throw new NotWkb()
  }
}

/**
 * The GeoJSON of well-known binary (ISO, and PostGIS's EWKB); measures are omitted, because GeoJSON has none. `null`
 * for other bytes.
 *
 * @internal
 */
export const geoJson = (bytes: Uint8Array): Record<string, unknown> | null => {
  try {
    return readGeometry({ view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), at: 0 }, 0)
  } catch (error) {
    if (error instanceof NotWkb) return null
    throw error
  }
}

/**
 * The GeoJSON of a geometry of shapely 1 or 2, or pygeos; `null` for other objects.
 *
 * @internal
 */
export const geometryOf = (object: PyObject): Record<string, unknown> | null => {
  if (!(object.class instanceof PyGlobal)) return null
  const { module } = object.class
  if (!module.startsWith("shapely") && !module.startsWith("pygeos")) return null
  const bytes = [...object.args, ...object.states].find((part) => part instanceof Uint8Array)
  return bytes instanceof Uint8Array ? geoJson(bytes) : null
}
