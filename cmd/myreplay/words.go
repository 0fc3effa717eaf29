package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"myreplay/classic"
	"myreplay/compare"
	"myreplay/session"
	"myreplay/sqltext"
)

// params reads the parameters of executions. It remembers what their layout
// depends on: the session's capabilities, the number of a statement's
// parameters, the types sent last. The zero params is ready.
type params struct {
	sessions map[uint64]*sessionParams
}

type sessionParams struct {
	x          bool
	caps       classic.Capability
	statements map[uint32]*statementParams
}

type statementParams struct {
	count int
	types []classic.ParamType
	long  []uint16
}

// session returns what is known of a session. Of a damaged capture its Start may
// be missing.
func (p *params) session(id uint64) *sessionParams {
	s := p.sessions[id]
	if s == nil {
		if p.sessions == nil {
			p.sessions = map[uint64]*sessionParams{}
		}
		s = &sessionParams{statements: map[uint32]*statementParams{}}
		p.sessions[id] = s
	}
	return s
}

// see takes note of an event.
func (p *params) see(e session.Event) {
	switch e := e.(type) {
	case *session.Start:
		s := p.session(e.ID)
		s.caps, s.x = classic.Capability(e.Login.Capabilities), e.Protocol == session.X
	case *session.Reply:
		if e.Prepared != nil {
			p.session(e.ID).statements[e.Prepared.Statement] = &statementParams{count: int(e.Prepared.Params)}
		}
	case *session.Command:
		switch e.Kind {
		case session.LongData:
			p.session(e.ID).longData(e)
		case session.CloseStatement, session.Deallocate:
			delete(p.session(e.ID).statements, e.Statement)
		}
	case *session.End:
		delete(p.sessions, e.ID)
	}
}

func (s *sessionParams) longData(c *session.Command) {
	var l classic.LongData
	if st := s.statements[c.Statement]; st != nil && l.Decode(c.Payload) == nil {
		st.long = append(st.long, l.Param)
	}
}

// of returns the parameters of an execution that passes, false when they can't
// be read.
func (p *params) of(c *session.Command) ([]classic.Param, bool) {
	s := p.session(c.ID)
	st := s.statements[c.Statement]
	if c.Kind != session.Execute || st == nil || c.Masked || c.Cut {
		return nil, false
	}
	var e classic.Execute
	if e.Decode(c.Payload, s.caps, st.count) != nil {
		return nil, false
	}
	if e.Typed {
		st.types = append(st.types[:0], e.Types...)
	}
	long := st.long
	st.long = nil
	list, err := e.Params(st.types, func(i int) bool { return slices.Contains(long, uint16(i)) })
	if err != nil {
		return nil, false
	}
	return list, true
}

// texts returns the parameters of a command that passes, with commas between
// them; "" when there are none or they can't be read.
func (p *params) texts(c *session.Command) string {
	if p.session(c.ID).x {
		return strings.Join(xArgTexts(xArgs(c)), ", ")
	}
	list, _ := p.of(c)
	return paramTexts(list)
}

// json returns them as JSON has them.
func (p *params) json(c *session.Command) (values []any) {
	if p.session(c.ID).x {
		return xArgsJSON(xArgs(c))
	}
	list, _ := p.of(c)
	for _, v := range list {
		values = append(values, jsonParam(v))
	}
	return values
}

// text returns the parameters of an execution by itself, as text for a reader:
// for a report, which asks long after the command has passed.
func (p *params) text(c *session.Command, sql []byte) string {
	if p.session(c.ID).x {
		return strings.Join(xArgTexts(xArgs(c)), ", ")
	}
	if c.Kind != session.Execute || sql == nil {
		return ""
	}
	var e classic.Execute
	if e.Decode(c.Payload, p.session(c.ID).caps, placeholders(sql)) != nil || !e.Typed {
		return ""
	}
	list, err := e.Params(nil, nil)
	if err != nil {
		return ""
	}
	return paramTexts(list)
}

// placeholders counts the question marks of a statement.
func placeholders(sql []byte) int {
	n := 0
	s := sqltext.NewScanner(sql, sqltext.Options{})
	for t := s.Next(); t.Kind != sqltext.EOF; t = s.Next() {
		if t.Kind == sqltext.Param {
			n++
		}
	}
	return n
}

// paramTexts writes parameters with commas between them.
func paramTexts(list []classic.Param) string {
	var texts []string
	for _, v := range list {
		texts = append(texts, paramText(v))
	}
	return strings.Join(texts, ", ")
}

// paramText writes a parameter as SQL would.
func paramText(v classic.Param) string {
	switch {
	case v.Null:
		return "NULL"
	case v.Long:
		return "(long data)"
	}
	return valueText(v.Value, v.Type, v.Unsigned)
}

// maxValueText is how many bytes of a value are shown.
const maxValueText = 200

// valueText writes a binary value as SQL would.
func valueText(v []byte, t classic.Type, unsigned bool) string {
	text := string(classic.AppendText(nil, v, t, unsigned))
	if isNumber(t) {
		return text
	}
	return quoted(text)
}

func isNumber(t classic.Type) bool {
	switch t {
	case classic.TypeFloat, classic.TypeDouble, classic.TypeNewDecimal, classic.TypeDecimal:
		return true
	}
	return t.IsInteger()
}

// quoted writes a string for a reader, and bytes that are no text in hex.
func quoted(s string) string {
	more := ""
	if len(s) > maxValueText {
		more = fmt.Sprintf("... (%d bytes)", len(s))
		s = s[:maxValueText]
		for n := 0; n < utf8.UTFMax && !utf8.ValidString(s); n++ { // not within a character
			s = s[:len(s)-1]
		}
	}
	if !utf8.ValidString(s) {
		return fmt.Sprintf("x'%x'%s", s, more)
	}
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\r", `\r`, "\x00", `\0`).Replace(s) + "'" + more
}

// rowValues reads a kept row of a protocol; false when it can't be read. NULLs
// are nil.
func rowValues(p session.Protocol, r *session.Result, row []byte) ([]*string, bool) {
	if p == session.X {
		return xRowValues(r, row)
	}
	if r.Columns == nil {
		return nil, false
	}
	list := r.Columns.List
	values := make([]*string, len(list))
	yield := func(i int, v []byte, null bool) {
		if null {
			return
		}
		text := string(v)
		if r.Binary {
			text = string(classic.AppendText(nil, v, classic.Type(list[i].Type), list[i].Flags&classic.FlagUnsigned != 0))
		}
		values[i] = &text
	}
	var err error
	if r.Binary {
		err = classic.BinaryRow(row, len(list), func(i int) classic.Type { return classic.Type(list[i].Type) }, yield)
	} else {
		err = classic.TextRow(row, len(list), yield)
	}
	return values, err == nil
}

// wordsOf gives words for the rows and types of a protocol.
func wordsOf(p session.Protocol) compare.Protocol {
	isNumeric := func(c *session.Column) bool { return isNumber(classic.Type(c.Type)) }
	typeName := func(c *session.Column) string { return classic.Type(c.Type).String() }
	if p == session.X {
		isNumeric, typeName = isXNumber, xTypeName
	}
	return compare.Protocol{
		Row: func(r *session.Result, row []byte) string {
			values, ok := rowValues(p, r, row)
			if !ok {
				return "(a row of " + strconv.Itoa(len(row)) + " bytes)"
			}
			var texts []string
			for i, v := range values {
				switch {
				case v == nil:
					texts = append(texts, "NULL")
				case isNumeric(&r.Columns.List[i]):
					texts = append(texts, *v)
				default:
					texts = append(texts, quoted(*v))
				}
			}
			return "(" + strings.Join(texts, ", ") + ")"
		},
		Type: typeName,
	}
}
