package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"myreplay/outcome"
	"myreplay/replay"
	"myreplay/session"
	"myreplay/target"
)

// route is where sessions of one source go.
type route struct {
	// source is the server's address and port; the address may be invalid: any of
	// this host.
	source netip.AddrPort
	urls   []*target.URL
	raw    []string      // as they were written
	to     *replayTarget // once connected to
}

// routes say where sessions go: one route for all, or one for each pair of -x.
type routes []*route

// pairRoutes are those of -x, of a protocol where one is named.
func pairRoutes(pairs pairs, spoken session.Protocol, targetTLS, ca string) (routes, error) {
	var list routes
	for _, p := range pairs {
		r, err := newRoute([]string{pairURL(p, spoken, targetTLS, ca)})
		if err != nil {
			return nil, err
		}
		r.source = p.Source
		list = append(list, r)
	}
	return list, nil
}

// newRoute is the route of all sessions to targets.
func newRoute(raw []string) (*route, error) {
	urls, err := parseTargets(raw)
	return &route{urls: urls, raw: raw}, err
}

// xPort is the port that the X Protocol is spoken on where nobody says otherwise.
const xPort = 33060

// pairURL writes the target of a pair as a URL. Where no protocol is named, the
// ports tell.
func pairURL(p mirrorPair, spoken session.Protocol, mode, ca string) string {
	scheme := "mysql"
	usual := p.Source.Port() == xPort || strings.HasSuffix(p.Target, ":33060")
	if spoken == session.X || spoken == session.Unknown && usual {
		scheme = "mysqlx"
	}
	query := url.Values{}
	for name, value := range map[string]string{"tls": mode, "ca": ca} {
		if value != "" {
			query.Set(name, value)
		}
	}
	u := url.URL{Scheme: scheme, Host: p.Target, Path: "/", RawQuery: query.Encode()}
	return u.String()
}

// urls returns all targets.
func (r routes) urls() (list []*target.URL) {
	for _, route := range r {
		list = append(list, route.urls...)
	}
	return list
}

// String names the targets for a reader.
func (r routes) String() string {
	var names []string
	for _, route := range r {
		names = append(names, targetNames(route.urls))
	}
	return strings.Join(names, ", ")
}

// open makes the targets, none of which is connected to yet.
func (r routes) open(a *targetArgs, o outcome.Options, threads int, prompt func() (string, error)) error {
	for _, route := range r {
		to, err := a.target(route.urls, o, threads, prompt)
		if err != nil {
			return err
		}
		route.to = to
	}
	return nil
}

// servers returns all servers.
func (r routes) servers() (list []*target.Server) {
	for _, route := range r {
		list = append(list, route.to.servers...)
	}
	return list
}

// errNoRoute is why a session is not replayed that no pair of -x speaks of.
var errNoRoute = errors.New("no target is named for this server: give it a pair with -x")

// of returns the route of a session.
func (r routes) of(s *session.Start) *route {
	for _, route := range r {
		any := !route.source.Addr().IsValid()
		if route.source.Port() == 0 || route.source.Port() == s.Server.Port() && (any || route.source.Addr() == s.Server.Addr().Unmap()) {
			return route
		}
	}
	return nil
}

// Connect implements replay.Target.
func (r routes) Connect(ctx context.Context, s *session.Start) (replay.Conn, error) {
	route := r.of(s)
	if route == nil {
		return nil, fmt.Errorf("%w (%s)", errNoRoute, s.Server)
	}
	c, err := route.to.Connect(ctx, s)
	if errors.Is(err, errNoTarget[session.X]) && route.source.Port() != 0 {
		err = fmt.Errorf("a session of the X Protocol on port %d: say --protocol x", s.Server.Port())
	}
	return c, err
}

// Live implements replay.Target. Servers number their connections each by
// itself, so that with several a number names none.
func (r routes) Live(copy, recorded uint32) (uint32, bool) {
	if len(r) != 1 {
		return 0, false
	}
	return r[0].to.Live(copy, recorded)
}

// Now implements replay.Target.
func (r routes) Now() int64 { return r[0].to.Now() }
