package mysqltest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// recipe says what a root holds. Two recipes that differ in anything have
// roots of their own.
type recipe struct {
	name     string
	suite    string   // Debian suite; "" is this machine's own
	packages []string // unpacked with all that they depend on
	alone    []string // unpacked without
	unneeded []string // patterns of packages that are left out
	prune    []string // patterns of files that are removed again
}

// folder is the recipe's name in the cache.
func (r recipe) folder() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", r))
	return fmt.Sprintf("%s-%x", r.name, sum[:4])
}

// root is a folder with unpacked Debian packages. Its programs run with its own
// loader and libraries, whatever the machine's are.
type root struct {
	dir string
}

// install returns the recipe's root, unpacked on its first use.
func (r recipe) install() (root, error) {
	if r.suite == "" {
		r.suite = ownSuite()
	}
	dir, err := cached("roots", r.folder(), r.unpack)
	if err != nil {
		return root{}, fmt.Errorf("%s from Debian %s: %w", r.name, r.suite, err)
	}
	return root{dir}, nil
}

// unpack fills dir with the recipe's packages.
func (r recipe) unpack(dir string) error {
	a, err := newApt(filepath.Join(dir, ".apt"), r.suite)
	if err != nil {
		return err
	}
	debs, err := a.download(r)
	if err != nil {
		return err
	}
	for _, d := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.MkdirAll(filepath.Join(dir, "usr", d), 0o755); err != nil {
			return err
		}
		if err := os.Symlink("usr/"+d, filepath.Join(dir, d)); err != nil {
			return err
		}
	}
	for _, deb := range debs {
		if err := unpackDeb(deb, dir, withoutDocs...); err != nil {
			return err
		}
	}
	for _, pattern := range r.prune {
		if err := removeMatches(dir, pattern); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(a.dir); err != nil {
		return err
	}
	_, err = root{dir}.loader()
	return err
}

// withoutDocs tells tar to leave out what no program reads.
var withoutDocs = []string{
	"--exclude=./usr/share/doc/*", "--exclude=./usr/share/man/*",
	"--exclude=./usr/share/locale/*", "--exclude=./usr/share/lintian/*",
}

// unpackDeb unpacks one package; args are tar's, to choose among its files.
// Links to folders that are in the root stay, so that /lib and /usr/lib are one.
func unpackDeb(deb, dir string, args ...string) error {
	files := exec.Command("dpkg-deb", "--fsys-tarfile", deb)
	tar := exec.Command("tar", append([]string{"-x", "-C", dir, "--keep-directory-symlink", "--no-same-owner"}, args...)...)
	pipe, err := files.StdoutPipe()
	if err != nil {
		return err
	}
	tar.Stdin = pipe
	if err := files.Start(); err != nil {
		return unavailable(err)
	}
	out, tarErr := tar.CombinedOutput()
	if err := files.Wait(); err != nil {
		return fmt.Errorf("unpack %s: dpkg-deb: %w", filepath.Base(deb), err)
	}
	if tarErr != nil {
		return fmt.Errorf("unpack %s: tar: %w: %s", filepath.Base(deb), tarErr, endOf(string(out)))
	}
	return nil
}

func removeMatches(dir, pattern string) error {
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.RemoveAll(f); err != nil {
			return err
		}
	}
	return nil
}

// triplets are Debian's names of the machines that its loaders are known for.
var triplets = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}

// libraries returns the folder of the root's shared libraries.
func (r root) libraries() string {
	return filepath.Join(r.dir, "usr", "lib", triplets[runtime.GOARCH])
}

// loader returns the path of the root's own program loader.
func (r root) loader() (string, error) {
	for _, dir := range []string{r.libraries(), filepath.Join(r.dir, "usr/lib64"), filepath.Join(r.dir, "usr/lib")} {
		found, err := filepath.Glob(filepath.Join(dir, "ld-linux-*.so.?"))
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return "", unavailable(fmt.Errorf("no program loader for %s in %s", runtime.GOARCH, r.dir))
}

// find returns the path of a program of the root.
func (r root) find(program string) (string, error) {
	for _, dir := range []string{"usr/sbin", "usr/bin"} {
		if p := filepath.Join(r.dir, dir, program); exists(p) {
			return p, nil
		}
	}
	return "", fmt.Errorf("no program %s in %s", program, r.dir)
}

// command returns a command that runs a program of the root.
func (r root) command(program string, args ...string) (*exec.Cmd, error) {
	bin, err := r.find(program)
	if err != nil {
		return nil, err
	}
	return r.commandAt(bin, args...)
}

// line returns the words that run the program at bin with the root's loader and
// libraries.
func (r root) line(bin string) ([]string, error) {
	loader, err := r.loader()
	if err != nil {
		return nil, err
	}
	lib := r.libraries()
	path := []string{lib, lib + "/mysql/private", r.dir + "/usr/lib/mysql/private", r.dir + "/usr/lib/mysql-router"}
	return []string{loader, "--library-path", strings.Join(path, ":"), bin}, nil
}

// commandAt returns a command that runs the program at bin, which may lie
// outside of the root.
func (r root) commandAt(bin string, args ...string) (*exec.Cmd, error) {
	words, err := r.line(bin)
	if err != nil {
		return nil, err
	}
	lib := r.libraries()
	cmd := exec.Command(words[0], append(words[1:], args...)...)
	cmd.Env = append(os.Environ(),
		"OPENSSL_CONF=/dev/null",
		"OPENSSL_MODULES="+lib+"/ossl-modules",
		"MARIADB_PLUGIN_DIR="+lib+"/libmariadb3/plugin",
		"WIRESHARK_DATA_DIR="+r.dir+"/usr/share/wireshark",
		"LUA_PATH="+r.dir+"/usr/share/sysbench/?.lua;;",
	)
	return cmd, nil
}

// matchesAny tells whether a name matches one of path.Match's patterns.
func matchesAny(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok
	})
}
