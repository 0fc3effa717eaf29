package replay

import (
	"errors"
	"io"
	"net/netip"

	"myreplay/dialect"
	"myreplay/session"
)

// Plan says what a replay would do, as far as the recording alone tells.
type Plan struct {
	// Sessions are in the recording; Filtered of them would be left out. Joined
	// ones were seen from their middle on, Encrypted and NotUnderstood ones have
	// nothing to replay.
	Sessions, Filtered, Joined, Encrypted, NotUnderstood int64
	// Commands are in the recording. Send of them would be sent, the others
	// skipped for a reason.
	Commands, Send int64
	Skipped        [session.SkipCount]int64
	// Gaps are places where something of a session is missing.
	Gaps int64
	// First and Last are the times of the first and the last event, nanoseconds
	// since the Unix epoch.
	First, Last int64
	// Length is how long the replay would take if the target answered as the
	// source did: nanoseconds; 0 when it is not paced.
	Length int64
	// Most is how many sessions were open at once.
	Most int64
	// Users counts sessions by the user that logged in ("" when not known),
	// Servers by the server's address.
	Users   map[string]int64
	Servers map[netip.AddrPort]int64
}

// MakePlan reads a recording to its end and says what a replay would do. What
// only the target can tell (a statement that can't be prepared there) is not in
// it.
func MakePlan(src Source, o Options) (*Plan, error) {
	m := planner{plan: &Plan{Users: map[string]int64{}, Servers: map[netip.AddrPort]int64{}}, options: o,
		judges: map[uint64]*judge{}, schedule: schedule{pace: o.Pace}}
	for {
		e, err := src.Next()
		if errors.Is(err, io.EOF) {
			return m.plan, nil
		}
		if err != nil {
			return m.plan, err
		}
		m.see(e)
	}
}

type planner struct {
	plan     *Plan
	options  Options
	judges   map[uint64]*judge // nil for sessions that are filtered out
	dialects dialect.Tracker
	schedule schedule
	open     int64
}

func (m *planner) see(e session.Event) {
	p := m.plan
	id, at := e.Key()
	if at != 0 {
		if p.First == 0 {
			p.First = at
		}
		p.Last = max(p.Last, at)
		p.Length = max(p.Length, m.schedule.due(at))
	}
	m.dialects.See(e)
	switch e := e.(type) {
	case *session.Start:
		m.start(e)
	case *session.Command:
		m.command(e)
	case *session.Reply:
		if j := m.judges[id]; j != nil {
			j.learn(e)
		}
	case *session.Gap:
		p.Gaps++
		if j := m.judges[id]; j != nil {
			j.gap(e)
		}
	case *session.End:
		delete(m.judges, id)
		m.open--
	}
}

func (m *planner) start(s *session.Start) {
	p := m.plan
	p.Sessions++
	m.open++
	p.Most = max(p.Most, m.open)
	p.Users[s.Login.User]++
	p.Servers[s.Server]++
	switch {
	case s.Unread():
		p.Encrypted++
	case s.Protocol == session.Unknown:
		p.NotUnderstood++
	case s.Joined:
		p.Joined++
	}
	m.judges[s.ID] = nil
	if m.options.takes(s) {
		m.judges[s.ID] = newJudge(m.options.Policy, s, m.dialects.Options(s.ID))
	} else {
		p.Filtered++
	}
}

func (m *planner) command(c *session.Command) {
	p := m.plan
	p.Commands++
	j := m.judges[c.ID]
	if j == nil {
		p.Skipped[session.SkipFilter]++
		return
	}
	if c.At < j.asked {
		p.Skipped[session.SkipInState]++
		return
	}
	v := j.rule(c, m.dialects.Options(c.ID))
	if v.skip == session.SkipNotAsked {
		v.skip = session.NotSkipped // the target will ask, as the source did
	}
	if v.skip == session.NotSkipped {
		p.Send++
	} else {
		p.Skipped[v.skip]++
	}
}
