package sqltext

import (
	"strings"
	"testing"
)

// The statements of sysbench's oltp_read_write, as text.
var oltp = []struct{ name, text string }{
	{"point", "SELECT c FROM sbtest1 WHERE id=501885"},
	{"range", "SELECT c FROM sbtest1 WHERE id BETWEEN 498891 AND 498990"},
	{"order", "SELECT c FROM sbtest1 WHERE id BETWEEN 501283 AND 501382 ORDER BY c"},
	{"distinct", "SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN 403003 AND 403102 ORDER BY c"},
	{"update", "UPDATE sbtest1 SET k=k+1 WHERE id=503066"},
	{"update-string", "UPDATE sbtest1 SET c='06215736813-99213218022-62226254213-46423456116-01417838733-61839563389-" +
		"78211363413-56231203341-95125893113-72943331193' WHERE id=500235"},
	{"insert", "INSERT INTO sbtest1 (id, k, c, pad) VALUES (502541, 496912, " +
		"'40246932316-78563871893-16043411461-20364723423-26612363123-14357134123-29341345113-93741345101-33745123451" +
		"-21345123411', '23451234511-45123451239-12345123451-91234512345-12345123412')"},
	{"prepared", "INSERT INTO sbtest1 (id, k, c, pad) VALUES (?, ?, ?, ?)"},
	{"begin", "BEGIN"},
}

func BenchmarkAnalyze(b *testing.B) {
	for _, q := range oltp {
		b.Run(q.name, func(b *testing.B) {
			var a Analyzer
			text := []byte(q.text)
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				a.Analyze(text, Options{})
			}
		})
	}
	b.Run("mean", func(b *testing.B) {
		var texts [][]byte
		for _, q := range oltp {
			texts = append(texts, []byte(q.text))
		}
		var a Analyzer
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			a.Analyze(texts[i%len(texts)], Options{})
			i++
		}
	})
}

func BenchmarkScanner(b *testing.B) {
	text := []byte(oltp[2].text)
	b.ReportAllocs()
	for b.Loop() {
		s := NewScanner(text, Options{})
		for s.Next().Kind != EOF {
		}
	}
}

func BenchmarkLarge(b *testing.B) {
	rows := "INSERT INTO t VALUES (1, 'abc', 2.5, NULL)" + strings.Repeat(", (1, 'abc', 2.5, NULL)", 100_000)
	text := []byte(rows)
	var a Analyzer
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		a.Analyze(text, Options{})
	}
}

// Most texts have no secret: what it costs to see that.
func BenchmarkMask(b *testing.B) {
	for _, q := range oltp {
		b.Run(q.name, func(b *testing.B) {
			text := []byte(q.text)
			var buf []byte
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				buf, _ = Mask(buf[:0], text, Options{})
			}
		})
	}
}

func BenchmarkShapes(b *testing.B) {
	for _, q := range oltp {
		b.Run(q.name, func(b *testing.B) {
			var s Shaper
			text := []byte(q.text)
			b.ReportAllocs()
			for b.Loop() {
				s.Shapes(text, Options{})
			}
		})
	}
	b.Run("miss", func(b *testing.B) {
		text := []byte(oltp[0].text)
		b.ReportAllocs()
		for b.Loop() {
			var s Shaper
			s.Shapes(text, Options{})
		}
	})
}
