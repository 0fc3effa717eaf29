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
	k := named{c.step.Session, c.step.Seq}
	list, known := p.doubts[k]
	if len(list) >= maxDoubts || !known && len(p.doubts) >= maxDoubting {
		return
	}
	if p.doubts == nil {
		p.doubts = map[named][]Lesson{}
	}
	for _, g := range write.step.Guesses {
		list = append(list, Lesson{Session: write.step.Session, Seq: write.step.Seq, Other: g.Session, OtherSeq: g.Seq, Seen: g.Seen})
	}
	for _, g := range write.guesses {
		list = append(list, Lesson{Session: write.step.Session, Seq: write.step.Seq, Other: g.on.Session, OtherSeq: g.on.Seq, Seen: g.seen})
	}
	p.doubts[k] = list[:min(len(list), maxDoubts)]
}

// Doubts returns the guesses about the writes whose rows a command sees, where
// Options.Doubts asks for them.
func (p *Planner) Doubts(id, seq uint64) []Lesson { return p.doubts[named{id, seq}] }
