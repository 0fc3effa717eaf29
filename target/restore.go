package target

import (
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"myreplay/classic"
	"myreplay/session"
)

const (
	// maxName is how long the name of a variable or a statement may be: longer
	// ones than MySQL's 64 characters no server has.
	maxName = 64
	// textVariable holds the text of a statement to be prepared by name; it is
	// NULL afterwards.
	textVariable = "@`myreplay_text`"
)

// stateStep is a command that gives a session a part of its state.
type stateStep struct {
	cmd *session.Command
	// source is the source's id of the statement that cmd prepares.
	source uint32
	// aside: it only serves another step.
	aside bool
}

// restore gives the session what it had before its recording began: variables,
// statements prepared by name, the user's variables, prepared statements. What
// the server refuses is counted.
func (c *Conn) restore(st *session.State) error {
	if st == nil {
		return nil
	}
	limit := time.AfterFunc(c.server.options.ConnectTimeout, func() { c.abort(ErrConnectTimeout) })
	defer limit.Stop()
	steps := c.stateSteps(st)
	for len(steps) > 0 {
		n := min(len(steps), maxPending)
		if err := c.restoreSome(steps[:n]); err != nil {
			return &ConnectError{Step: "state", User: c.seen.Login.User, Err: err}
		}
		steps = steps[n:]
	}
	c.source.last = nil
	return nil
}

// restoreSome does steps in one go.
func (c *Conn) restoreSome(steps []stateStep) error {
	list := make([]*session.Command, len(steps))
	for i := range steps {
		list[i] = steps[i].cmd
		list[i].Seq = uint64(i + 1)
	}
	answers, err := c.DoAll(list)
	if err != nil {
		return err
	}
	counts := &c.server.counts
	for i, a := range answers {
		s := &steps[i]
		if s.cmd.Kind == session.Prepare {
			c.known(s, a.Reply)
		}
		switch {
		case a.Reply == nil:
			counts.unknown.Add(1)
		case a.Reply.Err() != nil:
			counts.refused.Add(1)
			counts.stateError.Store(a.Reply.Err())
		case !s.aside:
			counts.restored.Add(1)
		}
	}
	return nil
}

// known gives a statement that was prepared anew the id that the session's
// commands name it by. Parts of its parameters may have been sent before.
func (c *Conn) known(s *stateStep, r *session.Reply) {
	learned := session.Reply{Seq: s.cmd.Seq}
	if r != nil && r.Prepared != nil {
		p := *r.Prepared
		p.Statement = s.source
		learned.Prepared = &p
	}
	c.Learn(&learned)
	if st := c.source.byID[s.source]; st != nil {
		st.doubtfulLong = true
	}
}

// stateSteps returns the commands that restore a state. Their text is ASCII,
// but for that of prepared statements: they come behind the variables that say
// how it is to be read.
func (c *Conn) stateSteps(st *session.State) (steps []stateStep) {
	add := func(sql string, aside bool) {
		p := append([]byte{byte(classic.ComQuery)}, sql...)
		steps = append(steps, stateStep{cmd: &session.Command{Kind: session.Query, Payload: p, SQL: p[1:]}, aside: aside})
	}
	collation := collationNames[c.state.Login.Collation]
	for _, v := range st.Variables {
		if strings.EqualFold(v.Name, "collation_connection") {
			collation = v.Value
		}
		if name, ok := c.quoted(v.Name); ok {
			add("SET SESSION "+name+" = "+value(&v, ""), false)
		}
	}
	named := false
	for i := range st.Prepared {
		if p := &st.Prepared[i]; p.Name != "" && p.SQL != nil {
			if name, ok := c.quoted(p.Name); ok {
				add("SET "+textVariable+" = x'"+hex.EncodeToString(p.SQL)+"'", true)
				add("PREPARE "+name+" FROM "+textVariable, false)
				named = true
			}
		}
	}
	if named {
		add("SET "+textVariable+" = NULL", true)
	}
	for i := range st.UserVariables {
		v := &st.UserVariables[i]
		if name, ok := c.quoted(v.Name); ok {
			add("SET @"+name+" = "+value(v, collation), false)
		}
	}
	return append(steps, c.prepareSteps(st.Prepared)...)
}

// prepareSteps returns the commands that prepare the protocol's statements.
func (c *Conn) prepareSteps(list []session.PreparedState) (steps []stateStep) {
	for i := range list {
		switch p := &list[i]; {
		case p.SQL == nil:
			c.server.counts.unknown.Add(1)
		case p.Name == "":
			b := append([]byte{byte(classic.ComStmtPrepare)}, p.SQL...)
			steps = append(steps, stateStep{cmd: &session.Command{Kind: session.Prepare, Payload: b, SQL: b[1:]}, source: p.Statement})
		}
	}
	return steps
}

// quoted returns a name in backticks; false, and it is counted, where that may be
// read in another way: in some character sets a backtick is part of a letter.
func (c *Conn) quoted(name string) (string, bool) {
	ok := name != "" && len(name) <= maxName
	for i := range len(name) {
		ok = ok && name[i] >= ' ' && name[i] < 0x7f && name[i] != '`'
	}
	if !ok {
		c.server.counts.unknown.Add(1)
	}
	return "`" + name + "`", ok
}

// value returns a variable's value as SQL. A text without a collation is that of
// a system variable.
func value(v *session.Variable, collation string) string {
	switch {
	case v.Null:
		return "NULL"
	case v.Number && isNumber(v.Value):
		return v.Value
	case collation != "" && isPlain(v.Value):
		return "'" + v.Value + "'" // the connection's collation
	}
	literal := "x'" + hex.EncodeToString([]byte(v.Value)) + "'"
	charset, _, ok := strings.Cut(collation, "_")
	if !ok || !isWord(collation) || strings.HasPrefix(charset, "utf8") && !utf8.ValidString(v.Value) {
		return literal
	}
	return "_" + charset + " " + literal + " COLLATE " + collation
}

// isPlain tells whether a text between single quotes reads as itself in every
// character set and SQL mode.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f || s[i] == '\'' || s[i] == '\\' {
			return false
		}
	}
	return true
}

func isWord(s string) bool {
	for i := range len(s) {
		if b := s[i] | 0x20; (b < 'a' || b > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '_' {
			return false
		}
	}
	return s != ""
}

// isNumber tells whether a value reads as a number like -1.50.
func isNumber(s string) bool {
	whole, fraction, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	return isDigits(whole) && (!point || isDigits(fraction))
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// collationNames are the collations that clients commonly log in with, by id.
var collationNames = map[byte]string{8: "latin1_swedish_ci", 28: "gbk_chinese_ci", 33: "utf8mb3_general_ci", 45: "utf8mb4_general_ci",
	46: "utf8mb4_bin", 47: "latin1_bin", 48: "latin1_general_ci", 83: "utf8mb3_bin", 192: "utf8mb3_unicode_ci", 224: "utf8mb4_unicode_ci",
	246: "utf8mb4_unicode_520_ci", 255: "utf8mb4_0900_ai_ci"}
