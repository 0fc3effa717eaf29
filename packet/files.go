package packet

import (
	"errors"
	"io"
	"os"
	"time"
)

// writerDelay is how long the writer of a pipe or growing file may keep packets
// back in its own buffer: while nothing comes, the packets' clock stands still
// for so long.
const writerDelay = 5 * time.Second

// files reads packets from files, one after the other.
type files struct {
	names  []string // "-" is stdin
	stdin  io.Reader
	follow bool
	stop   *stopper

	i       int      // the file being read
	file    *os.File // nil between two files and for pipes
	in      *input
	records recordReader // nil before the header was read
	lastAt  int64
	idle    time.Time // since when nothing has come; zero while something does
}

// next reads the next packet of the files.
func (f *files) next(p *rawPacket) error {
	for !f.stop.stopped() {
		if f.in == nil {
			if f.i == len(f.names) {
				return io.EOF
			}
			if err := f.open(); err != nil {
				f.i++
				return err
			}
		}
		err := f.record(p)
		switch err {
		case nil:
			f.lastAt = p.at
			f.idle = time.Time{}
			return nil
		case errDrops:
			return err
		case errIdle:
			if f.lastAt == 0 {
				continue // the first packet tells what time it is
			}
			p.at = f.idleTime()
			return err
		}
		if errors.Is(err, errStopped) {
			return io.EOF
		}
		if over := f.after(err); err != io.EOF || over {
			return err
		}
	}
	return io.EOF
}

// record reads the next packet of the current file.
func (f *files) record(p *rawPacket) error {
	if f.records == nil {
		r, err := openRecords(f.in)
		if err != nil {
			return err
		}
		f.records = r
	}
	return f.records.next(p)
}

// open opens the file at f.i.
func (f *files) open() error {
	name := f.names[f.i]
	f.records = nil
	if name == "-" {
		f.in = newInput("stdin", newPump(&unpacker{src: f.stdin}, f.stop.done))
		return nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return &FileError{Path: name, Reason: "cannot open it", Err: err}
	}
	if info.IsDir() {
		return &FileError{Path: name, Reason: "it is a directory"}
	}
	if !info.Mode().IsRegular() {
		f.in = newInput(name, newPump(&unpacker{src: &pipe{path: name}}, f.stop.done))
		return nil
	}
	file, err := os.Open(name)
	if err != nil {
		return &FileError{Path: name, Reason: "cannot open it", Err: err}
	}
	f.file = file
	if f.follow && f.i == len(f.names)-1 {
		f.in = newInput(name, &follower{path: name, f: file, done: f.stop.done})
	} else {
		f.in = newInput(name, &unpacker{src: file})
	}
	return nil
}

// after decides what comes after the end of a file or an error in it, and tells
// whether the end of all files has come. A file that was replaced or truncated is
// read anew; one that was removed may come back.
func (f *files) after(err error) (over bool) {
	if errors.Is(err, errRemoved) {
		f.in.err = nil
		return false
	}
	again := f.in.err == errReplaced || errors.Is(f.in.err, errTruncated)
	f.close()
	if !again {
		f.i++
	}
	return f.i == len(f.names)
}

// close closes the current file.
func (f *files) close() {
	if f.file != nil {
		f.file.Close()
	}
	f.file, f.in, f.records = nil, nil, nil
}

// idleTime is what the packets' clock may be set to while nothing comes.
func (f *files) idleTime() int64 {
	if f.idle.IsZero() {
		f.idle = time.Now()
	}
	return f.lastAt + int64(max(time.Since(f.idle)-writerDelay, 0))
}
