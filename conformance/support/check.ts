/**
 * The report of a conformance script. Each `check` prints one line; at the end of the process the totals are printed as
 * `N passed, N failed`, which `npm run conformance` adds up. A script without checks fails.
 */

let passed = 0
let failed = 0

/** Runs one check: it passes when `body` returns and fails when it throws. A failure does not stop the script. */
export const check = async (name: string, body: () => void | Promise<void>): Promise<void> => {
  const start = performance.now()
  try {
    await body()
    passed++
    console.log(`  pass  ${name} (${Math.round(performance.now() - start)} ms)`)
  } catch (error) {
    failed++
    console.log(`  FAIL  ${name}`)
    console.log(String(error instanceof Error ? (error.stack ?? error.message) : error).replace(/^/gm, "        "))
  }
}

process.on("exit", (code) => {
  console.log(`${passed} passed, ${failed} failed`)
  if (code === 0 && (failed > 0 || passed === 0)) process.exitCode = 1
})
