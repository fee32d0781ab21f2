/** Text in lines of a number of columns. */
import { type Cell, fitting } from "./table.ts"

/** Wraps painted texts into lines of a given number of columns. A word that is longer than a line is broken. */
export const wrapCells = (cells: ReadonlyArray<Cell>, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  let used = 0
  let isStart = true
  const room = Math.max(8, columns)
  const end = () => {
    lines.push(line.trimEnd())
    line = ""
    used = 0
    isStart = true
  }
  for (const { paint = (text: string) => text, text } of cells) {
    for (const [at, word] of text.split(" ").entries()) {
      // Cells follow each other without a space of their own.
      const space = at === 0 || isStart ? 0 : 1
      let fits = fitting(word, room - used - space)
      if (!isStart && fits.end < word.length) {
        end()
        fits = fitting(word, room)
      } else if (space === 1) {
        line += " "
        used += 1
      }
      let from = 0
      for (;; fits = fitting(word, room - used, from)) {
        if (fits.end === word.length) {
          if (from < fits.end) {
            line += paint(word.slice(from))
            used += fits.width
            isStart = false
          }
          break
        }
        line += paint(word.slice(from, fits.end))
        from = fits.end
        end()
      }
    }
  }
  if (!isStart || lines.length === 0) end()
  return lines
}

/** The same for one text. */
export const wrap = (text: string, columns: number): ReadonlyArray<string> => wrapCells([{ text }], columns)

/** Below this many columns, text beside something else is wrapped by the terminal, so that ids can still be copied. */
const leastRoom = 24

/** The columns beside an indent: unlimited in a pipe, and on a terminal that is too narrow for two columns. */
export const roomBeside = (indent: number, columns: number | undefined): number =>
  columns === undefined || columns - indent < leastRoom ? Infinity : columns - indent
