package classic

import "myreplay/wire"

// maxColumns is the most columns that a result may have: servers allow 4096.
const maxColumns = 0xffff

// step is how far the reply to the oldest command has come.
type step uint8

const (
	stepFirst       step = iota // the first frame of a result
	stepColumns                 // left definitions to come
	stepColumnsEnd              // the EOF packet after them, if EOF is used
	stepRows                    //
	stepFile                    // the client sends a file
	stepParams                  // left definitions of placeholders to come
	stepParamsEnd               // the EOF packet after them
	stepPrepColumns             // left definitions of columns to come
	stepPrepEnd                 // the EOF packet after them
	stepFields                  // definitions until the end mark
)

// replyState is the progress of the reply to the oldest waiting command.
type replyState struct {
	step  step
	begun bool // a frame of the reply was seen
	// maybe: the reply is complete unless an EOF packet follows, which is not
	// known because the login was not seen.
	maybe  bool
	binary bool
	next   byte // expected sequence id
	left   int
}

func (s *State) serverReady(f *Frame) (part ServerPart, done bool, err error) {
	head := s.head()
	if head == nil {
		return s.unasked(f)
	}
	r := &s.reply
	if !r.begun {
		*r = replyState{begun: true, next: head.next}
		r.binary = head.code == ComStmtExecute || head.code == ComStmtBulkExecute || head.code == ComStmtFetch
		if head.code == ComStmtFetch {
			r.step = stepRows
		}
	}
	if f.Seq != r.next && s.strict() {
		return 0, false, &FormatError{"reply", 0, "sequence id out of order"}
	}
	r.next = f.Last + 1
	if len(f.Payload) == 0 {
		return 0, false, &FormatError{"reply", 0, "empty frame"}
	}
	part, done, err = s.step(f, head.code)
	if done {
		s.pop()
	}
	return part, done, err
}

// pop ends the reply to the oldest command.
func (s *State) pop() {
	s.first++
	s.reply = replyState{}
	s.authing = false
}

// unasked reads a frame that no command asked for: servers say so when they
// close an idle or killed connection.
func (s *State) unasked(f *Frame) (ServerPart, bool, error) {
	if len(f.Payload) > 0 && f.Payload[0] == 0xff {
		return PartNotice, false, s.ERR.Decode(f.Payload)
	}
	return 0, false, &FormatError{"reply", 0, "without a command"}
}

// step reads one frame of the reply to a command with the given code.
func (s *State) step(f *Frame, code Code) (ServerPart, bool, error) {
	b := f.Payload[0]
	if s.reply.step == stepRows && b != 0xff && b != 0xfe {
		return s.row(b)
	}
	if b == 0xff {
		return s.failed(f)
	}
	switch s.reply.step {
	case stepRows:
		if isEnd(f) {
			return s.rowsEnd(f)
		}
		return s.row(b)
	case stepColumns:
		return s.column(PartColumn, stepColumnsEnd)
	case stepColumnsEnd:
		return s.columnsEnd(f)
	case stepParams:
		return s.column(PartParam, stepParamsEnd)
	case stepPrepColumns:
		return s.column(PartPreparedColumn, stepPrepEnd)
	case stepParamsEnd, stepPrepEnd:
		return s.definitionEnd(f)
	case stepFields:
		return s.field(f)
	case stepFile:
		return 0, false, &FormatError{"reply", 0, "before the end of the client's file"}
	}
	return s.firstFrame(f, code)
}

// failed reads an ERR packet, which may come instead of any frame.
func (s *State) failed(f *Frame) (ServerPart, bool, error) {
	if err := s.ERR.Decode(f.Payload); err != nil {
		return 0, false, err
	}
	if s.ERR.progress() {
		return PartProgress, false, nil
	}
	return PartError, true, nil
}

func (s *State) firstFrame(f *Frame, code Code) (ServerPart, bool, error) {
	switch code.answer() {
	case answerResults:
		return s.firstOfResult(f)
	case answerPrepare:
		return s.prepared(f)
	case answerFields:
		s.reply.step = stepFields
		return s.field(f)
	case answerText:
		return PartText, true, nil
	case answerStream:
		s.Phase = Streaming
		return PartStream, true, nil
	case answerAuth:
		part, err := s.serverAuth(f, PartOK, PartError)
		return part, part == PartOK && err == nil, err
	}
	if f.Payload[0] != 0x00 && f.Payload[0] != 0xfe {
		return 0, false, &FormatError{"reply to " + code.String(), 0, "neither OK, EOF nor ERR"}
	}
	return PartOK, true, s.OK.Decode(f.Payload, s.Caps)
}

// firstOfResult reads OK, a LOCAL INFILE request or a column count.
func (s *State) firstOfResult(f *Frame) (ServerPart, bool, error) {
	switch f.Payload[0] {
	case 0x00:
		if err := s.OK.Decode(f.Payload, s.Caps); err != nil {
			return 0, false, err
		}
		return PartOK, s.resultDone(), nil
	case 0xfb:
		s.reply.step = stepFile
		return PartFileRequest, false, nil
	}
	r := wire.NewReader(f.Payload)
	n := r.Lenenc()
	left := r.Len()
	if r.Err() != nil || n > maxColumns || left > 1 {
		return 0, false, &FormatError{"column count", 0, "not one"}
	}
	s.Columns = int(n)
	s.reply.left = s.Columns
	s.reply.step = stepColumns
	if left == 1 && r.Uint8() == 0 {
		// The definitions are left out: OPTIONAL_RESULTSET_METADATA, or
		// MariaDB's CACHE_METADATA.
		s.reply.left = 0
		s.definitionsDone(stepColumnsEnd)
	}
	return PartColumnCount, false, nil
}

// column reads a definition; after the last one comes the step after.
func (s *State) column(part ServerPart, after step) (ServerPart, bool, error) {
	s.reply.left--
	if s.reply.left > 0 {
		return part, false, nil
	}
	return part, s.definitionsDone(after), nil
}

// definitionsDone goes on after the last definition of a block and tells
// whether that ended the reply.
func (s *State) definitionsDone(after step) bool {
	if s.eof != no {
		s.reply.step = after
		s.reply.maybe = s.eof == unknown && (after == stepPrepEnd || after == stepParamsEnd && s.Prepared.Columns == 0)
		return false
	}
	return s.afterEnd(after)
}

// afterEnd goes on after the place of an EOF packet and tells whether the
// reply is done.
func (s *State) afterEnd(at step) bool {
	s.reply.maybe = false
	switch at {
	case stepColumnsEnd:
		s.reply.step = stepRows
		return false
	case stepParamsEnd:
		if s.Prepared.Columns > 0 {
			s.reply.step = stepPrepColumns
			s.reply.left = int(s.Prepared.Columns)
			return false
		}
	}
	return true
}

// columnsEnd reads the EOF packet after a result's definitions. Where it is
// not known whether there is one, the frame tells.
func (s *State) columnsEnd(f *Frame) (ServerPart, bool, error) {
	if !isEOF(f) {
		if s.eof == yes {
			return 0, false, &FormatError{"column definitions", 0, "no EOF packet after them"}
		}
		s.eof = no
		s.reply.step = stepRows
		if isEnd(f) {
			return s.rowsEnd(f)
		}
		return s.row(f.Payload[0])
	}
	s.eof = yes
	s.reply.step = stepRows
	if err := s.OK.Decode(f.Payload, 0); err != nil {
		return 0, false, err
	}
	return PartColumnsEnd, s.OK.Status&StatusCursorExists != 0, nil
}

func (s *State) row(first byte) (ServerPart, bool, error) {
	if s.reply.binary && first != 0 {
		return 0, false, &FormatError{"binary row", 0, "header is not 0"}
	}
	return PartRow, false, nil
}

func (s *State) rowsEnd(f *Frame) (ServerPart, bool, error) {
	if err := s.OK.Decode(f.Payload, s.Caps); err != nil {
		return 0, false, err
	}
	return PartRowsEnd, s.resultDone(), nil
}

// resultDone tells whether the result that State.OK ends is the reply's last.
func (s *State) resultDone() bool {
	s.reply.step = stepFirst
	return s.OK.Status&StatusMoreResults == 0
}

func (s *State) prepared(f *Frame) (ServerPart, bool, error) {
	if f.Payload[0] != 0 {
		return 0, false, &FormatError{"reply to STMT_PREPARE", 0, "neither OK nor ERR"}
	}
	if err := s.Prepared.Decode(f.Payload); err != nil {
		return 0, false, err
	}
	p := &s.Prepared
	switch {
	case p.NoMetadata || p.Params == 0 && p.Columns == 0:
		return PartPrepared, true, nil
	case p.Params > 0:
		s.reply.step, s.reply.left = stepParams, int(p.Params)
	default:
		s.reply.step, s.reply.left = stepPrepColumns, int(p.Columns)
	}
	return PartPrepared, false, nil
}

// definitionEnd reads the EOF packet within the answer to a Prepare. Where it
// is not known whether there is one, the frame tells.
func (s *State) definitionEnd(f *Frame) (ServerPart, bool, error) {
	at := s.reply.step
	if isEOF(f) {
		s.eof = yes
		return PartDefinitionEnd, s.afterEnd(at), nil
	}
	if s.eof == yes || s.reply.maybe {
		return 0, false, &FormatError{"prepared definitions", 0, "no EOF packet after them"}
	}
	s.eof = no
	s.afterEnd(at)
	return s.column(PartPreparedColumn, stepPrepEnd)
}

func (s *State) field(f *Frame) (ServerPart, bool, error) {
	if isEnd(f) {
		return PartRowsEnd, true, s.OK.Decode(f.Payload, s.Caps)
	}
	return PartField, false, nil
}

// Settle decides whether the reply under way is complete, where only what
// comes next can tell (a Prepare's answer on a connection whose login was not
// seen). Call it before Client or Server is told a frame. It returns true when
// the oldest command's reply is now known to be complete.
func (s *State) Settle(next *Frame, fromServer bool) bool {
	if !s.reply.maybe || fromServer && isEOF(next) && next.Seq == s.reply.next {
		return false
	}
	s.eof = no
	s.pop()
	return true
}

// Unsettled tells whether the reply under way is complete unless an EOF packet
// follows; see Settle.
func (s *State) Unsettled() bool { return s.reply.maybe }

// isEOF tells whether a frame is an EOF packet.
func isEOF(f *Frame) bool { return f.Size == eofLen && f.Payload[0] == 0xfe }

// isEnd tells whether a frame ends rows: an EOF packet, or an OK packet with
// header 0xfe. A row that begins with 0xfe is longer than a frame.
func isEnd(f *Frame) bool {
	return f.Payload[0] == 0xfe && (f.Size == eofLen || f.Size >= 7 && f.Size < MaxFrame)
}
