package capfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// library knows the segment files of a capture.
type library struct {
	path  string
	dir   *os.Root // nil: path is a single segment
	names []string // in order
}

func openLibrary(path string) (*library, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("opening capture: %w", err)
	}
	if !info.IsDir() {
		return &library{path: path, names: []string{filepath.Base(path)}}, nil
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("opening capture: %w", err)
	}
	l := &library{path: path, dir: root}
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("opening capture: %w", err)
	}
	for _, e := range entries {
		if _, ok := segmentNumber(e.Name()); ok {
			l.names = append(l.names, e.Name())
		}
	}
	if len(l.names) == 0 {
		root.Close()
		return nil, &FormatError{Path: path, Found: fmt.Sprintf("is a directory without segments (%s, ...)", segmentName(1))}
	}
	slices.SortFunc(l.names, func(a, b string) int {
		x, _ := segmentNumber(a)
		y, _ := segmentNumber(b)
		return int(int64(x) - int64(y))
	})
	return l, nil
}

// full returns the path of a segment, for messages.
func (l *library) full(name string) string {
	if l.dir == nil {
		return l.path
	}
	return filepath.Join(l.path, name)
}

// open opens a segment and reads what it says of itself.
func (l *library) open(i int) (*os.File, *segment, error) {
	f, err := l.openFile(i)
	if err != nil {
		return nil, nil, err
	}
	s, err := l.load(f, i)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, s, nil
}

// openFile opens a segment's file. A FIFO does not hold it up.
func (l *library) openFile(i int) (f *os.File, err error) {
	if l.dir == nil {
		f, err = os.OpenFile(l.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	} else {
		f, err = l.dir.OpenFile(l.names[i], os.O_RDONLY|syscall.O_NONBLOCK, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("opening segment: %w", err)
	}
	return f, nil
}

func (l *library) load(f *os.File, i int) (*segment, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening segment: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, &FormatError{Path: l.full(l.names[i]), Found: "is not a regular file"}
	}
	s, err := loadSegment(f, l.names[i], info.Size())
	var format *FormatError
	switch {
	case errors.As(err, &format):
		format.Path = l.full(l.names[i])
		return nil, format
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", l.full(l.names[i]), err)
	}
	if n, ok := segmentNumber(s.name); ok && l.dir != nil {
		s.number = n
	}
	return s, nil
}

func (l *library) close() error {
	if l.dir == nil {
		return nil
	}
	return l.dir.Close()
}

// item is one thing that a walk over a capture meets: a damage, an unfinished
// segment, or a block.
type item struct {
	damage     *Damage
	unfinished string // file name
	joined     uint64 // so many events before those of block were deleted

	file    string
	block   Block
	payload []byte // valid until the next step
}

// walker walks over the blocks of a capture and, by the numbers that their
// events have, says how many are lost where.
type walker struct {
	lib  *library
	id   string // of the capture
	i    int    // the segment that is next
	last uint32 // number of the last segment

	file *os.File
	seg  *segment
	scan *scanner

	begun   bool   // expected is known
	expect  uint64 // number of the next event
	pending []Damage
	out     []item
}

// next returns the next item; io.EOF at the end.
func (w *walker) next() (item, error) {
	for {
		if len(w.out) > 0 {
			it := w.out[0]
			w.out = w.out[1:]
			return it, nil
		}
		if w.seg == nil {
			if err := w.enter(); err != nil {
				return item{}, err
			}
			continue
		}
		b, payload, damage, err := w.scan.next()
		switch {
		case err == io.EOF:
			w.leave()
		case err != nil:
			return item{}, err
		case damage != nil:
			w.note(*damage)
		default:
			w.block(b, payload)
		}
	}
}

// note keeps a damage until it is known what it costs. What follows directly on
// another of its kind becomes one with it, so that there are not many.
func (w *walker) note(d Damage) {
	if n := len(w.pending); n > 0 {
		last := &w.pending[n-1]
		if last.File == d.File && last.Reason == d.Reason && last.Offset+last.Bytes == d.Offset && last.Events == d.Events {
			last.Bytes += d.Bytes
			return
		}
	}
	w.pending = append(w.pending, d)
}

// enter opens the next segment, or ends the walk.
func (w *walker) enter() error {
	if w.i == len(w.lib.names) {
		if len(w.pending) > 0 {
			w.release()
			return nil
		}
		return io.EOF
	}
	i := w.i
	w.i++
	f, s, err := w.lib.open(i)
	var format *FormatError
	if errors.As(err, &format) && w.lib.dir != nil {
		w.foreign(i, format)
		return nil
	}
	if err != nil {
		return err
	}
	w.missing(s.number)
	w.pending = append(w.pending, s.damage...)
	if reason := w.stranger(s); reason != "" {
		f.Close()
		w.pending = append(w.pending, Damage{File: s.name, Bytes: s.size, Events: -1, Reason: reason})
		return nil
	}
	w.file, w.seg, w.scan = f, s, newScanner(f, s)
	switch {
	case s.number == 1:
		w.begun = true
	case !w.begun && s.closed && len(s.blocks) > 0:
		w.begin(s.blocks[0])
	}
	return nil
}

// begin notes that the events before a block were deleted.
func (w *walker) begin(b Block) {
	w.release()
	w.begun, w.expect = true, b.FirstEvent
	if b.FirstEvent > 0 {
		w.out = append(w.out, item{joined: b.FirstEvent, block: b})
	}
}

// foreign notes a segment that can't be read. An empty last one is where a
// killed Writer was about to begin.
func (w *walker) foreign(i int, format *FormatError) {
	name := w.lib.names[i]
	number, _ := segmentNumber(name)
	w.missing(number)
	info, err := w.lib.dir.Stat(name)
	if err == nil && info.Size() == 0 && i == len(w.lib.names)-1 {
		w.out = append(w.out, item{unfinished: name})
		return
	}
	d := Damage{File: name, Events: -1, Reason: "the file " + format.Found}
	if err == nil {
		d.Bytes = info.Size()
	}
	w.pending = append(w.pending, d)
}

// missing notes segments that should be there before the given one.
func (w *walker) missing(number uint32) {
	if first := w.last + 1; w.last != 0 && number > first {
		reason := "the segment is missing"
		if number > first+1 {
			reason = fmt.Sprintf("the segments up to %s are missing", segmentName(number-1))
		}
		w.pending = append(w.pending, Damage{File: segmentName(first), Events: -1, Reason: reason})
	}
	w.last = number
}

// stranger tells why a segment does not belong here, or "".
func (w *walker) stranger(s *segment) string {
	if !s.hasMeta {
		return ""
	}
	if w.id != "" && s.meta.ID != w.id {
		return "the segment belongs to another capture, " + s.meta.ID
	}
	if s.meta.Segment != s.number {
		return fmt.Sprintf("the file holds segment %d of the capture", s.meta.Segment)
	}
	return ""
}

// block passes a block on after what is known to be lost before it.
func (w *walker) block(b Block, payload []byte) {
	b.Segment, b.Number = w.seg.number, w.number(b.Offset)
	if w.begun && b.FirstEvent < w.expect {
		w.note(Damage{File: w.seg.name, Offset: b.Offset, Bytes: int64(b.Stored), Reason: "the block repeats events that were read before"})
		return
	}
	if !w.begun {
		w.begin(b)
	}
	w.resolve(b.FirstEvent, b.Offset)
	w.expect = b.FirstEvent + uint64(b.Events)
	w.out = append(w.out, item{file: w.seg.name, block: b, payload: payload})
}

// number returns the number of the block at an offset: its place in the index
// or, without one, among the blocks that can be read.
func (w *walker) number(offset int64) int {
	s := w.seg
	for s.seen < len(s.blocks) && s.blocks[s.seen].Offset < offset {
		s.seen++
	}
	s.seen++
	return s.seen - 1
}

// leave ends a segment. Its footer tells which number the next event has.
func (w *walker) leave() {
	s := w.seg
	if n := len(s.blocks); s.closed && n > 0 && w.begun {
		w.resolve(s.blocks[n-1].FirstEvent+uint64(s.blocks[n-1].Events), s.end)
	}
	if !s.closed {
		w.out = append(w.out, item{unfinished: s.name})
	}
	w.file.Close()
	w.file, w.seg, w.scan = nil, nil, nil
}

// resolve tells, now that the number of the next event is known, how many
// events are lost with the damage before it.
func (w *walker) resolve(next uint64, offset int64) {
	lost := int64(0)
	if next > w.expect {
		lost = int64(min(next-w.expect, 1<<62))
		w.expect = next
	}
	harmful := -1
	for i := range w.pending {
		if w.pending[i].Events < 0 {
			w.pending[i].Events = 0
			harmful = i
		}
	}
	switch {
	case harmful >= 0:
		w.pending[harmful].Events = lost
	case lost > 0:
		w.pending = append(w.pending, Damage{File: w.seg.name, Offset: offset, Events: lost,
			Reason: "events are missing here"})
	}
	w.release()
}

// release passes on the damage that was noted.
func (w *walker) release() {
	for i := range w.pending {
		w.out = append(w.out, item{damage: &w.pending[i]})
	}
	w.pending = nil
}

// close ends the walk.
func (w *walker) close() {
	if w.file != nil {
		w.file.Close()
		w.file = nil
	}
}
