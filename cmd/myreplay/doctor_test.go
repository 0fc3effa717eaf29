package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"myreplay/capfile"
	"myreplay/clientip"
	"myreplay/probe"
	"myreplay/session"
	"myreplay/target"
)

// TestDoctor runs testdata/doctor. The command line stands first, then what is
// true of the host and of the servers, a fact a line:
//
//	device NAME up|down NETWORK...
//	rule DEVICE TABLE PRIORITY        rule mark=N TABLE PRIORITY
//	table N local|DEVICE NETWORK
//	route ADDRESS DEVICE FROM [VIA]   route ADDRESS local
//	arriving local|filtered|onward
//	sysctl PATH N
//	listen PORT ADDRESS
//	memory SIZE                       free SIZE
//	operator ADDRESS
//	name HOST ADDRESS...
//	no netraw|transparent|packets|devices
//	greet ADDRESS|* VERSION [tls]     greet ADDRESS|* timeout|refused|ERROR...
//	login USER|* [from=ADDRESS] VERSION [NAME=VALUE...]
//	grant PRIVILEGES ON WHERE
//	clock DURATION
//	source VERSION [NAME=VALUE...]    source ERROR...
//	remark TEXT
//	write FILE WORD...
//	capture DIR                       session USER VERSION SERVER [joined|encrypted]
//
// "greet ADDRESS" is how the target answers a client's address, "*" any.
func TestDoctor(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("MYSQL_PWD", "secret")
	datadriven.Walk(t, "testdata/doctor", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			command, facts, _ := strings.Cut(d.Input, "\n")
			dir := t.TempDir()
			command = strings.ReplaceAll(command, "DIR", dir)
			c := newDoctorCommand(newFakeHost(t, strings.ReplaceAll(facts, "DIR", dir)))
			var out bytes.Buffer
			c.SetArgs(strings.Fields(command))
			c.SetOut(&out)
			c.SetErr(&out)
			c.SilenceErrors, c.SilenceUsage = true, true
			err := c.ExecuteContext(t.Context())
			switch {
			case errors.Is(err, errDiffers):
				fmt.Fprintln(&out, "exit code 1")
			case err != nil:
				fmt.Fprintln(&out, "exit code 2:", err)
			}
			if strings.Contains(out.String(), "secret") {
				t.Error("the password is shown")
			}
			return strings.ReplaceAll(out.String(), dir, "DIR")
		})
	})
}

// fakeHost is a doctorHost of which all is known.
type fakeHost struct {
	devices   []netDevice
	rules     []netRule
	tables    map[int][]netRoute
	routes    map[netip.Addr]netRoute
	arriving  string
	sysctls   map[string]int
	listening map[uint16][]netip.Addr
	memory    uint64
	free      uint64
	operator  netip.Addr
	names     map[string][]netip.Addr
	no        map[string]bool
	greets    map[string][]string
	logins    map[string][]string
	grants    []string
	clock     time.Duration
	source    sourceFacts
	capture   *capfile.Writer
	sessions  uint64
}

// fakeSource reads "VERSION [NAME=VALUE...]" or "ERROR...".
func fakeSource(w []string) sourceFacts {
	if w[0] == "ERROR" {
		return sourceFacts{Err: errors.New(strings.Join(w[1:], " "))}
	}
	b := &probe.About{Version: w[0], Account: "'monitor'@'%'", Hostname: "online", DataDir: "/var/lib/mysql/", Port: 3306, ServerID: 1}
	for _, v := range w[1:] {
		switch name, value, _ := strings.Cut(v, "="); name {
		case "encrypted":
			b.Encrypted = intOf(value)
		case "clear":
			b.Clear = intOf(value)
		}
	}
	return sourceFacts{About: b, Sessions: b.Encrypted + b.Clear}
}

func newFakeCapture(t *testing.T, dir string) *capfile.Writer {
	w, err := capfile.Create(dir, capfile.Meta{Kind: capfile.KindCapture}, capfile.Options{Policy: capfile.Wait})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// session writes "USER VERSION SERVER [joined|encrypted|silent]".
func (h *fakeHost) session(t *testing.T, w []string) {
	h.sessions++
	s := &session.Start{ID: h.sessions, At: 1, Protocol: session.Classic, Client: netip.MustParseAddrPort("10.50.7.9:41000"),
		Server: netip.MustParseAddrPort(w[2]), ServerVersion: w[1], Login: session.Login{Known: true, User: w[0]}}
	how := ""
	if len(w) > 3 {
		how = w[3]
	}
	switch how {
	case "joined":
		s.Joined, s.Login.Known = true, false
	case "encrypted":
		s.Encrypted, s.Login.Known = true, false
	}
	events := []session.Event{s}
	if how == "" {
		events = append(events, &session.Command{ID: s.ID, Seq: 1, At: 2, End: 2, Kind: session.Ping, Code: 14, Payload: []byte{14}, Size: 1})
	}
	for _, e := range append(events, &session.End{ID: s.ID, At: 3}) {
		if err := h.capture.Write(e); err != nil {
			t.Fatal(err)
		}
	}
}

func newFakeHost(t *testing.T, facts string) *fakeHost {
	h := &fakeHost{tables: map[int][]netRoute{}, routes: map[netip.Addr]netRoute{}, sysctls: map[string]int{}, listening: map[uint16][]netip.Addr{},
		memory: 4 << 30, free: 4 << 30, names: map[string][]netip.Addr{}, no: map[string]bool{}, greets: map[string][]string{}, logins: map[string][]string{}}
	for line := range strings.Lines(facts) {
		w := strings.Fields(line)
		if len(w) > 0 {
			h.fact(t, w[0], w[1:])
		}
	}
	return h
}

func intOf(s string) int { n, _ := strconv.Atoi(s); return n }

func (h *fakeHost) fact(t *testing.T, word string, w []string) {
	switch word {
	case "device":
		d := netDevice{Name: w[0], Up: w[1] == "up"}
		for _, n := range w[2:] {
			d.Networks = append(d.Networks, netip.MustParsePrefix(n))
		}
		h.devices = append(h.devices, d)
	case "rule":
		r := netRule{Device: w[0], Table: intOf(w[1]), Priority: intOf(w[2])}
		if mark, ok := strings.CutPrefix(w[0], "mark="); ok {
			r.Device, r.Mark = "", uint32(intOf(mark))
		}
		h.rules = append(h.rules, r)
	case "table":
		r := netRoute{To: netip.MustParsePrefix(w[2]), Device: w[1], Local: w[1] == "local"}
		h.tables[intOf(w[0])] = append(h.tables[intOf(w[0])], r)
	case "route":
		r := netRoute{Local: w[1] == "local", Device: w[1]}
		if len(w) > 2 {
			r.From = netip.MustParseAddr(w[2])
		}
		if len(w) > 3 {
			r.Via = netip.MustParseAddr(w[3])
		}
		h.routes[netip.MustParseAddr(w[0])] = r
	case "arriving":
		h.arriving = w[0]
	case "sysctl":
		h.sysctls[w[0]] = intOf(w[1])
	case "listen":
		p := uint16(intOf(w[0]))
		h.listening[p] = append(h.listening[p], netip.MustParseAddr(w[1]))
	case "memory", "free":
		var s size
		if err := s.Set(w[0]); err != nil {
			t.Fatal(err)
		}
		if word == "free" {
			h.free = uint64(s)
		} else {
			h.memory = uint64(s)
		}
	case "operator":
		h.operator = netip.MustParseAddr(w[0])
	case "name":
		for _, a := range w[1:] {
			h.names[w[0]] = append(h.names[w[0]], netip.MustParseAddr(a))
		}
	case "no":
		h.no[w[0]] = true
	case "greet":
		h.greets[w[0]] = w[1:]
	case "login":
		h.logins[w[0]] = w[1:]
	case "grant":
		h.grants = append(h.grants, "GRANT "+strings.Join(w, " ")+" TO `replay`@`%`")
	case "source":
		h.source = fakeSource(w)
	case "remark":
		h.source.Remarks = append(h.source.Remarks, strings.Join(w, " "))
	case "capture":
		h.capture = newFakeCapture(t, w[0])
	case "session":
		h.session(t, w)
	case "write":
		if err := os.WriteFile(w[0], []byte(strings.Join(w[1:], "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	case "end":
		if err := h.capture.Close(); err != nil {
			t.Fatal(err)
		}
	case "clock":
		h.clock, _ = time.ParseDuration(w[0])
	default:
		t.Fatalf("no fact %q", word)
	}
}

func (h *fakeHost) Program() string       { return "/usr/local/bin/myreplay" }
func (h *fakeHost) NetRaw() (bool, error) { return !h.no["netraw"], nil }

func (h *fakeHost) Transparent() error {
	if h.no["transparent"] {
		return clientip.ErrCapability
	}
	return nil
}

func (h *fakeHost) PacketSocket() error {
	if h.no["packets"] {
		return syscall.EPERM
	}
	return nil
}

func (h *fakeHost) Devices() ([]netDevice, error) {
	if h.no["devices"] {
		return nil, syscall.EPERM
	}
	return h.devices, nil
}

func (h *fakeHost) Rules(bool) ([]netRule, error)                { return h.rules, nil }
func (h *fakeHost) Routes(table int, _ bool) ([]netRoute, error) { return h.tables[table], nil }
func (h *fakeHost) Listening(port uint16) ([]netip.Addr, error)  { return h.listening[port], nil }
func (h *fakeHost) Free(string) (uint64, error)                  { return h.free, nil }
func (h *fakeHost) Memory() (uint64, error)                      { return h.memory, nil }
func (h *fakeHost) Operator() netip.Addr                         { return h.operator }
func (h *fakeHost) Sysctl(path string) (int, error)              { return h.sysctls[path], nil }
func (h *fakeHost) Dial(_ context.Context, addr string) error    { return h.answer(addr) }
func (h *fakeHost) answer(who string) error {
	w, ok := h.greets[who]
	if !ok {
		w = h.greets["*"]
	}
	switch {
	case len(w) == 0 || w[0] == "timeout":
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	case w[0] == "refused":
		return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case w[0] == "ERROR":
		return &session.Error{Code: uint16(intOf(w[1])), Message: strings.Join(w[2:], " ")}
	}
	return nil
}

func (h *fakeHost) RouteTo(to netip.Addr) (netRoute, error) {
	r, ok := h.routes[to]
	if !ok {
		return r, syscall.ENETUNREACH
	}
	return r, nil
}

func (h *fakeHost) Arriving(_ string, _, _ netip.Addr) (netRoute, error) {
	switch h.arriving {
	case "local":
		return netRoute{Local: true}, nil
	case "filtered":
		return netRoute{}, syscall.EXDEV
	}
	return netRoute{Device: "eth0"}, nil
}

func (h *fakeHost) Lookup(_ context.Context, host string) ([]netip.Addr, error) {
	if list := h.names[host]; list != nil {
		return list, nil
	}
	return nil, fmt.Errorf("lookup %s: no such host", host)
}

func (h *fakeHost) Greet(_ context.Context, addr string, from netip.Addr) (greetingFacts, error) {
	who := addr
	if from.IsValid() {
		who = from.String()
	}
	w, ok := h.greets[who]
	if !ok {
		w = h.greets["*"]
	}
	if err := h.answer(who); err != nil {
		return greetingFacts{}, err
	}
	return greetingFacts{Version: w[0], TLS: len(w) > 1}, nil
}

func (h *fakeHost) Ask(_ context.Context, r serverRequest) serverFacts {
	who := r.User
	if who == "" {
		who = r.URL.User
	}
	w, ok := h.logins[who]
	if !ok {
		w, ok = h.logins["*"]
	}
	switch {
	case !ok:
		return refusedBy("login", who, &session.Error{Code: 1045, State: "28000", Message: "Access denied for user '" + who + "'"})
	case w[0] == "ERROR":
		return refusedBy("greeting", who, &session.Error{Code: uint16(intOf(w[1])), Message: strings.Join(w[2:], " ")})
	case w[0] == "none":
		return serverFacts{Err: &target.ConnectError{Step: "credentials", User: who, Err: target.ErrNoCredentials}}
	}
	if who == "" {
		who = "replay"
	}
	f := serverFacts{Version: w[0], Account: who, Identity: "target:/var/lib/mysql/:3306:2", Values: map[string]string{"CURRENT_USER()": who + "@%"}, Grants: h.grants, Clock: h.clock}
	for _, v := range w[1:] {
		name, value, _ := strings.Cut(v, "=")
		f.Values[name] = value
		if name == "hostname" {
			f.Identity = identity(value, "/var/lib/mysql/", "3306", "1")
		}
	}
	return f
}

func refusedBy(step, user string, e *session.Error) serverFacts {
	return serverFacts{Err: &target.ConnectError{Step: step, User: user, Refused: e, Err: e}}
}

func (h *fakeHost) Source(context.Context, *sourceArgs) sourceFacts { return h.source }
