package capture

import (
	"slices"

	"myreplay/session"
	"myreplay/sqltext"
)

// MaskState returns what a source told of a session without its secrets: the
// state itself where it has none, or a copy. A statement that has a secret, or asks
// for one in its parameters, is left without its text, so that it is not prepared
// anew; where such a one has a name its parameters come in user variables, which
// are left out then.
func MaskState(s *session.State) *session.State {
	if s == nil {
		return nil
	}
	masked, named := s, false
	var scratch []byte
	for i := range s.Prepared {
		p := &s.Prepared[i]
		var found sqltext.Secret
		if scratch, found = sqltext.Mask(scratch[:0], p.SQL, sqltext.Options{Guessed: true}); !found.Any() {
			continue
		}
		if masked == s {
			c := *s
			c.Prepared = slices.Clone(s.Prepared)
			masked = &c
		}
		masked.Prepared[i].SQL = nil
		named = named || p.Name != ""
	}
	if named && len(s.UserVariables) > 0 {
		masked.UserVariables = nil
		masked.Unknown = append(slices.Clone(s.Unknown), "user variables (they may hold a secret)")
	}
	return masked
}
