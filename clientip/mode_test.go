package clientip

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"
)

// TestModes runs testdata/mode:
//
//	mode MODE
//	CLIENT...
//	    prints from where each client's sessions come, and the counts
//
//	list LIST...
//	    prints, for each line, the networks and how many addresses they have, or
//	    what is wrong with it
func TestModes(t *testing.T) {
	datadriven.RunTest(t, "testdata/mode", func(t *testing.T, d *datadriven.TestData) string {
		var out strings.Builder
		switch d.Cmd {
		case "mode":
			m, err := Parse(d.CmdArgs[0].String())
			if err != nil {
				return err.Error() + "\n"
			}
			for line := range strings.Lines(d.Input) {
				client, _ := netip.ParseAddrPort(strings.TrimSpace(line))
				r := m.Request(client, "target", false)
				from := "this host"
				if r.From.IsValid() {
					from = r.From.String()
				}
				fmt.Fprintf(&out, "%s from %s\n", strings.TrimSpace(line), from)
			}
			fmt.Fprintf(&out, "%s %+v\n", m, m.Counts())
		case "list":
			for line := range strings.Lines(d.Input) {
				m, err := ParseList(strings.TrimSpace(line))
				if err != nil {
					fmt.Fprintln(&out, err)
					continue
				}
				fmt.Fprintf(&out, "%v: %d IPv4, %d IPv6\n", m.Networks(), m.v4.size, m.v6.size)
			}
		}
		return out.String()
	})
}

// Whatever the list and the client are, the address is one of the list's
// networks and of the client's kind, and the same each time.
func TestMapLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Custom(drawItem), 1, 8).Draw(t, "list")
		m, err := ParseList(strings.Join(list, ","))
		if err != nil {
			t.Skip(err)
		}
		client := drawAddr(t)
		got := m.Map(client)
		if again := m.Map(client); again != got {
			t.Fatalf("%v, then %v", got, again)
		}
		if !got.IsValid() {
			if !IsLocal(client) && (client.Is4() && m.v4.size > 0 || client.Is6() && m.v6.size > 0) {
				t.Fatalf("nothing for %v", client)
			}
			return
		}
		in := false
		for _, n := range m.Networks() {
			in = in || n.Contains(got)
		}
		if !in || got.Is4() != client.Is4() {
			t.Fatalf("%v for %v is in none of %v", got, client, m.Networks())
		}
	})
}

func drawAddr(t *rapid.T) netip.Addr {
	if rapid.Bool().Draw(t, "v4") {
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "addr")))
	}
	return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "addr"))).Unmap()
}

func drawItem(t *rapid.T) string {
	a := drawAddr(t)
	if rapid.Bool().Draw(t, "alone") {
		return a.String()
	}
	return netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")).String()
}

// Every address of a list is somebody's: 20,000 clients are spread over all 254
// of a /24, none of which gets four times its share.
func TestMapSpreads(t *testing.T) {
	m, err := ParseList("62.135.200.x")
	if err != nil {
		t.Fatal(err)
	}
	const clients = 20_000
	seen := map[netip.Addr]int{}
	for i := range clients {
		seen[m.Map(plus(netip.MustParseAddr("10.50.0.0"), uint64(i)))]++
	}
	if len(seen) != 254 {
		t.Errorf("%d addresses", len(seen))
	}
	for a, n := range seen {
		if n > 4*clients/254 {
			t.Errorf("%v has %d clients", a, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"preserve", "off", "map:10.50.0.0/16", "map:2001:db8::/64,1.2.3.x", "map:1.2.x.x", "map:,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := Parse(m.String()); err != nil || again.String() != m.String() {
			t.Errorf("%q: %v %v", m, again, err)
		}
		for _, a := range []string{"10.1.2.3", "2001:db8::1", "::1"} {
			if got := m.Map(netip.MustParseAddr(a)); m.Kind() == Map && got.IsValid() && IsLocal(got) {
				t.Errorf("%s comes from %s", a, got)
			}
		}
	})
}
