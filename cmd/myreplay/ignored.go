package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// ignoredFlag is a letter of TCPCopy's or intercept's that has no work to do
// here. It is accepted, and answered.
type ignoredFlag struct {
	letter byte
	// value names what follows the letter, "" for a switch.
	value string
	// answer is what is said when it is given; VALUE stands for its value.
	answer string
}

// ignoredOfTCPCopy are tcpcopy's letters that mirror has no use for.
var ignoredOfTCPCopy = []ignoredFlag{
	{'p', "PORT", "not used: the port stands with the assistant's address, -s HOST:VALUE"},
	{'H', "IP", "not needed: sessions from loopback come from this machine's own address"},
	{'B', "MB", "not used: --ring-buffer VALUEM is the kernel's memory for packets"},
	{'S', "LEN", "not needed: whole packets are taken"},
	{'a', "N", "not for a live mirror: a recording is replayed faster with 'myreplay replay --speed VALUE'"},
	{'I', "MS", "not for a live mirror: pauses of a recording are shortened with 'myreplay replay --max-pause VALUEms'"},
	{'T', "N", "not for a live mirror: a recording is repeated with 'myreplay replay --repeat VALUE'"},
	{'m', "MB", "not used: --memory VALUEM is the limit; at it sessions are given up and counted, and the mirror stays up"},
	{'M', "BYTES", "not needed: the kernel's TCP knows the MTU"},
	{'D', "BYTES", "not needed: the kernel's TCP knows the MSS"},
	{'R', "MS", "not needed: the kernel's TCP measures round trips"},
	{'f', "NUM", "not needed: the kernel picks ports that are free, for any number of mirrors"},
	{'o', "DEVICE", "not needed: the kernel's routes say where packets leave"},
	{'U', "KB", "not needed: memory is taken as sessions need it"},
	{'C', "NUM", "not needed: there is one connection to an assistant"},
	{'t', "SECONDS", "not used: --reply-timeout VALUEs gives up a session whose reply takes longer"},
	{'k', "SECONDS", "not needed: sessions end when their clients end them"},
	{'W', "", "not needed: the next command waits for the answer to the one before, as the client did, and for no timer"},
	{'L', "", "not needed: a mirror stays up when its assistant is gone, and counts what is lost"},
	{'v', "", "not used: 'myreplay --version' says the version"},
}

// ignoredOfIntercept are intercept's letters that assist has no use for.
var ignoredOfIntercept = []ignoredFlag{
	{'F', "FILTER", "not needed: nothing is sniffed"},
	{'n', "NUM", "not needed: no packets are sent back"},
	{'s', "NUM", "not needed: tables grow as sessions come"},
	{'D', "IP-IP", "not used: where addresses are translated on the way, --client-ip map:... or off says what the target sees"},
	{'x', "IP,...", "not needed: no firewall stands in the way of the answers"},
	{'q', "NUM", "not needed: no packets are queued"},
	{'c', "", "not needed: several mirrors may share an assistant"},
	{'t', "SECONDS", "not needed: no table of routes is kept"},
	{'v', "", "not used: 'myreplay --version' says the version"},
}

// addIgnored adds the letters that the flags do not have yet, hidden from the
// help: add the command's own flags before. The function that it returns prints a
// line on each that was given.
func addIgnored(f *pflag.FlagSet, which []ignoredFlag) func(out io.Writer) {
	added := map[*pflag.Flag]ignoredFlag{}
	for _, i := range which {
		letter := string(i.letter)
		if f.ShorthandLookup(letter) != nil {
			continue
		}
		name := "tcpcopy-" + letter
		if i.value == "" {
			f.BoolP(name, letter, false, i.answer)
		} else {
			f.StringP(name, letter, "", i.answer)
		}
		flag := f.Lookup(name)
		flag.Hidden = true
		added[flag] = i
	}
	return func(out io.Writer) {
		f.Visit(func(flag *pflag.Flag) {
			i, ok := added[flag]
			switch {
			case !ok:
			case i.value == "":
				fmt.Fprintf(out, "-%c: %s\n", i.letter, i.answer)
			default:
				value := flag.Value.String()
				fmt.Fprintf(out, "-%c %s: %s\n", i.letter, value, strings.ReplaceAll(i.answer, "VALUE", value))
			}
		})
	}
}
