package replay

import (
	"context"
	"regexp"
	"testing"

	"myreplay/session"
)

// TestNames: an EXECUTE is never sent where the target has another statement, or
// may have another, under its name than the source had.
func TestNames(t *testing.T) {
	all := Policy{Writes: true}
	only1 := Policy{Writes: true, Match: regexp.MustCompile("(?i)from 'select 1|execute")}
	for _, c := range []struct {
		name    string
		policy  Policy
		queries []string
		want    string
	}{
		{"sent", all, []string{"prepare s from 'select 1'", "execute s", "deallocate prepare s"}, ""},
		{"the newer one was left out, in other letters", only1, []string{"prepare s from 'select 1'", "PREPARE `S` FROM 'delete from t'", "execute s"}, "2:filtered 3:statement skipped"},
		{"prepared again", only1, []string{"prepare s from 'delete from t'", "execute s", "prepare s from 'select 1'", "execute s"}, "1:filtered 2:statement skipped"},
		{"another name", only1, []string{"prepare a from 'delete from t'", "prepare b from 'select 1'", "execute b", "execute a"}, "1:filtered 4:statement skipped"},
		{"within one text", all, []string{"prepare s from 'select 1'; execute s; deallocate prepare s"}, ""},
		{"read-only: its end is no error on the target", Policy{}, []string{"prepare s from @x", "execute s", "deallocate prepare s"}, "1:write 2:write 3:statement skipped"},
		{"no name", all, []string{"execute immediate 'select 1'"}, ""},
		{"the source did not know it either", all, []string{"execute s"}, ""},
	} {
		sink, _ := play(t, context.Background(), &fake{}, Options{Policy: c.policy}, talk(1, 1, ms, c.queries...))
		if got := skips(sink); got != c.want {
			t.Errorf("%s: skipped %q, want %q", c.name, got, c.want)
		}
	}
}

// TestNamesUnseen: what may have been prepared in lost bytes, before the
// recording, or in a command that can't be sent, is not taken for what is known.
func TestNamesUnseen(t *testing.T) {
	execute := func() []session.Event {
		return talk(1, 1, ms, "prepare s from 'select 1'", "execute s", "select 2", "execute s")
	}
	lost := execute()
	lost[5] = &session.Gap{ID: 1, Seq: 3, At: lost[4].(*session.Reply).Last, Client: true, Lost: 40}
	lost = append(lost[:6], lost[7:]...)

	masked := execute()
	m := query(1, 3, masked[5].(*session.Command).At, "prepare S from '***'")
	m.Masked = true
	masked[5] = m

	cut := execute()
	c := *cut[5].(*session.Command)
	c.Cut = true
	cut[5] = &c

	joined := talk(1, 1, ms, "execute s", "prepare s from 'select 1'", "execute s")
	joined[0].(*session.Start).Joined = true

	for _, c := range []struct {
		name   string
		events []session.Event
		want   string
	}{
		{"lost bytes", lost, "4:unknown statement"},
		{"a masked PREPARE", masked, "3:secret 4:statement skipped"},
		{"a command that was cut", cut, "3:too long 4:unknown statement"},
		{"before the recording", joined, "1:unknown statement"},
	} {
		sink, _ := play(t, context.Background(), &fake{}, Options{Policy: Policy{Writes: true}}, c.events)
		if got := skips(sink); got != c.want {
			t.Errorf("%s: skipped %q, want %q", c.name, got, c.want)
		}
	}
}
