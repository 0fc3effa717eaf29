package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/xproto"
)

// replyKey names a command that waits for its reply.
type replyKey struct{ id, seq uint64 }

// statementPrinter prints a line for each command, with what came of it.
type statementPrinter struct {
	*lines
	waiting map[replyKey]*session.Command
}

func (p *statementPrinter) event(e session.Event) error {
	defer p.see(e)
	switch e := e.(type) {
	case *session.Start:
		return p.line("%s  %6d  -- %s", p.time(e.At), e.ID, startText(e))
	case *session.Command:
		if e.Kind.HasReply() && e.Skipped == session.NotSkipped {
			p.waiting[replyKey{e.ID, e.Seq}] = e
			return nil
		}
		return p.statement(e, nil)
	case *session.Reply:
		k := replyKey{e.ID, e.Seq}
		c := p.waiting[k]
		delete(p.waiting, k)
		if c != nil {
			return p.statement(c, e)
		}
	case *session.Gap:
		return p.line("%s  %6d  -- missing: %s", p.time(e.At), e.ID, gapText(e))
	case *session.End:
		if err := p.unanswered(e.ID); err != nil {
			return err
		}
		s := e.Reason.String()
		if e.Detail != "" {
			s += ": " + e.Detail
		}
		return p.line("%s  %6d  -- end: %s", p.time(e.At), e.ID, s)
	}
	return nil
}

// unanswered prints the commands of a session that have no reply.
func (p *statementPrinter) unanswered(id uint64) error {
	var keys []replyKey
	for k := range p.waiting {
		if k.id == id {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b replyKey) int { return int(a.seq) - int(b.seq) })
	for _, k := range keys {
		c := p.waiting[k]
		delete(p.waiting, k)
		if err := p.statement(c, nil); err != nil {
			return err
		}
	}
	return nil
}

func (p *statementPrinter) statement(c *session.Command, r *session.Reply) error {
	whole, sql := p.command(c)
	if !p.wanted(sql) {
		return nil
	}
	took, answer := "", ""
	if r != nil {
		took = duration(time.Duration(r.Last - c.At))
		answer = "  => " + replyText(r)
	}
	return p.line("%s  %6d  %9s  %s%s", p.time(c.At), c.ID, took, p.describe(whole, sql), answer)
}

func (p *statementPrinter) end() error { return nil }

// messagePrinter prints a line for each message of both sides.
type messagePrinter struct{ *lines }

func (p *messagePrinter) event(e session.Event) error {
	defer p.see(e)
	switch e := e.(type) {
	case *session.Start:
		return p.line("%s  %6d  -- %s", p.time(e.At), e.ID, startText(e))
	case *session.Command:
		whole, sql := p.command(e)
		if !p.wanted(sql) {
			return nil
		}
		name := classic.Code(e.Code).String()
		if p.protocols[e.ID] == session.X {
			name = xproto.ClientMessage(e.Code).String()
		}
		if e.Kind == session.FileData {
			name = "LOCAL INFILE data"
		}
		return p.line("%s  %6d  C: %-16s %s", p.time(e.At), e.ID, name, p.describe(whole, sql))
	case *session.Reply:
		return p.reply(e)
	case *session.Gap:
		return p.line("%s  %6d  -- missing: %s", p.time(e.At), e.ID, gapText(e))
	case *session.End:
		return p.line("%s  %6d  -- end: %s", p.time(e.At), e.ID, e.Reason)
	}
	return nil
}

func (p *messagePrinter) reply(r *session.Reply) error {
	if r.Prepared != nil {
		return p.line("%s  %6d  S: %-16s %s", p.time(r.Last), r.ID, "STMT_PREPARE_OK", replyText(r))
	}
	for i := range r.Results {
		res := &r.Results[i]
		name := map[session.Outcome]string{session.OK: "OK", session.Rows: "RESULTSET", session.Failed: "ERR", session.Opened: "CURSOR", session.Text: "TEXT"}[res.Outcome]
		columns := ""
		if res.Columns != nil {
			var names []string
			for _, c := range res.Columns.List {
				names = append(names, c.Name)
			}
			columns = " (" + strings.Join(names, ", ") + ")"
		}
		if err := p.line("%s  %6d  S: %-16s %s%s", p.time(r.Last), r.ID, name, resultText(res), columns); err != nil {
			return err
		}
		for _, row := range res.Kept {
			if err := p.line("%s  %6d  S: %-16s %s", p.time(r.Last), r.ID, "ROW", wordsOf(p.protocols[r.ID]).Row(res, row)); err != nil {
				return err
			}
		}
	}
	if r.Lost {
		return p.line("%s  %6d  S: %s", p.time(r.Last), r.ID, "the rest was not seen")
	}
	return nil
}

func (p *messagePrinter) end() error { return nil }

// sessionPrinter prints a line for each session.
type sessionPrinter struct {
	*lines
	open map[uint64]*sessionLine
}

type sessionLine struct {
	start                            *session.Start
	last                             int64
	commands, errors, gaps, prepared int
	end                              *session.End
}

func (p *sessionPrinter) event(e session.Event) error {
	id, at := e.Key()
	if s, ok := e.(*session.Start); ok {
		p.open[id] = &sessionLine{start: s, last: at}
		return nil
	}
	l := p.open[id]
	if l == nil {
		return nil
	}
	l.last = max(l.last, at)
	switch e := e.(type) {
	case *session.Command:
		l.commands++
	case *session.Reply:
		if e.Err() != nil {
			l.errors++
		}
		if e.Prepared != nil {
			l.prepared++
		}
	case *session.Gap:
		l.gaps++
	case *session.End:
		l.end = e
		delete(p.open, id)
		return p.session(l)
	}
	return nil
}

func (p *sessionPrinter) session(l *sessionLine) error {
	s := fmt.Sprintf("%s  %6d  %9s  %s", p.time(l.start.At), l.start.ID, duration(time.Duration(l.last-l.start.At)), startText(l.start))
	s += ", " + count(l.commands, "command")
	for _, note := range []struct {
		n    int
		what string
	}{{l.prepared, "prepared statement"}, {l.errors, "error"}, {l.gaps, "gap"}} {
		if note.n > 0 {
			s += ", " + count(note.n, note.what)
		}
	}
	if l.end != nil {
		s += ", " + l.end.Reason.String()
	}
	return p.line("%s", s)
}

func (p *sessionPrinter) end() error {
	for _, id := range slices.Sorted(maps.Keys(p.open)) {
		if err := p.session(p.open[id]); err != nil {
			return err
		}
	}
	return nil
}
