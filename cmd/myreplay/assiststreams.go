package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"myreplay/feed"
	"myreplay/report"
)

// enter lists an engine while it works. Where its stream comes from a mirror that
// was started again, the one before it is ended: a mirror that was killed does not
// come back, and its transactions on the target would hold up those of the new one.
func (a *assistArgs) enter(e *localEngine, s *feed.Stream) (leave func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.engines == nil {
		a.engines = map[*localEngine]*feed.Stream{}
	}
	for other, old := range a.engines {
		if other.source == e.source && hostOf(old) == hostOf(s) && !old.Up() {
			old.Close("another mirror of the same source came in its place")
		}
	}
	a.engines[e] = s
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.engines, e)
	}
}

// hostOf is the address that a stream comes from, without its port.
func hostOf(s *feed.Stream) string {
	host, _, _ := net.SplitHostPort(s.From()) // a connection's address
	return host
}

// reload has all engines read the credentials again.
func (a *assistArgs) reload() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for e := range a.engines {
		errs = append(errs, e.reload())
	}
	return errors.Join(errs...)
}

// ended says what came of a stream: its mirror may be gone, and nobody else tell.
func (a *assistArgs) ended(out io.Writer, e *localEngine, s *feed.Stream, rep *report.Report) {
	fmt.Fprintf(out, "mirror %s: ended: %s\n", s.From(), rep.Verdict.String())
	f := e.figures()
	a.summary(out, &f, time.Duration(time.Now().UnixNano()-e.began))
	e.remarks(out)
}

// unusedName returns a name that no file has: a stream whose assistant was
// started again gets another recording.
func unusedName(path string) string {
	name := path
	for n := 2; ; n++ {
		if _, err := os.Lstat(name); err != nil {
			return name
		}
		name = fmt.Sprintf("%s-%d", path, n)
	}
}
