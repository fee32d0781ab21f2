// A setup file of vitest: the sources are loaded anew for each mutant, because the one before may have changed what they
// keep. Effect is not: it is not mutated.
import { inject, vi } from "vitest"

const kept = /** @type {{ lastMutant?: unknown }} */ (globalThis)
// Stryker provides it.
const mutant = inject(/** @type {never} */ ("activeMutant"))
if (kept.lastMutant !== mutant) {
  kept.lastMutant = mutant
  vi.resetModules()
}
