package classic

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"reflect"
	"testing"

	"filippo.io/edwards25519"
	"pgregory.net/rapid"

	"myreplay/wire"
)

func drawBytes(t *rapid.T, name string, most int) []byte {
	return rapid.SliceOfN(rapid.Byte(), 1, most).Draw(t, name)
}

func drawName(t *rapid.T, name string) string {
	return rapid.StringMatching(`[a-z_]{0,12}`).Draw(t, name)
}

// echo checks that a message decodes to what was encoded, and that no cut of it
// passes for another whole one when all its fields matter.
func echo[M any](t *rapid.T, name string, want M, payload []byte, decode func(m *M, b []byte) error) {
	var got M
	if err := decode(&got, payload); err != nil {
		t.Fatalf("%s: %v\n% x", name, err, payload)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: got %+v\nwant %+v", name, got, want)
	}
	for cut := range payload {
		var m M
		_ = decode(&m, payload[:cut]) // must not panic
	}
}

// TestEcho encodes and decodes every message of both sides.
func TestEcho(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		caps := Protocol41 | SecureConnection | PluginAuth | ConnectAttrs | ConnectWithDB | PluginAuthLenenc
		if rapid.Bool().Draw(t, "maria") {
			caps |= MariaBulkOperations | MariaExtMetadata
		} else {
			caps |= LongPassword
		}
		if rapid.Bool().Draw(t, "zstd") {
			caps |= ZstdCompression
		}
		if rapid.Bool().Draw(t, "track") {
			caps |= SessionTrack
		}
		g := Greeting{Version: "8." + drawName(t, "version"), ConnectionID: rapid.Uint32().Draw(t, "id"), Nonce: bytes.Repeat([]byte("n"), 20),
			Capabilities: caps, Collation: 45, Status: 2, Plugin: drawName(t, "plugin")}
		echo(t, "greeting", g, g.Append(nil), (*Greeting).Decode)

		l := Login{Capabilities: caps, MaxPacket: 1 << 24, Collation: 8, User: drawName(t, "user"), Auth: drawBytes(t, "auth", 300),
			Schema: drawName(t, "schema"), Plugin: drawName(t, "plugin"), Attributes: []Attribute{{"_os", "Linux"}, {drawName(t, "a"), ""}}}
		if caps.Has(ZstdCompression) {
			l.ZstdLevel = 3
		}
		echo(t, "login", l, l.Append(nil), (*Login).Decode)
		if !IsSSLRequest((&Login{Capabilities: caps | SSL}).AppendSSLRequest(nil)) || IsSSLRequest(l.Append(nil)) {
			t.Fatal("SSLRequest not told from a login")
		}

		c := ChangeUser{User: drawName(t, "user"), Auth: drawBytes(t, "auth", 200), Schema: drawName(t, "schema"), Collation: 255,
			Plugin: drawName(t, "plugin"), Attributes: []Attribute{{"k", "v"}}}
		echo(t, "change user", c, c.Append(nil, caps), func(m *ChangeUser, b []byte) error { return m.Decode(b, caps) })

		s := AuthSwitch{Plugin: drawName(t, "plugin"), Data: append(bytes.Repeat([]byte("n"), 20), 0)}
		echo(t, "auth switch", s, s.Append(nil), (*AuthSwitch).Decode)

		o := OK{Affected: rapid.Uint64().Draw(t, "affected"), InsertID: rapid.Uint64().Draw(t, "id"), Status: 2, Warnings: 3, Info: drawBytes(t, "info", 40)}
		if caps.Has(SessionTrack) && rapid.Bool().Draw(t, "changed") {
			o.Status |= StatusSessionStateChanged
			o.Changes = drawBytes(t, "changes", 40)
		}
		echo(t, "OK", o, o.Append(nil, 0, caps), func(m *OK, b []byte) error { return m.Decode(b, caps) })
		eof := OK{EOF: true, Status: 2, Warnings: 3}
		echo(t, "EOF", eof, eof.Append(nil, 0xfe, caps), func(m *OK, b []byte) error { return m.Decode(b, caps) })

		e := ERR{Code: 1062, State: []byte("23000"), Message: drawBytes(t, "message", 40)}
		echo(t, "ERR", e, e.Append(nil), (*ERR).Decode)

		p := PrepareOK{Statement: rapid.Uint32().Draw(t, "statement"), Columns: 3, Params: 2, Warnings: 1}
		echo(t, "prepare OK", p, p.Append(nil), (*PrepareOK).Decode)

		col := Column{Schema: drawBytes(t, "s", 9), Table: drawBytes(t, "t", 9), OrgTable: drawBytes(t, "ot", 9), Name: drawBytes(t, "n", 300),
			OrgName: drawBytes(t, "on", 9), Collation: 45, Length: 7, Type: TypeLong, Flags: FlagPrimaryKey, Decimals: 2}
		echo(t, "column", col, col.Append(nil), (*Column).Decode)
		// MariaDB's extended metadata stands before the fixed part.
		plain := col.Append(nil)
		extended := append(wire.AppendLenencBytes(bytes.Clone(plain[:len(plain)-1-fixedColumn]), "\x00\x04json"), plain[len(plain)-1-fixedColumn:]...)
		col.Extended = []byte("\x00\x04json")
		echo(t, "extended column", col, extended, (*Column).Decode)
	})
}

// TestParams: parameters come back as they were sent, with and without query
// attributes, and a rewrite for the other kind of connection keeps them.
func TestParams(t *testing.T) {
	const with, without = Protocol41 | QueryAttributes, Protocol41
	rapid.Check(t, func(t *rapid.T) {
		kinds := []Param{
			{ParamType: ParamType{Type: TypeLongLong}, Value: wire.AppendUint64(nil, 5)},
			{ParamType: ParamType{Type: TypeTiny, Unsigned: true}, Value: []byte{200}},
			{ParamType: ParamType{Type: TypeVarString}, Value: []byte("text")},
			{ParamType: ParamType{Type: TypeDateTime}, Value: []byte{0xe9, 7, 11, 21, 1, 2, 3}},
			{ParamType: ParamType{Type: TypeNull}, Null: true},
			{ParamType: ParamType{Type: TypeBlob}, Long: true},
		}
		list := rapid.SliceOfN(rapid.SampledFrom(kinds), 1, 20).Draw(t, "params")
		long := func(i int) bool { return list[i].Long }
		for _, caps := range []Capability{with, without} {
			flags := byte(0)
			if caps == with {
				flags = ExecuteParamCount
				for i := range list {
					list[i].Name = []byte{}
				}
			}
			payload := AppendExecute(nil, caps, 7, flags, list)
			var e Execute
			if err := e.Decode(payload, caps, len(list)); err != nil {
				t.Fatal(err)
			}
			got, err := e.Params(nil, long)
			if err != nil || len(got) != len(list) || !e.Typed || e.Statement != 7 {
				t.Fatalf("%v: %d of %d parameters", err, len(got), len(list))
			}
			for i := range got {
				if got[i].Type != list[i].Type || !bytes.Equal(got[i].Value, list[i].Value) || got[i].Null != list[i].Null || got[i].Long != list[i].Long || got[i].Unsigned != list[i].Unsigned {
					t.Fatalf("parameter %d: %+v, want %+v", i, got[i], list[i])
				}
			}
			other := with + without - caps
			moved, err := e.Rewrite(nil, payload, 99, len(list), caps, other, nil, long)
			if err != nil {
				t.Fatal(err)
			}
			var back Execute
			if err := back.Decode(moved, other, len(list)); err != nil {
				t.Fatal(err)
			}
			again, err := back.Params(nil, long)
			if err != nil || back.Statement != 99 || fmt.Sprint(values(again)) != fmt.Sprint(values(got)) {
				t.Fatalf("rewritten: %v %+v", err, back)
			}
		}
	})
}

func values(list []Param) (out []string) {
	for _, p := range list {
		out = append(out, fmt.Sprint(p.Type, p.Null, p.Long, p.Unsigned, p.Value))
	}
	return out
}

// TestQueryAttributes: the text of a COM_QUERY is found behind its attributes,
// also where the login was not seen and their presence is deduced.
func TestQueryAttributes(t *testing.T) {
	attributed := append([]byte{byte(ComQuery), 2, 1, 0b10, 1, 0xfd, 0, 2, 'n', '1', 0x08, 0, 2, 'n', '2', 2, 'v', '1'}, "select 1"...)
	for _, c := range []struct {
		payload []byte
		caps    Capability
		want    string
		count   int
	}{
		{AppendQuery(nil, QueryAttributes, "select 1"), QueryAttributes, "select 1", 0},
		{AppendQuery(nil, QueryAttributes, "select 1"), 0, "select 1", 0},
		{AppendQuery(nil, Protocol41, "select 1"), Protocol41, "select 1", 0},
		{AppendQuery(nil, Protocol41, "select 1"), 0, "select 1", 0},
		{attributed, QueryAttributes, "select 1", 2},
		{attributed, 0, "select 1", 2},
	} {
		var q Query
		if err := q.Decode(c.payload, c.caps); err != nil || string(q.SQL) != c.want || len(q.Attributes) != c.count {
			t.Errorf("% x: %v, %q, %d attributes", c.payload, err, q.SQL, len(q.Attributes))
		}
	}
}

// TestOKDeduced: an OK packet of a connection whose login was not seen reads as
// tracked where that fits exactly.
func TestOKDeduced(t *testing.T) {
	for _, caps := range []Capability{Protocol41, Protocol41 | SessionTrack} {
		for _, info := range []string{"", "Rows matched: 1  Changed: 1  Warnings: 0"} {
			want := OK{Affected: 1, Status: 2, Info: []byte(info)}
			var got OK
			if err := got.Decode(want.Append(nil, 0, caps), 0); err != nil || string(got.Info) != info {
				t.Errorf("%v %q: %v, %q", caps, info, err, got.Info)
			}
		}
	}
}

// TestOKText reads the text of an OK packet without SESSION_TRACK: with its
// length, as servers send it (this one MariaDB 10.11), and bare, as it is
// documented.
func TestOKText(t *testing.T) {
	head := []byte{0, 2, 1, 2, 0, 0, 0}
	for _, text := range []string{"&Records: 2  Duplicates: 0  Warnings: 0", "Records: 2  Duplicates: 0  Warnings: 0"} {
		var o OK
		if err := o.Decode(append(head[:len(head):len(head)], text...), Protocol41); err != nil || string(o.Info) != "Records: 2  Duplicates: 0  Warnings: 0" {
			t.Errorf("%q: %v, %q", text, err, o.Info)
		}
	}
}

// TestStateChanges reads what servers track: MariaDB puts several variables
// into one block, a GTID has a byte before it.
func TestStateChanges(t *testing.T) {
	str := func(s string) []byte { return wire.AppendLenencBytes(nil, s) }
	vars := append(append(append(str("autocommit"), str("OFF")...), str("time_zone")...), str("UTC")...)
	block := wire.AppendLenencBytes([]byte{0}, vars)
	block = append(append(block, 1), wire.AppendLenencBytes(nil, str("shop"))...)
	block = append(append(block, 3), wire.AppendLenencBytes(nil, append([]byte{0}, str("uuid:1-5")...))...)
	o := OK{Changes: block}
	var got []string
	if err := o.StateChanges(func(c StateChange) { got = append(got, fmt.Sprintf("%d %s=%s", c.Kind, c.Name, c.Value)) }); err != nil {
		t.Fatal(err)
	}
	if want := "[0 autocommit=OFF 0 time_zone=UTC 1 =shop 3 =uuid:1-5]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	o.Changes = block[:5]
	if o.StateChanges(func(StateChange) {}) == nil {
		t.Error("a cut block gave no error")
	}
}

// TestAppendText writes binary values as a server would as text.
func TestAppendText(t *testing.T) {
	for _, c := range []struct {
		typ      Type
		unsigned bool
		value    []byte
		want     string
	}{
		{TypeTiny, false, []byte{0xff}, "-1"},
		{TypeTiny, true, []byte{0xff}, "255"},
		{TypeLong, false, []byte{0, 0, 0, 0x80}, "-2147483648"},
		{TypeLongLong, true, bytes.Repeat([]byte{0xff}, 8), "18446744073709551615"},
		{TypeYear, false, []byte{0xe9, 7}, "2025"},
		{TypeDate, false, []byte{0xe9, 7, 11, 21}, "2025-11-21"},
		{TypeDate, false, nil, "0000-00-00"},
		{TypeDateTime, false, []byte{0xe9, 7, 11, 21, 1, 2, 3}, "2025-11-21 01:02:03"},
		{TypeDateTime, false, []byte{0xe9, 7, 11, 21, 1, 2, 3, 1, 0, 0, 0}, "2025-11-21 01:02:03.000001"},
		{TypeTime, false, []byte{1, 1, 0, 0, 0, 2, 3, 4}, "-26:03:04"},
		{TypeTime, false, nil, "00:00:00"},
		{TypeDouble, false, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x3f}, "1.5"},
		{TypeVarString, false, []byte("abc"), "abc"},
	} {
		if got := string(AppendText(nil, c.value, c.typ, c.unsigned)); got != c.want {
			t.Errorf("%v % x: %q, want %q", c.typ, c.value, got, c.want)
		}
	}
}

// TestScrambles checks the answers of the authentication plugins as servers do:
// from what a server stores, it recovers the password's hash.
func TestScrambles(t *testing.T) {
	nonce := []byte("12345678901234567890")
	once, twice := sha1.Sum([]byte("secret")), [20]byte{}
	twice = sha1.Sum(once[:])
	mask := sha1.Sum(append(bytes.Clone(nonce), twice[:]...))
	got := ScrambleNative("secret", nonce)
	subtle.XORBytes(got, got, mask[:])
	if sha1.Sum(got) != twice {
		t.Error("mysql_native_password: a server would refuse")
	}

	once2 := sha256.Sum256([]byte("secret"))
	twice2 := sha256.Sum256(once2[:])
	mask2 := sha256.Sum256(append(twice2[:], nonce...))
	got = ScrambleCaching("secret", nonce)
	subtle.XORBytes(got, got, mask2[:])
	if sha256.Sum256(got) != twice2 {
		t.Error("caching_sha2_password: a server would refuse")
	}

	h := sha512.Sum512([]byte("secret"))
	scalar, err := edwards25519.NewScalar().SetBytesWithClamping(h[:32])
	if err != nil {
		t.Fatal(err)
	}
	public := new(edwards25519.Point).ScalarBaseMult(scalar).Bytes()
	signed, err := SignEd25519("secret", nonce)
	if err != nil || !ed25519.Verify(public, nonce, signed) {
		t.Errorf("client_ed25519: a server would refuse (%v)", err)
	}
	if ScrambleNative("", nonce) != nil || ScrambleCaching("", nonce) != nil {
		t.Error("an empty password has an empty answer")
	}
}

// TestEncryptPassword: the server's private key gives the password back.
func TestEncryptPassword(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	nonce := []byte("12345678901234567890")
	sealed, err := EncryptPassword("a password longer than the nonce", nonce, public)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, key, sealed, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range plain {
		plain[i] ^= nonce[i%len(nonce)]
	}
	if string(plain) != "a password longer than the nonce\x00" {
		t.Errorf("got %q", plain)
	}
	for _, bad := range []string{"", "no PEM", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"} {
		if _, err := EncryptPassword("x", nonce, []byte(bad)); err == nil {
			t.Errorf("key %q was taken", bad)
		}
	}
}

// FuzzMessages reads arbitrary bytes as every message.
func FuzzMessages(f *testing.F) {
	g := Greeting{Version: "8.4.0", Nonce: make([]byte, 20), Capabilities: Protocol41 | PluginAuth | SecureConnection, Plugin: PluginNative}
	f.Add(g.Append(nil), uint64(0))
	l := Login{Capabilities: Protocol41 | PluginAuth | SecureConnection | ConnectAttrs, User: "u", Attributes: []Attribute{{"a", "b"}}}
	f.Add(l.Append(nil), uint64(0))
	f.Add(AppendExecute(nil, QueryAttributes, 1, 8, []Param{{ParamType: ParamType{Type: TypeString}, Value: []byte("x")}}), uint64(QueryAttributes))
	f.Add([]byte{3, 2, 1, 0, 1, 0xfd, 0, 1, 'n', 1, 'v', 's'}, uint64(QueryAttributes))
	f.Add((&Column{Name: []byte("a"), Type: TypeLong}).Append(nil), uint64(0))
	f.Add((&OK{Status: StatusSessionStateChanged, Changes: []byte{1, 2, 1, 'x'}}).Append(nil, 0, SessionTrack), uint64(SessionTrack))
	f.Fuzz(func(t *testing.T, b []byte, c uint64) {
		caps := Capability(c)
		_ = new(Greeting).Decode(b)
		_ = new(Login).Decode(b)
		_ = new(ChangeUser).Decode(b, caps)
		_ = new(AuthSwitch).Decode(b)
		var o OK
		if o.Decode(b, caps) == nil {
			_ = o.StateChanges(func(StateChange) {})
		}
		_ = new(ERR).Decode(b)
		_ = new(PrepareOK).Decode(b)
		_ = new(Column).Decode(b)
		_ = new(LongData).Decode(b)
		_ = new(Fetch).Decode(b)
		_ = new(Query).Decode(b, caps)
		var e Execute
		if e.Decode(b, caps, int(c%70000)) == nil {
			_, _ = e.Params(e.Types, nil)
			_, _ = e.Rewrite(nil, b, 1, int(c%70000), caps, caps^QueryAttributes, nil, nil)
		}
		_, _ = StatementID(b)
		_ = TextRow(b, int(c%100), func(int, []byte, bool) {})
		typeOf := func(i int) Type { return Type(c >> (i % 8 * 8)) }
		_ = BinaryRow(b, int(c%100), typeOf, func(i int, v []byte, null bool) { AppendText(nil, v, typeOf(i), false) })
	})
}

func BenchmarkBinaryRow(b *testing.B) {
	row := append([]byte{0, 0}, 5, 0, 0, 0)
	row = wire.AppendLenencBytes(row, bytes.Repeat([]byte("x"), 120))
	typeOf := func(i int) Type { return []Type{TypeLong, TypeVarString}[i] }
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := BinaryRow(row, 2, typeOf, func(int, []byte, bool) { n++ }); err != nil {
			b.Fatal(err)
		}
	}
}

// TestShortEnd: MySQL 9.7 ends a result within a procedure that handles its
// error with an EOF packet, also where the login agreed on none.
func TestShortEnd(t *testing.T) {
	var o OK
	err := o.Decode([]byte{0xfe, 0, 0, 0x0a, 0}, Protocol41|DeprecateEOF)
	if err != nil || !o.EOF || o.Status != 0x0a {
		t.Errorf("%+v, %v", o, err)
	}
}
