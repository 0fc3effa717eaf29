package binlog

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxCommits is how many commits an Index takes: 24 bytes each.
const maxCommits = 50_000_000

// ErrTooMany: there are more commits in the span of an Index than it takes.
var ErrTooMany = errors.New("more than 50 million commits: give only the binary logs of the recording")

// Index finds commits by who made them and when. The zero Index is empty and
// takes commits of all times.
type Index struct {
	// From and To bound the moments of the commits that are kept, in nanoseconds
	// since 1970; To 0: no bound.
	From, To int64

	threads map[uint32][]numbered
	count   uint64
}

// numbered is a commit with its place in the order of all.
type numbered struct {
	time   int64
	number uint64
}

// Read adds a file's commits, which must come after those of the files before. A
// file that ends within an event gives what is before. It returns ErrTooMany and
// what NewReader and Reader.Next return.
func (x *Index) Read(in io.Reader) error {
	r, err := NewReader(in)
	if err != nil {
		return err
	}
	if x.threads == nil {
		x.threads = map[uint32][]numbered{}
	}
	for {
		c, err := r.Next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return fmt.Errorf("after %d commits: %w", x.count, err)
		}
		if c.Time < x.From || x.To != 0 && c.Time > x.To {
			continue
		}
		if x.count == maxCommits {
			return ErrTooMany
		}
		x.count++
		x.threads[c.Thread] = append(x.threads[c.Thread], numbered{c.Time, x.count})
	}
}

// Len returns how many commits there are.
func (x *Index) Len() uint64 { return x.count }

// Find returns the place, from 1, in the order of commits of the one that a
// connection made between two moments, by the server's clock, in nanoseconds
// since 1970. ok: there is one, and no second.
func (x *Index) Find(thread uint32, from, to int64) (number uint64, ok bool) {
	list := x.threads[thread]
	i, _ := slices.BinarySearchFunc(list, from, func(n numbered, t int64) int { return cmp.Compare(n.time, t) })
	if i == len(list) || list[i].time > to {
		return 0, false
	}
	if i+1 < len(list) && list[i+1].time <= to {
		return 0, false
	}
	return list[i].number, true
}
