-- sysbench's own oltp_read_write, and beside it the statements of planted.lua.
require("oltp_read_write")
require("planted")

local made, work = sysbench.cmdline.commands.prepare[1], event

local function prepare()
   made()
   notice_prepare(sysbench.sql.driver():connect())
end
sysbench.cmdline.commands.prepare = {prepare, sysbench.cmdline.PARALLEL_COMMAND}

function event()
   work()
   notice(con, 30) -- a transaction has 20 statements
end
