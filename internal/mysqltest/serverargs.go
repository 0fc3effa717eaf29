package mysqltest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// program returns the name of the server program.
func (s *Server) program() string {
	if s.Kind.mysql() {
		return "mysqld"
	}
	return "mariadbd"
}

// messages returns the folder of the server's messages and scripts.
func (r root) messages(k Kind) string {
	share := filepath.Join(r.dir, "usr", "share")
	if dir := filepath.Join(share, "mariadb"); !k.mysql() && exists(filepath.Join(dir, "english")) {
		return dir
	}
	return filepath.Join(share, "mysql")
}

// serverArgs returns the arguments that every run of a server program needs,
// initialisation included.
func (r root) serverArgs(k Kind) []string {
	args := []string{
		"--no-defaults",
		"--basedir=" + filepath.Join(r.dir, "usr"),
		"--lc-messages-dir=" + r.messages(k),
		"--character-sets-dir=" + filepath.Join(r.messages(k), "charsets"),
		"--plugin-dir=" + filepath.Join(r.dir, "usr/lib/mysql/plugin"),
	}
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	return args
}

// args returns the arguments of a start. Durability is given up, as no test
// cuts the power.
func (s *Server) args() ([]string, error) {
	o := s.opts
	args := append(s.root.serverArgs(s.Kind),
		"--datadir="+s.dataDir(),
		"--socket="+s.Socket,
		"--pid-file="+filepath.Join(s.Dir, "server.pid"),
		"--secure-file-priv="+s.filesDir(),
		"--local-infile=ON",
		"--server-id="+strconv.Itoa(max(s.Port, 1)),
		"--innodb-buffer-pool-size="+o.bufferPool,
		"--innodb-flush-log-at-trx-commit=2",
		"--sync-binlog=0",
		"--max-connections="+strconv.Itoa(o.maxConnections),
		"--back-log="+strconv.Itoa(max(o.maxConnections, 100)),
		fmt.Sprintf("--performance-schema=%t", o.perfSchema),
	)
	if s.Port != 0 {
		args = append(args, "--bind-address="+s.bind(), "--port="+strconv.Itoa(s.Port))
	}
	if o.skipGrants {
		args = append(args, "--skip-grant-tables")
	}
	tls, err := s.tlsArgs()
	if err != nil {
		return nil, err
	}
	args = append(args, tls...)
	if s.Kind.mysql() {
		args = append(args, s.mysqlArgs()...)
	} else {
		args = append(args, s.mariadbArgs()...)
	}
	if o.suite == nil {
		args = append(args, "--skip-name-resolve") // it cannot be taken back
	} else {
		args = append(args, o.suite.serverArgs(s.Dir)...)
		args = append(args, o.suite.scriptArgs(o.script, s.Dir)...)
	}
	return append(args, o.args...), nil
}

func (s *Server) mysqlArgs() []string {
	args := []string{"--innodb-redo-log-capacity=" + redoSize, "--mysqlx-socket=" + s.XSocket}
	if s.XPort != 0 {
		args = append(args, "--mysqlx-bind-address="+s.bind(), "--mysqlx-port="+strconv.Itoa(s.XPort))
	}
	return args
}

func (s *Server) mariadbArgs() []string {
	args := []string{"--innodb-log-file-size=" + redoSize}
	if slices.ContainsFunc(s.opts.users, func(u User) bool { return u.Plugin == Ed25519 }) {
		args = append(args, "--plugin-load-add=auth_ed25519")
	}
	return args
}

// tlsArgs switches TLS on, with certificates that clients can verify, or off.
func (s *Server) tlsArgs() ([]string, error) {
	s.CA = ""
	switch {
	case s.opts.noTLS && s.Kind.mysql():
		return []string{"--tls-version="}, nil
	case s.opts.noTLS:
		return []string{"--skip-ssl"}, nil
	}
	dir, err := certificates(s.host())
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	s.CA = filepath.Join(dir, "ca.pem")
	return []string{
		"--ssl-ca=" + s.CA,
		"--ssl-cert=" + filepath.Join(dir, "cert.pem"),
		"--ssl-key=" + filepath.Join(dir, "key.pem"),
	}, nil
}

// command returns the command of the server program and its log, which is to be
// closed when it has started.
func (s *Server) command(args []string) (*exec.Cmd, *os.File, error) {
	cmd, err := s.root.command(s.program(), args...)
	if err != nil {
		return nil, nil, err
	}
	log, err := os.OpenFile(s.logFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, nil, err
	}
	if within := s.opts.within; len(within) > 0 {
		cmd.Path, cmd.Args = within[0], append(slices.Clone(within), cmd.Args...)
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, log, log
	if s.opts.suite != nil {
		cmd.Env = append(cmd.Env, suiteZone)
	}
	return cmd, log, nil
}
