package replay

import (
	"slices"
	"strings"

	"myreplay/session"
	"myreplay/sqltext"
)

// restore takes note of the statements that were prepared before the recording
// began, as the source told. Those that may not be sent are left out of what a
// connection begins with.
func (j *judge) restore(s *session.State, opt sqltext.Options) {
	state := *s
	state.Prepared = nil
	for i := range s.Prepared {
		p := &s.Prepared[i]
		v := verdict{skip: session.SkipUnknownStatement}
		if p.SQL != nil {
			v = j.text(p.SQL, opt)
		}
		if v.skip == session.NotSkipped {
			state.Prepared = append(state.Prepared, *p)
		}
		if p.Name == "" {
			j.opened(p.Statement, v)
		} else {
			j.names.set(strings.ToLower(p.Name), v.skip)
		}
	}
	j.state, j.asked = &state, s.Asked
}

// forgetState leaves a statement out of what a new connection begins with: the
// one with an id, or that with a name.
func (j *judge) forgetState(id uint32, name string) {
	if j.state == nil || id == 0 && name == "" {
		return
	}
	of := func(p session.PreparedState) bool {
		if name != "" {
			return strings.EqualFold(p.Name, name)
		}
		return p.Name == "" && p.Statement == id
	}
	if !slices.ContainsFunc(j.state.Prepared, of) {
		return
	}
	state := *j.state // a connection may read the one before
	state.Prepared = slices.DeleteFunc(slices.Clone(state.Prepared), of)
	j.state = &state
}

// reconnected takes note of a new connection: it has those statements that have
// a name only that were there before the recording began.
func (j *judge) reconnected() {
	j.names.forget()
	if j.state == nil {
		return
	}
	for i := range j.state.Prepared {
		if p := &j.state.Prepared[i]; p.Name != "" {
			j.names.set(strings.ToLower(p.Name), session.NotSkipped)
		}
	}
}
