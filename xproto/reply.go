package xproto

// Error is what a server reports (Mysqlx.Error).
type Error struct {
	// Fatal: the server closes the connection.
	Fatal bool
	Code  uint32
	// State is the SQLSTATE.
	State   string
	Message []byte // borrowed
}

// Decode reads the message from payload.
func (e *Error) Decode(payload []byte) error {
	*e = Error{}
	f := read("Error", payload)
	for f.next() {
		switch f.num {
		case 1:
			e.Fatal = f.uint32() == 1
		case 2:
			e.Code = f.uint32()
		case 3:
			e.Message = f.bytes()
		case 4:
			e.State = string(f.bytes())
		}
	}
	return f.err
}

// Append appends the message's payload to dst.
func (e *Error) Append(dst []byte) []byte {
	if e.Fatal {
		dst = appendVarint(dst, 1, 1)
	}
	dst = appendVarint(dst, 2, uint64(e.Code))
	dst = appendBytes(dst, 4, e.State)
	return appendBytes(dst, 3, e.Message)
}

// OKText returns the text of an Ok, borrowed.
func OKText(payload []byte) ([]byte, error) {
	f := read("Ok", payload)
	var text []byte
	for f.next() {
		if f.num == 1 {
			text = f.bytes()
		}
	}
	return text, f.err
}

// NoticeType tells what a notice says (Mysqlx.Notice.Frame.Type).
type NoticeType uint32

// The types of notices.
const (
	NoticeWarning                NoticeType = 1
	NoticeSessionVariableChanged NoticeType = 2
	NoticeSessionStateChanged    NoticeType = 3
	NoticeGroupReplication       NoticeType = 4
	NoticeServerHello            NoticeType = 5
)

// NoticeFrame is a notice (Mysqlx.Notice.Frame).
type NoticeFrame struct {
	Type NoticeType
	// Global: it is about the server, not about the session.
	Global bool
	// Payload is the notice itself, borrowed: see Warning, StateChange,
	// VariableChange.
	Payload []byte
}

// Decode reads the message from payload.
func (n *NoticeFrame) Decode(payload []byte) error {
	*n = NoticeFrame{Global: true}
	f := read("Notice", payload)
	for f.next() {
		switch f.num {
		case 1:
			n.Type = NoticeType(f.uint32())
		case 2:
			n.Global = f.uint32() != 2
		case 3:
			n.Payload = f.bytes()
		}
	}
	return f.err
}

// Warning is the payload of a NoticeWarning (Mysqlx.Notice.Warning).
type Warning struct {
	// Level is 1 note, 2 warning, 3 error.
	Level   byte
	Code    uint32
	Message []byte // borrowed
}

// Decode reads the message from payload.
func (w *Warning) Decode(payload []byte) error {
	*w = Warning{Level: 2}
	f := read("Warning", payload)
	for f.next() {
		switch f.num {
		case 1:
			w.Level = f.enum()
		case 2:
			w.Code = f.uint32()
		case 3:
			w.Message = f.bytes()
		}
	}
	return f.err
}

// StateParameter is what a StateChange is about
// (Mysqlx.Notice.SessionStateChanged.Parameter).
type StateParameter uint32

// The parameters of a StateChange.
const (
	CurrentSchema        StateParameter = 1
	AccountExpired       StateParameter = 2
	GeneratedInsertID    StateParameter = 3
	RowsAffected         StateParameter = 4
	RowsFound            StateParameter = 5
	RowsMatched          StateParameter = 6
	TrxCommitted         StateParameter = 7
	TrxRolledBack        StateParameter = 9
	ProducedMessage      StateParameter = 10
	ClientIDAssigned     StateParameter = 11
	GeneratedDocumentIDs StateParameter = 12
)

var stateNames = map[StateParameter]string{CurrentSchema: "CURRENT_SCHEMA", AccountExpired: "ACCOUNT_EXPIRED",
	GeneratedInsertID: "GENERATED_INSERT_ID", RowsAffected: "ROWS_AFFECTED", RowsFound: "ROWS_FOUND", RowsMatched: "ROWS_MATCHED",
	TrxCommitted: "TRX_COMMITTED", TrxRolledBack: "TRX_ROLLEDBACK", ProducedMessage: "PRODUCED_MESSAGE",
	ClientIDAssigned: "CLIENT_ID_ASSIGNED", GeneratedDocumentIDs: "GENERATED_DOCUMENT_IDS"}

// String returns the name in the enumeration.
func (p StateParameter) String() string {
	if n := stateNames[p]; n != "" {
		return n
	}
	return "UNKNOWN"
}

// StateChange is the payload of a NoticeSessionStateChanged
// (Mysqlx.Notice.SessionStateChanged).
type StateChange struct {
	Parameter StateParameter
	Values    []Scalar
}

// Decode reads the message from payload.
func (s *StateChange) Decode(payload []byte) error {
	*s = StateChange{Values: s.Values[:0]}
	f := read("SessionStateChanged", payload)
	for f.next() && f.err == nil {
		switch f.num {
		case 1:
			s.Parameter = StateParameter(f.uint32())
		case 2:
			if len(s.Values) >= maxValues {
				f.fail(tooMany)
				break
			}
			var v Scalar
			f.err = firstError(f.err, v.Decode(f.bytes()))
			s.Values = append(s.Values, v)
		}
	}
	return f.err
}

// VariableChange is the payload of a NoticeSessionVariableChanged
// (Mysqlx.Notice.SessionVariableChanged).
type VariableChange struct {
	Name  []byte // borrowed
	Value Scalar
}

// Decode reads the message from payload.
func (v *VariableChange) Decode(payload []byte) error {
	*v = VariableChange{}
	f := read("SessionVariableChanged", payload)
	for f.next() && f.err == nil {
		switch f.num {
		case 1:
			v.Name = f.bytes()
		case 2:
			f.err = firstError(f.err, v.Value.Decode(f.bytes()))
		}
	}
	return f.err
}
