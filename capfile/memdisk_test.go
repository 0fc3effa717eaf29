package capfile

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// memDisk is a disk in memory whose calls can be made to fail or to wait, and
// which knows what a power cut may leave.
type memDisk struct {
	mu    sync.Mutex
	files map[string]*memFile
	calls []string // what was called, in order
	// fault is asked before each call, by its number from 0; what it returns is
	// the call's error. A write that fails writes half of its bytes.
	fault func(call int, op string) error
	// gate, if not nil, is read from before each write of a block.
	gate chan struct{}
	full int64 // bytes that the disk has, 0: no limit
}

type memFile struct {
	d           *memDisk
	data        []byte
	synced      []byte // what the last sync made last
	allocated   int64
	open, wrote bool
}

func newMemDisk() *memDisk { return &memDisk{files: map[string]*memFile{}} }

// call notes a call, and fails if it is to.
func (d *memDisk) call(op string) error {
	n := len(d.calls)
	d.calls = append(d.calls, op)
	if d.fault != nil {
		return d.fault(n, op)
	}
	return nil
}

func (d *memDisk) create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("create"); err != nil {
		return nil, err
	}
	if d.files[name] != nil {
		return nil, fs.ErrExist
	}
	f := &memFile{d: d, open: true}
	d.files[name] = f
	return f, nil
}

func (d *memDisk) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("remove"); err != nil {
		return err
	}
	delete(d.files, name)
	return nil
}

func (d *memDisk) sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.call("sync directory")
}

func (d *memDisk) close() error { return nil }

// size returns the bytes in use.
func (d *memDisk) size() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used()
}

func (d *memDisk) used() (n int64) {
	for _, f := range d.files {
		n += max(f.allocated, int64(len(f.data)))
	}
	return n
}

func (f *memFile) write(b []byte, offset int64) error {
	if f.d.gate != nil && f.wrote {
		<-f.d.gate
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.wrote = true
	err := f.d.call("write")
	n := len(b)
	if err != nil {
		n /= 2
	}
	end := offset + int64(n)
	if more := end - max(f.allocated, int64(len(f.data))); f.d.full > 0 && more > 0 && f.d.used()+more > f.d.full {
		n, err = int(max(0, f.d.full-f.d.used()-offset+int64(len(f.data)))), syscall.ENOSPC
		n = min(n, len(b))
		end = offset + int64(n)
	}
	if int64(len(f.data)) < end {
		f.data = append(f.data, make([]byte, end-int64(len(f.data)))...)
	}
	copy(f.data[offset:], b[:n])
	return err
}

func (f *memFile) truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.call("truncate"); err != nil {
		return err
	}
	f.data = f.data[:size]
	f.allocated = size
	return nil
}

func (f *memFile) sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.call("sync"); err != nil {
		return err
	}
	f.synced = slices.Clone(f.data)
	return nil
}

func (f *memFile) allocate(offset, n int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.call("allocate"); err != nil {
		return err
	}
	more := offset + n - max(f.allocated, int64(len(f.data)))
	if f.d.full > 0 && more > 0 && f.d.used()+more > f.d.full {
		return syscall.ENOSPC
	}
	f.allocated = max(f.allocated, offset+n)
	return nil
}

func (f *memFile) close() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.open = false
	return f.d.call("close")
}

// save puts the files into a new directory, as they are.
func (d *memDisk) save(t testing.TB) string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	dir := t.TempDir()
	for name, f := range d.files {
		if err := os.WriteFile(filepath.Join(dir, name), f.data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// crash puts into a new directory what may be left after a power cut: all that
// was synced and, of the pages that were written since, some.
func (d *memDisk) crash(t testing.TB, r *rand.Rand) string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	const page = 512
	dir := t.TempDir()
	for name, f := range d.files {
		left := slices.Clone(f.data[:min(len(f.data), len(f.synced)+r.IntN(len(f.data)-min(len(f.data), len(f.synced))+1))])
		for at := len(f.synced) / page * page; at < len(left); at += page {
			if r.IntN(2) == 0 {
				clear(left[max(at, len(f.synced)):min(at+page, len(left))])
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), left, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
