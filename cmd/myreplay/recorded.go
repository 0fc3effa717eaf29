package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"myreplay/capfile"
	"myreplay/capture"
	"myreplay/packet"
	"myreplay/session"
)

// recorded is a recording that is read: a capture, a run, or packet files.
type recorded interface {
	// Next returns the next event, io.EOF at the end.
	Next() (session.Event, error)
	Close() error
}

// isCapture tells whether a path is a capture or one of its segments, and not a
// packet file.
func isCapture(path string) (bool, error) {
	if path == "-" {
		return false, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	if info.IsDir() {
		return true, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 8)
	n, _ := io.ReadFull(f, head)
	return capfile.IsSegment(head[:n]), nil
}

// openRecorded opens a capture, a run, or packet files. The events of packet
// files go to also, too, unless it is nil.
func openRecorded(ctx context.Context, path string, p *packetArgs, o capture.Options, also capture.Sink) (recorded, error) {
	is, err := isCapture(path)
	if err != nil {
		return nil, err
	}
	if is {
		return capfile.Open(path)
	}
	po, err := p.options(nil)
	if err != nil {
		return nil, err
	}
	spoken, err := parseProtocol(p.protocol)
	if err != nil {
		return nil, err
	}
	o.Decode.Protocol = alwaysSpoken(spoken)
	src, err := packet.OpenFiles([]string{path}, po)
	if err != nil {
		return nil, err
	}
	return newPipe(ctx, src, o, also), nil
}

const (
	// pipeBatch events are handed over at once, pipeDepth batches may wait.
	pipeBatch = 128
	pipeDepth = 8
)

// pipe decodes packets in one goroutine and gives the events to another. It is
// the sink of a recorder and the source of a replay.
type pipe struct {
	src     *packet.Source
	also    capture.Sink // also gets the events; may be nil
	batches chan []session.Event
	batch   []session.Event // being filled
	reading []session.Event
	quit    chan struct{}
	once    sync.Once
	err     error // valid once batches is closed
}

func newPipe(ctx context.Context, src *packet.Source, o capture.Options, also capture.Sink) *pipe {
	p := &pipe{src: src, also: also, batches: make(chan []session.Event, pipeDepth), quit: make(chan struct{})}
	go func() {
		defer close(p.batches)
		tolerant := &tolerantSource{src: src}
		err := capture.New(p, o).Run(ctx, tolerant)
		p.flush()
		if !errors.Is(err, errPipeClosed) {
			p.err = errors.Join(append(tolerant.errs, err)...)
		}
	}()
	return p
}

var errPipeClosed = errors.New("nobody reads any more")

// Write implements capture.Sink.
func (p *pipe) Write(e session.Event) error {
	if p.also != nil {
		if err := p.also.Write(e); err != nil {
			return err
		}
	}
	p.batch = append(p.batch, e)
	if len(p.batch) < pipeBatch {
		return nil
	}
	return p.flush()
}

// Tick implements capture.Sink.
func (p *pipe) Tick(int64) error { return p.flush() }

func (p *pipe) flush() error {
	if len(p.batch) == 0 {
		return nil
	}
	batch := p.batch
	p.batch = make([]session.Event, 0, pipeBatch)
	select {
	case p.batches <- batch:
		return nil
	case <-p.quit:
		return errPipeClosed
	}
}

// Next implements recorded.
func (p *pipe) Next() (session.Event, error) {
	if len(p.reading) == 0 {
		var ok bool
		if p.reading, ok = <-p.batches; !ok {
			if p.err != nil {
				return nil, p.err
			}
			return nil, io.EOF
		}
	}
	e := p.reading[0]
	p.reading[0] = nil
	p.reading = p.reading[1:]
	return e, nil
}

// Close implements recorded.
func (p *pipe) Close() error {
	p.once.Do(func() { close(p.quit) })
	for range p.batches { // until the decoder has seen it
	}
	return p.src.Close()
}

// damageNote says on stderr what of a capture could not be read.
func damageNote(out io.Writer, r recorded) {
	c, ok := r.(*capfile.Reader)
	if !ok {
		return
	}
	for i, d := range c.Damage() {
		if i == 10 {
			fmt.Fprintf(out, "  and %d more\n", len(c.Damage())-i)
			break
		}
		fmt.Fprintln(out, "damaged:", d)
	}
	for _, name := range c.Unfinished() {
		fmt.Fprintf(out, "%s has no end: its recorder was killed or is still writing; what is whole was read\n", name)
	}
}
