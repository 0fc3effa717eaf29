//go:build !linux

package capfile

import "os"

func datasync(f *os.File) error { return f.Sync() }

func (f *osFile) allocate(offset, n int64) error { return nil }
