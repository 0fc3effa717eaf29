package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/zeebo/xxh3"

	"myreplay/capture"
	"myreplay/session"
	"myreplay/target"
)

// mirrorFilter chooses the sessions that are copied.
type mirrorFilter struct {
	users, schemas []string
	ramp           time.Duration
	full, gradual  bool
	file           string

	share  float64 // of -r
	began  time.Time
	chosen atomic.Pointer[choice]
}

// choice is what a filter file can change while the mirror runs.
type choice struct {
	users, schemas map[string]bool
	share          float64
}

func (m *mirrorFilter) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVar(&m.users, "users", nil, "only sessions of these users")
	f.StringSliceVar(&m.schemas, "schemas", nil, "only sessions with these default schemas at login")
	f.DurationVar(&m.ramp, "ramp", 0, "begin with few of the sessions, and reach all (or -r of them) after this time")
	f.BoolVarP(&m.full, "full-sessions", "O", false, "only sessions that begin while the mirror runs")
	f.StringVar(&m.file, "filter-file", "", "users, schemas and share from the [filter] group of `FILE`, which SIGHUP reads again")
}

// tcpcopyRamp is how long TCPCopy takes to reach all sessions, one percent a
// second.
const tcpcopyRamp = 100 * time.Second

// begin readies the filter. share is the part of the sessions that is copied, 0
// stands for all.
func (m *mirrorFilter) begin(share float64) error {
	m.share, m.began = 1, time.Now()
	if m.gradual {
		m.ramp = tcpcopyRamp
	}
	if share > 0 {
		m.share = share
	}
	return m.read()
}

// read reads the filter file, if there is one.
func (m *mirrorFilter) read() error {
	c := &choice{users: set(m.users), schemas: set(m.schemas), share: m.share}
	if m.file != "" {
		if err := c.read(m.file); err != nil {
			return fmt.Errorf("%s: %w", m.file, err)
		}
	}
	m.chosen.Store(c)
	return nil
}

func (c *choice) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	groups, err := target.ReadOptionFile(f)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.Name != "filter" {
			return fmt.Errorf("line %d: [%s]: there is only [filter]", g.Line, g.Name)
		}
		for _, o := range g.Options {
			switch o.Name {
			case "users":
				c.users = set(strings.Split(o.Value, ","))
			case "schemas":
				c.schemas = set(strings.Split(o.Value, ","))
			case "share":
				var s share
				if err := s.Set(o.Value); err != nil {
					return fmt.Errorf("line %d: %w", o.Line, err)
				}
				c.share = float64(s)
			default:
				return fmt.Errorf("line %d: no option %q: there are users, schemas, share", o.Line, o.Name)
			}
		}
	}
	return nil
}

// choose tells whether a session is copied.
func (m *mirrorFilter) choose(s *session.Start) bool {
	c := m.chosen.Load()
	switch {
	case m.full && s.Joined,
		c.users != nil && !c.users[s.Login.User],
		c.schemas != nil && !c.schemas[s.Login.Schema]:
		return false
	}
	share := c.share
	if m.ramp > 0 {
		share *= min(1, float64(time.Since(m.began))/float64(m.ramp))
	}
	return share >= 1 || position(s) < share
}

// position places a session in 0..1 by its client's address and port, so that
// the same share takes the same ones.
func position(s *session.Start) float64 {
	addr := s.Client.Addr().As16()
	b := binary.LittleEndian.AppendUint16(addr[:], s.Client.Port())
	return float64(xxh3.Hash(b)>>11) / (1 << 53)
}

// chosenSink passes on what belongs to sessions that are copied.
type chosenSink struct {
	capture.Sink
	choose func(*session.Start) bool
	left   map[uint64]bool // sessions that are not
}

// Write implements capture.Sink.
func (c *chosenSink) Write(e session.Event) error {
	id, _ := e.Key()
	if s, ok := e.(*session.Start); ok && !c.choose(s) {
		c.left[id] = true
	}
	if !c.left[id] {
		return c.Sink.Write(e)
	}
	if _, ends := e.(*session.End); ends {
		delete(c.left, id)
	}
	return nil
}
