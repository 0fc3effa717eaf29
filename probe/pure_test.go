package probe

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"myreplay/session"

	"pgregory.net/rapid"
)

// TestHost reads the forms of HOST that servers have.
func TestHost(t *testing.T) {
	for host, want := range map[string]string{
		"10.0.0.1:41000":         "10.0.0.1:41000",
		"::1:41000":              "[::1]:41000",
		"[::1]:41000":            "[::1]:41000",
		"2001:db8::7:50312":      "[2001:db8::7]:50312",
		"::ffff:10.0.0.1:41000":  "10.0.0.1:41000",
		"fe80::1%eth0:41000":     "[fe80::1]:41000",
		"App1.example.com:41000": "app1.example.com 41000",
		"localhost:41000":        "localhost 41000",
		"localhost":              "", "": "", ":": "", ":1": "", "a:": "", "a:0": "", "a:65536": "", "a:+1": "", "a:-1": "", "[::1:5": "", "a:b:5": "",
	} {
		got := ""
		if p, ok := parseHost(host); ok {
			got = p.addr.String()
			if p.name != "" {
				got = p.name + " " + strconv.Itoa(int(p.port))
			}
		}
		if got != want {
			t.Errorf("%q is %q, not %q", host, got, want)
		}
	}
}

// TestHostLaw: whatever address a client has, its HOST leads back to it.
func TestHostLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ip, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip"))
		if rapid.Bool().Draw(t, "v4") {
			ip, _ = netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ip"))
		}
		client := netip.AddrPortFrom(ip, rapid.Uint16Range(1, 65535).Draw(t, "port"))
		host := ip.String() + ":" + strconv.Itoa(int(client.Port()))
		if rapid.Bool().Draw(t, "brackets") {
			host = client.String()
		}
		if p, ok := parseHost(host); !ok || p.addr != plain(client) || p.name != "" {
			t.Fatalf("%q is %+v", host, p)
		}
	})
}

// FuzzHost reads any HOST.
func FuzzHost(f *testing.F) {
	for _, host := range []string{"10.0.0.1:41000", "::1:1", "[::1]:1", "a:1", "%:1", "fe80::1%:5"} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		p, ok := parseHost(host)
		if ok && (p.port == 0 || (p.name == "") != p.addr.IsValid()) {
			t.Errorf("%q is %+v", host, p)
		}
	})
}

// shownMySQL returns what MySQL shows of a prepared statement's text, and
// shownMariaDB what MariaDB does.
func shownMySQL(sql []byte) []byte {
	sql = sql[:min(len(sql), preparedText)]
	for i := 0; i < len(sql); {
		_, n := utf8.DecodeRune(sql[i:])
		if n == 1 && sql[i] >= 0x80 {
			return sql[:i]
		}
		i += n
	}
	return sql
}

func shownMariaDB(sql []byte) (out []byte) {
	sql = sql[:min(len(sql), preparedText)]
	for i := 0; i < len(sql); {
		_, n := utf8.DecodeRune(sql[i:])
		if n == 4 || n == 1 && sql[i] >= 0x80 {
			out = append(out, '?')
		} else {
			out = append(out, sql[i:i+n]...)
		}
		i += n
	}
	return out
}

// TestCertain: a text that is believed is the one that was prepared. Texts are
// made of words with blanks between them, in UTF-8 or in latin1, of any length.
func TestCertain(t *testing.T) {
	ascii := []string{"SELECT", "?", "a", "'x'", `"y"`, "`z`", "(?, ?)", "/* c */", "-- c\n", "# c\n", "= ?", "''", `'\''`, `'\\'`, "limit ?", ";"}
	foreign := []string{"'é'", "gr\u00f6\u00dfe", "über", "`é`", "/* é */", "-- é\n", "# é\n", "'💡'", `"€"`, "é1", "/*💡*/", `'\é'`, "x'é'"}
	rapid.Check(t, func(t *rapid.T) {
		utf8 := rapid.Bool().Draw(t, "utf8")
		words := rapid.SliceOfN(rapid.SampledFrom(append(slices.Clone(ascii), foreign...)), 1, 12).Draw(t, "words")
		fill := rapid.SampledFrom([]int{0, 0, 0, 980, 1000, 1010, 1020}).Draw(t, "fill")
		text := strings.Repeat("x", fill) + strings.Join(words, " ")
		if fill > 0 {
			text = "'" + strings.Repeat("x", fill) + "', " + strings.Join(words, " ")
		}
		sql := []byte(text)
		if !utf8 {
			sql = latin1(text)
		}
		for _, mariaDB := range []bool{false, true} {
			shown := shownMySQL(sql)
			if mariaDB {
				shown = shownMariaDB(sql)
			}
			sn := snapshot{asker: &asker{basics: basics{mariaDB: mariaDB, maxSQL: preparedText}}}
			k := &known{utf8: utf8}
			if sn.certain(k, shown) && !bytes.Equal(shown, sql) {
				t.Fatalf("MariaDB %v, UTF-8 %v: %q is believed for %q", mariaDB, utf8, shown, sql)
			}
			// A backslash before a quote depends on the sql_mode.
			plain := !bytes.ContainsFunc(sql, func(r rune) bool { return r >= 0x80 || r == '\\' })
			if plain && utf8 && len(sql) <= preparedText-4 && !sn.certain(k, shown) {
				t.Fatalf("MariaDB %v: %q is not believed", mariaDB, sql)
			}
		}
	})
}

// latin1 writes a text in latin1, with a byte for what it does not have.
func latin1(text string) (out []byte) {
	for _, r := range text {
		if r > 0xff {
			r = 0x80
		}
		out = append(out, byte(r))
	}
	return out
}

// FuzzText looks at any text.
func FuzzText(f *testing.F) {
	for _, sql := range []string{"SELECT 'a\\'?", "/*", "--", "#", "`", "a?b", "'\\"} {
		f.Add([]byte(sql), true)
	}
	f.Fuzz(func(t *testing.T, sql []byte, mariaDB bool) {
		sn := snapshot{asker: &asker{basics: basics{mariaDB: mariaDB, maxSQL: preparedText}}}
		sure := sn.certain(&known{utf8: true}, sql)
		if sure && (read(sql, true).open || read(sql, false).open) {
			t.Errorf("%q is believed", sql)
		}
	})
}

// TestDecimal: only what a server writes for a number is taken for one.
func TestDecimal(t *testing.T) {
	for value, want := range map[string]bool{"0": true, "5": true, "-5": true, "1.50": true, "0.5": true, "-0.5": true,
		"": false, "-": false, ".5": false, "5.": false, "007": false, "00": false, "1e3": false, "+5": false, " 5": false, "5 ": false, "1.2.3": false,
		"--5": false, "٣": false, strings.Repeat("9", 65): true, strings.Repeat("9", 66): false} {
		if got := decimal(value); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
}

// TestFind: two sessions that may be meant are none; a name is found by its port,
// but localhost is not another machine's.
func TestFind(t *testing.T) {
	s := &Sessions{known: map[netip.AddrPort][]*known{}, named: map[uint16][]*known{}, version: "9.7.0"}
	add := func(id uint64, host string, p session.Protocol) {
		at, ok := parseHost(host)
		if !ok {
			t.Fatal(host)
		}
		k := &known{id: id, user: "u" + strconv.Itoa(int(id)), place: at, protocol: p, state: &session.State{}}
		if at.name != "" {
			s.named[at.port] = append(s.named[at.port], k)
		} else {
			s.known[at.addr] = append(s.known[at.addr], k)
		}
	}
	add(1, "10.0.0.1:1000", session.Classic)
	add(2, "10.0.0.1:1000", session.X)
	add(3, "10.0.0.2:1000", session.Unknown)
	add(4, "app:2000", session.Classic)
	add(5, "app:3000", session.Classic)
	add(6, "web:3000", session.Classic)
	add(7, "localhost:4000", session.Classic)
	add(8, "app:1000", session.Classic)
	for _, c := range []struct {
		client   string
		protocol session.Protocol
		want     string
	}{
		{"10.0.0.1:1000", session.Classic, "u1"},
		{"10.0.0.1:1000", session.X, "u2"},
		{"10.0.0.1:1000", session.Unknown, ""},
		{"[::ffff:10.0.0.1]:1000", session.X, "u2"},
		{"10.0.0.2:1000", session.X, "u3"},
		{"10.0.0.3:1000", session.Classic, "u8"},
		{"10.0.0.3:2000", session.Classic, "u4"},
		{"10.0.0.3:2000", session.X, ""},
		{"10.0.0.3:3000", session.Classic, ""},
		{"10.0.0.3:4000", session.Classic, ""},
		{"127.0.0.1:4000", session.Classic, "u7"},
		{"[::1]:4000", session.Classic, "u7"},
		{"10.0.0.1:9", session.Classic, ""},
	} {
		l, _, ok := s.Find(netip.MustParseAddrPort(c.client), c.protocol)
		if l.User != c.want || ok != (c.want != "") {
			t.Errorf("%s %v: %q %v, not %q", c.client, c.protocol, l.User, ok, c.want)
		}
	}
	if _, _, ok := s.Find(netip.AddrPort{}, session.Unknown); ok {
		t.Error("no address is found")
	}
}

// TestNote: what is known already stays, and a Start that is not joined, or has
// another connection id, is left alone.
func TestNote(t *testing.T) {
	client := netip.MustParseAddrPort("10.0.0.1:1000")
	k := &known{id: 7, user: "app", schema: "shop", collation: 45, protocol: session.Classic, state: &session.State{Transaction: true}}
	s := &Sessions{known: map[netip.AddrPort][]*known{client: {k}}, version: "9.7.0"}
	whole := session.Start{ID: 1, Protocol: session.Classic, Client: client}
	if s.Note(&whole) || whole.State != nil {
		t.Error("noted a Start that was seen")
	}
	other := session.Start{ID: 1, Protocol: session.Classic, Client: client, Joined: true, ConnectionID: 8}
	if s.Note(&other) || other.State != nil {
		t.Error("noted another connection")
	}
	some := session.Start{ID: 1, Protocol: session.Classic, Client: client, Joined: true, Login: session.Login{User: "x", Collation: 8}}
	if !s.Note(&some) || some.Login.User != "x" || some.Login.Schema != "shop" || some.Login.Collation != 8 ||
		some.ConnectionID != 7 || some.ServerVersion != "9.7.0" || some.State != k.state || some.Login.Known {
		t.Errorf("%+v", some)
	}
	if s.Note(&some) {
		t.Error("noted twice")
	}
}

// TestGrants: MariaDB's lines have the password's hash, which is cut out.
func TestGrants(t *testing.T) {
	for grant, want := range map[string]string{
		"GRANT USAGE ON *.* TO `a`@`%`": "GRANT USAGE ON *.* TO `a`@`%`",
		"GRANT ALL PRIVILEGES ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*40' WITH GRANT OPTION":             "GRANT ALL PRIVILEGES ON *.* TO `a`@`%` WITH GRANT OPTION",
		"GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED VIA ed25519 USING 'x WITH ' REQUIRE SSL":                  "GRANT USAGE ON *.* TO `a`@`%` REQUIRE SSL",
		"GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*4' REQUIRE SSL WITH MAX_USER_CONNECTIONS 1": "GRANT USAGE ON *.* TO `a`@`%` REQUIRE SSL WITH MAX_USER_CONNECTIONS 1",
	} {
		if got := withoutPassword(grant); got != want {
			t.Errorf("%s: %s", grant, got)
		}
	}
	if got := account("it's@%"); got != "'it''s'@'%'" {
		t.Error(got)
	}
}
