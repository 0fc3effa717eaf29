-- A job queue: workers take jobs by SELECT ... FOR UPDATE SKIP LOCKED LIMIT n, so
-- who gets which depends on whose locks stood at that moment, which leaves no
-- trace on the wire. Besides ranges: counters changed one by one and by BETWEEN
-- (v = v * 31 + n: order matters), readings found by a secondary index, deleted
-- by range and by ORDER BY ... LIMIT. Every other session reads committed, as
-- workers often do.
require("common")

local COUNTERS, SENSORS = 500, 20

function prepare()
   connect()
   notice_prepare(con)
   con:query([[CREATE TABLE job (id BIGINT PRIMARY KEY, state TINYINT NOT NULL, prio INT NOT NULL, worker INT NOT NULL,
      v BIGINT NOT NULL, KEY (state, prio, id), KEY (worker, state, id))]])
   con:query("CREATE TABLE counter (id INT PRIMARY KEY, grp INT NOT NULL, v BIGINT NOT NULL, KEY (grp))")
   con:query("CREATE TABLE reading (id BIGINT PRIMARY KEY, sensor INT NOT NULL, moment INT NOT NULL, val INT NOT NULL, KEY (sensor, moment))")
   bulk("job", 1000, function(i) return string.format("(%d, 0, %d, -1, %d)", i, rand(1, 5), i) end)
   bulk("counter", COUNTERS, function(i) return string.format("(%d, %d, %d)", i, i % 25, i) end)
   bulk("reading", 4000, function(i) return string.format("(%d, %d, %d, %d)", i, i % SENSORS, rand(1, 1000), rand(1, 100)) end)
end
sysbench.cmdline.commands = {prepare = {prepare}}

function thread_init()
   connect()
   if sysbench.tid % 2 == 1 then con:query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED") end
end

local function take()
   con:query("BEGIN")
   local ids = column("SELECT id FROM job WHERE state = 0 ORDER BY prio, id LIMIT 3 FOR UPDATE SKIP LOCKED")
   if #ids > 0 then
      query("UPDATE job SET state = 1, worker = %d, v = (v * 31 + %d) %% %d WHERE id IN (%s)", sysbench.tid, rand(1, 999), MOD, table.concat(ids, ","))
   end
   notice(con, 8) -- in a transaction that may be done again
   con:query("COMMIT")
end

local function add_jobs()
   query("INSERT INTO job VALUES (%d, 0, %d, -1, 1), (%d, 0, %d, -1, 2)", fresh(), rand(1, 5), fresh(), rand(1, 5))
end

local function finish()
   con:query("BEGIN")
   local ids = column("SELECT id FROM job WHERE worker = %d AND state = 1 ORDER BY id LIMIT 3 FOR UPDATE", sysbench.tid)
   if #ids > 0 then query("DELETE FROM job WHERE id IN (%s)", table.concat(ids, ",")) end
   for _ in ipairs(ids) do query("INSERT INTO job VALUES (%d, 0, %d, -1, 3)", fresh(), rand(1, 5)) end
   con:query("COMMIT")
end

local function count()
   query("UPDATE counter SET v = (v * 31 + %d) %% %d WHERE id = %d", rand(1, 999), MOD, rand(1, COUNTERS))
end

local function count_range()
   local from = rand(1, COUNTERS - 10)
   con:query("BEGIN")
   rows("SELECT id, v FROM counter WHERE id BETWEEN %d AND %d ORDER BY id", from, from + 9)
   notice(con, 8) -- in a snapshot whose place may be guessed
   query("UPDATE counter SET v = (v * 31 + id) %% %d WHERE id BETWEEN %d AND %d", MOD, from, from + rand(1, 9))
   if percent(5) then con:query("ROLLBACK") else con:query("COMMIT") end
end

local function count_group()
   local grp = rand(0, 24)
   con:query("BEGIN")
   rows("SELECT id, v FROM counter WHERE grp = %d ORDER BY id FOR UPDATE", grp)
   query("UPDATE counter SET v = (v * 31 + %d) %% %d WHERE grp = %d", rand(1, 999), MOD, grp)
   con:query("COMMIT")
end

local function read()
   local sensor, from = rand(0, SENSORS - 1), rand(1, 900)
   rows("SELECT COUNT(*), SUM(val) FROM reading WHERE sensor = %d AND moment BETWEEN %d AND %d", sensor, from, from + 100)
   rows("SELECT id, val FROM reading WHERE sensor = %d ORDER BY moment, id LIMIT 10", sensor)
   rows("SELECT id, v FROM counter WHERE id IN (%d, %d, %d) ORDER BY id", rand(1, COUNTERS), rand(1, COUNTERS), rand(1, COUNTERS))
   rows("SELECT COUNT(*) FROM job WHERE state = 1")
end

local function note()
   query("INSERT INTO reading VALUES (%d, %d, %d, %d)", fresh(), rand(0, SENSORS - 1), rand(1, 1000), rand(1, 100))
end

local function correct()
   local from = rand(1, 950)
   query("UPDATE reading SET val = (val * 31 + %d) %% 10007 WHERE sensor = %d AND moment BETWEEN %d AND %d", rand(1, 99), rand(0, SENSORS - 1), from, from + 50)
end

local function forget()
   if percent(50) then
      local from = rand(1, 990)
      query("DELETE FROM reading WHERE sensor = %d AND moment BETWEEN %d AND %d", rand(0, SENSORS - 1), from, from + 5)
   else
      query("DELETE FROM reading WHERE sensor = %d ORDER BY moment, id LIMIT 2", rand(0, SENSORS - 1))
   end
end

local work = {{20, take}, {8, add_jobs}, {12, finish}, {15, count}, {10, count_range}, {3, count_group},
   {12, read}, {12, note}, {4, correct}, {4, forget}}

function event()
   pick(work)
   notice(con, 6)
end
