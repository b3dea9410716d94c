package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"importer/extract/scratch"
)

// A Converter is a program that makes something readable of files that no
// format reads. It is run without a shell, in a folder of its own, with nothing
// of this program's environment that could be a secret, and ended with all that
// it has started when a limit is reached.
type Converter struct {
	// Match is a glob of the names of the files, such as *.dwg; case does not
	// count.
	Match string `yaml:"match"`
	// Command is the program and its arguments. {in} stands for the file. The
	// result is what it prints, or the file {out}, or the one file that it leaves
	// in the folder {outdir}.
	Command []string `yaml:"command"`
	// Output is the format of the result; "" is text.
	Output string `yaml:"output"`
	// Limits; zero is the default: 60 s, 1 GiB, 64 MiB.
	Time   time.Duration `yaml:"time"`
	Memory int64         `yaml:"memory"`
	Size   int64         `yaml:"size"` // bytes of the result

	clean *regexp.Regexp // what is taken out of the text
}

// wordField are the instructions of links, which catdoc prints with their texts.
var wordField = regexp.MustCompile(`\s?\bHYPERLINK +(\\[a-z] +)?"[^"\n]*"( +\\[a-z]( +"[^"\n]*")?)* ?`)

// Defaults of a Converter's limits.
const (
	convertTime   = 60 * time.Second
	convertMemory = 1 << 30
	convertSize   = 64 << 20
)

// Doc and PPT read the documents of old Word and PowerPoint by programs, where
// one is installed.
var (
	Doc = &Format{
		Name: "doc",
		Exts: []string{".doc", ".dot"},
		Programs: &programs{"an old Word document (.doc)", "catdoc, antiword or LibreOffice", ".docx", []Converter{
			{Command: []string{"catdoc", "-w", "-d", "utf-8", "{in}"}, clean: wordField},
			{Command: []string{"antiword", "-w", "0", "-m", "UTF-8.txt", "{in}"}},
			{Command: []string{"soffice", "--headless", "--convert-to", "txt:Text (encoded):UTF8", "--outdir", "{outdir}", "{in}"}, Time: 2 * time.Minute, Memory: 2 << 30},
		}},
		Keep:    true,
		Version: "1",
	}
	PPT = &Format{
		Name: "ppt",
		Exts: []string{".ppt", ".pps", ".pot"},
		Programs: &programs{"an old PowerPoint presentation (.ppt)", "catppt (of catdoc) or LibreOffice", ".pptx", []Converter{
			{Command: []string{"catppt", "-d", "utf-8", "{in}"}},
			{Command: []string{"soffice", "--headless", "--convert-to", "pptx", "--outdir", "{outdir}", "{in}"}, Output: "pptx", Time: 2 * time.Minute, Memory: 2 << 30},
		}},
		Keep:    true,
		Version: "1",
	}
)

// programs are the Converters that can read a format, in the order in which they
// are looked for.
type programs struct {
	what   string // the format, in words
	names  string // of the programs, in words
	better string // the ending of the format to use instead
	list   []Converter
}

// read yields what the first program that is installed makes of a file.
func (p *programs) read(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for i := range p.list {
			if _, err := exec.LookPath(p.list[i].Command[0]); err == nil {
				p.list[i].read(ctx, in, opt, yield)
				return
			}
		}
		// Not a failure of the content: with the program it would go well.
		err := docError(in, ReasonUnreadable, fmt.Sprintf("the file is %s, which is read by another program, and none is installed; install %s, save the file as %s, or name a converter in the mapping", p.what, p.names, p.better), nil)
		err.Missing = p.commands()
		yield(Record{}, err)
	}
}

func (p *programs) commands() (all []string) {
	for _, c := range p.list {
		all = append(all, c.Command[0])
	}
	return all
}

// MissingPrograms lists the programs that files may be read by under the
// options, and that are not installed.
func (o *Options) MissingPrograms() (missing []string) {
	var all []string
	for _, f := range Formats {
		if f.Programs != nil {
			all = append(all, f.Programs.commands()...)
		}
	}
	for i := range o.Converters {
		all = append(all, o.Converters[i].Command[0])
	}
	slices.Sort(all)
	for _, name := range slices.Compact(all) {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	return missing
}

// Check reports what cannot be meant.
func (c *Converter) Check() error {
	if c.Match == "" {
		return errors.New("it has no match; write a glob of names such as \"*.dwg\"")
	}
	if _, err := path.Match(c.Match, ""); err != nil {
		return fmt.Errorf("match is %q, which is no glob: a [ has no ]", c.Match)
	}
	switch {
	case len(c.Command) == 0 || c.Command[0] == "":
		return errors.New("it has no command; write the program and its arguments, such as [dwg2txt, \"{in}\"]")
	case strings.Contains(c.Command[0], "{in}"):
		return errors.New("its command is the file itself; name a program first")
	case !slices.ContainsFunc(c.Command, func(s string) bool { return strings.Contains(s, "{in}") }):
		return errors.New("its command does not name the file; write {in} where it has to stand")
	}
	if f := byName(c.Output); c.Output != "" && f == nil {
		return fmt.Errorf("output is %q, which is no format; it is one of %s", c.Output, strings.Join(FormatNames(), ", "))
	}
	return nil
}

// converter is the one that the options have for a file of a name, nil if there
// is none.
func (o *Options) converter(name string) *Converter {
	_, name, _ = cutLast(filepath.ToSlash(name), partSep)
	name = strings.ToLower(path.Base(name))
	for i := range o.Converters {
		if ok, _ := path.Match(strings.ToLower(o.Converters[i].Match), name); ok {
			return &o.Converters[i]
		}
	}
	return nil
}

// Reads tells whether a folder's file of that name is read by the options: some
// format or converter is for it. Images are read with OCR only.
func (o *Options) Reads(name string) bool {
	f := byExt(strings.ToLower(path.Ext(name)))
	return f != nil && (f != Image || o.OCR.On()) || o.Converts(name)
}

// Converts tells whether a converter of the options is for a file of that name.
func (o *Options) Converts(name string) bool { return o.converter(name) != nil }

// converted stands for a converter where a format is asked for.
var converted = &Format{Name: "converter", Keep: true, Version: "1"}

// ReaderIDs are the IDs of what files can be read by: formats, and converters.
func ReaderIDs() (ids []string) {
	for _, f := range Formats {
		ids = append(ids, f.ID())
	}
	return append(ids, converted.ID())
}

// read yields the records of what the converter makes of a file.
func (c *Converter) read(ctx context.Context, in Input, opt Options, yield func(Record, error) bool) {
	dir, err := scratch.New("convert")
	if err != nil {
		yield(Record{}, docError(in, ReasonUnreadable, err.Error(), err))
		return
	}
	defer dir.Remove()
	result, err := c.run(ctx, in, dir.Path)
	if err != nil {
		yield(Record{}, err)
		return
	}
	defer result.close()
	result.Name = in.Name
	output := orText(c.Output)
	f := byName(output)
	opt.Format, opt.Converters = output, nil
	if f == Text && opt.Item == "page" {
		opt.Item = ""
	}
	if f == Text && opt.Text.Encoding == "" {
		opt.Text.Encoding = "utf-8"
	}
	for rec, err := range f.read(ctx, result, opt) {
		if bad, ok := errors.AsType[*FileError](err); ok && bad.Reason == ReasonEmpty {
			bad.Detail = fmt.Sprintf("%s made nothing of the file; open it in its own program and save it again", c.name())
		}
		if c.clean != nil && rec.Doc != nil {
			rec.Doc.Body = c.clean.ReplaceAllString(rec.Doc.Body, " ")
		}
		if !yield(rec, err) {
			return
		}
	}
}

func (c *Converter) name() string { return filepath.Base(c.Command[0]) }

// run runs the program, and gives its result.
func (c *Converter) run(ctx context.Context, in Input, dir string) (Input, error) {
	fail := func(reason, format string, args ...any) (Input, error) {
		return Input{}, docError(in, reason, fmt.Sprintf(format, args...), nil)
	}
	file, done, err := in.file("importer-*" + path.Ext(in.Name))
	if err != nil {
		return Input{}, err
	}
	defer done()
	program, err := exec.LookPath(c.Command[0])
	if err == nil {
		program, err = filepath.Abs(program) // it is run in another folder
	}
	if err != nil {
		missing := docError(in, ReasonUnreadable, fmt.Sprintf("the converter %s is not installed, or not in PATH; install it, or correct the command in converters", c.Command[0]), nil)
		missing.Missing = c.Command[:1]
		return Input{}, missing
	}
	out := filepath.Join(dir, "result")
	results := filepath.Join(dir, "results")
	if err := os.Mkdir(results, 0o700); err != nil {
		return fail(ReasonUnreadable, "no temporary folder can be made (%v); free some space or set TMPDIR", withoutPath(err))
	}
	put := strings.NewReplacer("{in}", file, "{out}", out, "{outdir}", results)
	args := make([]string, 0, len(c.Command))
	for _, a := range c.Command[1:] {
		args = append(args, put.Replace(a))
	}
	size := orDefault(c.Size, convertSize)
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = converterEnv(dir)
	stdout, stderr := &cappedBuffer{most: size}, &tailWriter{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = workerStop // a grandchild may hold the pipes
	group(cmd)
	limit := c.Time
	if limit <= 0 {
		limit = convertTime
	}
	end, err := runLimited(ctx, cmd, limit, orDefault(c.Memory, convertMemory), size, stdout)
	switch {
	case ctx.Err() != nil:
		return Input{}, ctx.Err()
	case err != nil:
		return fail(ReasonUnreadable, "the converter %s cannot be started (%v); see whether it may be run", c.name(), withoutPath(err))
	case end == endTime:
		return fail(ReasonTimeout, "the converter %s was stopped after %v; raise time in converters, or open the file in its own program", c.name(), limit)
	case end == endSize || stdout.over:
		return fail(ReasonTooLarge, "the converter %s makes more than %s of the file; raise size in converters", c.name(), byteWords(size))
	case !cmd.ProcessState.Success():
		why := lastLine(stderr.String())
		if why != "" {
			why = ": " + why
		}
		return fail(ReasonBroken, "the converter %s failed (%s)%s; run it by hand on the file to see why", c.name(), cmd.ProcessState, why)
	}
	command := strings.Join(c.Command, " ")
	switch {
	case strings.Contains(command, "{outdir}"):
		files, err := os.ReadDir(results)
		if err != nil || len(files) != 1 {
			return fail(ReasonBroken, "the converter %s left %d files and not one; run it by hand on the file to see why", c.name(), len(files))
		}
		out = filepath.Join(results, files[0].Name())
		fallthrough
	case strings.Contains(command, "{out}"):
		return c.result(in, out, size)
	}
	return Input{Size: int64(stdout.b.Len()), ReaderAt: bytes.NewReader(stdout.b.Bytes())}, nil
}

// result opens the file that the program has made: a file, not a link to one of
// somebody else.
func (c *Converter) result(in Input, name string, most int64) (Input, error) {
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return Input{}, docError(in, ReasonBroken, fmt.Sprintf("the converter %s made no file; run it by hand on the file to see why", c.name()), err)
	}
	if info.Size() > most {
		return Input{}, docError(in, ReasonTooLarge, fmt.Sprintf("the converter %s makes more than %s of the file; raise size in converters", c.name(), byteWords(most)), nil)
	}
	f, err := os.Open(name)
	if err != nil {
		return Input{}, docError(in, ReasonUnreadable, fmt.Sprintf("what the converter %s made cannot be opened (%v)", c.name(), withoutPath(err)), err)
	}
	return Input{Size: info.Size(), Path: name, ReaderAt: f}, nil
}

// converterEnv is the environment of a converter: where programs are, and a home
// of its own.
func converterEnv(dir string) []string {
	env := []string{"HOME=" + dir, "TMPDIR=" + dir, "TEMP=" + dir, "TMP=" + dir, "LANG=C.UTF-8", "LC_ALL=C.UTF-8"}
	for _, name := range []string{"PATH", "SystemRoot", "PATHEXT"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// How a program ended before its own end.
type programEnd int

const (
	endOwn programEnd = iota
	endTime
	endSize
)

// runLimited runs a command, and ends it and all that it has started when its
// time is up, it prints too much, or ctx ends.
func runLimited(ctx context.Context, cmd *exec.Cmd, limit time.Duration, memory, size int64, out *cappedBuffer) (programEnd, error) {
	var once sync.Once
	end := endOwn
	kill := func(why programEnd) {
		once.Do(func() { end = why })
		killGroup(cmd)
	}
	out.full = func() { kill(endSize) }
	if err := startTied(cmd); err != nil {
		return endOwn, err
	}
	limitProcess(cmd.Process.Pid, memory, size, limit)
	alarm := time.AfterFunc(limit, func() { kill(endTime) })
	defer alarm.Stop()
	stop := context.AfterFunc(ctx, func() { kill(endTime) })
	defer stop()
	_ = cmd.Wait() // how it ended is in ProcessState
	killGroup(cmd) // what it has left behind
	once.Do(func() {})
	return end, nil
}

// A cappedBuffer keeps what is written to it up to a size, and says once when
// more comes.
type cappedBuffer struct {
	b    bytes.Buffer
	most int64
	over bool
	full func()
}

func (c *cappedBuffer) Write(p []byte) (int, error) {
	if int64(c.b.Len()+len(p)) > c.most {
		if !c.over {
			c.over = true
			c.full()
		}
		return 0, io.ErrShortWrite
	}
	return c.b.Write(p)
}

// lastLine is the last line of a text that has something in it.
func lastLine(s string) string {
	last := ""
	for l := range strings.Lines(s) {
		if l = oneLine(strings.ToValidUTF8(l, "?")); l != "" {
			last = l
		}
	}
	if len(last) > 300 {
		last = cutText(last, 300)
	}
	return last
}
