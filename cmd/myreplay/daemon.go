package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// daemonArgs are the flags of commands that run for long: TCPCopy's -d, -l and
// -P. The command calls begin first, ready when it works, and end at its end.
type daemonArgs struct {
	background bool
	log        string
	pidFile    string

	name    string
	child   bool     // begin found that this is the process in the background
	parent  *os.File // where the process that started this one waits; nil without one
	logFile *logFile
	wrote   bool // the pid file is ours
}

func (d *daemonArgs) flags(c *cobra.Command) {
	d.name = "myreplay " + c.Name()
	f := c.Flags()
	f.BoolVarP(&d.background, "daemon", "d", false, "run in the background; the command returns when the mirror works or has failed")
	f.StringVarP(&d.log, "log", "l", "", "append what would go to stderr to `FILE`; SIGHUP opens it anew (with -d also the report; default: "+d.defaultLog()+")")
	f.StringVarP(&d.pidFile, "pid", "P", "", "write the process id to `FILE`")
}

func (d *daemonArgs) defaultLog() string { return strings.ReplaceAll(d.name, " ", "-") + ".log" }

// readyVariable tells a process in the background on which file it says that it
// is ready.
const readyVariable = "MYREPLAY_READY_FD"

// leaves tells whether begin will go on in the background: what is to be asked
// must be asked before.
func (d *daemonArgs) leaves() bool { return d.background && !d.child && os.Getenv(readyVariable) == "" }

// begin does what the flags ask for before the work begins. done: this process
// has nothing more to do; another one works in the background, or err says why
// not. more are arguments for that other one, as answers to what was asked here.
func (d *daemonArgs) begin(out io.Writer, more ...string) (done bool, err error) {
	if d.background && d.log == "" {
		d.log = d.defaultLog()
	}
	if d.leaves() {
		return true, d.leave(out, more)
	}
	if d.background {
		d.child = true
		if d.parent, err = inheritedPipe(); err != nil {
			return false, err
		}
	}
	if d.log != "" {
		if d.logFile, err = openLog(d.log, d.background); err != nil {
			return false, d.fails(err)
		}
	}
	if d.pidFile != "" {
		if err = writePID(d.pidFile); err != nil {
			return false, d.fails(err)
		}
		d.wrote = true
	}
	return false, nil
}

// ready says that the work has begun: to the process that started this one, and
// to systemd.
func (d *daemonArgs) ready() {
	d.tell(readyWord)
	notifySystemd("READY=1")
}

// end takes back what begin did. err is how the work ended; where it never began,
// the process that started this one is told.
func (d *daemonArgs) end(err error) {
	if err != nil {
		d.fails(err)
	}
	if d.parent != nil {
		d.parent.Close()
	}
	if d.wrote {
		removePID(d.pidFile)
	}
}

// readyWord is what a process in the background says when it works; anything else
// is why it does not.
const readyWord = "ready"

func (d *daemonArgs) fails(err error) error {
	d.tell(err.Error())
	return err
}

func (d *daemonArgs) tell(word string) {
	if d.parent != nil {
		io.WriteString(d.parent, word) // who does not listen any more need not know
		d.parent.Close()
		d.parent = nil
	}
}

// maxStartMessage limits what a process in the background says on its start.
const maxStartMessage = 64 << 10

// leave starts this program again in the background and waits until it works.
func (d *daemonArgs) leave(out io.Writer, more []string) error {
	heard, said, err := os.Pipe()
	if err != nil {
		return err
	}
	defer heard.Close()
	pid, err := startDetached(append(os.Args[1:len(os.Args):len(os.Args)], more...), said)
	said.Close()
	if err != nil {
		return fmt.Errorf("starting in the background: %w", err)
	}
	word, err := io.ReadAll(io.LimitReader(heard, maxStartMessage))
	switch {
	case err != nil:
		return fmt.Errorf("waiting for process %d in the background: %w", pid, err)
	case string(word) == readyWord:
		fmt.Fprintf(out, "%s runs in the background as process %d; it writes to %s\n", d.name, pid, d.log)
		return nil
	case len(word) == 0:
		return fmt.Errorf("process %d in the background ended before it worked; %s may say why", pid, d.log)
	}
	return errors.New(string(word))
}

// logFile is a file that the process's stderr goes to.
type logFile struct {
	path string
	all  bool // stdout, too
}

// openLog makes path the process's stderr, and its stdout with all.
func openLog(path string, all bool) (*logFile, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	l := &logFile{path: path, all: all}
	return l, l.reopen()
}

// reopen opens the file anew, where it may have been moved away.
func (l *logFile) reopen() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("the log: %w", err)
	}
	defer f.Close()
	to := []*os.File{os.Stderr}
	if l.all {
		to = append(to, os.Stdout)
	}
	for _, std := range to {
		if err := redirect(std, f); err != nil {
			return fmt.Errorf("the log: %w", err)
		}
	}
	return nil
}

// maxPID limits the bytes of a pid file that are read.
const maxPID = 32

// writePID writes the process's id to path, whole or not at all. A file that
// names a process that is alive is an error; one that names none is replaced.
func writePID(path string) error {
	if old := readPID(path); old != 0 && old != os.Getpid() {
		if alive(old) {
			return fmt.Errorf("%s names process %d, which is alive: end it (kill %d), or choose another file with -P", path, old, old)
		}
		os.Remove(path) // another may have done so; Link tells
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("the pid file: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintln(f, os.Getpid())
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil && readPID(path) == os.Getpid() {
		return nil // left by a container's earlier process of the same number
	}
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("the pid file: %s exists, and it is no pid file of a process that has ended: remove it, or choose another file with -P", path)
	}
	if err != nil {
		return fmt.Errorf("the pid file: %w", err)
	}
	return nil
}

// readPID returns the process that a pid file names, 0 where it names none.
func readPID(path string) int {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPID))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid < 1 {
		return 0
	}
	return pid
}

// removePID removes a pid file that still names this process.
func removePID(path string) {
	if readPID(path) == os.Getpid() {
		os.Remove(path)
	}
}
