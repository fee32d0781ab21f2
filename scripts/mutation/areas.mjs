/**
 * The mutated code: limits, comparisons and defaults that users rely on. Each area is tested by the tests of its
 * package, or by the listed test files: a mutant that only other tests notice counts as not killed.
 * @type {ReadonlyArray<{
 *   readonly name: string,
 *   readonly package: string,
 *   readonly files: ReadonlyArray<string>,
 *   readonly tests?: ReadonlyArray<string>
 * }>}
 */
export const areas = [
  { name: "core", package: "core", files: ["*.ts", "internal/*.ts", "!index.ts", "!Tables.ts"] },
  { name: "core texts", package: "core", files: ["JsonText.ts"], tests: ["JsonText"] },
  { name: "core turns", package: "core", files: ["Turn.ts"], tests: ["Turn"] },
  {
    name: "pickle machine",
    package: "pickle",
    files: ["machine/*.ts", "!machine/python2Names.ts"],
    tests: ["machine", "loads", "hostile", "values", "corpus"]
  },
  {
    name: "pickle values",
    package: "pickle",
    files: ["values/*.ts"],
    tests: ["valueClasses", "values", "loads", "corpus"]
  },
  {
    name: "formats bounds",
    package: "formats",
    files: ["internal/compression/compression.ts", "internal/compression/output.ts", "internal/zip.ts"],
    tests: ["compression", "zip"]
  },
  {
    name: "formats lzma",
    package: "formats",
    files: ["internal/compression/lzma*.ts", "internal/compression/xz.ts", "!internal/compression/lzmaModule.ts"],
    tests: ["lzma", "xz"]
  },
  {
    name: "formats json",
    package: "formats",
    files: ["internal/jsonPieces.ts"],
    tests: ["ResultFormat", "giveWay", "steps"]
  },
  {
    name: "formats steps",
    package: "formats",
    files: ["internal/steps.ts"],
    tests: ["giveWay", "askedMemory", "compression"]
  },
  {
    name: "results run",
    package: "results",
    files: ["internal/run/*.ts"],
    tests: [
      "children",
      "notPersisted",
      "logCursor",
      "polling",
      "options",
      "TaskRun",
      "FlowRun",
      "window",
      "memory",
      "table",
      "telemetry",
      "Progress",
      "Watch"
    ]
  },
  { name: "results local", package: "results", files: ["internal/local/*.ts"], tests: ["readFile", "LocalStorage"] },
  {
    name: "results remote",
    package: "results",
    files: ["internal/remote/*.ts"],
    tests: [
      "remoteLimits",
      "remoteFailure",
      "remoteReader",
      "download",
      "signedGet",
      "GCSStorage",
      "S3Storage",
      "AzureStorage",
      "withoutSdks"
    ]
  },
  {
    name: "results archive",
    package: "results",
    files: ["internal/archive/*.ts"],
    tests: ["archiveFiles", "archiveLocation"]
  },
  {
    name: "api http failures",
    package: "api",
    files: ["internal/http/failure.ts", "internal/http/words.ts"],
    tests: ["httpFailure"]
  },
  {
    name: "api http client",
    package: "api",
    files: [
      "internal/http/*.ts",
      "!internal/http/failure.ts",
      "!internal/http/pieces.ts",
      "!internal/http/words.ts"
    ],
    tests: ["memory", "body", "httpClient", "graphqlPolicy", "prefect3Faults", "graphqlSecrets", "network"]
  },
  {
    name: "api http pieces",
    package: "api",
    files: ["internal/http/pieces.ts"],
    tests: ["pieces"]
  },
  { name: "api postgres", package: "api", files: ["internal/postgres/patience.ts"], tests: ["patience"] },
  {
    name: "api pages",
    package: "api",
    files: ["internal/pages.ts", "internal/graphql/pages.ts"],
    tests: ["graphqlPages", "PrefectApi", "MemoryApi"]
  },
  {
    name: "api keyset",
    package: "api",
    files: ["internal/graphql/keyset.ts"],
    tests: ["keyset"]
  },
  {
    name: "api prefect3",
    package: "api",
    files: ["internal/prefect3/*.ts"],
    tests: ["prefect3Rows", "prefect3Pages", "prefect3Faults", "prefect3Events", "prefect3"]
  },
  {
    name: "results prefect3",
    package: "results",
    files: ["internal/prefect3/*.ts"],
    tests: ["prefect3Location", "prefect3Record", "blockStorages", "atOnce", "prefect3", "prefect2"]
  },
  {
    name: "formats footers",
    package: "formats",
    files: ["internal/parquet/*.ts"],
    tests: ["statistics", "wideFooter", "parquetDictionary", "parquet", "TableEncoder"]
  },
  {
    name: "formats arrow",
    package: "formats",
    files: ["internal/arrow/*.ts", "internal/flatbuffer*.ts"],
    tests: ["arrowVector", "arrowSchema", "TableEncoder", "formats", "madeTables", "values", "decode"]
  },
  {
    name: "collect stores",
    package: "collect",
    files: [
      "*Output.ts",
      "internal/objectOutput.ts",
      "internal/uploadSizes.ts",
      "!CollectOutput.ts",
      "!PostgresOutput.ts"
    ],
    tests: ["output", "s3Output", "gcsOutput", "azureOutput", "configuration", "echoes", "slowStores"]
  },
  {
    name: "cli inputs",
    package: "cli",
    files: ["inputs/*.ts", "internal/flagValues.ts", "internal/timeFlag.ts"],
    // Others need a time zone of their own, which a thread cannot have.
    tests: ["times", "mistakes"]
  },
  {
    name: "server listener",
    package: "server",
    files: ["Listener.ts", "internal/body.ts", "internal/clients.ts", "internal/door.ts"],
    tests: ["Listener", "clients", "door", "requests"]
  },
  { name: "server compiler", package: "server", files: ["internal/compiler.ts"], tests: ["compiler"] },
  { name: "server conditions", package: "server", files: ["internal/conditions.ts"], tests: ["conditions"] }
]
