package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/spf13/cobra"

	"myreplay/mirror"
	"myreplay/report"
)

// canary is what a client may call itself, and a server say.
const canary = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`

// troubled are figures with everything in them that others may have made up.
func troubled() mirror.Figures {
	f := busy(300)
	f.Target.Refused, f.Target.Refusal = 2, "Access denied for user '"+canary+"'\x1b[2J"
	f.Target.Skipped[canary] = 3
	f.Target.Behind, f.Target.Lag = 3, int64(12*time.Second)
	f.Source.Dropped, f.Source.Gaps = 120, 2
	f.Link = &mirror.LinkFigures{Broken: 2, Trouble: canary + "\xff", Skew: -1500000}
	f.Answers.Differences = []report.DifferenceTotal{
		{Class: "row_data", Cause: "real", Commands: 80, Counted: 80}, {Class: "row_count", Cause: "real", Commands: 20, Counted: 20},
		{Class: "row_data", Cause: "generated", Commands: 40}, {Class: canary, Cause: canary, Commands: 1}}
	f.Answers.NotCompared = []report.Count{{Name: "no answer from the target", Count: 4}}
	return f
}

// adminOf serves figures, and a report with the canary in it.
func adminOf(t *testing.T, f mirror.Figures) *adminServer {
	t.Helper()
	return &adminServer{name: "myreplay mirror " + canary, figures: &figures{kept: []*mirror.Figures{{}, &f}}, mostLag: defaultMostLag,
		report: func() *report.Report {
			return &report.Report{Schema: report.SchemaVersion, Sides: "capture_and_run", Recorded: &report.Side{Name: canary}}
		}}
}

// ask asks the server by its address.
func askAdmin(t *testing.T, s *adminServer, method, path, host string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

// TestAdminPage: the page says what there is, and nothing that others made up
// comes through as markup.
func TestAdminPage(t *testing.T) {
	s := adminOf(t, troubled())
	r, body := askAdmin(t, s, "GET", "/", "127.0.0.1:9104")
	if r.StatusCode != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		t.Fatal(r.Status, r.Header)
	}
	for _, never := range []string{"<script", "<img", "\x1b", "\xff"} {
		if strings.Contains(body, never) {
			t.Errorf("the page holds %q", never)
		}
	}
	for _, want := range []string{"&lt;script&gt;", "Not well", "12.0s behind", "row data", "/report.txt", "120 packets dropped"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if csp := r.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Error(csp)
	}
	if _, body := askAdmin(t, adminOf(t, busy(300)), "GET", "/", "127.0.0.1"); strings.Contains(body, "Not well") {
		t.Error(body)
	}
}

// TestAdminHealth: machines are told by the status.
func TestAdminHealth(t *testing.T) {
	for want, f := range map[int]mirror.Figures{200: busy(300), 503: troubled()} {
		r, body := askAdmin(t, adminOf(t, f), "GET", "/healthz", "localhost:9104")
		var h health
		if err := json.Unmarshal([]byte(body), &h); err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != want || h.Healthy != (want == 200) || h.Healthy == (len(h.Reasons) > 0) {
			t.Errorf("%s: %s", r.Status, body)
		}
	}
}

// TestAdminReport: both forms are served as what they are.
func TestAdminReport(t *testing.T) {
	s := adminOf(t, busy(300))
	r, body := askAdmin(t, s, "GET", "/report.json", "[::1]:9104")
	var got report.Report
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Recorded.Name != canary || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%v %s", err, body)
	}
	r, body = askAdmin(t, s, "GET", "/report.txt", "127.0.0.1")
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/plain; charset=utf-8" || r.Header.Get("X-Content-Type-Options") != "nosniff" || body == "" {
		t.Errorf("%s %v %s", r.Status, r.Header, body)
	}
	s.making.Lock()
	if r, _ := askAdmin(t, s, "GET", "/report.txt", "127.0.0.1"); r.StatusCode != 503 {
		t.Error("two reports at once:", r.Status)
	}
	s.making.Unlock()
	s.report = nil
	if r, _ := askAdmin(t, s, "GET", "/report.txt", "127.0.0.1"); r.StatusCode != 404 {
		t.Error(r.Status)
	}
}

// TestAdminGuard: other names (DNS rebinding), other methods, other paths.
func TestAdminGuard(t *testing.T) {
	s := adminOf(t, busy(300))
	s.listener = httptest.NewServer(nil).Listener
	defer s.listener.Close()
	for _, c := range []struct {
		method, path, host string
		want               int
	}{
		{"GET", "/report.txt", "evil.example:9104", 421}, {"GET", "/", "127.0.0.1.evil.example", 421}, {"GET", "/metrics", "", 421},
		{"POST", "/", "127.0.0.1", 405}, {"DELETE", "/metrics", "127.0.0.1", 405}, {"GET", "/nothing", "127.0.0.1", 404},
		{"GET", "/debug/pprof/cmdline", "127.0.0.1", 404}, {"GET", "/debug/pprof/", "127.0.0.1", 200}, {"GET", "/style.css", "127.0.0.1", 200},
		{"GET", "/debug/pprof/goroutine?debug=1", "127.0.0.1", 200}, {"HEAD", "/healthz", "localhost", 200},
	} {
		if r, body := askAdmin(t, s, c.method, c.path, c.host); r.StatusCode != c.want {
			t.Errorf("%s %s at %s: %s, want %d\n%s", c.method, c.path, c.host, r.Status, c.want, body)
		}
	}
	s.anyHost = true
	if r, _ := askAdmin(t, s, "GET", "/healthz", "mirror-1.example"); r.StatusCode != 200 {
		t.Error(r.Status)
	}
}

// TestMetrics: what a scrape gets, and that Prometheus' linter has nothing to say.
func TestMetrics(t *testing.T) {
	s := adminOf(t, troubled())
	r, body := askAdmin(t, s, "GET", "/metrics", "127.0.0.1")
	if r.StatusCode != 200 {
		t.Fatal(r.Status, body)
	}
	for _, want := range []string{
		"\nmyreplay_source_commands_total 2.436e+06\n", "\nmyreplay_lag_seconds 12\n", "\nmyreplay_link_up 0\n", "\nmyreplay_link_skew_seconds -0.0015\n",
		`myreplay_target_skipped_total{reason="write"} 9300`, `myreplay_differences_total{cause="real",class="row_data",counts="yes"} 80`,
		`myreplay_differences_total{cause="generated",class="row_data",counts="no"} 40`, `myreplay_latency_seconds{quantile="0.99",side="source"} 0.00193`,
		`myreplay_not_compared_total{reason="no_answer_from_the_target"} 4`, "\ngo_goroutines ", "\nprocess_cpu_seconds_total ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(exporter{s.figures})
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		if p.Metric == "myreplay_latency_seconds" {
			continue // gauges: a summary's sum is not known
		}
		t.Error(p.Metric, p.Text)
	}
	if t.Failed() {
		t.Log(body)
	}
}

// TestMetricsManyLabels: labels that a peer makes up have a limit, and none is
// sent twice.
func TestMetricsManyLabels(t *testing.T) {
	f := troubled()
	for i := range 1000 {
		f.Answers.Differences = append(f.Answers.Differences, report.DifferenceTotal{Class: strings.Repeat("x", i), Cause: "\xff\x00", Commands: 1})
	}
	r, body := askAdmin(t, adminOf(t, f), "GET", "/metrics", "127.0.0.1")
	if n := strings.Count(body, "\nmyreplay_differences_total{"); r.StatusCode != 200 || n > maxLabels+1 {
		t.Error(r.Status, n)
	}
	if !strings.Contains(body, `class="others"`) {
		t.Error("the rest is missing")
	}
}

// TestAdminServe: it listens where it is told, only on this machine unless that is
// wanted, and ends with its context.
func TestAdminServe(t *testing.T) {
	f := watchFigures(func() mirror.Figures { return busy(300) })
	defer f.Stop()
	if s, err := (&adminArgs{}).serve(t.Context(), "mirror", f, nil); s != nil || err != nil || s.Addr() != "" {
		t.Error(s, err)
	}
	(*adminServer)(nil).Close()
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "9104", "mirror.example:0"} {
		if s, err := (&adminArgs{addr: addr}).serve(t.Context(), "mirror", f, nil); err == nil {
			s.Close()
			t.Error("listens on", addr)
		}
	}
	if err := (&adminArgs{addr: ":0", anywhere: true}).check(); err != nil {
		t.Error(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var a adminArgs
	c := &cobra.Command{}
	a.flags(c)
	if err := c.ParseFlags([]string{"--admin", "127.0.0.1:0", "--max-lag", "1s"}); err != nil {
		t.Fatal(err)
	}
	s, err := a.serve(ctx, "mirror", f, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.Get("http://" + s.Addr() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 200 {
		t.Error(r.Status)
	}
	stop()
	s.done.Wait()
	if _, err := http.Get("http://" + s.Addr() + "/healthz"); err == nil {
		t.Error("it serves after its end")
	}
	s.Close() // again: nothing happens
}

// TestLook serves made-up figures and shows them, for people who look at it:
// MYREPLAY_LOOK=ADDR go test -run Look, in a terminal or a browser.
func TestLook(t *testing.T) {
	addr := os.Getenv("MYREPLAY_LOOK")
	if addr == "" {
		return
	}
	var mu sync.Mutex
	second := int64(60)
	f := watchFigures(func() mirror.Figures {
		mu.Lock()
		defer mu.Unlock()
		second++
		if second%20 < 10 {
			return busy(second)
		}
		g := troubled()
		h := busy(second)
		h.Link, h.Target.Behind, h.Target.Refused, h.Target.Refusal, h.Source.Dropped = g.Link, second, 2, g.Target.Refusal, second
		h.Answers.Differences, h.Answers.Different, h.Target.Lag = g.Answers.Differences, 100, g.Target.Lag
		return h
	})
	defer f.Stop()
	s, err := (&adminArgs{addr: addr, mostLag: defaultMostLag}).serve(t.Context(), "myreplay mirror 3306-10.110.12.17:3306", f, adminOf(t, busy(1)).report)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	shown := showLive(os.Stderr, false, f)
	defer shown.Stop()
	for range 40 {
		time.Sleep(5 * time.Second)
		io.WriteString(shown, "SIGHUP: read again: 12 users\n")
	}
}
