package capfile

import "fmt"

// ExistsError: the directory already holds a capture, and nothing is ever
// overwritten.
type ExistsError struct {
	Dir string
	// File is the segment that is there.
	File string
}

// Error names the directory, what is in it, and what to do.
func (e *ExistsError) Error() string {
	return fmt.Sprintf("directory %s already holds a capture (%s): name another directory, or remove this one", e.Dir, e.File)
}

// FormatError: a file is not a capture segment, or is one that this program
// can't read.
type FormatError struct {
	Path string
	// Found says what the file is.
	Found string
}

// Error names the file and what it is.
func (e *FormatError) Error() string {
	return fmt.Sprintf("%s is not a readable capture: it %s", e.Path, e.Found)
}

// WriteError: the disk refused something. What was written before stays
// readable.
type WriteError struct {
	// Op is what failed ("write", "sync", ...), File on which file.
	Op, File string
	Err      error
}

// Error names the file, what was done to it, and the cause.
func (e *WriteError) Error() string {
	return fmt.Sprintf("capture file %s: %s: %v", e.File, e.Op, e.Err)
}

// Unwrap returns the operating system's error.
func (e *WriteError) Unwrap() error { return e.Err }

// LimitError: the capture reached Options.MaxTotal and was told to stop there.
type LimitError struct {
	Dir   string
	Limit int64 // bytes
}

// Error names the capture and its limit.
func (e *LimitError) Error() string {
	return fmt.Sprintf("capture %s reached its limit of %d bytes", e.Dir, e.Limit)
}

// Damage is a part of a capture that could not be read.
type Damage struct {
	// File is the segment's file name, Offset where the unreadable part begins
	// and Bytes how long it is. A missing segment has neither.
	File          string
	Offset, Bytes int64
	// Events is how many events are lost with it, by the numbers that blocks
	// carry; -1: unknown, because nothing follows.
	Events int64
	// Reason says what is wrong with it.
	Reason string
}

// String returns the damage in one line.
func (d Damage) String() string {
	s := d.File
	if d.Bytes > 0 {
		s += fmt.Sprintf(": %d bytes at offset %d", d.Bytes, d.Offset)
	} else if d.Offset > 0 {
		s += fmt.Sprintf(": offset %d", d.Offset)
	}
	s += ": " + d.Reason
	switch {
	case d.Events > 0:
		s += fmt.Sprintf(" (%d events lost)", d.Events)
	case d.Events < 0:
		s += " (events lost: unknown)"
	}
	return s
}

// DamageError is a Damage as an error.
type DamageError struct{ Damage Damage }

// Error names the place and what is wrong with it.
func (e *DamageError) Error() string { return "capture is damaged: " + e.Damage.String() }
