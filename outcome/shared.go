package outcome

import (
	"sync"
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"myreplay/classic"
	"myreplay/session"
)

// maxInterned limits how many descriptions an Interner holds; beyond it, it
// begins anew.
const maxInterned = 4096

// Interner shares equal descriptions of columns among results, so that a
// description that was seen before costs no parsing and no memory. It may be
// used by many goroutines.
type Interner struct {
	mu   sync.RWMutex
	sets map[uint64]*session.Columns
	// since is when what servers make up begins to count; 0: with the first reply.
	since atomic.Int64
}

// NewInterner returns an empty Interner.
func NewInterner() *Interner { return &Interner{sets: map[uint64]*session.Columns{}} }

// definitions collects the column definitions of one result.
type definitions struct {
	raw   []byte
	ends  []int
	count int
	bad   bool
}

func (d *definitions) reset() { d.raw, d.ends, d.count, d.bad = d.raw[:0], d.ends[:0], 0, false }

func (d *definitions) add(f *classic.Frame) {
	d.count++
	if f.Cut || f.Holed || len(d.raw)+len(f.Payload) > maxDefinitions {
		d.bad = true
	}
	if d.bad {
		return
	}
	d.raw = append(d.raw, f.Payload...)
	d.ends = append(d.ends, len(d.raw))
}

// columns returns the description that the definitions make, or nil when they
// can't be read.
func (in *Interner) columns(d *definitions) *session.Columns {
	if d.bad || d.count == 0 {
		return nil
	}
	// A definition's length is part of what is hashed: every one begins with a
	// length and holds only lengths and fixed parts.
	return in.shared(xxh3.Hash(d.raw), d, d.parse)
}

// shared returns the description with the hash h, which parse makes when there
// is none yet; nil when the definitions can't be read.
func (in *Interner) shared(h uint64, d *definitions, parse func(hash uint64) *session.Columns) *session.Columns {
	in.mu.RLock()
	c := in.sets[h]
	in.mu.RUnlock()
	if c != nil && len(c.List) == d.count {
		return c
	}
	if c = parse(h); c == nil {
		return nil
	}
	in.mu.Lock()
	if len(in.sets) >= maxInterned {
		clear(in.sets)
	}
	in.sets[h] = c
	in.mu.Unlock()
	return c
}

func (d *definitions) parse(hash uint64) *session.Columns {
	c := &session.Columns{Hash: hash, List: make([]session.Column, 0, d.count)}
	from := 0
	for _, end := range d.ends {
		var col classic.Column
		if col.Decode(d.raw[from:end]) != nil {
			return nil
		}
		from = end
		c.List = append(c.List, session.Column{Schema: string(col.Schema), Table: string(col.Table),
			OrgTable: string(col.OrgTable), Name: string(col.Name), OrgName: string(col.OrgName),
			Collation: col.Collation, Length: col.Length, Type: byte(col.Type), Flags: col.Flags, Decimals: col.Decimals})
	}
	return c
}

const (
	slabBytes = 32 << 10
	slabItems = 64
)

// Slab hands out memory for events in big pieces, which costs less than asking
// for each event. A piece is freed when the last event in it is. A Slab serves
// one goroutine; its pieces grow with use, so that an idle connection's is
// small. The zero Slab is ready.
type Slab struct {
	bytes    []byte
	replies  []replyResult
	commands []session.Command
	size     int
}

type replyResult struct {
	reply  session.Reply
	result [1]session.Result
}

// Copy returns a copy of b.
func (s *Slab) Copy(b []byte) []byte {
	n := len(b)
	if n > slabBytes/4 {
		return append(make([]byte, 0, n), b...)
	}
	c := s.take(n)
	copy(c, b)
	return c
}

// CopyAfter returns a copy of b behind the byte first.
func (s *Slab) CopyAfter(first byte, b []byte) []byte {
	n := 1 + len(b)
	if n > slabBytes/4 {
		return append(append(make([]byte, 0, n), first), b...)
	}
	c := s.take(n)
	c[0] = first
	copy(c[1:], b)
	return c
}

// take returns n bytes of the piece.
func (s *Slab) take(n int) []byte {
	if n > len(s.bytes) {
		s.bytes = make([]byte, max(n, s.grow()*slabBytes/slabItems))
	}
	c := s.bytes[:n:n]
	s.bytes = s.bytes[n:]
	return c
}

// Command returns a zero Command.
func (s *Slab) Command() *session.Command {
	if len(s.commands) == 0 {
		s.commands = make([]session.Command, s.grow())
	}
	c := &s.commands[0]
	s.commands = s.commands[1:]
	return c
}

func (s *Slab) reply() *session.Reply {
	if len(s.replies) == 0 {
		s.replies = make([]replyResult, s.grow())
	}
	r := &s.replies[0]
	s.replies = s.replies[1:]
	r.reply.Results = r.result[:0]
	return &r.reply
}

func (s *Slab) grow() int {
	s.size = min(max(2*s.size, 2), slabItems)
	return s.size
}
