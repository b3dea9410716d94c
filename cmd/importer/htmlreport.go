package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"importer/pipeline"
	"importer/pipeline/state"
)

//go:embed report.html
var reportPage string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"number": number, "duration": duration, "place": placeOf, "cause": causeWords, "events": eventWords, "stray": strayWords,
	"time": func(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") },
}).Parse(reportPage))

// writeHTMLReport writes a run as a web page that needs nothing else: it can be
// attached to a ticket.
func writeHTMLReport(w io.Writer, connection, target string, r *pastRun) error {
	p := &r.report
	var files int64
	for _, s := range p.Sources {
		files += s.Files
	}
	return reportTemplate.Execute(w, map[string]any{
		"Connection": connection, "Target": target, "Run": r, "Report": p, "Files": files,
		"Status": r.status(), "Version": version, "Charts": charts(p.Course), "Shares": shares(p.Counts), "Events": p.Activities.Events,
	})
}

// A share is a part of the records read, for the bar.
type share struct {
	Name    string
	Count   int64
	Percent float64
	Class   string
}

func shares(c state.Counts) (out []share) {
	for _, s := range []share{{"stored", c.Stored, 0, "stored"}, {"unchanged", c.Unchanged, 0, "unchanged"}, {"filtered", c.Filtered, 0, "filtered"},
		{"quarantined", c.Quarantined, 0, "quarantined"}, {"duplicates", c.Duplicates, 0, "duplicates"}} {
		if c.Read > 0 {
			s.Percent = 100 * float64(s.Count) / float64(c.Read)
		}
		out = append(out, s)
	}
	return out
}

// A chart is a curve over the time of a run, as the path of an SVG of 800 by 120.
type chart struct {
	Title string
	Path  string
	Area  string
	Max   string // at the top of the scale
	End   string // at the right end of the time axis
}

const chartWidth, chartHeight = 800.0, 120.0

// charts draws the rate of records and of requests over time; a run of under
// three points has no course to speak of.
func charts(course []pipeline.Point) []chart {
	if len(course) < 3 {
		return nil
	}
	requests := make([]float64, len(course))
	records := make([]float64, len(course))
	var before pipeline.Point
	any := false
	for i, p := range course {
		records[i] = p.Rate
		if d := p.Seconds - before.Seconds; d > 0 {
			requests[i] = float64(p.Requests-before.Requests) / d
		}
		any = any || p.Requests > 0
		before = p
	}
	out := []chart{draw("records a second", course, records)}
	if any {
		out = append(out, draw("requests a second", course, requests))
	}
	return out
}

func draw(title string, course []pipeline.Point, values []float64) chart {
	most := 1.0
	for _, v := range values {
		most = max(most, v)
	}
	end := course[len(course)-1].Seconds
	var line strings.Builder
	for i, v := range values {
		verb := "L"
		if i == 0 {
			verb = "M"
		}
		fmt.Fprintf(&line, "%s%.1f %.1f", verb, course[i].Seconds/end*chartWidth, chartHeight*(1-v/most))
	}
	start := course[0].Seconds / end * chartWidth
	return chart{Title: title, Path: line.String(), Area: fmt.Sprintf("%sL%.1f %.1fL%.1f %.1fZ", line.String(), chartWidth, chartHeight, start, chartHeight),
		Max: number(int64(most + 0.5)), End: duration(end)}
}
