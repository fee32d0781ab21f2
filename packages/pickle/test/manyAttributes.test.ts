import { jsonForm, loads } from "@effect-prefect/pickle"
import { expect, it, vi } from "vitest"

const count = 2_000

const bytesOf = (attributes: string) =>
  new Uint8Array(Buffer.from(`\x80\x04c__main__\nC\n)\x81}(${attributes}ub.`, "latin1"))

const text = (value: string) => `\x8c${String.fromCharCode(value.length)}${value}`

it("very many attributes of an object are put into one Map, and their entries are not listed", () => {
  const value = loads(bytesOf(Array.from({ length: count }, (_, at) => `${text(`k${at}`)}K\x01`).join("")))
  const entries = vi.spyOn(Object, "entries")
  const set = vi.spyOn(Map.prototype, "set")
  let form
  try {
    form = jsonForm(value)
    expect(set.mock.calls.length).toBeLessThan(count * 1.5)
    expect(entries).not.toHaveBeenCalled()
  } finally {
    set.mockRestore()
    entries.mockRestore()
  }
  expect(form).toMatchObject({ keys: { length: count + 1 }, items: { length: count + 1 } })
})

it("an attribute with the name of a part of an object takes its place", () => {
  const value = loads(
    new Uint8Array(
      Buffer.from(
        `\x80\x04c__main__\nC\nK\x01\x85\x81}(${text("__class__")}K\x07${text("a")}K\x02${text("__args__")}K\x03ub.`,
        "latin1"
      )
    )
  )
  expect(jsonForm(value)).toMatchObject({ keys: ["__class__", "__args__", "a"], items: ["__main__.C", 3, 2] })
})
