package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"myreplay/classic"
	"myreplay/packet"
	"myreplay/session"
)

// sharedPorts are the server ports of the captures that other projects made.
var sharedPorts = []uint16{3306, 13306, 3307, 20130, 2883, 6033, 30130}

// recordFile records a pcap file and returns the events.
func recordFile(t *testing.T, path string) *lines {
	src, err := packet.OpenFiles([]string{path}, packet.Options{Ports: sharedPorts})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var sink lines
	r := New(&sink, Options{Unmasked: true})
	err = r.Run(context.Background(), src)
	var damaged *packet.FileError
	if err != nil && !errors.As(err, &damaged) {
		t.Fatalf("%s: %v", path, err)
	}
	return &sink
}

// command is what a dissector says of one command.
func command(code classic.Code, sql string, stmt uint32) string {
	s := code.String()
	// tshark writes a space for white space, escapes other control characters and
	// backslashes, and ends a text at a NUL: compare what comes before.
	words := strings.Fields(sql)
	if len(words) > 0 {
		s += " " + strings.Join(words, " ")
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == '\\' }); i >= 0 {
		s = s[:i]
	}
	if stmt != 0 {
		s += fmt.Sprintf(" #%d", stmt)
	}
	return s
}

// commands lists what we read, sorted.
func (s *lines) commands() (list []string) {
	for _, e := range s.events {
		c, ok := e.(*session.Command)
		if !ok || c.Kind == session.FileData {
			continue
		}
		list = append(list, command(classic.Code(c.Code), string(c.SQL), c.Statement))
	}
	slices.Sort(list)
	return list
}

// dissected lists what tshark read, sorted.
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
		var code, stmt uint32
		if n, _ := fmt.Sscanf(f[6], "%d:", &code); n == 0 {
			continue
		}
		fmt.Sscan(f[8], &stmt)
		list = append(list, command(classic.Code(code), f[7], stmt))
	}
	slices.Sort(list)
	return list
}

// sharedExceptions are the commands that we and tshark read differently, - tshark's
// and + ours, with why ours is right.
var sharedExceptions = map[string][]string{
	// Compressed sessions joined in mid-life: tshark takes the compressed header
	// for a frame. The project that the captures are from reads the same
	// statements as we do.
	"deepflow/mysql-compressed-response.pcap": {"- SLEEP", "+ QUERY SELECT * FROM `az_controller_connection`"},
	"deepflow/mysql-use.pcap":                 {"- SLEEP", "+ QUERY use `test`"},
	"deepflow/partial-packet-compressed.pcap": {"- SLEEP", "+ QUERY SELECT * FROM `process` WHERE `process`.`deleted_at` IS NULL", "+ QUERY SELECT * FROM `vip`"},
}

// TestTsharkShared reads captures that other projects made, and compares every
// command with what tshark 4.6.9 read in them.
func TestTsharkShared(t *testing.T) {
	const root = "../../shared/captures/"
	files, _ := filepath.Glob(root + "*/*.tshark.tsv")
	if len(files) == 0 {
		t.Skip("the captures of other projects are not beside this one")
	}
	for _, f := range files {
		path := strings.TrimSuffix(f, ".tshark.tsv")
		ours, theirs := recordFile(t, path).commands(), dissected(t, f)
		var diff []string
		for _, c := range theirs {
			if i, ok := slices.BinarySearch(ours, c); ok {
				ours = slices.Delete(ours, i, i+1)
			} else {
				diff = append(diff, "- "+c)
			}
		}
		for _, c := range ours {
			diff = append(diff, "+ "+c)
		}
		if want := sharedExceptions[path[len(root):]]; !slices.Equal(diff, want) {
			t.Errorf("%s:\n%s", path, strings.Join(diff, "\n"))
		}
	}
}
