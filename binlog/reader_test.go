package binlog

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"myreplay/wire"
)

// event returns an event's bytes.
func event(kind byte, body []byte) []byte {
	b := append(wire.AppendUint32(nil, 1), kind)
	b = wire.AppendUint32(b, 7) // server id
	b = wire.AppendUint32(b, uint32(headerSize+len(body)))
	b = wire.AppendUint32(b, 0)
	return append(wire.AppendUint16(b, 0), body...)
}

// begin returns the begin of a log of a server version.
func begin(version string) []byte {
	body := wire.AppendUint16(nil, 4)
	body = append(body, version+strings.Repeat("\x00", 50-len(version))...)
	return append([]byte(magic), event(formatEvent, append(body, make([]byte, 40)...))...)
}

// gtid returns a GTID event of a moment in microseconds.
func gtid(micros uint64) []byte {
	body := append(make([]byte, 25), 2)
	body = append(body, make([]byte, 16)...)
	body = wire.AppendUint32(body, uint32(micros))
	return event(gtidEvent, wire.AppendUint24(body, uint32(micros>>32)))
}

// query returns a Query event of a thread.
func query(thread uint32) []byte {
	return event(queryEvent, append(wire.AppendUint32(nil, thread), "\x00\x00\x00\x00BEGIN"...))
}

// packed returns a compressed transaction that begins with an event.
func packed(first []byte, algorithm byte) []byte {
	z, _ := zstd.NewWriter(nil)
	data := z.EncodeAll(first, nil)
	body := append([]byte{2, 1, algorithm}, wire.AppendLenencBytes([]byte{3}, wire.AppendLenenc(nil, uint64(len(first))))...)
	body = append(wire.AppendLenencBytes(append(body, 1), wire.AppendLenenc(nil, uint64(len(data)))), 0)
	return event(payloadEvent, append(body, data...))
}

func TestReader(t *testing.T) {
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	start := begin("8.4.0")
	for _, c := range []struct {
		why   string
		file  []byte
		want  []Commit
		error error
	}{
		{"nothing but the head", start, nil, nil},
		{"transactions", join(start, gtid(5), query(9), event(19, nil), event(16, nil), gtid(6), query(8)), []Commit{{9, 5000}, {8, 6000}}, nil},
		{"a second query of one transaction is no second commit", join(start, gtid(5), query(9), query(9)), []Commit{{9, 5000}}, nil},
		{"what came by replication is another server's", join(start, gtid(5|1<<55), query(9)), nil, nil},
		{"compressed", join(start, gtid(5), packed(query(9), 0)), []Commit{{9, 5000}}, nil},
		{"compressed in a way that is not known", join(start, gtid(5), packed(query(9), 7)), nil, nil},
		{"not compressed at all", join(start, gtid(5), event(payloadEvent, []byte{0, 'x'}), gtid(6), query(1)), []Commit{{1, 6000}}, nil},
		{"a tagged GTID", join(start, gtid(5), event(taggedGTIDEvent, make([]byte, 60)), query(9)), nil, nil},
		{"too short to tell when", join(start, event(gtidEvent, make([]byte, 30)), query(9)), nil, nil},
		{"cut", join(start, gtid(5), query(9)[:20]), nil, io.ErrUnexpectedEOF},
		{"cut in a head", join(start, gtid(5), query(9)[:3]), nil, io.ErrUnexpectedEOF},
		{"an event of no size", join(start, make([]byte, headerSize)), nil, ErrFormat},
		{"MariaDB's", begin("10.11.6-MariaDB-log"), nil, ErrMariaDB},
		{"MariaDB's events", join(start, event(mariadbGTIDEvent, nil)), nil, ErrMariaDB},
		{"encrypted", []byte(encryptedMagic), nil, ErrEncrypted},
		{"something else", []byte("[mysqld]"), nil, ErrFormat},
		{"empty", nil, nil, ErrFormat},
		{"no format", join([]byte(magic), gtid(5)), nil, ErrFormat},
	} {
		got, err := readAll(c.file)
		if !errors.Is(err, c.error) {
			t.Errorf("%s: %v, want %v", c.why, err, c.error)
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", c.why, got[i], c.want[i])
			}
		}
	}
}

// readAll reads all commits. The end is no error.
func readAll(data []byte) (list []Commit, err error) {
	r, err := NewReader(bytes.NewReader(data))
	for err == nil {
		var c Commit
		if c, err = r.Next(); err == nil {
			list = append(list, c)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return list, err
}

// One commit between two moments is found; of two nobody knows which.
func TestFind(t *testing.T) {
	x := Index{From: 2000, To: 9000}
	for _, file := range [][]byte{
		bytes.Join([][]byte{begin("8.4.0"), gtid(1), query(1), gtid(3), query(1), gtid(4), query(2)}, nil),
		bytes.Join([][]byte{begin("8.4.0"), gtid(5), query(1), gtid(10), query(1)}, nil),
	} {
		if err := x.Read(bytes.NewReader(file)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		thread   uint32
		from, to int64
		want     uint64
	}{
		{1, 2500, 3500, 1}, {1, 3000, 3000, 1}, {2, 0, 9000, 2}, {1, 3001, 5000, 3},
		{1, 3000, 5000, 0}, {1, 3001, 4999, 0}, {1, 5001, 99000, 0}, {3, 0, 99000, 0}, {1, 0, 2000, 0},
	} {
		if n, ok := x.Find(c.thread, c.from, c.to); n != c.want || ok != (c.want > 0) {
			t.Errorf("Find(%d, %d, %d) = %d, %v, want %d", c.thread, c.from, c.to, n, ok, c.want)
		}
	}
}

// FuzzReader: whatever a file holds, reading ends and does not panic.
func FuzzReader(f *testing.F) {
	f.Add(bytes.Join([][]byte{begin("9.7.0"), gtid(5), query(9), gtid(6), packed(query(8), 0)}, nil))
	f.Add(begin("10.11.6-MariaDB-log"))
	f.Add(bytes.Join([][]byte{begin("9.7.0"), gtid(5 | 1<<55), query(9)[:21]}, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, _ := readAll(data)
		if len(list) > len(data)/headerSize {
			t.Errorf("%d commits in %d bytes", len(list), len(data))
		}
	})
}
