// Command demo shows what myreplay does, with throwaway servers: it records a
// small workload between a client library and an embedded server, replays it
// against a second server in which one row was changed and one unique index was
// left out, and prints the report that finds exactly that.
//
// The servers are go-mysql-server, which is why the demo is a module of its
// own: nothing of it is linked into myreplay.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run plays the demo. The first argument is the myreplay binary.
func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: demo MYREPLAY")
	}
	binary, err := filepath.Abs(os.Args[1])
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "myreplay-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m := myreplay{binary, dir}

	source, err := startServer(asItWas)
	if err != nil {
		return err
	}
	defer source.Close()
	say("1. record: four sessions talk to a server through a relay")
	if err := m.record(source.addr); err != nil {
		return err
	}

	candidate, err := startServer(changed)
	if err != nil {
		return err
	}
	defer candidate.Close()
	say("2. replay: the same sessions against a candidate, in which one unique index is missing and one row differs")
	if err := m.run("replay", "--writes", "-o", "run", "prod", "mysql://root@"+candidate.addr+"/"); err != nil {
		return err
	}
	say("3. report: what changed")
	if err := differs(m.run("report", "prod", "run")); err != nil {
		return err
	}
	if err := m.check(); err != nil {
		return err
	}
	say("The report found the changed row and the missing index, and nothing else.")
	return nil
}

// differs expects the exit code of a report that found something.
func differs(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil
	}
	return fmt.Errorf("the report should have found differences (exit code 1), but: %v", err)
}

func say(what string) { fmt.Printf("\n\x1b[1m%s\x1b[0m\n\n", what) }

// myreplay runs the binary in a folder.
type myreplay struct{ binary, dir string }

func (m myreplay) command(args ...string) *exec.Cmd {
	c := exec.Command(m.binary, args...)
	c.Dir = m.dir
	return c
}

// run runs a command and shows the command line and what it prints.
func (m myreplay) run(args ...string) error {
	fmt.Println("$ myreplay", strings.Join(args, " "))
	c := m.command(args...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	return c.Run()
}

// check sees that the report found what was changed, and nothing else.
func (m myreplay) check() error {
	out, err := m.command("report", "prod", "run", "--json").Output()
	if err := differs(err); err != nil {
		return err
	}
	var report struct {
		Differences []struct {
			Class    string
			Commands int
		}
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return err
	}
	found := map[string]int{}
	for _, d := range report.Differences {
		found[d.Class] += d.Commands
	}
	// Each session meets the missing index once. The changed row is that of one
	// customer, who is looked at so many times.
	want := map[string]int{"error_gone": clients, "row_data": rounds / own}
	if !maps.Equal(found, want) {
		return fmt.Errorf("the report found %v, and should have found %v", found, want)
	}
	return nil
}

// record runs the workload through a recording relay.
func (m myreplay) record(server string) error {
	listen, err := freeAddr()
	if err != nil {
		return err
	}
	args := []string{"relay", "--listen", listen, "--to", server, "-o", "prod"}
	fmt.Println("$ myreplay", strings.Join(args, " "))
	relay := m.command(args...)
	relay.Stdout = os.Stdout
	errs, err := relay.StderrPipe()
	if err != nil {
		return err
	}
	if err := relay.Start(); err != nil {
		return err
	}
	shown := make(chan error, 1)
	go func() { _, err := io.Copy(os.Stdout, errs); shown <- err }()
	err = waitFor(listen)
	if err == nil {
		err = workload(listen)
	}
	return errors.Join(err, relay.Process.Signal(os.Interrupt), <-shown, relay.Wait())
}

// waitFor waits until something listens on addr.
func waitFor(addr string) error {
	db, err := sql.Open("mysql", "root@tcp("+addr+")/shop")
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	for {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the relay does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
