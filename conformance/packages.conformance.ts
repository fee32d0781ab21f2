/**
 * The packages as users get them: packed, checked by publint and are-the-types-wrong, and installed into an empty
 * project beside effect alone. There every entry point is imported and type-checked, what a new user does first works,
 * and every example of the documents is type-checked and run; declarations are checked too (skipLibCheck is off).
 */
import { copyFileSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { examples, install, judge, pack, smoke, typeCheck } from "../scripts/tarballs.mjs"
import { bundles } from "./packages/bundles.ts"
import { peers } from "./packages/peers.ts"
import { programs } from "./packages/programs.ts"
import { check } from "./support/check.ts"
import { root } from "./support/folder.ts"
import { run } from "./support/process.ts"

const { folder, remove, tarballs } = await pack()
try {
  for (const [one, tarball] of tarballs) {
    await check(`${one.name}: publint and are-the-types-wrong have nothing to say`, () => judge(one, tarball))
  }

  const first = await install(folder, tarballs)
  await check("what a new user does first, with nothing else installed", async () => {
    symlinkSync(join(root, "fixtures"), join(first, "fixtures"), "junction")
    copyFileSync(join(import.meta.dirname, "packages", "user.ts"), join(first, "user.ts"))
    await typeCheck(first, ["user.ts"])
    await run(process.execPath, ["user.ts"], { cwd: first, env: { NODE_OPTIONS: "" } })
  })

  const project = await install(folder, tarballs)
  await check("every entry point is imported and type-checked, and the command starts", () => smoke(project))
  await check("every example of the documents is type-checked and run", async () => {
    console.log(`        ${await examples(project)}`)
  })

  await programs({ folder, tarballs })
  await peers()
  await bundles({ folder, tarballs })
} finally {
  remove()
}
