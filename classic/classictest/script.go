// Package classictest writes conversations of the classic protocol as text, for
// the tests of every room that reads or answers them. One line is one message:
//
//	S greeting version=8.4.0 id=7
//	C login user=app schema=shop
//	S ok
//	C query select a from t
//	S rows a:int b:varchar | 1 x | 2 NULL
//
// The numbers and capabilities that follow from what was said before (sequence
// ids, EOF packets, compression) are put in by the Script.
package classictest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"myreplay/classic"
	"myreplay/wire"
)

// Message is the bytes of one line: what one side sends at one moment.
type Message struct {
	// Server tells who sends it.
	Server bool
	// Line is the line that it was made from.
	Line  string
	Bytes []byte
}

// DefaultCaps are the capabilities of both sides unless a line says otherwise.
const DefaultCaps = classic.LongPassword | classic.Protocol41 | classic.SecureConnection | classic.PluginAuth |
	classic.PluginAuthLenenc | classic.Transactions | classic.MultiResults | classic.PSMultiResults | classic.LocalFiles |
	classic.MultiStatements | classic.SessionTrack | classic.DeprecateEOF

// Script turns lines into messages. The zero Script is at the beginning of a
// connection.
type Script struct {
	caps     classic.Capability
	greeting classic.Greeting
	seq      byte
	packed   classic.Deflater
	packSeq  byte
	pending  classic.Compression
	binary   bool
	columns  []column
}

type column struct {
	name, table string
	typ         classic.Type
	flags       uint16
}

// Parse turns a text of lines into messages. Empty lines and lines that begin
// with # are passed over.
func (s *Script) Parse(text string) ([]Message, error) {
	var list []Message
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		m, err := s.Line(line)
		if err != nil {
			return list, fmt.Errorf("%q: %w", line, err)
		}
		list = append(list, m)
	}
	return list, nil
}

// Line turns one line into a message.
func (s *Script) Line(line string) (Message, error) {
	side, rest, _ := strings.Cut(line, " ")
	word, args, _ := strings.Cut(strings.TrimSpace(rest), " ")
	m := Message{Server: side == "S", Line: line}
	var plain []byte
	var err error
	switch side {
	case "C":
		plain, err = s.client(word, strings.TrimSpace(args))
	case "S":
		plain, err = s.server(word, strings.TrimSpace(args))
	default:
		return m, fmt.Errorf("a line begins with C or S")
	}
	if err != nil {
		return m, err
	}
	m.Bytes = plain
	if word != "raw" && s.packed.Algorithm != classic.Uncompressed {
		if !m.Server {
			s.packSeq = 0
		}
		m.Bytes, s.packSeq, err = s.packed.Append(nil, s.packSeq, plain)
	}
	if s.pending != classic.Uncompressed && m.Server && word == "ok" {
		s.packed.Algorithm, s.pending = s.pending, classic.Uncompressed
	}
	return m, err
}

// frame makes one frame of a payload.
func (s *Script) frame(dst, payload []byte) []byte {
	dst, s.seq = classic.AppendFrames(dst, s.seq, payload)
	return dst
}

// client makes a client's message.
func (s *Script) client(word, args string) ([]byte, error) {
	switch word {
	case "raw":
		return hex.DecodeString(strings.ReplaceAll(args, " ", ""))
	case "login", "ssl":
		return s.login(word, fields(args))
	case "auth", "data":
		return s.frame(nil, text(args)), nil
	}
	payload, err := s.command(word, args)
	if err != nil {
		return nil, err
	}
	s.seq = 0
	s.binary = payload[0] == byte(classic.ComStmtExecute) || payload[0] == byte(classic.ComStmtFetch)
	return s.frame(nil, payload), nil
}

func (s *Script) login(word string, f map[string]string) ([]byte, error) {
	l := classic.Login{Capabilities: DefaultCaps, MaxPacket: 1 << 24, Collation: 45, User: f["user"], Schema: f["schema"],
		Auth: []byte("secret-scramble-1234"), Plugin: "mysql_native_password"}
	if f["plugin"] != "" {
		l.Plugin = f["plugin"]
	}
	if l.Schema != "" {
		l.Capabilities |= classic.ConnectWithDB
	}
	if err := adjust(&l.Capabilities, f); err != nil {
		return nil, err
	}
	if word == "ssl" {
		l.Capabilities |= classic.SSL
		return s.frame(nil, l.AppendSSLRequest(nil)), nil
	}
	s.caps = s.greeting.Capabilities & l.Capabilities
	s.pending = classic.CompressionOf(s.caps)
	return s.frame(nil, l.Append(nil)), nil
}

// adjust adds the capabilities named in with= and takes away those in
// without=.
func adjust(c *classic.Capability, f map[string]string) error {
	for key, on := range map[string]bool{"with": true, "without": false} {
		for _, n := range strings.FieldsFunc(f[key], func(r rune) bool { return r == ',' }) {
			bit, ok := capabilityByName(n)
			if !ok {
				return fmt.Errorf("no capability %s", n)
			}
			if on {
				*c |= bit
			} else {
				*c &^= bit
			}
		}
	}
	return nil
}

func capabilityByName(n string) (classic.Capability, bool) {
	for i := range 64 {
		if c := classic.Capability(1) << i; c.String() == n {
			return c, true
		}
	}
	return 0, false
}

func (s *Script) command(word, args string) ([]byte, error) {
	id := func(code classic.Code) ([]byte, error) {
		n, err := strconv.ParseUint(args, 0, 32)
		return wire.AppendUint32([]byte{byte(code)}, uint32(n)), err
	}
	switch word {
	case "query":
		return classic.AppendQuery(nil, s.caps, text(args)), nil
	case "prepare":
		return append([]byte{byte(classic.ComStmtPrepare)}, text(args)...), nil
	case "execute":
		return s.execute(args)
	case "fetch":
		var stmt, rows uint32
		if _, err := fmt.Sscan(args, &stmt, &rows); err != nil {
			return nil, err
		}
		return wire.AppendUint32(wire.AppendUint32([]byte{byte(classic.ComStmtFetch)}, stmt), rows), nil
	case "longdata":
		f := strings.SplitN(args, " ", 3)
		if len(f) < 3 {
			return nil, fmt.Errorf("longdata STATEMENT PARAM DATA")
		}
		stmt, _ := strconv.ParseUint(f[0], 0, 32)
		param, _ := strconv.ParseUint(f[1], 0, 16)
		b := wire.AppendUint32([]byte{byte(classic.ComStmtSendLongData)}, uint32(stmt))
		return append(wire.AppendUint16(b, uint16(param)), text(f[2])...), nil
	case "close":
		return id(classic.ComStmtClose)
	case "reset":
		return id(classic.ComStmtReset)
	case "kill":
		return id(classic.ComProcessKill)
	case "quit":
		return []byte{byte(classic.ComQuit)}, nil
	case "ping":
		return []byte{byte(classic.ComPing)}, nil
	case "statistics":
		return []byte{byte(classic.ComStatistics)}, nil
	case "resetconnection":
		return []byte{byte(classic.ComResetConnection)}, nil
	case "binlogdump":
		return append([]byte{byte(classic.ComBinlogDump)}, make([]byte, 10)...), nil
	case "use":
		return append([]byte{byte(classic.ComInitDB)}, args...), nil
	case "fieldlist":
		return append(append([]byte{byte(classic.ComFieldList)}, args...), 0), nil
	case "setoption":
		n, err := strconv.ParseUint(args, 0, 16)
		return wire.AppendUint16([]byte{byte(classic.ComSetOption)}, uint16(n)), err
	case "changeuser":
		f := fields(args)
		c := classic.ChangeUser{User: f["user"], Schema: f["schema"], Auth: []byte("secret-scramble-5678"), Plugin: "mysql_native_password", Collation: 45}
		return c.Append(nil, s.caps), nil
	case "command":
		return hex.DecodeString(strings.ReplaceAll(args, " ", ""))
	}
	return nil, fmt.Errorf("no command %s", word)
}

// execute makes an Execute: STATEMENT [cursor] [untyped] [value ...], where a
// value is an integer, NULL, LONG (sent ahead) or text.
func (s *Script) execute(args string) ([]byte, error) {
	f := strings.Fields(args)
	if len(f) == 0 {
		return nil, fmt.Errorf("want: execute STATEMENT VALUE..., got nothing")
	}
	stmt, err := strconv.ParseUint(f[0], 0, 32)
	if err != nil {
		return nil, err
	}
	var flags byte
	var list []classic.Param
	untyped := false
	for _, v := range f[1:] {
		switch v {
		case "cursor":
			flags |= classic.ExecuteCursorReadOnly
		case "untyped":
			untyped = true
		default:
			list = append(list, param(v))
		}
	}
	if s.caps.Has(classic.QueryAttributes) {
		flags |= classic.ExecuteParamCount
	}
	payload := classic.AppendExecute(nil, s.caps, uint32(stmt), flags, list)
	if untyped && len(list) > 0 {
		payload = s.withoutTypes(payload, len(list))
	}
	return payload, nil
}

// withoutTypes takes the types of n parameters out of an Execute.
func (s *Script) withoutTypes(payload []byte, n int) []byte {
	at, each := 10+(n+7)/8, 2
	if s.caps.Has(classic.QueryAttributes) {
		at, each = at+wire.LenencLen(uint64(n)), 3 // the count; an empty name each
	}
	payload[at] = 0
	return append(payload[:at+1], payload[at+1+each*n:]...)
}

func param(v string) classic.Param {
	switch v {
	case "NULL":
		return classic.Param{ParamType: classic.ParamType{Type: classic.TypeNull}, Null: true}
	case "LONG":
		return classic.Param{ParamType: classic.ParamType{Type: classic.TypeBlob}, Long: true}
	}
	if n, err := strconv.ParseInt(v, 0, 64); err == nil {
		return classic.Param{ParamType: classic.ParamType{Type: classic.TypeLongLong}, Value: wire.AppendUint64(nil, uint64(n))}
	}
	return classic.Param{ParamType: classic.ParamType{Type: classic.TypeVarString}, Value: text(v)}
}

// fields reads key=value words.
func fields(args string) map[string]string {
	m := map[string]string{}
	for _, w := range strings.Fields(args) {
		k, v, _ := strings.Cut(w, "=")
		m[k] = v
	}
	return m
}

// text reads an argument: as it is, or "x*N" for x repeated N times.
func text(args string) []byte {
	if i := strings.LastIndexByte(args, '*'); i > 0 {
		if n, err := strconv.Atoi(args[i+1:]); err == nil && !strings.Contains(args, " ") {
			return bytes.Repeat([]byte(args[:i]), n)
		}
	}
	return []byte(args)
}
