package report

import "myreplay/session"

// Finish ends the streams and returns the report. The Builder is of no use
// after it.
func (b *Builder) Finish() *Report {
	b.sourceEnd()
	b.streamEnd(recorded)
	b.streamEnd(replayed)
	for _, j := range b.joins {
		b.closeApart(j)
	}
	return b.summary().report()
}

// Snapshot returns the report so far, without ending anything: the Builder goes
// on, and shares nothing with the report that changes. Commands that are under
// way, of which one side or a reply is still to come, are counted as such
// (Account.UnderWay) and nowhere else in the account.
func (b *Builder) Snapshot() *Report {
	s := b.summary()
	s.setUnderWay()
	return s.report()
}

// summary makes a Report of a Builder's figures.
type summary struct {
	*Builder
	account accountTotals // in place of the Builder's
	// underWay counts by kind, givenUp those among the commands that were given up
	// before the run told of them, early those given up before the recording did.
	underWay       [session.KindCount]uint64
	givenUp, early uint64
}

func (b *Builder) summary() *summary {
	s := &summary{Builder: b, account: b.account}
	for _, source := range b.sources {
		if source.unread && source.commands == 0 {
			s.account.unread++
		}
	}
	s.account.extra += b.account.strays
	return s
}

// setUnderWay takes what is under way out of the account.
func (s *summary) setUnderWay() {
	for e := s.entries.first; e != nil; e = e.next {
		kind := min(int(e.kind), session.KindCount-1)
		if e.sides[recorded].commanded {
			s.underWay[kind]++
		}
		if q := &e.sides[replayed]; q.commanded {
			n := &s.account.run[kind][min(int(q.skipped), session.SkipCount-1)]
			*n -= min(*n, 1) // 0 if the run calls the command something else
		}
	}
	s.givenUp, s.early = s.open[recorded], s.open[replayed]
	s.account.reasons.apart -= s.givenUp
}

func (s *summary) report() *Report {
	b := s.Builder
	r := &Report{Schema: SchemaVersion, Sides: sidesNames[b.options.Sides], Folded: b.statements.other != nil}
	r.Recorded = b.sides[recorded].model(b.options.RecordedName)
	if b.options.Sides != CaptureAlone {
		r.Replayed = b.sides[replayed].model(b.options.ReplayedName)
	}
	if b.lag.count > 0 {
		r.Lag = &Lag{Times: b.lag.model(), OnTime: 1 - float64(b.late)/float64(b.lag.count)}
	}
	b.speeds(r)
	b.setClasses(r)
	s.setAccount(r)
	b.setDifferences(r)
	r.Causes, r.Chains, r.Order = some(s.account.causesModel()), b.chains(), b.orderModel()
	s.setUnknown(r)
	s.setVerdict(r)
	return r
}

// setAccount fills in the account and tells whether it closes.
func (s *summary) setAccount(r *Report) {
	a := &s.account
	r.Account = Account{Copies: s.options.Copies * int(s.pass+1), Missing: a.missing, Extra: a.extra, Closes: a.missing == 0 && a.extra == 0,
		Compared: a.compared, NoReply: a.noReply, NotCompared: some(a.reasons.model()), Kinds: []KindAccount{},
		AsRecorded: AsRecorded{a.deadlocks, a.lockTimeouts}}
	all := KindAccount{Kind: "all"}
	var skipped [session.SkipCount]uint64
	for kind := range session.KindCount {
		k := s.kindAccount(session.Kind(kind))
		if !s.closes(&k) {
			r.Account.Closes = false
		}
		for i, n := range a.run[kind] {
			skipped[i] += n
		}
		if k.Recorded+k.inRun() > 0 {
			r.Account.Kinds = append(r.Account.Kinds, k)
		}
		all.Recorded += k.Recorded
		all.UnderWay += k.UnderWay
	}
	all.setSkips(&skipped)
	r.Account.KindAccount = all
	if s.options.Sides == CaptureAlone {
		r.Account.Closes = true
	}
}

func (s *summary) kindAccount(kind session.Kind) KindAccount {
	k := KindAccount{Kind: kind.String(), Recorded: s.account.recorded[kind], UnderWay: s.underWay[kind]}
	k.setSkips(&s.account.run[kind])
	return k
}

// closes tells whether the account of a kind does. Of commands that were given
// up the kind is not known: they fill what is open.
func (s *summary) closes(k *KindAccount) bool {
	in, out := k.Recorded, k.inRun()+k.UnderWay
	switch {
	case in > out && in-out <= s.givenUp:
		s.givenUp -= in - out
		k.UnderWay += in - out
	case out > in && out-in <= s.early:
		s.early -= out - in
	default:
		return in == out
	}
	return true
}

// inRun returns how many of the commands the run tells of.
func (k *KindAccount) inRun() uint64 {
	return k.Sent + k.SkippedTotal() + k.FailedToSend + k.NotReached
}

func (k *KindAccount) setSkips(run *[session.SkipCount]uint64) {
	k.Sent, k.FailedToSend, k.NotReached = run[session.NotSkipped], run[session.FailedSend], run[session.NotReached]
	k.Skipped = countSkips(run)
}

// countSkips returns the skips that have a reason of their own.
func countSkips(list *[session.SkipCount]uint64) (counts []Count) {
	for i, n := range list {
		switch s := session.Skip(i); {
		case n == 0 || s == session.NotSkipped || s == session.FailedSend || s == session.NotReached:
		default:
			counts = append(counts, Count{s.String(), n})
		}
	}
	return counts
}
