package replay

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"myreplay/session"
)

// merge puts the events of several sessions in order of time.
func merge(sessions ...[]session.Event) []session.Event {
	all := slices.Concat(sessions...)
	sort.SliceStable(all, func(i, j int) bool {
		_, a := all[i].Key()
		_, b := all[j].Key()
		return a < b
	})
	return all
}

// TestPace: commands are sent when they are due, at every speed; pauses of all
// sessions are shortened, a session's own think time is kept when asked for.
func TestPace(t *testing.T) {
	events := merge(talk(1, 1, 100*ms, "select 1", "select 2", "select 3"), talk(2, 50*ms, 5000*ms, "select 4"))
	for _, c := range []struct {
		why  string
		pace Pace
		took time.Duration
		want string // when each command was sent, ms after the replay's begin
	}{
		{"as recorded", Pace{Speed: 1}, 0, "1.1@100 1.2@200 1.3@300 2.1@5050"},
		{"twice as fast", Pace{Speed: 2}, 0, "1.1@50 1.2@100 1.3@150 2.1@2525"},
		{"half as fast", Pace{Speed: 0.5}, 0, "1.1@200 1.2@400 1.3@600 2.1@10100"},
		{"at once", Pace{}, 0, "1.1@0 1.2@0 1.3@0 2.1@0"},
		{"a pause of 4.75 s shortened to 1 s", Pace{Speed: 1, MaxPause: time.Second}, 0, "1.1@100 1.2@200 1.3@300 2.1@1400"},
		{"a slow target: late sessions send at once", Pace{Speed: 1}, 150 * time.Millisecond, "1.1@100 1.2@250 1.3@400 2.1@5050"},
		{"a slow target: late sessions think as long as recorded", Pace{Speed: 1, Think: true}, 150 * time.Millisecond, "1.1@100 1.2@350 1.3@600 2.1@5050"},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{took: c.took}
			begin := time.Now()
			sink, stats := play(t, context.Background(), f, Options{Pace: c.pace}, slices.Clone(events))
			if !c.pace.unpaced() {
				begin = begin.Add(lead)
			}
			var got []string
			of := map[uint64]uint64{}
			for _, e := range sink.events {
				switch e := e.(type) {
				case *session.Start:
					of[e.ID] = e.Of
				case *session.Command:
					got = append(got, fmt.Sprintf("%d.%d@%d", of[e.ID], e.Seq, (e.At-begin.UnixNano()+ms/2)/ms))
				}
			}
			slices.Sort(got)
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("%s: %s, want %s", c.why, s, c.want)
			}
			late := time.Duration(stats.Late.Load())
			if c.took == 0 && late > time.Millisecond || c.took > 0 && late < c.took/3 {
				t.Errorf("%s: lag of %v", c.why, late)
			}
		})
	}
}

// TestPolicy: what may be sent, with and without writes.
func TestPolicy(t *testing.T) {
	queries := []string{
		"select 1", "begin", "insert into t values (1)", "commit", "set @a = 1", "set global x = 1", "drop table t",
		"select * from t for update", "shutdown", "select 1 into outfile '/x'", "call p()", "select 1; delete from t", "create user x", "",
	}
	for _, c := range []struct {
		policy Policy
		want   string
	}{
		{Policy{}, "3:write 6:administration 7:write 8:write 9:administration 10:administration 11:write 12:write 13:administration"},
		{Policy{Writes: true}, "6:administration 9:administration 10:administration 13:administration"},
		{Policy{Writes: true, Admin: true}, "9:administration"},
		{Policy{Writes: true, Match: regexp.MustCompile("^insert")}, "1:filtered 6:administration 7:filtered 8:filtered 9:administration 10:administration 11:filtered 12:filtered 13:administration"},
	} {
		sink, _ := play(t, context.Background(), &fake{}, Options{Policy: c.policy}, talk(1, 1, ms, queries...))
		if got := skips(sink); got != c.want {
			t.Errorf("%+v:\n%s\nwant\n%s", c.policy, got, c.want)
		}
	}
}

// TestStatements: what was decided about a Prepare holds for all that hangs on
// it; secrets and cut commands are never sent.
func TestStatements(t *testing.T) {
	cmd := func(seq uint64, k session.Kind, stmt uint32, sql string) *session.Command {
		c := &session.Command{ID: 1, Seq: seq, At: int64(seq), Kind: k, Statement: stmt, Payload: []byte{0, 0, 0, 0, 0}}
		if sql != "" {
			c.SQL = []byte(sql)
		}
		return c
	}
	reply := func(seq uint64, stmt uint32) *session.Reply {
		return &session.Reply{ID: 1, Seq: seq, Last: int64(seq), Prepared: &session.Prepared{Statement: stmt}}
	}
	masked, cut := cmd(9, session.Query, 0, "create user x identified by '***'"), cmd(10, session.Query, 0, "select 1")
	masked.Masked, cut.Cut = true, true
	f := &fake{}
	sink, _ := play(t, context.Background(), f, Options{}, []session.Event{
		&session.Start{ID: 1, At: 1},
		cmd(1, session.Prepare, 0, "insert into t values (?)"), reply(1, 7),
		cmd(2, session.Execute, 7, ""),
		cmd(3, session.Execute, session.LastPrepared, ""),
		cmd(4, session.CloseStatement, 7, ""),
		cmd(5, session.Prepare, 0, "select ?"), reply(5, 7),
		cmd(6, session.Execute, 7, ""),
		cmd(7, session.Admin, 0, ""), cmd(8, session.Other, 0, ""), masked, cut,
		&session.Gap{ID: 1, At: 20, Client: true},
		&session.End{ID: 1, At: 21},
	})
	if got, want := skips(sink), "1:write 2:statement skipped 3:statement skipped 4:statement skipped 7:administration 8:unsupported 9:secret 10:too long"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := strings.Join(f.log, "\n"); !strings.Contains(got, "1.6 execute") || !strings.Contains(got, "learn 1.5") || !strings.Contains(got, "gap 1") {
		t.Error(got)
	}
}

// TestKill: KILL is aimed at the connection that replays the one that was
// killed, or not sent.
func TestKill(t *testing.T) {
	f := &fake{}
	sink, _ := play(t, context.Background(), f, Options{Policy: Policy{Writes: true}},
		talk(1, 1, ms, "kill 42", "KILL QUERY 42 /* x */", "kill 404", "kill @a", "select 1; kill 42"))
	if got, want := skips(sink), "3:kill without counterpart 4:kill without counterpart 5:kill without counterpart"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := strings.Join(f.log[1:], "; "), "1.1 query kill 1042; 1.2 query KILL QUERY 1042 /* x */"; !strings.HasPrefix(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestFile: the pieces of a LOAD DATA LOCAL go to the target when it asks for
// them, and are skipped when it does not.
func TestFile(t *testing.T) {
	for _, asks := range []bool{true, false} {
		events := talk(1, 1, ms, "load data local infile 'x' into table t", "select 1")
		piece := func(seq uint64, data string) session.Event {
			return &session.Command{ID: 1, Seq: seq, At: ms, Kind: session.FileData, Payload: []byte(data), Size: uint64(len(data))}
		}
		events = slices.Insert(events, 2, piece(2, "a"), piece(3, "b"), piece(4, ""))
		for _, e := range events[5:] { // the second query comes behind the pieces
			switch e := e.(type) {
			case *session.Command:
				e.Seq = 5
			case *session.Reply:
				if e.Seq == 2 {
					e.Seq = 5
				}
			}
		}
		got := ""
		f := &fake{do: func(c *session.Command, file File) (Answer, error) {
			for asks && c.Seq == 1 {
				p, ok := file()
				if !ok || len(p.Payload) == 0 {
					break
				}
				got += string(p.Payload)
			}
			return Answer{}, nil
		}}
		sink, stats := play(t, context.Background(), f, Options{Policy: Policy{Writes: true}}, events)
		if asks && (got != "ab" || stats.Sent.Load() != 5) {
			t.Errorf("the target got %q, %d commands were sent", got, stats.Sent.Load())
		}
		if want := "2:file not asked for 3:file not asked for 4:file not asked for"; !asks && skips(sink) != want {
			t.Errorf("%s", skips(sink))
		}
	}
}

// TestLostConnection: a session gets a new connection and on it what it had set
// up; the rest of a transaction that was cut is not sent.
func TestLostConnection(t *testing.T) {
	inTrans := func(c *session.Command) Answer {
		return Answer{Reply: &session.Reply{Seq: c.Seq, Results: []session.Result{{Outcome: session.OK, Status: 3}}}}
	}
	for _, c := range []struct {
		err        error
		want, skip string
		unanswered int64
	}{
		{errUnsent, "set names gbk; begin; insert 1; insert 2; set names gbk; begin; insert 4; commit", "4:failed to send 5:failed to send 6:failed to send", 0},
		{errSent, "set names gbk; begin; insert 1; insert 2; set names gbk; begin; insert 4; commit", "5:failed to send 6:failed to send", 1},
	} {
		lost := false
		f := &fake{do: func(cmd *session.Command, _ File) (Answer, error) {
			if string(cmd.SQL) == "insert 2" && !lost {
				lost = true
				return Answer{}, c.err
			}
			if strings.HasPrefix(string(cmd.SQL), "insert") {
				return inTrans(cmd), nil
			}
			return Answer{}, nil
		}}
		events := talk(1, 1, ms, "set names gbk", "begin", "insert 1", "insert 2", "insert 3", "commit", "begin", "insert 4", "commit")
		open(events, 2, 5)
		sink, stats := play(t, context.Background(), f, Options{Policy: Policy{Writes: true}}, events)
		var got []string
		for _, l := range f.log {
			if _, sql, ok := strings.Cut(l, " query "); ok {
				got = append(got, sql)
			}
		}
		if strings.Join(got, "; ") != c.want || skips(sink) != c.skip {
			t.Errorf("%v: sent %s\nwant %s\nskipped %s", c.err, strings.Join(got, "; "), c.want, skips(sink))
		}
		if stats.Lost.Load() != 1 || stats.Reconnects.Load() != 1 || stats.Unanswered.Load() != c.unanswered {
			t.Errorf("%d lost, %d reconnects, %d unanswered", stats.Lost.Load(), stats.Reconnects.Load(), stats.Unanswered.Load())
		}
	}
}

// TestRefused: what may pass is tried again, what will not is not; the commands
// of a session without a connection are accounted for.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{connect: func(n int, _ *session.Start) error {
			if n < 5 {
				return errPasses
			}
			return nil
		}}
		_, stats := play(t, context.Background(), f, Options{}, talk(1, 1, ms, "select 1"))
		if f.opened != 5 || stats.Sent.Load() != 1 {
			t.Errorf("%d tries, %d sent", f.opened, stats.Sent.Load())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := &fake{connect: func(int, *session.Start) error { return errPasses }}
		sink, _ := play(t, context.Background(), f, Options{}, talk(1, 1, ms, "select 1"))
		if skips(sink) != "1:failed to send" {
			t.Error(skips(sink))
		}
	})
	f := &fake{connect: func(int, *session.Start) error { return errRefuses }}
	sink, stats := play(t, context.Background(), f, Options{}, talk(1, 1, ms, "select 1", "select 2"))
	if f.opened != 1 || skips(sink) != "1:no login 2:no login" || !errors.Is(stats.Refusal(), errRefuses) {
		t.Errorf("%d tries, %s, %v", f.opened, skips(sink), stats.Refusal())
	}
}

// TestStop: a replay that is told to stop ends within seconds and accounts for
// what it had read.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sessions [][]session.Event
		for id := range uint64(20) {
			sessions = append(sessions, talk(id+1, int64(id), 1000*ms, "select 1", "select 2", "select 3"))
		}
		ctx, stop := context.WithTimeout(context.Background(), 1500*time.Millisecond)
		defer stop()
		f := &fake{took: time.Hour} // answers never come
		begin := time.Now()
		_, stats := play(t, ctx, f, Options{Pace: Pace{Speed: 1}}, merge(sessions...))
		if d := time.Since(begin); d > 1500*time.Millisecond+grace+time.Second {
			t.Errorf("took %v", d)
		}
		if stats.Unanswered.Load() != 20 || stats.Skipped[session.NotReached].Load() != 40 {
			t.Errorf("%d unanswered, %d not reached", stats.Unanswered.Load(), stats.Skipped[session.NotReached].Load())
		}
	})
}

// TestCopies: every session is replayed as often as asked, by each pass.
func TestCopies(t *testing.T) {
	f := &fake{}
	sink := &run{}
	r := New(f, sink, Options{Copies: 3})
	for range 2 {
		if err := r.Run(context.Background(), &recording{talk(1, 1, ms, "select 1")}); err != nil {
			t.Fatal(err)
		}
	}
	account(t, sink, r.Stats())
	seen := map[uint32]bool{}
	for _, e := range sink.events {
		if s, ok := e.(*session.Start); ok {
			seen[s.Copy] = true
		}
	}
	if r.Stats().Sent.Load() != 6 || len(seen) != 6 {
		t.Errorf("%d sent, copies %v", r.Stats().Sent.Load(), seen)
	}
}

// TestFilter: sessions are chosen by id, user, schema and share; the same share
// takes the same sessions.
func TestFilter(t *testing.T) {
	s := &session.Start{ID: 5, Login: session.Login{User: "app", Schema: "shop"}}
	set := func(v string) map[string]bool { return map[string]bool{v: true} }
	for _, c := range []struct {
		f    Filter
		want bool
	}{
		{Filter{}, true}, {Filter{Sessions: map[uint64]bool{5: true}}, true}, {Filter{Sessions: map[uint64]bool{6: true}}, false},
		{Filter{Users: set("app")}, true}, {Filter{Users: set("x")}, false}, {Filter{Schemas: set("shop")}, true}, {Filter{Schemas: set("x")}, false},
	} {
		if got := c.f.takes(s); got != c.want {
			t.Errorf("%+v: %v", c.f, got)
		}
	}
	n := 0
	for id := range uint64(10000) {
		f := Filter{Share: 0.1}
		if f.takes(&session.Start{ID: id}) {
			n++
			if f = (Filter{Share: 0.2}); !f.takes(&session.Start{ID: id}) {
				t.Fatal("a larger share leaves out what a smaller takes")
			}
		}
	}
	if n < 900 || n > 1100 {
		t.Errorf("a share of 0.1 takes %d of 10000", n)
	}
	sink, stats := play(t, context.Background(), &fake{}, Options{Filter: Filter{Users: set("x")}}, talk(1, 1, ms, "select 1", "select 2"))
	if skips(sink) != "1:filtered 2:filtered" || stats.Filtered.Load() != 1 {
		t.Error(skips(sink))
	}
}

// TestCrowd: an unpaced replay opens no more sessions at once than the
// recording had, unless nothing moves.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []session.Event
		for id := range uint64(50) { // one after the other
			events = append(events, talk(id+1, int64(id)*10*ms+1, ms, "select 1", "select 2")...)
		}
		f := &fake{took: time.Millisecond}
		_, stats := play(t, context.Background(), f, Options{}, events)
		if f.most > 1 || stats.Overtaken.Load() != 0 {
			t.Errorf("%d sessions at once, %d overtaken", f.most, stats.Overtaken.Load())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		// Session 1 waits for a lock that session 2 frees: here it had ended before.
		freed := make(chan bool)
		f := &fake{do: func(c *session.Command, _ File) (Answer, error) {
			if c.ID == 1 {
				<-freed
			} else {
				close(freed)
			}
			return Answer{}, nil
		}}
		_, stats := play(t, context.Background(), f, Options{}, append(talk(1, 1, ms, "select 1"), talk(2, 10*ms, ms, "select 1")...))
		if stats.Overtaken.Load() != 1 {
			t.Errorf("%d overtaken", stats.Overtaken.Load())
		}
	})
}

// TestCheck: a recorded server may be refused before anything is sent.
func TestCheck(t *testing.T) {
	same := netip.MustParseAddrPort("10.0.0.1:3306")
	events := talk(1, 1, ms, "select 1")
	events[0].(*session.Start).Server = same
	f := &fake{}
	refused := errors.New("the target is the source")
	r := New(f, &run{}, Options{Check: func(a netip.AddrPort) error {
		if a == same {
			return refused
		}
		return nil
	}})
	if err := r.Run(context.Background(), &recording{events}); !errors.Is(err, refused) || f.opened != 0 {
		t.Errorf("%v, %d connections", err, f.opened)
	}
}

// TestSinkFails: a run that can't be written stops the replay.
func TestSinkFails(t *testing.T) {
	full := errors.New("disk full")
	r := New(&fake{}, &run{err: full}, Options{})
	if err := r.Run(context.Background(), &recording{talk(1, 1, ms, "select 1")}); !errors.Is(err, full) {
		t.Error(err)
	}
}

// TestLawAccount: whatever fails and however little is read ahead, every command
// ends exactly once, in order.
func TestLawAccount(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var sessions [][]session.Event
		for id := range uint64(rapid.IntRange(1, 8).Draw(rt, "sessions")) {
			var queries []string
			for range rapid.IntRange(0, 12).Draw(rt, "queries") {
				queries = append(queries, rapid.SampledFrom([]string{"select 1", "begin", "insert into t values (1)", "commit", "kill 404", "drop table t"}).Draw(rt, "query"))
			}
			sessions = append(sessions, talk(id+1, rapid.Int64Range(1, 50).Draw(rt, "at"), rapid.Int64Range(0, 9).Draw(rt, "step"), queries...))
		}
		faults := rapid.SliceOfN(rapid.SampledFrom([]error{nil, nil, nil, nil, errSent, errUnsent}), 1, 40).Draw(rt, "faults")
		refusals := rapid.SliceOfN(rapid.SampledFrom([]error{nil, nil, nil, errRefuses}), 1, 20).Draw(rt, "refusals")
		n := 0
		f := &fake{}
		f.do = func(*session.Command, File) (Answer, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			n++
			return Answer{}, faults[n%len(faults)]
		}
		f.connect = func(n int, _ *session.Start) error { return refusals[n%len(refusals)] }
		o := Options{Window: rapid.Int64Range(1, 5000).Draw(rt, "window"), Copies: rapid.IntRange(1, 3).Draw(rt, "copies"),
			Policy: Policy{Writes: rapid.Bool().Draw(rt, "writes")}}
		play(t, context.Background(), f, o, merge(sessions...))
	})
}

// BenchmarkReplay replays against a target that costs nothing.
func BenchmarkReplay(b *testing.B) {
	f := &fake{}
	var sessions [][]session.Event
	for id := range uint64(8) {
		queries := make([]string, 2000)
		for i := range queries {
			queries[i] = "select c from sbtest1 where id = 5012"
		}
		sessions = append(sessions, talk(id+1, 1, ms, queries...))
	}
	events := merge(sessions...)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		f.log = f.log[:0]
		_, stats := play(b, context.Background(), f, Options{}, events)
		n += int(stats.Sent.Load())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/command")
}
