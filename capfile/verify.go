package capfile

import (
	"errors"
	"fmt"
	"io"
)

// Check is what Verify has to say about one block.
type Check struct {
	File  string
	Block Block
	// Streams are the block's streams and their sizes.
	Streams []StreamSize
}

// StreamSize is the size of a stream of a block, and the name of what it
// holds.
type StreamSize struct {
	Name        string
	Raw, Stored int
}

// Verdict is what Verify found.
type Verdict struct {
	// Segments, Blocks and Events count what could be read; Unknown counts
	// events of types that a later version added.
	Segments, Blocks int
	Events, Unknown  uint64
	// Damage is what could not be read, at most 65536 entries, Unfinished the segments without a
	// footer.
	Damage     []Damage
	Unfinished []string
}

// Verify reads a whole capture, checks every checksum, decodes every event and
// compares the blocks' heads with what they hold. It calls yield for each
// block that is good, until yield returns false. An error means that the
// capture could not be read, not that it is damaged.
func Verify(path string, yield func(Check) bool) (Verdict, error) {
	var v Verdict
	lib, err := openLibrary(path)
	if err != nil {
		return v, err
	}
	defer lib.close()
	meta, err := lib.meta()
	if err != nil {
		return v, err
	}
	unpack, err := newUnpacker()
	if err != nil {
		return v, err
	}
	w := walker{lib: lib, id: meta.ID}
	defer w.close()
	c := checker{unpack: unpack}
	for more := true; more; {
		it, err := w.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return v, fmt.Errorf("reading capture: %w", err)
		}
		more = v.take(&it, &c, yield)
	}
	v.Unknown = c.dec.unknown
	return v, nil
}

// take adds an item of the walk to the verdict, and tells whether to go on.
func (v *Verdict) take(it *item, c *checker, yield func(Check) bool) bool {
	switch {
	case it.damage != nil:
		v.damaged(*it.damage)
		return true
	case it.unfinished != "":
		v.Unfinished = append(v.Unfinished, it.unfinished)
		return true
	case it.file == "":
		return true
	}
	check, err := c.check(it)
	if err != nil {
		v.damaged(badBlock(it.file, &it.block, int64(it.block.Events), err))
		return true
	}
	if it.file != c.file {
		c.file = it.file
		v.Segments++
	}
	v.Blocks++
	v.Events += uint64(it.block.Events)
	return yield(check)
}

func (v *Verdict) damaged(d Damage) {
	if len(v.Damage) < maxDamage {
		v.Damage = append(v.Damage, d)
	}
}

// checker decodes blocks and compares them with their heads.
type checker struct {
	file    string // of the last good block
	unpack  *unpacker
	dec     decoder
	streams [streamCount][]byte
	buf     []byte
}

func (c *checker) check(it *item) (Check, error) {
	check := Check{File: it.file, Block: it.block}
	sizes, _, err := parseTable(it.payload, it.block.Raw)
	if err != nil {
		return check, err
	}
	for _, s := range sizes {
		name := fmt.Sprintf("stream %d", s.number)
		if s.number < byte(streamCount) {
			name = streamNames[s.number]
		}
		check.Streams = append(check.Streams, StreamSize{name, s.raw, s.stored})
	}
	if c.buf, err = c.unpack.unpack(it.payload, it.block.Raw, c.buf, &c.streams); err != nil {
		return check, err
	}
	return check, c.decode(&it.block)
}

// errHead: a block's head and its contents disagree.
var errHead = errors.New("head does not agree with its contents")

func (c *checker) decode(b *Block) error {
	before := c.dec.unknown
	c.dec.begin(&c.streams, b.Events)
	var x extent
	for ev := c.dec.next(); ev != nil; ev = c.dec.next() {
		x.note(ev.Key())
	}
	if c.dec.err != nil {
		return c.dec.err
	}
	if c.dec.unknown != before {
		return nil // their times and sessions are not known here
	}
	if x.first != b.First || x.last != b.Last || x.low != b.Low || x.high != b.High {
		return errHead
	}
	return nil
}
