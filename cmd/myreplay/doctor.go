package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	// doctorTimeout limits each thing that is tried over the network.
	doctorTimeout = 10 * time.Second
	// probeTimeout limits connections that may well have no answer.
	probeTimeout = 3 * time.Second
)

// The states of a finding.
const (
	stateOK      = "ok"
	stateWrong   = "wrong"
	stateNote    = "note"
	stateUnknown = "?" // it could not be checked
)

// finding is one line of the doctor's.
type finding struct {
	State string `json:"state"`
	// About is what was looked at, in a word or two.
	About string `json:"about"`
	Text  string `json:"text"`
	// Mend are commands that put it right; only what is wrong has some. Where is
	// where to give them: "" for this host.
	Mend  []string `json:"mend,omitempty"`
	Where string   `json:"where,omitempty"`
}

// String writes the finding as a line.
func (f finding) String() string {
	line := fmt.Sprintf("%-5s %s: %s", f.State, f.About, f.Text)
	if len(f.Mend) == 0 {
		return line
	}
	line += "; mend with"
	if f.Where != "" {
		line += ", on " + f.Where
	}
	return line + ": " + strings.Join(f.Mend, " && ")
}

// advice are commands to run somewhere.
type advice struct {
	Where    string   `json:"where"`
	Commands []string `json:"commands"`
}

// doctor looks at hosts and servers, and changes nothing there.
type doctor struct {
	host     doctorHost
	findings []finding
	advices  []advice
	// reached are the versions of the targets that let somebody in.
	reached []string
	// source is the identity of the source, where that was asked.
	source string
}

func (d *doctor) add(f finding) { d.findings = append(d.findings, f) }

func (d *doctor) ok(about, format string, a ...any) {
	d.add(finding{State: stateOK, About: about, Text: fmt.Sprintf(format, a...)})
}

func (d *doctor) note(about, format string, a ...any) {
	d.add(finding{State: stateNote, About: about, Text: fmt.Sprintf(format, a...)})
}

func (d *doctor) unknown(about string, err error) {
	d.add(finding{State: stateUnknown, About: about, Text: "it can't be checked: " + err.Error()})
}

// wrongAt adds what is wrong, and the commands that mend it on another machine
// or in a server.
func (d *doctor) wrongAt(where, about, text string, mend ...string) {
	d.add(finding{State: stateWrong, About: about, Text: text, Mend: mend, Where: where})
}

// wrong adds what is wrong, and the commands that mend it here.
func (d *doctor) wrong(about, text string, mend ...string) {
	d.add(finding{State: stateWrong, About: about, Text: text, Mend: mend})
}

// count returns how many findings have a state.
func (d *doctor) count(state string) int {
	n := 0
	for _, f := range d.findings {
		if f.State == state {
			n++
		}
	}
	return n
}

// print writes what was found.
func (d *doctor) print(out io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(struct {
			Findings []finding `json:"findings"`
			Advice   []advice  `json:"advice,omitempty"`
			Wrong    int       `json:"wrong"`
			Unknown  int       `json:"unknown"`
		}{d.findings, d.advices, d.count(stateWrong), d.count(stateUnknown)})
	}
	for _, f := range d.findings {
		fmt.Fprintln(out, f)
	}
	for _, a := range d.advices {
		fmt.Fprintf(out, "%s:\n", a.Where)
		for _, c := range a.Commands {
			fmt.Fprintf(out, "  %s\n", c)
		}
	}
	return nil
}

// verdict is the command's error: errDiffers when something is wrong, another
// one when something could not be checked.
func (d *doctor) verdict() error {
	switch unknown := d.count(stateUnknown); {
	case d.count(stateWrong) > 0:
		return errDiffers
	case unknown > 0:
		return fmt.Errorf("%s could not be checked", count(unknown, "thing"))
	}
	return nil
}

// doctorArgs are the flags of all doctors.
type doctorArgs struct {
	targetArgs
	json bool
	host doctorHost
}

func (a *doctorArgs) flags(c *cobra.Command) {
	a.targetArgs.flags(c)
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
}

// takesAll lets a doctor take all flags of the command that it is for, so that
// its whole line can be given; those that do not matter are not shown.
func takesAll(doctor, command *cobra.Command) *cobra.Command {
	command.Flags().VisitAll(func(f *pflag.Flag) {
		if doctor.Flags().Lookup(f.Name) == nil {
			hidden := *f
			hidden.Hidden = true
			if doctor.Flags().ShorthandLookup(f.Shorthand) != nil {
				hidden.Shorthand = ""
			}
			doctor.Flags().AddFlag(&hidden)
		}
	})
	return doctor
}

// run looks, prints what was found, and returns the verdict.
func (a *doctorArgs) run(c *cobra.Command, look func(ctx context.Context, d *doctor) error) error {
	d := &doctor{host: a.host}
	if err := look(c.Context(), d); err != nil {
		return err
	}
	if err := d.print(c.OutOrStdout(), a.json); err != nil {
		return err
	}
	if c.Context().Err() != nil {
		return errors.New("interrupted")
	}
	return d.verdict()
}

// doctorCommand returns the doctor for this host.
func doctorCommand() *cobra.Command { return newDoctorCommand(thisHost{}) }

func newDoctorCommand(h doctorHost) *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check what a mirror, an assistant or a replay needs, and say how to mend it",
		Long: `Check what the command of that name needs: what this host allows, its routes and
rules, whether the servers are reached, let one in and grant enough. Nothing is
changed: what is wrong is printed with the command that mends it. Servers see a
connection or two, and a login.

Exit codes: 0 all is well, 1 something is wrong, 2 something could not be checked.`,
	}
	c.AddCommand(takesAll(doctorMirrorCommand(h), mirrorCommand()), takesAll(doctorAssistCommand(h), assistCommand()),
		takesAll(doctorReplayCommand(h), replayCommand()))
	return c
}
