package mysqltest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Scripts of MySQL's test suite run on a server that Suite made: of both
// protocols, with a schema, a user and a component of the suite's own.
func TestSuite(t *testing.T) {
	suite := OpenSuite(t)
	for _, group := range []string{"", "x", "json", "auth_sec"} {
		if list := suite.Scripts(t, group); len(list) < 15 {
			t.Errorf("%d scripts in %q", len(list), group)
		}
	}
	server := suite.Server(t)
	for _, script := range []Script{"1st", "alias", "x/cursor_fetch", "x/crud_find_args"} {
		o := suite.Run(script, Place{Server: server}, time.Minute)
		if o.Verdict != Passed {
			t.Errorf("%s %s: %s\n%s", script, o.Verdict, o.Why, o.Output)
		}
	}
	// What has no X Protocol before it fails, and says why.
	o := suite.Run("x/cursor_fetch", Place{Server: server, XPort: 1}, time.Minute)
	if o.Verdict != Failed || !strings.Contains(o.Why, "failed") {
		t.Errorf("without a server: %+v", o)
	}
}

// A script's time limit holds for all that it started.
func TestRunGroup(t *testing.T) {
	began := time.Now()
	err := runGroup(exec.Command("sh", "-c", "sleep 300 & sleep 300"), 50*time.Millisecond)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Minute {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	for script, want := range map[string]Verdict{"exit 62": Skipped, "exit 1": Failed, "kill -9 $$": Failed, "exit 0": Differs} {
		err := runGroup(exec.Command("sh", "-c", script), time.Minute)
		if got, _ := new(Suite).judge("none", err, ""); got != want {
			t.Errorf("%s: %s (%v)", script, got, err)
		}
	}
}

// The suite's list of plugins and a script's option file become variables and
// arguments; what is not there becomes empty, and what is for the suite's own
// runner is left out.
func TestScriptArgs(t *testing.T) {
	s := &Suite{dir: t.TempDir()}
	dir := t.TempDir()
	for name, text := range map[string]string{
		filepath.Join(s.tests(), "include/plugin.defs"):       "# a comment\nauth  out  no  AUTH  one,two\nlost out no LOST lost\nbad line\n",
		filepath.Join(s.tests(), "suite/x/t/some.test"):       "",
		filepath.Join(s.tests(), "suite/x/t/some-master.opt"): "$AUTH_OPT $AUTH_LOAD $LOST_OPT\n--initialize\n--ssl-ca=$MYSQL_TEST_DIR/ca.pem # word\n",
		filepath.Join(dir, "plugin/auth.so"):                  "",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"--plugin-dir=" + dir + "/plugin", "--plugin_load=one=auth.so;two=auth.so", "--ssl-ca=" + s.tests() + "/ca.pem"}
	if got := s.scriptArgs("x/some", dir); !slices.Equal(got, want) {
		t.Errorf("arguments:\n got %q\nwant %q", got, want)
	}
	if got := s.scriptArgs("x/other", dir); got != nil {
		t.Errorf("without an option file: %q", got)
	}
	if list := s.Scripts(t, "x"); !slices.Equal(list, []Script{"x/some"}) || !s.Has("x/some") || s.Has("some") {
		t.Errorf("scripts: %q", list)
	}
}
