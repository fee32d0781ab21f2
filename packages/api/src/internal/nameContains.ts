/** Whether a name contains a text, ignoring case. */
export const nameContains = (name: string | null, part: string): boolean =>
  name !== null && name.toLowerCase().includes(part.toLowerCase())
