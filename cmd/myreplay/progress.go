package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// The pace of progress lines: on a terminal one line is written over again,
// elsewhere a new line comes now and then.
const (
	progressTerminal = 500 * time.Millisecond
	progressPlain    = 10 * time.Second
)

// progress shows how a long command is getting on, on stderr.
type progress struct {
	out      io.Writer
	terminal bool
	width    int
	line     func() string
	stop     chan struct{}
	done     sync.WaitGroup
}

// showProgress shows what line returns, until Stop. quiet shows nothing.
func showProgress(out io.Writer, quiet bool, line func() string) *progress {
	p := &progress{out: out, line: line, stop: make(chan struct{}), width: 100}
	if quiet {
		return p
	}
	every := progressPlain
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.terminal, every = true, progressTerminal
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			p.width = w
		}
	}
	p.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.show()
			case <-p.stop:
				return
			}
		}
	})
	return p
}

func (p *progress) show() {
	s := p.line()
	if !p.terminal {
		fmt.Fprintln(p.out, s)
		return
	}
	if len(s) >= p.width {
		s = s[:p.width-1]
	}
	fmt.Fprintf(p.out, "\r%s%s", s, strings.Repeat(" ", p.width-1-len(s)))
}

// Stop ends the display and takes the line away from a terminal.
func (p *progress) Stop() {
	close(p.stop)
	p.done.Wait()
	if p.terminal {
		fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", p.width-1))
	}
}
