package feed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
)

// connect makes a connection on which the assistant has accepted the stream.
func (c *Client) connect(ctx context.Context) (*link, error) {
	soon, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	raw, err := c.dial(soon)
	if err != nil {
		return nil, fmt.Errorf("connecting to the assistant: %w", err)
	}
	live := newAlive(raw, decisionTime+deadAfter)
	conn := tls.Client(live, c.options.Keys.config())
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	l := &link{c: c, conn: conn, alive: live, failed: make(chan error, 1), acked: make(chan struct{}, 1)}
	l.r, l.w = newMessageReader(conn), newMessageWriter(conn)
	if err := conn.HandshakeContext(soon); err != nil {
		raw.Close()
		return nil, c.explain(err)
	}
	if err := l.greet(); err != nil {
		raw.Close()
		return nil, c.explain(err)
	}
	if ctx.Err() != nil {
		raw.Close()
		return nil, ctx.Err()
	}
	return l, nil
}

// explain says what an error of connecting means.
func (c *Client) explain(err error) error {
	var head tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &head):
		return fmt.Errorf("%s does not answer as an assistant: is it `myreplay assist` that listens there? (%w)", c.options.Addr, err)
	case errors.As(err, &op) && op.Op == "remote error":
		return fmt.Errorf("the assistant refused our key: %w, or it expired: %s (%w)", ErrKeys, newKeys, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the assistant closed the connection before it accepted the stream (%w)", err)
	}
	return fmt.Errorf("greeting the assistant: %w", err)
}

// greet introduces the stream and prepares what is to be sent.
func (l *link) greet() error {
	c := l.c
	c.mu.Lock()
	h := Hello{Version: Version, Tool: c.options.Tool, Stream: c.stream, Again: c.buffer.mark > 1, Options: c.options.Settings}
	c.mu.Unlock()
	err := errors.Join(l.w.preamble(), l.w.json(msgHello, h), l.w.flush())
	if err != nil {
		return err
	}
	if err := l.r.preamble(); err != nil {
		return err
	}
	m, body, err := l.r.next()
	if err != nil {
		return err
	}
	if m == msgBye {
		return &byeError{string(body)}
	}
	if m != msgReply {
		return protocolError("a %s in place of a hello reply", m)
	}
	reply, err := parseReply(body)
	if err != nil {
		return err
	}
	if reply.Error != "" {
		return fmt.Errorf("the assistant refused: %s", reply.Error)
	}
	l.window = reply.Window
	return l.begin(&reply)
}

// begin makes the buffer ready for what the assistant wants.
func (l *link) begin(reply *helloReply) error {
	c := l.c
	c.mu.Lock()
	if !reply.Known && c.buffer.mark > 1 {
		r := c.buffer.restart(c.snapshot)
		c.stats.Restarted++
		c.snapshot = nil
		c.mu.Unlock()
		err := r.work()
		c.mu.Lock()
		c.buffer.finish(r)
		if err != nil {
			c.mu.Unlock()
			return err
		}
	}
	defer c.mu.Unlock()
	if err := c.buffer.resume(reply.Next, reply.Acked); err != nil {
		c.stream = newID() // there is no way to go on with this one
		return err
	}
	l.alive.patience = deadAfter
	c.snapshot = nil
	c.stats.Instance = reply.Instance
	c.stats.Up, c.stats.Trouble = true, ""
	return nil
}
