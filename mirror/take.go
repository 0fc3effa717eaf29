package mirror

import "myreplay/session"

// Figures returns what has been replayed and compared so far: all but what is
// known of the source. now is the time, by the target's clock. The latencies are
// those since it was called before.
func (m *Mirror) Figures(now int64) Figures {
	s := m.replayer.Stats()
	t := TargetFigures{Open: s.Open.Load(), Connected: s.Connected.Load(), Refused: s.Refused.Load(), Lost: s.Lost.Load(),
		Behind: s.Behind.Load(), Commands: s.Commands.Load(), Sent: s.Sent.Load(), Replies: s.Replies.Load(), Errors: s.Errors.Load(),
		Caught: s.Caught.Load(), Torn: s.Torn.Load(), Lag: m.replayer.Lag(), MostLag: s.Late.Load(), Held: m.replayer.Held(), Limit: m.limit}
	if err := s.Trouble(); err != nil {
		t.Away, t.Trouble = s.Away.Load(), err.Error()
	}
	if err := s.Refusal(); err != nil {
		t.Refusal = err.Error()
	}
	for i := range s.Skipped {
		if n := s.Skipped[i].Load(); n > 0 {
			if t.Skipped == nil {
				t.Skipped = map[string]int64{}
			}
			t.Skipped[session.Skip(i).String()] = n
		}
	}
	if m.ordered {
		t.Order = &OrderFigures{Blocked: s.Blocked.Load(), Waited: s.SyncWaits.Load(), SyncWait: s.SyncWait.Load(),
			Redone: s.Redone.Load(), NotRedone: s.NotRedone.Load()}
		for i := range s.Dropped {
			t.Order.Dropped += s.Dropped[i].Load()
		}
	}
	f := Figures{At: now, Target: t}
	m.ledger.with(func() { f.Answers = m.ledger.builder.Live() })
	return f
}
