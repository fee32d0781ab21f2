import { assert, describe, it } from "@effect/vitest"
import { addressOf, Clients } from "../src/internal/clients.ts"
import { connectionsOf } from "../src/internal/openFiles.ts"

describe("clients", () => {
  it("are told apart by their addresses of IPv4, and by their networks of IPv6", () => {
    for (
      const [remote, address] of [
        [undefined, ""],
        ["127.0.0.1", "127.0.0.1"],
        ["::ffff:10.0.0.7", "::ffff:10.0.0.7"],
        ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
        ["2001:db8:1:2::6", "2001:db8:1:2"],
        ["2001:db8::6", "2001:db8:0:0"],
        ["::1", "0:0:0:0"],
        ["fe80::1:2:3:4", "fe80:0:0:0"],
        ["fe80::", "fe80:0:0:0"],
        ["::1:2:3:4:5:6:7", "0:1:2:3"]
      ] as const
    ) assert.strictEqual(addressOf(remote), address)
  })
  it("have their connections in order, and each address its part of all", () => {
    const clients = new Clients<string, number>()
    for (const [index, name] of ["a", "b", "c"].entries()) clients.keep("one", name, index)
    clients.keep("two", "d", 3)
    clients.keep("one", "a", 4)
    assert.strictEqual(clients.size, 4)
    const least = (number: number) => clients.find((_, known) => known >= number)
    assert.deepStrictEqual([0, 2, 3, 4, 5].map(least), [["b", 1], ["c", 2], ["a", 4], ["a", 4], undefined])
    assert.isTrue(clients.forget("one", "a"))
    clients.keep("one", "a", 0)
    assert.deepStrictEqual(least(3), ["d", 3])
    assert.deepStrictEqual(["one", "two", "three"].map((one) => clients.count(one)), [3, 1, 0])
    assert.isFalse(clients.forget("two", "a"))
    for (const name of ["a", "b", "c"]) assert.isTrue(clients.forget("one", name))
    assert.isTrue(clients.forget("two", "d"))
    assert.deepStrictEqual([clients.size, least(0)], [0, undefined])
  })
  it("have equal parts of all connections by addresses that use one, with a part left for another", () => {
    const clients = new Clients<string, boolean>()
    for (const name of ["a", "b", "c"]) clients.keep("one", name, true)
    const hasMore = (address: string, most: number) => clients.hasMoreThanItsPart(address, most, (isUsed) => isUsed)
    assert.deepStrictEqual([5, 6].map((most) => hasMore("one", most)), [true, false])
    // Addresses that use none have no part.
    for (let i = 0; i < 10; i++) clients.keep(`idle ${i}`, "d", false)
    assert.isFalse(hasMore("one", 6))
    clients.keep("two", "e", true)
    assert.deepStrictEqual([6, 9].map((most) => hasMore("one", most)), [true, false])
    assert.isFalse(hasMore("two", 6))
  })
  it("have so many connections that files are left for the server itself", () => {
    assert.deepStrictEqual([undefined, 1_048_576, 4_096, 1_024, 256, 64, 20].map(connectionsOf), [
      2_000,
      2_000,
      2_000,
      768,
      192,
      16,
      4
    ])
  })
})
