package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commandNamed returns a command of the program, nil where there is none.
func commandNamed(name string) *cobra.Command {
	for _, c := range rootCommand().Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// units are the folders of the systemd units and of what stands beside them.
const units = "../../dist/systemd"

// readUnit reads a unit: its sections' keys with all values, in order.
func readUnit(t *testing.T, text string) map[string][]string {
	keys, section, lines := map[string][]string{}, "", strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		for strings.HasSuffix(line, `\`) && i+1 < len(lines) {
			i++
			line = strings.TrimSuffix(line, `\`) + strings.TrimSpace(lines[i])
		}
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[' && line[len(line)-1] == ']':
			section = line[1 : len(line)-1]
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok || section == "" || key != strings.TrimSpace(key) {
				t.Errorf("line %d is no setting: %s", i+1, line)
			}
			keys[section+"."+key] = append(keys[section+"."+key], value)
		}
	}
	return keys
}

// TestUnits: the units can be read, they are hardened, end in good order, and ask
// only for flags that there are.
func TestUnits(t *testing.T) {
	for _, name := range []string{"mirror", "assist"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(units, "myreplay-"+name+".service"))
			if err != nil {
				t.Fatal(err)
			}
			keys := readUnit(t, string(text))
			for key, want := range map[string]string{
				"Service.Type": "notify", "Service.NoNewPrivileges": "yes", "Service.ProtectSystem": "strict", "Service.Restart": "on-failure",
				"Service.AmbientCapabilities": "CAP_NET_RAW", "Service.CapabilityBoundingSet": "CAP_NET_RAW", "Service.KillSignal": "SIGTERM",
				"Service.ExecReload": "/bin/kill -HUP $MAINPID", "Service.SuccessExitStatus": "1",
				"Service.EnvironmentFile": "/etc/myreplay/" + name + ".env", "Install.WantedBy": "multi-user.target",
			} {
				if got := strings.Join(keys[key], " "); got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
			for _, key := range []string{"Service.LoadCredential", "Service.MemoryMax", "Service.TimeoutStopSec", "Service.StateDirectory"} {
				if len(keys[key]) == 0 {
					t.Errorf("no %s", key)
				}
			}
			checkFlags(t, name, strings.Join(keys["Service.ExecStart"], " "))
			for _, line := range strings.Split(string(text), "\n") {
				if _, start, ok := strings.Cut(line, "#   ExecStart=/"); ok {
					checkFlags(t, name, "/"+start)
				}
			}
			example, err := os.ReadFile(filepath.Join(units, name+".env"))
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Split(string(example), "\n") {
				if _, args, ok := strings.Cut(line, "ARGS="); ok {
					checkFlags(t, name, "/usr/bin/myreplay "+name+" "+strings.Trim(args, `"`))
				}
			}
		})
	}
}

// checkFlags checks that a command line names this command and its flags.
func checkFlags(t *testing.T, name, line string) {
	list := words(line)
	if len(list) < 2 || filepath.Base(list[0]) != "myreplay" || list[1] != name {
		t.Errorf("not a command line of %s: %s", name, line)
		return
	}
	c := commandNamed(name)
	if c == nil {
		t.Logf("there is no command %s in this build: its flags are not checked", name)
		return
	}
	for _, w := range list[2:] {
		long, isLong := strings.CutPrefix(w, "--")
		long, _, _ = strings.Cut(long, "=")
		switch {
		case isLong && c.Flags().Lookup(long) == nil:
			t.Errorf("%s has no --%s: %s", name, long, line)
		case !isLong && len(w) > 1 && w[0] == '-' && c.Flags().ShorthandLookup(w[1:2]) == nil:
			t.Errorf("%s has no %s: %s", name, w, line)
		}
	}
}
