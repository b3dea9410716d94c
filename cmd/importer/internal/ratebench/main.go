// Command ratebench measures how well a run uses the limit of a service: it
// starts importer serve with a limit and importer run into it, both as users
// start them, and reads from the service how its limit was kept.
//
//	make bench-rate
//
// For each limit there are two runs. The first knows nothing of the service;
// what is measured of it is its second half. The second begins with what the
// first has learned, and is measured whole. The goals are 98 % of the limit and
// never more than 102 % in any 10 s. They are missed on a machine that is too
// busy to send in time.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	goalUsed  = 0.98
	goalWorst = 1.02

	token = "token-of-a-benchmark"
)

const mapping = `version: 1
connection: {id: rates, name: Rates, description: Rows for a service with limits.}
drift: evolve
schema:
  title: {type: string, labels: [title], searchable: true, retrievable: true}
sources:
  - name: rows
    path: rows.csv
    id: number
    properties: {title: title}
    content: {type: text, value: title}
    acl: [{grant: everyone}]
`

func main() {
	b := bench{}
	rates := flag.String("rates", "25,500", "limits, in requests a second")
	flag.StringVar(&b.bin, "bin", "bin/importer", "the program, as make build makes it")
	flag.DurationVar(&b.time, "time", 20*time.Minute, "how long each run takes")
	flag.Parse()
	missed := false
	fmt.Printf("%8s  %-10s %9s %8s %12s %9s\n", "limit", "run", "requests", "used", "worst 10 s", "refused")
	for text := range strings.SplitSeq(*rates, ",") {
		rate, err := strconv.ParseFloat(text, 64)
		if err == nil {
			err = b.measure(rate, &missed)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "ratebench:", err)
			os.Exit(1)
		}
	}
	if missed {
		fmt.Fprintln(os.Stderr, "ratebench: a goal was missed")
		os.Exit(1)
	}
}

type bench struct {
	bin  string
	time time.Duration
}

// measure makes the two runs into a service with a limit.
func (b *bench) measure(rate float64, missed *bool) error {
	dir, err := os.MkdirTemp("", "ratebench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "mapping.yaml"), []byte(mapping), 0o600); err != nil {
		return err
	}
	s, err := b.serve(dir, rate)
	if err != nil {
		return err
	}
	defer s.stop()
	for _, r := range []struct {
		name string
		from time.Duration // what comes before is not measured
	}{{"first", b.time / 2}, {"remembered", 0}} {
		if err := writeRows(filepath.Join(dir, "rows.csv"), int(rate*b.time.Seconds()), r.name); err != nil {
			return err
		}
		if err := s.limit(rate); err != nil { // counts anew
			return err
		}
		m, err := b.run(dir, s, r.from)
		if err != nil {
			return err
		}
		used, worst := float64(m.taken)/(rate*m.seconds), float64(m.worst)/(10*rate)
		verdict := ""
		if used < goalUsed || worst > goalWorst+0.1/rate {
			verdict, *missed = "missed", true
		}
		fmt.Printf("%6g/s  %-10s %9d %7.2f%% %11.2f%% %8.3f%%  %s\n", rate, r.name, m.requests, 100*used, 100*worst, 100*float64(m.refused)/float64(max(m.requests, 1)), verdict)
	}
	return nil
}

func writeRows(name string, n int, what string) error {
	var b bytes.Buffer
	b.WriteString("number,title\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,%s row %d\n", i, what, i)
	}
	return os.WriteFile(name, b.Bytes(), 0o600)
}

// A measured is what the service has counted. worst is that of the whole run.
type measured struct {
	requests, taken, refused, worst int64
	seconds                         float64
}

// run runs the mapping and measures from some time on, as long as the service
// is kept busy.
func (b *bench) run(dir string, s *service, from time.Duration) (m measured, err error) {
	var errs bytes.Buffer
	cmd := exec.Command(b.bin, "run", filepath.Join(dir, "mapping.yaml"), "--target", "graph", "--graph-url", s.url, "--data", filepath.Join(dir, "client"), "-q")
	cmd.Env = append(os.Environ(), "IMPORTER_GRAPH_TOKEN="+token)
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		return m, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var first, last counted
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return m, fmt.Errorf("importer run: %w\n%s", err, &errs)
			}
			if last.Seconds <= first.Seconds {
				return m, errors.New("the run was too short to be measured")
			}
			requests, taken := last.Requests-first.Requests, last.Taken-first.Taken
			return measured{requests, taken, requests - taken, last.Worst10s, last.Seconds - first.Seconds}, nil
		case <-tick.C:
			now, err := s.counted()
			if err != nil {
				return m, err
			}
			switch {
			case first.Seconds == 0 && now.Requests > 0 && now.Seconds >= from.Seconds():
				first = now
				last = now
			case first.Seconds > 0 && now.Requests > last.Requests:
				last = now // the end of the run sends nothing
			}
		}
	}
}

// A service is importer serve.
type service struct {
	cmd *exec.Cmd
	url string
}

func (b *bench) serve(dir string, rate float64) (*service, error) {
	cmd := exec.Command(b.bin, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "server"), "--faults", fmt.Sprintf("rate=%g", rate))
	cmd.Env = append(os.Environ(), "IMPORTER_SERVE_TOKEN="+token)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &service{cmd: cmd}
	line := make([]byte, 100)
	n, err := out.Read(line)
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("importer serve does not start: %w", err)
	}
	s.url = strings.TrimSpace(string(line[:n]))
	return s, nil
}

func (s *service) stop() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

func (s *service) limit(rate float64) error {
	return s.call(http.MethodPut, fmt.Sprintf(`{"faults":{"rate":%g}}`, rate), new(struct{}))
}

// counted is what the service tells of a connection.
type counted struct {
	Requests, Taken, Worst10s int64
	Seconds                   float64
}

func (s *service) counted() (counted, error) {
	var answer struct{ Connections map[string]counted }
	err := s.call(http.MethodGet, "", &answer)
	return answer.Connections["rates"], err
}

func (s *service) call(method, body string, into any) error {
	req, err := http.NewRequest(method, s.url+"/_control/faults", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %d %s", method, s.url, resp.StatusCode, text)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
