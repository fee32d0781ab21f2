/** The descriptions of the subcommands, in a module of their own, so that help loads no subcommand. */
export const descriptions = {
  flow: "Flows",
  "flow-run": "Flow runs, their task runs and results",
  "task-run": "Task runs, their results and mapped children",
  archive: "Archives: a Prefect server's rows and results as a folder",
  collect: "Collect any number of stored results as Parquet or JSON Lines parts; an interrupted collection continues " +
    "when the same command is run again",
  serve: "Serve an archive or a Prefect 1 database as Prefect's own read-only GraphQL API",
  ui: "Open a local, read-only page of runs, mapped children and results",
  profile: "Named backends and storages, stored in a configuration file",
  doctor: "Show the backend and storages that commands would use, where each was configured, and whether it responds",
  complete: "Print the values that may complete a line, for the scripts of --completions"
} as const
