package clients

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestReadReport(t *testing.T) {
	for _, tt := range []struct {
		printed string
		err     string
	}{
		{"ok 1 a\nok 2 b\n{\"client\":\"c\",\"version\":\"1\",\"steps\":2}\n", ""},
		{"", "no report"},
		{"ok 1 a\n", "no report"},
		{"{\"client\":\"c\",\"steps\":0}\n", "0 steps"}, // one that checks nothing
		{"ok 1 a\n{\"client\":\"c\",\"steps\":2}\n", "2 steps are reported and 1 were told"},
	} {
		report, err := readReport(tt.printed)
		if tt.err == "" && (err != nil || report != Report{"c", "1", 2}) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%q: %+v, %v, want %q", tt.printed, report, err, tt.err)
		}
	}
}

// program puts a program that prints something into a folder that is all of
// the PATH.
func program(t *testing.T, dir, name, prints string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho "+prints+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestMissing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the programs of this test are shell scripts")
	}
	empty, old := t.TempDir(), t.TempDir()
	program(t, old, "node", "v16.1.0")
	program(t, old, "npm", "8")
	onlyNode := t.TempDir()
	program(t, onlyNode, "node", "v22.1.0")
	for _, tt := range []struct {
		path   string
		client Client
		want   string
	}{
		{empty, JavaScript, "node is not installed"},
		{onlyNode, JavaScript, "npm is not installed"},
		{old, JavaScript, "this is Node.js v16.1.0; the client needs 18 or later"},
		{empty, Go, "go is not installed"},
	} {
		t.Setenv("PATH", tt.path)
		_, err := Install(t.Context(), tt.client, Options{Source: "../../testdata/clients", Cache: t.TempDir()})
		if missing, ok := errors.AsType[*MissingError](err); !ok || !strings.Contains(missing.What, tt.want) {
			t.Errorf("%s with the path %s: %v, want %q", tt.client.Name, tt.path, err, tt.want)
		}
	}
}

// A registry that does not answer is the machine's fault; a lock file that is
// not right is ours.
func TestRegistry(t *testing.T) {
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("npm is not installed")
	}
	t.Setenv("npm_config_registry", "http://127.0.0.1:1")
	t.Setenv("npm_config_fetch_retries", "0")
	t.Setenv("npm_config_cache", t.TempDir())
	cache := t.TempDir()
	_, err := Install(t.Context(), JavaScript, Options{Source: "../../testdata/clients", Cache: cache})
	if missing, ok := errors.AsType[*MissingError](err); !ok || !strings.Contains(missing.What, "npm does not reach its registry (npm error code ECONNREFUSED)") {
		t.Errorf("no registry: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "*")); len(left) != 0 {
		t.Errorf("what could not be installed is left over: %v", left)
	}

	source := t.TempDir()
	for name, text := range map[string]string{"package.json": `{"dependencies":{"x":"1.0.0"}}`, "package-lock.json": "{"} {
		if err := os.MkdirAll(filepath.Join(source, "js"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(source, "js", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err = Install(t.Context(), JavaScript, Options{Source: source, Cache: cache})
	if _, ok := errors.AsType[*MissingError](err); ok || err == nil || !strings.Contains(err.Error(), "npm ci") {
		t.Errorf("a wrong lock file: %v", err)
	}
}
