package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/net/netutil"

	"myreplay/report"
)

// The limits of the admin server.
const (
	adminConnections = 32
	adminHeader      = 16 << 10
	adminReadTime    = 5 * time.Second
	// adminWriteTime lets a CPU profile of 30 seconds end.
	adminWriteTime = 60 * time.Second
	adminIdleTime  = time.Minute
	adminStopTime  = 2 * time.Second
)

// adminArgs are the flags of the admin server.
type adminArgs struct {
	addr     string
	anywhere bool
	mostLag  time.Duration
}

func (a *adminArgs) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.addr, "admin", "", "serve metrics, health, the report so far and profiles on `127.0.0.1:PORT`")
	f.BoolVar(&a.anywhere, "admin-anywhere", false, "let --admin listen on other addresses than this machine's own: the report shows statements to everybody who can connect")
	f.DurationVar(&a.mostLag, "max-lag", defaultMostLag, "the health page says no when the target is further behind")
}

// adminServer serves what an operator asks a mirror.
type adminServer struct {
	name    string
	figures *figures
	report  func() *report.Report
	mostLag time.Duration
	// anyHost: requests may name the server as they like.
	anyHost bool

	making   sync.Mutex // one report at a time
	listener net.Listener
	server   *http.Server
	done     sync.WaitGroup
}

// serve begins to serve where --admin says; without it it returns nil, whose
// Close does nothing. soFar makes the report so far, it may return nil. The server
// ends with ctx or Close.
func (a *adminArgs) serve(ctx context.Context, name string, f *figures, soFar func() *report.Report) (*adminServer, error) {
	if a.addr == "" {
		return nil, nil
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", a.addr)
	if err != nil {
		return nil, fmt.Errorf("--admin: %w", err)
	}
	s := &adminServer{name: name, figures: f, report: soFar, mostLag: a.mostLag, anyHost: a.anywhere, listener: l}
	s.server = &http.Server{Handler: s.handler(), ReadHeaderTimeout: adminReadTime, ReadTimeout: adminReadTime, WriteTimeout: adminWriteTime,
		IdleTimeout: adminIdleTime, MaxHeaderBytes: adminHeader, BaseContext: func(net.Listener) context.Context { return ctx }}
	s.done.Go(func() { s.server.Serve(netutil.LimitListener(l, adminConnections)) })
	context.AfterFunc(ctx, s.Close)
	return s, nil
}

// check refuses an address that others than this machine can reach, unless that
// is wanted.
func (a *adminArgs) check() error {
	host, port, err := net.SplitHostPort(a.addr)
	if err != nil {
		return fmt.Errorf("--admin %s: write 127.0.0.1:PORT", a.addr)
	}
	if a.anywhere || loopbackName(host) {
		return nil
	}
	return fmt.Errorf("--admin %s: others could read statements there: write 127.0.0.1:%s, or add --admin-anywhere", a.addr, port)
}

func loopbackName(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// Addr is where the server listens.
func (s *adminServer) Addr() string {
	if s == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Close ends the server; answers under way get a moment.
func (s *adminServer) Close() {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), adminStopTime)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		s.server.Close()
	}
	s.done.Wait()
}

func (s *adminServer) handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(exporter{s.figures}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /healthz", s.serveHealth)
	mux.HandleFunc("GET /{$}", s.servePage)
	mux.HandleFunc("GET /style.css", serveStyle)
	mux.HandleFunc("GET /report.json", s.serveReport("application/json", (*report.Report).WriteJSON))
	mux.HandleFunc("GET /report.txt", s.serveReport("text/plain; charset=utf-8", writeText))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return s.guard(mux)
}

// guard keeps other sites' pages out: a page in a browser on this machine must not
// read what is served here under a name of its own (DNS rebinding).
func (s *adminServer) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !s.anyHost && !ownName(r.Host) {
			http.Error(w, "ask by the address, such as http://"+s.Addr()+"/", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownName tells whether a Host header names this machine by an address.
func ownName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return loopbackName(strings.Trim(host, "[]"))
}

func (s *adminServer) health() health {
	now, before := s.figures.Since(healthSamples)
	return healthOf(now, before, s.mostLag)
}

func (s *adminServer) serveHealth(w http.ResponseWriter, _ *http.Request) {
	h := s.health()
	w.Header().Set("Content-Type", "application/json")
	if !h.Healthy {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	status := "ok"
	if !h.Healthy {
		status = "not ok"
	}
	json.NewEncoder(w).Encode(struct {
		Status string `json:"status"`
		health
	}{status, h})
}

// serveReport serves the report so far in one form.
func (s *adminServer) serveReport(kind string, write func(*report.Report, io.Writer) error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		var made bytes.Buffer
		switch err := s.makeReport(&made, write); {
		case errors.Is(err, errNoReport):
			http.Error(w, err.Error(), http.StatusNotFound)
		case errors.Is(err, errReportBusy):
			w.Header().Set("Retry-After", "1")
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			w.Header().Set("Content-Type", kind)
			w.Write(made.Bytes()) // a reader that has gone need not know
		}
	}
}

var (
	errNoReport   = errors.New("there is no report here")
	errReportBusy = errors.New("a report is being made: ask again")
)

// makeReport writes the report so far; one at a time, since it takes memory.
func (s *adminServer) makeReport(to io.Writer, write func(*report.Report, io.Writer) error) error {
	if s.report == nil {
		return errNoReport
	}
	if !s.making.TryLock() {
		return errReportBusy
	}
	defer s.making.Unlock()
	r := s.report()
	if r == nil {
		return errNoReport
	}
	return write(r, to)
}

func writeText(r *report.Report, to io.Writer) error { return r.WriteText(to, report.TextOptions{}) }
