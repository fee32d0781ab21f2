import { type Checksum, start } from "../../src/internal/remote/checksum.ts"

/** The checksum of bytes, in base64. */
export const checksumOf = (algorithm: Checksum["algorithm"], bytes: Uint8Array): string => {
  const running = start(algorithm)
  running.update(bytes)
  return running.base64()
}
