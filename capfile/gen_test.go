package capfile

import (
	"math"
	"net/netip"

	"myreplay/session"

	"pgregory.net/rapid"
)

// The generators of events prefer values at the edges, and few sessions, so
// that what a block remembers of one event meets the next.

var (
	genU64 = rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64(),
		rapid.SampledFrom([]uint64{127, 128, 1 << 14, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, math.MaxUint64}))
	genU32   = rapid.OneOf(rapid.Uint32Range(0, 3), rapid.Uint32(), rapid.SampledFrom([]uint32{session.LastPrepared}))
	genU16   = rapid.OneOf(rapid.Uint16Range(0, 3), rapid.Uint16())
	genByte  = rapid.Byte()
	genBool  = rapid.Bool()
	genText  = rapid.OneOf(rapid.SampledFrom([]string{"", "a", "sbtest1", "Rows matched: 1  Changed: 1  Warnings: 0"}), rapid.String())
	genTimes = rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64(), rapid.Int64Range(1763697000_000000000, 1763697001_000000000),
		rapid.Map(rapid.Int64Range(1763697000_000000, 1763697001_000000), func(us int64) int64 { return us * 1000 }),
		rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, -1, -1000, 1000}))
	genID = rapid.OneOf(rapid.Uint64Range(0, 4), rapid.Uint64Range(0, 4), genU64)
)

func genAddr(t *rapid.T) netip.AddrPort {
	port := genU16.Draw(t, "port")
	var ip netip.Addr
	switch rapid.IntRange(0, 4).Draw(t, "family") {
	case 1:
		ip = netip.AddrFrom4([4]byte{192, 0, 2, genByte.Draw(t, "ip")})
	case 2:
		ip = netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 15: genByte.Draw(t, "ip")})
	case 3:
		ip = netip.AddrFrom16([16]byte{0xfe, 0x80, 15: 1}).WithZone("eth0")
	case 4:
		ip = netip.AddrFrom16(netip.MustParseAddr("::ffff:192.0.2.1").As16())
	}
	return netip.AddrPortFrom(ip, port)
}

// genBytes draws nil, empty, short and repeating byte strings.
func genBytes(t *rapid.T, label string) []byte {
	switch rapid.IntRange(0, 9).Draw(t, label) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2, 3, 4:
		return append([]byte("\x03SELECT c FROM sbtest1 WHERE id="), rapid.SliceOfN(genByte, 0, 6).Draw(t, label)...)
	case 5:
		n := rapid.IntRange(100, 300).Draw(t, label)
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i) | 1
		}
		return append(b, genByte.Draw(t, label))
	}
	return rapid.SliceOfN(genByte, 0, 40).Draw(t, label)
}

func genLogin(t *rapid.T) session.Login {
	l := session.Login{Known: genBool.Draw(t, "known"), User: genText.Draw(t, "user"), Schema: genText.Draw(t, "schema"),
		Capabilities: genU64.Draw(t, "capabilities"), Collation: genU16.Draw(t, "collation"), Plugin: genText.Draw(t, "plugin"),
		Compression: genText.Draw(t, "compression")}
	for range rapid.IntRange(0, 3).Draw(t, "attributes") {
		l.Attributes = append(l.Attributes, session.Attribute{Name: genText.Draw(t, "name"), Value: genText.Draw(t, "value")})
	}
	return l
}

func genError(t *rapid.T) *session.Error {
	if genBool.Draw(t, "error") {
		return nil
	}
	return &session.Error{Code: genU16.Draw(t, "code"), State: genText.Draw(t, "state"), Message: genText.Draw(t, "message")}
}

func genStart(t *rapid.T) session.Event {
	return &session.Start{ID: genID.Draw(t, "id"), At: genTimes.Draw(t, "at"), Of: genU64.Draw(t, "of"), Copy: genU32.Draw(t, "copy"),
		Protocol: session.Protocol(genByte.Draw(t, "protocol")), Client: genAddr(t), Server: genAddr(t),
		Joined: genBool.Draw(t, "joined"), Encrypted: genBool.Draw(t, "encrypted"), ServerVersion: genText.Draw(t, "version"),
		ConnectionID: genU32.Draw(t, "connection"), Login: genLogin(t), Refused: genError(t), State: genState(t)}
}

func genState(t *rapid.T) *session.State {
	if rapid.IntRange(0, 2).Draw(t, "state") != 0 {
		return nil
	}
	s := &session.State{Asked: genTimes.Draw(t, "asked"), Told: genTimes.Draw(t, "told"), Transaction: genBool.Draw(t, "transaction"),
		Variables: genVariables(t), UserVariables: genVariables(t)}
	for range rapid.IntRange(0, 3).Draw(t, "prepared") {
		s.Prepared = append(s.Prepared, session.PreparedState{Statement: genU32.Draw(t, "statement"), Name: genText.Draw(t, "name"), SQL: genBytes(t, "sql")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "unknown") {
		s.Unknown = append(s.Unknown, genText.Draw(t, "unknown"))
	}
	return s
}

func genVariables(t *rapid.T) (list []session.Variable) {
	for range rapid.IntRange(0, 3).Draw(t, "variables") {
		list = append(list, session.Variable{Name: genText.Draw(t, "name"), Value: string(genBytes(t, "value")),
			Null: genBool.Draw(t, "null"), Number: genBool.Draw(t, "number")})
	}
	return list
}

func genCommand(t *rapid.T) session.Event {
	c := &session.Command{ID: genID.Draw(t, "id"), Seq: genU64.Draw(t, "seq"), At: genTimes.Draw(t, "at"),
		Kind: session.Kind(rapid.SampledFrom([]byte{0, 1, 2, 3, 11, 20, 255}).Draw(t, "kind")), Code: genByte.Draw(t, "code"),
		Payload: genBytes(t, "payload"), Size: genU64.Draw(t, "size"), Statement: genU32.Draw(t, "statement"),
		Masked: genBool.Draw(t, "masked"), Cut: genBool.Draw(t, "cut"), Skipped: session.Skip(rapid.SampledFrom([]byte{0, 0, 1, 14, 255}).Draw(t, "skipped"))}
	c.End = c.At
	if genBool.Draw(t, "end") {
		c.End = genTimes.Draw(t, "end")
	}
	if genBool.Draw(t, "plain size") {
		c.Size = uint64(len(c.Payload))
	}
	if genBool.Draw(t, "due") {
		c.Due = genTimes.Draw(t, "due")
	}
	if rapid.IntRange(0, 5).Draw(t, "login") == 0 {
		l := genLogin(t)
		c.Login = &l
	}
	if rapid.IntRange(0, 5).Draw(t, "order") == 0 {
		c.Order = genOrder(t)
	}
	genSQL(t, c)
	if len(c.Payload) >= 5 && genBool.Draw(t, "statement in payload") {
		c.Statement = uint32(c.Payload[1]) | uint32(c.Payload[2])<<8 | uint32(c.Payload[3])<<16 | uint32(c.Payload[4])<<24
	}
	return c
}

func genOrder(t *rapid.T) *session.Order {
	o := &session.Order{Waited: rapid.Int64Range(0, 1<<62).Draw(t, "waited"), Dropped: genU32.Draw(t, "dropped"), Redone: genU32.Draw(t, "redone"), Still: genBool.Draw(t, "still")}
	for range rapid.IntRange(0, session.MaxGuesses).Draw(t, "guesses") {
		o.Guesses = append(o.Guesses, session.Guess{Session: genU64.Draw(t, "session"), Seq: genU64.Draw(t, "seq"), Seen: genBool.Draw(t, "seen"),
			Defines: genBool.Draw(t, "defines"), Rests: genBool.Draw(t, "rests")})
	}
	return o
}

// genSQL draws a command's SQL: none, within the payload or apart from it.
func genSQL(t *rapid.T, c *session.Command) {
	switch rapid.IntRange(0, 3).Draw(t, "sql") {
	case 0:
	case 1:
		c.SQL = genBytes(t, "sql")
	default:
		if c.Payload != nil {
			from := rapid.IntRange(0, len(c.Payload)).Draw(t, "from")
			to := rapid.OneOf(rapid.Just(len(c.Payload)), rapid.IntRange(from, len(c.Payload))).Draw(t, "to")
			c.SQL = c.Payload[from:to]
		}
	}
}

// genColumns draws one of a few descriptions, two of which share a hash, or a
// new one.
func genColumns(t *rapid.T) *session.Columns {
	n := rapid.IntRange(0, 5).Draw(t, "columns")
	switch n {
	case 0:
		return nil
	case 1, 2:
		return &session.Columns{Hash: 7, List: []session.Column{{Name: []string{"", "a", "b"}[n], OrgName: "a", Type: 3}}}
	case 3:
		return sysbenchColumns
	case 4:
		return &session.Columns{}
	}
	c := &session.Columns{Hash: genU64.Draw(t, "hash")}
	for range rapid.IntRange(1, 4).Draw(t, "columns") {
		c.List = append(c.List, session.Column{Schema: genText.Draw(t, "schema"), Table: genText.Draw(t, "table"),
			OrgTable: genText.Draw(t, "org table"), Name: genText.Draw(t, "name"), OrgName: genText.Draw(t, "org name"),
			Collation: genU16.Draw(t, "collation"), Length: genU32.Draw(t, "length"), Type: genByte.Draw(t, "type"),
			Flags: genU16.Draw(t, "flags"), Decimals: genByte.Draw(t, "decimals")})
	}
	return c
}

func genResult(t *rapid.T) session.Result {
	r := session.Result{Outcome: session.Outcome(rapid.SampledFrom([]byte{0, 1, 2, 3, 4, 5, 255}).Draw(t, "outcome")),
		Affected: genU64.Draw(t, "affected"), InsertID: genU64.Draw(t, "insert id"), Warnings: genU16.Draw(t, "warnings"),
		Status: genU16.Draw(t, "status"), Info: genText.Draw(t, "info"), Error: genError(t), Columns: genColumns(t),
		Rows: genU64.Draw(t, "rows"), Binary: genBool.Draw(t, "binary"),
		Digest: session.Digest{Ordered: genU64.Draw(t, "ordered"), Unordered: genU64.Draw(t, "unordered"), Valid: genBool.Draw(t, "valid")}}
	if genBool.Draw(t, "one digest") {
		r.Digest.Unordered = r.Digest.Ordered
	}
	for range rapid.IntRange(0, 2).Draw(t, "keyed") {
		r.Keyed = append(r.Keyed, session.RowHash{Key: genU64.Draw(t, "key"), Row: genU64.Draw(t, "row")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "kept") {
		r.Kept = append(r.Kept, append([]byte{}, genBytes(t, "row")...))
	}
	for range rapid.IntRange(0, 2).Draw(t, "changes") {
		r.Changes = append(r.Changes, session.Change{Kind: session.ChangeKind(genByte.Draw(t, "kind")),
			Name: genText.Draw(t, "name"), Value: genText.Draw(t, "value")})
	}
	return r
}

func genReply(t *rapid.T) session.Event {
	r := &session.Reply{ID: genID.Draw(t, "id"), Seq: genU64.Draw(t, "seq"), Last: genTimes.Draw(t, "last"),
		Bytes: genU64.Draw(t, "bytes"), Lost: genBool.Draw(t, "lost")}
	r.First = r.Last
	if genBool.Draw(t, "first") {
		r.First = genTimes.Draw(t, "first")
	}
	if rapid.IntRange(0, 5).Draw(t, "prepared") == 0 {
		r.Prepared = &session.Prepared{Statement: genU32.Draw(t, "statement"), Params: genU16.Draw(t, "params"), Columns: genU16.Draw(t, "columns")}
	}
	for range rapid.SampledFrom([]int{0, 1, 1, 1, 3}).Draw(t, "results") {
		r.Results = append(r.Results, genResult(t))
	}
	return r
}

func genGap(t *rapid.T) session.Event {
	return &session.Gap{ID: genID.Draw(t, "id"), At: genTimes.Draw(t, "at"), Seq: genU64.Draw(t, "seq"),
		Client: genBool.Draw(t, "client"), Lost: genU64.Draw(t, "lost"), Reason: session.Reason(genByte.Draw(t, "reason")),
		Detail: genText.Draw(t, "detail")}
}

func genEnd(t *rapid.T) session.Event {
	return &session.End{ID: genID.Draw(t, "id"), At: genTimes.Draw(t, "at"), Reason: session.Reason(genByte.Draw(t, "reason"))}
}

// genEvents draws events of all types.
func genEvents(t *rapid.T) []session.Event {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) session.Event {
		switch rapid.IntRange(0, 9).Draw(t, "type") {
		case 0:
			return genStart(t)
		case 1:
			return genGap(t)
		case 2:
			return genEnd(t)
		case 3, 4, 5:
			return genReply(t)
		}
		return genCommand(t)
	}), 0, 40).Draw(t, "events")
}
