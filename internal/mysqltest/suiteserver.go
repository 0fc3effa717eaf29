package mysqltest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Server starts a MySQL97 server on which the suite's scripts find what their
// own runner gives them: the folders, the plugins, the schema mtr, an instrumented
// performance schema, three hours east of Greenwich.
func (s *Suite) Server(t testing.TB, opts ...Option) *Server {
	t.Helper()
	suite := func(o *options) { o.suite, o.maxConnections = s, suiteConnections }
	server := Start(t, MySQL97, append([]Option{suite}, opts...)...)
	if err := s.setUp(server); err != nil {
		t.Fatalf("set %v up for the test suite: %v", MySQL97, err)
	}
	return server
}

// suiteConnections is how many connections the scripts expect that a server
// takes.
const suiteConnections = 151

// suiteZone is the TZ of the suite's servers and scripts.
const suiteZone = "TZ=GMT-3"

// layOut makes the folders that scripts expect around a data directory: it is
// two levels below the folder of what they write, with the data that they load.
func (s *Suite) layOut(dir string) error {
	for _, d := range []string{"tmp", "log", "mysqld.1"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o777); err != nil {
			return err
		}
	}
	if err := os.Symlink(filepath.Join(s.tests(), "std_data"), filepath.Join(dir, "std_data")); err != nil {
		return err
	}
	// Scripts look for errors in the server's log.
	if err := os.Symlink("../error.log", filepath.Join(dir, "log", "mysqld.1.err")); err != nil {
		return err
	}
	return s.linkPlugins(filepath.Join(dir, "plugin"))
}

// linkPlugins fills dir with links to the server's plugins and the suite's.
func (s *Suite) linkPlugins(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, from := range []string{filepath.Join(s.root.dir, "usr/lib/mysql/plugin"), s.plugins()} {
		files, err := os.ReadDir(from)
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := os.Symlink(filepath.Join(from, f.Name()), filepath.Join(dir, f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// serverArgs are the arguments of a server for the scripts, dir its folder.
func (s *Suite) serverArgs(dir string) []string {
	data := filepath.Join(s.tests(), "std_data")
	cert, key := s.Certificate("")
	return []string{
		"--plugin-dir=" + filepath.Join(dir, "plugin"),
		"--tmpdir=" + filepath.Join(dir, "tmp"),
		"--secure-file-priv=", // the data that scripts load are links out of the folder
		"--performance-schema=ON",
		"--performance-schema-instrument=%=ON",
		"--performance-schema-consumer-events-stages-current=ON",
		"--performance-schema-consumer-events-stages-history=ON",
		"--performance-schema-consumer-events-transactions-history-long=ON",
		"--performance-schema-consumer-events-statements-history-long=ON",
		"--performance-schema-consumer-events-waits-current=ON",
		"--performance-schema-consumer-events-waits-history=ON",
		"--performance-schema-consumer-events-waits-history-long=ON",
		"--log-bin-trust-function-creators=1",
		"--explain-format=TRADITIONAL_STRICT",
		"--connect-timeout=60",
		"--log-output=FILE", "--general-log=OFF", "--slow-query-log=OFF",
		"--server-id=1", "--local-infile=ON",
		"--innodb-flush-log-at-trx-commit=0",
		"--caching-sha2-password-private-key-path=" + filepath.Join(data, "rsa_private_key.pem"),
		"--caching-sha2-password-public-key-path=" + filepath.Join(data, "rsa_public_key.pem"),
		"--ssl-ca=" + filepath.Join(data, "cacert.pem"),
		"--ssl-cert=" + cert, "--ssl-key=" + key,
		"--authentication-policy=*:caching_sha2_password,,",
	}
}

// openTestSchema lets any account use the schema test, as old servers did.
const openTestSchema = `USE mysql;
INSERT INTO db SET Host = '%', Db = 'test', User = '', Select_priv = 'Y', Insert_priv = 'Y', Update_priv = 'Y',
  Delete_priv = 'Y', Create_priv = 'Y', Drop_priv = 'Y', References_priv = 'Y', Index_priv = 'Y', Alter_priv = 'Y',
  Create_tmp_table_priv = 'Y', Lock_tables_priv = 'Y', Create_view_priv = 'Y', Show_view_priv = 'Y',
  Create_routine_priv = 'Y', Event_priv = 'Y', Trigger_priv = 'Y';
FLUSH PRIVILEGES;
`

// Certificate returns the PEM files of the certificate that a server with a
// script's options shows (see Options; "" is without), and of its key. Scripts
// trust it.
func (s *Suite) Certificate(script Script) (cert, key string) {
	data := filepath.Join(s.tests(), "std_data")
	cert, key = filepath.Join(data, "server-cert.pem"), filepath.Join(data, "server-key.pem")
	for _, arg := range s.scriptArgs(script, "") {
		switch name, value, _ := strings.Cut(arg, "="); name {
		case "--ssl-cert":
			cert = value
		case "--ssl-key":
			key = value
		}
	}
	return cert, key
}

// setUp makes the schema mtr, with what scripts call in it, and the time zones
// that they use.
func (s *Suite) setUp(server *Server) error {
	var sql bytes.Buffer
	sql.WriteString(openTestSchema)
	for _, part := range []string{"mtr_test_data_timezone", "mtr_warnings", "mtr_check"} {
		text, err := os.ReadFile(filepath.Join(s.tests(), "include", part+".sql"))
		if err != nil {
			return err
		}
		if part == "mtr_warnings" {
			sql.WriteString("CREATE DATABASE mtr;\n")
		}
		sql.Write(text)
		sql.WriteString("\n")
	}
	cmd, err := s.command("mysql", "--no-defaults", "--user=root", "--socket="+server.Socket,
		"--init-command=SET SESSION sql_log_bin = 0")
	if err != nil {
		return err
	}
	cmd.Stdin = &sql
	if _, err := output(cmd); err != nil {
		return fmt.Errorf("schema mtr: %w", err)
	}
	return nil
}
