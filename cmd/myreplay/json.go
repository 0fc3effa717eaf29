package main

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"time"
	"unicode/utf8"

	"myreplay/classic"
	"myreplay/session"
)

// jsonEvent is one line of show --json. docs/FORMAT.md, "JSON lines", describes
// the fields; other programs read them.
type jsonEvent struct {
	Session uint64 `json:"session"`
	Seq     uint64 `json:"seq,omitempty"`
	At      string `json:"at"`
	Kind    string `json:"kind"`

	// start
	Protocol   string `json:"protocol,omitempty"`
	Client     string `json:"client,omitempty"`
	Server     string `json:"server,omitempty"`
	Version    string `json:"version,omitempty"`
	Connection uint32 `json:"connection,omitempty"`
	User       string `json:"user,omitempty"`
	Schema     string `json:"schema,omitempty"`
	Joined     bool   `json:"joined,omitempty"`
	Encrypted  bool   `json:"encrypted,omitempty"`
	Replays    uint64 `json:"replays,omitempty"`
	Copy       uint32 `json:"copy,omitempty"`
	// What the server told of a session that was joined in mid-life.
	SessionState *jsonState `json:"session_state,omitempty"`

	// command
	Command   string `json:"command,omitempty"`
	SQL       string `json:"sql,omitempty"`
	Statement uint32 `json:"statement,omitempty"`
	Params    []any  `json:"params,omitempty"`
	Size      uint64 `json:"size,omitempty"`
	Masked    bool   `json:"masked,omitempty"`
	Cut       bool   `json:"cut,omitempty"`
	Skipped   string `json:"skipped,omitempty"`
	LagUS     *int64 `json:"lag_us,omitempty"`

	// reply
	*jsonResult
	Lost     bool           `json:"lost,omitempty"`
	Prepared *jsonPrepared  `json:"prepared,omitempty"`
	Bytes    uint64         `json:"bytes,omitempty"`
	TookUS   *int64         `json:"took_us,omitempty"`
	FirstUS  *int64         `json:"first_us,omitempty"`
	More     []jsonResult   `json:"more,omitempty"`
	Refused  *session.Error `json:"refused,omitempty"`

	// gap, end
	Side      string `json:"side,omitempty"`
	LostBytes uint64 `json:"lost_bytes,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Detail    string `json:"detail,omitempty"`
}

type jsonPrepared struct {
	Statement uint32 `json:"statement"`
	Params    uint16 `json:"params"`
	Columns   uint16 `json:"columns"`
}

// jsonResult is one result of a reply.
type jsonResult struct {
	// Outcome is ok, rows, error, cursor or text.
	Outcome  string       `json:"outcome,omitempty"`
	Code     uint16       `json:"code,omitempty"`
	State    string       `json:"state,omitempty"`
	Error    string       `json:"error,omitempty"`
	Rows     *uint64      `json:"rows,omitempty"`
	Affected *uint64      `json:"affected,omitempty"`
	InsertID uint64       `json:"insert_id,omitempty"`
	Warnings uint16       `json:"warnings,omitempty"`
	Status   uint16       `json:"status,omitempty"`
	Info     string       `json:"info,omitempty"`
	Columns  []string     `json:"columns,omitempty"`
	Notices  []jsonNotice `json:"notices,omitempty"`
	Digest   string       `json:"digest,omitempty"`
	Unsorted string       `json:"digest_unordered,omitempty"`
	RowData  [][]*string  `json:"row_data,omitempty"`
}

// jsonPrinter prints an event a line.
type jsonPrinter struct {
	*lines
	sent map[replyKey]int64 // when commands that wait for a reply were sent
	who  map[uint64]*who
	buf  bytes.Buffer
}

// who is behind a session: repeated on its commands, for programs that look at
// lines one by one.
type who struct{ client, user, schema string }

func (p *jsonPrinter) event(e session.Event) error {
	defer p.see(e)
	if p.sent == nil {
		p.sent, p.who = map[replyKey]int64{}, map[uint64]*who{}
	}
	id, at := e.Key()
	j := &jsonEvent{Session: id, At: time.Unix(0, at).UTC().Format(time.RFC3339Nano)}
	switch e := e.(type) {
	case *session.Start:
		p.start(j, e)
	case *session.Command:
		whole, sql := p.command(e)
		if !p.wanted(sql) {
			return nil
		}
		p.jsonCommand(j, whole, sql)
		if e.Kind.HasReply() && e.Skipped == session.NotSkipped {
			p.sent[replyKey{id, e.Seq}] = e.At
		}
	case *session.Reply:
		k := replyKey{id, e.Seq}
		sent, ok := p.sent[k]
		delete(p.sent, k)
		if p.match != "" && !ok {
			return nil
		}
		p.reply(j, e, sent)
	case *session.Gap:
		j.Kind, j.Reason, j.Detail, j.LostBytes, j.Side = "gap", e.Reason.String(), e.Detail, e.Lost, "server"
		if e.Client {
			j.Side = "client"
		}
	case *session.End:
		j.Kind, j.Reason, j.Detail = "end", e.Reason.String(), e.Detail
		delete(p.who, id)
	}
	p.buf.Reset()
	enc := json.NewEncoder(&p.buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(j); err != nil {
		return err
	}
	return p.line("%s", bytes.TrimRight(p.buf.Bytes(), "\n"))
}

func (p *jsonPrinter) end() error { return nil }

func addrText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func (p *jsonPrinter) start(j *jsonEvent, s *session.Start) {
	j.Kind, j.Protocol = "start", s.Protocol.String()
	j.Client, j.Server = addrText(s.Client), addrText(s.Server)
	j.Version, j.Connection, j.User, j.Schema = s.ServerVersion, s.ConnectionID, s.Login.User, s.Login.Schema
	j.Joined, j.Encrypted, j.Replays, j.Copy, j.Refused = s.Joined, s.Encrypted, s.Of, s.Copy, s.Refused
	p.who[s.ID] = &who{j.Client, j.User, j.Schema}
	j.SessionState = stateJSON(s.State)
}

func (p *jsonPrinter) jsonCommand(j *jsonEvent, c *session.Command, sql []byte) {
	j.Kind, j.Seq, j.Command, j.SQL = "command", c.Seq, c.Kind.String(), string(sql)
	j.Size, j.Masked, j.Cut, j.Skipped = c.Size, c.Masked, c.Cut, c.Skipped.String()
	if c.Kind.OnStatement() {
		j.Statement = c.Statement
	}
	if w := p.who[c.ID]; w != nil {
		j.Client, j.User, j.Schema = w.client, w.user, w.schema
		switch {
		case c.Login != nil:
			w.user, w.schema = c.Login.User, c.Login.Schema
			j.User, j.Schema = w.user, w.schema
		case c.Kind == session.UseSchema && len(c.Payload) > 1:
			w.schema = string(c.Payload[1:])
			j.Schema = w.schema
		}
	}
	if c.Due != 0 && c.At != 0 {
		lag := (c.At - c.Due) / 1000
		j.LagUS = &lag
	}
	j.Params = p.params.json(c)
}

// jsonParam returns a parameter as JSON has it: numbers as numbers, text as
// text, bytes that are none as {"hex": ...}.
func jsonParam(v classic.Param) any {
	switch {
	case v.Null:
		return nil
	case v.Long:
		return map[string]bool{"long_data": true}
	case v.Type.IsInteger() && v.Unsigned:
		return classic.Integer(v.Value, true)
	case v.Type.IsInteger():
		return int64(classic.Integer(v.Value, false))
	}
	text := string(classic.AppendText(nil, v.Value, v.Type, v.Unsigned))
	switch v.Type {
	case classic.TypeFloat, classic.TypeDouble, classic.TypeDecimal, classic.TypeNewDecimal:
		if json.Valid([]byte(text)) {
			return json.Number(text)
		}
	}
	if !utf8.ValidString(text) {
		return map[string]string{"hex": hexText(text)}
	}
	return text
}

func hexText(s string) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		b = append(b, digits[s[i]>>4], digits[s[i]&15])
	}
	return string(b)
}

func (p *jsonPrinter) reply(j *jsonEvent, r *session.Reply, sent int64) {
	j.Kind, j.Seq, j.Lost, j.Bytes = "reply", r.Seq, r.Lost, r.Bytes
	if sent != 0 {
		took, first := (r.Last-sent)/1000, (r.First-sent)/1000
		j.TookUS, j.FirstUS = &took, &first
	}
	if r.Prepared != nil {
		j.Prepared = &jsonPrepared{r.Prepared.Statement, r.Prepared.Params, r.Prepared.Columns}
		j.jsonResult = &jsonResult{Outcome: session.OK.String()}
	}
	for i := range r.Results {
		for _, ch := range r.Results[i].Changes {
			if w := p.who[r.ID]; w != nil && ch.Kind == session.SchemaChange {
				w.schema = ch.Value
			}
		}
		res := resultJSON(p.protocols[r.ID], &r.Results[i])
		if i == 0 {
			j.jsonResult = &res
		} else {
			j.More = append(j.More, res)
		}
	}
}

func resultJSON(protocol session.Protocol, r *session.Result) jsonResult {
	j := jsonResult{Outcome: r.Outcome.String(), InsertID: r.InsertID, Warnings: r.Warnings, Status: r.Status, Info: r.Info}
	if r.Error != nil {
		j.Code, j.State, j.Error = r.Error.Code, r.Error.State, r.Error.Message
	}
	switch r.Outcome {
	case session.OK:
		j.Affected = &r.Affected
	case session.Rows:
		j.Rows = &r.Rows
	case session.Opened:
		if r.Rows > 0 {
			j.Rows = &r.Rows
		}
	}
	j.Notices = noticesJSON(r.Changes)
	if r.Columns != nil {
		for _, c := range r.Columns.List {
			j.Columns = append(j.Columns, c.Name)
		}
	}
	if r.Outcome == session.Rows && r.Digest.Valid {
		j.Digest = hexDigest(r.Digest.Ordered)
		if r.Digest.Unordered != r.Digest.Ordered {
			j.Unsorted = hexDigest(r.Digest.Unordered)
		}
	}
	for _, row := range r.Kept {
		if values, ok := rowValues(protocol, r, row); ok {
			j.RowData = append(j.RowData, values)
		}
	}
	return j
}

// jsonNotice is one notice of the X Protocol that came with a result.
type jsonNotice struct {
	Kind  string `json:"kind"`
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
}

func noticesJSON(changes []session.Change) (list []jsonNotice) {
	for _, c := range changes {
		if word := noticeWords[c.Kind]; word != "" {
			list = append(list, jsonNotice{word, c.Name, c.Value})
		}
	}
	return list
}

func hexDigest(v uint64) string {
	b := make([]byte, 8)
	for i := range b {
		b[i] = byte(v >> (56 - 8*i))
	}
	return hexText(string(b))
}
