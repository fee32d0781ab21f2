import type { TaskRunBySlug } from "../Backend.ts"

/**
 * Describes a lookup by slug, for messages.
 */
export const describeBySlug = ({ flowRunId, mapIndex, taskSlug }: TaskRunBySlug): string =>
  `${taskSlug}${mapIndex < 0 ? "" : ` (map index ${mapIndex})`} of flow run ${flowRunId}`
