package classictest

import (
	"fmt"
	"strings"

	"myreplay/classic"
	"myreplay/wire"
)

// maxShown is how much of a text a description shows.
const maxShown = 80

func shorten(b []byte) string {
	if len(b) > maxShown {
		return fmt.Sprintf("%s... %d bytes", b[:maxShown/2], len(b))
	}
	return string(b)
}

// line joins words that are not empty.
func line(words ...string) string {
	kept := words[:0]
	for _, w := range words {
		if w != "" {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, " ")
}

// prepared notes how many parameters a statement has, from the line that
// answers its Prepare.
func (p *Peer) prepared(text string) {
	var id uint32
	var n int
	if _, err := fmt.Sscanf(text, "prepared %v %d", &id, &n); err == nil {
		p.params[id] = n
	}
}

var commandWords = map[classic.Code]string{classic.ComStmtClose: "close", classic.ComStmtReset: "reset", classic.ComProcessKill: "kill",
	classic.ComPing: "ping", classic.ComQuit: "quit", classic.ComStatistics: "statistics", classic.ComResetConnection: "resetconnection"}

// describe names a command as a script's line does, but for its "C". Query
// attributes, which scripts can't write, are counted.
func (p *Peer) describe(payload []byte) string {
	code := classic.Code(payload[0])
	r := wire.NewReader(payload[1:])
	switch code {
	case classic.ComQuery:
		var q classic.Query
		if err := q.Decode(payload, p.State.Caps); err != nil {
			return "query ? " + err.Error()
		}
		attributes := ""
		if n := len(q.Attributes); n > 0 {
			attributes = fmt.Sprintf("[attributes: %d]", n)
		}
		return line("query", attributes, shorten(q.SQL))
	case classic.ComStmtPrepare:
		return line("prepare", shorten(r.Rest()))
	case classic.ComStmtExecute:
		return p.describeExecute(payload)
	case classic.ComStmtBulkExecute:
		id := r.Uint32()
		return fmt.Sprintf("bulk %d %x", id, r.Rest())
	case classic.ComStmtFetch:
		return fmt.Sprintf("fetch %d %d", r.Uint32(), r.Uint32())
	case classic.ComStmtSendLongData:
		id, param := r.Uint32(), r.Uint16()
		if p.long[id] == nil {
			p.long[id] = map[int]bool{}
		}
		p.long[id][int(param)] = true
		return line(fmt.Sprintf("longdata %d %d", id, param), shorten(r.Rest()))
	case classic.ComStmtClose, classic.ComStmtReset, classic.ComProcessKill:
		return fmt.Sprintf("%s %d", commandWords[code], r.Uint32())
	case classic.ComInitDB:
		return line("use", shorten(r.Rest()))
	case classic.ComFieldList:
		return line("fieldlist", string(r.NulString()))
	case classic.ComSetOption:
		return fmt.Sprintf("setoption %d", r.Uint16())
	case classic.ComChangeUser:
		return p.describeChangeUser(payload)
	}
	if w := commandWords[code]; w != "" {
		return w
	}
	return fmt.Sprintf("command %x", payload)
}

func (p *Peer) describeChangeUser(payload []byte) string {
	var c classic.ChangeUser
	if err := c.Decode(payload, p.State.Caps); err != nil {
		return "changeuser ? " + err.Error()
	}
	schema := ""
	if c.Schema != "" {
		schema = "schema=" + c.Schema
	}
	return line("changeuser", "user="+c.User, schema)
}

func (p *Peer) describeExecute(payload []byte) string {
	id, err := classic.StatementID(payload)
	if err != nil {
		return "execute ? " + err.Error()
	}
	var e classic.Execute
	if err := e.Decode(payload, p.State.Caps, p.params[id]); err != nil {
		return fmt.Sprintf("execute %d ? %v", id, err)
	}
	words := []string{"execute", fmt.Sprint(id)}
	if e.Flags&classic.ExecuteCursorReadOnly != 0 {
		words = append(words, "cursor")
	}
	if e.Count > 0 && !e.Typed {
		return line(append(words, "untyped", fmt.Sprintf("%x", payload[10:]))...)
	}
	list, err := e.Params(nil, func(i int) bool { return p.long[id][i] })
	delete(p.long, id)
	if err != nil {
		return line(append(words, "?", err.Error())...)
	}
	for i, v := range list {
		words = append(words, value(v))
		if i+1 == p.params[id] && len(list) > i+1 {
			words = append(words, fmt.Sprintf("[attributes: %d]", len(list)-i-1))
			break
		}
	}
	return line(words...)
}

func value(v classic.Param) string {
	switch {
	case v.Long:
		return "LONG"
	case v.Null:
		return "NULL"
	}
	return shorten(classic.AppendText(nil, v.Value, v.Type, v.Unsigned))
}
