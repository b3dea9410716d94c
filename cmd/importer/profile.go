package main

import (
	"errors"
	"os"
	"runtime"
	"runtime/pprof"
)

// A profiler writes profiles of a command for go tool pprof. Its flags are
// hidden: they are for whoever works on the program, or reports that it is
// slow.
type profiler struct {
	cpu, memory string
}

// start begins; the function that it returns writes the profiles out.
func (p *profiler) start() (stop func() error, err error) {
	var cpu *os.File
	if p.cpu != "" {
		if cpu, err = os.Create(p.cpu); err != nil {
			return nil, usageError{err}
		}
		if err := pprof.StartCPUProfile(cpu); err != nil {
			return nil, errors.Join(err, cpu.Close())
		}
	}
	return func() error {
		var err error
		if cpu != nil {
			pprof.StopCPUProfile()
			err = cpu.Close()
		}
		return errors.Join(err, p.writeMemory())
	}, nil
}

func (p *profiler) writeMemory() error {
	if p.memory == "" {
		return nil
	}
	f, err := os.Create(p.memory)
	if err != nil {
		return err
	}
	runtime.GC() // so that the profile shows what is alive now
	return errors.Join(pprof.WriteHeapProfile(f), f.Close())
}
