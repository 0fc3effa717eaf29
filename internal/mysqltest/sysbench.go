package mysqltest

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Sysbench is one sysbench workload. The zero value of a field leaves
// sysbench's own default.
type Sysbench struct {
	Script    string        // "oltp_read_write", "oltp_read_only", "oltp_point_select" ...
	Threads   int           // connections
	Tables    int           // tables
	TableSize int           // rows per table
	Time      time.Duration // length of a run, in whole seconds
	Events    int           // transactions of a run; without Time it has no other end
	Rate      int           // transactions per second; 0: unlimited
	PSMode    string        // "auto" (prepared statements) or "disable" (text)
	Args      []string      // further arguments
}

// SysbenchResult is what sysbench says at the end of a run.
type SysbenchResult struct {
	Read, Write, Other, Queries int64         // queries; Queries is the sum of all
	Transactions                int64         // events of the script
	IgnoredErrors, Reconnects   int64         // deadlocks and the like; connections that were lost
	Elapsed                     time.Duration // as sysbench measured
	Avg, P95, Max               time.Duration // latency of a transaction
}

// Prepare makes and fills the workload's tables in the schema Schema.
func (b Sysbench) Prepare(t testing.TB, s *Server) {
	t.Helper()
	Output(t, b.Command(t, s, "prepare"))
}

// Run runs the workload over TCP and returns sysbench's figures.
func (b Sysbench) Run(t testing.TB, s *Server) SysbenchResult {
	t.Helper()
	out := Output(t, b.Command(t, s, "run"))
	r, err := ParseSysbench(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return r
}

// Command returns the command that runs a step ("prepare", "run", "cleanup") of
// the workload, for those who start it themselves.
func (b Sysbench) Command(t testing.TB, s *Server, step string) *exec.Cmd {
	t.Helper()
	if s.Port == 0 {
		t.Fatalf("sysbench: %v has no TCP port", s.Kind)
	}
	return Tool(t, "sysbench", append(b.args(s), step)...)
}

func (b Sysbench) args(s *Server) []string {
	args := []string{b.Script, "--db-driver=mysql", "--mysql-host=" + s.host(),
		"--mysql-port=" + strconv.Itoa(s.Port), "--mysql-user=" + s.User,
		"--mysql-password=" + s.Password, "--mysql-db=" + Schema, "--mysql-ssl=off"}
	number := func(flag string, n int) {
		if n != 0 {
			args = append(args, fmt.Sprintf("--%s=%d", flag, n))
		}
	}
	number("threads", b.Threads)
	number("tables", b.Tables)
	number("table-size", b.TableSize)
	number("rate", b.Rate)
	number("events", b.Events)
	number("time", int(b.Time/time.Second))
	if b.Events != 0 && b.Time == 0 {
		args = append(args, "--time=0")
	}
	if b.PSMode != "" {
		args = append(args, "--db-ps-mode="+b.PSMode)
	}
	return append(args, b.Args...)
}

// figure is a line of sysbench's closing report: a name, a number, and maybe
// more.
var figure = regexp.MustCompile(`(?m)^\s*([a-z0-9 ]+[a-z]):\s+([0-9.]+)(s?)(?:\s|$)`)

// ParseSysbench reads the closing report of a run.
func ParseSysbench(report string) (SysbenchResult, error) {
	values := map[string]float64{}
	for _, m := range figure.FindAllStringSubmatch(report, -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return SysbenchResult{}, fmt.Errorf("sysbench report: %s: %w", m[1], err)
		}
		values[m[1]] = v
	}
	var missing []string
	take := func(name string) float64 {
		v, ok := values[name]
		if !ok {
			missing = append(missing, name)
		}
		return v
	}
	count := func(name string) int64 { return int64(take(name)) }
	span := func(name string, unit time.Duration) time.Duration {
		return time.Duration(take(name) * float64(unit))
	}
	r := SysbenchResult{
		Read: count("read"), Write: count("write"), Other: count("other"), Queries: count("total"),
		Transactions: count("transactions"), IgnoredErrors: count("ignored errors"), Reconnects: count("reconnects"),
		Elapsed: span("total time", time.Second),
		Avg:     span("avg", time.Millisecond), P95: span("95th percentile", time.Millisecond), Max: span("max", time.Millisecond),
	}
	if missing != nil {
		return SysbenchResult{}, fmt.Errorf("sysbench report: no line for %s", strings.Join(missing, ", "))
	}
	return r, nil
}
