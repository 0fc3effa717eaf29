package mysqltest

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// clientTestsOut are tests of mysql_client_test that do not pass on a plain
// server: one waits until it is disconnected and expects another error.
var clientTestsOut = []string{"test_wl16221_reconnect"}

// ClientTest runs the tests of MySQL's C API, mysql_client_test: prepared
// statements of all kinds, cursors, long data, several statements, several
// results, change of user, over TLS. The server must have the options of the
// script mysql_client_test (see Options). Passed: all of the tests did, but for
// those that are left out.
func (s *Suite) ClientTest(p Place, timeout time.Duration, leftOut ...string) Outcome {
	began := time.Now()
	out, err := s.clientTest(p, timeout, append(leftOut, clientTestsOut...))
	o := Outcome{Verdict: Passed, Output: p.plain(out), Took: time.Since(began)}
	if err != nil {
		o.Verdict, o.Why = Failed, err.Error()+" "+p.plain(endOf(out))
	}
	return o
}

func (s *Suite) clientTest(p Place, timeout time.Duration, leftOut []string) (string, error) {
	list, err := s.command("mysql_client_test", "--no-defaults", "--show-tests")
	if err != nil {
		return "", err
	}
	names, err := output(list)
	if err != nil {
		return "", err
	}
	options, err := s.writeOptions(p)
	if err != nil {
		return "", err
	}
	args := []string{"--defaults-file=" + options, "--testcase", "--vardir=" + p.Server.Dir,
		"--plugin-dir=" + filepath.Join(p.Server.Dir, "plugin")}
	_, names, _ = strings.Cut(names, ":") // the first line says what follows
	for _, name := range strings.Fields(names) {
		if !slices.Contains(leftOut, name) {
			args = append(args, name)
		}
	}
	cmd, err := s.command("mysql_client_test", args...)
	if err != nil {
		return "", err
	}
	cmd.Dir, cmd.Env = s.tests(), s.environment(p, options)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = runGroup(cmd, timeout)
	return out.String(), err
}
