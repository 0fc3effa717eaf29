-- Auto-increment parents and foreign-key children created across sessions: one
-- session inserts a parent whose id the server makes, others find it by a query
-- and give it children, change it or delete it. A replay that lets the children
-- go first, or lets the server make other ids, fails with 1452 or writes other
-- data. Rolled-back inserts burn ids.
require("common")

local PARENTS = 200 -- at the start, with two children each

function prepare()
   connect()
   notice_prepare(con)
   con:query([[CREATE TABLE parent (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) NOT NULL,
      kids INT NOT NULL DEFAULT 0, v BIGINT NOT NULL DEFAULT 0)]])
   con:query([[CREATE TABLE child (id BIGINT AUTO_INCREMENT PRIMARY KEY, parent_id BIGINT NOT NULL,
      n INT NOT NULL, note VARCHAR(40), FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE)]])
   con:query([[CREATE TABLE pet (id BIGINT AUTO_INCREMENT PRIMARY KEY, parent_id BIGINT NOT NULL,
      name VARCHAR(40), UNIQUE KEY (parent_id, name), FOREIGN KEY (parent_id) REFERENCES parent (id))]])
   con:query("CREATE TABLE tag (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NOT NULL UNIQUE, hits BIGINT NOT NULL)")
   con:query("CREATE TABLE audit (id BIGINT AUTO_INCREMENT PRIMARY KEY, who INT NOT NULL, what VARCHAR(40))")
   bulk("parent (name, kids)", PARENTS, function(i) return string.format("('%s', 2)", text(20)) end)
   bulk("child (parent_id, n)", 2 * PARENTS, function(i) return string.format("(%d, %d)", (i - 1) % PARENTS + 1, i) end)
   bulk("pet (parent_id, name)", PARENTS / 10, function(i) return string.format("(%d, 'cat')", i * 10) end)
end
sysbench.cmdline.commands = {prepare = {prepare}}

-- Some parent: mostly one of the newest, whoever made it.
local function some_parent()
   if percent(70) then
      local ids = column("SELECT id FROM parent ORDER BY id DESC LIMIT 8")
      if #ids > 0 then return ids[rand(1, #ids)] end
   end
   local ids = column("SELECT id FROM parent WHERE id >= %d ORDER BY id LIMIT 1", rand(1, PARENTS))
   return ids[1] or 1
end

local function new_parent()
   query("INSERT INTO parent (name, v) VALUES ('%s', %d)", text(12), rand(1, 1000))
   local id = column("SELECT LAST_INSERT_ID()")[1]
   if percent(50) then query("UPDATE parent SET v = (v * 31 + %d) %% %d WHERE id = %s", rand(1, 999), MOD, id) end
end

-- A parent and its first children in one transaction, by LAST_INSERT_ID().
local function new_family()
   con:query("BEGIN")
   query("INSERT INTO parent (name, kids) VALUES ('%s', 2)", text(12))
   query("INSERT INTO child (parent_id, n, note) VALUES (LAST_INSERT_ID(), %d, 'first'), (LAST_INSERT_ID(), %d, 'second')", rand(1, 99), rand(1, 99))
   if percent(10) then con:query("ROLLBACK") else con:query("COMMIT") end
end

local function new_child()
   local id = some_parent()
   con:query("BEGIN")
   query("INSERT INTO child (parent_id, n, note) VALUES (%s, %d, '%s')", id, rand(1, 99), text(10))
   query("UPDATE parent SET kids = kids + 1, v = (v * 31 + %d) %% %d WHERE id = %s", rand(1, 999), MOD, id)
   con:query("COMMIT")
end

local function new_child_alone()
   query("INSERT INTO child (parent_id, n) VALUES (%s, %d)", some_parent(), rand(1, 99))
end

local function new_pet()
   local names = {"cat", "dog", "owl"}
   query("INSERT INTO pet (parent_id, name) VALUES (%s, '%s')", some_parent(), names[rand(1, 3)]) -- 1062 now and then
end

local function visit()
   local id = some_parent()
   con:query("BEGIN")
   rows("SELECT kids, v FROM parent WHERE id = %s FOR UPDATE", id)
   local kids = column("SELECT id FROM child WHERE parent_id = %s ORDER BY id", id)
   notice(con, 10)
   if #kids > 0 then query("UPDATE child SET n = (n * 31 + %d) %% 10007 WHERE id = %s", rand(1, 99), kids[rand(1, #kids)]) end
   query("UPDATE parent SET v = (v * 31 + %d) %% %d WHERE id = %s", #kids, MOD, id)
   con:query("COMMIT")
end

local function change()
   query("UPDATE parent SET v = (v * 31 + %d) %% %d WHERE id = %s", rand(1, 999), MOD, some_parent())
end

local function remove()
   local id = some_parent()
   con:query("BEGIN")
   if percent(70) then query("DELETE FROM pet WHERE parent_id = %s", id) end
   query("DELETE FROM parent WHERE id = %s", id) -- takes its children along; 1451 when it has pets
   con:query("COMMIT")
end

local function look()
   local id = some_parent()
   rows("SELECT p.id, p.v, COUNT(c.id), SUM(c.n) FROM parent p LEFT JOIN child c ON c.parent_id = p.id WHERE p.id = %s GROUP BY p.id, p.v", id)
   rows("SELECT id, name FROM pet WHERE parent_id = %s ORDER BY id", id)
end

local function tag()
   query("INSERT INTO tag (name, hits) VALUES ('t%d', 1) ON DUPLICATE KEY UPDATE hits = hits + 1", rand(1, 300))
end

local function audit()
   query("INSERT INTO audit (who, what) VALUES (%d, '%s'), (%d, '%s'), (%d, '%s')",
      sysbench.tid, text(8), sysbench.tid, text(8), sysbench.tid, text(8))
end

local work = {{15, new_parent}, {10, new_family}, {20, new_child}, {10, new_child_alone}, {5, new_pet},
   {10, visit}, {10, change}, {5, remove}, {10, look}, {3, tag}, {2, audit}}

function event()
   pick(work)
   notice(con, 6)
end
