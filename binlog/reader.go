// Package binlog reads the binary log files of a MySQL server: which connection
// committed, and when, in the order of the commits. It reads nothing else of them.
//
// Source: MySQL's source documentation, "Binlog Event" (page_protocol_replication_binlog_event).
package binlog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"myreplay/wire"
)

// Commit is a transaction that a server committed, or a definition (CREATE,
// ALTER ...) that it carried out.
type Commit struct {
	// Thread is the id of the connection, as in SHOW PROCESSLIST.
	Thread uint32
	// Time is when it was written to the log, by the server's clock: nanoseconds
	// since 1970, in whole microseconds. Source: immediate_commit_timestamp.
	Time int64
}

var (
	// ErrFormat: the file is no binary log of MySQL 8.0 or later.
	ErrFormat = errors.New("no binary log of MySQL 8.0 or later")
	// ErrEncrypted: the file is encrypted (binlog_encryption).
	ErrEncrypted = errors.New("the binary log is encrypted: mysqlbinlog --read-from-remote-server --raw writes it in clear")
	// ErrMariaDB: MariaDB's logs do not tell the moments of commits.
	ErrMariaDB = errors.New("a binary log of MariaDB, which does not tell when a commit was: " +
		"set session_track_system_variables to have last_gtid in it before recording instead")
)

// Types of events that are looked at.
const (
	queryEvent       = 2
	formatEvent      = 15
	gtidEvent        = 33
	anonymousEvent   = 34
	payloadEvent     = 40
	taggedGTIDEvent  = 42
	mariadbGTIDEvent = 162
)

const (
	magic          = "\xfebin"
	encryptedMagic = "\xfdbin"
	headerSize     = 19
	// headLimit is how many bytes of an event are looked at; of a compressed
	// transaction payloadLimit, which has zstd's first block whole (128 KiB at most).
	headLimit, payloadLimit = 256, 160 << 10
	// maxTime is the last moment, in microseconds, that fits into nanoseconds.
	maxTime = (1<<63 - 1) / 1000
	// maxEvent is what an event may say of its size: max_allowed_packet is at most
	// 1 GiB, and rows of one event are within it, more or less.
	maxEvent = 2 << 30
)

// Reader reads commits from one binary log file.
type Reader struct {
	in  *bufio.Reader
	buf []byte // what was read of an event
	// time is that of the transaction whose connection is not known yet; 0: none.
	time int64
}

// NewReader returns a Reader of a file's bytes. It returns ErrFormat,
// ErrEncrypted, ErrMariaDB, or in's error.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, 1<<16), buf: make([]byte, headLimit)}
	start := r.buf[:len(magic)]
	if _, err := io.ReadFull(r.in, start); err != nil {
		return nil, noFormat(err)
	}
	switch string(start) {
	case magic:
	case encryptedMagic:
		return nil, ErrEncrypted
	default:
		return nil, ErrFormat
	}
	kind, event, err := r.event()
	if err != nil {
		return nil, noFormat(err)
	}
	const version, serverVersion = 4, 50
	e := wire.NewReader(event)
	if v := e.Uint16(); kind != formatEvent || v != version {
		return nil, ErrFormat
	}
	if bytes.Contains(e.Bytes(serverVersion), []byte("MariaDB")) {
		return nil, ErrMariaDB
	}
	if e.Err() != nil {
		return nil, ErrFormat
	}
	return r, nil
}

// noFormat returns the error of a file that ends too early to be a log.
func noFormat(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrFormat
	}
	return err
}

// Next returns the next commit. It returns io.EOF at the end, and an error that
// wraps io.ErrUnexpectedEOF when the file ends within an event, as one does that
// was copied while the server wrote to it.
func (r *Reader) Next() (Commit, error) {
	for {
		kind, event, err := r.event()
		if err != nil {
			return Commit{}, err
		}
		switch kind {
		case gtidEvent, anonymousEvent:
			r.time = commitTime(event)
			continue
		case taggedGTIDEvent:
			r.time = 0 // its fields are laid out in another way
			continue
		case mariadbGTIDEvent:
			return Commit{}, ErrMariaDB
		case payloadEvent:
			event = firstInside(event)
		case queryEvent:
		default:
			continue
		}
		e := wire.NewReader(event)
		if thread := e.Uint32(); r.time != 0 && e.Err() == nil {
			c := Commit{Thread: thread, Time: r.time}
			r.time = 0
			return c, nil
		}
	}
}

// event reads the next event and returns the begin of what follows its header. It
// is valid until the next call.
func (r *Reader) event() (kind byte, begin []byte, err error) {
	h := r.buf[:headerSize]
	if _, err := io.ReadFull(r.in, h); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("the file ends in the head of an event: %w", err)
		}
		return 0, nil, err
	}
	kind = h[4]
	e := wire.NewReader(h[9:])
	size := int64(e.Uint32()) - headerSize
	if size < 0 || size > maxEvent {
		return 0, nil, fmt.Errorf("an event of %d bytes: %w", size+headerSize, ErrFormat)
	}
	limit := int64(headLimit)
	if kind == payloadEvent {
		limit = payloadLimit
	}
	limit = min(limit, size)
	if int64(cap(r.buf)) < limit {
		r.buf = make([]byte, payloadLimit)
	}
	begin = r.buf[:limit]
	_, err = io.ReadFull(r.in, begin)
	if err == nil {
		_, err = io.CopyN(io.Discard, r.in, size-limit)
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, fmt.Errorf("the file ends in an event: %w", err)
	}
	return kind, begin, nil
}

// commitTime returns when a transaction was committed here; 0 when that is not
// told, or when it came from another server by replication.
func commitTime(event []byte) int64 {
	const (
		uuidAndNumber = 16 + 8
		logicalClock  = 2       // last_committed and sequence_number follow
		elsewhere     = 1 << 55 // original_commit_timestamp follows
	)
	e := wire.NewReader(event)
	e.Skip(1 + uuidAndNumber)
	if e.Uint8() != logicalClock {
		return 0
	}
	e.Skip(16)
	t := int64(e.Uint32()) | int64(e.Uint24())<<32
	if e.Err() != nil || t&elsewhere != 0 || t > maxTime {
		return 0
	}
	return t * 1000
}
