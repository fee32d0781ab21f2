import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

const realClock = Effect.runSync(Clock.clockWith(Effect.succeed))
/** Longer than the waits between attempts that tests have, shorter than the time limits of requests and of doctor. */
const shortest = Duration.seconds(8)

/**
 * A clock for what waits before it asks again: such waits take a hundredth of their time. Time limits of requests are
 * longer, and stay as they are.
 */
export const hurriedClock: Clock.Clock = Object.assign(Object.create(realClock) as Clock.Clock, {
  sleep: (duration: Duration.Duration) =>
    realClock.sleep(Duration.isLessThan(duration, shortest) ? Duration.times(duration, 0.01) : duration)
})
