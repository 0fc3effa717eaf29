package packet

import (
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// OpenLive captures from devices of this host, or from AnyDevice. The filter is
// in force before the first packet. It needs the capability CAP_NET_RAW, and
// CAP_NET_ADMIN for promiscuous mode. Errors are of type *DeviceError.
//
// Read gives Tick chunks while the wire is silent, or nothing but bare
// acknowledgements come, and Drop chunks for what the kernel had to drop. A device that goes down is reported by Read once, as a
// *DeviceError. After Close, what was on the wire before is still delivered.
func OpenLive(devices []string, o LiveOptions) (*Source, error) {
	if len(devices) == 0 {
		return nil, errors.New("capture live: no device is given")
	}
	o = o.withDefaults()
	timeout := blockTimeout
	if len(devices) > 1 {
		timeout = mergeTimeout
	}
	if o.HandOver > 0 {
		timeout = min(timeout, o.HandOver)
	}
	l := &live{stop: newStopper(), waits: o.Waits}
	for _, name := range devices {
		d, err := openDevice(name, &o, timeout)
		if err != nil {
			l.close()
			return nil, err
		}
		l.devices = append(l.devices, d)
	}
	s := newSource(l, o.Options, l.stop)
	s.silence = int64(tickEvery)
	return s, nil
}

// live reads packets from the rings of devices, in the order of their times. A ring
// may seem to be empty while the kernel still fills a block of it; so the packets
// of the others are kept back until they are older than that can take.
type live struct {
	devices []*device
	pollfds []unix.PollFd
	waits   func() // before each wait for packets; may be nil
	stop    *stopper

	lastAt  int64  // of the last packet
	asked   int64  // packets' time when the kernel was last asked for drops
	horizon int64  // packets up to this time have all been handed over
	stopAt  int64  // when Close was called, 0 before
	lost    uint64 // dropped by devices that are closed, and not told yet
	pending error  // to be told after the drops
}

// next returns the next packet.
func (l *live) next(p *rawPacket) error {
	for {
		if l.pending != nil {
			err := l.pending
			l.pending = nil
			return err
		}
		d, err := l.oldest()
		if err != nil {
			l.pending = err
			if l.takeDrops(p, time.Now().UnixNano()) {
				return errDrops
			}
			continue
		}
		if d == nil {
			if err := l.idle(p); err != nil {
				return err
			}
			continue
		}
		if d.at-l.asked >= int64(statsAfter) || d.at < l.asked {
			l.asked = d.at
			if l.takeDrops(p, d.at) {
				return errDrops
			}
		}
		if l.stopped() && d.at > l.stopAt {
			return l.finish(p)
		}
		p.at, p.data, p.wire, p.link = d.at, d.data, d.wire, d.link
		d.ready = false
		l.lastAt = p.at
		return nil
	}
}

// oldest returns the device with the oldest packet, nil when there is none or it is
// kept back. An error is that of a device, which is closed.
func (l *live) oldest() (*device, error) {
	best, empty, err := l.pick()
	if best == nil || !empty || best.at <= l.horizon || err != nil {
		return best, err
	}
	now := time.Now().UnixNano()
	l.lookAgain()
	best, empty, err = l.pick()
	l.horizon = now - int64(mergeWait)
	ahead := best != nil && best.at > now+int64(maxSkew) // the clock was set back
	if best == nil || !empty || best.at <= l.horizon || ahead || err != nil {
		return best, err
	}
	return nil, nil
}

// pick returns the device with the oldest packet among those that have one, and
// whether others have none.
func (l *live) pick() (best *device, empty bool, err error) {
	for _, d := range l.devices {
		if !d.ready && !d.empty {
			if err := d.read(); err != nil {
				return nil, false, l.lose(d, err)
			}
		}
		if !d.ready {
			empty = true
		} else if best == nil || d.at < best.at {
			best = d
		}
	}
	return best, empty, nil
}

// lookAgain forgets which rings were empty.
func (l *live) lookAgain() {
	for _, d := range l.devices {
		d.empty = false
	}
}

// lose gives up a device. What the kernel dropped on it is kept for takeDrops.
func (l *live) lose(d *device, err error) error {
	for i := range l.devices {
		if l.devices[i] == d {
			l.devices = append(l.devices[:i], l.devices[i+1:]...)
			break
		}
	}
	l.lost += d.drops()
	d.close()
	return err
}

// idle waits for packets. It returns errIdle when none came for a while, and
// io.EOF when none will.
func (l *live) idle(p *rawPacket) error {
	if len(l.devices) == 0 {
		return io.EOF
	}
	wait := tickEvery
	if l.stopped() {
		wait = 2 * blockTimeout
	}
	kept := false
	l.pollfds = l.pollfds[:0]
	for _, d := range l.devices {
		switch {
		case d.ready:
			wait, kept = min(wait, mergeTimeout), true
			continue
		case d.failed != nil:
			wait = min(wait, blockTimeout)
		}
		l.pollfds = append(l.pollfds, unix.PollFd{Fd: int32(d.fd), Events: unix.POLLIN})
	}
	if l.waits != nil {
		l.waits()
	}
	n, err := unix.Poll(l.pollfds, int(wait/time.Millisecond))
	if err != nil && err != unix.EINTR {
		return fmt.Errorf("capture live: wait for packets: %w", err)
	}
	l.lookAgain()
	if n > 0 || err == unix.EINTR || kept {
		return nil
	}
	if l.stopped() {
		return l.finish(p)
	}
	now := time.Now().UnixNano()
	p.at = max(now-int64(liveLag), l.lastAt)
	if now-l.asked >= int64(statsAfter) {
		l.asked = now
		if l.takeDrops(p, p.at) {
			return errDrops
		}
	}
	return errIdle
}

// stopped tells whether Close was called, and notes when.
func (l *live) stopped() bool {
	if l.stopAt == 0 && l.stop.stopped() {
		l.stopAt = time.Now().UnixNano()
	}
	return l.stopAt != 0
}

// finish tells the last drops and then the end.
func (l *live) finish(p *rawPacket) error {
	if l.takeDrops(p, time.Now().UnixNano()) {
		return errDrops
	}
	return io.EOF
}

// takeDrops asks the kernel what it dropped since it was asked last.
func (l *live) takeDrops(p *rawPacket, at int64) bool {
	p.at, p.drops = at, l.lost
	l.lost = 0
	for _, d := range l.devices {
		p.drops += d.drops()
	}
	return p.drops > 0
}

func (l *live) close() {
	for _, d := range l.devices {
		d.close()
	}
	l.devices = nil
}
