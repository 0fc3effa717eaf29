package trace

import (
	"fmt"

	"myreplay/classic"
	"myreplay/flow"
)

var clientPartNames = [...]string{
	classic.ClientSSLRequest: "SSL_REQUEST",
	classic.ClientLogin:      "HANDSHAKE_RESPONSE",
	classic.ClientAuthData:   "AUTH_RESPONSE",
	classic.ClientFileData:   "LOCAL_INFILE_DATA",
	classic.ClientStream:     "STREAM",
}

var serverPartNames = [...]string{
	classic.PartGreeting:       "HANDSHAKE",
	classic.PartAuthSwitch:     "AUTH_SWITCH_REQUEST",
	classic.PartAuthMore:       "AUTH_MORE_DATA",
	classic.PartAuthFactor:     "AUTH_NEXT_FACTOR",
	classic.PartLoginOK:        "OK",
	classic.PartLoginError:     "ERR",
	classic.PartOK:             "OK",
	classic.PartError:          "ERR",
	classic.PartProgress:       "PROGRESS",
	classic.PartFileRequest:    "LOCAL_INFILE_REQUEST",
	classic.PartColumnCount:    "COLUMN_COUNT",
	classic.PartColumn:         "COLUMN_DEFINITION",
	classic.PartColumnsEnd:     "EOF",
	classic.PartRow:            "ROW",
	classic.PartRowsEnd:        "OK",
	classic.PartPrepared:       "STMT_PREPARE_OK",
	classic.PartParam:          "PARAMETER_DEFINITION",
	classic.PartPreparedColumn: "COLUMN_DEFINITION",
	classic.PartDefinitionEnd:  "EOF",
	classic.PartField:          "COLUMN_DEFINITION",
	classic.PartText:           "STATISTICS",
	classic.PartStream:         "STREAM",
	classic.PartNotice:         "ERR",
	classic.PartTrailing:       "",
}

// commandNames are the names of all commands.
var commandNames = func() (names [256]string) {
	for i := range names {
		c := classic.Code(i)
		names[i] = "COM_" + c.String()
		if !c.Known() {
			names[i] = fmt.Sprintf("COM_UNKNOWN_%d", i)
		}
	}
	return names
}()

// classicConn reads one connection of the classic protocol.
type classicConn struct {
	c      *conn
	state  classic.State
	framer [2]classic.Framer
	// binlog: the stream is one of binlog events.
	binlog bool
	// trailing: bytes after the end were told of.
	trailing bool

	// What follows is kept for the fields only.
	queue      []question
	first      int
	statements map[uint32]*classicStatement
	latest     *classicStatement // the one prepared last
	columns    []classicColumn   // of the rows under way
}

func newClassicConn(c *conn) *classicConn {
	p := &classicConn{c: c}
	for i := range p.framer {
		p.framer[i].Limit = frameLimit
	}
	return p
}

func (p *classicConn) between(side flow.Side) bool { return p.framer[side].Between() }

func (p *classicConn) reset() {
	for i := range p.framer {
		p.framer[i].Reset()
	}
	p.columns = nil
	p.queue, p.first = nil, 0
}

// resume goes on, after bytes were lost, where the client sends a command.
func (p *classicConn) resume(z classic.Compression) {
	if !p.state.Known {
		p.state.Join()
	}
	p.state.Resume(z)
	for i := range p.framer {
		p.framer[i].SetCompression(z)
	}
}

func (p *classicConn) tls() {
	if p.state.Phase == classic.InTLS {
		p.state.TLSDone()
	}
}

func (p *classicConn) lost(side flow.Side, n uint64) bool {
	ready := p.state.Phase == classic.Ready || p.state.Phase == classic.Streaming
	return ready && p.framer[side].Lost(n)
}

func (p *classicConn) feed(side flow.Side, data []byte) {
	if p.state.Phase == classic.InTLS && len(data) > 0 {
		p.c.giveUp("TLS")
		return
	}
	framer := &p.framer[side]
	framer.Feed(data)
	var f classic.Frame
	for p.c.mode == following {
		ok, err := framer.Next(&f)
		if err != nil {
			p.c.fail(side, err)
			return
		}
		if !ok {
			return
		}
		if side == flow.Client {
			p.client(&f)
		} else {
			p.server(&f)
		}
		if p.state.Phase == classic.InTLS && p.c.mode == following {
			if len(framer.Rest()) > 0 {
				p.c.giveUp("TLS")
			}
			return
		}
	}
}

// client names a client's frame.
func (p *classicConn) client(f *classic.Frame) {
	if p.state.Settle(f, false) {
		p.answered()
	}
	if f.Holed && len(f.Payload) == 0 {
		p.c.fail(flow.Client, &classic.FormatError{Message: "command", Reason: "its beginning is lost"})
		return
	}
	waiting := p.state.Waiting()
	part, err := p.state.Client(f)
	if err != nil {
		p.c.fail(flow.Client, err)
		return
	}
	name := ""
	if part == classic.ClientCommand {
		code := classic.Code(f.Payload[0])
		name = commandNames[code]
		switch code {
		case classic.ComBinlogDump, classic.ComBinlogDumpGTID:
			p.binlog = true
		}
	} else {
		name = clientPartNames[part]
	}
	m := p.c.begin(flow.Client, name, f.Wire)
	m.Compressed = p.state.Compressed != classic.Uncompressed
	if p.c.t.options.Detail {
		q := p.clientFields(m, part, f)
		if p.state.Waiting() > waiting {
			q.quiet = p.c.settles(waiting) || q.quiet
			p.queue, p.first = push(p.queue, p.first, q)
		}
	}
	p.c.send()
}

// answered is told that the reply to the oldest question is complete.
func (p *classicConn) answered() {
	if p.first < len(p.queue) {
		p.queue[p.first] = question{}
		p.first++
	}
	p.columns = p.columns[:0]
}

// server names a server's frame.
func (p *classicConn) server(f *classic.Frame) {
	if p.state.Settle(f, true) {
		p.answered()
	}
	if f.Holed && !(p.state.InRows() && len(f.Payload) > 0 && f.Payload[0] < 0xfe) && p.state.Phase != classic.Streaming {
		p.c.fail(flow.Server, &classic.FormatError{Message: "reply", Reason: "a part of it is lost"})
		return
	}
	compressed := p.state.Compressed != classic.Uncompressed
	part, done, err := p.state.Server(f)
	if err != nil {
		p.c.fail(flow.Server, err)
		return
	}
	if part == classic.PartTrailing {
		if !p.trailing {
			p.trailing = true
			p.c.note("the server goes on after the end")
		}
		return
	}
	m := p.c.begin(flow.Server, p.serverName(part, f), f.Wire)
	m.Compressed = compressed
	if p.c.t.options.Detail {
		p.serverFields(m, part, f)
	}
	p.c.send()
	if done {
		p.answered()
	}
	if part == classic.PartLoginOK && p.state.Compressed != classic.Uncompressed {
		for i := range p.framer {
			p.framer[i].SetCompression(p.state.Compressed)
		}
	}
}

func (p *classicConn) serverName(part classic.ServerPart, f *classic.Frame) string {
	switch part {
	case classic.PartOK, classic.PartRowsEnd:
		if p.state.OK.EOF {
			return "EOF"
		}
	case classic.PartStream:
		switch {
		case len(f.Payload) > 0 && f.Payload[0] == 0xff:
			return "ERR"
		case len(f.Payload) > 0 && f.Payload[0] == 0xfe && f.Size <= 5:
			return "EOF"
		case p.binlog:
			return "BINLOG_EVENT"
		}
	}
	return serverPartNames[part]
}
