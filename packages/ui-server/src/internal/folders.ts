/** Keeps folders of this machine out of answers. */

/** A folder, and what the page calls it. */
export interface Folder {
  readonly path: string
  readonly name: string
}

/** Puts the names of folders where their paths stand in a sentence; the longest path first. */
export const makeRename = (folders: ReadonlyArray<Folder> | undefined): (text: string) => string => {
  const known = (folders ?? []).filter(({ path }) => path.length > 1)
    .toSorted((left, right) => right.path.length - left.path.length)
  return (text) => known.reduce((renamed, { name, path }) => renamed.replaceAll(path, name), text)
}
