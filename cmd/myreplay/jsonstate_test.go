package main

import (
	"encoding/json"
	"testing"

	"myreplay/session"
)

// TestStateJSON: numbers are numbers, NULL is null, bytes that are no text are
// hex, and a statement without a text has none.
func TestStateJSON(t *testing.T) {
	if stateJSON(nil) != nil {
		t.Error("a State of nothing")
	}
	got, err := json.Marshal(stateJSON(&session.State{Asked: 1_000_000_000, Told: 1_500_000_000, Transaction: true,
		Variables: []session.Variable{{Name: "sort_buffer_size", Value: "65536", Number: true}, {Name: "character_set_results", Null: true}},
		UserVariables: []session.Variable{{Name: "b", Value: "\x00\xff"}, {Name: "d", Value: "-1.50", Number: true},
			{Name: "odd", Value: "1e", Number: true}},
		Prepared: []session.PreparedState{{Statement: 7, SQL: []byte("SELECT ?")}, {Statement: 8, Name: "s"}, {Statement: 9, SQL: []byte{}}},
		Unknown:  []string{"temporary tables"}}))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"asked":"1970-01-01T00:00:01Z","told":"1970-01-01T00:00:01.5Z",` +
		`"variables":[{"name":"sort_buffer_size","value":65536},{"name":"character_set_results","value":null}],` +
		`"user_variables":[{"name":"b","value":{"hex":"00ff"}},{"name":"d","value":-1.50},{"name":"odd","value":"1e"}],` +
		`"prepared":[{"statement":7,"sql":"SELECT ?"},{"statement":8,"name":"s"},{"statement":9,"sql":""}],` +
		`"transaction":true,"unknown":["temporary tables"]}`
	if string(got) != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
}
