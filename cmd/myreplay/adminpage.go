package main

import (
	"bytes"
	"html/template"
	"net/http"
	"strings"
	"time"

	"myreplay/mirror"
	"myreplay/report"
)

// page is what the page for a person shows; the texts come from servers and
// clients, and the template escapes them.
type page struct {
	Name                   string
	Health                 health
	Runs                   string
	Sides                  []pageSide
	Lines                  [][2]string
	Differences            []report.DifferenceTotal
	Compared, HasDifferent uint64
	Report                 bool
}

// pageSide is a row on one of the two servers.
type pageSide struct{ Name, Sessions, Rate, P50, P99, Errors string }

// newPage makes the page from figures.
func newPage(name string, now, before *mirror.Figures, h health) page {
	p := page{Name: printable(name), Health: h, Runs: duration(time.Duration(now.At - now.Began).Round(time.Second)),
		Compared: now.Answers.Compared, HasDifferent: now.Answers.Different}
	side := func(name string, open int64, of func(*mirror.Figures) int64, s *report.LiveSide) {
		p.Sides = append(p.Sides, pageSide{name, thousands(uint64(max(open, 0))), strings.TrimSuffix(between(now, before, of), "/s"), micros(s.P50), micros(s.P99), thousands(s.Errors)})
	}
	side("source", now.Source.Open, seen, &now.Answers.Recorded)
	side("target", now.Target.Open, sent, &now.Answers.Replayed)
	line := func(name, words string) {
		if words != "" {
			p.Lines = append(p.Lines, [2]string{name, printable(words)})
		}
	}
	line("lag", lagWords(&now.Target))
	line("order", orderWords(now.Target.Order))
	line("not sent", notSentWords(&now.Target))
	line("trouble so far", troubleWords(now))
	line("assistant", linkWords(now.Link))
	for _, d := range now.Answers.Differences[:min(len(now.Answers.Differences), maxLabels)] {
		d.Class, d.Cause = printable(spaced(d.Class)), printable(spaced(d.Cause))
		p.Differences = append(p.Differences, d)
	}
	return p
}

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"thousands": thousands}).Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>{{if not .Health.Healthy}}NOT OK - {{end}}{{.Name}}</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<h1>{{.Name}}</h1>
{{if .Health.Healthy}}<p class="state good">All is well. Running for {{.Runs}}.</p>
{{else}}<div class="state bad"><p>Not well. Running for {{.Runs}}.</p><ul>{{range .Health.Reasons}}<li>{{.}}</li>{{end}}</ul></div>
{{end}}<table>
<caption>The two servers</caption>
<tr><th></th><th scope="col">sessions</th><th scope="col">commands/s</th><th scope="col">p50</th><th scope="col">p99</th><th scope="col">errors</th></tr>
{{range .Sides}}<tr><th scope="row">{{.Name}}</th><td>{{.Sessions}}</td><td>{{.Rate}}</td><td>{{.P50}}</td><td>{{.P99}}</td><td>{{.Errors}}</td></tr>
{{end}}</table>
<dl>{{range .Lines}}<dt>{{index . 0}}</dt><dd>{{index . 1}}</dd>
{{end}}</dl>
{{if .Differences}}<table>
<caption>{{thousands .HasDifferent}} of {{thousands .Compared}} compared commands differ</caption>
<tr><th scope="col">difference</th><th scope="col" class="text">cause</th><th scope="col">commands</th><th scope="col">counted</th></tr>
{{range .Differences}}<tr><th scope="row">{{.Class}}</th><td class="text">{{.Cause}}</td><td>{{thousands .Commands}}</td><td>{{thousands .Counted}}</td></tr>
{{end}}</table>
{{else if .HasDifferent}}<p>{{thousands .HasDifferent}} of {{thousands .Compared}} compared commands differ.</p>
{{else}}<p>No differences in {{thousands .Compared}} compared commands.</p>
{{end}}<p class="more">{{if .Report}}The report so far: <a href="/report.txt">text</a>, <a href="/report.json">JSON</a>. {{end}}For machines: <a href="/healthz">health</a>, <a href="/metrics">metrics</a>, <a href="/debug/pprof/">profiles</a>.</p>
<p class="more">Figures of {{.Health.At}}; the page is read again every 5 seconds.</p>
</body>
</html>
`))

const pageStyle = `:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: 1.5rem 0; width: 100%; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #8884; text-align: right; font-variant-numeric: tabular-nums; }
td, th[scope=row] { overflow-wrap: anywhere; }
th { font-weight: 400; opacity: .8; }
th[scope=row], .text, tr > :first-child { text-align: left; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1rem; }
dt { opacity: .8; }
dd { margin: 0; overflow-wrap: anywhere; }
.state { border-left: .4rem solid; padding: .4rem .8rem; margin: 1rem 0; }
.state p, .state ul { margin: 0; }
.good { border-color: #2a7; background: #2a71; }
.bad { border-color: #c33; background: #c332; }
.more { font-size: .9rem; opacity: .85; }
`

func (s *adminServer) servePage(w http.ResponseWriter, _ *http.Request) {
	now, before := s.figures.Latest()
	p := newPage(s.name, now, before, s.health())
	p.Report = s.report != nil
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, p); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(out.Bytes())
}

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Write([]byte(pageStyle))
}
