package gate

import (
	"bytes"

	"myreplay/classic"
	"myreplay/flow"
)

// The statements that make a session report its state. The next one is tried
// when the server refuses one.
var (
	mysqlReports = []string{
		"SET SESSION session_track_schema=ON, session_track_system_variables='*', session_track_transaction_info='CHARACTERISTICS', session_track_gtids='OWN_GTID'",
		"SET SESSION session_track_schema=ON, session_track_system_variables='*', session_track_transaction_info='CHARACTERISTICS'",
	}
	mariaReports = mysqlReports[1:]
)

func (s *follower) reports() []string {
	if s.maria {
		return mariaReports
	}
	return mysqlReports
}

// hiddenStatement returns the statement to send now.
func (s *follower) hiddenStatement() out {
	payload := []byte{byte(classic.ComQuery)}
	if s.state.Caps.Has(classic.QueryAttributes) {
		payload = append(payload, 0, 1) // no attributes, in one set
	}
	b, _ := classic.AppendFrames(nil, 0, append(payload, s.reports()[s.hidden-1]...))
	return out{to: flow.Server, sent: b}
}

// hiddenAnswer takes the answer to the statement. A server that refuses all of
// them reports what it does by itself.
func (s *follower) hiddenAnswer(f *classic.Frame) []out {
	if len(f.Payload) > 0 && f.Payload[0] == authError && s.hidden < len(s.reports()) {
		s.hidden++
		return []out{s.hiddenStatement()}
	}
	held := s.held
	s.hidden, s.held = 0, nil
	s.release()
	return held
}

// untracked returns what the client sees instead of an OK packet that the state
// was told last: the same without what it did not ask for. It returns nil when
// there is no difference.
func (s *follower) untracked(part classic.ServerPart, f *classic.Frame) []byte {
	if !s.tracks {
		return nil
	}
	switch part {
	case classic.PartOK, classic.PartLoginOK, classic.PartRowsEnd, classic.PartColumnsEnd:
	default:
		return nil
	}
	o := s.state.OK
	o.Status &^= classic.StatusSessionStateChanged
	b := o.Append(nil, f.Payload[0], s.state.Caps&^classic.SessionTrack)
	if bytes.Equal(b, f.Payload) {
		return nil
	}
	return b
}
