package capfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// disk is a capture's directory, as the Writer needs it. It is a seam for
// tests, which make every call fail in turn.
type disk interface {
	// create makes a file that must not exist.
	create(name string) (file, error)
	remove(name string) error
	// sync makes the directory's entries last.
	sync() error
	close() error
}

// file is a segment that is being written.
type file interface {
	write(b []byte, offset int64) error
	truncate(size int64) error
	// sync makes the bytes last.
	sync() error
	// allocate sets disk space aside for the bytes from offset on without
	// changing the file's size. It does nothing where that is not possible.
	allocate(offset, n int64) error
	close() error
}

// openDisk opens or makes the directory of a new capture.
func openDisk(dir string) (disk, error) {
	if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, fmt.Errorf("capture directory %s is a symbolic link: name the directory itself", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the capture directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the capture directory: %w", err)
	}
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("reading the capture directory: %w", err)
	}
	for _, e := range entries {
		if _, ok := segmentNumber(e.Name()); ok {
			root.Close()
			return nil, &ExistsError{Dir: dir, File: e.Name()}
		}
	}
	return &osDisk{root}, nil
}

// osDisk is a real directory.
type osDisk struct{ root *os.Root }

// create follows no symbolic link: O_EXCL does not, and a Root never leaves its
// directory.
func (d *osDisk) create(name string) (file, error) {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &osFile{f}, nil
}

func (d *osDisk) remove(name string) error { return d.root.Remove(name) }

func (d *osDisk) sync() error {
	f, err := d.root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return lasting(f.Sync())
}

// lasting leaves out the errors of file systems that can't sync at all.
func lasting(err error) error {
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

func (d *osDisk) close() error { return d.root.Close() }

// osFile is a real file.
type osFile struct{ f *os.File }

func (f *osFile) write(b []byte, offset int64) error {
	_, err := f.f.WriteAt(b, offset)
	return err
}

func (f *osFile) truncate(size int64) error { return f.f.Truncate(size) }
func (f *osFile) sync() error               { return lasting(datasync(f.f)) }
func (f *osFile) close() error              { return f.f.Close() }
