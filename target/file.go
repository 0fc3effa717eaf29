package target

import (
	"myreplay/classic"
	"myreplay/session"
)

// sendFile answers the server's wish for a file (LOAD DATA LOCAL) with the
// recorded pieces. A file that was not recorded is empty: nothing is ever read
// from this machine because a server asks for it. One that was recorded in part
// ends the connection, as a client does that dies while it sends: the server
// must not take the part for the whole.
func (c *Conn) sendFile(file File) error {
	// The rest of what was read lies in the buffer in use; it must stay.
	kept, big := c.buf, c.big
	c.buf, c.big = make([]byte, smallBuffer), nil
	defer func() {
		c.shrink()
		c.buf, c.big = kept, big
	}()
	seq := c.frame.Last + 1
	c.packed = c.framer.CompressedSeq() + 1
	for n := 0; ; n++ {
		piece, err := c.nextPiece(file, n)
		if err != nil {
			return err
		}
		last := seq + byte(len(piece)/classic.MaxFrame)
		f := classic.Frame{Seq: seq, Last: last, Payload: piece, Size: uint64(len(piece))}
		if _, err := c.state.Client(&f); err != nil {
			return err
		}
		if _, err := c.write(seq, piece, nil); err != nil {
			return err
		}
		if len(piece) == 0 {
			return nil
		}
		seq = last + 1
	}
}

// nextPiece returns the next piece of the file, empty at its end.
func (c *Conn) nextPiece(file File, n int) ([]byte, error) {
	var cmd *session.Command
	ok := false
	if file != nil {
		cmd, ok = file()
	}
	counts := &c.server.counts
	switch {
	case ok && cmd.Kind == session.FileData && !cmd.Cut && !cmd.Masked:
		return cmd.Payload, nil
	case ok || n > 0:
		counts.filesIncomplete.Add(1)
		return nil, ErrFileIncomplete
	}
	counts.filesRefused.Add(1)
	return nil, nil
}
