package main

import (
	"sync"
	"time"

	"myreplay/mirror"
)

// How often a mirror's figures are taken, and how many are kept.
const (
	figuresEvery = time.Second
	figuresKept  = 61
)

// figures takes a mirror's figures once a second, for all that show them: the
// screen, the metrics, the page, the other side of a link. Latencies in them are
// those since they were taken before, so that only one may take them.
type figures struct {
	take func() mirror.Figures

	mu   sync.Mutex
	kept []*mirror.Figures // the oldest first, never empty

	stop chan struct{}
	done sync.WaitGroup
}

// watchFigures begins to take figures, until Stop.
func watchFigures(take func() mirror.Figures) *figures {
	f := &figures{take: take, stop: make(chan struct{})}
	f.sample()
	f.done.Go(func() {
		tick := time.NewTicker(figuresEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f.sample()
			case <-f.stop:
				return
			}
		}
	})
	return f
}

func (f *figures) sample() {
	now := f.take()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, &now)
	if len(f.kept) > figuresKept {
		f.kept = f.kept[1:]
	}
}

// Latest returns the latest figures, and those before them to compare with; at
// the beginning these are the same. They must not be changed.
func (f *figures) Latest() (now, before *mirror.Figures) { return f.Since(1) }

// Since returns the latest figures, and those that were taken n times before, or
// the oldest ones.
func (f *figures) Since(n int) (now, before *mirror.Figures) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := len(f.kept) - 1
	return f.kept[last], f.kept[max(last-n, 0)]
}

// Stop takes no more figures.
func (f *figures) Stop() {
	close(f.stop)
	f.done.Wait()
}
