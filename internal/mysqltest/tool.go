package mysqltest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Client returns a command that runs a real client program of a kind: "mysql",
// "mysqladmin", "mysqlbinlog", "mysqldump", which are MariaDB's counterparts
// (mariadb, mariadb-admin ...) on its kinds. It reads no option files; give it
// Server.ClientArgs or an address.
func Client(t testing.TB, kind Kind, name string, args ...string) *exec.Cmd {
	t.Helper()
	if testing.Short() {
		t.Skipf("needs a real client (%s): not in -short mode", name)
	}
	cmd, err := client(kind, name, args...)
	if err != nil {
		failOrSkip(t, err)
	}
	return cmd
}

func client(kind Kind, name string, args ...string) (*exec.Cmd, error) {
	r, err := kind.recipe().install()
	if err != nil {
		return nil, err
	}
	if rest, ok := strings.CutPrefix(name, "mysql"); ok && !kind.mysql() {
		name = "mariadb"
		if rest != "" {
			name += "-" + rest
		}
	}
	plugins := filepath.Join(r.dir, "usr/lib/mysql/plugin")
	if !kind.mysql() {
		plugins = filepath.Join(r.libraries(), "libmariadb3/plugin")
	}
	own := []string{
		"--no-defaults",
		"--character-sets-dir=" + filepath.Join(r.messages(kind), "charsets"),
		"--plugin-dir=" + plugins,
	}
	return r.command(name, append(own, args...)...)
}

// ClientArgs returns the arguments with which the real clients of a kind reach
// the server over TCP as its all-privileged user: with TLS and the server's
// certificate verified, or without when the server has none.
func (s *Server) ClientArgs(client Kind) []string {
	args := []string{"--protocol=tcp", "--host=" + s.host(), fmt.Sprintf("--port=%d", s.Port),
		"--user=" + s.User, "--password=" + s.Password}
	switch {
	case client.mysql() && s.CA == "":
		return append(args, "--ssl-mode=DISABLED", "--get-server-public-key")
	case client.mysql():
		return append(args, "--ssl-mode=VERIFY_IDENTITY", "--ssl-ca="+s.CA)
	case s.CA == "":
		return append(args, "--skip-ssl")
	default:
		return append(args, "--ssl-verify-server-cert", "--ssl-ca="+s.CA)
	}
}

// toolPackages tells which Debian package holds a tool.
var toolPackages = map[string]string{
	"tcpdump":  "tcpdump",
	"tshark":   "tshark",
	"sysbench": "sysbench",
	"editcap":  "tshark",
	"capinfos": "tshark",
	"mergecap": "tshark",
	"ip":       "iproute2",
	"tc":       "iproute2",
	"ss":       "iproute2",
	"ethtool":  "ethtool",
	"haproxy":  "haproxy",
}

// Tool returns a command that runs a Debian tool: this machine's own, or where
// it is not installed one unpacked into the cache. The tools are tcpdump,
// tshark, editcap, capinfos, mergecap, ip, tc, ss, ethtool, haproxy and sysbench
// (for which HAProxy and Sysbench are more convenient). tcpdump keeps root's
// rights where it has them, so that it can write into a test's folder.
func Tool(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	if testing.Short() {
		t.Skipf("needs %s: not in -short mode", name)
	}
	cmd, err := tool(name, args...)
	if err != nil {
		failOrSkip(t, err)
	}
	return cmd
}

func tool(name string, args ...string) (*exec.Cmd, error) {
	if path, err := exec.LookPath(name); err == nil {
		return exec.Command(path, withOwnArgs(name, args)...), nil
	}
	return unpackedTool(name, args...)
}

// unpackedTool returns a command that runs the cache's tool.
func unpackedTool(name string, args ...string) (*exec.Cmd, error) {
	r, err := installTool(name)
	if err != nil {
		return nil, err
	}
	return r.command(name, withOwnArgs(name, args)...)
}

// withOwnArgs puts before a tool's arguments those that it always needs.
// Debian's tcpdump otherwise becomes a user that an unpacked one does not have.
func withOwnArgs(name string, args []string) []string {
	if name == "tcpdump" && os.Getuid() == 0 {
		return append([]string{"-Z", "root"}, args...)
	}
	return args
}

func installTool(name string) (root, error) {
	pkg, ok := toolPackages[name]
	if !ok {
		return root{}, fmt.Errorf("no Debian package is known for the tool %s", name)
	}
	return recipe{name: pkg, packages: []string{pkg}, unneeded: unneeded, prune: toolPrune}.install()
}

var toolPrune = []string{"usr/lib/*/gconv", "usr/lib/*/dri", "usr/share/icons", "usr/share/perl5"}
