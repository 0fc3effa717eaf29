package classic

import "myreplay/wire"

// OK is the server's "done" ("Protocol::OK_Packet"), also in the form that ends
// rows (header 0xfe), and the shorter EOF packet ("Protocol::EOF_Packet").
// Its slices borrow from the payload.
type OK struct {
	// EOF: the packet was an EOF packet; only Warnings and Status are set.
	EOF                bool
	Affected, InsertID uint64
	Status, Warnings   uint16
	Info               []byte
	// Changes holds the undecoded session state changes; see StateChanges.
	Changes []byte
}

// eofLen is the length of an EOF packet's payload.
const eofLen = 5

// Decode reads an OK packet or EOF packet. caps decide how the text is laid out;
// 0 stands for unknown capabilities, and the layout is then deduced.
func (o *OK) Decode(payload []byte, caps Capability) error {
	*o = OK{}
	r := wire.NewReader(payload)
	head := r.Uint8()
	// Too short for an OK packet; MySQL 9.7 ends a result with one within a
	// procedure that handles its error, whatever was agreed on.
	if head == 0xfe && len(payload) == eofLen {
		o.EOF = true
		o.Warnings = r.Uint16()
		o.Status = r.Uint16()
		return nil
	}
	o.Affected = r.Lenenc()
	o.InsertID = r.Lenenc()
	o.Status = r.Uint16()
	o.Warnings = r.Uint16()
	if r.Len() > 0 {
		if caps.Has(SessionTrack) {
			o.tracked(&r)
		} else {
			o.deduce(r)
		}
	}
	return formatError("OK packet", &r)
}

// tracked reads what follows under SESSION_TRACK.
func (o *OK) tracked(r *wire.Reader) {
	o.Info = r.LenencBytes()
	if o.Status&StatusSessionStateChanged != 0 && r.Len() > 0 {
		o.Changes = r.LenencBytes()
	}
}

// deduce reads what follows without SESSION_TRACK, or when the capabilities are
// not known: as tracked when that fits exactly, else as bare text. Servers send
// the text with its length in either case; the documentation says that without
// SESSION_TRACK it is bare.
func (o *OK) deduce(r wire.Reader) {
	plain := r
	o.tracked(&r)
	if r.Err() != nil || r.Len() > 0 {
		o.Info, o.Changes = plain.Rest(), nil
	}
}

// Append appends the packet's payload to dst. head is 0x00, or 0xfe for the end
// of rows.
func (o *OK) Append(dst []byte, head byte, caps Capability) []byte {
	dst = append(dst, head)
	if o.EOF {
		dst = wire.AppendUint16(dst, o.Warnings)
		return wire.AppendUint16(dst, o.Status)
	}
	dst = wire.AppendLenenc(dst, o.Affected)
	dst = wire.AppendLenenc(dst, o.InsertID)
	dst = wire.AppendUint16(dst, o.Status)
	dst = wire.AppendUint16(dst, o.Warnings)
	changed := caps.Has(SessionTrack) && o.Status&StatusSessionStateChanged != 0
	if len(o.Info) > 0 || changed {
		dst = wire.AppendLenencBytes(dst, o.Info)
	}
	if changed {
		dst = wire.AppendLenencBytes(dst, o.Changes)
	}
	return dst
}

// StateChange is one session state change. Name is set for system variables.
type StateChange struct {
	// Kind is MySQL's SESSION_TRACK_*.
	Kind        byte
	Name, Value []byte
}

// StateChanges calls yield for each change in o.Changes. It stops at the first
// that it can't read and returns the error.
func (o *OK) StateChanges(yield func(StateChange)) error {
	r := wire.NewReader(o.Changes)
	for r.Len() > 0 {
		kind := r.Uint8()
		data := r.LenencBytes()
		if r.Err() != nil {
			break
		}
		decodeStateChange(kind, data, yield)
	}
	return formatError("session state change", &r)
}

func decodeStateChange(kind byte, data []byte, yield func(StateChange)) {
	d := wire.NewReader(data)
	switch kind {
	case 0: // pairs: MariaDB sends several in one block
		for d.Len() > 0 {
			c := StateChange{kind, d.LenencBytes(), d.LenencBytes()}
			if d.Err() == nil {
				yield(c)
			}
		}
		return
	case 3: // a byte for the encoding comes first
		d.Skip(1)
	}
	if v := d.LenencBytes(); d.Err() == nil {
		yield(StateChange{kind, nil, v})
	}
}

// ERR is the server's error ("Protocol::ERR_Packet"). Its slices borrow from
// the payload.
type ERR struct {
	Code uint16
	// State is the SQLSTATE, 5 bytes, or empty: before the client has answered
	// the greeting there is none.
	State   []byte
	Message []byte
}

// Decode reads the packet from payload.
func (e *ERR) Decode(payload []byte) error {
	*e = ERR{}
	r := wire.NewReader(payload)
	r.Skip(1)
	e.Code = r.Uint16()
	if c, ok := r.Peek(); ok && c == '#' && r.Len() >= 6 {
		r.Skip(1)
		e.State = r.Bytes(5)
	}
	e.Message = r.Rest()
	return formatError("ERR packet", &r)
}

// progress tells whether the packet is MariaDB's progress report, which comes
// in an ERR packet with a code of its own and ends nothing.
func (e *ERR) progress() bool { return e.Code == 0xffff }

// Append appends the packet's payload to dst.
func (e *ERR) Append(dst []byte) []byte {
	dst = wire.AppendUint16(append(dst, 0xff), e.Code)
	if len(e.State) == 5 {
		dst = append(append(dst, '#'), e.State...)
	}
	return append(dst, e.Message...)
}
