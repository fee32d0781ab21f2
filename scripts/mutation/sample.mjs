// A plugin for Stryker, which knows no samples: a checker that lets only some mutants pass. It is asked once, about all
// mutants in the order of their places, and takes every so many of them from a start that the seed determines. Those
// left out are reported as "CompileError", which nothing else is here.

/**
 * The indices of a sample, spread evenly over a list.
 * @param {number} count how many there are
 * @param {number} size how many are taken, at most
 * @param {number} seed
 * @returns {ReadonlySet<number>}
 */
export const sampleOf = (count, size, seed) => {
  const step = Math.max(1, count / size)
  // The fraction of the golden ratio spreads the starts of seeds that follow each other.
  const start = (seed * 0.618033988749895) % 1
  return new Set(Array.from({ length: Math.min(count, size) }, (_, index) => Math.floor((index + start) * step)))
}

class Sample {
  async init() {}

  /** @param {ReadonlyArray<{ readonly id: string }>} mutants */
  async group(mutants) {
    return [mutants.map(({ id }) => id)]
  }

  /** @param {ReadonlyArray<{ readonly id: string }>} mutants */
  async check(mutants) {
    const ids = mutants.map(({ id }) => id).toSorted((left, right) => Number(left) - Number(right))
    const taken = sampleOf(ids.length, Number(process.env.MUTATION_SAMPLE), Number(process.env.MUTATION_SEED))
    return Object.fromEntries(
      ids.map((
        id,
        index
      ) => [id, taken.has(index) ? { status: "passed" } : { status: "compileError", reason: "not in the sample" }])
    )
  }
}

export const strykerPlugins = [{ kind: "Checker", name: "sample", injectableClass: Sample }]
