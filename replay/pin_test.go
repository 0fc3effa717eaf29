package replay

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"myreplay/order"
	"myreplay/schema"
	"myreplay/session"
	"myreplay/sqltext"
)

// pinSchema is the schema of the tests.
func pinSchema() *schema.Schema {
	table := func(name string, columns ...schema.Column) schema.Table {
		return schema.Table{Schema: "shop", Name: name, Kind: schema.Base, Columns: columns}
	}
	id := schema.Column{Name: "ID", Type: "int", AutoIncrement: true}
	k := schema.Column{Name: "k", Type: "int"}
	at := schema.Column{Name: "at", Type: "timestamp", Clock: true}
	with := func(t schema.Table, list ...schema.Trigger) schema.Table {
		t.Triggers = list
		return t
	}
	view := func(name, definition string) schema.Table {
		return schema.Table{Schema: "shop", Name: name, Kind: schema.View, Definition: definition}
	}
	insert := func(after bool, body string) schema.Trigger {
		return schema.Trigger{Event: "INSERT", After: after, Body: body}
	}
	return &schema.Schema{Tables: []schema.Table{
		table("t", id, k), table("plain", k), table("stamped", id, k, at), table("Mixed", k, id),
		with(table("audited", id, k), insert(true, "insert into log values (null, 'x')")),
		with(table("stolen", id, k), insert(false, "insert into log values (null, 'x')")),
		with(table("set_before", id, k), insert(false, "BEGIN SET NEW.k = lower('X'); SET @a = 1; END")),
		with(table("fn_before", id, k), insert(false, "SET NEW.k = fn(1)")),
		with(table("if_before", id, k), insert(false, "if new.k > 1 then set new.k = 2; end if")),
		with(table("unread", id, k), insert(false, "")),
		with(table("deleted", k), schema.Trigger{Event: "DELETE", After: true, Body: "insert into log values (null, 'x')"}),
		table("log", id, k),
		view("v", "select `shop`.`t`.`k` AS `k` from `shop`.`t`"), view("vnow", "select now() AS `n`"),
		view("vv", "select `n` from `shop`.`VNOW`"), view("vvv", "select `n` from `shop`.`vv`"),
		{Schema: "other", Name: "t", Kind: schema.Base, Columns: []schema.Column{k}},
	}}
}

// TestPin decides for statements what is pinned.
//
//	pin [schema=none] [with=found_rows] [x] [off=ids|times]
//
// Its lines are a session's commands, each with its recorded answer behind "=>":
// "id=5 affected=1 info", with commas between results, "error", or nothing when
// it is not known. "prepare N TEXT" and "execute N" are prepared statements,
// "use NAME", "reset", "changeuser NAME" are what they say.
func TestPin(t *testing.T) {
	datadriven.RunTest(t, "testdata/pin", func(t *testing.T, td *datadriven.TestData) string {
		s := pinSchema()
		if td.HasArg("schema") {
			s = nil
		}
		var off string
		td.MaybeScanArgs(t, "off", &off)
		start := &session.Start{Protocol: session.Classic, Login: session.Login{Known: true, Schema: "shop"}}
		if td.HasArg("with") {
			start.Login.Capabilities = clientFoundRows
		}
		if td.HasArg("x") {
			start.Protocol = session.X
		}
		p := newPinner(NewPins(off != "ids", off != "times", s), start)
		var out strings.Builder
		for i, line := range strings.Split(td.Input, "\n") {
			fmt.Fprintf(&out, "%s\n", pinLine(p, uint64(i+1), line))
		}
		return out.String()
	})
}

// TestPinSpare: a spare id is for what is pinned no other.
func TestPinSpare(t *testing.T) {
	p := newPinner(NewPins(true, true, pinSchema()), &session.Start{Protocol: session.Classic, Login: session.Login{Known: true, Schema: "shop"}})
	step := &order.Step{Spare: 9}
	for _, c := range []struct{ pin, want Pin }{
		{Pin{}, Pin{InsertID: 9, Spare: true}},
		{Pin{InsertID: 7}, Pin{InsertID: 7}},
		{Pin{Quiet: true}, Pin{Quiet: true}},
	} {
		if p.spare(&c.pin, step); c.pin != c.want {
			t.Errorf("%+v, want %+v", c.pin, c.want)
		}
	}
	var none *pinner
	pin := Pin{}
	if none.spare(&pin, step); pin != (Pin{}) {
		t.Error("pinned, though nothing is to be")
	}
}

func pinLine(p *pinner, seq uint64, line string) string {
	text, answer, known := strings.Cut(line, "=>")
	text = strings.TrimSpace(text)
	c := pinCommand(text)
	c.Seq, c.At, c.End = seq, 1e9, 2e9
	r := pinReply(strings.TrimSpace(answer))
	r.Seq = seq
	if c.Kind == session.Prepare {
		r.Prepared = &session.Prepared{Statement: c.Statement}
		c.Statement = 0
		known = false
	}
	recorded := r
	if !known {
		recorded = nil
	}
	pin := p.pin(c, sqltext.Options{}, recorded)
	if c.Kind == session.Prepare {
		p.learn(r)
	}
	return pinText(pin)
}

func pinText(pin Pin) string {
	var s []string
	if pin.InsertID != 0 {
		s = append(s, fmt.Sprint("id ", pin.InsertID))
	}
	if pin.Time != 0 {
		s = append(s, "time")
	}
	if pin.Quiet {
		s = append(s, "quiet")
	}
	if s == nil {
		return "-"
	}
	return strings.Join(s, ", ")
}

func pinCommand(text string) *session.Command {
	word, rest, _ := strings.Cut(text, " ")
	c := &session.Command{Kind: session.Query, SQL: []byte(text)}
	switch word {
	case "prepare":
		c.Kind = session.Prepare
		var n string
		n, rest, _ = strings.Cut(rest, " ")
		fmt.Sscan(n, &c.Statement)
		c.SQL = []byte(rest)
	case "execute", "bulk", "close":
		c.Kind = map[string]session.Kind{"execute": session.Execute, "bulk": session.BulkExecute, "close": session.CloseStatement}[word]
		c.SQL = nil
		fmt.Sscan(rest, &c.Statement)
	case "usedb":
		c.Kind, c.SQL, c.Payload = session.UseSchema, nil, []byte("\x02"+rest)
	case "reset":
		c.Kind, c.SQL = session.ResetConnection, nil
	case "changeuser":
		c.Kind, c.SQL, c.Login = session.ChangeUser, nil, &session.Login{Schema: rest}
	}
	return c
}

func pinReply(text string) *session.Reply {
	r := &session.Reply{}
	for _, part := range strings.Split(text, ",") {
		res := session.Result{Outcome: session.OK}
		if part == "error" {
			res = session.Result{Outcome: session.Failed, Error: &session.Error{Code: 1062}}
		}
		if part == "rows" {
			res.Outcome = session.Rows
		}
		for _, f := range strings.Fields(part) {
			fmt.Sscanf(f, "id=%d", &res.InsertID)
			fmt.Sscanf(f, "affected=%d", &res.Affected)
			var d int
			if n, _ := fmt.Sscanf(f, "duplicates=%d", &d); n == 1 {
				res.Info = fmt.Sprintf("Records: 3  Duplicates: %d  Warnings: 0", d)
			}
		}
		r.Results = append(r.Results, res)
	}
	return r
}

// TestLawPinHarmless: whatever a session says, no id is pinned that the answer
// does not have, and none for what surely generates none.
func TestLawPinHarmless(t *testing.T) {
	pins := NewPins(true, true, pinSchema())
	words := []string{"insert", "into", "t", "(k)", "values", "(1)", "(null, 1)", "select", "update", "set", "k = 1", "from", ";", "on duplicate key update",
		"timestamp = 1", "now()", "row_count()", "`", "'", "stolen", "replace", "use", "call", "("}
	rapid.Check(t, func(r *rapid.T) {
		p := newPinner(pins, &session.Start{Login: session.Login{Known: rapid.Bool().Draw(r, "known"), Schema: "shop"}})
		for seq := range rapid.IntRange(1, 10).Draw(r, "commands") {
			text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 1, 8).Draw(r, "words"), " ")
			c := &session.Command{Seq: uint64(seq + 1), At: 1, End: 2, SQL: []byte(text), Statement: uint32(seq % 3),
				Kind: rapid.SampledFrom([]session.Kind{session.Query, session.Prepare, session.Execute, session.Ping}).Draw(r, "kind")}
			reply := &session.Reply{Seq: c.Seq, Prepared: &session.Prepared{Statement: c.Statement},
				Results: []session.Result{{Outcome: session.OK, InsertID: rapid.Uint64Range(0, 3).Draw(r, "id"), Affected: 1}}}
			pin := p.pin(c, sqltext.Options{}, reply)
			p.learn(reply)
			if pin.InsertID != 0 && pin.InsertID != reply.Results[0].InsertID || pin.Time != 0 && pin.Time != 2+startDelay || pin.Quiet && pin != (Pin{Quiet: true}) {
				r.Errorf("%q: %+v", text, pin)
			}
			lower := strings.ToLower(text)
			if c.Kind == session.Query && pin.InsertID != 0 && !strings.Contains(lower, "insert") && !strings.Contains(lower, "replace") {
				r.Errorf("%q: %+v", text, pin)
			}
		}
	})
}

// TestPinNone: without anything to pin nothing is sent ahead.
func TestPinNone(t *testing.T) {
	none := newPinner(NewPins(false, false, nil), &session.Start{})
	pin := none.pin(&session.Command{Kind: session.Query, SQL: []byte("select now()")}, sqltext.Options{}, nil)
	none.learn(&session.Reply{})
	if none != nil || pin != (Pin{Quiet: true}) {
		t.Errorf("%+v", pin)
	}
}

// FuzzPin: no text makes it panic, or pins more than there is.
func FuzzPin(f *testing.F) {
	for _, s := range []string{"insert into t (k) values (1); select now()", "set timestamp = 1", "use `a", "insert into t values (null,", "set `timestamp`:="} {
		f.Add(s, "Records: 1  Duplicates: 0")
	}
	pins := NewPins(true, true, pinSchema())
	f.Fuzz(func(t *testing.T, text, info string) {
		p := newPinner(pins, &session.Start{Login: session.Login{Known: true, Schema: "shop"}})
		r := &session.Reply{Results: []session.Result{{Outcome: session.OK, InsertID: 5, Affected: 3, Info: info}}}
		pin := p.pin(&session.Command{Kind: session.Query, SQL: []byte(text)}, sqltext.Options{}, r)
		if pin.InsertID != 0 && pin.InsertID != 5 {
			t.Error(pin)
		}
		onlySets(text)
		readsClock(text)
	})
}

// BenchmarkPin is deciding about statements whose shape is known.
func BenchmarkPin(b *testing.B) {
	pins := NewPins(true, true, pinSchema())
	p := newPinner(pins, &session.Start{Login: session.Login{Known: true, Schema: "shop"}})
	r := &session.Reply{Results: []session.Result{{Outcome: session.OK, InsertID: 5, Affected: 1}}}
	for _, text := range []string{"select k from t where id = 17", "insert into t (k) values (17)", "update t set k = k + 1 where id = 17"} {
		b.Run(text[:6], func(b *testing.B) {
			c := &session.Command{Kind: session.Query, At: 1, SQL: []byte(text)}
			b.ReportAllocs()
			for b.Loop() {
				p.pin(c, sqltext.Options{}, r)
			}
		})
	}
}
