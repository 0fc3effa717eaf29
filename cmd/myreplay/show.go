package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"myreplay/capfile"
	"myreplay/capture"
	"myreplay/session"
)

// showArgs are the flags of show.
type showArgs struct {
	packets                               packetArgs
	json, bySession, messages, verify, at bool
	keep                                  rows
	sessions                              []string
	match                                 string
	limit                                 int
}

func showCommand() *cobra.Command {
	a := showArgs{}
	c := &cobra.Command{
		Use:   "show PATH...",
		Short: "Print a capture, a run or a packet file for a reader, or as JSON lines",
		Long: `Print what is in a capture, a run or a packet file: its statements with what came
of them (the default), its sessions, or every message of both sides. --json
prints one event a line for other programs; docs/FORMAT.md describes the fields.`,
		Example: `  myreplay show prod
  myreplay show prod --sessions
  myreplay show traffic.pcap --port 3307 --messages
  myreplay show prod --json | jq 'select(.kind=="reply" and .error)'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.run(c, args) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&a.json, "json", false, "one event a line as JSON")
	f.BoolVar(&a.bySession, "sessions", false, "one line a session")
	f.BoolVar(&a.messages, "messages", false, "one line a message, C: from the client, S: from the server")
	f.BoolVar(&a.verify, "verify", false, "check every block of a capture instead; exit code 2 when one is damaged")
	f.StringSliceVar(&a.sessions, "only", nil, "only these sessions, as `1,5-9`")
	f.StringVar(&a.match, "match", "", "only statements that contain `TEXT`")
	f.IntVarP(&a.limit, "limit", "n", 0, "stop after this many lines")
	f.Var(&a.keep, "rows", "of a packet file: show the first N rows of each result, or all")
	f.BoolVar(&a.at, "utc", false, "print times in UTC instead of local time")
	a.packets.flags(c)
	return c
}

// errEnough ends a show early.
var errEnough = errors.New("enough")

// printer prints events in one of show's forms.
type printer interface {
	event(e session.Event) error
	end() error
}

func (a *showArgs) run(c *cobra.Command, args []string) error {
	out := bufio.NewWriterSize(c.OutOrStdout(), 64<<10)
	ids, err := sessionIDs(a.sessions)
	if err != nil {
		return err
	}
	for _, path := range args {
		if err = a.path(c, out, path, ids); err != nil {
			break
		}
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	return errors.Join(err, out.Flush())
}

func (a *showArgs) path(c *cobra.Command, out *bufio.Writer, path string, ids map[uint64]bool) error {
	if a.verify {
		return verifyCapture(out, path)
	}
	o := capture.Options{Decode: decodeSeed(0)}
	o.Decode.Keep = int(a.keep)
	src, err := openRecorded(c.Context(), path, &a.packets, o, nil)
	if err != nil {
		return err
	}
	p := a.printer(out, src)
	err = a.print(c, src, p, ids)
	err = errors.Join(err, p.end(), src.Close())
	out.Flush()
	damageNote(c.ErrOrStderr(), src)
	return err
}

func (a *showArgs) print(c *cobra.Command, src recorded, p printer, ids map[uint64]bool) error {
	for c.Context().Err() == nil {
		e, err := src.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if id, _ := e.Key(); ids != nil && !ids[id] {
			continue
		}
		if err := p.event(e); err != nil {
			return err
		}
	}
	return nil
}

// printer returns the printer that the flags ask for.
func (a *showArgs) printer(out *bufio.Writer, src recorded) printer {
	l := &lines{out: out, limit: a.limit, utc: a.at, match: strings.ToLower(a.match), source: sourceTexts(src)}
	switch {
	case a.json:
		return &jsonPrinter{lines: l}
	case a.bySession:
		return &sessionPrinter{lines: l, open: map[uint64]*sessionLine{}}
	case a.messages:
		return &messagePrinter{lines: l}
	}
	return &statementPrinter{lines: l, waiting: map[replyKey]*session.Command{}}
}

// verifyCapture checks every block of a capture. Damage is an error; a segment
// that was not closed is none, since all its whole blocks can be read.
func verifyCapture(out io.Writer, path string) error {
	v, err := capfile.Verify(path, func(capfile.Check) bool { return true })
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %s, %s, %s\n", path, count(v.Segments, "segment"), count(v.Blocks, "block"), count(v.Events, "event"))
	if v.Unknown > 0 {
		fmt.Fprintf(out, "  %s of types that a newer version wrote\n", count(v.Unknown, "event"))
	}
	for _, name := range v.Unfinished {
		fmt.Fprintf(out, "  %s was not closed: its recorder was killed, or still writes\n", name)
	}
	for _, d := range v.Damage {
		fmt.Fprintf(out, "  %v\n", d)
	}
	if n := len(v.Damage); n > 0 {
		return fmt.Errorf("%s is damaged in %s; the rest can be read", path, count(n, "place"))
	}
	return nil
}
