package order

// mode is how an access meets others.
type mode uint8

const (
	// snapshot reads what was committed when its snapshot was taken, and locks no
	// rows.
	snapshot mode = iota
	// share reads the latest rows and keeps others from changing them.
	share
	// exclusive locks rows, to change them or not.
	exclusive
	// define changes the table itself.
	define
)

// access is what a command does to rows of one table.
type access struct {
	group *group
	cmd   *command
	table *table
	// columns are those read (snapshot) or changed (wrote), a bit each; the last
	// bit stands for all columns from 63 on.
	columns uint64
	// domains tell the rows, sorted by column.
	domains []domain
	// exact is a hash of the primary key where it names one row; else 0.
	exact uint64
	// end is where what it holds ends, if that is not the end of its group.
	end *command
	// via is the foreign key by which a new row locks it as its parent.
	via  *relation
	mode mode
	// wrote: it changed rows, which others see once its transaction is committed.
	wrote bool
	// sure: the row that exact names was there, or is now, and so is its lock, though
	// it was not changed.
	sure bool
	// inserts: its rows are new. enters: rows come to other places of an index, as
	// new ones do. gap: it locks gaps between rows, too; scans: it looks at rows, and
	// locks no gaps. skips: what is locked decides what it does.
	// born: its row has an id that was never there before.
	inserts, enters, gap, scans, skips, born bool
	// isKeyed: keyed are the keys of the rows that it returned.
	isKeyed bool
	// fresh: it is a new row that took the place of none. finds: as many rows as affected
	// tells were there. deletes: it deletes rows.
	fresh, finds, deletes bool
	affected              uint8
	// was and left tell whether its row was there, and is there when it is done: the one
	// that exact names, or the one that it put there; with all, any of those with the
	// values of its domains. turns is what it may do to rows.
	was, left presence
	all       bool
	turns     uint8
	// ofParent: it is what a change of a parent does to its children.
	ofParent bool
	// made: the server makes up the row's primary key. lone: it is the only row of an
	// INSERT.
	made, lone bool
	// bars is what it keeps others from doing with the table, of LOCK TABLES. opens: its
	// statement names the table, and so has it to the end of its transaction.
	bars  bars
	opens bool
	// again: its transaction had locked its rows before, with a read that returned
	// them. moves: rows that it returned were changed later in its transaction.
	again, moves bool
	// visit is the scan that saw it last.
	visit uint64
	// besides is what is asked of few; nil: nothing.
	besides *besides
}

// besides is what few accesses have.
type besides struct {
	// entry, of one that is again, is where its rows come to, as far as that is
	// told.
	entry []domain
	// moved, of one that moves, is where all of its rows came to at once, as far as
	// that is told.
	moved []domain
	// keyed are hashes of the primary keys of its rows, sorted.
	keyed []uint64
	// named are the keys of those of its rows that later accesses of its transaction
	// name.
	named []int64
}

// nothing is of accesses that have nothing besides. It is not written to.
var nothing besides

// has returns what an access has besides, to read it.
func (a *access) has() *besides {
	if a.besides == nil {
		return &nothing
	}
	return a.besides
}

// gets is has to write to it.
func (a *access) gets() *besides {
	if a.besides == nil {
		a.besides = &besides{}
	}
	return a.besides
}

// allColumns is every column.
const allColumns = ^uint64(0)

// last returns the command that ends what the access holds; nil while that is
// not known.
func (a *access) last() *command {
	if a.end != nil {
		return a.end
	}
	return a.group.last
}

// isOlder tells whether nobody need wait for the access: its group was placed
// before a number, or, of a Live, it is finished.
func (a *access) isOlder(number uint64) bool {
	switch {
	case !a.group.live:
		return a.group.isOlder(number)
	case a.end != nil:
		return a.end.sent != never && a.end.step.Finished()
	}
	return a.group.ended != 0 && (a.group.last == nil || a.group.last.step.Finished())
}

// isHad tells whether the row that exact names was there, or is now, so that its
// lock was had: where there is no row two may have locked that.
func (a *access) isHad() bool { return a.exact != 0 && (a.wrote || a.sure) }

// locks tells whether two accesses can't be held at once by two transactions.
func (a *access) locks(b *access) bool {
	switch {
	case a.isWhole() || b.isWhole():
		return true
	case a.mode == snapshot || b.mode == snapshot:
		return false
	}
	return a.mode == exclusive || b.mode == exclusive
}

// list is a list of accesses by time, the latest last.
type list struct {
	items []*access
	head  int
	// marks, where they are kept, tell of each item what lets most be passed over
	// without a look.
	marks []mark
	// rows, of a long list, is where the accesses of each row are; dropped is how many
	// the list has let go of since then.
	rows    *rows
	dropped int
	// ends: some hold what does not end with their groups, or are not answered. top is
	// when the latest answer of those with marks came, slack how much earlier than one
	// before it in the list one was answered at most: long answers end late.
	ends       bool
	top, slack int64
}

// span is a range of values, both ends included.
type span struct{ lo, hi int64 }

// anywhere is every value.
var anywhere = span{-1 << 63, 1<<63 - 1}

func (l *list) add(a *access) {
	if n := len(l.items); n == cap(l.items) && l.head > n/2 {
		n := copy(l.items, l.items[l.head:])
		clear(l.items[n:])
		if l.marks != nil {
			l.marks = l.marks[:copy(l.marks, l.marks[l.head:])]
			l.dropped += l.head
			l.ends, l.top, l.slack = false, 0, 0
			for i := range l.marks {
				l.see(&l.marks[i])
			}
		}
		l.items, l.head = l.items[:n], 0
	}
	l.items = append(l.items, a)
}

// addMarked adds an access with its mark. All of a list are added so, or none.
func (l *list) addMarked(a *access, m *mark) {
	l.add(a)
	l.marks = append(l.marks, *m)
	l.see(m)
	switch {
	case l.rows != nil:
		l.link(len(l.items) - 1)
	case l.len() >= rowsFrom:
		l.startRows()
	}
}

// see takes note of when a mark's access was answered.
func (l *list) see(m *mark) {
	l.ends = l.ends || m.begun == uint64(never) || m.answered == never
	l.slack = max(l.slack, near(l.top)-near(m.answered))
	l.top = max(l.top, m.answered)
}

func (l *list) len() int { return len(l.items) - l.head }

// trim drops what is so old that nothing waits for it any more.
func (l *list) trim(old uint64) {
	for l.head < len(l.items) && l.items[l.head].isOlder(old) {
		l.items[l.head] = nil
		l.head++
	}
}

// bucket holds accesses that lock or change rows, and those that only read what
// was committed, which do not meet each other.
type bucket struct{ locks, reads list }

func (b *bucket) add(a *access) {
	if a.mode == snapshot {
		b.reads.add(a)
	} else {
		b.locks.add(a)
	}
}

func (b *bucket) addMarked(a *access, m *mark) {
	if a.mode == snapshot {
		b.reads.addMarked(a, m)
	} else {
		b.locks.addMarked(a, m)
	}
}

func (b *bucket) trim(old uint64) {
	b.locks.trim(old)
	b.reads.trim(old)
}

// len returns how many accesses there are, without those that only read or with
// them.
func (b *bucket) len(reads bool) int {
	if reads {
		return b.locks.len() + b.reads.len()
	}
	return b.locks.len()
}

// append appends the lists.
func (b *bucket) append(dst []*list, reads bool) []*list {
	if b.locks.len() > 0 {
		dst = append(dst, &b.locks)
	}
	if reads && b.reads.len() > 0 {
		dst = append(dst, &b.reads)
	}
	return dst
}
