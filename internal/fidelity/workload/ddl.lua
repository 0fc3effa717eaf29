-- DDL, GET_LOCK, and LOCK TABLES between ordinary work. Side tables come and go,
-- get and lose an index, a column, all rows, while others use them; what they
-- answer (rows, or 1146, 1061, 1091 ...) depends on who came first. Named locks guard
-- a ledger that nobody locks otherwise. No named lock is taken in a transaction,
-- so that nothing waits in a circle that the server does not see.
require("common")

local ACCOUNTS, SIDES, LEDGERS = 500, 4, 3

function prepare()
   connect()
   notice_prepare(con)
   con:query("CREATE TABLE account (id INT PRIMARY KEY, balance BIGINT NOT NULL, v BIGINT NOT NULL)")
   con:query("CREATE TABLE ledger (name VARCHAR(10) PRIMARY KEY, pages INT NOT NULL, v BIGINT NOT NULL)")
   con:query("CREATE TABLE vault (id INT PRIMARY KEY, v BIGINT NOT NULL)")
   bulk("account", ACCOUNTS, function(i) return string.format("(%d, 1000, %d)", i, i) end)
   bulk("ledger", LEDGERS, function(i) return string.format("('l%d', 0, 1)", i) end)
   bulk("vault", 10, function(i) return string.format("(%d, 1)", i) end)
   for i = 1, SIDES do con:query("CREATE TABLE side" .. i .. " (id BIGINT PRIMARY KEY, n INT NOT NULL, s VARCHAR(20))") end
end
sysbench.cmdline.commands = {prepare = {prepare}}

function after_error()
   con:query("UNLOCK TABLES")
   con:query("DO RELEASE_ALL_LOCKS()")
end

local function side() return "side" .. rand(1, SIDES) end

local function transfer()
   local a, b, sum = rand(1, ACCOUNTS), rand(1, ACCOUNTS), rand(1, 50)
   con:query("BEGIN")
   local balance = column("SELECT balance FROM account WHERE id = %d", a)[1]
   query("UPDATE account SET balance = balance - %d, v = (v * 31 + %s) %% %d WHERE id = %d", sum, balance, MOD, a)
   query("UPDATE account SET balance = balance + %d, v = (v * 31 + %d) %% %d WHERE id = %d", sum, sum, MOD, b)
   if percent(20) then query("INSERT INTO %s (id, n, s) VALUES (%d, %d, 'transfer')", side(), fresh(), sum) end
   con:query("COMMIT")
end

local function look() rows("SELECT id, balance, v FROM account WHERE id = %d", rand(1, ACCOUNTS)) end

local function use_side()
   local s = side()
   query("INSERT INTO %s (id, n, s) VALUES (%d, %d, '%s')", s, fresh(), rand(1, 100), text(8))
   query("UPDATE %s SET n = (n * 31 + 7) %% 10007 WHERE n BETWEEN %d AND 100", s, rand(80, 100))
   rows("SELECT COUNT(*), SUM(n) FROM %s", s)
end

local function page()
   local name = "l" .. rand(1, LEDGERS)
   if column("SELECT GET_LOCK('%s', 10)", name)[1] ~= "1" then return end
   local old = rows("SELECT pages, v FROM ledger WHERE name = '%s'", name)[1]
   query("UPDATE ledger SET pages = %d, v = %d WHERE name = '%s'", tonumber(old[1]) + 1, (tonumber(old[2]) * 31 + rand(1, 999)) % MOD, name)
   rows("SELECT RELEASE_LOCK('%s')", name)
end

local function vault()
   con:query("LOCK TABLES vault WRITE, account READ")
   local sum = column("SELECT SUM(balance) FROM account WHERE id <= 50")[1]
   query("UPDATE vault SET v = (v * 31 + %s) %% %d WHERE id = %d", sum, MOD, rand(1, 10))
   con:query("UNLOCK TABLES")
end

local changes = {
   "DROP TABLE %s",
   "TRUNCATE TABLE %s",
   "ALTER TABLE %s ADD INDEX n_idx (n)",
   "ALTER TABLE %s DROP INDEX n_idx",
   "CREATE INDEX s_idx ON %s (s)",
   "DROP INDEX s_idx ON %s",
   "ALTER TABLE %s ADD COLUMN extra INT NOT NULL DEFAULT 5",
   "ALTER TABLE %s DROP COLUMN extra",
   "CREATE TABLE IF NOT EXISTS %s (id BIGINT PRIMARY KEY, n INT NOT NULL, s VARCHAR(20))",
   "CREATE TABLE %s (id BIGINT PRIMARY KEY, n INT NOT NULL, s VARCHAR(20), KEY n_idx (n))",
   "CREATE TABLE IF NOT EXISTS %s (id BIGINT PRIMARY KEY, n INT NOT NULL, s VARCHAR(20))",
}

local function change() query(changes[rand(1, #changes)], side()) end

local work = {{45, transfer}, {35, look}, {12, use_side}, {5, page}, {1, vault}, {2, change}}

function event()
   pick(work)
   notice(con, 6)
end
