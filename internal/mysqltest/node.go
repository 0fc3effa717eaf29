package mysqltest

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The pinned clients from npm. The lock file names no registry ("resolved"
// fields are left out): npm takes its own, and verifies by hash.
var (
	//go:embed npm/package.json
	npmPackage []byte
	//go:embed npm/package-lock.json
	npmLock []byte
)

// Node returns a command that runs a script in node, where require finds the
// pinned npm clients (mysql2, @mysql/xdevapi). The caller may set what it writes
// to, and append to Args and Env.
func Node(t testing.TB, script string, args ...string) *exec.Cmd {
	t.Helper()
	if testing.Short() {
		t.Skip("needs npm packages: not in -short mode")
	}
	modules, err := npmModules()
	if err != nil {
		failOrSkip(t, err)
	}
	file := filepath.Join(t.TempDir(), "script.js")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", append([]string{file}, args...)...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	return cmd
}

// PrepareNode installs the pinned npm clients.
func PrepareNode() error {
	_, err := npmModules()
	return err
}

// npmModules returns the folder of the installed npm packages.
func npmModules() (string, error) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", unavailable(err)
		}
	}
	sum := sha256.Sum256(append(npmPackage[:len(npmPackage):len(npmPackage)], npmLock...))
	dir, err := cached("npm", fmt.Sprintf("%x", sum[:4]), installModules)
	return filepath.Join(dir, "node_modules"), err
}

func installModules(dir string) error {
	for name, text := range map[string][]byte{"package.json": npmPackage, "package-lock.json": npmLock} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--omit=peer", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return unavailable(fmt.Errorf("npm ci: %w: %s", err, endOf(string(out))))
	}
	return nil
}
