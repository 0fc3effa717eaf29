package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/report"
)

// besideMirror mirrors what passes on loopback from one server to another.
type besideMirror struct {
	process *mysqltest.Process
	errs    *spoken
	report  string
}

func mirrorBeside(b testing.TB, source, target *mysqltest.Server, args ...string) *besideMirror {
	b.Helper()
	m := &besideMirror{errs: &spoken{}, report: filepath.Join(b.TempDir(), "report.json")}
	cmd := myreplayCommand(b, append([]string{"mirror", "-i", "lo", "--port", strconv.Itoa(source.Port), "--target", targetURL(target),
		"--writes", "--json", "--report", m.report, "-q"}, args...)...)
	cmd.Stderr = m.errs
	m.process = mysqltest.Background(b, cmd)
	awaitWords(b, m.process, m.errs, "Ctrl-C ends it")
	return m
}

// end ends the mirror and returns what it took and what it reports.
func (m *besideMirror) end(b *testing.B) (used, *report.Report) {
	b.Helper()
	u := interrupted(b, m.process)
	text, err := os.ReadFile(m.report)
	if err != nil {
		b.Fatalf("%v\n%s", err, m.errs)
	}
	r := &report.Report{}
	if err := json.Unmarshal(text, r); err != nil {
		b.Fatal(err)
	}
	return u, r
}

// mirrorTime is how long the loads of BenchmarkMirror go on; MYREPLAY_MIRROR_TIME
// says otherwise.
func mirrorTime() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("MYREPLAY_MIRROR_TIME")); err == nil {
		return d
	}
	return benchTime
}

// mirrorLoads are the loads of BenchmarkMirror: threads, and transactions of 20
// statements a second.
var mirrorLoads = []struct {
	name          string
	threads, rate int
}{
	{"sessions=1,rate=12500", 1, 625},
	{"sessions=8,rate=12000", 8, 600},
	{"sessions=8,rate=16000", 8, 800},
	{"sessions=8,unlimited", 8, 0},
}

// BenchmarkMirror mirrors sysbench's oltp_read_write from one server to another,
// all on this machine.
func BenchmarkMirror(b *testing.B) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		b.Run(kind.String(), func(b *testing.B) {
			source, target := startBench(b, kind), startBench(b, kind)
			for _, mode := range []string{"disable", "auto"} {
				for _, l := range mirrorLoads {
					b.Run(mode+"/"+l.name, func(b *testing.B) {
						w := benchLoad("oltp_read_write", mode, l.threads)
						w.Time, w.Rate = mirrorTime(), l.rate
						for range b.N {
							benchMirror(b, source, target, w)
						}
					})
				}
			}
		})
	}
}

func benchMirror(b *testing.B, source, target *mysqltest.Server, w mysqltest.Sysbench) {
	m := mirrorBeside(b, source, target)
	load := w.Run(b, source)
	time.Sleep(500 * time.Millisecond)
	u, r := m.end(b)
	n := int64(r.Account.Sent)
	b.Logf("%s", m.errs)
	b.ReportMetric(float64(load.Queries)/load.Elapsed.Seconds(), "statements/s")
	b.ReportMetric(float64(load.Queries), "counted-by-sysbench")
	b.ReportMetric(float64(n), "sent")
	b.ReportMetric(float64(r.Account.SkippedTotal()+r.Account.NotReached+r.Account.FailedToSend), "not-sent")
	b.ReportMetric(u.per1k(n), "cpu-ms/1k")
	b.ReportMetric(float64(u.memory)/(1<<20), "MiB")
	if r.Lag != nil {
		b.ReportMetric(float64(r.Lag.P50)/1e3, "lag-median-ms")
		b.ReportMetric(float64(r.Lag.P99)/1e3, "lag-p99-ms")
		b.ReportMetric(float64(r.Lag.Max)/1e3, "lag-max-ms")
	}
}

// BenchmarkMirrorSlowdown compares what a mirror with its target and tcpdump cost
// the source: 8,000 statements a second, client and source on one core, mirror and
// target (or tcpdump) on the other.
func BenchmarkMirrorSlowdown(b *testing.B) {
	source, target := startBench(b, mysqltest.MariaDB), startBench(b, mysqltest.MariaDB)
	pin(b, source.Pid, 0)
	pin(b, target.Pid, 1)
	w := benchLoad("oltp_read_write", "auto", 8)
	w.Rate = 400 // of 20 statements
	for range b.N {
		var p95, rate [2][]float64
		for i := range 10 {
			if i%2 == 0 {
				m := mirrorBeside(b, source, target)
				pin(b, m.process.Pid(), 1)
				r := pinned(b, w, source)
				m.end(b)
				p95[0], rate[0] = append(p95[0], r.P95.Seconds()*1e3), append(rate[0], float64(r.Queries)/r.Elapsed.Seconds())
				continue
			}
			p, _ := dump(b, source)
			pin(b, p.Pid(), 1)
			r := pinned(b, w, source)
			interrupted(b, p)
			p95[1], rate[1] = append(p95[1], r.P95.Seconds()*1e3), append(rate[1], float64(r.Queries)/r.Elapsed.Seconds())
		}
		b.Logf("p95 in ms: mirror %.2f, tcpdump %.2f; statements/s: mirror %.0f, tcpdump %.0f", p95[0], p95[1], rate[0], rate[1])
		b.ReportMetric(median(p95[0]), "p95-ms")
		b.ReportMetric(median(p95[1]), "tcpdump-p95-ms")
		b.ReportMetric(median(rate[0]), "statements/s")
		b.ReportMetric(median(rate[1]), "tcpdump-statements/s")
	}
}
