package packet

import (
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"myreplay/flow"
)

// TestAssemble runs the scripts in testdata/assemble. A line is a segment:
//
//	TIME SIDE FLAGS SEQ [ACK] ["data"] [cut=N] [conn=N]
//
// TIME since the beginning; SIDE c or s; FLAGS as tcpdump writes them (S F R P and
// . for ACK); cut=N: so many bytes were not captured; conn=N: another client port.
// "TIME tick" only moves the clock. "x*5" is five x. The output is the chunks and
// the counters that are not obvious from them.
func TestAssemble(t *testing.T) {
	datadriven.Walk(t, "testdata/assemble", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "assemble" {
				return "unknown command " + d.Cmd
			}
			var stats Stats
			o := scriptOptions(t, d)
			a := newAssembler(&o, &stats)
			var out strings.Builder
			for line := range strings.Lines(d.Input) {
				if err := scriptLine(a, strings.TrimSpace(line)); err != nil {
					return fmt.Sprintf("%q: %v", line, err)
				}
				drainTo(a, &out)
			}
			if !d.HasArg("noend") {
				for a.end() {
					drainTo(a, &out)
				}
				if a.held != 0 || len(a.heap) != 0 {
					t.Fatalf("%s: %d bytes held and %d waiting after the end", d.Pos, a.held, len(a.heap))
				}
			}
			writeStats(&out, &stats)
			return out.String()
		})
	})
}

// scriptOptions reads the arguments of a script command.
func scriptOptions(t *testing.T, d *datadriven.TestData) Options {
	o := Options{Ports: []uint16{3306}}
	for _, arg := range d.CmdArgs {
		number := func() int {
			var n int
			arg.Scan(t, 0, &n)
			return n
		}
		duration := func() time.Duration {
			v, err := time.ParseDuration(arg.Vals[0])
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		switch arg.Key {
		case "ports":
			o.Ports = nil
			for _, v := range arg.Vals {
				n, _ := strconv.Atoi(v)
				o.Ports = append(o.Ports, uint16(n))
			}
		case "noports":
			o.Ports = nil
		case "gapwait":
			o.GapWait = duration()
		case "unacked":
			o.GapWaitUnacked = duration()
		case "idle":
			o.Limits.Idle = duration()
		case "stream":
			o.Limits.StreamBytes = number()
		case "segments":
			o.Limits.StreamSegments = number()
		case "total":
			o.Limits.TotalBytes = number()
		case "conns":
			o.Limits.Conns = number()
		case "noend":
		default:
			t.Fatalf("unknown argument %s", arg.Key)
		}
	}
	return o.withDefaults()
}

// scriptLine feeds one line of a script to the assembler.
func scriptLine(a *assembler, line string) error {
	fields, data := splitData(line)
	if len(fields) < 2 {
		return fmt.Errorf("too short")
	}
	at, err := time.ParseDuration(fields[0])
	if err != nil {
		return err
	}
	if fields[1] == "tick" {
		a.advance(int64(at))
		return nil
	}
	p := tcpPacket{at: int64(at), srcPort: 40000, dstPort: 3306, data: []byte(data), size: uint32(len(data))}
	p.src, p.dst = addrOf(netip.MustParseAddr("10.0.0.1")), addrOf(netip.MustParseAddr("10.0.0.2"))
	var numbers []uint32
	for _, f := range fields[3:] {
		key, value, ok := strings.Cut(f, "=")
		if !ok {
			value = f
		}
		n, err := strconv.ParseUint(value, 10, 32)
		switch {
		case err != nil:
			return err
		case key == "cut":
			p.size += uint32(n)
		case key == "conn":
			p.srcPort = 40000 + uint16(n)
		case key == "port":
			p.dstPort = uint16(n)
		default:
			numbers = append(numbers, uint32(n))
		}
	}
	for _, f := range fields[2] {
		i := strings.IndexRune("FSRP.", f)
		if i < 0 {
			return fmt.Errorf("flag %c", f)
		}
		p.flags |= 1 << i
	}
	p.seq = numbers[0]
	if len(numbers) > 1 {
		p.ack = numbers[1]
	}
	if fields[1] == "s" {
		p.src, p.dst, p.srcPort, p.dstPort = p.dst, p.src, p.dstPort, p.srcPort
	}
	a.add(&p)
	return nil
}

// splitData splits a line into words, and the data between quotes.
func splitData(line string) ([]string, string) {
	before, rest, ok := strings.Cut(line, `"`)
	if !ok {
		return strings.Fields(line), ""
	}
	data, after, _ := strings.Cut(rest, `"`)
	if word, times, ok := strings.Cut(data, "*"); ok {
		n, _ := strconv.Atoi(times)
		data = strings.Repeat(word, n)
	}
	return strings.Fields(before + after), data
}

// drainTo writes all chunks that are due.
func drainTo(a *assembler, out *strings.Builder) {
	for {
		var c flow.Chunk
		for a.pop(&c) {
			fmt.Fprintln(out, chunkLine(&c))
		}
		a.recycle()
		if !a.step() {
			return
		}
	}
}

// chunkLine describes a chunk.
func chunkLine(c *flow.Chunk) string {
	at := time.Duration(c.At)
	if c.Conn == nil {
		return fmt.Sprintf("%v %v %d", at, c.Kind, c.Lost)
	}
	switch head := fmt.Sprintf("%v #%d %v", at, c.Conn.ID, c.Kind); c.Kind {
	case flow.Open:
		joined := ""
		if c.Conn.Joined {
			joined = " joined"
		}
		return fmt.Sprintf("%s %v -> %v%s", head, c.Conn.Client, c.Conn.Server, joined)
	case flow.Data:
		data := string(c.Data)
		if len(data) > 40 {
			data = fmt.Sprintf("%s... (%d)", data[:20], len(data))
		}
		return fmt.Sprintf("%s %v %q", head, c.Side, data)
	case flow.Gap:
		return fmt.Sprintf("%s %v %d %v", head, c.Side, c.Lost, c.Reason)
	default:
		return fmt.Sprintf("%s %v %v", head, c.Side, c.Reason)
	}
}

// writeStats writes the counters that are not zero, but for those that only count
// chunks.
func writeStats(out *strings.Builder, s *Stats) {
	v := reflect.ValueOf(*s)
	var words []string
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		if !f.CanUint() || f.Uint() == 0 {
			continue
		}
		switch name {
		case "DataBytes", "Opened", "Joined":
			continue
		}
		words = append(words, fmt.Sprintf("%s=%d", name, f.Uint()))
	}
	if len(words) > 0 {
		fmt.Fprintln(out, strings.Join(words, " "))
	}
}
