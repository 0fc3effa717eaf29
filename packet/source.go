package packet

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"myreplay/flow"
)

// packetSource is where a Source takes packets from: files or devices. Beside nil
// its errors are io.EOF, errIdle (p.at is the time), errDrops (p.drops packets are
// missing), and others after which it can be read on.
type packetSource interface {
	next(p *rawPacket) error
	close()
}

// Source reads packets and gives chunks. Read must be called from one goroutine
// at a time; Stats and Close may be called from any.
type Source struct {
	from packetSource
	dec  decoder
	asm  *assembler
	raw  rawPacket
	tcp  tcpPacket

	stats     Stats
	published Stats // a copy for other goroutines
	mu        sync.Mutex
	sinceSync int

	stop   *stopper
	ending bool // no more packets
	ended  bool

	// silence is after how long, by the packets' time, packets that make no chunk
	// make a Tick; 0: never. toldAt is the time of the last chunk.
	silence, toldAt int64
}

// stopper tells a packetSource that Close was called.
type stopper struct {
	once sync.Once
	flag atomic.Bool
	done chan struct{} // closed with flag
}

func newStopper() *stopper { return &stopper{done: make(chan struct{})} }

func (s *stopper) stopped() bool { return s.flag.Load() }

func (s *stopper) stop() {
	s.once.Do(func() {
		s.flag.Store(true)
		close(s.done)
	})
}

// statsEvery is how many packets Stats may be behind.
const statsEvery = 64

// OpenFiles opens capture files that are read one after the other, as if they
// were one: pcap and pcapng, also compressed with gzip or zstd; "-" is stdin. A
// connection may go on in the next file. A file that cannot be opened or read is
// reported by Read, as a *FileError, when its turn comes; OpenFiles itself fails
// only when none of the files can be opened.
func OpenFiles(paths []string, o Options) (*Source, error) {
	if len(paths) == 0 {
		return nil, errors.New("open capture files: none is given")
	}
	var first error
	for _, path := range paths {
		err := readable(path)
		if err == nil {
			first = nil
			break
		}
		if first == nil {
			first = &FileError{Path: path, Reason: "cannot open it", Err: err}
		}
	}
	if first != nil {
		return nil, first
	}
	stop := newStopper()
	return newSource(&files{names: paths, stdin: os.Stdin, follow: o.Follow, stop: stop}, o, stop), nil
}

// readable tries to open a file.
func readable(path string) error {
	if path == "-" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() { // opening a FIFO would wait
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// OpenReader is OpenFiles for one file that comes from r; name stands for it in
// errors. Read gives Tick chunks while r has nothing. When Close is called while r
// blocks, a goroutine stays behind until r returns.
func OpenReader(name string, r io.Reader, o Options) *Source {
	stop := newStopper()
	f := &files{names: []string{name}, stop: stop}
	f.in = newInput(name, newPump(&unpacker{src: r}, stop.done))
	return newSource(f, o, stop)
}

func newSource(from packetSource, o Options, stop *stopper) *Source {
	o = o.withDefaults()
	s := &Source{from: from, stop: stop}
	s.dec = newDecoder(&o, &s.stats)
	s.asm = newAssembler(&o, &s.stats)
	return s
}

// Read returns the next chunk. c.Data is borrowed until the next Read. After a
// *FileError or a *DeviceError Read may be called again: what else there is
// follows. At the end, or after Close, the open connections are closed, and then
// Read returns io.EOF.
func (s *Source) Read(c *flow.Chunk) error {
	for {
		if s.asm.pop(c) {
			return nil
		}
		s.asm.recycle()
		switch {
		case s.ended:
			return io.EOF
		case s.asm.step():
			continue
		case s.ending:
			if !s.asm.end() {
				s.ended = true
				s.syncStats()
			}
			continue
		}
		made, err := s.packet(c)
		if made || err != nil {
			return err
		}
	}
}

// packet takes in one packet. It may make a chunk directly: Tick or Drop.
func (s *Source) packet(c *flow.Chunk) (made bool, err error) {
	if s.sinceSync++; s.sinceSync >= statsEvery {
		s.syncStats()
	}
	switch err = s.from.next(&s.raw); err {
	case nil:
		s.take()
		return s.silent(c), nil
	case errIdle:
		s.asm.advance(s.raw.at)
		s.syncStats()
		s.tick(c)
		return true, nil
	case errDrops:
		s.stats.SourceDrops += s.raw.drops
		s.syncStats()
		*c = flow.Chunk{Kind: flow.Drop, At: s.raw.at, Lost: s.raw.drops}
		return true, nil
	case io.EOF:
		s.ending = true
		s.from.close()
		return false, nil
	}
	var file *FileError
	if errors.As(err, &file) {
		s.stats.FileErrors++
	}
	s.syncStats()
	return false, err
}

// silent makes a Tick when the packets that came made no chunk for a while.
func (s *Source) silent(c *flow.Chunk) bool {
	if s.silence == 0 {
		return false
	}
	if len(s.asm.out) > 0 {
		s.toldAt = s.raw.at
		return false
	}
	if s.raw.at-s.toldAt < s.silence {
		return false
	}
	s.tick(c)
	return true
}

func (s *Source) tick(c *flow.Chunk) {
	s.toldAt = s.raw.at
	*c = flow.Chunk{Kind: flow.Tick, At: s.raw.at}
}

// take decodes and assembles the packet in s.raw.
func (s *Source) take() {
	s.stats.Packets++
	s.stats.Bytes += uint64(len(s.raw.data))
	v := s.dec.decode(&s.raw, &s.tcp)
	if v == isTCP {
		s.stats.Segments++
		s.asm.add(&s.tcp)
		return
	}
	s.stats.count(v)
	s.asm.advance(s.raw.at)
}

func (s *Source) syncStats() {
	s.sinceSync = 0
	s.stats.Connections = s.asm.table.n
	s.mu.Lock()
	s.published = s.stats
	s.mu.Unlock()
}

// Stats returns the counts so far. While packets flow they may be a few packets
// old; they are exact when Read waits and after it has returned io.EOF.
func (s *Source) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.published
}

// Close ends the source: Read returns the chunks that end the open connections,
// and then io.EOF. What the source holds is freed by that Read.
func (s *Source) Close() error {
	s.stop.stop()
	return nil
}
