package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// onHangup answers SIGHUP until ctx ends or the returned function is called: the
// log file is opened anew, and reread is asked to read again what can change. It
// returns what it read, for a reader. What happened is told on errs; an error
// changes nothing. Where the signal comes because the terminal has gone that the
// command was started on, gone is called instead, to end it as Ctrl-C does.
func (d *daemonArgs) onHangup(ctx context.Context, errs io.Writer, gone func(), reread func() (string, error)) (stop func()) {
	ends := terminalThere() && !signal.Ignored(syscall.SIGHUP) && !d.background // nohup wants to stay
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangup:
			}
			if ends && !terminalThere() {
				gone()
				return
			}
			d.hangup(errs, reread)
		}
	})
	return func() {
		signal.Stop(hangup)
		cancel()
		done.Wait()
	}
}

func (d *daemonArgs) hangup(errs io.Writer, reread func() (string, error)) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(errs, "SIGHUP: nothing changed: %v\n", p)
		}
	}()
	if d.logFile != nil {
		if err := d.logFile.reopen(); err != nil {
			fmt.Fprintln(errs, "SIGHUP:", err)
		}
	}
	what, err := reread()
	if err != nil {
		fmt.Fprintln(errs, "SIGHUP: nothing changed:", err)
		return
	}
	fmt.Fprintln(errs, "SIGHUP: read again:", what)
}
