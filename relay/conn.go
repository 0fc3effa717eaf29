package relay

import (
	"context"
	"net"

	"myreplay/flow"
	"myreplay/gate"
)

// conn is one connection that is passed on.
type conn struct {
	relay *Relay
	ends  [2]net.Conn // by flow.Side, as they were accepted and dialled
	told  teller
}

// serve passes one client's connection on. It returns when the connection has
// ended or a loop has taken it.
func (r *Relay) serve(ctx context.Context, d *door, client net.Conn) {
	server, err := r.dial(ctx, d, client)
	if err != nil {
		r.stats.Refused.Add(1)
		r.stats.fail("connecting to "+d.To, err)
		client.Close()
		return
	}
	c := r.begin(client, server)
	way, err := c.open(ctx, d.gate)
	if err != nil {
		r.stats.Failed.Add(1)
		r.stats.fail("login", err)
		c.end(flow.Client, flow.Finished)
		return
	}
	if way.Opaque {
		r.stats.Opaque.Add(1)
	}
	if way.Follow == nil && r.hand(c, way) {
		return
	}
	first, why := c.pass(ctx, way)
	c.end(first, why)
}

// begin notes that a connection has begun.
func (r *Relay) begin(client, server net.Conn) *conn {
	c := &conn{relay: r, ends: [2]net.Conn{client, server}}
	c.told = teller{queue: r.queue, stats: &r.stats}
	r.stats.Connections.Add(1)
	r.stats.Open.Add(1)
	r.mu.Lock()
	r.own[c] = struct{}{}
	if r.cutting {
		c.close()
	}
	r.mu.Unlock()
	if r.options.Look {
		c.told.begin(&flow.Conn{ID: r.ids.Add(1), Client: addrOf(client.RemoteAddr()), Server: addrOf(server.RemoteAddr())})
	}
	return c
}

// open takes the connection through its login where that is to be understood.
func (c *conn) open(ctx context.Context, g *gate.Gate) (*gate.Passage, error) {
	if g == nil {
		return &gate.Passage{Client: c.ends[flow.Client], Server: c.ends[flow.Server]}, nil
	}
	return g.Open(ctx, c.ends[flow.Client], c.ends[flow.Server], &c.told)
}

// hand gives a connection of two bare sockets to a loop.
func (r *Relay) hand(c *conn, way *gate.Passage) bool {
	if len(r.loops) == 0 || !bare(way.Client) || !bare(way.Server) {
		return false
	}
	loop := r.loops[int(r.next.Add(1))%len(r.loops)]
	r.running.Add(1)
	look := c.told.conn != nil && !way.Opaque
	if !loop.join(way.Client, way.Server, &c.told, look, c.finish) {
		r.running.Done()
		return false
	}
	r.disown(c)
	c.ends = [2]net.Conn{}
	return true
}

// finish ends a connection that a loop has passed on.
func (c *conn) finish(first flow.Side, why flow.Reason) {
	c.told.end(first, why)
	c.relay.stats.Open.Add(-1)
	c.relay.running.Done()
}

// end ends a connection that a goroutine has passed on.
func (c *conn) end(first flow.Side, why flow.Reason) {
	if c.relay.disown(c) {
		why = flow.SourceEnded
	}
	c.close()
	c.told.end(first, why)
	c.relay.stats.Open.Add(-1)
}

// disown forgets a connection that no goroutine passes on any more, and tells
// whether connections are being cut.
func (r *Relay) disown(c *conn) (cutting bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.own, c)
	return r.cutting
}

func (c *conn) close() {
	c.ends[flow.Client].Close()
	c.ends[flow.Server].Close()
}

// bare tells whether a connection is a socket and nothing else.
func bare(c net.Conn) bool {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}
