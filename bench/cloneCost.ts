/**
 * node --conditions=@effect-prefect/source bench/cloneCost.ts: whether decoding pickles in a worker can pay. A value that
 * was decoded there must be serialized there and deserialized here, which a structured clone does. Prints the processor
 * time of each for values of 1 MB, and the best ratio to one core that two can reach when both decode.
 */
import { loads } from "@effect-prefect/pickle"
import { execFileSync } from "node:child_process"
import * as v8 from "node:v8"

const values: Readonly<Record<string, string>> = {
  "list of dicts": `[{"id": i, "name": "user %d" % i, "score": random(), "tags": ["a", "b"]} for i in range(22000)]`,
  "list of floats": "[random() for _ in range(110000)]",
  "list of ints": "[randrange(1 << 30) for _ in range(200000)]",
  "list of texts": `["text number %d" % i for i in range(55000)]`,
  "dict of str to float": `{"key%d" % i: random() for i in range(45000)}`,
  "nested lists": "[[i, i + 1, [i * 2]] for i in range(60000)]"
}

const pickleOf = (code: string): Uint8Array =>
  execFileSync(
    "python3",
    ["-c", `import pickle, sys\nfrom random import *\nseed(1)\nsys.stdout.buffer.write(pickle.dumps(${code}, 4))`],
    { maxBuffer: 1 << 28 }
  )

const milliseconds = (body: () => unknown): number => {
  for (let run = 0; run < 6; run++) body()
  const times = Array.from({ length: 15 }, () => {
    const start = process.cpuUsage()
    body()
    const { system, user } = process.cpuUsage(start)
    return (system + user) / 1000
  })
  return times.toSorted((left, right) => left - right)[7]!
}

for (const [name, code] of Object.entries(values)) {
  const bytes = pickleOf(code)
  const value = loads(bytes)
  const cloned = v8.serialize(value)
  const decode = milliseconds(() => loads(bytes))
  const serialize = milliseconds(() => v8.serialize(value))
  const deserialize = milliseconds(() => v8.deserialize(cloned))
  // The worker decodes a part of the values, this thread the others, and both finish at the same time.
  const part = decode / Math.max(decode, 2 * decode + serialize - deserialize)
  const best = Math.max(1, decode / ((1 - part) * decode + part * deserialize))
  console.log(
    `${name}: decode ${decode.toFixed(1)} ms, serialize ${serialize.toFixed(1)}, deserialize ${
      deserialize.toFixed(1)
    }; ` +
      `two cores at most ${best.toFixed(2)} of one`
  )
}
