package mysqltest

import (
	"net"
	"os/exec"
	"strings"
	"testing"
)

// XTest returns a command that runs a script in MySQL's own X Protocol client,
// mysqlxtest, as mysqltest's user on the server, or the relay, at addr. It
// prints what it receives. args are its options: "--ssl-mode=REQUIRED",
// "--compression-mode=REQUIRED", "--plain-auth", "--schema=test".
//
// A script has a command a line: "-->sql", "-->recvresult", "-->recvok". A
// message begins with a line "Mysqlx.Sql.StmtExecute {", goes on in protobuf's
// text format and ends with a line "}"; it is sent as it comes, so that several
// may be on their way. TestXTest has examples, mysqlxtest --help-commands all
// commands.
func XTest(t testing.TB, addr, script string, args ...string) *exec.Cmd {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	s := OpenSuite(t)
	own := []string{"--host=" + host, "--port=" + port, "--user=" + AdminUser, "--password=" + AdminPassword}
	cmd, err := s.command("mysqlxtest", append(own, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = strings.NewReader(script)
	return cmd
}
