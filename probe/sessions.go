package probe

import (
	"net/netip"

	"myreplay/session"
)

// Sessions are the sessions that were open on a server at one time. It is not
// changed, so it may be used by several goroutines.
type Sessions struct {
	asked, told int64
	version     string
	uuid, gtid  string
	known       map[netip.AddrPort][]*known
	named       map[uint16][]*known // those with a host name, by port
	count       int
	remarks     []string
}

// known is what is known of a session.
type known struct {
	id       uint64 // connection id
	thread   uint64 // performance schema's id, 0: none
	user     string
	schema   string
	place    place
	protocol session.Protocol
	idle     bool
	// uninstrumented: the performance schema does not watch it.
	uninstrumented bool
	collation      uint16
	utf8           bool // its statements are in UTF-8
	state          *session.State
}

// When returns when asking began and when the answer was whole, in nanoseconds
// since the Unix epoch.
func (s *Sessions) When() (asked, told int64) { return s.asked, s.told }

// GTID returns which transactions were committed when asking began, none that was
// committed later: MySQL's gtid_executed, MariaDB's gtid_binlog_pos. It is "" where
// the server keeps no binary log, or where it has more than MaxGTID bytes.
func (s *Sessions) GTID() string { return s.gtid }

// UUID returns MySQL's server_uuid; MariaDB has none.
func (s *Sessions) UUID() string { return s.uuid }

// Len returns how many sessions of the network were told; those on a socket do
// not count.
func (s *Sessions) Len() int { return s.count }

// Remarks says, for an operator's screen, what was not told and what mends it:
// a sentence each, without a full stop. It is empty when all was.
func (s *Sessions) Remarks() []string { return s.remarks }

// Find returns what the server told of the session of a client's address and
// port: its user, schema and collation, and its State, which is shared and not
// to be changed. Protocol tells two sessions from the same address apart; it may
// be session.Unknown. A session that the server shows with a host name is found
// by its port, if that is the only one. ok is false when the server did not know
// the session, or two that may be it.
func (s *Sessions) Find(client netip.AddrPort, p session.Protocol) (l session.Login, state *session.State, ok bool) {
	k := s.find(client, p)
	if k == nil {
		return l, nil, false
	}
	return session.Login{User: k.user, Schema: k.schema, Collation: k.collation}, k.state, true
}

func (s *Sessions) find(client netip.AddrPort, p session.Protocol) *known {
	client = plain(client)
	var found *known
	several := false
	note := func(k *known) {
		if p != session.Unknown && k.protocol != session.Unknown && p != k.protocol {
			return
		}
		several = several || found != nil
		found = k
	}
	for _, k := range s.known[client] {
		note(k)
	}
	if found == nil {
		for _, k := range s.named[client.Port()] {
			if k.place.mayBe(client) {
				note(k)
			}
		}
	}
	if several {
		return nil
	}
	return found
}

// Note puts what the server told of a session into its Start: user, schema,
// collation, connection id and version where they are not known, and the State.
// It does so only to a Joined Start that was not handed on yet, and tells
// whether the server knew the session.
func (s *Sessions) Note(start *session.Start) bool {
	if !start.Joined || start.State != nil {
		return false
	}
	k := s.find(start.Client, start.Protocol)
	if k == nil || start.ConnectionID != 0 && start.ConnectionID != uint32(k.id) {
		return false
	}
	start.ConnectionID = uint32(k.id)
	if start.ServerVersion == "" {
		start.ServerVersion = s.version
	}
	l := &start.Login
	if l.User == "" {
		l.User = k.user
	}
	if l.Schema == "" {
		l.Schema = k.schema
	}
	if l.Collation == 0 {
		l.Collation = k.collation
	}
	start.State = k.state
	return true
}
