package report

import (
	"math"
	"slices"
)

// Whether a class got slower is asked of pairs: the same command on both sides,
// so that what makes one command longer than another drops out. Each pair
// gives the logarithm of replayed time over recorded time. Times in a row are
// not independent (a checkpoint slows all that run during it), so the pairs are
// gathered, in the order of time, into 32 to 64 blocks of equal size, and
// what is tested is the blocks' means: Wilcoxon's signed-rank test asks whether
// they lie on one side of zero more than chance would have it. The size of the
// change is the Hodges-Lehmann estimate, the median of the means of all pairs
// of blocks. Over all classes together, Benjamini and Hochberg's rule keeps
// the share of false verdicts below SpeedRules.FalseShare. What is certain but
// small is no verdict either: see SpeedRules.
//
// What the test can't know is why: another network path, a colder cache or a
// noisy neighbour make a class slower just as another plan does. A replay on an
// equal server (an A/A run) shows how much of that there is.

const (
	// maxBlocks is how many blocks a class has at most; when they are full, each
	// two become one.
	maxBlocks = 64
	// minPairs is how many pairs a verdict needs.
	minPairs = 15
	// shortest stands for any time shorter than it: logarithms need a floor.
	shortest = 1000 // 1 us in ns
)

// blocks gathers the pairs of one class. The zero value is ready.
type blocks struct {
	means [maxBlocks]float32
	n     int
	// size is the pairs per block, 0 standing for 1.
	size, inBlock uint64
	sum           float64 // of the block under way
	pairs         uint64
	added         float64 // replayed minus recorded time, of all pairs, in ns
}

// add takes the times of one command, in nanoseconds.
func (b *blocks) add(recorded, replayed int64) {
	b.pairs++
	b.added += float64(replayed - recorded)
	b.sum += math.Log(float64(max(replayed, shortest)) / float64(max(recorded, shortest)))
	b.inBlock++
	if b.inBlock < b.size {
		return
	}
	b.close()
	if b.n == maxBlocks {
		b.halve()
	}
}

func (b *blocks) close() {
	b.means[b.n] = float32(b.sum / float64(b.inBlock))
	b.n++
	b.sum, b.inBlock = 0, 0
}

func (b *blocks) halve() {
	b.n /= 2
	for i := range b.n {
		b.means[i] = (b.means[2*i] + b.means[2*i+1]) / 2
	}
	b.size = 2 * max(b.size, 1)
}

// shift is what the pairs of one class say.
type shift struct {
	// ratio is how many times as long a command takes, by the Hodges-Lehmann
	// estimate; 1 when there are no pairs.
	ratio float64
	// p is the chance of such blocks if there were no change; 1 when there are
	// too few.
	p float64
	// enough: there are enough pairs for a verdict.
	enough bool
}

// shift returns what the pairs say. The block under way counts if it is half
// full.
func (b *blocks) shift() shift {
	if b.inBlock > 0 && 2*b.inBlock >= b.size && b.n < maxBlocks {
		c := *b
		c.close()
		b = &c
	}
	means := b.means[:b.n]
	s := shift{ratio: math.Exp(hodgesLehmann(means)), p: 1, enough: b.pairs >= minPairs}
	if s.enough {
		s.p = wilcoxon(means)
	}
	return s
}

// hodgesLehmann returns the median of the means of all pairs of values, each
// value paired with itself too; 0 of no values.
func hodgesLehmann(x []float32) float64 {
	if len(x) == 0 {
		return 0
	}
	walsh := make([]float32, 0, len(x)*(len(x)+1)/2)
	for i, a := range x {
		for _, b := range x[i:] {
			walsh = append(walsh, (a+b)/2)
		}
	}
	m := len(walsh) / 2
	median := nth(walsh, m)
	if len(walsh)%2 == 1 {
		return float64(median)
	}
	return float64(slices.Max(walsh[:m])+median) / 2
}

// nth returns the value at place n of the sorted list, and moves those that
// belong before it there (Hoare's selection). It takes a tenth of the time of
// sorting, which a snapshot of many classes needs.
func nth(list []float32, n int) float32 {
	low, high := 0, len(list)-1
	for low < high {
		pivot := middleOf(list[low], list[(low+high)/2], list[high])
		i, j := low, high
		for i <= j {
			for list[i] < pivot {
				i++
			}
			for list[j] > pivot {
				j--
			}
			if i <= j {
				list[i], list[j] = list[j], list[i]
				i++
				j--
			}
		}
		switch {
		case n <= j:
			high = j
		case n >= i:
			low = i
		default:
			return list[n]
		}
	}
	return list[n]
}

func middleOf(a, b, c float32) float32 { return max(min(a, b), min(max(a, b), c)) }

// wilcoxon returns the two-sided p-value of the signed-rank test that x is
// symmetric about zero: zeros are left out, equal values share their ranks, and
// the normal approximation is used with a correction for ties and for
// continuity. For few values it errs on the side of no verdict.
func wilcoxon(x []float32) float64 {
	x = slices.DeleteFunc(slices.Clone(x), func(v float32) bool { return v == 0 })
	slices.SortFunc(x, func(a, b float32) int { return compareSize(a, b) })
	n := float64(len(x))
	if n == 0 {
		return 1
	}
	var positive, ties float64
	for i := 0; i < len(x); {
		j := i
		for j < len(x) && compareSize(x[i], x[j]) == 0 {
			j++
		}
		rank, same := float64(i+j+1)/2, float64(j-i)
		ties += same * (same*same - 1)
		for ; i < j; i++ {
			if x[i] > 0 {
				positive += rank
			}
		}
	}
	variance := n*(n+1)*(2*n+1)/24 - ties/48
	if variance <= 0 {
		return 1
	}
	z := max(math.Abs(positive-n*(n+1)/4)-0.5, 0) / math.Sqrt(variance)
	return math.Erfc(z / math.Sqrt2)
}

func compareSize(a, b float32) int {
	a, b = max(a, -a), max(b, -b)
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// benjaminiHochberg returns the largest p-value of the list that may be called
// a finding, so that at most the given share of findings is false; negative
// when none may. It sorts the list.
func benjaminiHochberg(p []float64, share float64) float64 {
	slices.Sort(p)
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] <= float64(i+1)/float64(len(p))*share {
			return p[i]
		}
	}
	return -1
}
