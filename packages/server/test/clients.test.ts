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
        ["fe80::", "fe80:0:0:0"]
      ] as const
    ) assert.strictEqual(addressOf(remote), address)
  })
  it("have their connections in order, and each address its part of all", () => {
    const clients = new Clients<string, number>()
    for (const [index, name] of ["a", "b", "c"].entries()) clients.keep("one", name, index)
    clients.keep("two", "d", 3)
    clients.keep("one", "a", 4)
    assert.strictEqual(clients.size, 4)
    assert.deepStrictEqual([...clients.ofLargest()], [["b", 1], ["c", 2], ["a", 4]])
    assert.deepStrictEqual(["one", "two", "three"].map((one) => clients.hasMoreThanItsPart(one, 4)), [
      true,
      false,
      false
    ])
    assert.isFalse(clients.forget("two", "a"))
    assert.isTrue(clients.forget("two", "d"))
    assert.isFalse(clients.hasMoreThanItsPart("one", 4))
    for (const name of ["a", "b", "c"]) clients.forget("one", name)
    assert.deepStrictEqual([clients.size, clients.ofLargest().size], [0, 0])
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
