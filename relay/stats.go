package relay

import (
	"cmp"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// mostFailures limits how many different failures are told apart.
const mostFailures = 16

// otherFailures stands for those beyond.
const otherFailures = "other failures"

// Stats counts what a Relay has done so far. Every field may be read while it
// runs.
type Stats struct {
	// Connections that were passed on; Open of them have not ended.
	Connections, Open atomic.Int64
	// Refused connections were not passed on because the server did not accept
	// them, or could not be reached.
	Refused atomic.Int64
	// Untold connections were passed on without being told, because the queue
	// was full when they began. Gaps were told in others, LostBytes in sum.
	Untold, Gaps, LostBytes atomic.Int64
	// Bytes that were passed on, by the flow.Side that sent them; those of TLS
	// that ends here are what is inside.
	Bytes [2]atomic.Int64
	// EndedTLS connections had their TLS ended here; Opaque ones passed it.
	EndedTLS, Opaque atomic.Int64
	// Failed connections ended in their login, for what Failures lists.
	Failed atomic.Int64

	mu       sync.Mutex
	failures map[string]int64
}

// Stats returns the running counts.
func (r *Relay) Stats() *Stats { return &r.stats }

// Refused counts the connections that could not be passed on because the server
// did not accept them.
func (r *Relay) Refused() uint64 { return uint64(r.stats.Refused.Load()) }

// Untold counts the connections that were passed on without being told, because
// the queue was full when they began.
func (r *Relay) Untold() uint64 { return uint64(r.stats.Untold.Load()) }

// Failure is a reason why connections were not passed on, and of how many.
type Failure struct {
	Text  string
	Count int64
}

// Failures returns why connections were refused or failed, and why accepting
// did: the most frequent first.
func (s *Stats) Failures() []Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Failure
	for text, n := range s.failures {
		list = append(list, Failure{text, n})
	}
	slices.SortFunc(list, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text))
	})
	return list
}

// fail counts a failure, by what was done and why it failed.
func (s *Stats) fail(doing string, err error) {
	text := doing + ": " + withoutAddresses(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures == nil {
		s.failures = map[string]int64{}
	}
	if _, known := s.failures[text]; !known && len(s.failures) >= mostFailures {
		text = otherFailures
	}
	s.failures[text]++
}

// withoutAddresses returns an error's text without the ports of one connection,
// so that the same failure has the same text.
func withoutAddresses(err error) string {
	text := err.Error()
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return strings.Replace(text, op.Error(), op.Op+": "+op.Err.Error(), 1)
	}
	return text
}
