/** An S3 server that accepts any credentials. */
import { freePort, type Server, startServer } from "../support/process.ts"
import { venv } from "../support/python.ts"

export const startMoto = async (): Promise<{ readonly server: Server; readonly url: string }> => {
  const { bin } = await venv({ name: "moto", packages: ["moto[s3,server]==5.2.5"] })
  const port = await freePort()
  const server = await startServer(bin("moto_server"), ["-H", "127.0.0.1", "-p", String(port)], { port })
  return { server, url: `http://127.0.0.1:${port}` }
}
