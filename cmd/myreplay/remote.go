package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"myreplay/capture"
	"myreplay/feed"
	"myreplay/mirror"
	"myreplay/report"
)

// remoteEngine is an assistant that replays.
type remoteEngine struct {
	capture.Sink // the feed, behind the filter
	client       *feed.Client
	to           string
	addr         string
	seeded       uint64
	began        int64

	mu   sync.Mutex
	last mirror.Figures
	rep  *report.Report
	// lives is how often the figures began anew, since the assistant was another,
	// and before what it had told until then.
	lives  int64
	before mirror.TargetFigures
}

// remote returns the engine that is an assistant.
func (a *mirrorArgs) remote(ctx context.Context, c *cobra.Command, to routes, src *source) (engine, error) {
	if len(a.assistants) > 1 {
		return nil, errors.New("-s: a mirror has one assistant; start one mirror for each, with -r or filters that divide the sessions")
	}
	keys, err := keysFrom(a.keys, mirrorKeys, "mirror.key")
	if err != nil {
		return nil, err
	}
	o := offer{settings: a.settings(src)}
	for _, r := range to {
		offered := offeredRoute{Source: r.source.String(), Targets: r.raw}
		if !r.source.Addr().IsValid() {
			offered.Source = ":" + strconv.Itoa(int(r.source.Port()))
		}
		o.Routes = append(o.Routes, offered)
	}
	hello, err := json.Marshal(&o)
	if err != nil {
		return nil, err
	}
	e := &remoteEngine{to: to.String(), addr: a.assistants[0], seeded: o.Seed, began: time.Now().UnixNano()}
	e.client, err = feed.Dial(ctx, feed.Options{Addr: e.addr, Keys: keys, Tool: tool(), Settings: hello, Buffer: int(a.window), Note: e.note})
	if err != nil {
		return nil, fmt.Errorf("assistant %s: %w", e.addr, err)
	}
	e.Sink = &chosenSink{e.client, a.mirrorFilter.choose, map[uint64]bool{}}
	return e, nil
}

// note takes what the assistant tells.
func (e *remoteEngine) note(kind string, text []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch kind {
	case noteFigures:
		var f mirror.Figures
		if json.Unmarshal(text, &f) == nil {
			e.renew(&f)
			e.last = f
		}
	case noteReport:
		if r, err := report.ReadJSON(bytes.NewReader(text)); err == nil {
			e.rep = r
		}
	}
}

// renew sees whether the assistant's figures begin anew.
func (e *remoteEngine) renew(f *mirror.Figures) {
	if e.last.Began == 0 || e.last.Began == f.Began {
		return
	}
	e.lives++
	e.before.Commands += e.last.Target.Commands
	e.before.Sent += e.last.Target.Sent
}

func (e *remoteEngine) name() string { return e.to + " by the assistant " + e.addr }
func (e *remoteEngine) flush()       { e.client.Tick(0) }
func (e *remoteEngine) seed() uint64 { return e.seeded }

// figures implements engine.
func (e *remoteEngine) figures() mirror.Figures {
	e.mu.Lock()
	f := e.last
	e.mu.Unlock()
	s := e.client.Stats()
	f.Began, f.At = e.began, time.Now().UnixNano()
	f.Link = &mirror.LinkFigures{Up: s.Up, Broken: s.Broken, Ended: s.Ended, Lost: s.Lost, Waiting: s.Waiting, Skew: s.Skew, Trouble: s.Trouble}
	return f
}

// report implements engine.
func (e *remoteEngine) report() *report.Report {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rep
}

// close implements engine.
func (e *remoteEngine) close(drain time.Duration) (*report.Report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), drain+linkMargin)
	defer cancel()
	err := e.client.Finish(ctx)
	rep := e.report()
	switch {
	case err != nil && rep == nil:
		err = fmt.Errorf("assistant %s: %w: there is no report", e.addr, err)
	case err != nil:
		err = fmt.Errorf("assistant %s: %w: the report is the last one that came, not of all", e.addr, err)
	}
	return rep, err
}

// linkMargin is how much longer than its replay the assistant may take to end.
const linkMargin = 5 * time.Second

// remarks implements engine.
func (e *remoteEngine) remarks(out io.Writer) {
	s := e.client.Stats()
	remark(out, s.Broken, fmt.Sprintf("the link to the assistant broke %s; %s could not be resumed, %s never arrived",
		count(s.Broken, "time"), count(s.Ended, "session"), count(s.Lost, "event")))
	e.mu.Lock()
	defer e.mu.Unlock()
	remark(out, e.lives, fmt.Sprintf("the assistant was started again %s: figures and report begin there; before, it told of %s, of which %s sent",
		count(e.lives, "time"), count(e.before.Commands, "command"), thousands(uint64(e.before.Sent))))
}

// reload implements engine: the assistant reads its credentials itself.
func (e *remoteEngine) reload() error { return nil }
