package report

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestTimes: count, total, extremes and distribution are exact; quantiles are
// exact for few values and right to 1 % or half a microsecond for many.
func TestTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Times of very different size, which makes the histogram grow.
		exponents := rapid.SliceOfN(rapid.Float64Range(0, 15), 1, 300).Draw(t, "exponents")
		var d times
		var list []int64
		for _, e := range exponents {
			v := int64(math.Pow(10, e))
			d.add(v)
			list = append(list, v)
		}
		slices.Sort(list)
		m := d.model()
		var total int64
		for _, v := range list {
			total += v
		}
		if m.Count != uint64(len(list)) || m.Total != us(total) || m.Min != us(list[0]) || m.Max != us(list[len(list)-1]) {
			t.Fatalf("%+v of %v", m, list)
		}
		var decades uint64
		for _, n := range m.Decades {
			decades += n
		}
		if decades != m.Count {
			t.Fatalf("the distribution has %d of %d", decades, m.Count)
		}
		for _, q := range []float64{0.5, 0.95, 0.99} {
			want := list[int(math.Ceil(q*float64(len(list))))-1]
			got := d.quantile(q)
			off := math.Abs(float64(got - want))
			if len(list) < maxSamples && off > 0 || off > max(0.01*float64(want), 1000) {
				// A histogram may round the rank the other way.
				if next := list[min(int(math.Ceil(q*float64(len(list)))), len(list)-1)]; math.Abs(float64(got-next)) > max(0.01*float64(next), 1000) {
					t.Fatalf("%v quantile %d, want %d", q, got, want)
				}
			}
		}
	})
}

func TestDecades(t *testing.T) {
	for _, test := range []struct {
		ns   int64
		want int
	}{{0, 0}, {9_999, 0}, {10_000, 1}, {99_999, 1}, {100_000, 2}, {999_999, 2}, {1e6, 3}, {1e7, 4}, {1e8, 5}, {1e9, 6}, {1e10 - 1, 6}, {1e10, 7}, {1e18, 7}} {
		if got := decade(test.ns); got != test.want {
			t.Errorf("%d ns: range %d, want %d", test.ns, got, test.want)
		}
	}
}

func TestStddev(t *testing.T) {
	var d times
	for _, v := range []int64{2e6, 4e6, 4e6, 4e6, 5e6, 5e6, 7e6, 9e6} {
		d.add(v)
	}
	if got := us(d.stddev()); got != 2138 { // sqrt(32/7) ms
		t.Errorf("%d", got)
	}
}

// TestHistogramSize holds the comments' figures to what they are.
func TestHistogramSize(t *testing.T) {
	var d times
	for range maxSamples {
		d.add(1e6)
	}
	if n := d.hist.ByteSize(); n > 10<<10 {
		t.Errorf("a new histogram has %d bytes", n)
	}
	d.add(3600e9)
	if n := d.hist.ByteSize(); n > 30<<10 {
		t.Errorf("a histogram of an hour has %d bytes", n)
	}
	d.add(longest)
	if got := d.quantile(1); got != longest {
		t.Errorf("the longest time is %d", got)
	}
}

func BenchmarkTimes(b *testing.B) {
	var d times
	b.ReportAllocs()
	var v int64
	for b.Loop() {
		v = (v*31 + 7) % 5e6
		d.add(v)
	}
}
