package capture

import (
	"testing"

	"myreplay/session"
)

// TestMaskState: secrets in what a source tells of a session go no further.
func TestMaskState(t *testing.T) {
	plain := &session.State{Prepared: []session.PreparedState{{Statement: 1, SQL: []byte("select ?")}}, UserVariables: []session.Variable{{Name: "a", Value: "1"}}}
	if MaskState(plain) != plain || MaskState(nil) != nil {
		t.Error("a state without secrets is changed")
	}
	s := *plain
	s.Prepared = append([]session.PreparedState{{Statement: 2, SQL: []byte("create user x identified by 'CANARY'")}}, plain.Prepared...)
	masked := MaskState(&s)
	if masked.Prepared[0].SQL != nil || masked.Prepared[1].SQL == nil || len(masked.UserVariables) != 1 || s.Prepared[0].SQL == nil {
		t.Errorf("%+v", masked)
	}
	s.Prepared[0].Name = "s" // its secrets may come in @a
	if masked = MaskState(&s); masked.UserVariables != nil || len(masked.Unknown) != 1 {
		t.Errorf("%+v", masked)
	}
}
