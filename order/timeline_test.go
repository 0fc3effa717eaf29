package order

import "testing"

// TestNotAfterTooEarly: a guess by when a commit had taken effect that is earlier than
// it can have gives way to a later one; else the later one is of no use.
func TestNotAfterTooEarly(t *testing.T) {
	for _, c := range []struct{ likely, at, want int64 }{
		{0, 80, 80}, {50, 80, 80}, {60, 80, 60}, {90, 80, 80},
	} {
		g := &group{ended: 1, last: &command{sent: 10, answered: 100}, after: 50, likelyBy: c.likely}
		if g.notAfter(c.at, 0); g.likelyBy != c.want {
			t.Errorf("%d after %d: %d", c.at, c.likely, g.likelyBy)
		}
	}
}
