package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"myreplay/replay"
	"myreplay/session"
	"myreplay/target"
)

func (a *replayArgs) intro(path string, server *replayTarget, total int64) string {
	what := path
	if total > 0 {
		what += " (" + count(total, "command") + ")"
	}
	how := "read-only: what may change data is skipped; --writes sends it"
	if a.writes {
		how = "with writes"
	}
	return fmt.Sprintf("replaying %s on %s at speed %s, %s; the run goes to %s", what, server, a.speed.String(), how, a.run)
}

func progressLine(s *replay.Stats, total int64, d time.Duration, paced bool) string {
	done := s.Accounted()
	line := ""
	if total > 0 {
		line = fmt.Sprintf("%3.0f%%  ", 100*float64(done)/float64(total))
	}
	line += fmt.Sprintf("%s  %s (%s)  %s open", duration(d), count(s.Sent.Load(), "command"), rate(s.Sent.Load(), d), count(s.Open.Load(), "session"))
	if paced {
		line += "  lag " + duration(time.Duration(s.Lag.Load()))
	}
	if n := s.Errors.Load(); n > 0 {
		line += "  " + count(n, "error")
	}
	if n := s.Lost.Load() + s.Refused.Load(); n > 0 {
		line += "  " + count(n, "lost connection")
	}
	if total > 0 && done > 0 && done < total {
		line += "  ETA " + duration(time.Duration(float64(d)*float64(total-done)/float64(done)).Round(time.Second))
	}
	return line
}

// summary prints the account and what else a reader should know.
func (a *replayArgs) summary(out io.Writer, s *replay.Stats, total int64, d time.Duration, stopped bool) {
	recorded := max(total, s.Commands.Load())
	failed, unreached := s.Skipped[session.FailedSend].Load(), s.Skipped[session.NotReached].Load()
	unreached += recorded - s.Accounted() // never read
	var reasons []string
	skipped := int64(0)
	for i := range s.Skipped {
		k := session.Skip(i)
		if n := s.Skipped[i].Load(); n > 0 && k != session.FailedSend && k != session.NotReached {
			skipped += n
			reasons = append(reasons, k.String()+" "+thousands(uint64(n)))
		}
	}
	because := ""
	if reasons != nil {
		because = " (" + strings.Join(reasons, ", ") + ")"
	}
	verb := "replayed"
	if stopped {
		verb = "stopped after"
	}
	fmt.Fprintf(out, "%s %s in %s: sent %s + skipped %s%s + failed to send %s + not reached %s = %s recorded\n", verb,
		count(s.Sessions.Load()-s.Filtered.Load(), "session"), duration(d), thousands(uint64(s.Sent.Load())), thousands(uint64(skipped)), because,
		thousands(uint64(failed)), thousands(uint64(unreached)), thousands(uint64(recorded)))
	fmt.Fprintf(out, "  %s, %s, %s with an error", rate(s.Sent.Load(), d), count(s.Replies.Load(), "reply"), thousands(uint64(s.Errors.Load())))
	if a.speed != 0 && s.Sent.Load() > 0 {
		fmt.Fprintf(out, "; %.1f%% sent within 5 ms of due, the latest %s late", 100*float64(s.OnTime.Load())/float64(s.Sent.Load()), duration(time.Duration(s.Late.Load())))
	}
	fmt.Fprintln(out)
	remark(out, s.Refused.Load(), fmt.Sprintf("%s could not be made, the last one: %v", count(s.Refused.Load(), "connection"), s.Refusal()))
	remark(out, s.Lost.Load(), fmt.Sprintf("%s lost, %s made again, %s sent without an answer", count(s.Lost.Load(), "connection"), thousands(uint64(s.Reconnects.Load())), count(s.Unanswered.Load(), "command")))
	remark(out, s.Torn.Load(), tornWords(s.Torn.Load()))
	remark(out, s.Overtaken.Load(), count(s.Overtaken.Load(), "session")+" begun early because nothing moved")
	remark(out, s.Skipped[session.SkipWrite].Load(), "writes were left out: what reads them later differs for that reason")
}

// What tells the schema of a session that was joined in mid-life: in a replay, in
// a mirror.
const (
	schemaByURL    = "name one in the target's URL (mysql://.../SCHEMA)"
	schemaBySource = "--source asks the source server for it"
)

// targetRemarks say what the target was told otherwise than the source. schema
// is what tells the schema where the recording does not know it.
func targetRemarks(out io.Writer, s target.Stats, schema string) {
	remark(out, s.AttributesLeftOut, count(s.AttributesLeftOut, "command")+" sent without query attributes, which the target does not have")
	remark(out, s.SchemasUnknown, count(s.SchemasUnknown, "session")+" joined in mid-life without a schema, because the recording does not know it: "+schema)
	remark(out, s.StateRestored, count(s.StateRestored, "setting")+" of sessions that were open before (variables, prepared statements) made on the target")
	remark(out, s.StateRefused, fmt.Sprintf("%s of sessions that were open before refused by the target, the last one: %s", count(s.StateRefused, "setting"), s.StateError))
	remark(out, s.StateUnknown, count(s.StateUnknown, "setting")+" of sessions that were open before not made: the source does not tell all of it")
	remark(out, s.Collations, count(s.Collations, "session")+" with another connection collation, because the target lacks the recorded one")
	remark(out, s.NotOffered, count(s.NotOffered, "session")+" without something that the target does not offer: "+s.Missing.String())
	remark(out, s.FilesRefused, count(s.FilesRefused, "file")+" asked for by the target and not recorded: sent empty")
	remark(out, s.FilesIncomplete, count(s.FilesIncomplete, "file")+" recorded in part: the connection was ended so that the target does not load it")
	remark(out, s.Reconnects, count(s.Reconnects, "change of user")+" done as a new connection")
	remark(out, s.DocumentIDs, count(s.DocumentIDs, "document")+" got an _id from the target; later messages named them "+count(s.Mapped, "time"))
	remark(out, s.IDsUnpaired, count(s.IDsUnpaired, "_id")+" that one server made and the other did not")
	remark(out, s.IDsForgotten, count(s.IDsForgotten, "_id")+" given up because there were too many")
	remark(out, s.ValuesMapped, count(s.ValuesMapped, "value")+" mapped: the source had made them up, and the target others in their place")
	remark(out, s.ValuesLate, count(s.ValuesLate, "value")+" sent as recorded, because the target's own was known only later")
	remark(out, s.ValuesUnpaired, count(s.ValuesUnpaired, "value")+" made up by the source for which the target had another's: not mapped")
	remark(out, s.ValuesForgotten, count(s.ValuesForgotten, "value")+" given up because there were too many")
	remark(out, s.ParamsDiffer, count(s.ParamsDiffer, "prepared statement")+" with another number of parameters on the target: executions skipped")
}

// tornWords tells of transactions whose end is not known.
func tornWords(n int64) string {
	return count(n, "transaction") + " rolled back on the target: something of theirs is missing from the recording"
}
