package report

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"myreplay/session"
)

// A script is events as text, one a line:
//
//	start 7 [of=1] [copy=1] [user=u] [schema=s] [version=v] [joined] [told[=UNKNOWN]] [encrypted] [refused=1045]
//	7: KIND [#STATEMENT] [TEXT] [=> ANSWER]     a command, and its reply if there is one
//	reply 7.2 ANSWER                            a reply that comes later
//	gap 7 REASON [lost=9]
//	end 7 REASON
//	wait 1s
//
// KIND is session.Kind's name, joined by hyphens. Sequence numbers count up by
// themselves; "7.9: ..." gives one. An ANSWER is "skipped REASON", or results
// joined by " + " ("ok affected=1 id=2 warnings=1", "rows 3 digest=5/6",
// "error 1146 text", "prepared #3 2 1"), then "took=2ms", "first=1ms", "lost".
// Before "=>", "late=3ms" gives a due time, "masked", "cut" and "together" (sent
// with the command before) are flags; so is what the order between sessions did:
// "waited=5ms", "dropped=1", "redone=1", "guess=3.5" (taken as there), "guess=!3.5"
// (as not there yet), "guess=3.5+" (a definition), "guess=*3.5,*4.7" (writes of what it finds). A result with "status=1" leaves a transaction open. "told" stands for a session's state, with
// statement 9 prepared.
// Commands come a millisecond after the event before them.
type script struct {
	t    testing.TB
	now  int64
	seq  map[uint64]uint64
	sent map[uint64]int64 // when a session's last command was
	out  []session.Event
}

// scriptBegin is when scripts begin: 2026-01-02 03:04:05 UTC.
const scriptBegin = 1767323045e9

func newScript(t testing.TB) *script {
	return &script{t: t, now: scriptBegin, seq: map[uint64]uint64{}, sent: map[uint64]int64{}}
}

func (s *script) parse(text string) []session.Event {
	for _, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) != "" {
			s.line(line)
		}
	}
	return s.out
}

func (s *script) emit(e session.Event) { s.out = append(s.out, e) }

func (s *script) line(line string) {
	words := strings.Fields(line)
	s.now += 1e6
	switch words[0] {
	case "start":
		s.start(words)
	case "reply":
		id, seq, _ := strings.Cut(words[1], ".")
		c := &session.Command{ID: s.number(id), Seq: s.number(seq), At: s.sent[s.number(id)]}
		s.emit(s.reply(c, strings.Join(words[2:], " ")))
	case "gap":
		f := s.fields(words[2:])
		s.emit(&session.Gap{ID: s.number(words[1]), At: s.now, Reason: s.reason(f.rest), Lost: s.number(f.get("lost"))})
	case "end":
		s.emit(&session.End{ID: s.number(words[1]), At: s.now, Reason: s.reason(words[2:])})
	case "wait":
		s.now += int64(s.duration(words[1]))
	default:
		s.command(line)
	}
}

func (s *script) start(words []string) {
	f := s.fields(words[2:])
	e := &session.Start{ID: s.number(words[1]), At: s.now, Protocol: session.Classic, Of: s.number(f.get("of")),
		Copy: uint32(s.number(f.get("copy"))), ServerVersion: f.get("version"), Joined: f.has("joined"), Encrypted: f.has("encrypted"),
		Login: session.Login{Known: !f.has("encrypted"), User: f.get("user"), Schema: f.get("schema")}}
	if code := f.get("refused"); code != "" {
		e.Refused = &session.Error{Code: uint16(s.number(code))}
	}
	if f.has("told") {
		e.State = &session.State{Prepared: []session.PreparedState{{Statement: 9, SQL: []byte("select told from t where id = ?")}}}
		if unknown := f.get("told"); unknown != "" {
			e.State.Unknown = []string{unknown}
		}
	}
	s.emit(e)
}

func (s *script) command(line string) {
	who, what, ok := strings.Cut(line, ": ")
	if !ok {
		s.t.Fatalf("no event: %q", line)
	}
	id, seq, given := strings.Cut(who, ".")
	c := &session.Command{ID: s.number(id), At: s.now, End: s.now}
	s.seq[c.ID]++
	if given {
		s.seq[c.ID] = s.number(seq)
	}
	c.Seq = s.seq[c.ID]
	what, answer, answered := strings.Cut(what, "=>")
	f := s.fields(strings.Fields(what))
	c.Kind = s.kind(f.rest[0])
	c.Masked, c.Cut = f.has("masked"), f.has("cut")
	if f.has("together") {
		c.At, c.End = s.sent[c.ID], s.sent[c.ID]
	}
	s.sent[c.ID] = c.At
	c.Order = s.order(f)
	if late := f.get("late"); late != "" {
		c.Due = c.At - int64(s.duration(late))
	}
	text := f.rest[1:]
	if c.Kind.OnStatement() && len(text) > 0 {
		c.Statement = uint32(s.number(strings.TrimPrefix(text[0], "#")))
		text = text[1:]
	}
	if c.Kind == session.Query || c.Kind == session.Prepare {
		if len(text) > 0 {
			c.SQL = []byte(strings.Join(text, " "))
		}
	}
	c.Payload = append([]byte{3}, strings.Join(text, " ")...)
	c.Size = uint64(len(c.Payload))
	answer = strings.TrimSpace(answer)
	if reason, ok := strings.CutPrefix(answer, "skipped "); ok {
		c.Skipped = s.skip(reason)
		s.emit(c)
		return
	}
	s.emit(c)
	if answered {
		s.emit(s.reply(c, answer))
	}
}

// order returns what the fields say of the order between sessions, nil when
// nothing.
func (s *script) order(f fields) *session.Order {
	o := session.Order{Dropped: uint32(s.number(f.get("dropped"))), Redone: uint32(s.number(f.get("redone")))}
	o.Still = f.has("still")
	if waited := f.get("waited"); waited != "" {
		o.Waited = int64(s.duration(waited))
	}
	for _, g := range strings.FieldsFunc(f.get("guess"), func(r rune) bool { return r == ',' }) {
		g, rests := strings.CutPrefix(g, "*")
		g, defines := strings.CutSuffix(g, "+")
		g, not := strings.CutPrefix(g, "!")
		id, seq, _ := strings.Cut(g, ".")
		o.Guesses = append(o.Guesses, session.Guess{Session: s.number(id), Seq: s.number(seq), Seen: !not, Defines: defines, Rests: rests})
	}
	if o.Waited == 0 && o.Dropped+o.Redone == 0 && o.Guesses == nil && !o.Still {
		return nil
	}
	return &o
}

func (s *script) reply(c *session.Command, answer string) *session.Reply {
	f := s.fields(strings.Fields(answer))
	took := s.duration(f.getOr("took", "500us"))
	r := &session.Reply{ID: c.ID, Seq: c.Seq, Last: c.At + int64(took), Bytes: 100, Lost: f.has("lost")}
	r.First = c.At + int64(s.duration(f.getOr("first", took.String())))
	s.now = max(s.now, r.Last)
	for _, part := range strings.Split(strings.Join(f.rest, " "), " + ") {
		s.result(r, strings.Fields(part))
	}
	return r
}

func (s *script) result(r *session.Reply, words []string) {
	if len(words) == 0 {
		return
	}
	f := s.fields(words[1:])
	res := session.Result{Affected: s.number(f.get("affected")), InsertID: s.number(f.get("id")),
		Warnings: uint16(s.number(f.get("warnings"))), Status: uint16(s.number(f.get("status")))}
	switch words[0] {
	case "ok":
		res.Outcome = session.OK
	case "rows":
		res.Outcome = session.Rows
		res.Rows = s.number(words[1])
		res.Digest = session.Digest{Ordered: 1, Unordered: 1, Valid: f.get("digest") != "?"}
		if d := f.get("digest"); d != "" && d != "?" {
			a, b, two := strings.Cut(d, "/")
			if !two {
				b = a
			}
			res.Digest.Ordered, res.Digest.Unordered = s.number(a), s.number(b)
		}
		for _, k := range strings.Split(f.get("keyed"), ",") {
			if key, row, ok := strings.Cut(k, ":"); ok {
				res.Keyed = append(res.Keyed, session.RowHash{Key: s.number(key), Row: s.number(row)})
			}
		}
	case "error":
		res.Outcome = session.Failed
		res.Error = &session.Error{Code: uint16(s.number(words[1])), State: "HY000", Message: strings.Join(words[2:], " ")}
	case "prepared":
		r.Prepared = &session.Prepared{Statement: uint32(s.number(strings.TrimPrefix(words[1], "#"))),
			Params: uint16(s.number(words[2])), Columns: uint16(s.number(words[3]))}
		return
	default:
		s.t.Fatalf("no result: %q", words)
	}
	r.Results = append(r.Results, res)
}

// fields are words of the form key=value, flags, and the rest.
type fields struct {
	values map[string]string
	rest   []string
}

// flagsAndKeys are the words that fields takes out of a text.
var flagsAndKeys = map[string]bool{"of": true, "copy": true, "user": true, "schema": true, "version": true, "joined": true,
	"encrypted": true, "refused": true, "lost": true, "took": true, "first": true, "late": true, "masked": true, "cut": true,
	"together": true, "told": true, "waited": true, "dropped": true, "redone": true, "guess": true, "still": true}

func (s *script) fields(words []string) fields {
	f := fields{values: map[string]string{}}
	for _, w := range words {
		key, value, assigned := strings.Cut(w, "=")
		if !flagsAndKeys[key] {
			f.rest = append(f.rest, w)
		}
		if assigned || flagsAndKeys[key] {
			f.values[key] = value
		}
	}
	return f
}

func (f fields) get(key string) string { return f.values[key] }
func (f fields) has(key string) bool   { _, ok := f.values[key]; return ok }
func (f fields) getOr(key, otherwise string) string {
	if v := f.values[key]; v != "" {
		return v
	}
	return otherwise
}

func (s *script) number(text string) uint64 {
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *script) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// named finds the value of an enumeration by its name, words joined by hyphens
// or spaces.
func named[T fmt.Stringer](s *script, words string, values []T) T {
	for _, v := range values {
		if v.String() == strings.ReplaceAll(words, "-", " ") {
			return v
		}
	}
	s.t.Fatalf("no such name: %q", words)
	panic("not reached")
}

func (s *script) kind(word string) session.Kind {
	var all []session.Kind
	for i := range session.KindCount {
		all = append(all, session.Kind(i))
	}
	return named(s, word, all)
}

func (s *script) reason(words []string) session.Reason {
	var all []session.Reason
	for i := range session.ReasonCount {
		all = append(all, session.Reason(i))
	}
	return named(s, strings.Join(words, " "), all)
}

func (s *script) skip(words string) session.Skip {
	var all []session.Skip
	for i := range session.SkipCount {
		all = append(all, session.Skip(i))
	}
	return named(s, words, all)
}
