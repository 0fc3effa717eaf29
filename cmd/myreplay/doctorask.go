package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"myreplay/classic"
	"myreplay/clientip"
	"myreplay/session"
)

const (
	// maxAsked is how many rows of an answer are read.
	maxAsked = 1000
	// maxGreeting is the longest greeting that is taken for one.
	maxGreeting = 4 << 10
	// asClient are the capabilities of a plain client.
	asClient = classic.LongPassword | classic.Protocol41 | classic.Transactions | classic.SecureConnection | classic.PluginAuth
)

// dialFrom returns a target.Options.Dial that connects from an address.
func dialFrom(to string, from netip.Addr) func(context.Context, *session.Start) (net.Conn, error) {
	return func(ctx context.Context, _ *session.Start) (net.Conn, error) {
		c, _, err := clientip.Dial(ctx, probeFrom(from, to))
		return c, err
	}
}

// Lookup implements doctorHost.
func (thisHost) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i, a := range list {
		list[i] = a.Unmap()
	}
	return list, err
}

// Dial implements doctorHost.
func (thisHost) Dial(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	c, _, err := clientip.Dial(ctx, probeFrom(netip.Addr{}, addr))
	if err == nil {
		c.Close()
	}
	return err
}

// Greet implements doctorHost.
func (thisHost) Greet(ctx context.Context, addr string, from netip.Addr) (f greetingFacts, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	c, got, err := clientip.Dial(ctx, probeFrom(from, addr))
	if err != nil {
		return f, err
	}
	defer c.Close()
	f.From = got.From
	c.SetDeadline(time.Now().Add(probeTimeout))
	var head [classic.HeaderLen]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return f, fmt.Errorf("no greeting: %w", err)
	}
	length := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if length == 0 || length > maxGreeting || head[3] != 0 {
		return f, errors.New("it is no MySQL server of the classic protocol")
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(c, payload); err != nil {
		return f, fmt.Errorf("no whole greeting: %w", err)
	}
	if payload[0] == 0xff {
		var e classic.ERR
		if err := e.Decode(payload); err != nil {
			return f, err
		}
		return f, &session.Error{Code: e.Code, State: string(e.State), Message: string(e.Message)}
	}
	var g classic.Greeting
	if err := g.Decode(payload); err != nil {
		return f, err
	}
	f.Version, f.TLS = versionText(g.Version), g.Capabilities.Has(classic.SSL)
	return f, nil
}

// versionText is a version without the "5.5.5-" that MariaDB puts before its own
// in greetings.
func versionText(v string) string {
	if rest, ok := strings.CutPrefix(v, "5.5.5-"); ok && strings.Contains(v, "MariaDB") {
		return rest
	}
	return v
}

// Ask implements doctorHost.
func (thisHost) Ask(ctx context.Context, r serverRequest) (f serverFacts) {
	server, err := r.server()
	if err != nil {
		return serverFacts{Err: err}
	}
	start := &session.Start{Protocol: r.URL.Protocol, Login: session.Login{Known: true, User: r.User, Schema: r.URL.Schema}}
	if r.URL.Protocol == session.X {
		c, err := server.ConnectX(ctx, start)
		if err != nil {
			return serverFacts{Err: err}
		}
		defer c.Close()
		return serverFacts{Account: c.Start().Login.User, Version: c.Start().ServerVersion, Asked: errors.New("over the X Protocol only the login is tried")}
	}
	start.Login.Capabilities = uint64(asClient)
	c, err := server.Connect(ctx, start)
	if err != nil {
		return serverFacts{Err: err}
	}
	defer c.Close()
	f = serverFacts{Version: versionText(c.ServerVersion()), Account: c.Start().Login.User}
	q := asker{do: func(cmd *session.Command) (*session.Reply, error) {
		a, err := c.Do(cmd, nil)
		return a.Reply, err
	}}
	f.Values, f.Clock, f.Asked = q.values()
	if f.Asked == nil {
		f.Grants = q.grants()
		f.Identity = identity(f.Values["hostname"], f.Values["datadir"], f.Values["port"], f.Values["server_id"])
	}
	return f
}

// identity names a server. Its UUID would not do: a copy of a server's files has
// the same.
func identity(hostname, datadir, port, id string) string {
	return hostname + ":" + datadir + ":" + port + ":" + id
}

// Source implements doctorHost.
func (thisHost) Source(ctx context.Context, a *sourceArgs) (f sourceFacts) {
	server, err := a.open(ctx)
	if err != nil {
		return sourceFacts{Err: err}
	}
	defer server.Close()
	if f.About, err = server.About(ctx); err != nil {
		return sourceFacts{Err: err}
	}
	sessions, err := server.Sessions(ctx)
	if err != nil {
		return sourceFacts{Err: err}
	}
	f.Sessions, f.Remarks = sessions.Len(), sessions.Remarks()
	return f
}

// asker sends statements.
type asker struct {
	do  func(*session.Command) (*session.Reply, error)
	seq uint64
}

// rows returns the rows of a statement, as text; NULL is "".
func (q *asker) rows(sql string) ([][]string, error) {
	q.seq++
	payload := classic.AppendQuery(nil, asClient, sql)
	reply, err := q.do(&session.Command{Seq: q.seq, Kind: session.Query, Code: byte(classic.ComQuery), Payload: payload,
		Size: uint64(len(payload)), SQL: []byte(sql)})
	switch {
	case err != nil:
		return nil, err
	case reply == nil || len(reply.Results) == 0:
		return nil, errors.New("the server gave no answer")
	case reply.Err() != nil:
		return nil, reply.Err()
	}
	r := &reply.Results[0]
	if r.Columns == nil {
		return nil, nil
	}
	var rows [][]string
	for _, kept := range r.Kept {
		row := make([]string, len(r.Columns.List))
		if err := classic.TextRow(kept, len(row), func(i int, value []byte, _ bool) {
			row[i] = string(value)
		}); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// asked are the values that are asked for; all servers know them.
var asked = []string{"@@version", "@@read_only", "@@max_connections", "@@hostname", "@@datadir", "@@port", "@@server_id", "CURRENT_USER()"}

// values asks for them, and for the server's clock against this host's.
func (q *asker) values() (map[string]string, time.Duration, error) {
	rows, err := q.rows("SELECT " + strings.Join(asked, ", "))
	if err != nil {
		return nil, 0, err
	}
	values := map[string]string{}
	for _, row := range rows {
		for i, name := range asked {
			values[strings.TrimPrefix(name, "@@")] = row[i]
		}
	}
	before := time.Now()
	rows, err = q.rows("SELECT UTC_TIMESTAMP(6)")
	if err != nil || len(rows) != 1 {
		return values, 0, err
	}
	here := before.Add(time.Since(before) / 2)
	there, err := time.Parse("2006-01-02 15:04:05.999999", rows[0][0])
	return values, there.Sub(here), err
}

// grants asks what the account may do; nil when the server does not tell, as one
// without grant tables.
func (q *asker) grants() []string {
	rows, err := q.rows("SHOW GRANTS")
	if err != nil {
		return nil
	}
	list := []string{}
	for _, row := range rows {
		list = append(list, row...)
	}
	return list
}
