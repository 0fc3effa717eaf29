package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"myreplay/mirror"
)

// readFigures reads the JSON of figures over those of base.
func readFigures(t *testing.T, base *mirror.Figures, text string) *mirror.Figures {
	t.Helper()
	f := mirror.Figures{}
	b, err := json.Marshal(base)
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &f
}

// TestLive renders the figures of mirrors:
//
//	figures NAME [like=NAME]
//	    JSON; what is not said is as in the other
//	screen now=NAME before=NAME [width=N] [rows=N]
//	line now=NAME before=NAME [width=N]
//	health now=NAME before=NAME
func TestLive(t *testing.T) {
	datadriven.Walk(t, "testdata/live", func(t *testing.T, path string) {
		all := map[string]*mirror.Figures{"none": {}}
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			if td.Cmd == "figures" {
				like := "none"
				td.MaybeScanArgs(t, "like", &like)
				all[td.CmdArgs[0].Key] = readFigures(t, all[like], td.Input)
				return ""
			}
			var now, before string
			width, rows := 0, 24
			td.ScanArgs(t, "now", &now)
			td.ScanArgs(t, "before", &before)
			td.MaybeScanArgs(t, "width", &width)
			td.MaybeScanArgs(t, "rows", &rows)
			switch td.Cmd {
			case "screen":
				lines := liveScreen(all[now], all[before], width, rows)
				if len(lines) >= rows {
					t.Errorf("%d lines on %d rows", len(lines), rows)
				}
				for _, l := range lines {
					if columnsOf(l) > width {
						t.Errorf("%d columns: %q", columnsOf(l), l)
					}
				}
				return strings.Join(lines, "\n")
			case "line":
				return liveLine(all[now], all[before], width)
			case "health":
				b, err := json.MarshalIndent(healthOf(all[now], all[before], defaultMostLag), "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			return "?"
		})
	})
}

// terminal is a small terminal that reflows: enough to see what progress leaves
// on it. A character takes one column.
type terminal struct {
	columns int
	lines   []string // hard lines
	line    int
	column  int
}

func (v *terminal) rowsOf(line int) int {
	return max((len(v.lines[line])+v.columns-1)/v.columns, 1)
}

// Write implements io.Writer.
func (v *terminal) Write(text []byte) (int, error) {
	if v.lines == nil {
		v.lines = []string{""}
	}
	for rest := text; len(rest) > 0; {
		var up int
		if n, _ := fmt.Sscanf(string(rest), "\x1b[%dA", &up); n == 1 {
			v.up(up)
			rest = rest[bytes.IndexByte(rest, 'A')+1:]
			continue
		}
		if after, ok := bytes.CutPrefix(rest, []byte("\x1b[J")); ok {
			v.lines = v.lines[:v.line+1]
			v.lines[v.line] = v.lines[v.line][:min(v.column, len(v.lines[v.line]))]
			rest = after
			continue
		}
		if after, ok := bytes.CutPrefix(rest, []byte("\x1b[K")); ok {
			v.lines[v.line] = v.lines[v.line][:min(v.column, len(v.lines[v.line]))]
			rest = after
			continue
		}
		v.put(rest[0])
		rest = rest[1:]
	}
	return len(text), nil
}

// up goes to the same column some rows up.
func (v *terminal) up(rows int) {
	row := v.column / v.columns
	if v.column == len(v.lines[v.line]) && v.column > 0 && v.column%v.columns == 0 {
		row-- // the cursor waits behind the last column
	}
	for ; rows > 0; rows-- {
		if row > 0 {
			row--
		} else if v.line > 0 {
			v.line--
			row = v.rowsOf(v.line) - 1
		}
	}
	v.column = row*v.columns + v.column%v.columns
}

func (v *terminal) put(c byte) {
	switch c {
	case '\r':
		if v.column == len(v.lines[v.line]) && v.column > 0 && v.column%v.columns == 0 {
			v.column--
		}
		v.column -= v.column % v.columns
	case '\n':
		v.line++
		if v.line == len(v.lines) {
			v.lines = append(v.lines, "")
		}
		v.column = 0
	default:
		l := v.lines[v.line]
		if v.column < len(l) {
			v.lines[v.line] = l[:v.column] + string(c) + l[v.column+1:]
		} else {
			v.lines[v.line] = l + strings.Repeat(" ", v.column-len(l)) + string(c)
		}
		v.column++
	}
}

// TestProgressLaw: whatever is shown and said on a terminal of whatever changing
// size, in the end there is what was said, in its order, and nothing else.
func TestProgressLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := &terminal{columns: rapid.IntRange(5, 100).Draw(t, "columns")}
		p := &progress{out: v, stop: make(chan struct{}), size: func() (int, int) { return v.columns, 24 }}
		p.view.lines = func(columns, _ int) []string {
			var lines []string
			for i := range rapid.IntRange(1, 8).Draw(t, "lines") {
				lines = append(lines, cutTo(strings.Repeat(string(rune('a'+i)), rapid.IntRange(0, 120).Draw(t, "length")), columns-1))
			}
			return lines
		}
		said := ""
		for i := range rapid.IntRange(0, 20).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				p.show()
			case 1:
				v.columns = rapid.IntRange(5, 100).Draw(t, "columns")
			case 2:
				words := fmt.Sprintf("said %d\n", i)
				said += words
				fmt.Fprint(p, words)
			}
		}
		p.Stop()
		if got := strings.Join(v.lines, "\n"); got != said {
			t.Fatalf("left on the terminal: %q\nsaid: %q", got, said)
		}
	})
}

// TestProgressPlain: what is no terminal gets lines without control characters.
func TestProgressPlain(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out, stop: make(chan struct{}), view: view{plain: func() string { return "one line" }}}
	p.show()
	fmt.Fprintln(p, "said")
	p.Stop()
	if got := out.String(); got != "one line\nsaid\n" {
		t.Errorf("%q", got)
	}
}

// TestProgressDumb: a terminal that knows nothing gets one line, written over.
func TestProgressDumb(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out, dumb: true, stop: make(chan struct{}), size: func() (int, int) { return 20, 24 }}
	rows := 0
	p.view.lines = func(_, r int) []string { rows = r; return []string{"abc"} }
	p.show()
	p.show()
	p.Stop()
	if got := out.String(); got != "abc\r   \rabc\r   \r" || rows != 1 {
		t.Errorf("%q, %d rows", got, rows)
	}
}

// TestFigures: figures are kept for a while, and the oldest go first.
func TestFigures(t *testing.T) {
	n := int64(0)
	f := watchFigures(func() mirror.Figures { n++; return mirror.Figures{At: n} })
	f.Stop()
	if now, before := f.Latest(); now.At < 1 || before.At > now.At {
		t.Fatal(now.At, before.At)
	}
	f = &figures{take: func() mirror.Figures { n++; return mirror.Figures{At: n} }}
	n = 0
	for range figuresKept + 10 {
		f.sample()
	}
	if now, before := f.Since(healthSamples); now.At != figuresKept+10 || before.At != now.At-healthSamples {
		t.Error(now.At, before.At)
	}
	if now, before := f.Since(1000); now.At-before.At != figuresKept-1 {
		t.Error(now.At, before.At)
	}
}

// busy makes figures of a mirror that has run for some seconds, for looking at a
// terminal and a page.
func busy(second int64) mirror.Figures {
	var f mirror.Figures
	f.Began = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).UnixNano()
	f.At = f.Began + second*int64(time.Second)
	f.Source.Sessions, f.Source.Open, f.Source.Commands, f.Source.Replies = 900+second*3, 140+second%7, second*8120, second*8119
	f.Target.Open, f.Target.Connected, f.Target.Commands = 139+second%7, 890+second*3, second*8120
	f.Target.Skipped = map[string]int64{"write": second * 31, "secret": 4}
	f.Target.Sent = f.Target.Commands - second*31 - 4
	f.Target.Lag, f.Target.MostLag = int64(12+second%5)*int64(time.Millisecond), int64(340*time.Millisecond)
	f.Target.Held, f.Target.Limit = 1<<20+second*1000, 128<<20
	f.Answers.Compared, f.Answers.Different = uint64(second)*8000, uint64(second/3)
	f.Answers.Recorded.P50, f.Answers.Recorded.P99 = 210, 1900+second%9*10
	f.Answers.Replayed.P50, f.Answers.Replayed.P99 = 252, 2410+second%9*10
	return f
}
