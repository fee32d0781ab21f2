/** The sizes of the files of a collection that are read as a whole. */
import * as Plan from "../CollectPlan.ts"

/** The most bytes of a part's record: none that is written here comes near it. */
const maxRecordBytes = 2 ** 24

/** The most bytes that a plan, a manifest or a record may have; undefined for a part, which may be of any size. */
export const limitOf = (name: string): number | undefined =>
  name.startsWith("_") ? Plan.partOfRecord(name) === undefined ? Plan.maxPlanBytes : maxRecordBytes : undefined

/** The sentence about a file that has more. */
export const tooLarge = (name: string, limit: number): string => `cannot read ${name} (it has more than ${limit} bytes)`
