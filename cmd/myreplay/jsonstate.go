package main

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"myreplay/session"
)

// jsonState is what a server told of a session that was joined in mid-life.
type jsonState struct {
	Asked         string              `json:"asked"`
	Told          string              `json:"told"`
	Variables     []jsonVariable      `json:"variables,omitempty"`
	UserVariables []jsonVariable      `json:"user_variables,omitempty"`
	Prepared      []jsonPreparedState `json:"prepared,omitempty"`
	Transaction   bool                `json:"transaction,omitempty"`
	Unknown       []string            `json:"unknown,omitempty"`
}

type jsonVariable struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

type jsonPreparedState struct {
	Statement uint32  `json:"statement"`
	Name      string  `json:"name,omitempty"`
	SQL       *string `json:"sql,omitempty"`
}

func stateJSON(s *session.State) *jsonState {
	if s == nil {
		return nil
	}
	at := func(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }
	j := &jsonState{Asked: at(s.Asked), Told: at(s.Told), Transaction: s.Transaction, Unknown: s.Unknown,
		Variables: variablesJSON(s.Variables), UserVariables: variablesJSON(s.UserVariables)}
	for i := range s.Prepared {
		p := &s.Prepared[i]
		out := jsonPreparedState{Statement: p.Statement, Name: p.Name}
		if p.SQL != nil {
			sql := string(p.SQL)
			out.SQL = &sql
		}
		j.Prepared = append(j.Prepared, out)
	}
	return j
}

func variablesJSON(list []session.Variable) (out []jsonVariable) {
	for _, v := range list {
		out = append(out, jsonVariable{v.Name, variableJSON(v)})
	}
	return out
}

// variableJSON returns a value as jsonParam does.
func variableJSON(v session.Variable) any {
	switch {
	case v.Null:
		return nil
	case v.Number && json.Valid([]byte(v.Value)):
		return json.Number(v.Value)
	case !utf8.ValidString(v.Value):
		return map[string]string{"hex": hexText(v.Value)}
	}
	return v.Value
}
