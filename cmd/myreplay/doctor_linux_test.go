package main

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/internal/netlab"
)

// doctorPatience is longer than a doctor takes.
const doctorPatience = 2 * time.Minute

// doctorIn runs a doctor on a host of a lab, and returns what it says and its
// exit code.
func doctorIn(t *testing.T, h *netlab.Host, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), doctorPatience)
	defer cancel()
	cmd := h.Command(ctx, "myreplay", append([]string{"doctor"}, args...)...)
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+mysqltest.AdminPassword, "MYREPLAY_SOURCE_PWD="+mysqltest.AdminPassword, "SSH_CONNECTION=")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %s", err, errs.String())
	}
	t.Logf("doctor %s: exit code %d\n%s%s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), out.String(), errs.String())
	return out.String(), cmd.ProcessState.ExitCode()
}

// advised are the commands that a doctor gives out under a heading.
func advised(said, heading string) []string {
	var list []string
	in := false
	for line := range strings.Lines(said) {
		command, indented := strings.CutPrefix(line, "  ")
		if in && indented {
			list = append(list, strings.TrimSpace(command))
		}
		if !indented {
			in = strings.HasPrefix(line, heading)
		}
	}
	return list
}

// TestDoctorAssist: on the three roles the doctor finds what is missing, the
// commands that it gives out mend it, and then it is content.
func TestDoctorAssist(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a server in a network of its own")
	}
	l := netlab.ThreeRoles(t)
	s := l.Target.Start(mysqltest.MySQL97, mysqltest.NoTLS())
	for _, c := range []struct {
		name, clients, probe string
		addr                 netip.Addr
		there, here          []string
	}{
		{"IPv4", netlab.Clients, "10.50.255.253", l.Target.Addr(), netlab.TargetRoute, netlab.AssistantRule},
		{"IPv6", netlab.Clients6, "2001:db8:50:0:ffff:ffff:ffff:fffd", l.Target.Addr6(), netlab.TargetRoute6, netlab.AssistantRule6},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := netip.AddrPortFrom(c.addr, uint16(s.Port)).String()
			args := []string{"assist", "--target", "mysql://" + mysqltest.AdminUser + "@" + to + "/?tls=disabled", "--clients", c.clients,
				"--online", l.Online.Addr().String(), "--listen", ":36524"}
			said, code := doctorIn(t, l.Assistant, args...)
			expectLines(t, said, "wrong rule: ", "wrong route: ", "note  probe from "+c.probe+": no answer", "ok    target "+to+": cap logs in;")
			here, there := advised(said, "on this host"), advised(said, "on the target")
			if code != exitDiffers || !slices.Equal(here, c.here) || !slices.Equal(there, c.there) {
				t.Fatalf("exit code %d; here %q, there %q", code, here, there)
			}
			l.Assistant.Sh(here...)
			said, code = doctorIn(t, l.Assistant, args...)
			expectLines(t, said, "ok    rule: ", "ok    route: ", "ok    answers: ", "wrong probe from "+c.probe+": no answer. Here all is as it should be")
			if code != exitDiffers {
				t.Errorf("exit code %d without the target's route", code)
			}
			l.Target.Sh(there...)
			said, code = doctorIn(t, l.Assistant, args...)
			expectLines(t, said, "ok    probe from "+c.probe+": ", "logs in from "+c.probe, "note  cut off: ")
			if code != exitSame || strings.Contains(said, "wrong") {
				t.Errorf("exit code %d although all is mended", code)
			}
		})
	}
	t.Run("filtered", func(t *testing.T) {
		// Answers that come in elsewhere than the target is reached by.
		l.Assistant.Sh("ip link add elsewhere type veth peer name nowhere", "ip link set elsewhere up", "ip link set nowhere up", "ip rule add iif elsewhere lookup 100",
			"sysctl -qw net.ipv4.conf.elsewhere.rp_filter=1")
		said, code := doctorIn(t, l.Assistant, "assist", "-i", "elsewhere", "--target", "mysql://"+mysqltest.AdminUser+"@"+s.Addr+"/?tls=disabled", "--clients", netlab.Clients)
		expectLines(t, said, "wrong answers: the reverse path filter drops what")
		if code != exitDiffers {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("refused", func(t *testing.T) {
		said, code := doctorIn(t, l.Assistant, "assist", "--target", "mysql://"+mysqltest.AdminUser+"@"+s.Addr+"/?tls=disabled", "--clients", "10.0.0.0/8", "--online", l.Online.Addr().String())
		expectLines(t, said, "this host's own address on eth0", "the target's address", "the online server's address")
		if code != exitDiffers || len(advised(said, "on")) > 0 {
			t.Errorf("exit code %d, and it gives out commands", code)
		}
	})
}

// TestDoctorMirror: on the online server of the three roles, once with all that a
// mirror needs, once without the capability.
func TestDoctorMirror(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts servers in a network of its own")
	}
	l := netlab.ThreeRoles(t)
	source := l.Online.Start(mysqltest.MySQL97, mysqltest.PerformanceSchema())
	s := l.Target.Start(mysqltest.MariaDB, mysqltest.NoTLS())
	args := []string{"mirror", "-x", "3306-" + s.Addr, "-u", mysqltest.AdminUser, "--target-tls", "disabled", "-i", "any",
		"--source", "mysql://" + mysqltest.AdminUser + "@" + source.Addr + "/?tls=disabled", "--record", t.TempDir()}
	said, code := doctorIn(t, l.Online, args...)
	expectLines(t, said, "ok    capability: ", "ok    packets: ", "ok    source port 3306: a server is there, 9.7", "note  TLS: the source offers it",
		"ok    source: ", "ok    target "+s.Addr+": cap logs in; its version is 1", "ok    target: it is not the source")
	if code != exitSame {
		t.Errorf("exit code %d although all is well", code)
	}
	said, code = doctorIn(t, l.Online, "mirror", "-x", "3306-"+source.Addr, "-u", mysqltest.AdminUser, "--target-tls", "disabled")
	expectLines(t, said, "is the server that was recorded")
	if code != exitDiffers {
		t.Errorf("exit code %d, and the target is the source", code)
	}
}

// expectLines expects texts in what a doctor says.
func expectLines(t *testing.T, said string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("it does not say %q", text)
		}
	}
}
