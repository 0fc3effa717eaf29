package main

import (
	"bufio"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"myreplay/capture"
	"myreplay/flow"
	"myreplay/session"
	"myreplay/trace"
)

// printArgs say how messages are shown.
type printArgs struct {
	verbose, json bool
	maxValue      int
}

func (a *printArgs) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVarP(&a.verbose, "verbose", "v", false, "with --print: also time, session, size and what the message says, without secrets")
	f.BoolVar(&a.json, "json", false, "with --print: one JSON object a line, with all that -v shows")
	f.IntVar(&a.maxValue, "max-value", trace.DefaultMaxValue, "with --print: how many bytes of one value are shown")
}

func (a *printArgs) check(print bool) error {
	if !print && (a.verbose || a.json) {
		return errors.New("-v and --json are about --print")
	}
	return nil
}

// messageSource prints the messages of a source of chunks, which it passes on.
type messageSource struct {
	src    capture.Source
	tracer *trace.Tracer
	out    *bufio.Writer
	args   *printArgs
	line   []byte
	shown  int64 // when what was written was flushed last
	err    error // of writing: nothing more is shown
}

// flushEvery is how long a line may wait to be shown while others follow,
// nanoseconds.
const flushEvery = 20e6

func (a *printArgs) printer(out io.Writer, src capture.Source, spoken session.Protocol) *messageSource {
	t := trace.New(trace.Options{Detail: a.verbose || a.json, Connections: a.verbose || a.json, MaxValue: a.maxValue,
		Protocol: traceProtocols[spoken]})
	return &messageSource{src: src, tracer: t, out: bufio.NewWriterSize(out, 64<<10), args: a}
}

// Read implements capture.Source.
func (p *messageSource) Read(c *flow.Chunk) error {
	if err := p.src.Read(c); err != nil {
		return err
	}
	if p.err == nil {
		p.err = p.tracer.Chunk(c, p.show)
	}
	if c.Kind == flow.Tick || c.At-p.shown > flushEvery {
		p.flush()
		p.shown = c.At
	}
	return nil
}

func (p *messageSource) flush() {
	if err := p.out.Flush(); p.err == nil {
		p.err = err
	}
}

// all prints until the source ends.
func (p *messageSource) all() error {
	var c flow.Chunk
	for p.err == nil {
		if err := p.Read(&c); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
	return nil
}

// end shows what is left, and returns what went wrong with showing.
func (p *messageSource) end() error {
	p.flush()
	return p.err
}

func (p *messageSource) show(m *trace.Message) error {
	p.line = p.line[:0]
	if p.args.json {
		p.line = m.AppendJSON(p.line)
	} else {
		p.line = m.AppendLine(p.line, p.args.verbose)
	}
	p.line = append(p.line, '\n')
	_, err := p.out.Write(p.line)
	return err
}
