package classictest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"myreplay/classic"
)

// entry is a command and what is answered to it.
type entry struct {
	command string // "query select 1"; "*": any
	steps   []string
	used    bool
}

// parseScript parts a script into the login's lines and the commands'.
func parseScript(text string) (login []string, entries []*entry) {
	for _, l := range strings.Split(text, "\n") {
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' {
			continue
		}
		side, rest, _ := strings.Cut(l, " ")
		rest = strings.TrimSpace(rest)
		word, _, _ := strings.Cut(rest, " ")
		switch {
		case side == "C" && word != "login" && word != "ssl" && word != "auth" && word != "data":
			entries = append(entries, &entry{command: rest})
		case len(entries) == 0:
			login = append(login, l)
		default:
			e := entries[len(entries)-1]
			e.steps = append(e.steps, l)
		}
	}
	return login, entries
}

// play plays a script on the connection.
func (p *Peer) play(text string) error {
	login, entries := parseScript(text)
	if err := p.login(login); err != nil {
		return err
	}
	for {
		f, part, err := p.Read()
		if err != nil {
			return err
		}
		if part != classic.ClientCommand {
			return fmt.Errorf("the client sent something that is no command: %q", shorten(f.Payload))
		}
		if classic.Code(f.Payload[0]) == classic.ComQuit {
			return nil
		}
		if p.server.Answer != nil {
			err = p.server.Answer(p, f.Payload)
		} else {
			err = p.answer(entries, f.Payload)
		}
		if err != nil {
			return err
		}
	}
}

// answer answers a command by the script.
func (p *Peer) answer(entries []*entry, payload []byte) error {
	e := p.find(entries, payload)
	if e == nil {
		return p.unexpected(payload)
	}
	e.used = true
	return p.steps(e.steps)
}

// unexpected answers a command that the script does not have.
func (p *Peer) unexpected(payload []byte) error {
	switch classic.Code(payload[0]) {
	case classic.ComStmtClose, classic.ComStmtSendLongData:
		return nil
	case classic.ComStmtReset, classic.ComResetConnection, classic.ComPing:
		return p.Send("ok")
	}
	return p.Send("err 1064 42000 not in the script: " + p.describe(payload))
}

// login plays the login, putting in what the lines leave out.
func (p *Peer) login(lines []string) error {
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "S ") || strings.HasPrefix(lines[0], "S ok") {
		lines = append([]string{"S greeting"}, lines...)
	}
	if err := p.steps(lines[:1]); err != nil {
		return err
	}
	rest := lines[1:]
	if p.State.Phase != classic.AwaitLogin { // that was no greeting
		if err := p.steps(rest); err != nil {
			return err
		}
		return errPlayed
	}
	for len(rest) > 0 && (strings.HasPrefix(rest[0], "C login") || strings.HasPrefix(rest[0], "C ssl")) {
		rest = rest[1:]
	}
	if _, _, err := p.Read(); err != nil {
		return err
	}
	if p.server.Login != nil {
		return p.server.Login(p)
	}
	if len(rest) == 0 {
		rest = []string{"S ok"}
	}
	return p.steps(rest)
}

// steps plays the lines of an answer.
func (p *Peer) steps(lines []string) error {
	for _, l := range lines {
		side, rest, _ := strings.Cut(l, " ")
		if side == "C" {
			if _, _, err := p.Read(); err != nil {
				return err
			}
			continue
		}
		if err := p.step(strings.TrimSpace(rest)); err != nil {
			return err
		}
	}
	return nil
}

// step plays one line of the server's.
func (p *Peer) step(text string) error {
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "close":
		return errPlayed
	case "silence":
		return p.silence()
	case "slow":
		b, err := p.bytes(rest)
		if err != nil {
			return err
		}
		return p.sendSlowly(b)
	case "cut", "seq":
		number, rest, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			return err
		}
		if word == "seq" {
			p.script.seq = byte(n)
			return p.step(rest)
		}
		b, err := p.bytes(rest)
		if err != nil {
			return err
		}
		if err := p.SendBytes(b[:min(n, len(b))]); err != nil {
			return err
		}
		return errPlayed
	}
	return p.Send(text)
}

// find returns the first entry not used that a command matches, or else the last
// one that it matches.
func (p *Peer) find(entries []*entry, payload []byte) (found *entry) {
	for _, e := range entries {
		if !p.matches(e, payload) {
			continue
		}
		if found = e; !e.used {
			break
		}
	}
	return found
}

func (p *Peer) matches(e *entry, payload []byte) bool {
	if e.command == "*" {
		return true
	}
	word, args, _ := strings.Cut(e.command, " ")
	if word == "changeuser" { // its authentication bytes differ
		return p.describe(payload) == e.command
	}
	want, err := p.script.command(word, strings.TrimSpace(args))
	return err == nil && bytes.Equal(want, payload)
}
