package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"

	"myreplay/internal/mysqltest"
)

// The lengths of what hits a replay, and of what is between.
const (
	leastPaused, mostPaused = 10 * time.Millisecond, 400 * time.Millisecond
	leastFree, mostFree     = 5 * time.Millisecond, 400 * time.Millisecond
	starvers                = 4 // busy loops that the machine shares its time among
)

// misfortunes are what hits a replay: its target stands still, it does itself,
// the machine does with both, or something else needs the processors.
type misfortunes struct {
	target, replayer, machine, starved int
}

// Why a replay was ended.
var (
	errHangs = errors.New("it hangs")
	errSlow  = errors.New("it takes too long")
)

// disturb stops the target, the replay, or both, or starves them, at random times
// until the replay has ended, or should have.
func disturb(target *mysqltest.Server, replay *mysqltest.Process, seed uint64) (m misfortunes, err error) {
	r := rand.New(rand.NewPCG(seed, 0))
	moved, end := &motion{server: target}, time.Now().Add(chaosSlow)
	for {
		select {
		case <-replay.Done():
			return m, err
		case <-time.After(timeFrom(r, leastFree, mostFree)):
		}
		switch {
		case moved.stands():
			return m, errHangs
		case time.Now().After(end):
			return m, errSlow
		}
		d := timeFrom(r, leastPaused, mostPaused)
		switch n := r.IntN(10); {
		case n < 4:
			m.target++
			err = errors.Join(err, paused(d, target.Freeze, target.Thaw))
		case n < 7:
			m.replayer++
			err = errors.Join(err, paused(d, stopper(replay), goer(replay)))
		case n < 9:
			m.machine++
			err = errors.Join(err, paused(d, func() error { return errors.Join(target.Freeze(), stopper(replay)()) },
				func() error { return errors.Join(goer(replay)(), target.Thaw()) }))
		default:
			m.starved++
			starve(d)
		}
	}
}

// motion tells whether a server is given anything to do.
type motion struct {
	server *mysqltest.Server
	done   int64
	asked  time.Time
	moved  time.Time
}

// stands tells whether nothing was done for chaosBound.
func (p *motion) stands() bool {
	now := time.Now()
	if now.Sub(p.asked) < time.Second {
		return false
	}
	var n int64
	const q = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_update', 'Com_insert', 'Com_delete', 'Com_commit', 'Com_rollback', 'Com_begin')"
	rows, err := p.server.DB().Query(q)
	if err != nil {
		return false
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var k int64
		if rows.Scan(&name, &k) == nil {
			n += k
		}
	}
	if n != p.done || p.asked.IsZero() {
		p.done, p.moved = n, now
	}
	p.asked = now
	return now.Sub(p.moved) > chaosBound
}

// timeFrom returns a random time.
func timeFrom(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)))
}

// paused stops something for a time.
func paused(d time.Duration, stop, resume func() error) error {
	err := stop()
	time.Sleep(d)
	return errors.Join(err, resume())
}

func stopper(p *mysqltest.Process) func() error {
	return func() error { return signalled(p, syscall.SIGSTOP) }
}

func goer(p *mysqltest.Process) func() error {
	return func() error { return signalled(p, syscall.SIGCONT) }
}

// signalled sends a signal to a process that may have ended.
func signalled(p *mysqltest.Process, sig os.Signal) error {
	err := p.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// starve keeps the processors busy for a time.
func starve(d time.Duration) {
	end := time.Now().Add(d)
	var all sync.WaitGroup
	for range starvers {
		all.Go(func() {
			for time.Now().Before(end) {
			}
		})
	}
	all.Wait()
}
