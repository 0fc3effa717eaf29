package report

// oldestShare: of so many entries that are given up one is the oldest.
const oldestShare = 16

// trim gives up entries while more memory is held than allowed. What waits for its
// turn is let go first, which costs no comparison. Of the rest it gives up mostly
// those that came last, so that of a side that lags by more than there is memory
// for, a part of the commands is still compared; but also the oldest, whose other
// side may never come.
func (b *Builder) trim() {
	for b.entries.bytes > b.options.Memory {
		if b.hurry() {
			continue
		}
		e := b.entries.last
		if b.gaveUp++; b.gaveUp%oldestShare == 0 {
			e = b.entries.first
		}
		b.giveUp(e)
	}
}

// giveUp finishes an entry before both sides are done, to save memory.
func (b *Builder) giveUp(e *entry) {
	j, seen := e.join, recorded
	if e.sides[replayed].commanded {
		seen = replayed
	}
	if e.sides[1-seen].commanded {
		b.count(e)
		b.notCompared(e, func(r *reasons) *uint64 { return &r.apart })
	} else if e.sides[seen].commanded {
		j.apart.add(seen, e.seq)
		b.open[seen]++
		b.count(e)
		if seen == recorded {
			b.notCompared(e, func(r *reasons) *uint64 { return &r.apart })
		}
	}
	b.drop(e)
}
