package gate

import (
	"context"
	"errors"

	"myreplay/flow"
)

// emit tells and sends.
func (s *follower) emit(outs []out) error {
	for _, o := range outs {
		if err := s.send(o.to, o.told, o.sent); err != nil {
			return err
		}
	}
	return nil
}

// run is Passage.Follow.
func (s *follower) run(ctx context.Context) error {
	stop := s.legs.watch(ctx)
	defer stop()
	for _, l := range s.legs {
		l.patient = true
	}
	fail := make(chan error, len(s.legs))
	for _, l := range s.legs {
		go func() {
			p := &pump{s: s, from: l, to: s.legs[l.side.Other()], buf: make([]byte, bufferSize)}
			err := s.said(p.run())
			p.to.closeWrite()
			if err != nil || l.side == flow.Server {
				s.end()
			}
			if err != nil {
				s.legs[flow.Client].end()
				s.legs[flow.Server].end()
			}
			fail <- err
		}()
	}
	var first error
	for range s.legs {
		if err := <-fail; err != nil && first == nil {
			first = err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(first, errBroke) {
		return nil
	}
	return first
}

// end lets nothing wait any more.
func (s *follower) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.turn.Broadcast()
}
