package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"myreplay/clientip"
	"myreplay/session"
	"myreplay/target"
)

// probe connects from a client's address, and tells whether the target answers,
// and whether it answers anybody. here: its answers are known to be delivered
// here.
func (d *doctor) probe(ctx context.Context, w *returnPath, u *target.URL, client netip.Addr, n netip.Prefix, here bool) (answers, reached bool) {
	about := "probe from " + client.String()
	f, err := d.host.Greet(ctx, u.Address, client)
	var refused *session.Error
	switch {
	case err == nil:
		d.ok(about, "%s answers, and greets as %s", u, f.Version)
		return true, true
	case errors.As(err, &refused):
		d.ok(about, "%s answers, and says: %v", u, err)
		return true, true
	case errors.Is(err, clientip.ErrCapability):
		d.note(about, "it takes the capability")
	case errors.Is(err, syscall.ECONNREFUSED):
		d.wrong(about, fmt.Sprintf("the way is as it should be, but nothing listens on %s", u))
		return false, false
	case isTimeout(err):
		return false, d.noAnswer(ctx, about, w, u, n, here)
	default:
		d.wrong(about, err.Error())
	}
	return false, true
}

// noAnswer says why a client's address had no answer, and tells whether this
// host's own has one.
func (d *doctor) noAnswer(ctx context.Context, about string, w *returnPath, u *target.URL, n netip.Prefix, here bool) bool {
	_, err := d.host.Greet(ctx, u.Address, netip.Addr{})
	var refused *session.Error
	switch {
	case err != nil && !errors.As(err, &refused):
		d.wrong("target "+u.String(), "it does not answer this host's own address, either: "+err.Error())
		return false
	case !here:
		d.note(about, "no answer, which is no wonder before the above is mended; whether the target has its route shows after that")
	default:
		d.wrongAt("the target", about, fmt.Sprintf("no answer. Here all is as it should be, so the target has no route for %s by way of %s, or something between drops its packets", n, w.own), w.targetCommand(n))
	}
	return true
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) || errors.As(err, &n) && n.Timeout()
}
