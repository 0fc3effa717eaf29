package main

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"myreplay/mirror"
)

// maxLabels limits the values of a label: more are summed up as "others".
const maxLabels = 64

// metric is one figure without labels.
type metric struct {
	name, help string
	gauge      bool // may fall
	of         func(*mirror.Figures) float64
}

// counter makes a metric of a count.
func counter(name, help string, of func(*mirror.Figures) int64) metric {
	return metric{name, help, false, func(f *mirror.Figures) float64 { return float64(of(f)) }}
}

func gauge(name, help string, of func(*mirror.Figures) int64) metric {
	return metric{name, help, true, func(f *mirror.Figures) float64 { return float64(of(f)) }}
}

// seconds makes a gauge of nanoseconds.
func seconds(name, help string, of func(*mirror.Figures) int64) metric {
	return metric{name, help, true, func(f *mirror.Figures) float64 { return time.Duration(of(f)).Seconds() }}
}

var plainMetrics = []metric{
	counter("source_sessions_total", "Sessions seen on the source.", func(f *mirror.Figures) int64 { return f.Source.Sessions }),
	gauge("source_sessions_open", "Sessions open on the source.", func(f *mirror.Figures) int64 { return f.Source.Open }),
	counter("source_joined_sessions_total", "Sessions that were open before the mirror began.", func(f *mirror.Figures) int64 { return f.Source.Joined }),
	counter("source_encrypted_sessions_total", "Sessions that can't be read because of TLS.", func(f *mirror.Figures) int64 { return f.Source.Encrypted }),
	counter("source_commands_total", "Commands seen on the source.", func(f *mirror.Figures) int64 { return f.Source.Commands }),
	counter("source_replies_total", "Replies seen on the source.", func(f *mirror.Figures) int64 { return f.Source.Replies }),
	counter("source_masked_commands_total", "Commands that hold a secret.", func(f *mirror.Figures) int64 { return f.Source.Masked }),
	counter("source_gaps_total", "Gaps in what was seen of the source.", func(f *mirror.Figures) int64 { return f.Source.Gaps }),
	counter("source_dropped_packets_total", "Packets that the kernel dropped.", func(f *mirror.Figures) int64 { return f.Source.Dropped }),
	counter("source_errors_total", "Commands that the source answered with an error.", func(f *mirror.Figures) int64 { return int64(f.Answers.Recorded.Errors) }),

	gauge("target_sessions_open", "Sessions open on the target.", func(f *mirror.Figures) int64 { return f.Target.Open }),
	counter("target_connections_total", "Sessions opened on the target.", func(f *mirror.Figures) int64 { return f.Target.Connected }),
	counter("target_refused_sessions_total", "Sessions that could not be opened on the target.", func(f *mirror.Figures) int64 { return f.Target.Refused }),
	counter("target_lost_connections_total", "Connections to the target that broke.", func(f *mirror.Figures) int64 { return f.Target.Lost }),
	counter("target_behind_sessions_total", "Sessions given up because the target was too slow.", func(f *mirror.Figures) int64 { return f.Target.Behind }),
	counter("target_commands_total", "Commands to be replayed, once for each copy.", func(f *mirror.Figures) int64 { return f.Target.Commands }),
	counter("target_sent_total", "Commands sent to the target.", func(f *mirror.Figures) int64 { return f.Target.Sent }),
	counter("target_replies_total", "Replies of the target.", func(f *mirror.Figures) int64 { return f.Target.Replies }),
	counter("target_errors_total", "Commands that the target answered with an error.", func(f *mirror.Figures) int64 { return f.Target.Errors }),
	counter("target_torn_total", "Transactions rolled back because something of theirs was not seen.", func(f *mirror.Figures) int64 { return f.Target.Torn }),
	counter("target_caught_up_total", "Commands sent together with others, to catch up.", func(f *mirror.Figures) int64 { return f.Target.Caught }),
	seconds("lag_seconds", "How long ago the oldest command was recorded that has not been sent.", func(f *mirror.Figures) int64 { return f.Target.Lag }),
	seconds("lag_most_seconds", "The longest lag so far.", func(f *mirror.Figures) int64 { return f.Target.MostLag }),
	gauge("held_bytes", "Events that wait for the target.", func(f *mirror.Figures) int64 { return f.Target.Held }),
	gauge("held_limit_bytes", "Limit of held_bytes.", func(f *mirror.Figures) int64 { return f.Target.Limit }),

	counter("compared_total", "Commands whose answers were compared.", func(f *mirror.Figures) int64 { return int64(f.Answers.Compared) }),
	counter("different_total", "Commands with a difference that counts.", func(f *mirror.Figures) int64 { return int64(f.Answers.Different) }),
	gauge("report_held_bytes", "Commands of which one side is missing.", func(f *mirror.Figures) int64 { return int64(f.Answers.Held) }),
	seconds("start_time_seconds", "When the mirror began, since the Unix epoch.", func(f *mirror.Figures) int64 { return f.Began }),
}

var linkMetrics = []metric{
	gauge("link_up", "1: there is a connection to the assistant.", func(f *mirror.Figures) int64 { return one(f.Link.Up) }),
	counter("link_broken_total", "How often the connection to the assistant broke.", func(f *mirror.Figures) int64 { return f.Link.Broken }),
	counter("link_ended_sessions_total", "Sessions that could not be resumed after that.", func(f *mirror.Figures) int64 { return f.Link.Ended }),
	counter("link_lost_events_total", "Events that never reached the assistant.", func(f *mirror.Figures) int64 { return f.Link.Lost }),
	gauge("link_waiting_bytes", "What the assistant has not acknowledged yet.", func(f *mirror.Figures) int64 { return f.Link.Waiting }),
	seconds("link_skew_seconds", "How far the assistant's clock is ahead.", func(f *mirror.Figures) int64 { return f.Link.Skew }),
}

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// labelled is one figure with labels: what it is for each of them.
type labelled struct {
	name, help string
	gauge      bool
	labels     []string
	// of adds the values: by the labels' values, joined by a zero byte.
	of func(f *mirror.Figures, add func(v float64, labels ...string))
}

var labelledMetrics = []labelled{
	{"target_skipped_total", "Commands that were not sent, by reason.", false, []string{"reason"}, func(f *mirror.Figures, add func(float64, ...string)) {
		for reason, n := range f.Target.Skipped {
			add(float64(n), underscored(reason))
		}
	}},
	{"target_connections_from_total", "Connections to the target, by the address and port that they come from.", false, []string{"from"}, func(f *mirror.Figures, add func(float64, ...string)) {
		add(float64(f.Target.OwnPort), "client_port")
		add(float64(f.Target.OtherPort), "client_address")
		add(float64(f.Target.OwnAddress), "own_address")
	}},
	{"differences_total", "Differences between the answers, by class and cause, and whether they count.", false, []string{"class", "cause", "counts"}, func(f *mirror.Figures, add func(float64, ...string)) {
		for _, d := range f.Answers.Differences {
			add(float64(d.Counted), d.Class, d.Cause, "yes")
			add(float64(d.Commands)-float64(d.Counted), d.Class, d.Cause, "no")
		}
	}},
	{"not_compared_total", "Commands whose answers were not compared, by reason.", false, []string{"reason"}, func(f *mirror.Figures, add func(float64, ...string)) {
		for _, c := range f.Answers.NotCompared {
			add(float64(c.Count), underscored(c.Name))
		}
	}},
	{"latency_seconds", "How long the latest replies took.", true, []string{"side", "quantile"}, func(f *mirror.Figures, add func(float64, ...string)) {
		at := func(us int64, labels ...string) {
			if us > 0 {
				add((time.Duration(us) * time.Microsecond).Seconds(), labels...)
			}
		}
		at(f.Answers.Recorded.P50, "source", "0.5")
		at(f.Answers.Recorded.P99, "source", "0.99")
		at(f.Answers.Replayed.P50, "target", "0.5")
		at(f.Answers.Replayed.P99, "target", "0.99")
	}},
}

// underscored is a reason as a label has it.
func underscored(words string) string { return strings.ReplaceAll(words, " ", "_") }

// exporter is a prometheus.Collector of a mirror's figures.
type exporter struct{ figures *figures }

// Describe implements prometheus.Collector: what there is depends on the figures.
func (e exporter) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (e exporter) Collect(out chan<- prometheus.Metric) {
	now, _ := e.figures.Latest()
	list := plainMetrics
	if now.Link != nil {
		list = slices.Concat(list, linkMetrics)
	}
	if now.Target.Order != nil {
		list = slices.Concat(list, orderMetrics)
	}
	for _, m := range list {
		send(out, m.name, m.help, m.gauge, nil, m.of(now))
	}
	for _, l := range labelledMetrics {
		values := map[string]float64{}
		l.of(now, func(v float64, labels ...string) { addLabelled(values, v, labels) })
		for _, key := range slices.Sorted(maps.Keys(values)) {
			send(out, l.name, l.help, l.gauge, l.labels, values[key], strings.Split(key, "\x00")...)
		}
	}
}

// addLabelled adds v to the value of some labels. A peer may have made them up.
func addLabelled(values map[string]float64, v float64, labels []string) {
	clean := make([]string, len(labels))
	for i, l := range labels {
		clean[i] = cutTo(printable(l), maxLabels)
	}
	key := strings.Join(clean, "\x00")
	if _, ok := values[key]; !ok && len(values) >= maxLabels {
		for i := range clean {
			clean[i] = "others"
		}
		key = strings.Join(clean, "\x00")
	}
	values[key] += v
}

// send sends one value; one that the library does not take makes the scrape fail
// with its error.
func send(out chan<- prometheus.Metric, name, help string, gauge bool, labels []string, v float64, values ...string) {
	kind := prometheus.CounterValue
	if gauge {
		kind = prometheus.GaugeValue
	}
	desc := prometheus.NewDesc("myreplay_"+name, help, labels, nil)
	m, err := prometheus.NewConstMetric(desc, kind, v, values...)
	if err != nil {
		m = prometheus.NewInvalidMetric(desc, err)
	}
	out <- m
}
