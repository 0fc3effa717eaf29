// Command serve runs one private server until it is interrupted, for people and
// for benchmarks:
//
//	serve KIND [-notls] [-- server arguments]
//	serve -prepare
//
// It prints one line of shell variables when the server is ready. With -prepare
// it only fetches what the tests run: every kind of server, the npm clients and
// MySQL's own test suite.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"myreplay/internal/mysqltest"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 1 && args[0] == "-prepare" {
		return prepare()
	}
	kind, opts, err := parse(args)
	if err != nil {
		return err
	}
	// Signals wait until the server is up: it is to be closed, not left.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	s, err := mysqltest.Launch(kind, opts...)
	if err != nil {
		return err
	}
	fmt.Printf("KIND=%v VERSION='%s' ADDR=%s PORT=%d XPORT=%d SOCKET='%s' XSOCKET='%s' USER=%s PASSWORD=%s CA='%s' DIR='%s' PID=%d\n",
		s.Kind, s.Version, s.Addr, s.Port, s.XPort, s.Socket, s.XSocket, s.User, s.Password, s.CA, s.Dir, s.Pid)
	wait(stop)
	return s.Close()
}

// prepare fetches what can be had. What is missing is an error only where no
// test may be skipped for it.
func prepare() error {
	var missing error
	step := func(name string, do func() error) {
		begin := time.Now()
		err := do()
		if err == nil {
			fmt.Printf("%-10s ready in %.1f s\n", name, time.Since(begin).Seconds())
			return
		}
		fmt.Printf("%-10s %v\n", name, err)
		missing = errors.Join(missing, fmt.Errorf("%s is missing", name))
	}
	for _, k := range mysqltest.Kinds {
		step(k.String(), func() error { return mysqltest.Prepare(k) })
	}
	step("npm", mysqltest.PrepareNode)
	step("suite", mysqltest.PrepareSuite)
	if missing != nil && !mysqltest.Required() {
		fmt.Println("tests that need what is missing will be skipped")
		return nil
	}
	return missing
}

// parse reads the command line.
func parse(args []string) (mysqltest.Kind, []mysqltest.Option, error) {
	if len(args) == 0 {
		return 0, nil, fmt.Errorf("usage: serve KIND [-notls] [-- server arguments], serve -prepare; kinds: %v", mysqltest.Kinds)
	}
	kind, err := mysqltest.ParseKind(args[0])
	if err != nil {
		return 0, nil, err
	}
	flags, rest := args[1:], []string(nil)
	if i := slices.Index(flags, "--"); i >= 0 {
		flags, rest = flags[:i], flags[i+1:]
	}
	opts := []mysqltest.Option{mysqltest.Args(rest...)}
	for _, f := range flags {
		if strings.TrimLeft(f, "-") != "notls" {
			return 0, nil, fmt.Errorf("unknown flag %s", f)
		}
		opts = append(opts, mysqltest.NoTLS())
	}
	return kind, opts, nil
}

// parentPoll is how often serve looks whether its parent is still there: "go
// run" and scripts may be killed without a word to their children.
const parentPoll = 500 * time.Millisecond

// wait returns when a signal came or the parent ended.
func wait(stop <-chan os.Signal) {
	parent := os.Getppid()
	for {
		select {
		case <-stop:
			return
		case <-time.After(parentPoll):
			if os.Getppid() != parent {
				return
			}
		}
	}
}
