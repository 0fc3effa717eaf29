// Command myreplay records real MySQL sessions, replays them against another
// server the way the clients did, and says what changed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/pprof"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitSame    = 0 // done; nothing differs
	exitDiffers = 1 // done; something differs
	exitFailed  = 2 // could not
)

// errDiffers ends a command that did its work and found differences.
var errDiffers = errors.New("differs")

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run runs the command line and returns the exit code.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := interruptible(errs)
	defer stop()
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitSame
	case errors.Is(err, errDiffers):
		return exitDiffers
	}
	fmt.Fprintln(errs, "myreplay:", err)
	return exitFailed
}

// interruptible returns a context that the first SIGINT or SIGTERM ends; the
// second ends the process.
func interruptible(errs io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, ok := <-signals; !ok {
			return
		}
		cancel()
		if _, ok := <-signals; ok {
			fmt.Fprintln(errs, "myreplay: interrupted twice, giving up")
			os.Exit(exitFailed)
		}
	}()
	return ctx, func() { signal.Stop(signals); close(signals); cancel() }
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "myreplay",
		Short: "Record real MySQL sessions, replay them on another server, see what changed",
		Long: `myreplay records real MySQL and MariaDB sessions from the wire, replays them
against another server the way the clients did, and says what changed: answers,
errors, warnings, speed.

Exit codes: 0 done (and nothing differs), 1 something differs, 2 could not.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.SetVersionTemplate("myreplay {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	profiled(root)
	root.AddCommand(captureCommand(), relayCommand(), replayCommand(), mirrorCommand(), assistCommand(), pairCommand(), reportCommand(), showCommand(), doctorCommand())
	return root
}

// profiled adds a hidden flag for those who work on the program: a CPU profile
// of the command.
func profiled(root *cobra.Command) {
	path := ""
	root.PersistentFlags().StringVar(&path, "cpuprofile", "", "write a CPU profile to `FILE`")
	_ = root.PersistentFlags().MarkHidden("cpuprofile") // fails only for flags that do not exist
	var file *os.File
	root.PersistentPreRunE = func(*cobra.Command, []string) (err error) {
		if path == "" {
			return nil
		}
		if file, err = os.Create(path); err != nil {
			return err
		}
		return pprof.StartCPUProfile(file)
	}
	cobra.OnFinalize(func() {
		if file != nil {
			pprof.StopCPUProfile()
			file.Close()
		}
	})
}

// version names the build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	return v + " " + info.GoVersion
}

// tool names the program in captures.
func tool() string { return "myreplay " + version() }
