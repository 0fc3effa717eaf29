package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"myreplay/clientip"
	"myreplay/mirror"
	"myreplay/session"
	"myreplay/target"
)

// clientDialer connects to a target from the clients' addresses, and counts from
// where.
type clientDialer struct {
	mode *clientip.Mode
	// ownPort, otherPort and ownAddress count connections from the client's port,
	// from its address, and from this host's address.
	ownPort, otherPort, ownAddress atomic.Int64

	mu         sync.Mutex
	seen, past map[uint64]bool // sessions that had a connection, in two generations
}

// maxSeen is how many sessions a generation of those that had a connection has.
const maxSeen = 1 << 16

// first tells whether a session gets its first connection.
func (d *clientDialer) first(id uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen[id] || d.past[id] {
		return false
	}
	if len(d.seen) >= maxSeen || d.seen == nil {
		d.seen, d.past = map[uint64]bool{}, d.seen
	}
	d.seen[id] = true
	return true
}

// to returns what connects to a target: target.Options.Dial.
func (d *clientDialer) to(u *target.URL) func(context.Context, *session.Start) (net.Conn, error) {
	return func(ctx context.Context, s *session.Start) (net.Conn, error) {
		r := d.mode.Request(s.Client, u.Address, s.Copy > 0 || !d.first(s.ID))
		c, got, err := clientip.Dial(ctx, r)
		if errors.Is(err, clientip.ErrFamily) { // such a connection can't be: better one than none
			r.From = netip.AddrPort{}
			c, got, err = clientip.Dial(ctx, r)
		}
		switch {
		case err != nil:
		case got.OwnPort:
			d.ownPort.Add(1)
		case r.From.IsValid():
			d.otherPort.Add(1)
		default:
			d.ownAddress.Add(1)
		}
		return c, err
	}
}

// figures adds the counts to those of a target.
func (d *clientDialer) figures(f *mirror.TargetFigures) {
	if d != nil {
		f.OwnPort, f.OtherPort, f.OwnAddress = d.ownPort.Load(), d.otherPort.Load(), d.ownAddress.Load()
	}
}
