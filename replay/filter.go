package replay

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"myreplay/session"
)

// Filter chooses sessions. The zero Filter chooses all.
type Filter struct {
	// Sessions are the ids of the sessions to replay; nil: all.
	Sessions map[uint64]bool
	// Users and Schemas choose by who logged in, and with which default schema;
	// nil: all.
	Users, Schemas map[string]bool
	// Share is the share of sessions to replay, 0 to 1; 0: all. Which ones
	// depends on their ids alone, so that a second replay takes the same.
	Share float64
}

// takes tells whether a session is to be replayed.
func (o *Options) takes(s *session.Start) bool {
	return o.Filter.takes(s) && (o.Choose == nil || o.Choose(s))
}

// takes tells whether the filter chooses a session.
func (f *Filter) takes(s *session.Start) bool {
	switch {
	case f.Sessions != nil && !f.Sessions[s.ID]:
		return false
	case f.Users != nil && !f.Users[s.Login.User]:
		return false
	case f.Schemas != nil && !f.Schemas[s.Login.Schema]:
		return false
	case f.Share > 0:
		var id [8]byte
		binary.LittleEndian.PutUint64(id[:], s.ID)
		return float64(xxh3.Hash(id[:])>>11)/(1<<53) < f.Share
	}
	return true
}
