package order

const (
	// maxDoubts is how many doubts are kept of one command, maxDoubting of how many
	// commands.
	maxDoubts   = 8
	maxDoubting = 1 << 18
)

// doubt takes note of what was guessed about a write whose rows a command sees:
// in which order it and another were done.
func (p *Planner) doubt(c, write *command) {
	if !p.options.Doubts || len(write.step.Guesses)+len(write.guesses) == 0 {
		return
	}
	k := commandID{c.step.Session, c.step.Seq}
	list, known := p.doubts[k]
	if len(list) >= maxDoubts || !known && len(p.doubts) >= maxDoubting {
		return
	}
	if p.doubts == nil {
		p.doubts = map[commandID][]Lesson{}
	}
	for _, g := range write.step.Guesses {
		list = append(list, Lesson{Session: write.step.Session, Seq: write.step.Seq, Other: g.Session, OtherSeq: g.Seq, Seen: g.Seen})
	}
	for _, g := range write.guesses {
		list = append(list, Lesson{Session: write.step.Session, Seq: write.step.Seq, Other: g.on.Session, OtherSeq: g.on.Seq, Seen: g.seen})
	}
	p.doubts[k] = list[:min(len(list), maxDoubts)]
}

// doubtRests takes note of the guess that what a command finds rests on.
func (p *Planner) doubtRests(c *command) {
	k := commandID{c.step.Session, c.step.Seq}
	list, known := p.doubts[k]
	if !p.options.Doubts || len(list) >= maxDoubts || !known && len(p.doubts) >= maxDoubting {
		return
	}
	if p.doubts == nil {
		p.doubts = map[commandID][]Lesson{}
	}
	w := &c.rests.writes
	p.doubts[k] = append(list, Lesson{Session: w[1].Session, Seq: w[1].Seq, Other: w[0].Session, OtherSeq: w[0].Seq, Seen: c.rests.seen})
}

// Doubts returns the guesses about the writes whose rows a command sees, where
// Options.Doubts asks for them.
func (p *Planner) Doubts(id, seq uint64) []Lesson { return p.doubts[commandID{id, seq}] }

// keepPoints takes note of when the effects of those commands were that another's
// place is guessed next to.
func (p *Planner) keepPoints(c *command) {
	if !p.options.Doubts || len(p.points) >= maxDoubting {
		return
	}
	if p.points == nil {
		p.points = map[commandID]int64{}
	}
	for _, g := range c.guesses {
		p.points[commandID{g.on.Session, g.on.Seq}] = g.at
	}
	if c.reads != nil && c.reads != c {
		if p.snaps == nil {
			p.snaps = map[commandID]commandID{}
		}
		p.snaps[commandID{c.step.Session, c.step.Seq}] = commandID{c.reads.step.Session, c.reads.step.Seq}
	}
}

// snapshotOf returns the command that took the snapshot that a command reads, where
// Options.Doubts asks for it; that is the command itself where it read none or its own.
func (p *Planner) snapshotOf(read commandID) commandID {
	if k, ok := p.snaps[read]; ok {
		return k
	}
	return read
}

// Point returns when the effect of a command is taken to have been that some Guess
// names, where Options.Doubts asks for it; 0: not known.
func (p *Planner) Point(id, seq uint64) int64 { return p.points[commandID{id, seq}] }
