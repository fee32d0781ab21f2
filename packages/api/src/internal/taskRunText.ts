import type { TaskRunBySlug } from "../Backend.ts"

/**
 * A task run that was asked for by its slug, in the words of messages.
 */
export const describeBySlug = ({ flowRunId, mapIndex, taskSlug }: TaskRunBySlug): string =>
  `${taskSlug}${mapIndex < 0 ? "" : ` (map index ${mapIndex})`} of flow run ${flowRunId}`
