package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// What TCPCopy's users type, read as they mean it.

// The limits of what the flags take; the first two are TCPCopy's.
const (
	maxAssistants = 32
	maxCopies     = 1023
	maxPairs      = 64
)

// assistantPort is where an assistant listens when nothing else is said:
// intercept's port.
const assistantPort = 36524

// mirrorPair is one pair of -x: what is seen of a source is replayed on a target.
type mirrorPair struct {
	// Source is the server that is looked at. Its address is not valid where any
	// address of this machine is meant.
	Source netip.AddrPort
	// Target is the host and port of the server that is replayed on; the host may
	// be a name.
	Target string
}

// String writes the pair as -x takes it.
func (p mirrorPair) String() string {
	if !p.Source.Addr().IsValid() {
		return fmt.Sprintf("%d-%s", p.Source.Port(), p.Target)
	}
	return p.Source.String() + "-" + p.Target
}

// pairs is the flag -x: "[IP:]PORT-HOST:PORT,...", IPv6 addresses in brackets.
// It may be given several times.
type pairs []mirrorPair

// Set implements pflag.Value.
func (p *pairs) Set(text string) error {
	for _, one := range strings.Split(text, ",") {
		pair, err := parsePair(strings.TrimSpace(one))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(*p, func(q mirrorPair) bool { return q.Source == pair.Source }) {
			return fmt.Errorf("%s: this source has a target already; --copies sends sessions more than once", one)
		}
		if len(*p) == maxPairs {
			return fmt.Errorf("more than %d pairs", maxPairs)
		}
		*p = append(*p, pair)
	}
	return nil
}

// String implements pflag.Value.
func (p *pairs) String() string {
	var list []string
	for _, pair := range *p {
		list = append(list, pair.String())
	}
	return strings.Join(list, ",")
}

// Type implements pflag.Value.
func (p *pairs) Type() string { return "[IP:]PORT-HOST:PORT" }

// parsePair reads "[IP:]PORT-HOST:PORT".
func parsePair(text string) (p mirrorPair, err error) {
	source, to, ok := strings.Cut(text, "-")
	if !ok || source == "" || to == "" {
		return p, fmt.Errorf("%q is no pair: write SOURCEPORT-TARGET:PORT, as 3306-10.0.0.5:3306", text)
	}
	if address, mac, ok := strings.Cut(to, "@"); ok {
		return p, fmt.Errorf("@%s is not needed: the kernel finds the way to the target; write %s-%s", mac, source, address)
	}
	if p.Source, err = parseSource(source); err != nil {
		return p, err
	}
	host, port, err := net.SplitHostPort(to)
	switch {
	case err != nil && addressOnly(to):
		return p, fmt.Errorf("%s: the target's port is missing: write %s-%s", text, source, net.JoinHostPort(unbracketed(to), "3306"))
	case err != nil || !isHost(host):
		return p, fmt.Errorf("%q is no target: write HOST:PORT, IPv6 as [ADDRESS]:PORT", to)
	}
	if _, err := parsePort(port); err != nil {
		return p, err
	}
	p.Target = net.JoinHostPort(host, port)
	return p, nil
}

// parseSource reads "[IP:]PORT".
func parseSource(text string) (netip.AddrPort, error) {
	if !strings.Contains(text, ":") {
		port, err := parsePort(text)
		return netip.AddrPortFrom(netip.Addr{}, port), err
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil || a.Port() == 0 {
		return a, fmt.Errorf("%q is no source: write PORT, or IP:PORT, IPv6 as [ADDRESS]:PORT", text)
	}
	// 0.0.0.0 is every address, as TCPCopy has it.
	if a.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.Addr{}, a.Port()), nil
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}

// addressOnly tells whether text is a host without a port.
func addressOnly(text string) bool { return isHost(unbracketed(text)) }

// unbracketed takes the brackets from "[ADDRESS]".
func unbracketed(text string) string {
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		return strings.TrimSuffix(inner, "]")
	}
	return text
}

// isHost tells whether text is an address, or may be a name.
func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	return text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == ""
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port: write a number from 1 to 65535", text)
	}
	return uint16(n), nil
}

// assistants is the flag -s: "HOST[:PORT],...".
type assistants []string

// Set implements pflag.Value.
func (a *assistants) Set(text string) error {
	for _, one := range strings.Split(text, ",") {
		addr, err := parseAssistant(strings.TrimSpace(one))
		if err != nil {
			return err
		}
		if slices.Contains(*a, addr) {
			return fmt.Errorf("%s is named twice", addr)
		}
		if len(*a) == maxAssistants {
			return fmt.Errorf("more than %d assistants", maxAssistants)
		}
		*a = append(*a, addr)
	}
	return nil
}

// String implements pflag.Value.
func (a *assistants) String() string { return strings.Join(*a, ",") }

// Type implements pflag.Value.
func (a *assistants) Type() string { return "HOST[:PORT]" }

// parseAssistant reads "HOST[:PORT]" and returns it with its port.
func parseAssistant(text string) (string, error) {
	if addressOnly(text) {
		return net.JoinHostPort(unbracketed(text), strconv.Itoa(assistantPort)), nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || !isHost(host) {
		return "", fmt.Errorf("%q is no assistant: write HOST or HOST:PORT, IPv6 as [ADDRESS]:PORT", text)
	}
	if _, err := parsePort(port); err != nil {
		return "", err
	}
	return net.JoinHostPort(host, port), nil
}

// percent is the flag -r: how many sessions of a hundred.
type percent int

// Set implements pflag.Value.
func (p *percent) Set(text string) error {
	n, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
	if err != nil || n < 1 || n > 100 {
		return fmt.Errorf("%q is no percentage: write a whole number from 1 to 100", text)
	}
	*p = percent(n)
	return nil
}

// String implements pflag.Value.
func (p *percent) String() string {
	if *p == 0 {
		return "100%"
	}
	return strconv.Itoa(int(*p)) + "%"
}

// Type implements pflag.Value.
func (p *percent) Type() string { return "PCT" }

// share is the part of all sessions, as replay.Filter has it: 0 for all.
func (p percent) share() float64 {
	if p == 100 {
		return 0
	}
	return float64(p) / 100
}

// copies is the flag -n: how many times each session is sent.
type copies int

// Set implements pflag.Value.
func (c *copies) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxCopies {
		return fmt.Errorf("%q is no number of copies: write a number from 1 to %d", text, maxCopies)
	}
	*c = copies(n)
	return nil
}

// String implements pflag.Value.
func (c *copies) String() string { return strconv.Itoa(max(int(*c), 1)) }

// Type implements pflag.Value.
func (c *copies) Type() string { return "N" }

// listenAddr is where an assistant listens, of --listen ADDR:PORT or of
// intercept's -b ADDR and -p PORT; any address and assistantPort by default.
func listenAddr(listen, bind, port string) (string, error) {
	if listen != "" {
		if bind != "" || port != "" {
			return "", errors.New("give --listen ADDR:PORT, or -b ADDR and -p PORT, not both")
		}
		host, port, err := net.SplitHostPort(listen)
		if err != nil {
			return "", fmt.Errorf("--listen %s: write ADDR:PORT, or :PORT for every address", listen)
		}
		_, err = parsePort(port)
		return net.JoinHostPort(host, port), err
	}
	if port == "" {
		port = strconv.Itoa(assistantPort)
	}
	_, err := parsePort(port)
	return net.JoinHostPort(unbracketed(bind), port), err
}

// bothWays makes a filter for what goes to a server, as TCPCopy takes it, one for
// both directions: the answers are looked at, too. It returns the filter without
// its words src and dst, and whether there were any.
func bothWays(filter string) (string, bool) {
	words := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(filter))
	word := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	direction := func(i int) bool { return word(i) == "src" || word(i) == "dst" }
	var kept []string
	changed := false
	for i := 0; i < len(words); i++ {
		if !direction(i) {
			kept = append(kept, words[i])
			continue
		}
		changed = true
		if slices.Contains([]string{"or", "and", "||", "&&"}, word(i+1)) && direction(i+2) {
			i += 2
		}
		if _, err := netip.ParseAddr(word(i + 1)); err == nil {
			kept = append(kept, "host") // "dst 10.0.0.5"
		}
	}
	if !changed {
		return filter, false
	}
	return strings.Join(kept, " "), true
}

// notUserPassword refuses what -u meant in TCPCopy's MySQL build:
// "user@password,user@password".
func notUserPassword(user string) error {
	if !strings.Contains(user, "@") {
		return nil
	}
	return errors.New("-u takes one user without a password: everybody on this machine can read a command line; write users and passwords to a file and name it with --credentials")
}
