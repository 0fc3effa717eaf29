package report

import (
	"fmt"
	"slices"
	"strings"

	"myreplay/compare"
	"myreplay/session"
)

// setVerdict decides whether the two sides are the same. A difference that was
// found is one, whatever is missing beside it. Without any, what could not be
// compared decides: "the same" is only said of a replay that was complete but
// for what it was told to skip.
func (s *summary) setVerdict(r *Report) {
	v := &r.Verdict
	v.Compared, v.Different = s.account.compared, s.account.different
	v.LeftOut, v.Excused = s.account.leftOut, s.account.excused
	for i := range r.Classes {
		if r.Classes[i].Different > 0 {
			v.DifferentClasses++
		}
	}
	s.setResult(r)
	if v.Result == Profile {
		return
	}
	v.Reason += butFor(r)
	if n := sum(r.Account.NotCompared); n > 0 && v.Result == Same {
		v.Reason += "; " + inNumber(n, number(n)+" more {was|were} not compared")
	}
	if n := r.Account.UnderWay; n > 0 {
		v.Reason += "; " + inNumber(n, number(n)+" more {is|are} under way")
	}
}

// setResult sets the result, and its reason as far as it rests on it.
func (s *summary) setResult(r *Report) {
	v := &r.Verdict
	lost := s.incomplete()
	switch {
	case s.options.Sides == CaptureAlone:
		v.Result, v.Reason = Profile, "one side only, nothing was compared"
	case v.Different > 0:
		v.Result = Differs
		v.Reason = fmt.Sprintf("%s of %s answered differently, in %s of %s", number(v.Different),
			plural(v.Compared, "compared command", "compared commands"), number(uint64(v.DifferentClasses)),
			plural(uint64(len(r.Classes)), "query class", "query classes"))
		if c := r.Chains; c != nil && c.Follow > 0 {
			v.Reason += fmt.Sprintf("; %s of them %s from %s", number(c.Follow), inNumber(c.Follow, "{follows|follow}"), plural(uint64(c.First), "earlier one", "earlier ones"))
		}
		if !r.Account.Closes {
			v.Reason += "; besides, the account does not close"
		}
	case r.Speed.Failing > 0:
		v.Result = Differs
		v.Reason = fmt.Sprintf("no answer differs, but %s slower by %s or more", plural(uint64(r.Speed.Failing), "query class got", "query classes got"), ratio(s.options.Speed.Fail))
	case !r.Account.Closes:
		v.Result, v.Reason = Incomparable, "the account does not close: the run does not belong to the recording, or is not whole"
	case v.Compared == 0:
		v.Result, v.Reason = Incomparable, "no command could be compared"
	case lost > 0 && !s.options.AllowIncomplete:
		v.Result = Incomparable
		v.Reason = fmt.Sprintf("%s the same answers, but %s not sent, got no whole answer or could not be compared", had(v.Compared), were(lost))
	default:
		v.Result, v.Reason = Same, had(v.Compared)+" the same answers"
	}
}

// butFor says what the verdict leaves aside: differences that the rules do not
// count, and writes that were left out.
func butFor(r *Report) (words string) {
	others, missing := uint64(0), uint64(0)
	for _, d := range r.Differences {
		if d.key.cause == compare.MissingState {
			missing += d.Commands - d.Counted
		} else {
			others += d.Commands - d.Counted
		}
	}
	v := &r.Verdict
	if others > 0 && v.Result == Same {
		words = fmt.Sprintf(", but for %s that the rules do not count", plural(others, "difference", "differences"))
	}
	if v.LeftOut == 0 && v.Excused == 0 {
		return words
	}
	if words == "" && v.Result == Same {
		words = ", but"
	} else {
		words += ";"
	}
	if v.LeftOut > 0 {
		words += fmt.Sprintf(" writes were left out (%s)", number(v.LeftOut))
	} else {
		words += " commands were left out"
	}
	switch n := v.Excused; {
	case n > 0:
		words += ": " + inNumber(n, number(n)+" {answer that differs|answers that differ} for that reason {is|are} not counted")
	case missing > 0:
		words += fmt.Sprintf(": of the commands that differ, %s for that reason, too", inNumber(missing, number(missing)+" {does|do}"))
	}
	return words
}

func had(n uint64) string {
	if n == 1 {
		return "the one compared command has"
	}
	return fmt.Sprintf("all %s compared commands have", number(n))
}

func were(n uint64) string { return number(n) + inNumber(n, " {was|were}") }

// incomplete counts the commands that should have been compared and were not,
// by a fault of the replay or of the report. What the user had left out, or the
// recording lacks, is not among them.
func (s *summary) incomplete() uint64 {
	r := &s.account.reasons
	return r.skipped[session.FailedSend] + r.skipped[session.NotReached] + r.skipped[session.SkipBehind] + r.replies[compare.NoReplayedReply] +
		r.replies[compare.ReplayedLost] + r.replies[compare.OtherSeed] + r.apart
}

// setUnknown says what the report cannot know.
func (s *summary) setUnknown(r *Report) {
	b := s.Builder
	u := remarks{list: []Remark{}}
	u.account(&r.Account)
	u.recording(s, r.Recorded)
	if r.Replayed != nil {
		u.replay(s, r)
	}
	u.add("clock_went_backwards", b.backwards, "{answer|answers} came before {its command|their commands} by the clock: the time counts as zero.")
	u.add("folded_classes", one(r.Folded), fmt.Sprintf("{query class|query classes} or more beyond the first %s are summed up as %q.", number(uint64(b.options.MaxClasses)), otherName))
	r.Unknown = u.list
}

// remarks gathers what a report cannot know.
type remarks struct{ list []Remark }

// add adds a remark that begins with its number, unless that is 0. Of words in
// braces the first is for one, the second for more.
func (u *remarks) add(code string, n uint64, text string) {
	if n > 0 {
		u.list = append(u.list, Remark{Code: code, Count: n, Text: number(n) + " " + inNumber(n, text)})
	}
}

// inNumber chooses from each "{one|more}" in text.
func inNumber(n uint64, text string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		out.WriteString(before)
		choice, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return out.String()
		}
		single, many, _ := strings.Cut(choice, "|")
		if n == 1 {
			out.WriteString(single)
		} else {
			out.WriteString(many)
		}
		text = after
	}
}

func (u *remarks) account(a *Account) {
	u.add("missing_from_run", a.Missing, "recorded {command is|commands are} nowhere in the run, neither sent nor skipped: it ended early, or a part of it is lost.")
	u.add("not_in_recording", a.Extra, "{command|commands} of the run {is|are} not in the recording: the run was made from another one, or a part of it is lost.")
}

// recording tells what the recording lacks.
func (u *remarks) recording(b *summary, s *Side) {
	u.add("joined_sessions", s.Joined-b.sides[recorded].told, "{session was|sessions were} open before the recording began: user, schema, settings and prepared statements may be unknown. Differences in them have the cause \"after lost bytes\".")
	u.add("unread_sessions", b.account.unread, "{session|sessions} used TLS that the recorder could not read: nothing of what {it|they} did is in this report.")
	gaps := s.holes()
	u.add("gaps", sum(gaps), fmt.Sprintf("{gap|gaps} in the recording (%s; %s known to be lost): commands there are not counted. Differences later in these sessions have the cause \"after lost bytes\".", listOf(gaps), size(s.LostBytes)))
	u.add("lost_packets", s.LostPackets, "{packet|packets} or {block|blocks} were lost before they could be read; whose they were is not known.")
	u.add("masked_commands", s.Masked, "{command|commands} carried a secret: recorded masked, and not replayed.")
	u.add("cut_commands", s.Cut, "{command was|commands were} longer than the recording's limit: recorded in part, and not replayed.")
}

// holes returns the gaps but those that every joined or encrypted session has.
func (s *Side) holes() []Count {
	return slices.DeleteFunc(slices.Clone(s.Gaps), func(c Count) bool {
		return c.Name == session.JoinedLate.String() || c.Name == session.Encrypted.String()
	})
}

// replay tells what the replay and the comparison lack.
func (u *remarks) replay(b *summary, r *Report) {
	a := &b.account
	reasons := &a.reasons
	gaps := r.Replayed.holes()
	u.add("run_gaps", sum(gaps), "{gap|gaps} in the run ("+listOf(gaps)+"): what the target answered there is not known.")
	u.add("skipped_writes", a.leftOut, "{command|commands} that could write {was|were} not replayed: what was read after them may differ for that reason. Such differences have the cause \"missing state\"; what views, triggers and foreign keys hide is not seen.")
	u.add("too_far_behind", reasons.skipped[session.SkipBehind], "{command was|commands were} not sent: the target was too slow, and the replay gave up whole sessions.")
	u.add("part_of_the_state", reasons.skipped[session.SkipInState], "{command was|commands were} done before the source was asked for the state of {its session|their sessions}: what {it|they} set up there is set up on the target, but {it was|they were} not replayed.")
	u.add("half_transactions", reasons.skipped[session.SkipHalf], "{command belongs to a transaction|commands belong to transactions} that had begun before the recording, and {was|were} not replayed.")
	u.add("torn_transactions", reasons.skipped[session.SkipTorn], "{command belongs to a transaction|commands belong to transactions} of which bytes were lost, and {was|were} not replayed.")
	u.add("refused_sessions", r.Replayed.Refused, "{session was|sessions were} refused by the target at login.")
	u.add("no_answer", reasons.replies[compare.NoReplayedReply], "{command was|commands were} sent, but the target gave no answer: the connection was lost or the server went away.")
	u.add("rows_unknown", reasons.replies[compare.RowsUnknown], "{answer has|answers have} rows that could not be digested: only their number was compared.")
	u.add("other_seed", reasons.replies[compare.OtherSeed], "{answer has|answers have} rows digested with different seeds: only their number was compared.")
	u.add("sent_together", b.together, "{command was|commands were} sent together with others, to catch up: {its|their} times are not compared.")
	u.add("recorded_together", b.togetherRecorded, "{command was|commands were} sent by {its client|their clients} before the answer to the one before had come: {its|their} times are not compared.")
	u.add("gone_apart", reasons.apart, "{command was|commands were} not compared, since the two sides were too far apart for the memory limit.")
	u.add("forgotten_sessions", b.forgotten, "{session|sessions} ended so long before the replay of {it|them} began that {it was|they were} given up.")
	u.order(b, r)
	if a.compared > 0 {
		text := "Times are those seen where each side was recorded. What lies between there and the server is part of them."
		u.list = append(u.list, Remark{Code: "where_times_were_taken", Text: text})
	}
	if b.options.Sides == TwoRuns && !b.hadSource {
		u.list = append(u.list, Remark{Code: "no_texts", Text: "The capture behind the two runs was not given: statements have no texts."})
	}
}

// order tells what the order between sessions leaves open.
func (u *remarks) order(b *summary, r *Report) {
	o := r.Order
	if o == nil {
		return
	}
	u.add("guessed_places", o.Guessed, "{command|commands} had a place next to those of other sessions that the recording does not prove. Differences that this can make have the cause \"order\"; they are the replay's doing as likely as the target's.")
	u.add("dropped_waits", o.DroppedIn, "{command|commands} did not wait for all that {it was|they were} to wait for, so that the replay went on: {it|they} may have found other rows, and so may what reads {its|their} tables after {it|them}.")
	u.add("redone_commands", o.RedoneIn, "{command is|commands are} of transactions that the target rolled back for locks, and that were begun anew. The last outcome was compared, but what was tried before may have used up ids, and what was read may be newer: a difference that this can make has the cause \"order\".")
	if o.Totals == nil {
		return
	}
	u.add("not_redone", o.Totals.NotRedone, "{transaction was|transactions were} rolled back on the target for locks and could not be begun anew: what {it|they} wrote is missing there.")
	if o.Totals.Mode == "none" && r.Recorded.Sessions > 1 {
		u.list = append(u.list, Remark{Code: "no_order", Text: "The replay kept no order between sessions: differences between sessions that race are not told apart from others."})
	}
}

// String returns the verdict in one line.
func (v *Verdict) String() string {
	word := strings.ToUpper(v.Result)
	if v.Result == Differs {
		word = "DIFFERENT"
	}
	return word + ": " + v.Reason + "."
}
