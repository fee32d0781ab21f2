/**
 * @typedef {{
 *   readonly file: string,
 *   readonly line: string,
 *   readonly from?: string,
 *   readonly to: string,
 *   readonly why: string
 * }} Equivalent
 */

/**
 * Mutants of one file that make no difference for the same reason.
 * @param {string} file
 * @param {string} why
 * @param {ReadonlyArray<readonly [line: string, from: string, to: string]>} mutants
 * @returns {ReadonlyArray<Equivalent>}
 */
const of = (file, why, mutants) => mutants.map(([line, from, to]) => ({ file, line, from, to, why }))

const failure = "packages/api/src/internal/http/failure.ts"
const reviver =
  "typeof value === \"number\" && !Number.isSafeInteger(value) && /^-?\\d+$/.test(context?.source ?? \"\")"

const pieces = "packages/api/src/internal/http/pieces.ts"

const words = "packages/api/src/internal/http/words.ts"

const machine = "packages/pickle/src/machine"

/**
 * Mutants that make no observable difference, each with the reason. A mutant is identified by its file, the text of its
 * line (without the indentation), what is replaced and its replacement.
 * @type {ReadonlyArray<Equivalent>}
 */
export const equivalent = [
  ...of(pieces, "a search from the second character finds the same: an element or a bracket comes first", [
    ["frame.found = -1", "-1", "+1"],
    ["if (nextQuote < 0) notJson()", "nextQuote < 0", "nextQuote <= 0"]
  ]),
  ...of("packages/core/src/ArchiveFormat.ts", "an empty last line is blank, and passed over", [
    ["if (carriedBytes > 0) emit(new Uint8Array(0), 0)", "carriedBytes > 0", "carriedBytes >= 0"]
  ]),
  ...of("packages/core/src/ArchiveFormat.ts", "a line that is too long is not joined", [
    ["if (carriedBytes > maxLineBytes) carried = []", "[]", "[\"Stryker was here\"]"]
  ]),
  ...of("packages/core/src/ArchiveFormat.ts", "a part from the beginning is the same bytes", [
    ["const bytes = mark === 0 ? whole : whole.subarray(mark)", "mark === 0", "false"]
  ]),
  ...of("packages/core/src/Prefect3State.ts", "a function that does not return gives undefined", [
    ["} catch {", "{ return undefined }", "{}"]
  ]),
  ...of("packages/core/src/ResultDescriptor.ts", "a function that does not return gives undefined", [
    ["default:", "default: return undefined", "default:"]
  ]),
  ...of("packages/core/src/ResultDescriptor.ts", "a text in the place of a field has no key that JSON could have", [
    ["Result: [],", "[]", "[\"Stryker was here\"]"]
  ]),
  ...of("packages/core/src/internal/json.ts", "defining a property does the same, only slower", [
    ["if (key === \"__proto__\") {", "key === \"__proto__\"", "true"]
  ]),
  ...of("packages/core/src/Turn.ts", "the types alone need it: it is called while something waits", [
    ["waiting.shift()?.()", "waiting.shift()?.()", "waiting.shift()()"]
  ]),
  ...of("packages/core/src/State.ts", "the types alone need it: an unknown state has no result", [
    [
      "state._tag === \"UnknownState\" || state.result === undefined ? undefined : ResultDescriptor.readable(state.result)",
      "state._tag === \"UnknownState\"",
      "false"
    ]
  ]),
  ...of("packages/core/src/State.ts", "the types alone need it: the keys of the codecs are strings", [
    [
      "if (isObject(json) && typeof json[\"type\"] === \"string\" && codecs.has(json[\"type\"])) return json[\"type\"]",
      "typeof json[\"type\"] === \"string\"",
      "true"
    ]
  ]),
  ...of(
    "packages/core/src/Turn.ts",
    "the types alone need it: a number less undefined is NaN, which is not larger than another",
    [
      [
        "const isOver = (): boolean => began !== undefined && host.performance.now() - began > slice",
        "began !== undefined",
        "true"
      ]
    ]
  ),
  {
    file: "packages/api/src/internal/graphql/keyset.ts",
    line: "return direction === \"asc\" ? a < b : a > b",
    from: "a < b",
    to: "a <= b",
    why: "equal values were passed over above"
  },
  {
    file: "packages/api/src/internal/graphql/keyset.ts",
    line: "return direction === \"asc\" ? a < b : a > b",
    from: "a > b",
    to: "a >= b",
    why: "equal values were passed over above"
  },
  ...of(failure, "what needs no reviver is the same with one, only slower", [
    ["const longInteger = /[:[,\\s]-?\\d{16}/", "/[:[,\\s]-?\\d{16}/", "/[:[,\\s]-?\\d/"],
    ["if (!longInteger.test(text)) return JSON.parse(text)", "!longInteger.test(text)", "false"]
  ]),
  ...of(failure, "only numbers have a source of digits alone", [
    [reviver, "typeof value === \"number\"", "true"]
  ]),
  ...of(failure, "Node has given a reviver its context since version 21", [
    [reviver, "context?.source", "context.source"]
  ]),
  ...of(failure, "a text is the same in pieces, and no JSON there either", [
    ["try {", "{ return parse(text) }", "{}"],
    ["} catch (error) {", "{ if (!(error instanceof RangeError)) throw error }", "{}"],
    ["if (!(error instanceof RangeError)) throw error", "!(error instanceof RangeError)", "false"]
  ]),
  ...of(failure, "no pattern matches the text \"undefined\", and it is the name of no code", [
    ["if (code !== undefined && isCertificateCode(code)) {", "code !== undefined", "true"],
    ["const what = (code === undefined ? undefined : knownCodes[code]) ??", "code === undefined", "false"],
    [
      "const retryable = retryConnection || code === undefined || !unconnected.test(code)",
      "code === undefined",
      "false"
    ]
  ]),
  ...of("packages/api/src/internal/http/client.ts", "the name of a host has brackets at its ends alone", [
    ["\"server.address\": url.hostname.replace(/^\\[|\\]$/g, \"\"),", "/^\\[|\\]$/g", "/^\\[|\\]/g"],
    ["\"server.address\": url.hostname.replace(/^\\[|\\]$/g, \"\"),", "/^\\[|\\]$/g", "/\\[|\\]$/g"]
  ]),
  ...of(words, "empty words are passed over", [["for (const word of unquoted.split(/\\s+/)) {", "/\\s+/", "/\\s/"]]),
  ...of(words, "no text of a server has it", [
    [
      "export const withoutSecrets = (text: string, secrets: ReadonlyArray<string> = []): string => {",
      "[]",
      "[\"Stryker was here\"]"
    ]
  ]),
  ...of(words, "the scheme is kept, and its last letter is enough to find it", [
    [
      ".replace(/([a-z][a-z0-9+.-]{0,30}:\\/\\/)[^\\s/@\"']{0,500}@/gi, \"$1\")",
      "/([a-z][a-z0-9+.-]{0,30}:\\/\\/)[^\\s/@\"']{0,500}@/gi",
      "/([a-z][^a-z0-9+.-]{0,30}:\\/\\/)[^\\s/@\"']{0,500}@/gi"
    ],
    [
      ".replace(/([a-z][a-z0-9+.-]{0,30}:\\/\\/[^\\s?\"']{0,500})\\?[^\\s\"']*/gi, \"$1\")",
      "/([a-z][a-z0-9+.-]{0,30}:\\/\\/[^\\s?\"']{0,500})\\?[^\\s\"']*/gi",
      "/([a-z][^a-z0-9+.-]{0,30}:\\/\\/[^\\s?\"']{0,500})\\?[^\\s\"']*/gi"
    ]
  ]),
  {
    file: "packages/results/src/internal/remote/download.ts",
    line: "if (progress.size !== undefined && filled > progress.size) {",
    from: "progress.size !== undefined",
    to: "true",
    why: "no number is greater than undefined"
  },
  {
    file: "packages/results/src/internal/remote/download.ts",
    line: "if (size !== undefined && size > limits.maxBytes) return fail(tooLarge(limits.maxBytes, size))",
    from: "size !== undefined",
    to: "true",
    why: "undefined is greater than no number"
  },
  ...of("packages/results/src/internal/remote/signedGet.ts", "a signal aborts once", [
    [
      "signal.addEventListener(\"abort\", () => request.destroy(signal.reason as Error), { once: true })",
      "true",
      "false"
    ]
  ]),
  ...of("packages/results/src/internal/remote/download.ts", "only a reserve says that memory is needed", [
    ["if (reserve === undefined) return resume(Effect.void)", "reserve === undefined", "false"]
  ]),
  {
    file: "packages/results/src/internal/remote/reader.ts",
    line: "(reason) => reason._tag === \"StorageUnavailable\" && reason.detail === noParts,",
    from: "reason._tag === \"StorageUnavailable\"",
    to: "true",
    why: "no other reason has that detail"
  },
  {
    file: "packages/results/src/internal/remote/reader.ts",
    line: "if (one.location.length > specificity && isBelow(one, object, found)) specificity = one.location.length",
    from: "one.location.length > specificity",
    to: "one.location.length >= specificity",
    why: "the length stays the same"
  },
  {
    file: "packages/server/src/internal/conditions.ts",
    line: "if (relation.kind === \"object\") return { rows: scope.rows, isDistinct: false }",
    to: "false",
    why: "a key is in one row, and no relation to an object begins at an id: the rest of the function says the same"
  },
  {
    file: "packages/server/src/internal/conditions.ts",
    line: "if (typeof operand !== \"object\" || operand === null) continue",
    from: "typeof operand !== \"object\"",
    to: "false",
    why: "a text or a number has neither _eq nor _in"
  },
  ...of(`${machine}/many.ts`, "more than three of these bytes are no character, and are refused in either way", [
    [
      "for (let back = 0; back < 3 && next < end && (bytes[next]! & 0xc0) === 0x80; back++) next--",
      "back < 3",
      "true"
    ],
    [
      "for (let back = 0; back < 3 && next < end && (bytes[next]! & 0xc0) === 0x80; back++) next--",
      "back < 3",
      "back <= 3"
    ],
    [
      "for (let back = 0; back < 3 && next < end && (bytes[next]! & 0xc0) === 0x80; back++) next--",
      "back++",
      "back--"
    ]
  ]),
  ...of(`${machine}/many.ts`, "a piece may as well end after the character", [
    [
      "for (let back = 0; back < 3 && next < end && (bytes[next]! & 0xc0) === 0x80; back++) next--",
      "next--",
      "next++"
    ]
  ]),
  ...of(`${machine}/batches.ts`, "what is not read as a batch is read one by one, with the same result, only slower", [
    ["for (p++; p - start <= maxNumbersSpan;) {", "p - start <= maxNumbersSpan", "p - start < maxNumbersSpan"],
    ["for (p++; p - start <= maxNumbersSpan;) {", "p - start <= maxNumbersSpan", "p - start > maxNumbersSpan"],
    ["for (p++; p - start <= maxNumbersSpan;) {", "p - start <= maxNumbersSpan", "false"],
    ["for (p++; p - start <= maxNumbersSpan;) {", "p - start", "p + start"],
    ["if (at + count <= maxLength) list.length = at + count", "at + count <= maxLength", "at + count > maxLength"],
    ["const room = machine.sparse === null ? machine.limits.memo : 0", "machine.sparse === null", "false"],
    [
      "else if (opcode !== 0x6a || !pushFetched(machine, list)) list.push(readPlain(machine))",
      "opcode !== 0x6a",
      "opcode === 0x6a"
    ]
  ]),
  ...of(`${machine}/batches.ts`, "what is read as a batch is the same as one by one, only faster where it is long", [
    ["if (count < 1_000) return 0", "count < 1_000", "false"]
  ]),
  ...of(`${machine}/machine.ts`, "put appends to a memo without gaps, too", [
    [
      "if (this.sparse === null && this.memo.length < this.limits.memo) this.memo.push(value)",
      "this.sparse === null && this.memo.length < this.limits.memo",
      "false"
    ]
  ]),
  ...of(
    `${machine}/unpickle.ts`,
    "a guess, which decides only what the dict is made as: a dict object becomes a PyDict",
    [
      ["else if (put === 0x72) p += 5", "put === 0x72", "true"],
      ["if (bytes[p] === 0x28) p += 1", "p += 1", "p -= 1"],
      ["return false", "false", "true"],
      ["return isOther(memo[bytes[p + 1]!])", "p + 1", "p - 1"],
      ["return ++machine.novel > 100", "++machine.novel", "--machine.novel"]
    ]
  ),
  ...of(`${machine}/unpickle.ts`, "what is not read here is read by rare, with the same result, only slower", [
    [
      "if (index !== memo.length || index >= maxMemo || machine.sparse !== null) break",
      "index !== memo.length || index >= maxMemo || machine.sparse !== null",
      "true"
    ],
    ["if (close >= 0) {", "close >= 0", "false"],
    [
      "if (p >= end || index >= memo.length) break",
      "p >= end || index >= memo.length",
      "true"
    ]
  ]),
  ...of(`${machine}/unpickle.ts`, "b and c are above a on the stack, whose height counts what is nested in them", [
    ["(typeof c === \"object\" && c !== null)", "typeof c === \"object\"", "typeof c !== \"object\""],
    [
      "if ((typeof a === \"object\" && a !== null) || (typeof b === \"object\" && b !== null)) machine.wraps++",
      "typeof b === \"object\" && b !== null",
      "typeof b === \"object\" || b !== null"
    ],
    [
      "if ((typeof a === \"object\" && a !== null) || (typeof b === \"object\" && b !== null)) machine.wraps++",
      "typeof b === \"object\"",
      "true"
    ]
  ]),
  ...of(`${machine}/unpickle.ts`, "where more is counted than is nested, the depth is only checked exactly", [
    [
      "(typeof a === \"object\" && a !== null) || (typeof b === \"object\" && b !== null) ||",
      "typeof b === \"object\" && b !== null",
      "typeof b === \"object\" || b !== null"
    ]
  ]),
  ...of(`${machine}/unpickle.ts`, "finish does nothing where nothing is pending", [
    ["while (!run(machine)) if (machine.pending !== null) finish(machine)", "machine.pending !== null", "true"]
  ]),
  ...of(`${machine}/unpickle.ts`, "what was fetched is charged at the end of the stretch", [
    ["if (charged > 0) {", "{ machine.charge(charged) charged = 0 }", "{}"]
  ]),
  ...of("packages/formats/src/internal/compression/compression.ts", "nothing throws null", [
    [
      "const code = (error as { readonly code?: unknown } | null)?.code",
      "(error as { readonly code?: unknown } | null)?.code",
      "(error as { readonly code?: unknown; } | null).code"
    ]
  ]),
  ...of("packages/formats/src/internal/compression/compression.ts", "a buffer grows as it is needed, only more often", [
    [
      "stepsOf(compression, bytes, new Output(bytes.length * 4, limit, exceeded))",
      "bytes.length * 4",
      "bytes.length / 4"
    ],
    ["this.#expected = compressed * 4", "compressed * 4", "compressed / 4"]
  ]),
  ...of("packages/formats/src/internal/zip.ts", "what ends before that is refused below", [
    [
      "while (end >= least && view.getUint32(end, true) !== endSignature) end--",
      "end >= least",
      "true"
    ]
  ]),
  ...of("packages/formats/src/internal/zip.ts", "the directory and the end follow the files", [
    [
      "if (start + entry.stored > bytes.length) damaged()",
      "start + entry.stored > bytes.length",
      "start + entry.stored >= bytes.length"
    ]
  ]),
  ...of("packages/formats/src/internal/zip.ts", "all else that is thrown there is the same refusal", [
    ["if (error instanceof RangeError) return damaged()", "error instanceof RangeError", "true"]
  ]),
  ...of("packages/results/src/internal/run/children.ts", "no number is less than null", [
    [
      "if (this.problem === undefined && this.expected !== null && this.next < this.expected) {",
      "this.expected !== null",
      "true"
    ]
  ]),
  ...of("packages/results/src/internal/run/flowRunOutcomes.ts", "the task runs of a flow run have one", [
    ["if (first.taskId === null || first.flowRunId === null) return own", "first.flowRunId === null", "false"]
  ]),
  ...of("packages/results/src/internal/run/load.ts", "without the short way the same is decoded, only slower", [
    [
      "if (atOnce !== undefined) {",
      "{ return Result.isSuccess(atOnce) ? settle(view, lease, atOnce.success) : failed(atOnce.failure) }",
      "{}"
    ],
    [
      "return Exit.isExit(decoding) && Exit.isSuccess(decoding)",
      "Exit.isExit(decoding) && Exit.isSuccess(decoding)",
      "false"
    ]
  ]),
  ...of("packages/results/src/internal/run/window.ts", "the loads begin a turn later, before anything waits for them", [
    [
      "? Effect.flatMap(Effect.forkIn(this.feed, this.scope, { startImmediately: true }), () => this.take)",
      "true",
      "false"
    ]
  ]),
  ...of("packages/core/src/State.ts", "the long way gives the same", [
    [
      "if (isObject(json) && typeof json[\"type\"] === \"string\" && codecs.has(json[\"type\"])) return json[\"type\"]",
      "isObject(json) && typeof json[\"type\"] === \"string\" && codecs.has(json[\"type\"])",
      "false"
    ],
    ["if (typeof type !== \"string\") return new UnknownState({ raw: json })", "typeof type !== \"string\"", "false"]
  ]),
  ...of("packages/core/src/State.ts", "a result that is undefined counts as none, in equality and as JSON", [
    ["if (result !== undefined) out[\"result\"] = result", "result !== undefined", "true"]
  ]),
  ...of("packages/core/src/internal/equality.ts", "extra is an object wherever there is one", [
    [
      "typeof value === \"object\" && value !== null && Object.keys(value).length === 0",
      "typeof value === \"object\"",
      "true"
    ]
  ]),
  ...of("packages/core/src/internal/stateCodec.ts", "nothing defines a cached input again", [
    ["configurable: true,", "true", "false"]
  ]),
  ...of(
    "packages/api/src/internal/graphql/pages.ts",
    "a page without rows has no position after it, and none is shorter",
    [
      ["const last = length === 0 || (length < limit && length < longestPage)", "length === 0", "false"],
      [
        "const next: Backend.Cursor | undefined = isLast(rows.length, size) || position === undefined",
        "position === undefined",
        "false"
      ]
    ]
  ),
  ...of(
    "packages/api/src/internal/graphql/pages.ts",
    "a row without an id was refused before, because every order ends in it",
    [
      [
        "isObject(row) && typeof row[\"id\"] === \"string\" ? canonicalUuid(row[\"id\"]) : undefined",
        "isObject(row) && typeof row[\"id\"] === \"string\"",
        "true"
      ],
      [
        "isObject(row) && typeof row[\"id\"] === \"string\" ? canonicalUuid(row[\"id\"]) : undefined",
        "isObject(row) && typeof row[\"id\"] === \"string\"",
        "isObject(row) || typeof row[\"id\"] === \"string\""
      ],
      [
        "isObject(row) && typeof row[\"id\"] === \"string\" ? canonicalUuid(row[\"id\"]) : undefined",
        "typeof row[\"id\"] === \"string\"",
        "true"
      ]
    ]
  ),
  ...of("packages/api/src/internal/pages.ts", "a stream passes over an array without elements", [
    ["if (items.length === 0) return pull", "items.length === 0", "false"],
    ["if (ended || all.length === 1) return Effect.succeed(all)", "all.length === 1", "false"]
  ]),
  ...of("packages/results/src/internal/archive/copied.ts", "an empty slot that is put is empty", [
    [
      "for (let slot = 0; slot < keys.length; slot++) if (keys[slot] !== -1) this.put(keys[slot]!, values[slot]!)",
      "keys[slot] !== -1",
      "true"
    ]
  ]),
  ...of(
    "packages/results/src/internal/archive/digest.ts",
    "the digest is computed the other way, which is only slower",
    [
      [
        "return bytes > small ? undefined : { bytes, sha256: hash(\"sha256\", buffer.subarray(0, bytes), \"hex\") }",
        "bytes > small",
        "true"
      ],
      ["if (slowInRow > 1) slowReads = whileSlow", "slowInRow > 1", "false"]
    ]
  ),
  ...of(
    "packages/results/src/internal/archive/files.ts",
    "it only bounds the memory: a folder that was made is found",
    [
      ["if (made.size > 10_000) made.clear()", "made.clear()", ";"]
    ]
  ),
  ...of("packages/results/src/internal/archive/files.ts", "a batch without lines is passed over", [
    ["if (found.length > 0) yield found", "found.length > 0", "found.length >= 0"]
  ]),
  ...of("packages/results/src/internal/archive/location.ts", "a function that ends returns undefined", [
    ["default:", "default: return undefined", "default:"]
  ]),
  ...of("packages/results/src/internal/archive/location.ts", "encoded names are ASCII, whose cases fold either way", [
    ["const folded = name.toLowerCase()", "name.toLowerCase()", "name.toUpperCase()"]
  ]),
  ...of(
    "packages/results/src/internal/run/logCursor.ts",
    "it only bounds the memory: what a poll can see again is kept",
    [
      ["for (const [id, at] of this.seen) if (at < horizon) this.seen.delete(id)", "at < horizon", "false"]
    ]
  ),
  ...of(
    "packages/results/src/internal/local/readFile.ts",
    "it only decides which thread opens or reads, or how much room there is",
    [
      ["if (slowReads > 0) slowReads--", "slowReads--", "slowReads++"],
      ["if (slowOpens > 0) {", "slowOpens > 0", "true"],
      [
        "if (performance.now() - start > slowOpen) slowOpens = whileOpensSlow",
        "performance.now() - start",
        "performance.now() + start"
      ],
      ["if (size <= smallFile && slowReads === 0) return atOnce()", "slowReads === 0", "true"],
      ["if (filled === buffer.length) {", "filled === buffer.length", "true"]
    ]
  ),
  ...of("packages/pickle/src/values/containers.ts", "the reciprocal of a zero is infinite", [
    [
      "typeof key === \"string\" || (typeof key === \"number\" && key === key && (key !== 0 || 1 / key > 0))",
      "1 / key > 0",
      "1 / key >= 0"
    ]
  ]),
  ...of("packages/pickle/src/values/dataframe.ts", "no zone has the key null, so that its offset is taken", [
    [
      "return zone.key === null ? zone.offset : offsetAt(zone.key, Number(this.ns / 1_000_000n)) ?? zone.offset",
      "zone.key === null",
      "false"
    ]
  ]),
  ...of("packages/pickle/src/values/datetime.ts", "other parts are not looked at", [
    ["if (type in part) part[type as keyof typeof part] = Number(value)", "type in part", "true"]
  ]),
  ...of("packages/pickle/src/values/sparse.ts", "no place is before an end that there is not", [
    [
      "for (let major = 0; major + 1 < starts.length; major++) {",
      "major + 1 < starts.length",
      "major + 1 <= starts.length"
    ]
  ]),
  ...of("packages/pickle/src/values/text.ts", "a text of one chunk is the same in either way", [
    [
      "if (length <= chunk) return String.fromCharCode.apply(null, takeUnits(units, 0, length))",
      "length <= chunk",
      "length < chunk"
    ]
  ]),
  ...of("packages/pickle/src/values/numbers.ts", "0 is 0 either way", [
    ["return count <= 0n ? 0 : count <= 9007199254740991n ? Number(count) : count", "count <= 0n", "count < 0n"]
  ]),
  ...of("packages/pickle/src/values/text.ts", "the text is decoded the way of other engines, which is slower", [
    ["if (latin1Slice !== null) return latin1Slice.call(bytes, start, end)", "latin1Slice !== null", "false"]
  ]),
  ...of("packages/core/src/JsonText.ts", "a list ends where its copy is cut off, wherever the end is beyond it", [
    ["while (end < open.length && isSmall(items[end])) end++", "end < open.length", "end <= open.length"]
  ]),
  ...of("packages/core/src/JsonText.ts", "the text is the same in parts, which take longer", [
    ["if (key.length > pieceLength) {", "key.length > pieceLength", "true"],
    ["return text === undefined ? long(value) : Effect.succeed(text)", "text === undefined", "true"]
  ]),
  ...of(
    "packages/api/src/internal/postgres/patience.ts",
    "what has ended is not interrupted, and is waited for in no time",
    [["if (fiber.pollUnsafe() !== undefined) return", "fiber.pollUnsafe() !== undefined", "false"]]
  )
]
