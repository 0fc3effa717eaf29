-- What a server makes up comes back as a literal, and as a parameter: by the session
-- that read it and by another.
function prepare()
  local con = sysbench.sql.driver():connect()
  con:query("CREATE TABLE made (id BIGINT PRIMARY KEY, u CHAR(36) DEFAULT (UUID()), t DATETIME(6) DEFAULT NOW(6), note VARCHAR(20))")
  con:query("CREATE TABLE used (id BIGINT AUTO_INCREMENT PRIMARY KEY, how INT, u VARCHAR(200), b VARBINARY(36))")
end
sysbench.cmdline.commands = {prepare = {prepare}}

local con, ins, param, n

function thread_init()
  con = sysbench.sql.driver():connect()
  ins = con:prepare("INSERT INTO used (how, u) VALUES (1, ?)")
  param = ins:bind_create(sysbench.sql.type.VARCHAR, 100)
  ins:bind_param(param)
  n = 0
end

local function one(sql)
  local rs = con:query(sql)
  if rs.nrows == 0 then return nil end
  return unpack(rs:fetch_row(), 1, rs.nfields)
end

function event()
  n = n + 1
  local id = sysbench.tid * 1000000 + n
  local fresh = one("SELECT UUID()")
  con:query("INSERT INTO made (id, u) VALUES (" .. -id .. ", '" .. fresh .. "')")
  con:query("INSERT INTO made (id) VALUES (" .. id .. ")")
  local u = one("SELECT u FROM made WHERE id = " .. id)
  con:query("INSERT INTO used (how, u, b) VALUES (2, '" .. u:upper() .. "', x'" .. u:gsub("-", "") .. "')")
  param:set("{\"id\": \"" .. u .. "\"}")
  ins:execute()
  local t = one("SELECT t FROM made WHERE id = " .. id)
  con:query("UPDATE made SET note = 'as seen' WHERE id = " .. id .. " AND t = '" .. t .. "'")
  local other = one("SELECT u FROM made WHERE id = " .. ((sysbench.tid + 1) % sysbench.opt.threads * 1000000 + math.max(1, n - 5)))
  if other then con:query("INSERT INTO used (how, u) VALUES (3, '" .. other .. "')") end
end
