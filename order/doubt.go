package order

import "myreplay/session"

const (
	// maxDoubts is how many doubts are kept of one command, maxDoubting of how many
	// commands.
	maxDoubts   = 8
	maxDoubting = 1 << 18
)

// doubt takes note of what was guessed about a write whose rows a command sees:
// in which order it and another were done.
func (p *Planner) doubt(c, write *command) {
	if p.doubts == nil {
		return
	}
	for _, g := range write.step.Guesses {
		p.doubts.add(c, write.named(), g)
	}
	for _, g := range write.has().guesses {
		p.doubts.add(c, write.named(), session.Guess{Session: g.on.Session, Seq: g.on.Seq, Seen: g.seen})
	}
}

// doubtRests takes note of the guess that what a command finds rests on.
func (p *Planner) doubtRests(c *command) {
	rests := c.unproven.rests
	w := &rests.writes
	p.doubts.add(c, w[1], session.Guess{Session: w[0].Session, Seq: w[0].Seq, Seen: rests.seen})
}

// doubts are guesses about writes by the commands that see their rows. nil: none are
// asked for.
type doubts map[commandID][]Lesson

// add takes note of a guess about a write whose rows a command sees.
func (d doubts) add(c *command, write, g session.Guess) {
	if d == nil {
		return
	}
	k := commandID{c.step.Session, c.step.Seq}
	if list, known := d[k]; len(list) < maxDoubts && (known || len(d) < maxDoubting) {
		d[k] = append(list, Lesson{Session: write.Session, Seq: write.Seq, Other: g.Session, OtherSeq: g.Seq, Seen: g.Seen})
	}
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
	for _, g := range c.has().guesses {
		p.points[commandID{g.on.Session, g.on.Seq}] = g.at
	}
	if f := c.has().reads; f != nil && f != c {
		if p.snaps == nil {
			p.snaps = map[commandID]commandID{}
		}
		p.snaps[commandID{c.step.Session, c.step.Seq}] = commandID{f.step.Session, f.step.Seq}
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
