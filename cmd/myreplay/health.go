package main

import (
	"fmt"
	"time"

	"myreplay/mirror"
)

// When a mirror counts as not healthy.
const (
	// defaultMostLag is the lag over which it is behind.
	defaultMostLag = 10 * time.Second
	// healthSamples is how many figures back "now" goes for what must not grow.
	healthSamples = 15
)

// health is how a mirror is.
type health struct {
	Healthy bool `json:"healthy"`
	// Reasons say why it is not, in words for a reader.
	Reasons []string `json:"reasons"`
	// Since and At are when the mirror began and when the figures were taken.
	Since string  `json:"since"`
	At    string  `json:"at"`
	Lag   float64 `json:"lag_seconds"`
}

// healthOf judges a mirror by its figures, and by those a little before: what went
// wrong once and goes well now is no reason.
func healthOf(now, before *mirror.Figures, mostLag time.Duration) health {
	h := health{Reasons: []string{}, Since: timeText(now.Began), At: timeText(now.At), Lag: time.Duration(now.Target.Lag).Seconds()}
	add := func(bad bool, format string, args ...any) {
		if bad {
			h.Reasons = append(h.Reasons, printable(fmt.Sprintf(format, args...)))
		}
	}
	t, was := &now.Target, &before.Target
	add(time.Duration(t.Lag) > mostLag, "the target is %s behind (limit %s)", latency(time.Duration(t.Lag)), duration(mostLag))
	add(t.Behind > was.Behind, "sessions are given up because the target is too slow: %s so far", thousands(uint64(t.Behind)))
	add(t.Away > 0, "%s without the target now: %s", count(t.Away, "session"), orUnknown(t.Trouble))
	add(t.Refused > was.Refused, "the target can't be reached or refuses sessions: %s", orUnknown(t.Refusal))
	add(t.Lost > was.Lost, "connections to the target break: %s so far", thousands(uint64(t.Lost)))
	add(now.Source.Dropped > before.Source.Dropped, "the kernel drops packets: %s so far", thousands(uint64(now.Source.Dropped)))
	if o, was := t.Order, was.Order; o != nil && was != nil {
		add(o.Dropped > was.Dropped, "the order between sessions is given up in places, so that the mirror goes on: %s so far", count(o.Dropped, "wait"))
	}
	if l := now.Link; l != nil {
		add(!l.Up, "no connection to the assistant: %s", orUnknown(l.Trouble))
		add(before.Link != nil && l.Lost > before.Link.Lost, "events for the assistant are lost: %s so far", thousands(uint64(l.Lost)))
	}
	h.Healthy = len(h.Reasons) == 0
	return h
}

func orUnknown(why string) string {
	if why == "" {
		return "no reason known"
	}
	return why
}

func timeText(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339) }
