declare module "s3rver" {
  import type { RequestListener } from "node:http"

  /** An S3 server over a folder; its keys are S3RVER and S3RVER. */
  export default class S3rver {
    constructor(options: {
      readonly directory: string
      readonly silent?: boolean
      readonly configureBuckets?: ReadonlyArray<{ readonly name: string }>
    })
    configureBuckets(): Promise<void>
    callback(): RequestListener
  }
}
