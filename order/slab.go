package order

import "myreplay/sqltext"

// The sizes of slabs: things that live about as long as each other are made many
// at a time.
const (
	slabItems = 64
	// These just fit the sizes in which Go's allocator hands out memory.
	slabSteps, slabCommands, slabAccesses, slabWaits, slabWords, slabValues = 66, 60, 63, 250, 23, 1000
)

// slabs make what a plan is made of.
type slabs struct {
	steps    []Step
	commands []command
	accesses []access
	domains  []domain
	words    []words
	shapes   []*sqltext.Shape
	waits    []Wait
}

// take returns the first n items of a slab, which it renews when it has fewer.
func take[T any](slab *[]T, n, size int) []T {
	if len(*slab) < n {
		*slab = make([]T, max(size, n))
	}
	s := (*slab)[:n:n]
	*slab = (*slab)[n:]
	return s
}

func (s *slabs) access(a access) *access {
	p := &take(&s.accesses, 1, slabAccesses)[0]
	*p = a
	return p
}

// keepDomains returns a copy of a list of domains.
func (s *slabs) keepDomains(list []domain) []domain {
	if len(list) == 0 {
		return nil
	}
	kept := take(&s.domains, len(list), slabItems)
	copy(kept, list)
	return kept
}

// maxSpare is how many lists a room keeps for use again, and how long each may be.
const maxSpare = 256

// room keeps lists for use again.
type room[T any] struct{ spare [][]T }

// take returns an empty list.
func (r *room[T]) take() []T {
	n := len(r.spare)
	if n == 0 {
		return nil
	}
	list := r.spare[n-1]
	r.spare = r.spare[:n-1]
	return list
}

// reuse takes a list back, of which nothing is needed any more.
func (r *room[T]) reuse(list []T) {
	if cap(list) > 0 && cap(list) <= maxSpare && len(r.spare) < maxSpare {
		clear(list)
		r.spare = append(r.spare, list[:0])
	}
}

// pendingWait is a Wait that is not handed on.
type pendingWait struct {
	Wait
	on   commandID
	upTo uint64 // of the command, where its answer was seen before the wait; else 0
	at   int64  // as upTo
}
