package target

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"myreplay/internal/mysqltest"
	"myreplay/session"
	"myreplay/xproto"
)

// xURL returns the URL of a server's X Protocol; the parameters begin with "&".
func xURL(db *mysqltest.Server, parameters string) string {
	return fmt.Sprintf("mysqlx://127.0.0.1:%d/?%s", db.XPort, strings.TrimPrefix(parameters, "&"))
}

func xSocketURL(db *mysqltest.Server) string { return "mysqlx:///?socket=" + db.XSocket }

// dialX connects as a session with the test schema.
func dialX(t testing.TB, url string, users Users, copy uint32) (*XConn, error) {
	t.Helper()
	s := realTarget(t, url, Options{Users: users})
	return joinX(t, s, &session.Start{Copy: copy, ConnectionID: 5})
}

func joinX(t testing.TB, s *Server, start *session.Start) (*XConn, error) {
	t.Helper()
	start.Login.Known, start.Login.Schema = true, mysqltest.Schema
	start.Protocol = session.X
	c, err := s.ConnectX(t.Context(), start)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// xAsk sends a query and returns the first value of its reply, or the error.
func xAsk(t testing.TB, c *XConn, sql string) string {
	t.Helper()
	c.build.Forget()
	a, err := c.Do(xCommand(t, "query "+sql), nil)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	r := a.Reply.Results[len(a.Reply.Results)-1]
	if r.Error != nil {
		return r.Error.Error()
	}
	if len(r.Kept) == 0 {
		return ""
	}
	value := ""
	if err := xproto.Row(r.Kept[0], len(r.Columns.List), func(i int, v []byte) {
		if i == 0 && len(v) > 0 {
			value = string(v[:len(v)-1]) // of bytes
		}
	}); err != nil {
		t.Fatal(err)
	}
	return value
}

// Every mechanism that MySQL 9.7 takes, and what it says when the hash is not
// known.
func TestXRealLogin(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.Users(mysqltest.User{Name: "other", Password: "other"}, mysqltest.User{Name: "empty"}))
	users := OneUser(db.User, db.Password)
	clear := xURL(db, "tls=disabled")
	if _, err := dialX(t, clear, users, 0); !errors.Is(err, ErrHashUnknown) || refusedCode(err) != errAccessDenied {
		t.Fatalf("cold, in the clear: %v", err)
	}
	check := func(url string, users Users, plugin string, encrypted bool, user string) *XConn {
		t.Helper()
		s := realTarget(t, url, Options{Users: users})
		s.options.Outcome.Keep = 1
		c, err := joinX(t, s, &session.Start{})
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		if l := c.Start(); l.Login.Plugin != plugin || l.Encrypted != encrypted || l.ConnectionID == 0 || l.Login.User != user {
			t.Errorf("%s: %+v", url, l)
		}
		if got := xAsk(t, c, "select concat(database(), ' ', substring_index(user(), '@', 1))"); got != mysqltest.Schema+" "+user {
			t.Errorf("%s: %s", url, got)
		}
		return c
	}
	check(xURL(db, "tls=verify-identity&ca="+db.CA), users, xproto.MechanismPlain, true, db.User)
	check(clear, users, xproto.MechanismSHA256, false, db.User) // warm now
	check(xSocketURL(db), OneUser("other", "other"), xproto.MechanismPlain, false, "other")
	check(clear, OneUser("other", "other"), xproto.MechanismSHA256, false, "other")
	check(xURL(db, "tls=preferred"), OneUser("empty", ""), xproto.MechanismPlain, true, "empty")
	for _, p := range []string{"tls=required&ca=" + db.CA, "tls=verify-ca&ca=" + db.CA} {
		check(xURL(db, p), users, xproto.MechanismPlain, true, db.User)
	}
	if _, err := dialX(t, xURL(db, "tls=verify-identity"), users, 0); err == nil || !strings.Contains(err.Error(), "ca=FILE") {
		t.Errorf("a certificate of nobody known: %v", err)
	}
	if _, err := dialX(t, xURL(db, "tls=required"), OneUser(db.User, "wrong"), 0); refusedCode(err) != errAccessDenied || errors.Is(err, ErrHashUnknown) {
		t.Errorf("a wrong password over TLS: %v", err)
	}
	s := realTarget(t, xSocketURL(db), Options{Users: users})
	if _, err := s.ConnectX(t.Context(), &session.Start{Login: session.Login{Known: true, Schema: "nosuch"}}); refusedCode(err) != 1049 {
		t.Errorf("no such schema: %v", err)
	}
	if _, err := s.Connect(t.Context(), &session.Start{}); !errors.Is(err, ErrProtocol) {
		t.Error(err)
	}
	// The other protocol's port is named.
	if _, err := dialX(t, "mysqlx://"+db.Addr, users, 0); err == nil || !strings.Contains(err.Error(), "the classic protocol's port") {
		t.Error(err)
	}
}

// What the recorded session had set is there on the target, too.
func TestXRealCapabilities(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.PerformanceSchema(), mysqltest.Args("--mysqlx-interactive-timeout=12345"))
	s := realTarget(t, xSocketURL(db), Options{Users: OneUser(db.User, db.Password)})
	s.options.Outcome.Keep = 1
	c, err := joinX(t, s, &session.Start{Login: session.Login{Capabilities: xproto.Interactive | xproto.ExpiredPasswordOK,
		Attributes: []session.Attribute{{Name: "program_name", Value: "shop"}, {Name: "_client_name", Value: "other"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := xAsk(t, c, "select concat(@@mysqlx_wait_timeout)"); got != "12345" {
		t.Errorf("timeout %s", got)
	}
	attributes := "select group_concat(attr_name, '=', attr_value order by attr_name) from performance_schema.session_account_connect_attrs where processlist_id = connection_id()"
	if got := xAsk(t, c, attributes); got != "_client_name=other,program_name=shop" {
		t.Errorf("attributes %s", got)
	}
	if n := s.Stats().NotOffered; n != 0 {
		t.Errorf("%d not offered", n)
	}
}

// A server without TLS, and one that lets everybody in.
func TestXRealOther(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.NoTLS())
	users := OneUser(db.User, db.Password)
	if _, err := dialX(t, xURL(db, "tls=required"), users, 0); !errors.Is(err, ErrNoTLS) {
		t.Error(err)
	}
	if _, err := dialX(t, xSocketURL(db), users, 0); err != nil {
		t.Error(err)
	}
	if c, err := dialX(t, xURL(db, "tls=preferred"), users, 0); err != nil || c.Start().Encrypted {
		t.Error(err)
	}
	db = mysqltest.Start(t, mysqltest.MySQL97, mysqltest.SkipGrantTables())
	s := realTarget(t, xSocketURL(db), Options{Users: AnyUser()})
	c, err := joinX(t, s, &session.Start{Login: session.Login{User: "whoever"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"query select 1", "closesession", "login another " + mysqltest.Schema, "query select 2", "reset", "login third ", "query select 3"} {
		if a, err := c.Do(xCommand(t, line), nil); err != nil || a.Skip != 0 || a.Reply.Err() != nil {
			t.Errorf("%s: %+v %v", line, a, err)
		}
	}
}

// xPair is two connections that are to answer alike: one plays the recorded
// server, the other the target.
type xPair struct {
	t            testing.TB
	source, live *XConn
	seq          uint64
}

// play sends commands to both, as pipelines, and compares the replies.
func (p *xPair) play(cmds ...*session.Command) []Answer {
	p.t.Helper()
	for _, cmd := range cmds {
		p.seq++
		cmd.Seq = p.seq
	}
	recorded, err := p.source.DoAll(cmds)
	if err != nil {
		p.t.Fatal(err)
	}
	replayed, err := p.live.DoAll(cmds)
	if err != nil {
		p.t.Fatal(p.live.Start().Login.Compression, session.Line(cmds[0]), len(cmds), err)
	}
	for i := range cmds {
		r := recorded[i].Reply
		if recorded[i].Skip != replayed[i].Skip || r == nil {
			p.t.Errorf("%s: skipped: %v, %v", session.Line(cmds[i]), recorded[i].Skip, replayed[i].Skip)
			continue
		}
		want, got := plainLine(r), plainLine(replayed[i].Reply)
		if want != got {
			p.t.Errorf("%s:\nrecorded %s\nreplayed %s", session.Line(cmds[i]), want, got)
		}
		p.live.Learn(r)
	}
	return replayed
}

func (p *xPair) lines(lines ...string) []Answer {
	p.t.Helper()
	var list []*session.Command
	for _, l := range lines {
		list = append(list, xCommand(p.t, l))
	}
	return p.play(list...)
}

// plainLine describes a reply without the ids that a server generated.
func plainLine(r *session.Reply) string {
	kept := *r
	kept.Results = slices.Clone(r.Results)
	for i := range kept.Results {
		kept.Results[i].Changes = slices.DeleteFunc(slices.Clone(kept.Results[i].Changes), func(c session.Change) bool { return c.Kind == session.DocumentIDs })
	}
	return session.Line(&kept)
}

// Commands of every kind on two real servers, with every compression: the
// replies are alike.
func TestXRealPair(t *testing.T) {
	one := mysqltest.Start(t, mysqltest.MySQL97)
	time.Sleep(time.Second) // the ids that a server makes begin with the second of its start
	two := mysqltest.Start(t, mysqltest.MySQL97)
	for _, db := range []*mysqltest.Server{one, two} {
		db.Exec(t, "CREATE TABLE xt (a INT PRIMARY KEY, b VARCHAR(5000)) CHARACTER SET utf8mb4",
			"CREATE PROCEDURE xp() BEGIN SELECT 1; SELECT 2, 3; END", "CREATE TABLE xc (doc JSON, _id VARBINARY(32) GENERATED ALWAYS AS (JSON_UNQUOTE(JSON_EXTRACT(doc, '$._id'))) STORED PRIMARY KEY)")
	}
	users := OneUser(one.User, one.Password)
	for _, parameters := range []string{"", "&compress=deflate_stream", "&compress=zstd_stream", "&compress=lz4_message"} {
		source, err := dialX(t, xURL(one, "tls=required"), users, 0)
		if err != nil {
			t.Fatal(err)
		}
		live, err := dialX(t, xURL(two, "tls=required"+parameters), users, 0)
		if err != nil {
			t.Fatal(err)
		}
		if c := live.Start().Login.Compression; "&compress="+c != parameters && c != "" {
			t.Errorf("compression %q", c)
		}
		p := &xPair{t: t, source: source, live: live}
		p.talk()
		p.reset()
		p.documents()
	}
}

func (p *xPair) talk() {
	p.t.Helper()
	long := strings.Repeat("abcdefghij", 400)
	p.lines("query delete from xt", "query insert into xt values (1, '"+long+"'), (2, 'x')", "query select * from xt", "query insert into xt values (1, 'y')",
		"query select * from nosuch", "query call xp()", "query select 1/0", "query set @a = 5", "query select @a", "plugin ping")
	// Prepared statements and cursors, whose ids are the client's.
	p.lines("prepare 7 select * from xt")
	p.lines("execute 7")
	p.lines("execute 7", "deallocate 7")
	p.lines("prepare 7 select b from xt", "execute 7", "open 3 7", "fetch 3", "closecursor 3", "deallocate 7", "prepare 8 select nosuch", "execute 8")
	// A pipeline within expectations: what follows the first error fails, too.
	p.lines("expect", "query insert into xt values (3, 'z')", "query insert into xt values (3, 'z')", "query insert into xt values (4, 'z')", "closeexpect", "query select * from xt")
	// A pipeline that is too long to be written before its replies are read.
	var many []string
	for i := range 400 {
		many = append(many, fmt.Sprintf("query select %d, b, '%s' from xt", i, long[:i*10]))
	}
	for _, a := range p.lines(many...) {
		if a.Reply == nil || a.Reply.Results[0].Rows != 3 {
			p.t.Fatalf("%+v", a)
		}
	}
	p.lines("get", "set client.interactive") // refused, and the session goes on
}

func (p *xPair) reset() {
	p.t.Helper()
	p.lines("query set @a = 5", "prepare 1 select @a", "open 1 1")
	p.lines("reset keep", "query select @a", "prepare 1 select @a", "execute 1")
	p.lines("reset", "login x "+mysqltest.Schema, "query select @a, database()")
	p.lines("closesession", "login x mysql", "query select database()", "closesession", "login x "+mysqltest.Schema)
	if a := p.lines("query select 1"); a[0].Skip != 0 {
		p.t.Error(a)
	}
}

// The fields of messages, by hand: field numbers are those of MySQL's manual.
func field(dst []byte, n protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, n, protowire.BytesType), v)
}

func varint(dst []byte, n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, n, protowire.VarintType), v)
}

// literal is an expression: a string, or JSON as octets.
func literal(text string, json bool) []byte {
	s := xproto.Scalar{Type: xproto.ScalarString, Bytes: []byte(text)}
	if json {
		s.Type, s.ContentType = xproto.ScalarOctets, xproto.ContentJSON
	}
	return field(varint(nil, 1, 2), 4, s.Append(nil))
}

func collection() []byte { return field(field(nil, 1, []byte("xc")), 2, []byte(mysqltest.Schema)) }

func crud(k session.Kind, m xproto.ClientMessage, payload []byte) *session.Command {
	payload = append([]byte{byte(m)}, payload...)
	return &session.Command{Kind: k, Code: byte(m), Payload: payload, Size: uint64(len(payload))}
}

func insertDocs(docs ...string) *session.Command {
	b := varint(field(nil, 1, collection()), 2, 1)
	for _, d := range docs {
		b = field(b, 4, field(nil, 1, literal(d, true)))
	}
	return crud(session.Insert, xproto.CrudInsert, b)
}

// findDoc finds a document by its id, with a limit, whose field follows the
// expression with the id.
func findDoc(id string) *session.Command {
	ident := field(varint(nil, 1, 1), 2, field(nil, 1, field(varint(nil, 1, 1), 2, []byte("_id"))))
	operator := field(field(field(nil, 1, []byte("==")), 2, ident), 2, literal(id, false))
	criteria := field(varint(nil, 1, 5), 6, operator)
	b := varint(field(nil, 2, collection()), 3, 1)
	b = field(b, 5, criteria)
	return crud(session.Find, xproto.CrudFind, field(b, 6, varint(nil, 1, 1)))
}

// documents: ids that the servers generate are mapped, within CRUD messages and
// SQL, in later commands of any session, and in the rows that come back.
func (p *xPair) documents() {
	p.t.Helper()
	p.lines("query delete from xc")
	before := p.live.server.Stats()
	p.seq++
	insert := insertDocs(`{"a": 1}`, `{"a": 2}`)
	insert.Seq = p.seq
	recorded, err := p.source.Do(insert, nil)
	if err != nil || recorded.Reply.Err() != nil {
		p.t.Fatal(err, session.Line(recorded.Reply))
	}
	replayed, err := p.live.Do(insert, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.live.Learn(recorded.Reply)
	ids := strings.Split(idsOf(recorded.Reply), ",")
	if len(ids) != 2 || idsOf(recorded.Reply) == idsOf(replayed.Reply) {
		p.t.Fatalf("ids %s, %s", idsOf(recorded.Reply), idsOf(replayed.Reply))
	}
	for _, c := range []*session.Command{findDoc(ids[0]), findDoc(ids[1]), xCommand(p.t, "query select doc, _id from xc where _id = '"+ids[1]+"'"),
		xCommand(p.t, "query select json_extract(doc, '$._id') from xc order by _id")} {
		a := p.play(c)
		if n := a[0].Reply.Results[0].Rows; n == 0 {
			p.t.Errorf("%s: nothing found", session.Line(c))
		}
	}
	after := p.live.server.Stats()
	if after.DocumentIDs-before.DocumentIDs != 2 || after.Mapped-before.Mapped != 3 || after.IDsUnpaired != before.IDsUnpaired {
		p.t.Errorf("before %+v, after %+v", before, after)
	}
	p.play(insertDocs(fmt.Sprintf(`{"_id": "%s", "a": 2}`, ids[0]))) // a duplicate on both
}

// await waits until a query has a result.
func await(t testing.TB, db *mysqltest.Server, query, want string) {
	t.Helper()
	for range 3000 {
		if db.Value(t, query) == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s is never %s", query, want)
}

// Killed by another session, by number; and closed for idleness: the command
// that meets it was not executed.
func TestXRealEnds(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.Args("--mysqlx-max-allowed-packet=1M"))
	s := realTarget(t, xURL(db, "tls=required"), Options{Users: OneUser(db.User, db.Password)})
	s.options.Outcome.Keep = 1
	join := func(id uint32) *XConn {
		c, err := joinX(t, s, &session.Start{ConnectionID: id})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	killer, victim, sleeper, idle, big := join(1), join(2), join(3), join(4), join(5)
	if a, err := killer.Do(xCommand(t, "plugin kill_client 2"), nil); err != nil || a.Reply.Err() != nil {
		t.Fatal(session.Line(a.Reply), err)
	}
	var lost *LostError
	a, err := victim.Do(xCommand(t, "query select 1"), nil)
	if !errors.As(err, &lost) || lost.Sent != NotSent || lost.Notice == nil || lost.Notice.Code != 3169 || a.Reply != nil || a.At != 0 {
		t.Errorf("killed: %+v %v", a, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		a, err := sleeper.Do(xCommand(t, "query select sleep(100)"), nil)
		if err != nil || a.Reply.Err() == nil && a.Reply.Results[0].Rows != 1 { // SLEEP may say that it was woken
			t.Errorf("killed while it works: %s %v", session.Line(a.Reply), err)
		}
		if _, err := sleeper.Do(xCommand(t, "query select 1"), nil); !errors.Is(err, ErrServerClosed) {
			t.Errorf("after that: %v", err)
		}
	}()
	await(t, db, "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep'", "1")
	if a, err := killer.Do(xCommand(t, "plugin kill_client 3"), nil); err != nil || a.Reply.Err() != nil {
		t.Fatal(session.Line(a.Reply), err)
	}
	<-done
	if a, err := killer.Do(xCommand(t, "plugin kill_client 2"), nil); err != nil || a.Skip != session.SkipKill {
		t.Errorf("one that is gone: %+v %v", a, err)
	}
	here := "SELECT COUNT(*) FROM information_schema.processlist WHERE id = " + xAsk(t, idle, "select concat(connection_id())")
	if a, err := idle.Do(xCommand(t, "query set mysqlx_wait_timeout = 1"), nil); err != nil || a.Reply.Err() != nil {
		t.Fatal(err)
	}
	await(t, db, here, "0")
	if _, err := idle.Do(xCommand(t, "query select 1"), nil); !errors.As(err, &lost) || lost.Sent != NotSent || lost.Notice == nil || lost.Notice.Code != 1810 {
		t.Errorf("idle: %v", err)
	}
	if _, err := big.Do(xCommand(t, "find x*20000000"), nil); !errors.As(err, &lost) || lost.Sent == WhollySent {
		t.Errorf("too long for the server: %v", err)
	}
	if a, err := killer.Do(xCommand(t, "close"), nil); err != nil || a.Reply.Err() != nil || killer.Close() != nil {
		t.Errorf("close: %+v %v", a, err)
	}
}
