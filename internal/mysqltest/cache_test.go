package mysqltest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCachedIsWholeOrAbsent(t *testing.T) {
	t.Setenv(cacheVariable, t.TempDir())
	cache, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}

	// What a killed process left does not count, and is not built upon.
	part := filepath.Join(cache, "things", "one.part")
	if err := os.MkdirAll(part, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(part, "half"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	one, two := filepath.Join(cache, "things", "one"), filepath.Join(cache, "things", "two")
	if err := buildDir(one, func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o644)
	}); err != nil {
		t.Fatal(err)
	}
	if exists(filepath.Join(one, "half")) || !exists(filepath.Join(one, "whole")) {
		t.Errorf("%s is not what was built", one)
	}

	// What was built is not built again.
	if err := buildDir(one, func(string) error { return errors.New("built twice") }); err != nil {
		t.Error(err)
	}

	// What failed is not there, and the next process may try again.
	broken := errors.New("broken")
	err = buildDir(two, func(string) error { return broken })
	if !errors.Is(err, broken) || exists(two) || exists(two+".part") {
		t.Errorf("failed build: %v", err)
	}
	if err := buildDir(two, func(string) error { return nil }); err != nil {
		t.Error(err)
	}
}

// Two processes want the same folder at once: one builds, the other waits, both
// see it whole.
func TestProcessesBuildOnce(t *testing.T) {
	cache := t.TempDir()
	for _, out := range together(t, "build", cache) {
		if out != "slow 2\n" {
			t.Errorf("a process saw %q", out)
		}
	}
}

func TestProcessesInstallOnce(t *testing.T) {
	notShort(t)
	cache := t.TempDir()
	for _, out := range together(t, "install", cache) {
		if !strings.HasPrefix(out, "tcpdump-") {
			t.Errorf("a process saw %q", out)
		}
	}
	t.Setenv(cacheVariable, cache)
	cmd, err := unpackedTool("tcpdump", "--version")
	if err != nil {
		t.Fatal(err)
	}
	if out := Output(t, cmd); !strings.HasPrefix(out, "tcpdump version") {
		t.Errorf("tcpdump --version: %q", out)
	}
	left, err := filepath.Glob(filepath.Join(cache, "roots", "*"))
	if err != nil || len(left) != 2 { // the root and its lock
		t.Errorf("left in the cache: %q, %v", left, err)
	}
}

// together runs a helper in two processes at once and returns what they wrote.
// A failure for want of packages skips the test.
func together(t *testing.T, name, cache string) []string {
	t.Helper()
	type result struct {
		out string
		err error
	}
	results := make(chan result)
	for range 2 {
		cmd := helper(t, name, cache)
		go func() {
			out, err := output(cmd)
			results <- result{out, err}
		}()
	}
	var outs []string
	for range 2 {
		r := <-results
		switch {
		case r.err != nil && strings.Contains(r.err.Error(), ErrUnavailable.Error()):
			defer Unavailable(t, r.err)
		case r.err != nil:
			t.Error(r.err)
		}
		outs = append(outs, r.out)
	}
	return outs
}
