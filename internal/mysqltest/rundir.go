package mysqltest

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// newRunDir makes an empty folder for a running server and returns it with its
// lock, which is held while the server runs. What processes that were killed
// left behind is removed by the next one.
func newRunDir(k Kind) (string, *os.File, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", nil, err
	}
	runs := filepath.Join(cache, "run")
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return "", nil, fmt.Errorf("cache folder: %w", err)
	}
	// Nobody may sweep a folder between its making and its locking.
	all, err := lockFile(runs+".lock", true)
	if err != nil {
		return "", nil, err
	}
	defer all.Close()
	sweepOnce.Do(func() { sweep(runs) })
	dir, err := os.MkdirTemp(runs, k.String()+"-")
	if err != nil {
		return "", nil, err
	}
	lock, err := lockFile(filepath.Join(dir, "lock"), false)
	if err != nil {
		return "", nil, err
	}
	return dir, lock, nil
}

var sweepOnce sync.Once

// sweep removes the folders that nobody holds. What cannot be removed stays for
// the next time.
func sweep(runs string) {
	entries, _ := os.ReadDir(runs)
	for _, e := range entries {
		dir := filepath.Join(runs, e.Name())
		lock, err := lockFile(filepath.Join(dir, "lock"), false)
		if err != nil {
			continue
		}
		os.RemoveAll(dir)
		lock.Close()
	}
}
