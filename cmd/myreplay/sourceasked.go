package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"

	"myreplay/capture"
	"myreplay/mirror"
	"myreplay/probe"
	"myreplay/session"
	"myreplay/target"
)

// sourceArgs say how the source server is asked about its sessions.
type sourceArgs struct {
	url, defaultsFile string
}

func (a *sourceArgs) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.url, "source", "", "ask the source server (`URL`, as for a target) what sessions that are open already had before; the password comes from MYREPLAY_SOURCE_PWD or --source-defaults-file")
	f.StringVar(&a.defaultsFile, "source-defaults-file", "", "user and password for --source, from the [client] group of `FILE`")
}

// probeName is the program_name that connections to the source have, so that
// they can be told from its clients'.
const probeName = "myreplay probe"

// askedSource is what the source told about its sessions.
type askedSource struct {
	sessions *probe.Sessions
	// own are the addresses that it was asked from.
	own []netip.AddrPort
	// port, when not 0, is the source's: sessions of other servers are mirrored,
	// too.
	port uint16
	// found counts sessions that were open before and that the source told of.
	found atomic.Int64
	// What was seen of the sessions that asked.
	asking mirror.SourceFigures
	mu     sync.Mutex // guards asking
}

// ask asks a mirror's source about its sessions; nil when it is not to be asked. several:
// sessions of other servers are mirrored, too.
func (a *sourceArgs) ask(ctx context.Context, c *cobra.Command, several bool) (*askedSource, error) {
	if a.url == "" {
		return nil, nil
	}
	server, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	return a.sessions(ctx, c.ErrOrStderr(), server, several)
}

// sessions asks the source about its sessions, by an open connection, and tells
// errs what it did not say.
func (a *sourceArgs) sessions(ctx context.Context, errs io.Writer, server *probe.Server, several bool) (*askedSource, error) {
	sessions, err := server.Sessions(ctx)
	if err != nil {
		return nil, fmt.Errorf("--source: %w", err)
	}
	for _, r := range sessions.Remarks() {
		fmt.Fprintln(errs, "source:", r)
	}
	asked := &askedSource{sessions: sessions, own: server.Own()}
	if several {
		asked.port = a.port()
	}
	return asked, nil
}

// port is the source's, 0 where it is asked by a socket.
func (a *sourceArgs) port() uint16 {
	u, err := target.Parse(a.url)
	if err != nil || u.Network != "tcp" {
		return 0
	}
	addr, err := net.ResolveTCPAddr("tcp", u.Address)
	if err != nil {
		return 0
	}
	return uint16(addr.Port)
}

// open connects to the source.
func (a *sourceArgs) open(ctx context.Context) (*probe.Server, error) {
	u, err := target.Parse(a.url)
	if err != nil {
		return nil, fmt.Errorf("--source: %w", err)
	}
	account := targetArgs{defaultsFile: a.defaultsFile}
	user, password, err := account.sourceAccount(u)
	if err != nil {
		return nil, err
	}
	server, err := openProbe(ctx, u, user, password)
	if err != nil && password == "" {
		return nil, fmt.Errorf("--source %s: %w; its password comes from MYREPLAY_SOURCE_PWD or --source-defaults-file", u, err)
	}
	if err != nil {
		return nil, fmt.Errorf("--source %s: %w", u, err)
	}
	return server, nil
}

// sourceAccount finds who asks the source.
func (a *targetArgs) sourceAccount(u *target.URL) (user, password string, err error) {
	user, p, err := a.optionFile()
	if err != nil {
		return "", "", err
	}
	if u.User != "" {
		user = u.User
	}
	if user == "" {
		return "", "", errors.New("--source: who asks? mysql://USER@host/")
	}
	if word, ok := os.LookupEnv("MYREPLAY_SOURCE_PWD"); ok {
		return user, word, nil
	}
	if p != nil {
		return user, *p, nil
	}
	return user, "", nil
}

// figures leaves the sessions that asked the source out of what was seen of it.
func (a *askedSource) figures(f *mirror.SourceFigures) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	f.Sessions -= a.asking.Sessions
	f.Open -= a.asking.Open
	f.Joined -= a.asking.Joined
	f.Encrypted -= a.asking.Encrypted
	f.Commands -= a.asking.Commands
	f.Replies -= a.asking.Replies
	f.Masked -= a.asking.Masked
}

// see counts an event of a session that asked.
func (a *askedSource) see(e session.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch e := e.(type) {
	case *session.Start:
		a.asking.Sessions++
		a.asking.Open++
		if e.Joined {
			a.asking.Joined++
		}
		if e.Unread() {
			a.asking.Encrypted++
		}
	case *session.Command:
		a.asking.Commands++
		if e.Masked {
			a.asking.Masked++
		}
	case *session.Reply:
		a.asking.Replies++
	case *session.End:
		a.asking.Open--
	}
}

// notingSink adds what the source told to sessions that were open before, and
// leaves out the sessions that asked it.
type notingSink struct {
	capture.Sink
	asked *askedSource
	own   map[uint64]bool
	// noted are those that the source told of and that have begun: another session
	// from there is a later one.
	noted map[origin]bool
}

// origin is where a session comes from.
type origin struct {
	client   netip.AddrPort
	protocol session.Protocol
}

func newNotingSink(to capture.Sink, asked *askedSource) *notingSink {
	return &notingSink{Sink: to, asked: asked, own: map[uint64]bool{}, noted: map[origin]bool{}}
}

// Write implements capture.Sink.
func (n *notingSink) Write(e session.Event) error {
	id, _ := e.Key()
	s, ok := e.(*session.Start)
	if ok && n.asked.asks(s) {
		n.own[id] = true
	}
	if n.own[id] {
		n.asked.see(e)
		if _, ends := e.(*session.End); ends {
			delete(n.own, id)
		}
		return nil
	}
	if ok {
		e = n.note(s)
	}
	return n.Sink.Write(e)
}

// note returns the Start with what the source told, where that is about it.
func (n *notingSink) note(s *session.Start) *session.Start {
	if n.asked.port != 0 && s.Server.Port() != n.asked.port && s.Protocol != session.X {
		return s
	}
	p := origin{s.Client, s.Protocol}
	if n.noted[p] {
		return s
	}
	if _, _, known := n.asked.sessions.Find(s.Client, s.Protocol); !known {
		return s
	}
	n.noted[p] = true
	if !s.Joined {
		return s
	}
	noted := *s
	if n.asked.sessions.Note(&noted) {
		noted.State = capture.MaskState(noted.State)
		n.asked.found.Add(1)
	}
	return &noted
}

// asks tells whether a session is one that asks the source.
func (a *askedSource) asks(s *session.Start) bool {
	if slices.Contains(a.own, netip.AddrPortFrom(s.Client.Addr().Unmap(), s.Client.Port())) {
		return true
	}
	for _, a := range s.Login.Attributes {
		if a.Name == "program_name" && a.Value == probeName {
			return true
		}
	}
	return false
}
