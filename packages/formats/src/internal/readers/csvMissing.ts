/** Missing values of CSV. */

/** The texts that pandas treats as missing values. */
const missing = new Set([
  "",
  "#N/A",
  "#N/A N/A",
  "#NA",
  "-1.#IND",
  "-1.#QNAN",
  "-NaN",
  "-nan",
  "1.#IND",
  "1.#QNAN",
  "<NA>",
  "N/A",
  "NA",
  "NULL",
  "NaN",
  "None",
  "n/a",
  "nan",
  "null"
])

/** The first letters of the texts that represent missing values: they already rule out nearly all others. */
const missingStarts = new Set(Array.from(missing, (text) => text.charCodeAt(0)))

/** Whether a text represents a missing value. */
export const isMissing = (text: string): boolean =>
  text.length === 0 || (text.length <= 9 && missingStarts.has(text.charCodeAt(0)) && missing.has(text))
