// Package mysqltest starts real MySQL and MariaDB servers for tests, and finds
// the real clients and tools that tests compare with. Servers are Debian
// packages, unpacked into a cache folder and run with their own loader:
// nothing is installed on the system, every test may have servers of its own,
// and a cached one answers within about a second. It is for tests only, so it
// alone of all libraries here takes a testing.TB.
//
// Three environment variables steer it: MYREPLAY_CACHE, the cache folder;
// MYREPLAY_DEBIAN_MIRROR, the mirror, when not that of apt's sources; and
// MYREPLAY_REQUIRE_SERVERS=1, which makes a failure of what would be skipped.
package mysqltest

import (
	"errors"
	"os"
	"testing"
)

// ErrUnavailable is wrapped by errors that say that this machine cannot have a
// server or a tool: no package tools, no network, no Debian mirror. It does not
// stand for servers that do not start.
var ErrUnavailable = errors.New("not to be had on this machine")

// Start starts a private server of the given kind and stops it, without
// ceremony, when the test ends. In -short mode the test is skipped; where no
// server can be had it is skipped too, unless nothing may be (see Required).
func Start(t testing.TB, kind Kind, opts ...Option) *Server {
	t.Helper()
	if testing.Short() {
		t.Skipf("needs a real server (%v): not in -short mode", kind)
	}
	s, err := Launch(kind, opts...)
	if err != nil {
		failOrSkip(t, err)
	}
	t.Cleanup(func() { s.cleanup(t) })
	return s
}

// cleanup ends the server and removes its folder. A server that ended by
// itself fails the test: whatever the test saw, it saw it of a dead server.
func (s *Server) cleanup(t testing.TB) {
	if tail, died := s.died(); died {
		t.Errorf("%v ended by itself; its log ends with:\n%s", s.Kind, tail)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close %v: %v", s.Kind, err)
	}
}

// Unavailable ends a test that lacks something: skipped with one line that says
// why, or failed where nothing may be skipped (see Required).
func Unavailable(t testing.TB, why error) {
	t.Helper()
	if Required() {
		t.Fatalf("%v (nothing may be skipped here)", why)
	}
	t.Skip(why)
}

// Required tells whether no test may be skipped for want of something: the
// environment variable CI is true, or MYREPLAY_REQUIRE_SERVERS is 1.
func Required() bool {
	ci := os.Getenv("CI")
	return ci == "true" || ci == "1" || os.Getenv("MYREPLAY_REQUIRE_SERVERS") == "1"
}

// failOrSkip ends the test: what is only unavailable may skip it.
func failOrSkip(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrUnavailable) {
		Unavailable(t, err)
	}
	t.Fatal(err)
}
