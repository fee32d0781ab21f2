/** The addresses of the real servers, which storages.conformance.ts passes to the tests in an environment variable. */
export interface Servers {
  /** An S3 server that accepts any credentials. */
  readonly s3: string
  readonly gcs: string
  /** The connection string of an Azure account. */
  readonly azure: string
}

export const variable = "EFFECT_PREFECT_STORAGE_SERVERS"

export const servers = (): Servers => JSON.parse(process.env[variable] ?? "{}") as Servers
