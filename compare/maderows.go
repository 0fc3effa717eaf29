package compare

import (
	"slices"

	"myreplay/session"
)

// onlyMade tells whether rows that differ do so in values only that both servers
// made up since the recording, or the replay, began: all others are proven to be
// the same, whatever their order.
func onlyMade(a, b *session.Result) bool {
	x, y := a.MadeRows(), b.MadeRows()
	if len(x) == 0 || len(x) != len(y) {
		return false
	}
	rest := a.Digest.Unordered - b.Digest.Unordered
	p, q := make([]uint64, len(x)), make([]uint64, len(x))
	for i := range x {
		rest += y[i].Row - x[i].Row
		p[i], q[i] = x[i].Rest, y[i].Rest
	}
	slices.Sort(p)
	slices.Sort(q)
	return rest == 0 && slices.Equal(p, q)
}
