package mysqltest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Suite is MySQL's own test suite: its scripts with the results that it
// expects, and the programs that run them. It comes from Debian sid's package
// mysql-testsuite and stays in the cache; nothing of it is part of this project.
type Suite struct {
	dir  string // the package's files: usr/lib/mysql-test, usr/lib/mysql/plugin
	root root   // whose loader and libraries its programs run with
}

// suitePackage is Debian's package of the suite, of the same source and version
// as the server of MySQL97.
const suitePackage = "mysql-testsuite"

// suiteFiles are tar's patterns for what is unpacked of the package's 758 MB,
// and for what is left out of that: data directories of old versions.
var suiteFiles = []string{
	"--wildcards", "--no-wildcards-match-slash",
	"--exclude=./usr/lib/mysql-test/std_data/upgrade",
	"--exclude=./usr/lib/mysql-test/std_data/instant_ddl",
	"--exclude=./usr/lib/mysql-test/std_data/bug36444172",
	"--exclude=./usr/lib/mysql-test/std_data/*.zip",
	"./usr/lib/mysql-test/bin/mysqltest",
	"./usr/lib/mysql-test/bin/mysqlxtest",
	"./usr/lib/mysql-test/bin/mysql_client_test",
	"./usr/lib/mysql-test/t",
	"./usr/lib/mysql-test/r",
	"./usr/lib/mysql-test/include",
	"./usr/lib/mysql-test/common",
	"./usr/lib/mysql-test/std_data",
	"./usr/lib/mysql-test/collections",
	"./usr/lib/mysql-test/suite/x",
	"./usr/lib/mysql-test/suite/json",
	"./usr/lib/mysql-test/suite/auth_sec",
	"./usr/lib/mysql/plugin",
}

// OpenSuite returns the suite, unpacked on its first use. Where it can't be had
// the test is skipped, as Start does.
func OpenSuite(t testing.TB) *Suite {
	t.Helper()
	if testing.Short() {
		t.Skip("needs MySQL's test suite: not in -short mode")
	}
	s, err := installSuite()
	if err != nil {
		failOrSkip(t, err)
	}
	return s
}

// PrepareSuite unpacks the suite, so that its first use is as quick as the
// others.
func PrepareSuite() error {
	_, err := installSuite()
	return err
}

func installSuite() (*Suite, error) {
	r, err := MySQL97.recipe().install()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", suiteFiles))
	dir, err := cached("roots", fmt.Sprintf("%s-%x", suitePackage, sum[:4]), unpackSuite)
	if err != nil {
		return nil, fmt.Errorf("%s from Debian sid: %w", suitePackage, err)
	}
	s := &Suite{dir, r}
	return s, s.checkVersion()
}

// unpackSuite fills dir with the package's files.
func unpackSuite(dir string) error {
	a, err := newApt(filepath.Join(dir, ".apt"), "sid")
	if err != nil {
		return err
	}
	debs, err := a.download(recipe{alone: []string{suitePackage}})
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if err := unpackDeb(deb, dir, suiteFiles...); err != nil {
			return err
		}
	}
	return os.RemoveAll(a.dir)
}

// checkVersion makes sure that the suite is that of the server's version: the
// two may have been unpacked on different days.
func (s *Suite) checkVersion() error {
	cmd, err := s.command("mysqltest", "--version")
	if err != nil {
		return err
	}
	out, err := output(cmd)
	if err != nil {
		return err
	}
	if !strings.Contains(out, " 9.7.") {
		return unavailable(fmt.Errorf("%s is not of version 9.7 but %q", suitePackage, strings.TrimSpace(out)))
	}
	return nil
}

// tests is the folder of scripts, data and programs.
func (s *Suite) tests() string { return filepath.Join(s.dir, "usr/lib/mysql-test") }

// plugins is the folder of the plugins that scripts load.
func (s *Suite) plugins() string { return filepath.Join(s.dir, "usr/lib/mysql/plugin") }

// program returns the path of a program of the suite, or of the server's root.
func (s *Suite) program(name string) (string, error) {
	if p := filepath.Join(s.tests(), "bin", name); exists(p) {
		return p, nil
	}
	return s.root.find(name)
}

func (s *Suite) command(program string, args ...string) (*exec.Cmd, error) {
	bin, err := s.program(program)
	if err != nil {
		return nil, err
	}
	return s.root.commandAt(bin, args...)
}

// shellLine returns a program with arguments as one line for a shell, as the
// scripts want it in their variables; "" when there is no such program.
func (s *Suite) shellLine(program string, args ...string) string {
	bin, err := s.program(program)
	if err != nil {
		return ""
	}
	words, err := s.root.line(bin)
	if err != nil {
		return ""
	}
	return strings.Join(append(words, args...), " ")
}

// Script names a script of the suite: "alias" in the folder t, "x/crud_find" in
// suite/x/t.
type Script string

// file returns the path of the script or of its result: kind is "test" or
// "result".
func (s *Suite) file(script Script, kind string) string {
	folder := map[string]string{"test": "t", "result": "r"}[kind]
	group, name, inSuite := strings.Cut(string(script), "/")
	if !inSuite {
		return filepath.Join(s.tests(), folder, group+"."+kind)
	}
	return filepath.Join(s.tests(), "suite", group, folder, name+"."+kind)
}

// Scripts returns all scripts of a group, "" (the folder t), "x", "json" or
// "auth_sec", in the order of their names.
func (s *Suite) Scripts(t testing.TB, group string) []Script {
	t.Helper()
	prefix := Script("")
	if group != "" {
		prefix = Script(group + "/")
	}
	files, err := filepath.Glob(s.file(prefix+"*", "test"))
	if err == nil && len(files) == 0 {
		err = errors.New("none there")
	}
	if err != nil {
		t.Fatalf("scripts of %q: %v", group, err)
	}
	var list []Script
	for _, f := range files {
		list = append(list, prefix+Script(strings.TrimSuffix(filepath.Base(f), ".test")))
	}
	slices.Sort(list)
	return list
}

// Text returns a script's text, for those who choose among scripts.
func (s *Suite) Text(t testing.TB, script Script) string {
	t.Helper()
	text, err := os.ReadFile(s.file(script, "test"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Has tells whether the suite has a script: Debian's versions differ.
func (s *Suite) Has(script Script) bool { return exists(s.file(script, "test")) }
