/**
 * The steps that must be atomic in Redis and that BullMQ has no command for: they read and write the pool's record.
 *
 * BullMQ's fields `concurrency`, `paused`, `max` and `duration` of `meta`, and its `marker`, are how its clients in all
 * languages agree. Adding to the marker wakes an idle worker, which looks for a job, and waits again if it finds none.
 * So it is safe while the queue is held, unlike `queue.resume()`.
 */
import type { Redis } from "ioredis"
import type { Keys } from "./keys.ts"

/** Entries of the control stream that are kept. A process reads them at once. */
export const keptMessages = 1000

const tell = `
local function tell(key, ...)
  redis.call('XADD', key, 'MAXLEN', '~', ${keptMessages}, '*', ...)
end
`

/** As BullMQ's `removeJobKeys`. */
const removeKeys = `
local function removeKeys(job)
  redis.call('DEL', job, job .. ':logs', job .. ':dependencies', job .. ':processed', job .. ':failed',
    job .. ':unsuccessful')
end
`

/** What stands in the record is written once, by the process that opens the pool first. */
const open = `
local created = redis.call('HSETNX', KEYS[1], 'format', ARGV[1])
if created == 1 then
  redis.call('HSET', KEYS[1], 'discipline', ARGV[2], 'kind', ARGV[3], 'size', ARGV[4], 'min', ARGV[5], 'max', ARGV[6],
    'rate', ARGV[7])
  if ARGV[8] ~= '' then redis.call('HSET', KEYS[2], 'max', ARGV[8], 'duration', ARGV[9]) end
end
-- A broken limit makes BullMQ refuse every task.
local size = redis.call('HGET', KEYS[1], 'size')
if redis.call('HGET', KEYS[2], 'concurrency') ~= size then redis.call('HSET', KEYS[2], 'concurrency', size) end
return redis.call('HGETALL', KEYS[1])
`

/** Sets or changes the size within the pool's bounds, and wakes a worker: an idle one would look again only later. */
const resize = `
${tell}
local size = tonumber(redis.call('HGET', KEYS[1], 'size') or '')
if size == nil then return {} end
-- The command may be sent again after its connection broke: a delta counts once.
if not redis.call('SET', KEYS[1] .. ':' .. ARGV[3], 1, 'NX', 'EX', 600) then return { size, size } end
local to = tonumber(ARGV[2])
if ARGV[1] == 'scale' then to = size + to end
to = math.max(tonumber(redis.call('HGET', KEYS[1], 'min')), math.min(tonumber(redis.call('HGET', KEYS[1], 'max')), to))
redis.call('HSET', KEYS[2], 'concurrency', string.format('%d', to))
if to ~= size then
  redis.call('HSET', KEYS[1], 'size', string.format('%d', to))
  redis.call('HINCRBY', KEYS[1], 'resizes', 1)
  if to < size then redis.call('HINCRBY', KEYS[1], 'epoch', 1) end
  tell(KEYS[4], 'event', 'Scaled', 'from', string.format('%d', size), 'to', string.format('%d', to), 'why', ARGV[1])
end
redis.call('ZADD', KEYS[3], 0, '0')
return { size, to }
`

/** Begins or ends one of the two holds. Dispatch goes on when both are off. */
const hold = `
${tell}
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
local before = redis.call('HMGET', KEYS[1], 'heldByUser', 'heldByPolicy')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local after = redis.call('HMGET', KEYS[1], 'heldByUser', 'heldByPolicy')
local held = after[1] == '1' or after[2] == '1'
if held then
  redis.call('HSET', KEYS[2], 'paused', 1)
else
  redis.call('HDEL', KEYS[2], 'paused')
  redis.call('ZADD', KEYS[3], 0, '0')
end
if held ~= (before[1] == '1' or before[2] == '1') then tell(KEYS[4], 'event', held and 'Held' or 'Released') end
return { held and 1 or 0 }
`

const pause = `
${tell}
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
local before = redis.call('HGET', KEYS[1], 'paused') == '1'
redis.call('HSET', KEYS[1], 'paused', ARGV[1])
if before ~= (ARGV[1] == '1') then tell(KEYS[4], 'event', ARGV[1] == '1' and 'Paused' or 'Resumed') end
return { 1 }
`

/**
 * Returns the last ID of the event stream and the state of each job: 0 gone, 1 completed, 2 failed, 3 delayed, 4 waiting,
 * 5 active.
 *
 * The lists are not scanned: a job that exists and is in none of the sets waits, or is active if it is in the short list
 * of active jobs.
 */
const states = `
local base = KEYS[1]
local last = redis.call('XREVRANGE', base .. 'events', '+', '-', 'COUNT', 1)
local result = { last[1] and last[1][1] or '0-0' }
for _, id in ipairs(ARGV) do
  local state = 4
  if redis.call('EXISTS', base .. id) == 0 then state = 0
  elseif redis.call('ZSCORE', base .. 'completed', id) then state = 1
  elseif redis.call('ZSCORE', base .. 'failed', id) then state = 2
  elseif redis.call('ZSCORE', base .. 'delayed', id) then state = 3
  elseif redis.call('ZSCORE', base .. 'prioritized', id) then state = 4
  elseif redis.call('LPOS', base .. 'active', id) then state = 5
  end
  result[#result + 1] = state
end
return result
`

/**
 * Removes a job that waits or is delayed, as BullMQ's `removeJob` does, and returns its number: 1 or 0. BullMQ's own command
 * also removes a job that has ended meanwhile, and its result with it.
 */
const removeWaiting = `
${removeKeys}
local base = KEYS[1]
local id = ARGV[1]
local key = base .. id
local from
if redis.call('ZREM', base .. 'delayed', id) == 1 then from = 'delayed'
elseif redis.call('ZREM', base .. 'prioritized', id) == 1 then from = 'prioritized'
elseif redis.call('LREM', base .. 'wait', 1, id) == 1 then from = 'wait'
elseif redis.call('LREM', base .. 'paused', 1, id) == 1 then from = 'paused'
else return { 0 } end
removeKeys(key)
local kept = redis.call('HGET', base .. 'meta', 'opts.maxLenEvents') or 10000
redis.call('XADD', base .. 'events', 'MAXLEN', '~', kept, '*', 'event', 'removed', 'jobId', id, 'prev', from)
return { 1 }
`

/**
 * Removes those of some jobs that ended more than some milliseconds ago. BullMQ does so only when another job ends in the
 * same way.
 */
const expire = `
${removeKeys}
local base = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 2, #ARGV do
  local id = ARGV[i]
  local finishedOn = tonumber(redis.call('HGET', base .. id, 'finishedOn') or '')
  if finishedOn and now - finishedOn > tonumber(ARGV[1]) and
    redis.call('ZREM', base .. 'completed', id) + redis.call('ZREM', base .. 'failed', id) > 0 then
    removeKeys(base .. id)
  end
end
return {}
`

/**
 * Returns how many tasks each worker runs: pairs of its name and the number. Reads at most the first 5,000 running tasks,
 * because the server does nothing else meanwhile.
 */
const running = `
local base = KEYS[1]
local counts, names = {}, {}
for _, id in ipairs(redis.call('LRANGE', base .. 'active', 0, 4999)) do
  local name = redis.call('HGET', base .. id, 'pb')
  if name then
    if not counts[name] then names[#names + 1] = name end
    counts[name] = (counts[name] or 0) + 1
  end
end
local result = {}
for _, name in ipairs(names) do
  result[#result + 1] = name
  result[#result + 1] = counts[name]
end
return result
`

/** Notes that a worker has handlers for some tasks now, by the clock of the server. */
const know = `
local time = redis.call('TIME')
local now = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
for _, name in ipairs(ARGV) do redis.call('HSET', KEYS[1], name, now) end
return {}
`

/** Returns how many milliseconds ago a worker had a handler for a task. Returns nothing if none ever had. */
const knownSince = `
local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known then return {} end
local time = redis.call('TIME')
return { time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(known) }
`

/**
 * What the three scripts of an auto-scale pool share: the clock of the server, and a reading of the queue.
 *
 * Between two readings the pool counts as saturated if it was at the second one. There are at least ten in a second.
 */
const reading = `
${tell}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local base = KEYS[6]
local function read()
  local window = KEYS[5]
  local size = tonumber(redis.call('HGET', KEYS[1], 'size') or '0')
  local active = redis.call('LLEN', base .. 'active')
  local queued = redis.call('LLEN', base .. 'wait') + redis.call('ZCARD', base .. 'prioritized')
  -- More workers would not help tasks that the user holds.
  if redis.call('HGET', KEYS[1], 'heldByUser') == '1' then queued = 0 end
  if redis.call('HEXISTS', window, 'startedAt') == 0 then
    redis.call('HSET', window, 'startedAt', now, 'readAt', now, 'maxInflight', active, 'queuedMin', queued,
      'resizes', redis.call('HGET', KEYS[1], 'resizes') or '0', 'added', redis.call('GET', base .. 'id') or '0')
  end
  local before = redis.call('HMGET', window, 'readAt', 'maxInflight', 'queuedMin')
  if active >= size and size > 0 then redis.call('HINCRBYFLOAT', window, 'saturated', now - tonumber(before[1])) end
  redis.call('HSET', window, 'readAt', now, 'maxInflight', math.max(active, tonumber(before[2])), 'queuedMin',
    math.min(queued, tonumber(before[3])))
  return size, active, queued
end
local function begin()
  redis.call('DEL', KEYS[5])
  read()
end
local function setHold(on)
  local before = redis.call('HMGET', KEYS[1], 'heldByUser', 'heldByPolicy')
  redis.call('HSET', KEYS[1], 'heldByPolicy', on)
  if before[1] == '1' then return end
  if on == '1' then
    redis.call('HSET', KEYS[2], 'paused', 1)
  else
    redis.call('HDEL', KEYS[2], 'paused')
    redis.call('ZADD', KEYS[3], 0, '0')
  end
  if (before[2] == '1') ~= (on == '1') then tell(KEYS[4], 'event', on == '1' and 'Held' or 'Released') end
end
`

/** Adds the sums of one process to the window. A 'retryAfter' of the server holds dispatch at once. */
const report = `
${reading}
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
read()
local names = { 'started', 'succeeded', 'failed', 'overloaded', 'fresh', 'runSum', 'runSquares', 'area' }
for i, name in ipairs(names) do
  if tonumber(ARGV[i]) ~= 0 then redis.call('HINCRBYFLOAT', KEYS[5], name, ARGV[i]) end
end
if ARGV[9] ~= '' then
  local least = redis.call('HGET', KEYS[5], 'runMin')
  if not least or tonumber(ARGV[9]) < tonumber(least) then redis.call('HSET', KEYS[5], 'runMin', ARGV[9]) end
end
if tonumber(ARGV[10]) > 0 then
  local heldUntil = math.max(now + tonumber(ARGV[10]), tonumber(redis.call('HGET', KEYS[1], 'heldUntil') or '0'))
  redis.call('HSET', KEYS[1], 'heldUntil', string.format('%d', heldUntil))
  setHold('1')
end
return { 1 }
`

/**
 * Makes the caller the decider, unless another process is, and returns the window. Ends a policy's hold when its time has
 * passed.
 */
const observe = `
${reading}
local decider = redis.call('GET', KEYS[7])
if redis.call('EXISTS', KEYS[1]) == 0 or (decider and decider ~= ARGV[1]) then return {} end
redis.call('SET', KEYS[7], ARGV[1], 'PX', ARGV[2])
local heldUntil = tonumber(redis.call('HGET', KEYS[1], 'heldUntil') or '0')
if heldUntil > 0 and now >= heldUntil then
  redis.call('HDEL', KEYS[1], 'heldUntil')
  setHold('0')
  begin()
  heldUntil = 0
end
local size, active, queued = read()
local result = redis.call('HGETALL', KEYS[5])
for _, name in ipairs({ 'min', 'max', 'policyName', 'policyState', 'decisions' }) do
  local value = redis.call('HGET', KEYS[1], name)
  if value then
    result[#result + 1] = name
    result[#result + 1] = value
  end
end
local more = { now = now, size = size, active = active, queued = queued, heldUntil = heldUntil,
  resizesNow = redis.call('HGET', KEYS[1], 'resizes') or '0', addedNow = redis.call('GET', base .. 'id') or '0' }
for name, value in pairs(more) do
  result[#result + 1] = name
  result[#result + 1] = tostring(value)
end
return result
`

/**
 * Applies a decision, if no other one was applied since its window was read. Begins a new window. If the user has resized
 * the pool meanwhile, the size stays.
 */
const decide = `
${reading}
if (redis.call('HGET', KEYS[1], 'decisions') or '0') ~= ARGV[1] then return {} end
redis.call('HINCRBY', KEYS[1], 'decisions', 1)
redis.call('HSET', KEYS[1], 'policyName', ARGV[2], 'policyState', ARGV[3])
local size = tonumber(redis.call('HGET', KEYS[1], 'size'))
local to = tonumber(ARGV[4])
local isResized = (redis.call('HGET', KEYS[1], 'resizes') or '0') ~= ARGV[5]
to = math.max(tonumber(redis.call('HGET', KEYS[1], 'min')), math.min(tonumber(redis.call('HGET', KEYS[1], 'max')), to))
if not isResized and to ~= size then
  redis.call('HSET', KEYS[1], 'size', string.format('%d', to))
  redis.call('HSET', KEYS[2], 'concurrency', string.format('%d', to))
  if to < size then redis.call('HINCRBY', KEYS[1], 'epoch', 1) end
  tell(KEYS[4], 'event', 'Scaled', 'from', string.format('%d', size), 'to', string.format('%d', to), 'why', ARGV[6])
  redis.call('ZADD', KEYS[3], 0, '0')
end
if tonumber(ARGV[7]) > 0 then
  local heldUntil = math.max(now + tonumber(ARGV[7]), tonumber(redis.call('HGET', KEYS[1], 'heldUntil') or '0'))
  redis.call('HSET', KEYS[1], 'heldUntil', string.format('%d', heldUntil))
  setHold('1')
end
begin()
-- A size that did not come from the policy is reported to it like one of the user.
if ARGV[8] == '1' or isResized then redis.call('HSET', KEYS[5], 'resizes', '-1') end
return { 1 }
`

/** The state of a job, as `states` returns it. */
export const jobStates = ["gone", "completed", "failed", "delayed", "waiting", "active"] as const
export type JobState = (typeof jobStates)[number]

const sources = {
  open,
  resize,
  hold,
  pause,
  states,
  removeWaiting,
  expire,
  running,
  know,
  knownSince,
  report,
  observe,
  decide
}
export type ScriptName = keyof typeof sources
const command = (name: ScriptName): string => `aioTaskPool_${name}`

/** Tells a client of the scripts. ioredis sends a script's text only when the server does not have it. */
export const defineScripts = (client: Redis): void => {
  for (const [name, lua] of Object.entries(sources)) client.defineCommand(command(name as ScriptName), { lua })
}

/** Runs a script. */
export const runScript = (
  client: Redis,
  name: ScriptName,
  keys: ReadonlyArray<string>,
  args: ReadonlyArray<string | number>
): Promise<ReadonlyArray<unknown>> =>
  (client as unknown as Record<string, (...args: ReadonlyArray<string | number>) => Promise<ReadonlyArray<unknown>>>)[
    command(name)
  ]!(keys.length, ...keys, ...args)

/** The keys of the scripts of an auto-scale pool. */
export const windowKeys = (keys: Keys): ReadonlyArray<string> => [
  ...recordKeys(keys),
  keys.window,
  keys.base,
  keys.decider
]

/** The keys of the scripts that change the pool's record. */
export const recordKeys = (keys: Keys): ReadonlyArray<string> => [keys.pool, keys.meta, keys.marker, keys.control]
