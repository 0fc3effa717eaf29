package mysqltest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// environment is what the scripts' own runner sets, as far as it makes sense
// for one server that nobody restarts.
func (s *Suite) environment(p Place, options string) []string {
	tests, dir := s.tests(), p.Server.Dir
	env := append(os.Environ(), suiteZone, "LC_ALL=C", "UMASK=0660", "UMASK_DIR=0770",
		"OPENSSL_CONF=/dev/null",
		"OPENSSL_MODULES="+s.root.libraries()+"/ossl-modules",
		"MYSQL_TEST_DIR="+tests, "MYSQL_TEST_DIR_ABS="+tests,
		"MYSQL_TMP_DIR="+filepath.Join(dir, "tmp"),
		"MYSQLTEST_VARDIR="+dir, "MYSQLTEST_VARDIR_ABS="+dir,
		"MYSQL_BASEDIR="+filepath.Join(s.root.dir, "usr"),
		"MYSQL_BINDIR="+filepath.Join(s.root.dir, "usr"),
		"MYSQL_SHAREDIR="+s.root.messages(MySQL97), "MYSQL_CHARSETSDIR="+s.charsets(),
		"SECURE_LOAD_PATH="+filepath.Join(dir, "std_data"),
		"MYSQL_TEST_LOGIN_FILE="+filepath.Join(dir, "tmp", ".mylogin.cnf"),
		"MTR_LOG_ERROR="+filepath.Join(dir, "log", "mysqld.1.err"),
		"PATH_CONFIG_FILE="+options, "USE_RUNNING_SERVER=0", "MTR_RECORD=0",
		"VALGRIND_TEST=0", "VALGRIND_SERVER_TEST=0", "OPENSSL3_FIPS_ACTIVE=0", "PLUGIN_SUFFIX=so",
		fmt.Sprintf("MASTER_MYPORT=%d", p.port()), "MASTER_MYSOCK="+p.Server.Socket,
		fmt.Sprintf("MASTER_X_MYPORT=%d", p.xport()), "MASTER_X_MYSOCK="+p.Server.XSocket,
		fmt.Sprintf("MASTER_ADMINPORT=%d", p.port()),
	)
	return append(env, append(s.programs(p, options), s.pluginVariables(filepath.Join(dir, "plugin"))...)...)
}

// programs are the variables that hold the command lines of clients.
func (s *Suite) programs(p Place, options string) []string {
	defaults := "--defaults-file=" + options
	var env []string
	for name, program := range map[string]string{"MYSQL": "mysql", "MYSQL_DUMP": "mysqldump", "MYSQL_BINLOG": "mysqlbinlog",
		"MYSQL_CHECK": "mysqlcheck", "MYSQL_SHOW": "mysqlshow", "MYSQL_TEST": "mysqltest"} {
		env = append(env, name+"="+s.shellLine(program, defaults))
	}
	x := append([]string{fmt.Sprintf("--port=%d", p.xport())}, p.XArgs...)
	return append(env,
		"EXE_MYSQL="+s.shellLine("mysql"), "MYSQLADMIN="+s.shellLine("mysqladmin"),
		"MYSQL_OPTIONS= "+defaults,
		"MYSQL_CLIENT_TEST="+s.shellLine("mysql_client_test", defaults, "--testcase", "--vardir="+p.Server.Dir),
		"MYSQLXTEST="+s.shellLine("mysqlxtest", x...))
}

// pluginVariables are the variables that tell scripts of plugins: where each
// is, how it is loaded, and nothing of those that are not there. The suite's
// own list has a line each: file, folder, whether it has a configuration, the
// name of the variables, and the plugins in the file.
func (s *Suite) pluginVariables(dir string) []string {
	text, err := os.ReadFile(filepath.Join(s.tests(), "include/plugin.defs"))
	if err != nil {
		return nil
	}
	var env []string
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 4 || strings.HasPrefix(line, "#") {
			continue
		}
		file, name := f[0]+".so", f[3]
		if !exists(filepath.Join(dir, file)) {
			env = append(env, name+"=", name+"_DIR=", name+"_OPT=", name+"_LOAD=", name+"_LOAD_EARLY=", name+"_LOAD_ADD=")
			continue
		}
		env = append(env, name+"="+file, name+"_DIR="+dir, name+"_OPT=--plugin-dir="+dir)
		if len(f) < 5 {
			continue
		}
		var load []string
		for plugin := range strings.SplitSeq(f[4], ",") {
			load = append(load, plugin+"="+file)
		}
		list := strings.Join(load, ";")
		env = append(env, name+"_LOAD=--plugin_load="+list, name+"_LOAD_EARLY=--early-plugin_load="+list,
			name+"_LOAD_ADD=--plugin_load_add="+list)
	}
	return env
}

// Options gives a server the arguments that a script asks for in its option
// file, if it has one.
func (s *Suite) Options(script Script) Option { return func(o *options) { o.script = script } }

// runnerOptions begin the words of option files that are for the suite's own
// runner.
var runnerOptions = []string{"--initialize", "--force-restart", "--testcase-timeout", "--timezone", "--nowarnings", "--no-console"}

// scriptArgs returns the arguments of a server for a script, dir its folder.
func (s *Suite) scriptArgs(script Script, dir string) []string {
	text, err := os.ReadFile(strings.TrimSuffix(s.file(script, "test"), ".test") + "-master.opt")
	if err != nil {
		return nil
	}
	values := map[string]string{"MYSQL_TEST_DIR": s.tests(), "MYSQLTEST_VARDIR": dir, "MYSQL_TMP_DIR": filepath.Join(dir, "tmp")}
	for _, v := range s.pluginVariables(filepath.Join(dir, "plugin")) {
		name, value, _ := strings.Cut(v, "=")
		values[name] = value
	}
	var args []string
	for _, word := range strings.Fields(string(text)) {
		word = os.Expand(word, func(name string) string { return values[name] })
		name, _, _ := strings.Cut(word, "=")
		if strings.HasPrefix(word, "--") && !slices.Contains(runnerOptions, name) {
			args = append(args, word)
		}
	}
	return args
}
