package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"myreplay/outcome"
	"myreplay/replay"
	"myreplay/session"
	"myreplay/target"
)

// targetArgs say where a replay goes and who logs in.
type targetArgs struct {
	user, credentials, auth, defaultsFile string
	schemas                               map[string]string
	replyTimeout, connectTimeout          time.Duration
	// dial, when not nil, returns what connects to a target instead of the net
	// package.
	dial func(*target.URL) func(context.Context, *session.Start) (net.Conn, error)
	// values: those that the source made up are mapped (--pin values).
	values bool
}

func (a *targetArgs) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&a.user, "user", "u", "", "one `USER` for all sessions; the password comes from MYSQL_PWD, an option file or the prompt")
	f.StringVar(&a.credentials, "credentials", "", "recorded users and their passwords on the target, from `FILE` (see docs/PROTOCOLS.md)")
	f.StringVar(&a.auth, "auth", "", "any: the target lets everybody in (--skip-grant-tables), so log in as recorded without passwords")
	f.StringVar(&a.defaultsFile, "defaults-file", "", "read user and password from the [client] group of `FILE` instead of ~/.my.cnf")
	f.StringToStringVar(&a.schemas, "map-schema", nil, "schemas that have another name on the target, as `OLD=NEW`: at login, in USE and INIT_DB")
	f.DurationVar(&a.replyTimeout, "reply-timeout", 0, "give up a connection whose reply takes longer")
	f.DurationVar(&a.connectTimeout, "connect-timeout", target.DefaultConnectTimeout, "how long connecting and logging in may take")
}

// maxThreads is how many sessions may keep a thread each in a replay without
// pauses.
const maxThreads = 64

// server returns the target. threads is how many sessions may keep one.
func (a *targetArgs) server(u *target.URL, o outcome.Options, threads int, prompt func() (string, error)) (*target.Server, error) {
	users, err := a.users(u, prompt)
	if err != nil {
		return nil, err
	}
	to := target.Options{Outcome: o, Users: users, Schemas: a.schemas,
		ConnectTimeout: a.connectTimeout, ReplyTimeout: a.replyTimeout, Threads: threads, Values: a.values}
	if a.dial != nil && u.Network == "tcp" {
		to.Dial = a.dial(u)
	}
	return target.New(u, to)
}

// users tells who logs in.
func (a *targetArgs) users(u *target.URL, prompt func() (string, error)) (target.Users, error) {
	switch {
	case a.auth == "any":
		if a.user != "" || a.credentials != "" {
			return target.Users{}, errors.New("--auth any logs in as recorded: leave --user and --credentials out")
		}
		return target.AnyUser(), nil
	case a.auth != "":
		return target.Users{}, fmt.Errorf("--auth %s: there is only --auth any", a.auth)
	case a.credentials != "":
		f, err := os.Open(a.credentials)
		if err != nil {
			return target.Users{}, err
		}
		defer f.Close()
		return target.ParseCredentials(f)
	}
	user, password, err := a.account(u, prompt)
	return target.OneUser(user, password), err
}

// errNobody is why a target can't be logged in to that nobody is named for.
var errNobody = errors.New("who logs in on the target? give one user for all (mysql://USER@host/ or --user), a file with the recorded users' passwords (--credentials), or --auth any for a server without grant tables")

// account finds the one user and the password: from the command line, the URL
// and MYSQL_PWD, else from an option file, else from a prompt.
func (a *targetArgs) account(u *target.URL, prompt func() (string, error)) (user, password string, err error) {
	file, filePassword, err := a.optionFile()
	if err != nil {
		return "", "", err
	}
	user = a.user
	if user == "" {
		user = u.User
	}
	if user == "" {
		user = file
	}
	if user == "" {
		return "", "", errNobody
	}
	if p, ok := os.LookupEnv("MYSQL_PWD"); ok {
		return user, p, nil
	}
	if filePassword != nil && (file == "" || file == user) {
		return user, *filePassword, nil
	}
	if prompt != nil {
		password, err = prompt()
	}
	return user, password, err
}

// askPassword asks for the password of the one user on the terminal, where it is
// needed and not given; it is kept in the environment, for a process that goes on
// in the background.
func (a *targetArgs) askPassword(urls []*target.URL) error {
	prompt := passwordPrompt()
	if prompt == nil || a.auth != "" || a.credentials != "" || len(urls) == 0 {
		return nil
	}
	_, _, err := a.account(urls[0], func() (string, error) {
		word, err := prompt()
		return word, errors.Join(err, os.Setenv("MYSQL_PWD", word))
	})
	return err
}

// optionFile reads user and password from the [client] and [myreplay] groups.
func (a *targetArgs) optionFile() (user string, password *string, err error) {
	path := a.defaultsFile
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", nil, nil
		}
		path = filepath.Join(home, ".my.cnf")
	}
	f, err := os.Open(path)
	if err != nil {
		if a.defaultsFile == "" && errors.Is(err, os.ErrNotExist) {
			return "", nil, nil
		}
		return "", nil, err
	}
	defer f.Close()
	groups, err := target.ReadOptionFile(f)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, g := range groups {
		if g.Name != "client" && g.Name != "myreplay" {
			continue
		}
		for _, o := range g.Options {
			switch o.Name {
			case "user":
				user = o.Value
			case "password":
				password = &o.Value
			}
		}
	}
	return user, password, nil
}

// passwordPrompt asks on the terminal; nil when there is none.
func passwordPrompt() func() (string, error) {
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		return nil
	}
	return func() (string, error) {
		fmt.Fprint(os.Stderr, "Password for the target: ")
		b, err := term.ReadPassword(fd)
		fmt.Fprintln(os.Stderr)
		return string(b), err
	}
}

// askedOnce returns a prompt that asks the first time only; nil stays nil.
func askedOnce(prompt func() (string, error)) func() (string, error) {
	if prompt == nil {
		return nil
	}
	return sync.OnceValues(prompt)
}

// replayTarget makes target.Servers, one a protocol, a replay.Target.
type replayTarget struct {
	servers  []*target.Server
	protocol map[session.Protocol]*target.Server
	// apart: the servers are not one, so that nobody can tell which of them an id
	// to KILL is from.
	apart bool
}

// newTarget returns the target that the servers make.
func newTarget(urls []*target.URL, servers []*target.Server) *replayTarget {
	t := &replayTarget{servers: servers, protocol: map[session.Protocol]*target.Server{}}
	for i, u := range urls {
		t.protocol[u.Protocol] = servers[i]
		t.apart = t.apart || u.Host != urls[0].Host
	}
	return t
}

// parseTargets reads the targets' URLs, one a protocol.
func parseTargets(raw []string) ([]*target.URL, error) {
	var urls []*target.URL
	for _, r := range raw {
		u, err := target.Parse(r)
		if err != nil {
			return nil, err
		}
		if len(urls) > 0 && urls[0].Protocol == u.Protocol {
			return nil, errors.New("two targets are for two protocols: mysql:// and mysqlx://")
		}
		urls = append(urls, u)
	}
	return urls, nil
}

// targetNames names the targets for a reader.
func targetNames(urls []*target.URL) string {
	var names []string
	for _, u := range urls {
		names = append(names, u.String())
	}
	return strings.Join(names, " and ")
}

// target returns the target that the URLs name.
func (a *targetArgs) target(urls []*target.URL, o outcome.Options, threads int, prompt func() (string, error)) (*replayTarget, error) {
	var servers []*target.Server
	for _, u := range urls {
		s, err := a.server(u, o, threads, prompt)
		if err != nil {
			return nil, err
		}
		servers = append(servers, s)
	}
	return newTarget(urls, servers), nil
}

// String names the target for a reader.
func (t *replayTarget) String() string {
	var names []string
	for _, s := range t.servers {
		names = append(names, s.String())
	}
	return strings.Join(names, " and ")
}

// errNoTarget is why sessions of a protocol are not replayed that no target
// speaks.
var errNoTarget = map[session.Protocol]error{
	session.X:       errors.New("a session of the X Protocol: give its target as mysqlx://user@host:33060/, too"),
	session.Classic: errors.New("a session of the classic protocol: give its target as mysql://user@host:3306/, too"),
}

// Connect implements replay.Target.
func (t *replayTarget) Connect(ctx context.Context, s *session.Start) (replay.Conn, error) {
	switch server := t.protocol[s.Protocol]; {
	case server == nil && errNoTarget[s.Protocol] != nil:
		return nil, errNoTarget[s.Protocol]
	case s.Protocol == session.X:
		c, err := server.ConnectX(ctx, s)
		if err != nil {
			return nil, err
		}
		return xReplayConn{c}, nil
	default:
		if server == nil {
			server = t.servers[0]
		}
		c, err := server.Connect(ctx, s)
		if err != nil {
			return nil, err
		}
		return replayConn{c}, nil
	}
}

// Live implements replay.Target: a session of either protocol may kill one of
// the other.
func (t *replayTarget) Live(copy, recorded uint32) (uint32, bool) {
	if t.apart {
		return 0, false
	}
	for _, s := range t.servers {
		if id, ok := s.Live(copy, recorded); ok {
			return id, true
		}
	}
	return 0, false
}

// Now implements replay.Target.
func (t *replayTarget) Now() int64 { return t.servers[0].Now() }

// threads is how many connections keep a thread.
func (t *replayTarget) threads() int {
	n := 0
	for _, s := range t.servers {
		n += s.Threads()
	}
	return n
}

// xReplayConn makes a target.XConn a replay.Pipeline.
type xReplayConn struct{ *target.XConn }

// Do implements replay.Conn.
func (c xReplayConn) Do(cmd *session.Command, file replay.File) (replay.Answer, error) {
	a, err := c.XConn.Do(cmd, target.File(file))
	return replay.Answer(a), err
}

// DoAll implements replay.Pipeline.
func (c xReplayConn) DoAll(cmds []*session.Command) ([]replay.Answer, error) {
	list, err := c.XConn.DoAll(cmds)
	return answers(list), err
}

// Pin implements replay.Pinner.
func (c xReplayConn) Pin(list []replay.Pin) { c.XConn.Pin(targetPins(list)) }

func targetPins(list []replay.Pin) []target.Pin {
	pins := make([]target.Pin, len(list))
	for i, p := range list {
		pins[i] = target.Pin(p)
	}
	return pins
}

func answers(list []target.Answer) []replay.Answer {
	answers := make([]replay.Answer, len(list))
	for i, a := range list {
		answers[i] = replay.Answer(a)
	}
	return answers
}

// replayConn makes a target.Conn a replay.Pipeline.
type replayConn struct{ *target.Conn }

// DoAll implements replay.Pipeline.
func (c replayConn) DoAll(cmds []*session.Command) ([]replay.Answer, error) {
	list, err := c.Conn.DoAll(cmds)
	return answers(list), err
}

// Do implements replay.Conn.
func (c replayConn) Do(cmd *session.Command, file replay.File) (replay.Answer, error) {
	a, err := c.Conn.Do(cmd, target.File(file))
	return replay.Answer(a), err
}

// Pin implements replay.Pinner.
func (c replayConn) Pin(list []replay.Pin) { c.Conn.Pin(targetPins(list)) }

// Inherit implements replay.Heir.
func (c replayConn) Inherit(lost replay.Conn) {
	if old, ok := lost.(replayConn); ok {
		c.Conn.Inherit(old.Conn)
	}
}

// Errors of servers that are busy or on their way down or up, after which
// another try makes sense.
var passing = map[uint16]bool{1040: true, 1053: true, 1158: true, 1159: true, 1160: true, 1161: true, 1203: true, 1226: true, 2002: true, 2003: true, 3168: true}

// temporary tells whether a connection may be possible later.
func temporary(err error) bool {
	var c *target.ConnectError
	if !errors.As(err, &c) {
		return false
	}
	if c.Refused != nil {
		return passing[c.Refused.Code]
	}
	var n net.Error
	return c.Step == "dial" || errors.Is(err, target.ErrServerClosed) || errors.As(err, &n)
}

// unsent tells whether a command whose connection was lost was surely not
// executed.
func unsent(err error) bool {
	var lost *target.LostError
	return errors.As(err, &lost) && lost.Sent != target.WhollySent
}
