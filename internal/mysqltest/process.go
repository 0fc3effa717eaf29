package mysqltest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
)

// starts carries commands to the goroutine that starts them.
var starts = sync.OnceValue(func() chan<- startRequest {
	requests := make(chan startRequest)
	go func() {
		// A child is bound to the thread that started it, not to the process:
		// this thread lives as long as the process does.
		runtime.LockOSThread()
		for r := range requests {
			bindToParent(r.cmd)
			r.err <- r.cmd.Start()
		}
	}()
	return requests
})

type startRequest struct {
	cmd *exec.Cmd
	err chan error
}

// startBound starts cmd such that the kernel kills it when this process ends,
// however it ends.
func startBound(cmd *exec.Cmd) error {
	r := startRequest{cmd, make(chan error)}
	starts() <- r
	return <-r.err
}

// Process is a program that runs beside a test and cannot outlive it.
type Process struct {
	// Cmd is the command; Process has started it and waits for it.
	Cmd  *exec.Cmd
	done chan struct{}
	err  error // set when done is closed
}

// Background starts cmd. It is killed when the test ends and when the test's
// process does.
func Background(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p, err := startProcess(cmd)
	if err != nil {
		t.Fatalf("start %s: %v", cmd, err)
	}
	t.Cleanup(func() { p.Kill() })
	return p
}

func startProcess(cmd *exec.Cmd) (*Process, error) {
	if err := startBound(cmd); err != nil {
		return nil, err
	}
	p := &Process{Cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Pid returns the process id.
func (p *Process) Pid() int { return p.Cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end and returns what exec.Cmd's Wait returned.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Signal sends a signal; to a process that has ended it does nothing.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.Cmd.Process.Signal(sig); err != nil && p.running() {
		return err
	}
	return nil
}

// Kill ends the process at once and waits for its end.
func (p *Process) Kill() {
	if p.Signal(os.Kill) == nil {
		<-p.done
	}
}

func (p *Process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Output runs cmd to its end and returns its standard output; a failure ends
// the test and shows what the program wrote to its standard error.
func Output(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	out, err := output(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	p, err := startProcess(cmd)
	if err == nil {
		err = p.Wait()
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", cmd, err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String(), nil
}
