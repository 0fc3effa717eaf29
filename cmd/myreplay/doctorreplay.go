package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"myreplay/capfile"
	"myreplay/session"
	"myreplay/target"
)

// maxRead is how many events of a capture are read to learn who is in it.
const maxRead = 2_000_000

// doctorReplay is `doctor replay`.
type doctorReplay struct {
	doctorArgs
	output string
	writes bool
}

func doctorReplayCommand(h doctorHost) *cobra.Command {
	a := &doctorReplay{doctorArgs: doctorArgs{host: h}}
	c := &cobra.Command{
		Use:   "replay CAPTURE TARGET [TARGET]",
		Short: "Check what a replay needs",
		Long: `Check that the capture can be read and the run written, that the targets are
reached, are not the server that was recorded, let in everybody who is in the
capture, and grant enough; and tell how their versions differ.`,
		Example: `  myreplay doctor replay prod mysql://replay@10.0.0.5/ --writes`,
		Args:    cobra.RangeArgs(2, 3),
		RunE:    func(c *cobra.Command, args []string) error { return a.main(c, args[0], args[1:]) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVarP(&a.output, "output", "o", "", "where the run is to be written: `DIR` (default: beside the capture)")
	f.BoolVar(&a.writes, "writes", false, "writes are to be sent, too")
	a.flags(c)
	return c
}

func (a *doctorReplay) main(c *cobra.Command, path string, raw []string) error {
	urls, err := parseTargets(raw)
	if err != nil {
		return err
	}
	return a.doctorArgs.run(c, func(ctx context.Context, d *doctor) error {
		seen, err := lookInto(ctx, path)
		if err != nil {
			d.wrong("capture "+path, err.Error())
			seen = &inCapture{}
		} else {
			d.captureFacts(path, seen)
		}
		for _, u := range urls {
			names := slices.Sorted(maps.Keys(seen.users[u.Protocol]))
			if a.credentials == "" {
				names = nil // one user for all, or --auth any
			} else if len(names) > maxUsers {
				d.note("credentials", "only the first %d of %d users are tried", maxUsers, len(names))
				names = names[:maxUsers]
			}
			if err := a.doctorArgs.targets(ctx, d, []*target.URL{u}, names, netip.Addr{}, a.writes); err != nil {
				return err
			}
		}
		d.notSource(ctx, urls, seen.servers)
		d.versions(seen)
		a.room(d, path)
		return nil
	})
}

// inCapture is what a capture has.
type inCapture struct {
	sessions, commands int
	joined, unread     int
	all                bool // it was read to its end
	users              map[session.Protocol]map[string]bool
	versions           map[string]bool
	servers            []netip.AddrPort
	damage             []capfile.Damage
}

// lookInto reads a capture.
func lookInto(ctx context.Context, path string) (*inCapture, error) {
	is, err := isCapture(path)
	if err != nil {
		return nil, err
	}
	if !is {
		return nil, errors.New("it is a packet file: this looks at captures only (capture --read makes one)")
	}
	r, err := capfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Meta().Kind == capfile.KindRun {
		return nil, errors.New("it is a run: replay the capture that it was made from")
	}
	s := &inCapture{users: map[session.Protocol]map[string]bool{}, versions: map[string]bool{}}
	for range maxRead {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			s.all = true
			break
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return nil, err
		}
		s.see(e)
	}
	s.damage = r.Damage()
	return s, nil
}

func (s *inCapture) see(e session.Event) {
	switch e := e.(type) {
	case *session.Command:
		s.commands++
	case *session.Start:
		s.sessions++
		if e.Joined {
			s.joined++
		}
		if e.Unread() {
			s.unread++
		}
		if e.ServerVersion != "" && len(s.versions) < maxUsers {
			s.versions[versionText(e.ServerVersion)] = true
		}
		if e.Server.IsValid() && len(s.servers) < capfile.MaxServers && !slices.Contains(s.servers, e.Server) {
			s.servers = append(s.servers, e.Server)
		}
		if e.Login.Known && e.Refused == nil {
			if s.users[e.Protocol] == nil {
				s.users[e.Protocol] = map[string]bool{}
			}
			s.users[e.Protocol][e.Login.User] = true
		}
	}
}

// captureFacts looks at what a capture has.
func (d *doctor) captureFacts(path string, s *inCapture) {
	about := "capture " + path
	more := ""
	if !s.all {
		more = " in its first part"
	}
	switch {
	case s.sessions == 0:
		d.wrong(about, "no session is in it")
	case s.commands == 0:
		d.wrong(about, count(s.sessions, "session")+" and no command: were they encrypted?")
	default:
		d.ok(about, "%s, %s%s", count(s.sessions, "session"), count(s.commands, "command"), more)
	}
	if len(s.damage) > 0 {
		d.note(about, "%s damaged: what is in them is left out ('show --verify' says more)", count(len(s.damage), "part"))
	}
	if s.joined > 0 {
		d.note(about, "%s joined in mid-life: what they had set up before is not known", count(s.joined, "session"))
	}
	if s.unread > 0 {
		d.note(about, "%s encrypted: they can't be replayed", count(s.unread, "session"))
	}
}

// versions compares the servers' versions with those of the targets that were
// reached.
func (d *doctor) versions(s *inCapture) {
	if len(s.versions) == 0 || len(d.reached) == 0 {
		return
	}
	recorded := strings.Join(slices.Sorted(maps.Keys(s.versions)), ", ")
	for _, v := range d.reached {
		if s.versions[v] && len(s.versions) == 1 {
			d.ok("versions", "source and target are both %s", v)
		} else {
			d.note("versions", "the source was %s, the target is %s: some differences will be for that", recorded, v)
		}
	}
}

// room looks at where the run is to be written.
func (a *doctorReplay) room(d *doctor, path string) {
	dir := a.output
	if dir == "" {
		dir = filepath.Dir(strings.TrimRight(path, "/"))
	}
	d.disk("run", dir)
}

// credentialNames are the users that a credentials file names; "" stands for all
// others.
func credentialNames(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	groups, err := target.ReadOptionFile(f)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, g := range groups {
		name := g.Name
		if name == "*" {
			name = ""
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}
