package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// The files in samples/ops are for other programs; they are checked here as
// far as it can be done without those.
var opsDir = filepath.Join("..", "..", "samples", "ops")

func readOps(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(opsDir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestOpsReadme: every file is linked to, every link leads to a file, and the
// table of exit codes is the program's.
func TestOpsReadme(t *testing.T) {
	text := readOps(t, "README.md")
	linked := map[string]bool{"README.md": true}
	for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(text, -1) {
		linked[m[1]] = true
		readOps(t, m[1])
	}
	linked["systemd/importer.service"] = true // goes with the timer
	err := fs.WalkDir(os.DirFS(opsDir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !linked[name] {
			t.Errorf("the README does not mention %s", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range exitWords {
		if row := fmt.Sprintf("| %d | %s |", w.code, w.words); !strings.Contains(text, row) {
			t.Errorf("the table of exit codes has no row %q", row)
		}
	}
}

var opsCommand = regexp.MustCompile(`importer(?:\.exe|-job\.sh)?"?,? +((?:run|watch|schedule)[ ,].*)`)

// TestOpsCommands: the commands in the files have flags that exist, and
// mappings that do.
func TestOpsCommands(t *testing.T) {
	found := 0
	err := fs.WalkDir(os.DirFS(opsDir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) == ".md" {
			return err
		}
		for line := range strings.Lines(readOps(t, name)) {
			// Lists of Python and YAML are commands too.
			line = strings.NewReplacer(`"`, "", ",", "", "[", "", "]", "", `\`, "/").Replace(line)
			m := opsCommand.FindStringSubmatch(line)
			if m == nil || strings.Contains(line, "$") {
				continue
			}
			args, _, _ := strings.Cut(m[1], ">")
			found++
			checkCommand(t, name, strings.Fields(args))
		}
		return nil
	})
	if err != nil || found < 9 {
		t.Errorf("%d commands are found in samples/ops (%v), want 9 at least", found, err)
	}
}

func checkCommand(t *testing.T, file string, args []string) {
	t.Helper()
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	cmd, rest, err := a.root().Find(args)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err != nil {
		t.Errorf("%s: importer %s: %v", file, strings.Join(args, " "), err)
		return
	}
	for _, mapping := range cmd.Flags().Args() {
		if _, err := os.Stat(filepath.Join("..", "..", "mappings", filepath.Base(mapping))); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// opsWants is what a job of each exit code is to a scheduler: done (0), to be
// tried again, or a person's business.
var opsWants = map[int]string{
	exitDone: "done", exitFailed: "again", exitUsage: "person", exitQuarantined: "done", exitAuth: "person",
	exitUnavailable: "again", exitGuard: "person", exitDrift: "person", 10: "done", exitLocked: "done", exitInterrupted: "again",
}

// TestOpsShell runs importer-job.sh with a program that ends with each code.
func TestOpsShell(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here")
	}
	fake := filepath.Join(t.TempDir(), "fake")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho \"$@\"\nexit $CODE\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for code, want := range opsWants {
		cmd := exec.Command(sh, filepath.Join(opsDir, "importer-job.sh"), "run", "a b.yaml", "--json")
		cmd.Env = append(os.Environ(), "IMPORTER_BIN="+fake, fmt.Sprintf("CODE=%d", code))
		var out bytes.Buffer
		cmd.Stdout = &out
		got := exitOf(cmd.Run())
		wantCode := code
		if want == "done" {
			wantCode = 0
		}
		if got != wantCode || out.String() != "run a b.yaml --json\n" {
			t.Errorf("exit %d of importer is exit %d of the job, want %d; it was called with %q", code, got, wantCode, &out)
		}
	}
}

// TestOpsUnits has systemd check its units, and compares their exit codes.
func TestOpsUnits(t *testing.T) {
	verify, err := exec.LookPath("systemd-analyze")
	units, globErr := filepath.Glob(filepath.Join(opsDir, "systemd", "*"))
	if globErr != nil || len(units) != 4 {
		t.Fatalf("units %q, %v; want 4", units, globErr)
	}
	dir := t.TempDir()
	args := []string{"verify", "--man=no"}
	for _, unit := range units {
		text := readOps(t, "systemd/"+filepath.Base(unit))
		// It wants the programs to be there.
		to := filepath.Join(dir, filepath.Base(unit))
		if err := os.WriteFile(to, []byte(strings.ReplaceAll(text, "/usr/local/bin/importer", "/bin/true")), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, to)
	}
	service := readOps(t, "systemd/importer.service")
	for code, want := range opsWants {
		if got, want := listed(service, "SuccessExitStatus=", code), want == "done" && code != 0; got != want {
			t.Errorf("exit %d is a success of importer.service: %v, want %v", code, got, want)
		}
		if got, want := listed(service, "RestartPreventExitStatus=", code), want == "person"; got != want {
			t.Errorf("exit %d is not tried again by importer.service: %v, want %v", code, got, want)
		}
	}
	if err != nil {
		t.Skip("systemd-analyze is not installed; the units are not checked")
	}
	if out, err := exec.Command(verify, args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// listed tells whether a setting of a unit names a code.
func listed(unit, setting string, code int) bool {
	for line := range strings.Lines(unit) {
		if list, ok := strings.CutPrefix(strings.TrimSpace(line), setting); ok {
			return slices.Contains(strings.Fields(list), fmt.Sprint(code))
		}
	}
	return false
}

// TestOpsKubernetes reads the manifest as the API would, as far as it matters
// to a crawl.
func TestOpsKubernetes(t *testing.T) {
	type volume struct {
		Name                  string
		PersistentVolumeClaim struct{ ClaimName string }
	}
	var job struct {
		APIVersion, Kind string
		Spec             struct {
			JobTemplate struct {
				Spec struct {
					PodFailurePolicy struct {
						Rules []struct {
							Action      string
							OnExitCodes struct {
								ContainerName, Operator string
								Values                  []int
							}
						}
					}
					Template struct {
						Spec struct {
							RestartPolicy string
							Containers    []struct {
								Name         string
								VolumeMounts []struct{ Name string }
							}
							Volumes []volume
						}
					}
				}
			}
		}
	}
	var claim struct {
		Kind     string
		Metadata struct{ Name string }
	}
	docs := strings.Split(readOps(t, "kubernetes/cronjob.yaml"), "\n---\n")
	for i, to := range []any{&claim, &job} {
		text, err := yaml.YAMLToJSON([]byte(docs[i]))
		if err == nil {
			err = json.Unmarshal(text, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if claim.Kind != "PersistentVolumeClaim" || job.APIVersion != "batch/v1" || job.Kind != "CronJob" {
		t.Errorf("the documents are a %s and a %s of %s", claim.Kind, job.Kind, job.APIVersion)
	}
	spec := job.Spec.JobTemplate.Spec
	pod := spec.Template.Spec
	if pod.RestartPolicy != "Never" || len(pod.Containers) != 1 { // the failure policy needs it
		t.Fatalf("the pod is %+v", pod)
	}
	rule := spec.PodFailurePolicy.Rules[0]
	if rule.Action != "FailJob" || rule.OnExitCodes.ContainerName != pod.Containers[0].Name || rule.OnExitCodes.Operator != "In" {
		t.Errorf("the first rule of the failure policy is %+v", rule)
	}
	for code, want := range opsWants {
		if got, want := slices.Contains(rule.OnExitCodes.Values, code), want == "person"; got != want {
			t.Errorf("exit %d fails the job: %v, want %v", code, got, want)
		}
	}
	for _, mount := range pod.Containers[0].VolumeMounts {
		if !slices.ContainsFunc(pod.Volumes, func(v volume) bool { return v.Name == mount.Name }) {
			t.Errorf("there is no volume %s", mount.Name)
		}
	}
	if !slices.ContainsFunc(pod.Volumes, func(v volume) bool { return v.PersistentVolumeClaim.ClaimName == claim.Metadata.Name }) {
		t.Errorf("the claim %s is not mounted", claim.Metadata.Name)
	}
}

// airflowStub stands for Airflow: it runs the one task of the DAG with an
// importer that ends with a code, and prints what Airflow would do.
const airflowStub = `
import runpy, subprocess, sys, types
code, dag_file = int(sys.argv[1]), sys.argv[2]
airflow, sdk, exceptions = types.ModuleType("airflow"), types.ModuleType("airflow.sdk"), types.ModuleType("airflow.exceptions")
class AirflowException(Exception): pass
class AirflowFailException(AirflowException): pass
exceptions.AirflowException, exceptions.AirflowFailException = AirflowException, AirflowFailException
def with_options(**options):
    return lambda f: f
sdk.dag, sdk.task = with_options, with_options
sys.modules.update({"airflow": airflow, "airflow.sdk": sdk, "airflow.exceptions": exceptions})
def run(command, **options):
    assert command[0] == "importer" and options["cwd"], command
    return subprocess.CompletedProcess(command, code, stdout='{"type": "other"}\n{"type": "summary"}\n')
subprocess.run = run
try:
    runpy.run_path(dag_file)
    print("done")
except AirflowFailException:
    print("person")
except AirflowException:
    print("again")
`

// TestOpsAirflow runs the DAG's task for each exit code.
func TestOpsAirflow(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here; the DAG is not checked")
	}
	for code, want := range opsWants {
		cmd := exec.Command(python, "-c", airflowStub, fmt.Sprint(code), filepath.Join(opsDir, "airflow", "importer_dag.py"))
		cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
		out, err := cmd.CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if got := lines[len(lines)-1]; err != nil || got != want {
			t.Errorf("exit %d: the task is %q, want %q (%v)\n%s", code, got, want, err, out)
		}
	}
}

// TestOpsWindows: the task is XML with what a crawl needs, and the batch file
// knows the same codes as the shell script.
func TestOpsWindows(t *testing.T) {
	var task struct {
		XMLName  xml.Name `xml:"http://schemas.microsoft.com/windows/2004/02/mit/task Task"`
		Settings struct {
			MultipleInstancesPolicy string
			StartWhenAvailable      bool
			ExecutionTimeLimit      string
		}
		Actions struct {
			Exec struct{ Command string }
		}
	}
	if err := xml.Unmarshal([]byte(readOps(t, "windows/importer-task.xml")), &task); err != nil {
		t.Fatal(err)
	}
	if s := task.Settings; s.MultipleInstancesPolicy != "IgnoreNew" || !s.StartWhenAvailable || s.ExecutionTimeLimit != "PT0S" {
		t.Errorf("the settings are %+v", s)
	}
	if !strings.HasSuffix(task.Actions.Exec.Command, `\importer-job.cmd`) {
		t.Errorf("it runs %s", task.Actions.Exec.Command)
	}
	batch := readOps(t, "windows/importer-job.cmd")
	for code, want := range opsWants {
		if got, want := strings.Contains(batch, fmt.Sprintf("if %%code%%==%d exit /b 0", code)), want == "done" && code != 0; got != want {
			t.Errorf("exit %d is a success of importer-job.cmd: %v, want %v", code, got, want)
		}
	}
}

// TestOpsDockerfile: what it copies is there, and Go is new enough.
func TestOpsDockerfile(t *testing.T) {
	text := readOps(t, "docker/Dockerfile")
	for _, m := range regexp.MustCompile(`(?m)^COPY (?:--from=\S+ )?(.+) \S+$`).FindAllStringSubmatch(text, -1) {
		for _, from := range strings.Fields(m[1]) {
			if filepath.IsAbs(from) { // of the stage before
				continue
			}
			if _, err := os.Stat(filepath.Join("..", "..", from)); err != nil {
				t.Errorf("COPY: %v", err)
			}
		}
	}
	mod, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(mod))
	if version == nil || !strings.Contains(text, "FROM golang:"+version[1]+" ") {
		t.Errorf("go.mod wants Go %v, and the Dockerfile has another (this is %s)", version, runtime.Version())
	}
}
