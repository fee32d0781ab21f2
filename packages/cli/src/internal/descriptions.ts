/** What help says of each subcommand, apart from the subcommands, so that help loads none of them. */
export const descriptions = {
  flow: "Flows",
  "flow-run": "Flow runs, their task runs and results",
  "task-run": "Task runs, their results and mapped children",
  archive: "Archives: a Prefect 1 server's tables and results as a folder",
  collect:
    "Collect stored results of any number as Parquet or JSON Lines parts; an interrupted collection goes on where it was " +
    "when the same command is run again",
  serve: "Serve an archive or a Prefect 1 database as Prefect's own read-only GraphQL API",
  ui: "Open a local, read-only page of runs, mapped children and results",
  profile: "Named backends and storages, kept in a configuration file",
  doctor: "Say which backend and storages would be used, where each was configured, and what answers",
  complete: "Print what may stand where the cursor is, for the scripts of --completions"
} as const
