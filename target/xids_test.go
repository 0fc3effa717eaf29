package target

import (
	"bytes"
	"fmt"
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"myreplay/session"
)

func id(n int) documentID {
	d, ok := parseID(fmt.Sprintf("%028x", n))
	if !ok {
		panic(n)
	}
	return d
}

// Only so many pairs are known: the oldest are given up.
func TestDocumentIDsLimit(t *testing.T) {
	d := documentIDs{idTable[documentID, documentID]{limit: 3}}
	gaveUp := 0
	for i := range 10 {
		if d.add(0, id(i), id(100+i)) {
			gaveUp++
		}
	}
	d.add(0, id(9), id(200)) // again: the last counts
	if gaveUp != 7 || len(d.live) != 3 || len(d.recorded) != 3 || len(d.order) != 3 {
		t.Errorf("%d given up, %d and %d known", gaveUp, len(d.live), len(d.recorded))
	}
	for i, want := range map[int]int{6: 6, 7: 107, 8: 108, 9: 200} {
		got, _ := d.toLive(0, fmt.Appendf(nil, "%028x", i))
		if string(got) != fmt.Sprintf("%028x", want) {
			t.Errorf("%d became %s", i, got)
		}
	}
	row := fmt.Appendf(nil, "%028x %028x", 109, 200)
	d.toRecorded(row)
	if string(row) != fmt.Sprintf("%028x %028x", 109, 9) {
		t.Errorf("row %s", row)
	}
}

// What waits for Learn on one connection is bounded, too.
func TestMadeLimit(t *testing.T) {
	c, err := connectX(t, &fakeX{}, "mysqlx://127.0.0.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	reply := func(seq uint64, ids string) *session.Reply {
		return &session.Reply{Seq: seq, Results: []session.Result{{Changes: []session.Change{{Kind: session.DocumentIDs, Value: ids}}}}}
	}
	for seq := range uint64(maxMade + 10) {
		c.keepIDs(reply(seq, "x"))
	}
	if n := c.server.Stats().IDsUnpaired; len(c.made) != maxMade || n != 10 {
		t.Errorf("%d wait, %d given up", len(c.made), n)
	}
	c.keepIDs(reply(1<<20, string(make([]byte, maxMadeBytes-10))))
	if len(c.made) > 11 {
		t.Errorf("%d wait", len(c.made))
	}
}

// An id is found wherever it stands, whatever its neighbours are.
func TestEachID(t *testing.T) {
	const a, b = "0000aaaa00010000000000000001", "0000aaaa00010000000000000002"
	for text, want := range map[string]string{
		a:                                      "0",
		`{"_id":"` + a + `","o":"` + b:         "8 43",
		a + "x" + b:                            "0 29",
		a + b:                                  "",     // longer
		"\x1c" + a + "2\x08":                   "1",    // a string of 28, and the tag of a field
		"\x1c" + a + b:                         "1",    // the same
		"a\x1c" + a + "\x1c" + b + "1":         "2 31", //
		"0" + a:                                "",     // longer
		a[1:]:                                  "",     // shorter
		a[:27] + "A":                           "",     // no server writes so
		a + "A":                                "",     // longer
		"\x1c" + a[1:] + "g":                   "",     // shorter
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" + a: "32",
	} {
		got := ""
		eachID([]byte(text), func(at int, _ documentID) { got += fmt.Sprint(at, " ") })
		if got != want && got != want+" " {
			t.Errorf("%q: at %s, want %s", text, got, want)
		}
	}
}

var runs = regexp.MustCompile(`[0-9a-fA-F]+`)

// The quick search finds what a plain one does.
func TestLawEachID(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text := []byte{}
		for range rapid.IntRange(0, 6).Draw(r, "parts") {
			text = append(text, rapid.SampledFrom([]string{"", "x", "\x1c", "\x1c\x1c", "zzzzzzzzzzzzzzzzzzzzzzzzzzz"}).Draw(r, "between")...)
			n := rapid.SampledFrom([]int{0, 1, 27, 28, 29, 55, 56, 60}).Draw(r, "digits")
			text = append(text, bytes.Repeat([]byte(rapid.SampledFrom([]string{"0", "a", "F"}).Draw(r, "digit")), n)...)
		}
		var want, got []int
		for _, run := range runs.FindAllIndex(text, -1) {
			n := run[1] - run[0]
			if n == idDigits || n > idDigits && run[0] > 0 && text[run[0]-1] == idDigits {
				if _, ok := parseID(text[run[0] : run[0]+idDigits]); ok {
					want = append(want, run[0])
				}
			}
		}
		eachID(text, func(at int, _ documentID) { got = append(got, at) })
		if fmt.Sprint(got) != fmt.Sprint(want) {
			r.Fatalf("%q: %v, want %v", text, got, want)
		}
	})
}

// BenchmarkEachID: a payload without ids, as almost all are.
func BenchmarkEachID(b *testing.B) {
	text := bytes.Repeat([]byte("select a, b from t where id = 12345 and "), 100)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		eachID(text, func(int, documentID) {})
	}
}
