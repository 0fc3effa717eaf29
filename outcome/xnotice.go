package outcome

import (
	"strconv"

	"myreplay/session"
	"myreplay/xproto"
)

const (
	// maxWarnings is how many warnings of one reply are kept; all are counted.
	maxWarnings = 64
	// maxNotices is how many other notices of one reply are kept, and
	// maxNoticeBytes how many bytes of them all.
	maxNotices     = 256
	maxNoticeBytes = 1 << 20
)

// notices collects the notices of one reply.
type notices struct {
	any                bool
	affected, insertID uint64
	warnings           int
	info               []byte
	ids                []byte // of documents, joined by commas
	changes            []session.Change
	bytes              int // of info, ids and changes
	state              xproto.StateChange
}

// keepNotice is the largest buffer that is kept for the next reply.
const keepNotice = 4 << 10

func (n *notices) reset() {
	if cap(n.info)+cap(n.ids)+cap(n.state.Values) > keepNotice {
		*n = notices{}
	}
	*n = notices{info: n.info[:0], ids: n.ids[:0], state: n.state}
}

func (n *notices) empty() bool { return !n.any }

// add takes a notice. What can't be read is left out: the reply itself is
// whole.
func (n *notices) add(f *xproto.Frame) {
	var m xproto.NoticeFrame
	if f.Cut || f.Holed || m.Decode(f.Payload) != nil {
		return
	}
	switch m.Type {
	case xproto.NoticeWarning:
		n.warning(m.Payload)
	case xproto.NoticeSessionVariableChanged:
		var v xproto.VariableChange
		if v.Decode(m.Payload) == nil {
			n.change(session.SystemVariable, string(v.Name), scalarText(&v.Value))
		}
	case xproto.NoticeSessionStateChanged:
		if n.state.Decode(m.Payload) == nil {
			n.stateChange(&n.state)
		}
	case xproto.NoticeServerHello:
	default:
		n.change(session.OtherNotice, strconv.FormatUint(uint64(m.Type), 10), "")
	}
}

func (n *notices) warning(payload []byte) {
	var w xproto.Warning
	if w.Decode(payload) != nil {
		return
	}
	n.any = true
	n.warnings++
	if n.warnings <= maxWarnings {
		n.change(session.WarningNotice, strconv.FormatUint(uint64(w.Code), 10), string(w.Message))
	}
}

func (n *notices) stateChange(s *xproto.StateChange) {
	switch s.Parameter {
	case xproto.RowsAffected:
		n.affected, n.any = number(s.Values), true
	case xproto.GeneratedInsertID:
		n.insertID, n.any = number(s.Values), true
	case xproto.ProducedMessage:
		if len(s.Values) > 0 && n.fits(len(s.Values[0].Bytes)) {
			n.info = append(n.info[:0], s.Values[0].Bytes...)
		}
	case xproto.GeneratedDocumentIDs:
		n.documents(s.Values)
	case xproto.RowsFound:
		n.change(session.RowsFound, "", firstText(s.Values))
	case xproto.RowsMatched:
		n.change(session.RowsMatched, "", firstText(s.Values))
	case xproto.TrxCommitted:
		n.change(session.TransactionEnd, "", "committed")
	case xproto.TrxRolledBack:
		n.change(session.TransactionEnd, "", "rolled back")
	case xproto.CurrentSchema:
		n.change(session.SchemaChange, "", firstText(s.Values))
	case xproto.ClientIDAssigned: // who it is, not what changed
	default:
		n.change(session.OtherNotice, stateName(s.Parameter), firstText(s.Values))
	}
}

func stateName(p xproto.StateParameter) string {
	if p == xproto.AccountExpired {
		return p.String()
	}
	return "state " + strconv.FormatUint(uint64(p), 10)
}

func (n *notices) documents(ids []xproto.Scalar) {
	for i := range ids {
		if !n.fits(len(ids[i].Bytes) + 1) {
			return
		}
		if len(n.ids) > 0 {
			n.ids = append(n.ids, ',')
		}
		n.ids = append(n.ids, ids[i].Bytes...)
	}
}

// fits tells whether so many bytes more may be kept, and counts them.
func (n *notices) fits(more int) bool {
	n.any = true
	if n.bytes+more > maxNoticeBytes {
		return false
	}
	n.bytes += more
	return true
}

func (n *notices) change(k session.ChangeKind, name, value string) {
	if len(n.changes) < maxWarnings+maxNotices && n.fits(len(name)+len(value)) {
		n.changes = append(n.changes, session.Change{Kind: k, Name: name, Value: value})
	}
}

// put writes what the notices said into a result.
func (n *notices) put(r *session.Result, text func([]byte) string) {
	if !n.any {
		return
	}
	r.Affected, r.InsertID = n.affected, n.insertID
	r.Warnings = uint16(min(n.warnings, 1<<16-1))
	if len(n.info) > 0 {
		r.Info = text(n.info)
	}
	r.Changes = n.changes
	n.changes = nil // the reply's from now on
	if len(n.ids) > 0 {
		r.Changes = append(r.Changes, session.Change{Kind: session.DocumentIDs, Value: string(n.ids)})
	}
}

// number returns the number that a notice tells.
func number(list []xproto.Scalar) uint64 {
	if len(list) == 0 {
		return 0
	}
	if s := &list[0]; s.Type == xproto.ScalarSint {
		return uint64(s.Sint)
	}
	return list[0].Uint
}

func firstText(list []xproto.Scalar) string {
	if len(list) == 0 {
		return ""
	}
	return scalarText(&list[0])
}

func scalarText(s *xproto.Scalar) string {
	switch s.Type {
	case xproto.ScalarSint:
		return strconv.FormatInt(s.Sint, 10)
	case xproto.ScalarUint:
		return strconv.FormatUint(s.Uint, 10)
	case xproto.ScalarDouble:
		return strconv.FormatFloat(s.Float, 'g', -1, 64)
	case xproto.ScalarFloat:
		return strconv.FormatFloat(s.Float, 'g', -1, 32)
	case xproto.ScalarBool:
		return strconv.FormatBool(s.Bool)
	case xproto.ScalarNull:
		return "NULL"
	}
	return string(s.Bytes)
}
