/** How long work blocks other work of its thread. */

/** Milliseconds of processor time of this thread. */
const spent = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1000
}

/** The longest processor time during which a 5 ms timer did not fire while some work was done. */
export const heldBy = async (work: () => Promise<unknown>): Promise<number> => {
  let last = spent()
  let worst = 0
  const fire = () => {
    const now = spent()
    worst = Math.max(worst, now - last)
    last = now
  }
  const timer = setInterval(fire, 5)
  try {
    await work()
  } finally {
    fire()
    clearInterval(timer)
  }
  return worst
}
