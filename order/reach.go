package order

import "math/bits"

// reached is what a session has waited for of another one: seq is the latest command.
// upTo is up to which of its groups, by when they began, it has waited for all, and had
// sent what waited after they were answered. What the other session had answered before
// at belongs to these.
type reached struct {
	session, seq, upTo uint64
	at                 int64
}

// maxReached is for how many sessions there is a place of their own.
const maxReached = 512

// reach takes note that a session has waited for certain. sessions is how many there
// are.
func (m *member) reach(w *pendingWait, sessions int) {
	if list := grown(m.reached, sessions, func(r *reached) uint64 { return r.session }); len(list) > len(m.reached) {
		m.reached = list
		if own := &list[m.id&uint64(len(list)-1)]; own.seq == 0 { // its own is passed over, too
			*own = reached{session: m.id, upTo: uint64(never), at: never}
		}
	}
	r := &m.reached[w.on.session&uint64(len(m.reached)-1)]
	if r.session != w.on.session {
		if m.waited == nil {
			m.waited = map[uint64]uint64{}
		}
		if r.seq != 0 {
			m.waited[r.session] = r.seq
		}
		*r = reached{session: w.on.session, at: -never}
	}
	r.seq = w.on.seq // more than before, and there is one such a session
	if w.upTo > 0 {
		r.upTo, r.at = max(r.upTo, w.upTo), max(r.at, w.at)
	}
}

// reachedOf returns what the session has waited for of another one that has a place;
// nil: it has none.
func (m *member) reachedOf(session uint64) *reached {
	if n := len(m.reached); n > 0 {
		if r := &m.reached[session&uint64(n-1)]; r.session == session {
			return r
		}
	}
	return nil
}

// waitedFor returns the latest command of another session that the session has waited
// for; 0: none.
func (m *member) waitedFor(session uint64) uint64 {
	if r := m.reachedOf(session); r != nil {
		return r.seq
	}
	return m.waited[session]
}

// grown returns a list with a place for each of some sessions, most likely; in it
// they lie by their numbers' last bits.
func grown[T any](old []T, sessions int, of func(*T) uint64) []T {
	n := 2 * min(sessions, maxReached/2)
	if len(old) >= n {
		return old
	}
	list := make([]T, 1<<bits.Len(uint(n-1)))
	for i := range old {
		if id := of(&old[i]); id != 0 || i == 0 { // others are empty
			list[id&uint64(len(list)-1)] = old[i]
		}
	}
	return list
}

// upTo returns up to which group of its session, by when they began, a command is
// not before the last; what was answered before at belongs to these.
func (c *command) upTo() (group uint64, at int64) {
	if g := c.group; g.ended == 0 || g.last != c {
		return g.begun - 1, g.at
	}
	return c.group.begun, c.answered
}
