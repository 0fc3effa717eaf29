package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// The pace of progress lines: on a terminal one line is written over again,
// elsewhere a new line comes now and then.
const (
	progressTerminal = 500 * time.Millisecond
	progressPlain    = 10 * time.Second
)

// The size of a terminal that does not tell it.
const (
	usualColumns = 80
	usualRows    = 24
)

// view is what progress shows.
type view struct {
	// every is the pace on a terminal.
	every time.Duration
	// plain returns the line for what is no terminal.
	plain func() string
	// lines returns the lines for a terminal of that size, none wider than
	// columns-1.
	lines func(columns, rows int) []string
}

// progress shows how a long command is getting on, on stderr. What others have to
// say meanwhile goes through Write, so that the two don't mix.
type progress struct {
	out  io.Writer
	view view
	// size tells the terminal's columns and rows; nil where out is none.
	size func() (columns, rows int)
	// dumb: the terminal knows no way up, so that only one line can be shown.
	dumb bool

	mu    sync.Mutex
	shown []string // what stands on the terminal, the cursor behind the last
	width int      // the terminal's columns when that was written
	half  bool     // what was written last has no line end yet
	stop  chan struct{}
	done  sync.WaitGroup
}

// showProgress shows what line returns, until Stop. quiet shows nothing.
func showProgress(out io.Writer, quiet bool, line func() string) *progress {
	return showView(out, quiet, view{every: progressTerminal, plain: line, lines: func(columns, _ int) []string {
		return []string{cutTo(line(), columns-1)}
	}})
}

// showView shows a view until Stop. quiet shows nothing.
func showView(out io.Writer, quiet bool, v view) *progress {
	p := &progress{out: out, view: v, stop: make(chan struct{})}
	if quiet {
		return p
	}
	every := progressPlain
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		every = v.every
		kind := os.Getenv("TERM")
		p.dumb = kind == "" || kind == "dumb"
		p.size = func() (int, int) { return terminalSize(f) }
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

func terminalSize(f *os.File) (columns, rows int) {
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || columns < 1 || rows < 1 {
		return usualColumns, usualRows
	}
	return columns, rows
}

func (p *progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.size == nil {
		fmt.Fprintln(p.out, p.view.plain())
		return
	}
	if p.half {
		return // somebody's line is not at its end
	}
	columns, rows := p.size()
	if p.dumb {
		rows = 1
	}
	p.draw(p.view.lines(columns, rows), columns)
}

// draw puts lines in the place of those that are shown, in one write.
func (p *progress) draw(lines []string, columns int) {
	var out bytes.Buffer
	over := !p.dumb && columns == p.width && len(lines) > 0 && len(p.shown) > 0
	if over {
		p.back(&out, columns)
	} else {
		p.clear(&out, columns)
	}
	for i, l := range lines {
		if i > 0 && over {
			out.WriteString("\x1b[K") // the rest of the line above
		}
		if i > 0 {
			out.WriteString("\r\n")
		}
		out.WriteString(l)
	}
	if over {
		out.WriteString("\x1b[J") // the rest of all
	}
	p.shown, p.width = lines, columns
	p.out.Write(out.Bytes())
}

// back writes what leads from behind the shown lines to where they begin. A
// terminal that has become narrower has wrapped them.
func (p *progress) back(out *bytes.Buffer, columns int) {
	up := -1
	for _, l := range p.shown {
		up += max((columnsOf(l)+columns-1)/columns, 1)
	}
	if up > 0 {
		fmt.Fprintf(out, "\x1b[%dA", up)
	}
	out.WriteByte('\r')
}

// clear writes what takes the shown lines away and leaves the cursor where they
// began.
func (p *progress) clear(out *bytes.Buffer, columns int) {
	switch {
	case len(p.shown) == 0:
	case p.dumb:
		fmt.Fprintf(out, "\r%s\r", strings.Repeat(" ", min(columnsOf(p.shown[0]), columns-1)))
	default:
		p.back(out, columns)
		out.WriteString("\x1b[J")
	}
	p.shown = nil
}

// Write writes text for a reader past what is shown. It implements io.Writer.
func (p *progress) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.size == nil || len(text) == 0 {
		return p.out.Write(text)
	}
	columns, _ := p.size()
	shown := p.shown
	var out bytes.Buffer
	if len(shown) > 0 && !p.dumb && columns == p.width {
		// Over what is shown: some terminals keep what is cleared as a whole.
		p.back(&out, columns)
		out.Write(bytes.ReplaceAll(text, []byte("\n"), []byte("\x1b[K\n")))
		out.WriteString("\x1b[J")
		p.shown = nil
	} else {
		p.clear(&out, columns)
		out.Write(text)
	}
	p.half = text[len(text)-1] != '\n'
	if _, err := p.out.Write(out.Bytes()); err != nil {
		return 0, err
	}
	if !p.half && len(shown) > 0 {
		p.draw(shown, columns)
	}
	return len(text), nil
}

// Stop ends the display and takes it away from a terminal.
func (p *progress) Stop() {
	close(p.stop)
	p.done.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.size == nil {
		return
	}
	columns, _ := p.size()
	p.draw(nil, columns)
}

// columnsOf is how many columns s takes on a terminal, at most: characters that
// may take two count as two.
func columnsOf(s string) int {
	n := 0
	for _, r := range s {
		n += columnsOfRune(r)
	}
	return n
}

// firstWide is the first character of which some take two columns.
const firstWide = 0x1100

func columnsOfRune(r rune) int {
	if r < firstWide {
		return 1
	}
	return 2
}

// cutTo returns s in at most width columns.
func cutTo(s string, width int) string {
	for i, r := range s {
		if width -= columnsOfRune(r); width < 0 {
			return s[:i]
		}
	}
	return s
}

// printable returns s in one line, without what could move a terminal's cursor,
// hide text, or is no UTF-8. Servers and peers make such texts.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, r != ' ' && !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
}
