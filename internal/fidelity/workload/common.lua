-- What the workloads share. Every statement is deterministic given the data:
-- who reads or writes what comes from seeded random numbers (--rand-seed), never
-- from the clock, so that a replay on equal data can answer as the source did.

require("planted")

-- MOD keeps the order-sensitive counters (v = v * 31 + n) in range.
MOD = 1000000007

function connect()
   drv = sysbench.sql.driver()
   con = drv:connect()
end

function thread_init() connect() end
function thread_done() con:disconnect() end

-- rand returns a whole number from a to b, all as likely.
function rand(a, b) return sysbench.rand.uniform(a, b) end

-- percent is true in p of 100 cases.
function percent(p) return rand(1, 100) <= p end

function query(sql, ...) return con:query(string.format(sql, ...)) end

-- rows returns all rows of a query, each a table of strings.
function rows(sql, ...)
   local rs = con:query(string.format(sql, ...))
   local out = {}
   if rs == nil then return out end
   for i = 1, rs.nrows do out[i] = rs:fetch_row() end
   rs:free()
   return out
end

-- column returns the first column of all rows.
function column(sql, ...)
   local out = {}
   for i, r in ipairs(rows(sql, ...)) do out[i] = r[1] end
   return out
end

function text(length) return sysbench.rand.string(string.rep("@", length)) end
function digits(length) return sysbench.rand.string(string.rep("#", length)) end

-- fresh returns a number that no other call in any session returns: they are
-- above those that prepare uses.
local made = 0
function fresh()
   made = made + 1
   return 1000000 + made * 1000 + sysbench.tid
end

-- bulk inserts n rows; row(i) returns the values of one, in brackets.
function bulk(into, n, row)
   con:bulk_insert_init("INSERT INTO " .. into .. " VALUES")
   for i = 1, n do con:bulk_insert_next(row(i)) end
   con:bulk_insert_done()
end

-- pick calls one of several functions: {{weight, function}, ...}.
function pick(list)
   local sum = 0
   for _, e in ipairs(list) do sum = sum + e[1] end
   local at = rand(1, sum)
   for _, e in ipairs(list) do
      at = at - e[1]
      if at <= 0 then return e[2]() end
   end
end

-- A transaction that failed is given up, as applications do: after a lock
-- timeout (1205) it would be open still.
function sysbench.hooks.before_restart_event(errdesc)
   con:query("ROLLBACK")
   if after_error ~= nil then after_error() end
end
