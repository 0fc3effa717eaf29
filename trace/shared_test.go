package trace

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"myreplay/flow"
	"myreplay/packet"
	"myreplay/preface"
)

// ownCaptures are recordings of this project's own servers; capturePorts the
// servers' ports in them and in those of other projects.
const ownCaptures = "../../shared/captures/own/"

var capturePorts = []uint16{3306, 13306, 23060, 23072, 3307, 20130, 2883, 6033, 30130}

// chunks reads a packet file and hands each chunk to take.
func chunks(t testing.TB, path string, take func(*flow.Chunk)) {
	t.Helper()
	src, err := packet.OpenFiles([]string{path}, packet.Options{Ports: capturePorts})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for {
		var c flow.Chunk
		err := src.Read(&c)
		var damaged *packet.FileError
		if errors.Is(err, io.EOF) || errors.As(err, &damaged) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		take(&c)
	}
}

// traced traces a packet file.
func traced(t testing.TB, path string, o Options, each func(*Message)) {
	t.Helper()
	tr := New(o)
	chunks(t, path, func(c *flow.Chunk) {
		if err := tr.Chunk(c, func(m *Message) error { each(m); return nil }); err != nil {
			t.Fatal(err)
		}
	})
	if len(tr.conns) != 0 {
		t.Errorf("%d connections are left", len(tr.conns))
	}
}

// framesOf counts the frames of a file in the plainest way: by their lengths.
// Both protocols have them in the first bytes: 4 and the type, or 3 and the
// sequence id. It stops at TLS, and does not look into compression.
func framesOf(t testing.TB, path string, x bool) (n int) {
	streams := map[*flow.Conn]*[2][]byte{}
	chunks(t, path, func(c *flow.Chunk) {
		switch c.Kind {
		case flow.Open:
			streams[c.Conn] = &[2][]byte{}
		case flow.Data:
			s := streams[c.Conn]
			s[c.Side] = append(s[c.Side], c.Data...)
		}
	})
	for _, s := range streams {
		for _, b := range s {
			for len(b) >= 4 && !preface.IsTLS(b) {
				length := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
				if x {
					length |= int(b[3]) << 24
				}
				b = b[min(4+length, len(b)):]
				n++
			}
		}
	}
	return n
}

// TestOwnCaptures traces the recordings of real clients and a real server: every
// frame has a name, and there is no note but that of TLS. The number of frames of
// the first two is that of another decoder.
func TestOwnCaptures(t *testing.T) {
	known := map[string]int{"x_xdevapi_plain.pcap": 1172, "x_raw_plain.pcap": 228}
	files, _ := filepath.Glob(ownCaptures + "*.pcap")
	if len(files) == 0 {
		t.Skip("the recordings are not beside this project")
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			x := strings.HasPrefix(filepath.Base(path), "x_")
			plain, tls := 0, 0
			names := map[string]int{}
			var notes []string
			traced(t, path, Options{Detail: true, Connections: true}, func(m *Message) {
				line := string(m.AppendLine(nil, true))
				checkPrintable(t, line)
				for _, secret := range []string{"cappw", "shapw"} {
					if strings.Contains(line, secret) {
						t.Errorf("a password in %s", line)
					}
				}
				switch {
				case m.Name == "" && strings.HasPrefix(m.Note, "TLS"):
					tls++
				case m.Name == "" && !strings.HasPrefix(m.Note, "connection "):
					notes = append(notes, m.Note)
				case m.Name != "" && !m.Compressed:
					plain++
				}
				names[m.Name]++
			})
			if len(notes) > 0 {
				t.Errorf("notes: %q", notes)
			}
			for name := range names {
				if strings.Contains(name, "UNKNOWN") && name != "UNKNOWN_99" {
					t.Errorf("%s", name)
				}
			}
			if compressed := strings.Contains(path, "_z"); !compressed {
				if want := framesOf(t, path, x); plain != want {
					t.Errorf("%d messages, want %d: %v", plain, want, names)
				}
			}
			if want := known[filepath.Base(path)]; want != 0 && plain != want {
				t.Errorf("%d messages, another decoder has %d", plain, want)
			}
			// The raw client's first connection logs in within TLS.
			if encrypted := strings.Contains(path, "_tls") || strings.Contains(path, "x_raw"); encrypted != (tls > 0) {
				t.Errorf("%d notes of TLS", tls)
			}
			t.Log(slices.Sorted(maps.Keys(names)), plain)
		})
	}
}

// TestTsharkCaptures traces captures that other projects made: every command
// that is named is one that tshark read, but where that is known to be wrong.
func TestTsharkCaptures(t *testing.T) {
	const root = "../../shared/captures/"
	files, _ := filepath.Glob(root + "*/*.tshark.tsv")
	if len(files) == 0 {
		t.Skip("the captures of other projects are not beside this one")
	}
	ours, theirs := 0, 0
	for _, f := range files {
		path := strings.TrimSuffix(f, ".tshark.tsv")
		t.Run(path[len(root):], func(t *testing.T) {
			want := dissected(t, f)
			theirs += len(want)
			var extra []string
			traced(t, path, Options{Detail: true}, func(m *Message) {
				checkPrintable(t, string(m.AppendLine(nil, true)))
				if !strings.HasPrefix(m.Name, "COM_") {
					return
				}
				ours++
				if i := slices.Index(want, m.Name); i >= 0 {
					want = slices.Delete(want, i, i+1)
				} else {
					extra = append(extra, "+"+m.Name)
				}
			})
			for _, w := range want {
				extra = append(extra, "-"+w)
			}
			if want := tsharkExceptions[path[len(root):]]; !slices.Equal(extra, want) {
				t.Errorf("not as tshark has it: %v, want %v", extra, want)
			}
		})
	}
	t.Logf("%d commands named, tshark has %d", ours, theirs)
}

// tsharkExceptions are the commands that only we (+) or only tshark (-) named.
var tsharkExceptions = map[string][]string{
	// Compressed sessions joined in mid-life: tshark takes the compressed header
	// for a frame.
	"deepflow/mysql-compressed-response.pcap": {"+COM_QUERY", "-COM_SLEEP"},
	"deepflow/mysql-use.pcap":                 {"+COM_QUERY", "-COM_SLEEP"},
	"deepflow/partial-packet-compressed.pcap": {"+COM_QUERY", "+COM_QUERY", "-COM_SLEEP"},

	// Connections of which a first command was seen and no answer: it may be the
	// middle of one.
	"deepflow/mysql-statement.pcap": {"-COM_QUERY", "-COM_STMT_PREPARE", "-COM_QUERY"},
}

// dissected lists the commands that tshark read.
func dissected(t *testing.T, path string) (list []string) {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n")[1:] {
		f := strings.Split(line, "\t")
		if len(f) < 9 || f[3] != "C>S" {
			continue
		}
		var code int
		if n, _ := fmt.Sscanf(f[6], "%d:", &code); n == 1 {
			list = append(list, commandNames[byte(code)])
		}
	}
	return list
}
