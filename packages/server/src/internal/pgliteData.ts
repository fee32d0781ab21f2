// Starts embedded databases from a copy of another one's data. PGlite's own `loadDataDir` copies each file twice and
// looks up each folder on its way: most of the time of a start.
import type { MemoryFS, PGlite, PGliteOptions } from "@electric-sql/pglite"

const block = 512

/** The text of a field of a header, up to its first zero byte. */
const field = (header: Uint8Array, start: number, length: number): string => {
  const end = header.subarray(start, start + length).indexOf(0)
  return String.fromCharCode(...header.subarray(start, end === -1 ? start + length : start + end))
}

interface Entry {
  readonly path: string
  readonly isFolder: boolean
  readonly content: Uint8Array
}

/** The entries of a tar archive that PGlite wrote. Their contents are parts of its bytes. */
function* entriesOf(tar: Uint8Array): Generator<Entry> {
  for (let at = 0; at + block <= tar.length && tar[at] !== 0;) {
    const header = tar.subarray(at, at + block)
    const size = Number.parseInt(field(header, 124, 12), 8)
    const start = at + block
    yield {
      path: field(header, 345, 155) + field(header, 0, 100),
      isFolder: field(header, 156, 1) === "5",
      content: tar.subarray(start, start + size)
    }
    at = start + Math.ceil(size / block) * block
  }
}

const mebibyte = 2 ** 20

/**
 * Postgres clears the memory of its buffers as it starts, which takes half of a start with its own 128 MB. Tables that
 * do not fit into them are scanned more slowly, so that they are as large as the data is, in bytes, up to those 128 MB.
 */
export const bufferSettings = (size: number): ReadonlyArray<string> => [
  "-c",
  `shared_buffers=${Math.min(128, Math.max(16, Math.ceil(size / mebibyte)))}MB`
]

/**
 * Starts a database from the result of `dumpDataDir("none")`. It changes `data` as it runs, so that each database needs a
 * copy of its own.
 */
export const startFrom = (
  data: Uint8Array,
  pglite: { readonly MemoryFS: typeof MemoryFS; readonly PGlite: typeof PGlite },
  options: PGliteOptions
): Promise<PGlite> => {
  class LoadedFS extends pglite.MemoryFS {
    override async initialSyncFs(): Promise<void> {
      const { ENV, FS } = this.pg!.Module
      for (const { content, isFolder, path } of entriesOf(data)) {
        const place = `${(ENV as { readonly PGDATA: string }).PGDATA}${path}`
        if (isFolder) FS.mkdirTree(place)
        else FS.writeFile(place, content, { canOwn: true })
      }
    }
  }
  return pglite.PGlite.create({ ...options, fs: new LoadedFS() })
}

/** Drops the databases that others are made from: none is, and copies of the data are a third smaller without them. */
export const dropTemplates = async (database: PGlite): Promise<void> => {
  await database.exec("UPDATE pg_database SET datistemplate = false")
  for (const name of ["template0", "template1"]) await database.exec(`DROP DATABASE IF EXISTS ${name}`)
}
