package clients

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A Report is what a client tells at its end.
type Report struct {
	Client  string // the package
	Version string
	Steps   int
}

// Two people: Anna's searches are also those of serve's own token.
const (
	anna  = "11111111-1111-4111-8111-111111111111"
	boris = "22222222-2222-4222-8222-222222222222"
)

// Run runs the client against a new local Graph. It is an error if a step
// fails, if there was none, or if the server told a secret or did not end
// well.
func (in *Installed) Run(ctx context.Context) (report Report, err error) {
	data, err := os.MkdirTemp("", "importer-clients-")
	if err != nil {
		return report, err
	}
	defer os.RemoveAll(data)
	s, err := in.serve(ctx, data)
	if err != nil {
		return report, err
	}
	defer func() { err = cmp.Or(err, s.end()) }()
	environment, err := s.environment(ctx)
	if err != nil {
		return report, err
	}
	argv, clean, err := in.command()
	if err != nil {
		return report, err
	}
	defer clean()
	var printed bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), environment...)
	cmd.Stdout = io.MultiWriter(&printed, in.opt.Log)
	cmd.Stderr = cmd.Stdout
	if err := cmd.Run(); err != nil {
		return report, fmt.Errorf("%s: %w\n%s", in.Product, err, &printed)
	}
	return readReport(printed.String())
}

// readReport reads the last line, and counts the steps that were told.
func readReport(printed string) (report Report, err error) {
	told := 0
	for line := range strings.Lines(printed) {
		if strings.HasPrefix(line, "ok ") {
			told++
		}
	}
	last := lastLine(strings.TrimSpace(printed))
	if err := json.Unmarshal([]byte(last), &report); err != nil {
		return report, fmt.Errorf("the last line is no report (%w): %s", err, last)
	}
	if report.Steps == 0 || report.Steps != told {
		return report, fmt.Errorf("%d steps are reported and %d were told", report.Steps, told)
	}
	return report, nil
}

// A server is importer serve, with what clients need of it.
type server struct {
	importer, data string
	cmd            *exec.Cmd
	stderr         bytes.Buffer
	address, ca    string
	token          string   // of an application that searches as Anna
	secrets        []string // what the server must not print
}

// serve starts importer serve and waits until it is ready.
func (in *Installed) serve(ctx context.Context, data string) (*server, error) {
	s := &server{importer: in.opt.Importer, data: data, token: rand.Text()}
	s.secrets = []string{s.token}
	s.cmd = exec.CommandContext(ctx, s.importer, "serve", "--data", data, "--listen", "127.0.0.1:0", "--json",
		"--tls", "--tls-name", "graph.microsoft.com", "--tls-name", "login.microsoftonline.com")
	s.cmd.Env = append(os.Environ(), "IMPORTER_SERVE_TOKEN="+s.token, "IMPORTER_SERVE_USER="+anna)
	s.cmd.Stderr = &s.stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("importer serve: %w", err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	var ready struct{ Address, CA string }
	if err = cmp.Or(err, json.Unmarshal([]byte(line), &ready)); err != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // it was killed
		return nil, fmt.Errorf("importer serve: no address: %w\n%s%s", err, line, &s.stderr)
	}
	s.address, s.ca = ready.Address, ready.CA
	return s, nil
}

// environment makes the callers that a client appears as, and gives all that
// it needs to know.
func (s *server) environment(ctx context.Context) ([]string, error) {
	var client struct{ ClientID, ClientSecret string }
	if err := s.ask(ctx, &client, "--new-client", "clients"); err != nil {
		return nil, err
	}
	env := []string{"GRAPH=" + s.address, "CA_FILE=" + s.ca, "NODE_EXTRA_CA_CERTS=" + s.ca, "SERVE_TOKEN=" + s.token,
		"CLIENT_ID=" + client.ClientID, "CLIENT_SECRET=" + client.ClientSecret, "ANNA_ID=" + anna, "BORIS_ID=" + boris}
	s.secrets = append(s.secrets, client.ClientSecret)
	for name, id := range map[string]string{"ANNA": anna, "BORIS": boris} {
		var answer struct{ Token string }
		if err := s.ask(ctx, &answer, "--user", id); err != nil {
			return nil, err
		}
		env = append(env, name+"_TOKEN="+answer.Token)
		s.secrets = append(s.secrets, answer.Token)
	}
	return env, nil
}

// ask runs importer token and reads what it prints.
func (s *server) ask(ctx context.Context, answer any, args ...string) error {
	cmd := exec.CommandContext(ctx, s.importer, append([]string{"token", "--json", "--data", s.data}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, answer)
	}
	if err != nil {
		return fmt.Errorf("importer token %s: %w\n%s", args[0], err, &stderr)
	}
	return nil
}

// end stops the server, which must end by itself and have kept the secrets.
func (s *server) end() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		_ = s.cmd.Process.Kill() // a system without interrupts
	}
	kill := time.AfterFunc(30*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	if err := s.cmd.Wait(); err != nil && filepath.Separator == '/' {
		return fmt.Errorf("importer serve: %w\n%s", err, &s.stderr)
	}
	for _, secret := range s.secrets {
		if bytes.Contains(s.stderr.Bytes(), []byte(secret)) {
			return errors.New("importer serve printed a secret")
		}
	}
	return nil
}
