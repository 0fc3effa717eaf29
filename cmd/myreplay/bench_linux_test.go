package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"myreplay/internal/mysqltest"
	"myreplay/report"
)

// The measurements of docs/BENCHMARKS.md that need servers. Each is one
// operation (-benchtime=1x) beside its yardstick in the same run: the machine's
// speed comes and goes, so only ratios within one run mean something.

// benchTime is how long one load goes on.
const benchTime = 8 * time.Second

// used is what a process took.
type used struct {
	cpu    time.Duration // user and system
	memory int64         // the most it held at once, in bytes
}

func (u used) per1k(n int64) float64 { return 1000 * u.cpu.Seconds() * 1000 / float64(n) }

// watchMemory returns what tells the most memory that a process held. (What the
// kernel says at its end counts its parent's, too.)
func watchMemory(p *mysqltest.Process) func() int64 {
	most := make(chan int64)
	go func() {
		var last int64
		for {
			if n := highWater(p.Pid()); n > 0 {
				last = n
			}
			select {
			case <-p.Done():
				most <- last
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() int64 { return <-most }
}

var hwm = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

func highWater(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if m := hwm.FindSubmatch(text); m != nil {
		n, _ := strconv.ParseInt(string(m[1]), 10, 64)
		return n << 10
	}
	return 0
}

// timed runs a command to its end.
func timed(b *testing.B, cmd *exec.Cmd) (out string, u used) {
	b.Helper()
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	p := mysqltest.Background(b, cmd)
	memory := watchMemory(p)
	if err := p.Wait(); err != nil {
		b.Fatalf("%s: %v\n%s", cmd, err, text.String())
	}
	return text.String(), used{cpuOf(p), memory()}
}

func cpuOf(p *mysqltest.Process) time.Duration {
	return p.Cmd.ProcessState.UserTime() + p.Cmd.ProcessState.SystemTime()
}

// interrupted ends a process as Ctrl-C does and returns what it took.
func interrupted(b *testing.B, p *mysqltest.Process) used {
	b.Helper()
	time.Sleep(200 * time.Millisecond) // what is on its way
	memory := highWater(p.Pid())
	if err := p.Signal(os.Interrupt); err != nil {
		b.Fatal(err)
	}
	p.Wait() // tcpdump's exit code says nothing
	return used{cpuOf(p), memory}
}

// dump starts a tcpdump that writes a server's packets, and returns the file.
func dump(b *testing.B, s *mysqltest.Server) (*mysqltest.Process, string) {
	b.Helper()
	file := filepath.Join(b.TempDir(), "dump.pcap")
	cmd := mysqltest.Tool(b, "tcpdump", "-i", "lo", "-s", "0", "-B", "32768", "-w", file, "tcp port "+strconv.Itoa(s.Port))
	said := &spoken{}
	cmd.Stderr = said
	p := mysqltest.Background(b, cmd)
	for !strings.Contains(said.String(), "listening") {
		time.Sleep(10 * time.Millisecond)
		select {
		case <-p.Done():
			b.Fatal(said)
		default:
		}
	}
	return p, file
}

func sizeOf(b *testing.B, path string) (n int64) {
	err := filepath.Walk(path, func(_ string, i os.FileInfo, err error) error {
		if err == nil && !i.IsDir() {
			n += i.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func benchLoad(script, mode string, threads int) mysqltest.Sysbench {
	return mysqltest.Sysbench{Script: script, Threads: threads, Tables: 4, TableSize: 10000, PSMode: mode, Time: benchTime}
}

func startBench(b *testing.B, kind mysqltest.Kind, o ...mysqltest.Option) *mysqltest.Server {
	b.Helper()
	s := mysqltest.Start(b, kind, append([]mysqltest.Option{mysqltest.NoTLS(), mysqltest.BufferPool("256M"), mysqltest.MaxConnections(12000)}, o...)...)
	benchLoad("oltp_read_write", "", 1).Prepare(b, s)
	return s
}

// BenchmarkCapture records sysbench's oltp_read_write, 8 threads, as fast as it
// goes; tcpdump writing the same load is the yardstick.
func BenchmarkCapture(b *testing.B) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		b.Run(kind.String(), func(b *testing.B) {
			s := startBench(b, kind)
			for _, mode := range []string{"auto", "disable"} {
				b.Run(mode, func(b *testing.B) {
					for range b.N {
						benchCapture(b, s, benchLoad("oltp_read_write", mode, 8))
					}
				})
			}
		})
	}
}

func benchCapture(b *testing.B, s *mysqltest.Server, w mysqltest.Sysbench) {
	p, _ := dump(b, s)
	beside := w.Run(b, s)
	yard := interrupted(b, p)

	r := recordLive(b, s, "--ring-buffer", "32M")
	before := s.Status(b, "Questions")
	w.Run(b, s)
	counted := s.Status(b, "Questions") - before - 1
	u := interrupted(b, r.process)
	n := kindsOf(eventsOf(b, r.dir))
	var all int64
	for _, k := range n {
		all += int64(k)
	}
	b.ReportMetric(float64(all), "commands")
	b.ReportMetric(float64(counted), "server-counted")
	b.ReportMetric(u.per1k(all), "cpu-ms/1k")
	b.ReportMetric(yard.per1k(beside.Queries), "tcpdump-cpu-ms/1k")
	b.ReportMetric(float64(u.memory)/(1<<20), "MiB")
	b.ReportMetric(float64(sizeOf(b, r.dir))/float64(all), "B/command")
	if strings.Contains(r.errs.String(), "dropped") {
		b.Log(r.errs)
	}
}

// BenchmarkSlowdown compares what a recorder and tcpdump cost the source: 8,000
// statements a second, client and source on one core, the recorder on the other.
func BenchmarkSlowdown(b *testing.B) {
	s := startBench(b, mysqltest.MariaDB)
	pin(b, s.Pid, 0)
	w := benchLoad("oltp_read_write", "auto", 8)
	w.Rate = 400 // of 20 statements
	for range b.N {
		var p95, rate [2][]float64
		for i := range 10 {
			var p *mysqltest.Process
			if i%2 == 0 {
				p = recordLive(b, s, "--ring-buffer", "32M").process
			} else {
				p, _ = dump(b, s)
			}
			pin(b, p.Pid(), 1)
			r := pinned(b, w, s)
			interrupted(b, p)
			p95[i%2] = append(p95[i%2], r.P95.Seconds()*1e3)
			rate[i%2] = append(rate[i%2], float64(r.Queries)/r.Elapsed.Seconds())
		}
		b.Logf("p95 in ms: recorder %.2f, tcpdump %.2f", p95[0], p95[1])
		b.ReportMetric(median(p95[0]), "p95-ms")
		b.ReportMetric(median(p95[1]), "tcpdump-p95-ms")
		b.ReportMetric(median(rate[0]), "statements/s")
		b.ReportMetric(median(rate[1]), "tcpdump-statements/s")
	}
}

// pinned runs a workload on the first core.
func pinned(b *testing.B, w mysqltest.Sysbench, s *mysqltest.Server) mysqltest.SysbenchResult {
	var out bytes.Buffer
	cmd := w.Command(b, s, "run")
	cmd.Stdout = &out
	p := mysqltest.Background(b, cmd)
	pin(b, p.Pid(), 0)
	if err := p.Wait(); err != nil {
		b.Fatal(err)
	}
	r, err := mysqltest.ParseSysbench(out.String())
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// pin holds a process's threads on one core.
func pin(b *testing.B, pid, core int) {
	b.Helper()
	var set unix.CPUSet
	set.Set(core)
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(threads) == 0 {
		b.Fatalf("no threads of process %d: %v", pid, err)
	}
	for _, path := range threads {
		tid, _ := strconv.Atoi(filepath.Base(path))
		if err := unix.SchedSetaffinity(tid, &set); err != nil && err != unix.ESRCH {
			b.Fatal(err)
		}
	}
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// rounds is how often a replay and its yardstick take turns.
const rounds = 5

// BenchmarkReplay replays oltp_read_only as fast as it goes; sysbench on the
// same server with as many connections is the yardstick.
func BenchmarkReplay(b *testing.B) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		b.Run(kind.String(), func(b *testing.B) {
			s := startBench(b, kind)
			for _, threads := range []int{1, 8} {
				b.Run(fmt.Sprintf("sessions=%d", threads), func(b *testing.B) {
					w := benchLoad("oltp_read_only", "auto", threads)
					r := recordLive(b, s, "--ring-buffer", "32M")
					w.Run(b, s)
					r.stop()
					for range b.N {
						benchReplay(b, s, r.dir, w)
					}
				})
			}
		})
	}
}

func benchReplay(b *testing.B, s *mysqltest.Server, capture string, w mysqltest.Sysbench) {
	n := int64(len(eventsOf(b, capture)) / 2) // a command and its reply
	var ratio, speed, cpu, yard, memory []float64
	for range rounds {
		run := filepath.Join(b.TempDir(), "run")
		began := time.Now()
		_, u := timed(b, myreplayCommand(b, "replay", capture, targetURL(s), "--speed", "max", "--same-server", "-q", "-o", run))
		perSecond := float64(n) / time.Since(began).Seconds()
		out, y := timed(b, w.Command(b, s, "run"))
		beside, err := mysqltest.ParseSysbench(out)
		if err != nil {
			b.Fatal(err)
		}
		theirs := float64(beside.Queries) / beside.Elapsed.Seconds()
		ratio, speed = append(ratio, perSecond/theirs), append(speed, perSecond)
		cpu, yard = append(cpu, u.per1k(n)), append(yard, y.per1k(beside.Queries))
		memory = append(memory, float64(u.memory)/(1<<20))
	}
	b.Logf("of sysbench's throughput: %.2f", ratio)
	b.ReportMetric(median(speed), "commands/s")
	b.ReportMetric(median(ratio), "of-sysbench")
	b.ReportMetric(median(cpu), "cpu-ms/1k")
	b.ReportMetric(median(yard), "sysbench-cpu-ms/1k")
	b.ReportMetric(median(memory), "MiB")
}

func targetURL(s *mysqltest.Server) string {
	return fmt.Sprintf("mysql://%s@%s/%s", s.User, s.Addr, mysqltest.Schema)
}

// BenchmarkPcap replays a packet file in one step: reassembly, decoding, sending
// and reading every answer.
func BenchmarkPcap(b *testing.B) {
	s := startBench(b, mysqltest.MariaDB)
	p, file := dump(b, s)
	w := benchLoad("oltp_read_only", "auto", 8)
	n := w.Run(b, s).Queries
	interrupted(b, p)
	for range b.N {
		_, u := timed(b, myreplayCommand(b, "replay", file, targetURL(s), "--port", strconv.Itoa(s.Port), "--speed", "max", "--same-server", "-q", "-o", filepath.Join(b.TempDir(), "run")))
		b.ReportMetric(u.per1k(n), "cpu-ms/1k")
		b.ReportMetric(float64(u.memory)/(1<<20), "MiB")
	}
}

// BenchmarkPace replays 2,000 statements a second at the recorded pace: how many
// go out within 5 ms of when they are due.
func BenchmarkPace(b *testing.B) {
	s := startBench(b, mysqltest.MariaDB)
	w := benchLoad("oltp_read_only", "auto", 8)
	w.Rate = 125 // of 16 statements
	r := recordLive(b, s)
	w.Run(b, s)
	r.stop()
	for range b.N {
		run := filepath.Join(b.TempDir(), "run")
		out, _ := timed(b, myreplayCommand(b, "replay", r.dir, targetURL(s), "--speed", "1", "--same-server", "-q", "-o", run))
		lag := reportOf(b, r.dir, run).Lag
		b.Log(out)
		b.ReportMetric(100*lag.OnTime, "%within-5ms")
	}
}

func reportOf(b *testing.B, capture, run string) *report.Report {
	b.Helper()
	c := &comparison{capture: capture, run: run}
	c.read(b)
	return &c.report
}

// BenchmarkSessions replays 5,400 sessions at once: 600 recorded ones, 9 times.
func BenchmarkSessions(b *testing.B) {
	const threads, copies = 600, 9
	s := startBench(b, mysqltest.MariaDB, mysqltest.Args("--max-prepared-stmt-count=1000000", "--open-files-limit=60000"))
	w := benchLoad("oltp_point_select", "auto", threads)
	w.Rate = 1000
	r := recordLive(b, s)
	w.Run(b, s)
	r.stop()
	for range b.N {
		run := filepath.Join(b.TempDir(), "run")
		before := s.Status(b, "Connections")
		out, u := timed(b, myreplayCommand(b, "replay", r.dir, targetURL(s), "--speed", "1", "--copies", strconv.Itoa(copies), "--same-server", "-q", "-o", run))
		b.Log(out)
		rep := reportOf(b, r.dir, run)
		b.ReportMetric(float64(s.Status(b, "Max_used_connections")), "at-once")
		b.ReportMetric(float64(s.Status(b, "Connections")-before), "connections")
		b.ReportMetric(float64(rep.Account.FailedToSend+rep.Account.NotReached), "failed")
		b.ReportMetric(float64(rep.Verdict.Different), "different")
		b.ReportMetric(float64(u.memory)/(1<<20), "MiB")
		b.ReportMetric(float64(u.memory)/1024/(threads*copies), "KiB/session")
	}
}

// BenchmarkOffline decodes a packet file of about 1 GB; tshark reading a part of
// it is beside it.
func BenchmarkOffline(b *testing.B) {
	s := startBench(b, mysqltest.MariaDB)
	p, file := dump(b, s)
	w := benchLoad("oltp_read_only", "disable", 8)
	w.Time, w.Events = 0, 28000
	n := w.Run(b, s).Queries
	interrupted(b, p)
	size := sizeOf(b, file)
	for range b.N {
		began := time.Now()
		_, u := timed(b, myreplayCommand(b, "capture", "--read", file, "--port", strconv.Itoa(s.Port), "-q", "-o", filepath.Join(b.TempDir(), "capture")))
		took := time.Since(began)
		b.ReportMetric(float64(size)/1e9, "GB")
		b.ReportMetric(float64(size)/1e9/took.Seconds(), "GB/s")
		b.ReportMetric(float64(n)/took.Seconds(), "statements/s")
		b.ReportMetric(float64(n)/u.cpu.Seconds(), "statements/cpu-s")
		b.ReportMetric(float64(u.memory)/(1<<20), "MiB")
		b.ReportMetric(benchTshark(b, file, s.Port), "tshark-statements/s")
	}
}

// tsharkPackets is how much of the file tshark reads: it takes minutes for all.
const tsharkPackets = 40000

func benchTshark(b *testing.B, file string, port int) float64 {
	began := time.Now()
	out := mysqltest.Output(b, mysqltest.Tool(b, "tshark", "-r", file, "-c", strconv.Itoa(tsharkPackets),
		"-d", fmt.Sprintf("tcp.port==%d,mysql", port), "-Y", "mysql.command", "-T", "fields", "-e", "mysql.command"))
	return float64(strings.Count(out, "\n")) / time.Since(began).Seconds()
}
