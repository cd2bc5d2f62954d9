/** The live view: follows the frames of a server and the keys of a terminal. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { act, live, readOnce, type Target, type TopError } from "./connection.ts"
import { type Command, initial, type Key, onFrame, onHello, onKey, type State } from "./state.ts"
import { openTerminal, Screen, type Tty } from "./terminal.ts"
import { type Paint, view } from "./view.ts"

/** How long a selection must last before its details are asked for, so that a held key asks once. */
const settling = "150 millis"

/** How long to wait before a lost connection is tried again. */
const retryAfter = "1 second"

/** Shows the pools until the user quits. Fails if the server does not answer at first. */
export const watch = Effect.fnUntraced(function* (target: Target, tty: Tty, paint: Paint) {
  const { frame } = yield* readOnce(target)
  let state = onFrame(initial(target.address, target.token !== undefined), frame)
  const quit = yield* Deferred.make<void>()
  const selections = yield* Queue.sliding<string | undefined>(1)
  const run = yield* FiberSet.makeRuntime()

  // Made first: a key may be pressed as soon as the terminal is taken.
  const screen = new Screen(tty.stdout)
  const draw = (): void => screen.draw(view(state, screen.columns, screen.rows, paint))
  const update = (next: State): void => {
    const isNew = next.selected !== state.selected
    state = next
    if (isNew) Queue.offerUnsafe(selections, next.selected)
    draw()
  }
  const obey = (command: Command): void => {
    if (command._tag === "Quit") return void Deferred.doneUnsafe(quit, Effect.void)
    const { action, id } = command
    run(
      Effect.match(act(target, id, action), {
        onFailure: ({ message }) => update({ ...state, note: message }),
        onSuccess: () => update({ ...state, note: `${id}: ${action === "pause" ? "paused" : "resumed"}` })
      })
    )
  }
  const pressed = (key: Key): void => {
    const [next, command] = onKey(state, key)
    update(next)
    if (command !== undefined) obey(command)
  }
  yield* openTerminal(tty, screen, pressed, draw)
  draw()

  const lose = (error?: TopError) =>
    Effect.andThen(
      Effect.sync(() => update({ ...state, connection: "lost", note: error?.message ?? "" })),
      Effect.sleep(retryAfter)
    )
  const follow = (pool: string | undefined) =>
    live(target, pool).pipe(
      Stream.runForEach((message) =>
        Effect.sync(() =>
          update(message._tag === "Hello" ? onHello(state, message.hello) : onFrame(state, message.frame))
        )
      ),
      Effect.matchEffect({ onFailure: lose, onSuccess: () => lose() })
    )
  const selectionAfter = (pool: string | undefined) =>
    Queue.take(selections).pipe(
      Effect.repeat({ until: (selected) => selected !== pool }),
      Effect.andThen(Effect.sleep(settling))
    )
  const follower = Effect.suspend(() => Effect.raceFirst(follow(state.selected), selectionAfter(state.selected)))
  yield* Effect.raceFirst(Effect.forever(follower), Deferred.await(quit))
}, Effect.scoped)
