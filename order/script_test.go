package order

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/zeebo/xxh3"

	"myreplay/classic"
	"myreplay/schema"
	"myreplay/session"
	"myreplay/wire"
)

// TestPlan runs the scripts in testdata. A line of a script is a command:
//
//	SESSION SENT-ANSWERED [affected=N] [id=N] [error=N] [key=NAME] [warnings=N] [gtid=D-S-N] [rows=ID,ID] [found=S] [trans=0|1] SQL
//	SESSION AT gap
//
// rows are the keys of the rows that it returned, "none" when there were none;
// key is the unique or foreign key that an error names;
// found is the one value of column s that it returned; trans is what the answer says, where that is not what the commands before it
// tell. A gap is one of what the client sent.
//
// Times are in microseconds. What comes out are the commands in the order in
// which they are handed on, with what they wait for.
func TestPlan(t *testing.T) {
	runScripts(t, "plan", plan)
}

// runScripts runs the scripts in a folder of testdata with a command of its name.
func runScripts(t *testing.T, name string, run func(*testing.T, *datadriven.TestData, *schema.Schema) string) {
	datadriven.Walk(t, "testdata/"+name, func(t *testing.T, path string) {
		tables := &schema.Schema{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "schema":
				var err error
				if tables, err = schema.Read(strings.NewReader(d.Input)); err != nil {
					return err.Error() + "\n"
				}
				return ""
			case name:
				return run(t, d, tables)
			}
			return "unknown command " + d.Cmd + "\n"
		})
	})
}

func plan(t *testing.T, d *datadriven.TestData, tables *schema.Schema) string {
	o := Options{Mode: Row, Schema: tables, Digests: true}
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "mode":
			m, err := ParseMode(a.Vals[0])
			if err != nil {
				return err.Error()
			}
			o.Mode = m
		case "no-schema":
			o.Schema = nil
		case "hold":
			o.Hold, _ = strconv.Atoi(a.Vals[0])
		case "learned":
			o.Learned = &Learned{}
			var n Lesson
			if _, err := fmt.Sscanf(a.Vals[0], "%d.%d/%d.%d/%t", &n.Session, &n.Seq, &n.Other, &n.OtherSeq, &n.Seen); err != nil {
				return err.Error()
			}
			o.Learned.Set(n)
		}
	}
	p := NewPlanner(o)
	var b strings.Builder
	emit := func(e session.Event, s *Step) error {
		if c, ok := e.(*session.Command); ok {
			b.WriteString(stepLine(c, s))
		}
		return nil
	}
	for _, e := range script(t, d.Input) {
		if err := p.See(e, emit); err != nil {
			return err.Error()
		}
	}
	if err := p.Flush(emit); err != nil {
		return err.Error()
	}
	return b.String()
}

// stepLine writes a command and its waits.
func stepLine(c *session.Command, s *Step) string {
	line := fmt.Sprintf("%d.%d %s", s.Session, s.Seq, c.SQL)
	for _, w := range s.Waits {
		line += fmt.Sprintf("\n    after %d.%d %s %s", w.On.Session, w.On.Seq, w.Confidence, w.Reason)
		if w.Sent {
			line += " sent"
		}
	}
	for _, g := range s.Guesses {
		line += fmt.Sprintf("\n    guess %d.%d seen=%v", g.Session, g.Seq, g.Seen)
		if g.Defines {
			line += " defines"
		}
	}
	if s.Rests != nil {
		line += fmt.Sprintf("\n    rests on %d.%d and %d.%d", s.Rests[0].Session, s.Rests[0].Seq, s.Rests[1].Session, s.Rests[1].Seq)
	}
	if s.Force != NoForce {
		line += fmt.Sprintf("\n    force %d", s.Force)
	}
	if s.Took != nil {
		line += fmt.Sprintf("\n    took %d rows", len(s.Took.Keys))
		if s.Took.Loose {
			line += ", loose"
		}
		if s.Took.Lock != "" {
			line += ", lock: " + s.Took.Lock
		}
	}
	if s.Spare != 0 {
		line += fmt.Sprintf("\n    spare %d", s.Spare)
	}
	if s.Fence != 0 {
		line += fmt.Sprintf("\n    fence %d", s.Fence)
	}
	return line + "\n"
}

// returned makes a result of rows with some keys.
func returned(list string) session.Result {
	r := session.Result{Outcome: session.Rows, Columns: &session.Columns{List: []session.Column{{Name: "id", OrgName: "id", OrgTable: "t", Type: byte(classic.TypeLong), Flags: uint16(classic.FlagPrimaryKey)}}}}
	if list == "none" {
		return r
	}
	for _, v := range strings.Split(list, ",") {
		n, _ := strconv.ParseInt(v, 10, 64)
		r.Keyed = append(r.Keyed, session.RowHash{Key: NewPlanner(Options{}).keyOf(n)})
		r.Rows++
	}
	return r
}

// found is the result of a read of one value of column s.
func found(v string) session.Result {
	row := wire.AppendLenencBytes(nil, v)
	return session.Result{Outcome: session.Rows, Rows: 1, Digest: session.Digest{Unordered: xxh3.HashSeed(row, 0), Valid: true},
		Columns: &session.Columns{List: []session.Column{{Name: "s", OrgName: "s", OrgTable: "t", Type: byte(classic.TypeVarString)}}}}
}

// script makes events of a script's lines, in the order of time.
func script(t *testing.T, input string) (list []session.Event) {
	seqs := map[uint64]uint64{}
	trans := map[uint64]bool{}
	started := map[uint64]bool{}
	type timed struct {
		at int64
		e  session.Event
	}
	var all []timed
	for _, line := range strings.Split(strings.TrimSpace(input), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		id, _ := strconv.ParseUint(f[0], 10, 64)
		from, to, _ := strings.Cut(f[1], "-")
		sent, _ := strconv.ParseInt(from, 10, 64)
		answered, _ := strconv.ParseInt(to, 10, 64)
		r := session.Result{Outcome: session.OK, Affected: 1}
		f = f[2:]
		if f[0] == "gap" {
			all = append(all, timed{sent * 1000, &session.Gap{ID: id, At: sent * 1000, Client: true, Reason: session.LostBytes}})
			continue
		}
		told := -1
		for ; strings.Contains(f[0], "="); f = f[1:] {
			k, v, _ := strings.Cut(f[0], "=")
			switch k {
			case "gtid":
				r.Changes = []session.Change{{Kind: session.SystemVariable, Name: "last_gtid", Value: v}}
				continue
			case "rows":
				r = returned(v)
				continue
			case "found":
				r = found(v)
				continue
			case "key":
				r.Error.Message = "Duplicate entry 'x' for key 't." + v + "'"
				if r.Error.Code != errDuplicate {
					r.Error.Message = "Cannot add or update a child row: a foreign key constraint fails (`test`.`kid`, CONSTRAINT `" + v + "` FOREIGN KEY"
				}
				continue
			}
			n, err := strconv.ParseUint(v, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			switch k {
			case "warnings":
				r.Warnings = uint16(n)
			case "affected":
				r.Affected = n
			case "id":
				r.InsertID = n
			case "trans":
				told = int(n)
			case "error":
				r.Outcome, r.Error = session.Failed, &session.Error{Code: uint16(n)}
			}
		}
		sql := strings.Join(f, " ")
		if !started[id] {
			started[id] = true
			all = append(all, timed{0, &session.Start{ID: id, Protocol: session.Classic, ServerVersion: "9.7.0", Login: session.Login{Known: true, Schema: "test", Collation: 255}}})
		}
		seqs[id]++
		switch {
		case strings.HasPrefix(sql, "BEGIN"), strings.HasPrefix(sql, "START"):
			trans[id] = true
		case strings.HasPrefix(sql, "COMMIT"), strings.HasPrefix(sql, "ROLLBACK"):
			trans[id] = false
		}
		if r.Error != nil && r.Error.Code == 1213 {
			trans[id] = false
		}
		if told >= 0 {
			trans[id] = told == 1
		}
		if trans[id] {
			r.Status = 1
		}
		c := &session.Command{ID: id, Seq: seqs[id], At: sent * 1000, End: sent * 1000, Kind: session.Query, Payload: append([]byte{3}, sql...)}
		c.SQL = c.Payload[1:]
		all = append(all, timed{sent * 1000, c})
		if answered != 0 {
			all = append(all, timed{answered * 1000, &session.Reply{ID: id, Seq: seqs[id], First: answered * 1000, Last: answered * 1000, Results: []session.Result{r}}})
		}
	}
	slices.SortStableFunc(all, func(a, b timed) int { return cmp.Compare(a.at, b.at) })
	for _, e := range all {
		list = append(list, e.e)
	}
	return list
}
