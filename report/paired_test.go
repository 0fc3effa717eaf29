package report

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// noise makes the times of one class of commands. Each command has a size of
// its own, the same on both sides, and noise on each side, now and then a
// stall. drift makes the noise of commands in a row alike.
type noise struct {
	r     *rand.Rand
	sigma float64
	drift float64
	state [2]float64
}

func (n *noise) pair(slowdown float64) (recorded, replayed int64) {
	size := 5e6 * math.Exp(n.r.NormFloat64())
	took := func(side int, factor float64) int64 {
		n.state[side] = n.drift*n.state[side] + math.Sqrt(1-n.drift*n.drift)*n.r.NormFloat64()
		t := size * factor * math.Exp(n.sigma*n.state[side])
		if n.r.IntN(200) == 0 {
			t += 50e6 * n.r.ExpFloat64()
		}
		return int64(t)
	}
	return took(0, 1), took(1, slowdown)
}

// verdicts returns what is said of classes with the given slowdowns.
func verdicts(r *rand.Rand, rules SpeedRules, pairs int, drift float64, slowdowns ...float64) []string {
	o := Options{Speed: rules}
	o.setDefaults()
	var classes []*class
	var p []float64
	for _, slowdown := range slowdowns {
		n := &noise{r: r, sigma: 0.3, drift: drift}
		c := &class{}
		for range pairs {
			x, y := n.pair(slowdown)
			c.pairs.add(x, y)
			c.sides[recorded].took.add(x)
		}
		c.shift = c.pairs.shift()
		if c.shift.enough {
			p = append(p, c.shift.p)
		}
		classes = append(classes, c)
	}
	limit := benjaminiHochberg(p, o.Speed.FalseShare)
	var list []string
	for _, c := range classes {
		list = append(list, o.Speed.judge(c, limit))
	}
	return list
}

func countOf(list []string, word string) (n int) {
	for _, w := range list {
		if w == word {
			n++
		}
	}
	return n
}

// strict has no thresholds on size: what is left is the test itself.
var strict = SpeedRules{FalseShare: 0.01, MinRatio: 1 + 1e-9, MinShift: -1}

// TestNoFalseAlarm: where nothing changed (an A/A run), the share of reports
// with any false verdict is at most FalseShare. 60 reports of 30 classes: 0.6
// are expected at 1 %; 6 or more have a chance below 0.0001.
func TestNoFalseAlarm(t *testing.T) {
	for _, pairs := range []int{15, 60, 300} {
		r := rand.New(rand.NewPCG(1, uint64(pairs)))
		alarms := 0
		for range 60 {
			got := verdicts(r, strict, pairs, 0, make30(1)...)
			alarms += min(countOf(got, Slower)+countOf(got, Faster), 1)
		}
		t.Logf("%d pairs: %d of 60 reports with a false alarm", pairs, alarms)
		if alarms >= 6 {
			t.Errorf("%d pairs: %d of 60 reports have a false alarm", pairs, alarms)
		}
	}
}

// TestDrift: times in a row that are alike (for about ten commands) must not be
// taken for a change. Testing single pairs does so, as a check that the noise
// is such that it could be.
func TestDrift(t *testing.T) {
	const reports, pairs, drift = 25, 2500, 0.9
	r := rand.New(rand.NewPCG(2, 2))
	alarms, naive := 0, 0
	for range reports {
		got := verdicts(r, strict, pairs, drift, make30(1)...)
		alarms += min(countOf(got, Slower)+countOf(got, Faster), 1)
		n := &noise{r: r, sigma: 0.3, drift: drift}
		single := make([]float32, pairs)
		for i := range single {
			x, y := n.pair(1)
			single[i] = float32(math.Log(float64(y) / float64(x)))
		}
		if wilcoxon(single) < 0.01 {
			naive++
		}
	}
	t.Logf("%d of %d reports of 30 classes with a false alarm; with single pairs %d of %d classes", alarms, reports, naive, reports)
	if alarms > 2 || naive < 5 {
		t.Errorf("%d of %d reports have a false alarm; with single pairs %d classes", alarms, reports, naive)
	}
}

func make30(slowdown float64) []float64 {
	list := make([]float64, 30)
	for i := range list {
		list[i] = slowdown
	}
	return list
}

// TestFindsShift: a class that takes 20 % longer is found among others that do
// not, in its direction, and its ratio is right.
func TestFindsShift(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	found, faster, wrong := 0, 0, 0
	for range 50 {
		slowdowns := make30(1)
		slowdowns[7], slowdowns[20] = 1.2, 1/1.3
		got := verdicts(r, SpeedRules{}, 400, 0, slowdowns...)
		if got[7] == Slower {
			found++
		}
		if got[20] == Faster {
			faster++
		}
		wrong += countOf(got, Slower) + countOf(got, Faster) - one2(got[7] == Slower) - one2(got[20] == Faster)
	}
	t.Logf("20%% slower found in %d of 50 reports, 30%% faster in %d; %d false verdicts", found, faster, wrong)
	if found < 48 || faster < 48 || wrong > 2 {
		t.Errorf("found %d and %d of 50, %d false", found, faster, wrong)
	}
}

func one2(b bool) int { return int(one(b)) }

// TestFindsTail: a class of which one command in twenty takes a hundred times as
// long has an unchanged median, and is found all the same.
func TestFindsTail(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	c := &class{}
	n := &noise{r: r, sigma: 0.1}
	for i := range 4000 {
		x, y := n.pair(1)
		if i%20 == 3 {
			y *= 100
		}
		c.pairs.add(x, y)
		c.sides[recorded].took.add(x)
	}
	c.shift = c.pairs.shift()
	o := Options{}
	o.setDefaults()
	if got := o.Speed.judge(c, c.shift.p); got != Slower {
		t.Errorf("%s: ratio %.2f, p %.2g", got, c.shift.ratio, c.shift.p)
	}
}

// TestSmallChange: certain, but too small to matter, in proportion or in time.
func TestSmallChange(t *testing.T) {
	judge := func(recordedTook, replayedTook int64) string {
		c := &class{}
		for i := range int64(100) {
			c.pairs.add(recordedTook+i, replayedTook+i)
			c.sides[recorded].took.add(recordedTook + i)
		}
		c.shift = c.pairs.shift()
		o := Options{}
		o.setDefaults()
		return o.Speed.judge(c, 0.01)
	}
	for _, test := range []struct {
		recorded, replayed int64
		want               string
	}{
		{10e6, 104e5, Steady},    // 4 % of 10 ms
		{100e3, 200e3, Steady},   // twice 0.1 ms
		{10e6, 12e6, Slower},     // 20 % of 10 ms
		{12e6, 10e6, Faster},     //
		{300e3, 600e3, Slower},   // twice 0.3 ms
		{600e3, 300e3, Faster},   //
		{10e6, 10e6, Steady},     // no change at all
		{0, 0, Steady},           // times of zero
		{0, 10e6, Slower},        //
		{1 << 60, 1, Faster},     // extremes
		{100e3, 310e3, Slower},   // just over 0.2 ms
		{100e3, 290e3, Steady},   // just under
		{1e9, 1045e6, Steady},    // 4.5 %
		{1e9, 1055e6, Slower},    // 5.5 %
		{1055e6, 1000e6, Faster}, //
	} {
		if got := judge(test.recorded, test.replayed); got != test.want {
			t.Errorf("%d to %d ns: %s, want %s", test.recorded, test.replayed, got, test.want)
		}
	}
}

// TestTooFew: fewer pairs than a verdict needs.
func TestTooFew(t *testing.T) {
	var b blocks
	for i := range minPairs - 1 {
		b.add(1e6, 9e6)
		if s := b.shift(); s.enough {
			t.Fatalf("enough after %d pairs", i+1)
		}
	}
	b.add(1e6, 9e6)
	if s := b.shift(); !s.enough || math.Abs(s.ratio-9) > 0.01 {
		t.Errorf("%+v", s)
	}
}

// TestBlocks: however many pairs there are, the blocks stay within their limit
// and have the mean of all.
func TestBlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b blocks
		n := rapid.IntRange(1, 20000).Draw(t, "pairs")
		for range n {
			b.add(1e6, 2e6)
		}
		if b.n > maxBlocks || b.pairs != uint64(n) || n >= maxBlocks && b.n < maxBlocks/2 {
			t.Fatalf("%d blocks of %d pairs", b.n, n)
		}
		if s := b.shift(); math.Abs(s.ratio-2) > 0.001 {
			t.Fatalf("ratio %v", s.ratio)
		}
	})
}

// TestWilcoxonExact: the p-value is near the exact one, which counts all 2^n
// choices of signs, and where the exact one is small it is never smaller.
func TestWilcoxonExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Small whole numbers, so that there are ties.
		whole := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 6), rapid.IntRange(-6, -1)), minPairs, minPairs).Draw(t, "x")
		x := make([]float32, len(whole))
		for i, v := range whole {
			x[i] = float32(v)
		}
		got, want := wilcoxon(x), exactWilcoxon(x)
		if math.Abs(got-want) > 0.06 || want < 0.05 && math.Abs(got-want) > 0.015 || want < 0.001 && got < want {
			t.Fatalf("p %.6f, exactly %.6f", got, want)
		}
	})
}

func exactWilcoxon(x []float32) float64 {
	ranks := make([]float64, len(x))
	var sum, positive float64
	for i, v := range x {
		for _, w := range x {
			switch compareSize(w, v) {
			case -1:
				ranks[i]++
			case 0:
				ranks[i] += 0.5
			}
		}
		ranks[i] += 0.5
		sum += ranks[i]
		if v > 0 {
			positive += ranks[i]
		}
	}
	asFar := 0
	for signs := range 1 << len(x) {
		w := 0.0
		for i, r := range ranks {
			if signs>>i&1 == 1 {
				w += r
			}
		}
		if math.Abs(w-sum/2) >= math.Abs(positive-sum/2) {
			asFar++
		}
	}
	return float64(asFar) / float64(int(1)<<len(x))
}

// TestWilcoxonByHand: worked from the formula: ranks 3 (five times), 7.5 (four
// times) and 10; W 44.5, mean 27.5, variance 96.25 - 180/48.
func TestWilcoxonByHand(t *testing.T) {
	x := []float32{1, 1, 1, 1, -1, 2, 2, 2, -2, 3, 0}
	if got := wilcoxon(x); math.Abs(got-0.08624) > 0.00001 {
		t.Errorf("p %.6f", got)
	}
	if wilcoxon(nil) != 1 || wilcoxon([]float32{0, 0}) != 1 {
		t.Error("nothing but zeros must prove nothing")
	}
}

func TestBenjaminiHochberg(t *testing.T) {
	for _, test := range []struct {
		p     []float64
		share float64
		want  float64
	}{
		{[]float64{0.9, 0.04, 0.001, 0.02}, 0.05, 0.02},
		{[]float64{0.9, 0.04, 0.03, 0.02}, 0.05, -1},
		{[]float64{0.05}, 0.05, 0.05},
		{nil, 0.05, -1},
	} {
		if got := benjaminiHochberg(test.p, test.share); got != test.want {
			t.Errorf("%v: %v, want %v", test.p, got, test.want)
		}
	}
}

func BenchmarkPair(b *testing.B) {
	var x blocks
	b.ReportAllocs()
	for b.Loop() {
		x.add(1e6, 2e6)
	}
}

// BenchmarkShift is the work at the end for one class.
func BenchmarkShift(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 5))
	var x blocks
	n := &noise{r: r, sigma: 0.3}
	for range 5000 {
		x.add(n.pair(1))
	}
	b.ReportAllocs()
	for b.Loop() {
		x.shift()
	}
}

// TestNth: selection finds what sorting finds, also among equal values, and what
// belongs before it stands before it.
func TestNth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Float32Range(-3, 3), 1, 200).Draw(t, "list")
		if rapid.Bool().Draw(t, "equal ones") {
			for i := range list {
				list[i] = float32(int(list[i]))
			}
		}
		n := rapid.IntRange(0, len(list)-1).Draw(t, "n")
		sorted := slices.Sorted(slices.Values(list))
		if got := nth(list, n); got != sorted[n] || n > 0 && slices.Max(list[:n]) != sorted[n-1] {
			t.Fatalf("place %d is %v, not %v", n, got, sorted[n])
		}
	})
}
