-- One script for all workloads, for wrk. Environment:
--   BENCH_WORKLOAD  a name of the table below
--   BENCH_SEED      the folder that load.sh wrote: users.txt, subs.txt, posts.txt
--   BENCH_RUN       a text that no other run of this server has: part of the names that are registered
--   BENCH_POSTS     0, or how many posts there are, post_1 to post_N: then posts.txt is not read
--   BENCH_ZIPF      1: posts and users are asked for by Zipf(1), not evenly
-- The last line of the output is for the shell: RESULT req/s p50_us p99_us max_us requests bad_status socket_errors
local seed, run = os.getenv("BENCH_SEED"), os.getenv("BENCH_RUN") or "r"
local numbered, zipf = tonumber(os.getenv("BENCH_POSTS") or "0"), os.getenv("BENCH_ZIPF") == "1"
local random, exp, log, floor = math.random, math.exp, math.log, math.floor
local TEXT = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore."
local posts, subs, users, gets, feeds, lists, host, count = {}, {}, {}, {}, {}, {}, "", 0

local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

local function lines(name)
  local all = {}
  for line in io.lines(seed .. "/" .. name) do all[#all + 1] = line end
  return all
end

local function get(path) return "GET " .. path .. " HTTP/1.1\r\n" .. host .. "\r\n" end
local function post(path, body)
  return "POST " .. path .. " HTTP/1.1\r\n" .. host .. "Content-Type: application/json\r\nContent-Length: " .. #body
    .. "\r\n\r\n" .. body
end

-- Zipf(1) as a continuous law: of N things the rank is N^u for an even u, so rank k comes as often as log(1 + 1/k).
local function pick(n)
  if not zipf then return random(n) end
  local rank = floor(exp(random() * log(n + 1)))
  return rank > n and n or rank
end
local function a_post() return numbered > 0 and "post_" .. pick(numbered) or posts[pick(#posts)] end

local workloads = {}
function workloads.get_post()
  if numbered > 0 then return get("/api/posts/" .. a_post()) end
  return gets[pick(#gets)]
end
function workloads.feed() return feeds[pick(#feeds)] end
function workloads.list() return lists[pick(#lists)] end
function workloads.register()
  count = count + 1
  return post("/api/auth/register", '{"username":"b' .. run .. "_" .. number .. "_" .. count .. '"}')
end
function workloads.create_post()
  count = count + 1
  return post("/api/posts/create", '{"subreddit_id":"' .. subs[random(#subs)] .. '","author_id":"' .. users[random(#users)]
    .. '","title":"Load post ' .. count .. '","content":"' .. TEXT .. '"}')
end
function workloads.vote()
  return post("/api/posts/" .. a_post() .. "/vote", '{"user_id":"' .. users[random(#users)]
    .. '","vote_type":"' .. (random() < 0.8 and "upvote" or "downvote") .. '"}')
end
function workloads.create_comment()
  count = count + 1
  return post("/api/comments/create", '{"post_id":"' .. a_post() .. '","author_id":"' .. users[random(#users)]
    .. '","content":"Load comment ' .. count .. ": " .. TEXT .. '"}')
end
function workloads.mixed()
  local r = random()
  if r < 0.70 then return workloads.get_post() end
  if r < 0.80 then return workloads.feed() end
  if r < 0.88 then return workloads.vote() end
  if r < 0.95 then return workloads.create_comment() end
  return workloads.create_post()
end

function init()
  -- The same requests for every server of a run; other ones for each thread.
  local hash = 0
  for i = 1, #run do hash = (hash * 31 + run:byte(i)) % 1000003 end
  math.randomseed(hash * 64 + number)
  host = "Host: " .. wrk.headers["Host"] .. "\r\n"
  users, subs = lines("users.txt"), lines("subs.txt")
  if numbered == 0 then posts = lines("posts.txt") end
  for i, id in ipairs(posts) do gets[i] = get("/api/posts/" .. id) end
  for i, id in ipairs(users) do feeds[i] = get("/api/feed/" .. id .. "?limit=20") end
  for i, id in ipairs(subs) do lists[i] = get("/api/subreddits/" .. id .. "/posts?limit=20") end
  request = assert(workloads[os.getenv("BENCH_WORKLOAD")], "no such workload")
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %.1f %.0f %.0f %.0f %d %d %d\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(50), latency:percentile(99), latency.max, summary.requests, e.status,
    e.connect + e.read + e.write + e.timeout))
end
