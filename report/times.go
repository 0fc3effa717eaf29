package report

import (
	"math"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// maxSamples is how many times are held one by one, exactly, before a
	// histogram takes over.
	maxSamples = 64
	// digits is the precision of the histograms: values are right to 1 %.
	digits = 2
	// firstTop and lastTop are the longest times that a histogram holds, in
	// microseconds: it begins small (9 KiB) and grows by topStep when a longer
	// time comes (29 KiB for an hour). Longer times count as lastTop.
	firstTop = 1 << 14
	topStep  = 16
	lastTop  = 1 << 42
	// Decades is the number of ranges in a distribution by powers of ten.
	Decades = 8
)

// times gathers durations in nanoseconds. The zero value is ready.
type times struct {
	moments
	squares float64 // sum of squares, in us
	decades [Decades]uint64
	samples []int64
	hist    *hdrhistogram.Histogram // in us, instead of samples
}

// moments are what can be known without a distribution.
type moments struct {
	count    uint64
	total    int64
	min, max int64
}

func (m *moments) add(d int64) {
	if m.count == 0 || d < m.min {
		m.min = d
	}
	m.max = max(m.max, d)
	m.count++
	m.total += d
}

func (m *moments) avg() int64 {
	if m.count == 0 {
		return 0
	}
	return m.total / int64(m.count)
}

func (t *times) add(d int64) {
	t.moments.add(d)
	us := float64(d) / 1000
	t.squares += us * us
	t.decades[decade(d)]++
	if t.hist != nil {
		t.record(d)
		return
	}
	t.samples = append(t.samples, d)
	if len(t.samples) == maxSamples {
		t.hist = hdrhistogram.New(1, firstTop, digits)
		for _, s := range t.samples {
			t.record(s)
		}
		t.samples = nil
	}
}

// decade returns the range of a duration: 0 below 10 us, then a range for each
// power of ten, the last from 10 s on.
func decade(d int64) int {
	n := 0
	for d >= 10_000 && n < Decades-1 {
		d /= 10
		n++
	}
	return n
}

func (t *times) record(d int64) {
	us := min((d+500)/1000, lastTop)
	for top := t.hist.HighestTrackableValue(); us > top; {
		top = min(top*topStep, lastTop)
		wider := hdrhistogram.New(1, top, digits)
		wider.Merge(t.hist)
		t.hist = wider
	}
	// It can't fail: us is within the histogram.
	_ = t.hist.RecordValue(us)
}

// quantile returns the duration that a share q of all does not exceed.
func (t *times) quantile(q float64) int64 {
	switch {
	case t.hist != nil:
		return min(t.hist.ValueAtQuantile(100*q)*1000, t.max)
	case len(t.samples) == 0:
		return 0
	}
	sorted := slices.Sorted(slices.Values(t.samples))
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// stddev returns the standard deviation in nanoseconds.
func (t *times) stddev() int64 {
	if t.count < 2 {
		return 0
	}
	n, total := float64(t.count), float64(t.total)/1000
	return int64(1000 * math.Sqrt(max(t.squares-total*total/n, 0)/(n-1)))
}

// Times describe a distribution of durations, in microseconds.
type Times struct {
	Count  uint64 `json:"count"`
	Total  int64  `json:"total_us"`
	Min    int64  `json:"min_us"`
	Avg    int64  `json:"avg_us"`
	P50    int64  `json:"p50_us"`
	P95    int64  `json:"p95_us"`
	P99    int64  `json:"p99_us"`
	Max    int64  `json:"max_us"`
	Stddev int64  `json:"stddev_us"`
	// Decades counts by powers of ten: below 10 us, 10 us to 100 us, and so
	// on; the last is 10 s and more.
	Decades [Decades]uint64 `json:"decades"`
}

func (t *times) model() Times {
	return Times{Count: t.count, Total: us(t.total), Min: us(t.min), Avg: us(t.avg()), P50: us(t.quantile(0.5)),
		P95: us(t.quantile(0.95)), P99: us(t.quantile(0.99)), Max: us(t.max), Stddev: us(t.stddev()), Decades: t.decades}
}

// Moments describe durations without their distribution, in microseconds.
type Moments struct {
	Count uint64 `json:"count"`
	Total int64  `json:"total_us"`
	Min   int64  `json:"min_us"`
	Avg   int64  `json:"avg_us"`
	Max   int64  `json:"max_us"`
}

func (m *moments) model() Moments {
	return Moments{Count: m.count, Total: us(m.total), Min: us(m.min), Avg: us(m.avg()), Max: us(m.max)}
}

// us returns a duration in nanoseconds as microseconds, rounded.
func us(ns int64) int64 {
	if ns < 0 {
		return -us(-ns)
	}
	return (ns + 500) / 1000
}
