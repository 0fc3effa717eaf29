package capfile

import (
	"fmt"
	"sync"
	"sync/atomic"

	"myreplay/session"
)

// Writer writes a capture. Its methods are for one goroutine, except Totals.
// Another goroutine, its own, compresses and writes.
type Writer struct {
	opts  Options
	meta  Meta
	enc   encoder
	block Totals // of the current block, without own
	own   Totals // Gaps in the current block by the Writer itself
	began int64  // time of the current block's first event, 0: none has one
	debts debts

	queue  chan *job
	free   chan *job
	made   int // jobs
	store  *store
	done   chan struct{}
	failed atomic.Bool // err is set
	abort  atomic.Bool
	asked  atomic.Bool // a wish to sync is in the queue
	closed bool

	mu      sync.Mutex
	err     error
	total   Totals
	pending Dropped // not in total and in no segment's totals yet
}

// job is one full block on its way to the disk, or a wish to sync.
type job struct {
	streams [streamCount][]byte
	block   Block // Events, times and session ids
	totals  Totals
	sync    bool // only a wish to sync
}

// Create begins a capture in a directory, which it makes if need be. A
// directory that already holds one is refused with an *ExistsError.
func Create(dir string, meta Meta, opts Options) (*Writer, error) {
	d, err := openDisk(dir)
	if err != nil {
		return nil, err
	}
	w, err := create(d, dir, meta, opts)
	if err != nil {
		d.close()
		return nil, err
	}
	return w, nil
}

func create(d disk, dir string, meta Meta, opts Options) (*Writer, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, fmt.Errorf("capture %s: %w", dir, err)
	}
	if meta, err = meta.check(); err != nil {
		return nil, fmt.Errorf("capture %s: %w", dir, err)
	}
	w := &Writer{opts: opts, meta: meta, done: make(chan struct{})}
	if w.store, err = newStore(d, dir, meta, opts); err != nil {
		return nil, err
	}
	w.queue = make(chan *job, opts.Queue)
	w.free = make(chan *job, opts.Queue+2)
	w.enc.reset()
	go w.run()
	return w, nil
}

// Meta returns the capture's description, its id included.
func (w *Writer) Meta() Meta { return w.meta }

// Write adds an event to the capture. It keeps nothing of the event but its
// Columns and Info strings. An error means that the event, and maybe earlier
// ones, could not be written, and that none will be: the disk failed
// (*WriteError) or the capture is full (*LimitError).
func (w *Writer) Write(ev session.Event) error {
	if w.failed.Load() || w.closed {
		return w.failure()
	}
	if n := w.enc.cost(ev); n > MaxEvent {
		return w.refuse(ev, n)
	}
	_, at := ev.Key()
	if w.began != 0 && at-w.began >= int64(w.opts.FlushEvery) {
		w.flush()
	}
	return w.add(ev)
}

// add encodes an event into the current block, and sends off a full one.
func (w *Writer) add(ev session.Event) error {
	if len(w.debts.sessions) > 0 {
		id, _ := ev.Key()
		w.settle(id)
	}
	if err := w.enc.add(ev); err != nil {
		return err
	}
	w.block.count(ev)
	if w.began == 0 {
		w.began = w.enc.first
	}
	if w.enc.size() >= w.opts.BlockBytes || len(w.enc.sessions) >= MaxSessions/2 {
		w.flush()
	}
	return nil
}

// refuse leaves a Gap in place of an event that is over the format's limit.
func (w *Writer) refuse(ev session.Event, cost int) error {
	var one Totals
	one.count(ev)
	w.lose(&one)
	id, at := ev.Key()
	gap := &session.Gap{ID: id, At: at, Reason: session.MemoryLimit,
		Detail: fmt.Sprintf("an event of %d bytes is over the capture format's limit of %d", cost, MaxEvent)}
	switch ev := ev.(type) {
	case *session.Command:
		gap.Client, gap.Seq, gap.Lost = true, ev.Seq+1, ev.Size
	case *session.Reply:
		gap.Seq, gap.Lost = ev.Seq+1, ev.Bytes
	case *session.Gap:
		gap.Client, gap.Seq, gap.Lost, gap.Reason = ev.Client, ev.Seq, ev.Lost, ev.Reason
	}
	w.settle(id)
	w.mark(gap)
	return nil
}

// Tick tells that time has passed: it sends off a block that has waited long
// enough, so that little is lost when the program is killed.
func (w *Writer) Tick(at int64) error {
	if w.failed.Load() || w.closed {
		return w.failure()
	}
	if w.began != 0 && at-w.began >= int64(w.opts.FlushEvery) {
		w.flush()
	}
	since := w.store.dirty.Load()
	if since != 0 && at-since >= int64(w.opts.SyncEvery) && !w.asked.Load() {
		select {
		case w.queue <- &job{sync: true}:
			w.asked.Store(true)
		default: // the queue is full of blocks, which will be synced
		}
	}
	return nil
}

// flush sends the current block off, or drops it when the queue is full and
// the policy says so.
func (w *Writer) flush() {
	if w.enc.events == 0 {
		return
	}
	j := w.job()
	j.streams, w.enc.b = w.enc.b, j.streams
	j.block = Block{Events: w.enc.events, First: w.enc.first, Last: w.enc.last, Low: w.enc.low, High: w.enc.high}
	j.totals = w.block
	j.totals.Add(&w.own)
	if w.opts.Policy == Wait {
		w.queue <- j
		w.begin()
		return
	}
	select {
	case w.queue <- j:
		w.begin()
	default:
		w.drop(j)
	}
}

// begin empties the current block, after the last one was sent off.
func (w *Writer) begin() {
	w.empty()
	w.settleSome()
}

func (w *Writer) empty() {
	w.enc.reset()
	w.block, w.own = Totals{}, Totals{}
	w.debts.told, w.began = 0, 0
}

// job returns a free job. With the policy Drop there always is one: as many
// exist as can wait, be written and be made at once.
func (w *Writer) job() *job {
	select {
	case j := <-w.free:
		return j
	default:
	}
	if w.made < cap(w.free) {
		w.made++
		return &job{}
	}
	return <-w.free
}

// drop gives up the current block, whose bytes are in j. The next one begins
// with what a reader must know of that.
func (w *Writer) drop(j *job) {
	w.lose(&w.block)
	w.recycle(j)
	w.owe()
	at := w.enc.last
	w.empty()
	w.tell(at)
}

// lose counts events that will not be in the capture.
func (w *Writer) lose(t *Totals) {
	w.mu.Lock()
	w.pending.drop(t)
	w.mu.Unlock()
}

// recycle makes a job's memory free for another block.
func (w *Writer) recycle(j *job) {
	for i := range j.streams {
		j.streams[i] = emptied(j.streams[i])
	}
	w.free <- j
}

// failure returns why no event can be written.
func (w *Writer) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		return fmt.Errorf("capture is closed")
	}
	return w.err
}

// Totals returns what was written up to now, without the blocks that are not
// on disk yet. Any goroutine may call it.
func (w *Writer) Totals() Totals {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.total
	t.Dropped.add(&w.pending)
	return t
}

// Close writes what is left, ends the last segment and makes everything last.
// It returns the first error that the capture met; even then the segment is
// ended, if the disk allows.
func (w *Writer) Close() error {
	if w.closed {
		return w.failure()
	}
	w.closed = true
	w.opts.Policy = Wait
	for !w.failed.Load() && w.enc.events > 0 {
		w.flush() // and again while there are debts to settle
	}
	w.lose(&w.block)
	return w.stop()
}

// Abort stops at once: what is not on disk yet is given up, and the last
// segment stays without a footer. The capture can be read up to there.
func (w *Writer) Abort() error {
	if w.closed {
		return w.failure()
	}
	w.closed = true
	w.abort.Store(true)
	w.lose(&w.block)
	return w.stop()
}

func (w *Writer) stop() error {
	close(w.queue)
	<-w.done
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// run writes what comes through the queue, in the Writer's other goroutine.
func (w *Writer) run() {
	defer close(w.done)
	for j := range w.queue {
		if j.sync {
			w.asked.Store(false)
			if !w.failed.Load() {
				w.fail(w.store.sync())
			}
			continue
		}
		w.save(j)
		w.recycle(j)
	}
	switch {
	case w.abort.Load():
		w.store.abort()
	case !w.failed.Load():
		w.store.drops(w.takePending())
		w.fail(w.store.finish())
	}
	if err := w.store.disk.close(); err != nil {
		w.fail(err)
	}
}

// save writes one block.
func (w *Writer) save(j *job) {
	if w.failed.Load() || w.abort.Load() {
		w.lose(&j.totals)
		return
	}
	w.store.drops(w.takePending())
	if err := w.store.put(j); err != nil {
		w.lose(&j.totals)
		w.fail(err)
		return
	}
	w.mu.Lock()
	w.total.Add(&j.totals)
	w.total.Deleted = w.store.deleted
	w.mu.Unlock()
}

// takePending moves the count of dropped events on into the totals.
func (w *Writer) takePending() Dropped {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.pending
	w.total.Dropped.add(&d)
	w.pending = Dropped{}
	return d
}

// fail keeps the first error.
func (w *Writer) fail(err error) {
	if err == nil {
		return
	}
	w.mu.Lock()
	if w.err == nil {
		w.err = err
	}
	w.mu.Unlock()
	w.failed.Store(true)
}
