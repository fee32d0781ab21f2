/** The tables of an archive of Prefect 2 or 3. Their names differ from those of Prefect 1, so that no row is mistaken for one of another Prefect. */
export const tableNames = [
  "prefect3_server",
  "prefect3_flow",
  "prefect3_flow_run",
  "prefect3_flow_run_state",
  "prefect3_task_run",
  "prefect3_task_run_state",
  "prefect3_log",
  "prefect3_artifact",
  "prefect3_block_document"
] as const

export type TableName = typeof tableNames[number]
