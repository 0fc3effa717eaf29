// Package relay passes connections on from one address to another and, for a
// recorder, tells what passes: the same chunks that a tap sees. A gate takes
// each connection through its login where that is to be understood or where TLS
// ends here. After it the bytes pass as they are: connections of bare sockets
// in event loops, those with TLS in goroutines of their own.
//
// A recorder that is slow never holds a client up: what does not fit into the
// queue is left out and reported as a Gap.
package relay

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"myreplay/gate"
)

const (
	// DefaultDrain is how long open connections may go on after Serve's context
	// ended.
	DefaultDrain = 2 * time.Second
	// mostLoops limits the event loops. Each passes about as much as one
	// processor can.
	mostLoops = 8
)

// Pair is one address to listen on, and where its connections go.
type Pair struct {
	// Listen is host:port, or the path of a unix socket, which begins with "/".
	Listen string
	// To is host:port, or the path of a unix socket.
	To string
	// Gate says which protocol is spoken and what becomes of TLS.
	Gate gate.Options
}

// Options say what a Relay does.
type Options struct {
	Pairs []Pair
	// Look tells what passes, to Read. Without it nothing is told, and logins
	// are looked at only as far as Pair.Gate changes them.
	Look bool
	// ClientIP says how the server learns the clients' addresses.
	ClientIP ClientIP
	// Drain is how long open connections may go on after Serve's context ended:
	// 0 is DefaultDrain, negative not at all.
	Drain time.Duration
	// Loops is how many event loops pass bytes between bare sockets: 0 is one
	// for two processors, negative none (each connection then has goroutines
	// of its own). Linux only; elsewhere there are none.
	Loops int
}

func (o *Options) loops() int {
	if o.Loops == 0 {
		return min(max(1, runtime.NumCPU()/2), mostLoops)
	}
	return max(o.Loops, 0)
}

func (o *Options) drain() time.Duration {
	if o.Drain == 0 {
		return DefaultDrain
	}
	return max(o.Drain, 0)
}

// Relay passes connections on. It is a source of chunks: see Read.
type Relay struct {
	options Options
	doors   []*door
	loops   []*loop
	next    atomic.Uint32 // which loop takes the next connection
	queue   *queue
	ids     atomic.Uint64
	stats   Stats
	running sync.WaitGroup // connections

	mu      sync.Mutex
	own     map[*conn]struct{} // connections that goroutines pass on
	cutting bool               // connections are closed, new ones at once
}

// door is one Pair at work.
type door struct {
	Pair
	listener net.Listener
	gate     *gate.Gate // nil: there is nothing to understand
}

// Listen opens the listeners of all pairs.
func Listen(o Options) (*Relay, error) {
	if err := o.ClientIP.check(); err != nil {
		return nil, err
	}
	r := &Relay{options: o, queue: newQueue(), own: map[*conn]struct{}{}}
	for _, p := range o.Pairs {
		d, err := openDoor(p, o.Look)
		if err != nil {
			r.close()
			return nil, err
		}
		r.doors = append(r.doors, d)
	}
	for range o.loops() {
		l, err := newLoop(r.queue.clock, &r.stats)
		if err != nil {
			r.close()
			return nil, fmt.Errorf("starting an event loop: %w", err)
		}
		if l != nil {
			r.loops = append(r.loops, l)
		}
	}
	return r, nil
}

func openDoor(p Pair, look bool) (*door, error) {
	d := &door{Pair: p}
	if look || p.Gate.TLS != gate.Pass || p.Gate.Track {
		g, err := gate.New(p.Gate)
		if err != nil {
			return nil, fmt.Errorf("relaying to %s: %w", p.To, err)
		}
		d.gate = g
	}
	config := net.ListenConfig{KeepAliveConfig: keepAlive}
	l, err := config.Listen(context.Background(), network(p.Listen), p.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", p.Listen, err)
	}
	d.listener = l
	return d, nil
}

// Addrs returns the addresses listened on, in the order of the pairs.
func (r *Relay) Addrs() []net.Addr {
	var list []net.Addr
	for _, d := range r.doors {
		list = append(list, d.listener.Addr())
	}
	return list
}

// close gives back what Listen took.
func (r *Relay) close() {
	for _, d := range r.doors {
		d.listener.Close()
	}
	for _, l := range r.loops {
		l.close()
	}
}

// Serve accepts and passes on until ctx ends. Then it gives open connections
// time to finish, closes them, and makes Read return io.EOF after what is
// queued. The error is that of a listener that failed. Run it once.
func (r *Relay) Serve(ctx context.Context) error {
	passing, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	failed := make(chan error, len(r.doors))
	for _, d := range r.doors {
		go func() { failed <- r.accept(passing, d) }()
	}
	var err error
	open := len(r.doors)
	select {
	case <-ctx.Done():
	case err = <-failed:
		open--
	}
	for _, d := range r.doors {
		d.listener.Close()
	}
	for range open { // so that running is added to no more
		<-failed
	}
	r.drain(cut)
	for _, l := range r.loops {
		l.close()
	}
	r.queue.end()
	return err
}

// drain waits for the open connections, and closes them when that takes too
// long.
func (r *Relay) drain(cut func()) {
	done := make(chan struct{})
	go func() { r.running.Wait(); close(done) }()
	if wait := r.options.drain(); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-done:
			return
		case <-timer.C:
		}
	}
	cut()
	r.mu.Lock()
	r.cutting = true
	for c := range r.own {
		c.close()
	}
	r.mu.Unlock()
	for _, l := range r.loops {
		l.cut()
	}
	<-done
}
