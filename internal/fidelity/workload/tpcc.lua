-- TPC-C, written after the public specification (TPC Benchmark C, Standard
-- Specification 5.11, clauses 1, 2, 4.3 and 5.2.3): its nine tables with their
-- foreign keys, the five transactions with all their statements, NURand, last
-- names, 1 % of New-Orders rolled back, 1 % of lines and 15 % of payments at
-- remote warehouses. What it is not: a TPC-C result. There is no think time, no
-- terminal, and the tables are smaller, so that loading takes seconds:
--   warehouses 2; items and stock of a warehouse 10,000 (of 100,000);
--   customers and orders of a district 600 (of 3,000), the last 30 % of them new.
-- Dates are the client's (the specification leaves it open), counted from a seeded
-- start; with --server-dates they are NOW(). A deck of 100 gives the mix
-- 45:43:4:4:4.
require("common")

sysbench.cmdline.options = {
   warehouses = {"Warehouses", 2},
   items = {"Items, and stock of each warehouse", 10000},
   customers = {"Customers, and first orders, of each district", 600},
   server_dates = {"Dates are the server's NOW()", false},
}

local DISTRICTS = 10
local SYLLABLES = {"BAR", "OUGHT", "ABLE", "PRI", "PRES", "ESE", "ANTI", "CALLY", "ATION", "EING"}
-- The constants C of NURand: for loading and for running they differ by 65 to
-- 119, but not 96 and 112 (clause 2.1.6.1).
local C_LOAD, C_RUN, C_ITEM, C_CUSTOMER = 100, 185, 5000, 500

local tables = {
[[CREATE TABLE warehouse (w_id INT NOT NULL, w_name VARCHAR(10), w_street_1 VARCHAR(20), w_street_2 VARCHAR(20),
  w_city VARCHAR(20), w_state CHAR(2), w_zip CHAR(9), w_tax DECIMAL(4,4), w_ytd DECIMAL(12,2), PRIMARY KEY (w_id))]],
[[CREATE TABLE district (d_id INT NOT NULL, d_w_id INT NOT NULL, d_name VARCHAR(10), d_street_1 VARCHAR(20), d_street_2 VARCHAR(20),
  d_city VARCHAR(20), d_state CHAR(2), d_zip CHAR(9), d_tax DECIMAL(4,4), d_ytd DECIMAL(12,2), d_next_o_id INT,
  PRIMARY KEY (d_w_id, d_id), FOREIGN KEY (d_w_id) REFERENCES warehouse (w_id))]],
[[CREATE TABLE customer (c_id INT NOT NULL, c_d_id INT NOT NULL, c_w_id INT NOT NULL, c_first VARCHAR(16), c_middle CHAR(2),
  c_last VARCHAR(16), c_street_1 VARCHAR(20), c_street_2 VARCHAR(20), c_city VARCHAR(20), c_state CHAR(2), c_zip CHAR(9),
  c_phone CHAR(16), c_since DATETIME, c_credit CHAR(2), c_credit_lim DECIMAL(12,2), c_discount DECIMAL(4,4),
  c_balance DECIMAL(12,2), c_ytd_payment DECIMAL(12,2), c_payment_cnt INT, c_delivery_cnt INT, c_data VARCHAR(500),
  PRIMARY KEY (c_w_id, c_d_id, c_id), KEY by_name (c_w_id, c_d_id, c_last, c_first),
  FOREIGN KEY (c_w_id, c_d_id) REFERENCES district (d_w_id, d_id))]],
[[CREATE TABLE history (h_c_id INT, h_c_d_id INT, h_c_w_id INT, h_d_id INT, h_w_id INT, h_date DATETIME, h_amount DECIMAL(6,2),
  h_data VARCHAR(24), FOREIGN KEY (h_c_w_id, h_c_d_id, h_c_id) REFERENCES customer (c_w_id, c_d_id, c_id),
  FOREIGN KEY (h_w_id, h_d_id) REFERENCES district (d_w_id, d_id))]],
[[CREATE TABLE orders (o_id INT NOT NULL, o_d_id INT NOT NULL, o_w_id INT NOT NULL, o_c_id INT, o_entry_d DATETIME,
  o_carrier_id INT, o_ol_cnt INT, o_all_local INT, PRIMARY KEY (o_w_id, o_d_id, o_id), KEY by_customer (o_w_id, o_d_id, o_c_id, o_id),
  FOREIGN KEY (o_w_id, o_d_id, o_c_id) REFERENCES customer (c_w_id, c_d_id, c_id))]],
[[CREATE TABLE new_order (no_o_id INT NOT NULL, no_d_id INT NOT NULL, no_w_id INT NOT NULL, PRIMARY KEY (no_w_id, no_d_id, no_o_id),
  FOREIGN KEY (no_w_id, no_d_id, no_o_id) REFERENCES orders (o_w_id, o_d_id, o_id))]],
[[CREATE TABLE item (i_id INT NOT NULL, i_im_id INT, i_name VARCHAR(24), i_price DECIMAL(5,2), i_data VARCHAR(50), PRIMARY KEY (i_id))]],
[[CREATE TABLE stock (s_i_id INT NOT NULL, s_w_id INT NOT NULL, s_quantity INT, s_dist_01 CHAR(24), s_dist_02 CHAR(24),
  s_dist_03 CHAR(24), s_dist_04 CHAR(24), s_dist_05 CHAR(24), s_dist_06 CHAR(24), s_dist_07 CHAR(24), s_dist_08 CHAR(24),
  s_dist_09 CHAR(24), s_dist_10 CHAR(24), s_ytd INT, s_order_cnt INT, s_remote_cnt INT, s_data VARCHAR(50),
  PRIMARY KEY (s_w_id, s_i_id), FOREIGN KEY (s_w_id) REFERENCES warehouse (w_id), FOREIGN KEY (s_i_id) REFERENCES item (i_id))]],
[[CREATE TABLE order_line (ol_o_id INT NOT NULL, ol_d_id INT NOT NULL, ol_w_id INT NOT NULL, ol_number INT NOT NULL, ol_i_id INT,
  ol_supply_w_id INT, ol_delivery_d DATETIME, ol_quantity INT, ol_amount DECIMAL(6,2), ol_dist_info CHAR(24),
  PRIMARY KEY (ol_w_id, ol_d_id, ol_o_id, ol_number), FOREIGN KEY (ol_w_id, ol_d_id, ol_o_id) REFERENCES orders (o_w_id, o_d_id, o_id),
  FOREIGN KEY (ol_supply_w_id, ol_i_id) REFERENCES stock (s_w_id, s_i_id))]],
}

-- Random values (clause 4.3.2 and 2.1.6).

local c_name = C_LOAD

local function nurand(a, c, x, y)
   return (bit.bor(rand(0, a), rand(x, y)) + c) % (y - x + 1) + x
end

local function last_name(n)
   return SYLLABLES[math.floor(n / 100) % 10 + 1] .. SYLLABLES[math.floor(n / 10) % 10 + 1] .. SYLLABLES[n % 10 + 1]
end

local function names() return math.min(999, sysbench.opt.customers - 1) end
local function random_last() return last_name(nurand(255, c_name, 0, names())) end
local function random_customer() return nurand(1023, C_CUSTOMER, 1, sysbench.opt.customers) end
local function random_item() return nurand(8191, C_ITEM, 1, sysbench.opt.items) end
local function astring(a, b) return text(rand(a, b)) end
local function zip() return digits(4) .. "11111" end
local function address()
   return string.format("'%s','%s','%s','%s','%s'", astring(10, 20), astring(10, 20), astring(10, 20), string.upper(text(2)), zip())
end

-- data is a text of a to b characters; in 10 % of cases ORIGINAL is in it.
local function data(a, b)
   local s = astring(a, b)
   if not percent(10) then return s end
   local at = rand(1, #s - 7)
   return string.sub(s, 1, at - 1) .. "ORIGINAL" .. string.sub(s, at + 8)
end

local seconds = 0
local function now()
   if sysbench.opt.server_dates then return "NOW()" end
   seconds = seconds + 1
   return os.date("!'%Y-%m-%d %H:%M:%S'", 1700000000 + seconds)
end

-- Loading (clause 4.3.3.1).

local function load_items()
   bulk("item", sysbench.opt.items, function(i)
      return string.format("(%d,%d,'%s',%.2f,'%s')", i, rand(1, 10000), astring(14, 24), rand(100, 10000) / 100, data(26, 50))
   end)
end

local function load_stock(w)
   bulk("stock", sysbench.opt.items, function(i)
      local dist = {}
      for d = 1, 10 do dist[d] = "'" .. text(24) .. "'" end
      return string.format("(%d,%d,%d,%s,0,0,0,'%s')", i, w, rand(10, 100), table.concat(dist, ","), data(26, 50))
   end)
end

local function load_customers(w, d)
   bulk("customer", sysbench.opt.customers, function(c)
      local last = c <= 1000 and last_name((c - 1) % 1000) or random_last()
      return string.format("(%d,%d,%d,'%s','OE','%s',%s,'%s',%s,'%s',50000,%.4f,-10,10,1,0,'%s')", c, d, w, astring(8, 16), last,
         address(), digits(16), now(), percent(10) and "BC" or "GC", rand(0, 5000) / 10000, astring(300, 500))
   end)
   bulk("history", sysbench.opt.customers, function(c)
      return string.format("(%d,%d,%d,%d,%d,%s,10,'%s')", c, d, w, d, w, now(), astring(12, 24))
   end)
end

-- A permutation of the customers' numbers.
local function shuffled(n)
   local p = {}
   for i = 1, n do p[i] = i end
   for i = n, 2, -1 do
      local j = rand(1, i)
      p[i], p[j] = p[j], p[i]
   end
   return p
end

local function load_orders(w, d)
   local n = sysbench.opt.customers
   local new = n - math.floor(n * 0.3) -- the last order that was delivered
   local customer, lines = shuffled(n), {}
   bulk("orders", n, function(o)
      lines[o] = rand(5, 15)
      return string.format("(%d,%d,%d,%d,%s,%s,%d,1)", o, d, w, customer[o], now(), o <= new and tostring(rand(1, 10)) or "NULL", lines[o])
   end)
   bulk("new_order", n - new, function(i) return string.format("(%d,%d,%d)", new + i, d, w) end)
   con:bulk_insert_init("INSERT INTO order_line VALUES")
   for o = 1, n do
      for l = 1, lines[o] do
         local old = o <= new
         con:bulk_insert_next(string.format("(%d,%d,%d,%d,%d,%d,%s,5,%.2f,'%s')", o, d, w, l, rand(1, sysbench.opt.items), w,
            old and now() or "NULL", old and 0 or rand(1, 999999) / 100, text(24)))
      end
   end
   con:bulk_insert_done()
end

function prepare()
   connect()
   notice_prepare(con)
   for _, t in ipairs(tables) do con:query(t) end
   load_items()
   for w = 1, sysbench.opt.warehouses do
      query("INSERT INTO warehouse VALUES (%d,'%s',%s,%.4f,300000)", w, astring(6, 10), address(), rand(0, 2000) / 10000)
      load_stock(w)
      for d = 1, DISTRICTS do
         query("INSERT INTO district VALUES (%d,%d,'%s',%s,%.4f,30000,%d)", d, w, astring(6, 10), address(), rand(0, 2000) / 10000,
            sysbench.opt.customers + 1)
         load_customers(w, d)
         load_orders(w, d)
      end
   end
end
sysbench.cmdline.commands = {prepare = {prepare}}

-- Running.

local home, home_district
function thread_init()
   connect()
   c_name = C_RUN
   home = sysbench.tid % sysbench.opt.warehouses + 1
   home_district = math.floor(sysbench.tid / sysbench.opt.warehouses) % DISTRICTS + 1
end

local function other_warehouse()
   local n = sysbench.opt.warehouses
   if n == 1 then return home end
   local w = rand(1, n - 1)
   return w < home and w or w + 1
end

-- New-Order (clause 2.4).

local function order_lines()
   local n, lines, all_local = rand(5, 15), {}, 1
   for l = 1, n do
      local supply = home
      if percent(1) then supply, all_local = other_warehouse(), 0 end
      lines[l] = {item = random_item(), supply = supply, quantity = rand(1, 10)}
   end
   return lines, all_local
end

local function order_one(o, d, l, line)
   local item = rows("SELECT i_price, i_name, i_data FROM item WHERE i_id = %d", line.item)[1]
   if item == nil then return false end
   local s = rows("SELECT s_quantity, s_data, s_dist_%02d FROM stock WHERE s_i_id = %d AND s_w_id = %d FOR UPDATE", d, line.item, line.supply)[1]
   local left = tonumber(s[1]) - line.quantity
   if left < 10 then left = left + 91 end
   query("UPDATE stock SET s_quantity = %d, s_ytd = s_ytd + %d, s_order_cnt = s_order_cnt + 1, s_remote_cnt = s_remote_cnt + %d WHERE s_i_id = %d AND s_w_id = %d",
      left, line.quantity, line.supply == home and 0 or 1, line.item, line.supply)
   query("INSERT INTO order_line (ol_o_id, ol_d_id, ol_w_id, ol_number, ol_i_id, ol_supply_w_id, ol_quantity, ol_amount, ol_dist_info) VALUES (%s,%d,%d,%d,%d,%d,%d,%.2f,'%s')",
      o, d, home, l, line.item, line.supply, line.quantity, line.quantity * tonumber(item[1]), s[3])
   return true
end

local function new_order()
   local d, c = rand(1, DISTRICTS), random_customer()
   local lines, all_local = order_lines()
   if percent(1) then lines[#lines].item = sysbench.opt.items + 1 end -- an unused number: rolled back (clause 2.4.1.4)
   con:query("START TRANSACTION")
   rows("SELECT c_discount, c_last, c_credit, w_tax FROM customer, warehouse WHERE w_id = %d AND c_w_id = w_id AND c_d_id = %d AND c_id = %d", home, d, c)
   local o = rows("SELECT d_next_o_id, d_tax FROM district WHERE d_id = %d AND d_w_id = %d FOR UPDATE", d, home)[1][1]
   query("UPDATE district SET d_next_o_id = %d + 1 WHERE d_id = %d AND d_w_id = %d", tonumber(o), d, home)
   query("INSERT INTO orders (o_id, o_d_id, o_w_id, o_c_id, o_entry_d, o_ol_cnt, o_all_local) VALUES (%s,%d,%d,%d,%s,%d,%d)",
      o, d, home, c, now(), #lines, all_local)
   query("INSERT INTO new_order (no_o_id, no_d_id, no_w_id) VALUES (%s,%d,%d)", o, d, home)
   for l, line in ipairs(lines) do
      if not order_one(o, d, l, line) then
         con:query("ROLLBACK")
         return
      end
   end
   con:query("COMMIT")
end

-- Payment (clause 2.5) and how it and Order-Status find a customer.

local function by_name(w, d, what, lock)
   local all = rows("SELECT %s FROM customer WHERE c_last = '%s' AND c_d_id = %d AND c_w_id = %d ORDER BY c_first, c_id%s", what, random_last(), d, w, lock)
   return all[math.ceil(#all / 2)]
end

local function find_customer(w, d, what, lock)
   if percent(60) then return by_name(w, d, what, lock) end
   return rows("SELECT %s FROM customer WHERE c_w_id = %d AND c_d_id = %d AND c_id = %d%s", what, w, d, random_customer(), lock)[1]
end

local function payment()
   local d, amount = rand(1, DISTRICTS), rand(100, 500000) / 100
   local cw, cd = home, d
   if not percent(85) then cw, cd = other_warehouse(), rand(1, DISTRICTS) end
   con:query("START TRANSACTION")
   query("UPDATE warehouse SET w_ytd = w_ytd + %.2f WHERE w_id = %d", amount, home)
   local w = rows("SELECT w_street_1, w_street_2, w_city, w_state, w_zip, w_name FROM warehouse WHERE w_id = %d", home)[1]
   query("UPDATE district SET d_ytd = d_ytd + %.2f WHERE d_w_id = %d AND d_id = %d", amount, home, d)
   local di = rows("SELECT d_street_1, d_street_2, d_city, d_state, d_zip, d_name FROM district WHERE d_w_id = %d AND d_id = %d", home, d)[1]
   local c = find_customer(cw, cd, "c_id, c_first, c_middle, c_last, c_street_1, c_street_2, c_city, c_state, c_zip, c_phone, c_credit, c_credit_lim, c_discount, c_balance, c_since, c_data", " FOR UPDATE")
   if c == nil then -- a name that nobody here has, as the tables are small
      con:query("ROLLBACK")
      return
   end
   local more = ""
   if c[11] == "BC" then
      local history = string.format("%s %d %d %d %d %.2f | %s", c[1], cd, cw, d, home, amount, c[16])
      more = string.format(", c_data = '%s'", string.sub(history, 1, 500))
   end
   query("UPDATE customer SET c_balance = c_balance - %.2f, c_ytd_payment = c_ytd_payment + %.2f, c_payment_cnt = c_payment_cnt + 1%s WHERE c_w_id = %d AND c_d_id = %d AND c_id = %s",
      amount, amount, more, cw, cd, c[1])
   query("INSERT INTO history (h_c_d_id, h_c_w_id, h_c_id, h_d_id, h_w_id, h_date, h_amount, h_data) VALUES (%d,%d,%s,%d,%d,%s,%.2f,'%s    %s')",
      cd, cw, c[1], d, home, now(), amount, w[6], di[6])
   con:query("COMMIT")
end

-- Order-Status (clause 2.6).
local function order_status()
   local d = rand(1, DISTRICTS)
   con:query("START TRANSACTION")
   local c = find_customer(home, d, "c_id, c_balance, c_first, c_middle, c_last", "")
   local o = c and rows("SELECT o_id, o_entry_d, o_carrier_id FROM orders WHERE o_w_id = %d AND o_d_id = %d AND o_c_id = %s ORDER BY o_id DESC LIMIT 1", home, d, c[1])[1]
   if o then
      rows("SELECT ol_i_id, ol_supply_w_id, ol_quantity, ol_amount, ol_delivery_d FROM order_line WHERE ol_w_id = %d AND ol_d_id = %d AND ol_o_id = %s ORDER BY ol_number", home, d, o[1])
   end
   con:query("COMMIT")
end

-- Delivery (clause 2.7), at once instead of from a queue of its own.
local function delivery()
   local carrier = rand(1, 10)
   con:query("START TRANSACTION")
   for d = 1, DISTRICTS do
      local o = column("SELECT no_o_id FROM new_order WHERE no_d_id = %d AND no_w_id = %d ORDER BY no_o_id LIMIT 1 FOR UPDATE", d, home)[1]
      if o ~= nil then
         query("DELETE FROM new_order WHERE no_o_id = %s AND no_d_id = %d AND no_w_id = %d", o, d, home)
         local c = column("SELECT o_c_id FROM orders WHERE o_id = %s AND o_d_id = %d AND o_w_id = %d", o, d, home)[1]
         query("UPDATE orders SET o_carrier_id = %d WHERE o_id = %s AND o_d_id = %d AND o_w_id = %d", carrier, o, d, home)
         query("UPDATE order_line SET ol_delivery_d = %s WHERE ol_o_id = %s AND ol_d_id = %d AND ol_w_id = %d", now(), o, d, home)
         local sum = column("SELECT SUM(ol_amount) FROM order_line WHERE ol_o_id = %s AND ol_d_id = %d AND ol_w_id = %d", o, d, home)[1]
         query("UPDATE customer SET c_balance = c_balance + %s, c_delivery_cnt = c_delivery_cnt + 1 WHERE c_id = %s AND c_d_id = %d AND c_w_id = %d", sum, c, d, home)
      end
   end
   con:query("COMMIT")
end

-- Stock-Level (clause 2.8).
local function stock_level()
   con:query("START TRANSACTION")
   local o = tonumber(column("SELECT d_next_o_id FROM district WHERE d_w_id = %d AND d_id = %d", home, home_district)[1])
   rows([[SELECT COUNT(DISTINCT s_i_id) FROM order_line, stock WHERE ol_w_id = %d AND ol_d_id = %d AND ol_o_id < %d AND ol_o_id >= %d
      AND s_w_id = %d AND s_i_id = ol_i_id AND s_quantity < %d]], home, home_district, o, o - 20, home, rand(10, 20))
   con:query("COMMIT")
end

local work = {{45, new_order}, {43, payment}, {4, order_status}, {4, delivery}, {4, stock_level}}

function event()
   pick(work)
   notice(con, 40)
end
