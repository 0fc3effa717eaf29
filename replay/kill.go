package replay

import (
	"strconv"

	"myreplay/session"
	"myreplay/sqltext"
)

// aim turns a KILL statement at the connection that replays the one that was
// killed.
func (u *runner) aim(c *session.Command, k *sqltext.KillTarget) (*session.Command, session.Skip) {
	live, ok := u.r.target.Live(u.start.Copy, uint32(k.ID))
	if !ok || k.ID > 1<<32-1 || c.Kind != session.Query {
		return c, session.SkipKill
	}
	aimed := *c
	if u.start.Protocol == session.X { // the text stands within a message: the target puts it there
		sql := append([]byte(nil), c.SQL[:k.Number.Start]...)
		sql = strconv.AppendUint(sql, uint64(live), 10)
		aimed.SQL = append(sql, c.SQL[k.Number.End:]...)
		return &aimed, session.NotSkipped
	}
	head := len(c.Payload) - len(c.SQL)
	p := append([]byte(nil), c.Payload[:head+k.Number.Start]...)
	p = strconv.AppendUint(p, uint64(live), 10)
	p = append(p, c.Payload[head+k.Number.End:]...)
	aimed.Payload, aimed.SQL, aimed.Size = p, p[head:], uint64(len(p))
	return &aimed, session.NotSkipped
}
