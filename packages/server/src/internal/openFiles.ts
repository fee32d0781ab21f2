import { readFileSync } from "node:fs"

/** The connections of a server whose process may open as many files as it likes. */
const mostConnections = 2_000
/** Files that a server needs for itself: its threads, the stored results that it reads, its database. */
const ownFiles = 48

/** The number of files that this process may open, where the system says so. */
const openFiles = (): number | undefined => {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? []
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}

/**
 * The connections that a process may have of those files. When there are no more files, the system ends whichever
 * connection comes next, and results cannot be read.
 */
export const connectionsOf = (files: number | undefined): number =>
  files === undefined ? mostConnections : Math.max(
    4,
    Math.min(mostConnections, Math.floor(files - Math.max(ownFiles, files / 4)))
  )

/** The most connections of a server in this process. */
export const connections = (): number => connectionsOf(openFiles())
