package feed

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

const (
	// sendBuffer is how much the kernel keeps of what was written and has not
	// arrived.
	sendBuffer = 128 << 10
	// progress is how much has to be written before that tells that the other side
	// is alive, though it says nothing: more than a kernel takes for a dead one.
	progress = 512 << 10
)

// alive is a connection that fails when the other side gives no sign of life for
// too long: a byte, or that it takes what is written.
type alive struct {
	net.Conn
	patience time.Duration
	wrote    atomic.Int64
}

func newAlive(conn net.Conn, patience time.Duration) *alive {
	if c, ok := conn.(interface{ SetWriteBuffer(int) error }); ok {
		c.SetWriteBuffer(sendBuffer) // or as it is
	}
	return &alive{Conn: conn, patience: patience}
}

func (a *alive) Read(p []byte) (int, error) {
	for {
		before := a.wrote.Load()
		a.SetReadDeadline(time.Now().Add(a.patience))
		n, err := a.Conn.Read(p)
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && a.wrote.Load()-before >= progress {
			continue // what it has to say stands behind what it reads
		}
		return n, err
	}
}

func (a *alive) Write(p []byte) (int, error) {
	a.SetWriteDeadline(time.Now().Add(a.patience))
	n, err := a.Conn.Write(p)
	a.wrote.Add(int64(n))
	return n, err
}
