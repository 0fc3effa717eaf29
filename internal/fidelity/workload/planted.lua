-- Now and then, between a workload's own work, statements that notice a difference
-- planted in the target (planted.go): a row that nobody changes, an index that one
-- names, a text that reads otherwise under another sql_mode, a stored function.
-- Where statements are prepared (--db-ps-mode=auto) these are, too.

local statements = {
   "SELECT fid_half(n) AS half FROM fid WHERE id = ?",
   "SELECT id || n AS either FROM fid WHERE id = ?",
   "SELECT id, n FROM fid FORCE INDEX (fid_n) WHERE n = ? ORDER BY id",
   "SELECT s FROM fid WHERE id = ?", -- always the row that is planted
   "SELECT id, n, s FROM fid WHERE id = ?", -- never that one
}
local ROWS, ROW = 20, 3

-- notice_prepare makes what they read.
function notice_prepare(con)
   con:query("CREATE TABLE fid (id INT PRIMARY KEY, n INT NOT NULL, s VARCHAR(20) NOT NULL, KEY fid_n (n))")
   for i = 1, ROWS do con:query(string.format("INSERT INTO fid VALUES (%d, %d, 'row %d')", i, i % 5, i)) end
   con:query("CREATE FUNCTION fid_half(n INT) RETURNS INT DETERMINISTIC NO SQL RETURN n DIV 2")
end

local ready = {}

local function statement(con, i)
   if ready[i] == nil then
      local s = {st = con:prepare(statements[i])}
      s.value = s.st:bind_create(sysbench.sql.type.INT)
      s.st:bind_param(s.value)
      ready[i] = s
   end
   return ready[i]
end

-- notice runs one of them in p of 100 cases.
function notice(con, p)
   if sysbench.rand.uniform(1, 100) > p then return end
   local i = sysbench.rand.uniform(1, #statements)
   local value = sysbench.rand.uniform(0, 4) -- a value of n; of id: 5 to 9
   if i == 4 then value = ROW elseif i ~= 3 then value = value + 5 end
   local s = statement(con, i)
   s.value:set(value)
   s.st:execute()
end
