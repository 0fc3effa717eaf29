package relay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"myreplay/flow"
	"myreplay/internal/mysqltest"
)

// load is a process with an echo server and its clients.
type load struct {
	in   io.Writer
	out  *bufio.Reader
	addr string
}

func startLoad(b *testing.B) *load {
	b.Helper()
	cmd := helper(b, nil, "load")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // the kernel shares processors by session
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	p := mysqltest.Background(b, cmd)
	b.Cleanup(p.Kill)
	l := &load{in: in, out: bufio.NewReader(out)}
	l.addr = l.line(b)
	return l
}

func (l *load) line(b *testing.B) string {
	b.Helper()
	var word string
	if _, err := fmt.Fscanln(l.out, &word); err != nil {
		b.Fatal(err)
	}
	return word
}

func (l *load) run(b *testing.B, addr string, clients, rounds, size int) {
	b.Helper()
	fmt.Fprintln(l.in, addr, clients, rounds, size)
	l.line(b)
}

func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPass passes small messages of 8 clients at once, and long ones of
// one. The CPU is the relay's, with its reader's: clients and server are another
// process.
func BenchmarkPass(b *testing.B) {
	l := startLoad(b)
	for _, size := range []int{100, 64 << 10} {
		for _, loops := range []int{1, 2, -1} {
			for _, look := range []bool{false, true} {
				clients := 8
				if size > 1000 {
					clients = 1
				}
				way := fmt.Sprintf("loops=%d", loops)
				if loops < 0 {
					way = "goroutines"
				}
				b.Run(fmt.Sprintf("%d/%s/look=%v", size, way, look), func(b *testing.B) {
					benchPass(b, l, Options{Pairs: []Pair{{To: l.addr}}, Loops: loops, Look: look}, clients, size)
				})
			}
		}
	}
}

func benchPass(b *testing.B, l *load, o Options, clients, size int) {
	r := serve(b, o)
	go func() {
		var c flow.Chunk
		for !errors.Is(r.Read(&c), io.EOF) {
		}
	}()
	rounds := (b.N + clients - 1) / clients
	b.ResetTimer()
	begin := processorTime(b)
	l.run(b, r.addr, clients, rounds, size)
	used := processorTime(b) - begin
	b.StopTimer()
	messages := float64(2 * rounds * clients)
	b.ReportMetric(float64(used.Nanoseconds())/1000/messages, "cpu-µs/message")
	b.SetBytes(int64(2 * size))
	r.end(b)
}
