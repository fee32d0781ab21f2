/** Where the real servers are, as storages.conformance.ts gives it to the tests in an environment variable. */
export interface Servers {
  /** An S3 server that takes any credentials. */
  readonly s3: string
  readonly gcs: string
  /** The connection string of an Azure account. */
  readonly azure: string
}

export const variable = "EFFECT_PREFECT_STORAGE_SERVERS"

export const servers = (): Servers => JSON.parse(process.env[variable] ?? "{}") as Servers
