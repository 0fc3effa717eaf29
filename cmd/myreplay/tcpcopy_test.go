package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/spf13/pflag"

	"myreplay/packet"
)

// typed are the flags of mirror or assist as far as TCPCopy's letters go.
type typed struct {
	pairs      pairs
	assistants assistants
	sample     percent
	copies     copies
	clients    string
	filter     string
	devices    []string
	user       string
	switches   map[string]*bool
	texts      map[string]*string
	flags      *pflag.FlagSet
}

func newTyped(assist bool) *typed {
	y := &typed{switches: map[string]*bool{}, texts: map[string]*string{}, flags: pflag.NewFlagSet("mirror", pflag.ContinueOnError)}
	f := y.flags
	f.StringSliceVarP(&y.devices, "interface", "i", nil, "")
	y.switches["d"] = f.BoolP("daemon", "d", false, "")
	letters := map[string]string{"log": "l", "pid": "P"}
	if assist {
		letters["bind"], letters["listen-port"] = "b", "p"
		letters["listen"] = ""
	} else {
		f.VarP(&y.pairs, "pair", "x", "")
		y.switches["g"] = f.BoolP("gradual", "g", false, "")
		y.switches["O"] = f.BoolP("full-sessions", "O", false, "")
		f.VarP(&y.assistants, "assistant", "s", "")
		f.VarP(&y.sample, "sample", "r", "")
		f.VarP(&y.copies, "copies", "n", "")
		f.StringVarP(&y.clients, "client", "c", "", "")
		f.StringVarP(&y.filter, "filter", "F", "", "")
		f.StringVarP(&y.user, "user", "u", "", "")
	}
	for name, letter := range letters {
		y.texts[name] = f.StringP(name, letter, "", "")
	}
	return y
}

func (y *typed) String() string {
	var out strings.Builder
	say := func(name string, v fmt.Stringer, is bool) {
		if is {
			fmt.Fprintf(&out, "%s %s\n", name, v)
		}
	}
	for _, p := range y.pairs {
		source := p.Source.String()
		if !p.Source.Addr().IsValid() {
			source = fmt.Sprintf("any:%d", p.Source.Port())
		}
		fmt.Fprintf(&out, "pair source=%s target=%s\n", source, p.Target)
	}
	say("assistants", &y.assistants, y.assistants != nil)
	if y.sample != 0 {
		fmt.Fprintf(&out, "sample %s: a share of %v\n", &y.sample, y.sample.share())
	}
	say("copies", &y.copies, y.copies != 0)
	if y.clients != "" {
		fmt.Fprintln(&out, "clients", y.clients)
	}
	if y.filter != "" {
		f, changed := bothWays(y.filter)
		fmt.Fprintf(&out, "filter %s (changed: %v)\n", f, changed)
		if _, err := packet.ParseFilter(f); err != nil {
			fmt.Fprintln(&out, "filter error:", err)
		}
	}
	if y.texts["bind"] != nil {
		listen, err := listenAddr(*y.texts["listen"], *y.texts["bind"], *y.texts["listen-port"])
		fmt.Fprintln(&out, "listen", listen, err)
	}
	if err := notUserPassword(y.user); err != nil {
		fmt.Fprintln(&out, "user:", err)
	}
	if len(y.devices) > 0 {
		fmt.Fprintln(&out, "devices", y.devices)
	}
	if *y.switches["d"] {
		fmt.Fprintln(&out, "in the background")
	}
	return out.String()
}

// TestTCPCopy reads command lines as TCPCopy's and intercept's users type them.
func TestTCPCopy(t *testing.T) {
	datadriven.RunTest(t, "testdata/tcpcopy/lines", func(t *testing.T, td *datadriven.TestData) string {
		y := newTyped(td.Cmd == "intercept")
		which := ignoredOfTCPCopy
		if td.Cmd == "intercept" {
			which = ignoredOfIntercept
		}
		answers := addIgnored(y.flags, which)
		if err := y.flags.Parse(words(td.Input)); err != nil {
			return "error: " + err.Error()
		}
		var out strings.Builder
		out.WriteString(y.String())
		answers(&out)
		return out.String()
	})
}

// words splits a command line; '...' keeps spaces.
func words(line string) (list []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			list = append(list, part)
		} else {
			list = append(list, strings.Fields(part)...)
		}
	}
	return list
}

// TestIgnoredHidden: the letters are no part of the help.
func TestIgnoredHidden(t *testing.T) {
	f := pflag.NewFlagSet("mirror", pflag.ContinueOnError)
	f.StringP("output", "o", "", "where to")
	addIgnored(f, ignoredOfTCPCopy)
	if help := f.FlagUsages(); strings.Contains(help, "tcpcopy") || !strings.Contains(help, "output") {
		t.Error(help)
	}
	if f.Lookup("tcpcopy-o") != nil {
		t.Error("a letter that the command has itself was taken")
	}
}

// TestIgnoredAdvice: a flag that an answer names exists.
func TestIgnoredAdvice(t *testing.T) {
	for name, list := range map[string][]ignoredFlag{"mirror": ignoredOfTCPCopy, "assist": ignoredOfIntercept} {
		here := commandNamed(name)
		for _, i := range list {
			of := here
			if _, rest, ok := strings.Cut(i.answer, "'myreplay "); ok {
				of = commandNamed(strings.Fields(rest)[0])
				if strings.HasPrefix(rest, "--") {
					continue // of the program itself
				}
				if of == nil {
					t.Errorf("-%c: %s: no such command", i.letter, i.answer)
					continue
				}
			}
			if of == nil {
				continue // not in this build
			}
			for _, w := range strings.Fields(strings.NewReplacer(",", " ", "'", " ", ";", " ").Replace(i.answer)) {
				if flag, ok := strings.CutPrefix(w, "--"); ok && of.Flags().Lookup(flag) == nil {
					t.Errorf("-%c: %s: %s has no --%s", i.letter, i.answer, of.Name(), flag)
				}
			}
		}
	}
}

// FuzzPairs: what -x takes it writes back the same.
func FuzzPairs(f *testing.F) {
	for _, s := range []string{"3306-10.0.0.5:3306", "[::1]:3306-[fd00::5]:3307,80-db-2.example:1", "1-2@3", "0.0.0.0:1-a:2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p, again pairs
		if p.Set(text) != nil {
			return
		}
		if err := again.Set(p.String()); err != nil || again.String() != p.String() {
			t.Errorf("%q: %q: %v", text, p.String(), err)
		}
	})
}

// FuzzAssistants: what -s takes it writes back the same.
func FuzzAssistants(f *testing.F) {
	for _, s := range []string{"10.0.0.5", "10.0.0.5:1,[::1],[::1]:2,host", "::1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var a, again assistants
		if a.Set(text) != nil {
			return
		}
		if err := again.Set(a.String()); err != nil || again.String() != a.String() {
			t.Errorf("%q: %q: %v", text, a.String(), err)
		}
	})
}

// TestWritesOrNot asks, and answers as people do.
func TestWritesOrNot(t *testing.T) {
	datadriven.RunTest(t, "testdata/ask/writes", func(t *testing.T, td *datadriven.TestData) string {
		var asked strings.Builder
		in := strings.NewReader(td.Input + "\n")
		if td.Input == "" {
			in = strings.NewReader("")
		}
		yes, err := writesOrNot(in, &asked, "10.110.12.17:3306\x1b[2J", td.HasArg("writes"), td.HasArg("read-only"), td.HasArg("terminal"))
		if err != nil {
			return strings.TrimSpace(asked.String() + "\nerror: " + err.Error())
		}
		return strings.TrimSpace(fmt.Sprintf("%s\nwrites: %v", asked.String(), yes))
	})
}
