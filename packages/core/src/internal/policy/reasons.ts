/**
 * The reasons of decisions in words: what was seen, and what follows. Tables, the dashboard and the terminal show them.
 */
export const sentences: Readonly<Record<string, string>> = {
  START: "no limit of the server has shown yet, so the size grows fast",
  GROW: "there is demand and the run time has not risen, so the size grows",
  HOLD: "nothing calls for a change, so the size stays",
  IDLE: "workers were unused, so the size falls towards the demand",
  STEADY: "more workers no longer bring more, so the fast growth ends",
  RESTORE: "fewer workers were not faster, so the size before the experiment returns",
  REVERT: "more workers only made the tasks slower, so the last calm size returns",
  VERIFY: "the run time has to be checked, so fewer workers show whether the size is the cause",
  STEP: "fewer workers made the tasks faster, so the experiment goes one step further",
  KNEE: "the experiment found where tasks begin to queue in the server, so the size stays close to that",
  OVERLOAD: "the server reported overload, so the size falls and stays below it for a while",
  OUTAGE: "every task ended in overload, so the size halves, and at the minimum the pool pauses",
  ACCUMULATE: "the queue is long and grows, so the size goes to the maximum",
  WAITING: "tasks waited while all workers were busy for a whole interval, so a worker is added",
  UNUSED: "workers were unused for a whole interval, so some are removed",
  FIXED: "the policy always asks for this size"
}
