package main

import (
	"testing"

	"myreplay/session"
)

// TestParamsWithoutStart: in a damaged capture the block with a session's Start
// may be lost, and what is left is still shown.
func TestParamsWithoutStart(t *testing.T) {
	var p params
	for _, e := range []session.Event{
		&session.Command{ID: 1, Kind: session.CloseStatement, Statement: 1},
		&session.Reply{ID: 1, Seq: 1, Prepared: &session.Prepared{Statement: 7}},
		&session.Command{ID: 1, Kind: session.LongData, Statement: 7, Payload: []byte{0x18, 7, 0, 0, 0, 0, 0}},
	} {
		p.see(e)
	}
	execute := &session.Command{ID: 1, Kind: session.Execute, Statement: 7, Payload: []byte{0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0}}
	if list, ok := p.of(execute); !ok || len(list) != 0 {
		t.Errorf("%v %v", list, ok)
	}
	p.see(&session.End{ID: 1})
	if _, ok := p.of(execute); ok {
		t.Error("the statement outlives its session")
	}
}
