package mysqltest

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// keeper does what the suite's own runner does for scripts that shut their
// server down: it starts it again when they say so in a file. Its last line is
// "wait", "restart", or "restart:" with arguments.
type keeper struct {
	server   *Server
	stop     chan struct{}
	done     sync.WaitGroup
	restarts int // read after end
	err      error
}

// keeperPoll is how often the keeper looks whether the server has ended.
const keeperPoll = 20 * time.Millisecond

func keep(s *Server) *keeper {
	k := &keeper{server: s, stop: make(chan struct{})}
	os.Remove(k.file())
	k.done.Go(func() {
		for {
			select {
			case <-k.stop:
				return
			case <-time.After(keeperPoll):
				k.look()
			}
		}
	})
	return k
}

func (k *keeper) file() string { return filepath.Join(k.server.Dir, "tmp", "mysqld.1.expect") }

// look starts the server again when it has ended and the script wants it.
func (k *keeper) look() {
	if k.server.proc.running() || k.err != nil {
		return
	}
	text, err := os.ReadFile(k.file())
	if err != nil {
		return // it ended by itself
	}
	lines := lastLines(string(text), 1)
	rest, ok := strings.CutPrefix(lines[0], "restart")
	if !ok {
		return
	}
	os.Remove(k.file())
	k.restarts++
	k.err = k.server.respawn(strings.Fields(strings.TrimPrefix(rest, ":")))
}

// end stops looking. It tells whether the server that the script leaves is
// another process, or none.
func (k *keeper) end() (restarted bool, err error) {
	close(k.stop)
	k.done.Wait()
	if exists(k.file()) {
		k.server.expectEnd()
	}
	return k.restarts > 0 || !k.server.proc.running(), k.err
}

// respawn starts the server program again with further arguments and does not
// wait for it: the script does.
func (s *Server) respawn(more []string) error {
	args, err := s.args()
	if err != nil {
		return err
	}
	cmd, log, err := s.command(append(args, more...))
	if err != nil {
		return err
	}
	defer log.Close()
	p, err := startProcess(cmd)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc, s.expected, s.Pid = p, false, p.Pid()
	return nil
}
