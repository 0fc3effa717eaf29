package mysqltest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// helperVariable turns the test program into one of the helpers below: tests
// need other processes to meet, and to kill.
const helperVariable = "MYSQLTEST_HELPER"

func TestMain(m *testing.M) {
	name := os.Getenv(helperVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	if err := helpers[name](); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var helpers = map[string]func() error{
	// build makes a folder of the cache slowly and tells whether it did.
	"build": func() error {
		return tellBuilt(cached("things", "slow", func(dir string) error {
			if err := os.WriteFile(filepath.Join(dir, "first"), nil, 0o644); err != nil {
				return err
			}
			time.Sleep(300 * time.Millisecond)
			return os.WriteFile(filepath.Join(dir, "second"), nil, 0o644)
		}))
	},
	// install installs a tool for real.
	"install": func() error {
		r, err := installTool("tcpdump")
		return tellBuilt(r.dir, err)
	},
	// forever launches a server and never ends by itself.
	"forever": func() error {
		s, err := Launch(MariaDB)
		if err != nil {
			return err
		}
		fmt.Println(s.Pid, s.Dir)
		select {}
	},
}

// tellBuilt prints the folder and what is in it.
func tellBuilt(dir string, err error) error {
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	fmt.Println(filepath.Base(dir), len(entries))
	return err
}

// helper returns the command of a helper process with a cache folder.
func helper(t *testing.T, name, cache string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), helperVariable+"="+name, cacheVariable+"="+cache)
	return cmd
}

// notShort skips what needs packages or servers.
func notShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs Debian packages: not in -short mode")
	}
}
