package order

const (
	// gridShift makes cells of numbers, so that ranges find rows: 64 to a cell.
	gridShift = 6
	// maxCells is in how many buckets an access may be.
	maxCells = 32
)

// lens finds accesses by the values of some columns.
type lens struct {
	columns []uint8
	buckets map[uint64]*bucket
	// loose has those accesses whose columns have no such values.
	loose bucket
	// spare are buckets that are empty again.
	spare []*bucket
}

const (
	// maxSpareBuckets is how many spare buckets are kept.
	maxSpareBuckets = 4096
	// maxSpareBucket is for how many accesses one of them may have room.
	maxSpareBucket = 64
)

// drop gives up an empty bucket.
func (l *lens) drop(cell uint64, b *bucket) {
	delete(l.buckets, cell)
	if len(l.spare) < maxSpareBuckets && b.locks.empty() && b.reads.empty() {
		l.spare = append(l.spare, b)
	}
}

// empty readies a list that has no items for use again; false: it is too large.
func (l *list) empty() bool {
	clear(l.items)
	l.items, l.head, l.marks = l.items[:0], 0, l.marks[:0]
	l.unlink()
	l.ends, l.top, l.slack = false, 0, 0
	return cap(l.items) <= maxSpareBucket
}

// bucket returns the bucket of a cell, which it makes when there is none.
func (l *lens) bucket(cell uint64) *bucket {
	b := l.buckets[cell]
	if b != nil {
		return b
	}
	if n := len(l.spare); n > 0 {
		b = l.spare[n-1]
		l.spare = l.spare[:n-1]
	} else {
		b = &bucket{}
	}
	l.buckets[cell] = b
	return b
}

// cells appends the buckets that an access belongs to; false: it is loose.
func (l *lens) cells(a *access, dst []uint64) ([]uint64, bool) {
	dst = append(dst, 1)
	last := len(l.columns) - 1
	for i, c := range l.columns {
		d := a.find(c)
		if d == nil || d.kind == null {
			return dst, false
		}
		var ok bool
		if dst, ok = d.spread(dst, i == last); !ok {
			return dst, false
		}
	}
	return dst, true
}

// spread makes of each cell those that the domain's values lead to.
func (d *domain) spread(cells []uint64, grid bool) ([]uint64, bool) {
	grid = grid && d.kind == number
	shift := 0
	if grid {
		shift = gridShift
	}
	n := len(cells)
	switch {
	case d.set != nil:
		return spreadSet(cells, d, shift)
	case d.kind == number && d.lo>>shift != d.hi>>shift:
		from, to := d.lo>>shift, d.hi>>shift
		if !grid || uint64(to-from) >= maxCells || n*int(to-from+1) > maxCells {
			return cells, false
		}
		for v := from + 1; v <= to; v++ {
			for i := range n {
				cells = append(cells, mix(cells[i], uint64(v)))
			}
		}
		for i := range n {
			cells[i] = mix(cells[i], uint64(from))
		}
		return cells, true
	case !grid && d.lo != d.hi:
		return cells, false
	}
	for i := range n {
		cells[i] = mix(cells[i], uint64(d.lo>>shift))
	}
	return cells, true
}

// spreadSet is spread for a list of values.
func spreadSet(cells []uint64, d *domain, shift int) ([]uint64, bool) {
	n := len(cells)
	if n*len(d.set) > maxCells {
		return cells, false
	}
	for k, v := range d.set {
		if k > 0 && v>>shift == d.set[k-1]>>shift || k == 0 {
			continue
		}
		for i := range n {
			cells = append(cells, mix(cells[i], uint64(v>>shift)))
		}
	}
	for i := range n {
		cells[i] = mix(cells[i], uint64(d.set[0]>>shift))
	}
	return cells, true
}

// span returns where an access lies in the lens's last column.
func (l *lens) span(a *access) span {
	return a.find(l.columns[len(l.columns)-1]).span()
}

// span returns where a domain's values lie; nil has any.
func (d *domain) span() span {
	if d != nil && d.kind == number {
		return span{d.lo, d.hi}
	}
	return anywhere
}

func (l *lens) add(a *access, m *mark, cells []uint64) {
	cells, ok := l.cells(a, cells)
	m.columns &^= ranged
	if !ok {
		m.span = anywhere.near()
		l.loose.addMarked(a, m)
		return
	}
	d := a.find(l.columns[len(l.columns)-1])
	if m.span = d.span().near(); d.set == nil && d.kind == number {
		m.columns |= ranged
	}
	for _, c := range cells {
		l.bucket(c).addMarked(a, m)
	}
}

// open appends the buckets of some cells, and returns how many accesses are in these,
// or in none.
func (l *lens) open(cells []uint64, dst []*bucket, old uint64, reads bool) ([]*bucket, int) {
	l.loose.trim(old)
	n := l.loose.len(reads)
	for _, c := range cells {
		if b := l.buckets[c]; b != nil {
			b.trim(old)
			n += b.len(reads)
			dst = append(dst, b)
		}
	}
	return dst, n
}
