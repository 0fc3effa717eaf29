package capfile

// slab hands out pieces of larger allocations. A piece keeps its allocation
// alive, so these are small.
type slab[T any] struct{ free []T }

// How many values one allocation of a slab has: about 32 KiB.
const (
	slabBytes    = 32 << 10
	slabCommands = 128
	slabReplies  = 256
	slabResults  = 128
)

// take returns n zero values that nobody else has, from allocations of chunk
// values. Many at once get their own.
func (s *slab[T]) take(n, chunk int) []T {
	if n > len(s.free) {
		if n > chunk/4 {
			return make([]T, n)
		}
		s.free = make([]T, chunk)
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}
