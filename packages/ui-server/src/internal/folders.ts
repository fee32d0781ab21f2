/** Keeps folders of this machine out of responses. */

/**
 * A folder of this machine, and its name on the page.
 *
 * @category options
 * @since 0.1.0
 */
export interface Folder {
  readonly path: string
  readonly name: string
}

/** Replaces the paths of folders in a sentence by their names; the longest path first. */
export const makeRename = (folders: ReadonlyArray<Folder> | undefined): (text: string) => string => {
  const known = (folders ?? []).filter(({ path }) => path.length > 1)
    .toSorted((left, right) => right.path.length - left.path.length)
  return (text) => known.reduce((renamed, { name, path }) => renamed.replaceAll(path, name), text)
}
