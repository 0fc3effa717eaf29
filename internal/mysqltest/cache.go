package mysqltest

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// cacheVariable overrides the folder in which everything is kept.
const cacheVariable = "MYREPLAY_CACHE"

// CacheDir returns the folder in which servers, tools and running data
// directories are kept: MYREPLAY_CACHE, or "myreplay" in the user's cache
// folder. It may be removed whenever nothing runs.
func CacheDir() (string, error) {
	if dir := os.Getenv(cacheVariable); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder (set %s): %w", cacheVariable, err)
	}
	return filepath.Join(dir, "myreplay"), nil
}

// builds holds what this process made, or failed to make, by folder.
var builds = struct {
	mu   sync.Mutex
	dirs map[string]*built
}{dirs: map[string]*built{}}

type built struct {
	once sync.Once
	err  error
}

// cached returns the folder kind/name of the cache. When it is not there, fill
// fills a new folder beside it, which takes the name only when it succeeded:
// a folder that has the name is whole. Among all processes one makes it and
// the others wait. An error is kept for the life of the process, so that a
// hundred tests do not try a hundred times.
func cached(kind, name string, fill func(dir string) error) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, kind, name)
	builds.mu.Lock()
	b := builds.dirs[dir]
	if b == nil {
		b = new(built)
		builds.dirs[dir] = b
	}
	builds.mu.Unlock()
	b.once.Do(func() { b.err = buildDir(dir, fill) })
	return dir, b.err
}

func buildDir(dir string, fill func(dir string) error) error {
	if exists(dir) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("cache folder: %w", err)
	}
	lock, err := lockFile(dir+".lock", true)
	if err != nil {
		return err
	}
	defer lock.Close()
	if exists(dir) {
		return nil
	}
	part := dir + ".part" // what is left of a process that was killed, or new
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := os.Mkdir(part, 0o755); err != nil {
		return err
	}
	if err := fill(part); err != nil {
		os.RemoveAll(part)
		return err
	}
	return os.Rename(part, dir)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// lockFile takes the exclusive lock of a file, which it creates. Closing the
// file, or the end of the process, gives it back. Unless it may wait, a lock
// that another holds is an error.
func lockFile(path string, wait bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
