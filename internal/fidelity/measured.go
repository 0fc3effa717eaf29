package fidelity

import (
	"encoding/json"
	"fmt"
	"slices"
)

// reportJSON are the fields of "myreplay report --json" that are used.
type reportJSON struct {
	Verdict struct {
		Compared  uint64 `json:"compared"`
		Different uint64 `json:"different"`
		Excused   uint64 `json:"missing_state"`
	} `json:"verdict"`
	Account struct {
		Skipped      []countJSON `json:"skipped"`
		FailedToSend uint64      `json:"failed_to_send"`
		NotReached   uint64      `json:"not_reached"`
	} `json:"account"`
	Recorded    *sideJSON `json:"recorded"`
	Replayed    *sideJSON `json:"replayed"`
	Differences []struct {
		Class    string `json:"class"`
		Cause    string `json:"cause"`
		Commands uint64 `json:"commands"`
	} `json:"differences"`
}

type countJSON struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

type sideJSON struct {
	From        string      `json:"from"`
	Commands    uint64      `json:"commands"`
	Errors      uint64      `json:"errors"`
	PerSecond   float64     `json:"commands_per_s"`
	Gaps        []countJSON `json:"gaps"`
	LostPackets uint64      `json:"lost_packets"`
}

// asRecorded are the reasons for which a run left out what the source's locks
// undid.
var asRecorded = []string{"deadlock as recorded", "lock timeout as recorded"}

// columnTypes and orderUnknown are differences that say nothing against a replay.
const columnTypes, orderUnknown = "column_types", "order_unknown"

// ParseProfile reads the JSON report of a capture alone.
func ParseProfile(text []byte) (Recording, error) {
	var r reportJSON
	if err := json.Unmarshal(text, &r); err != nil {
		return Recording{}, fmt.Errorf("read a profile: %w", err)
	}
	if r.Recorded == nil {
		return Recording{}, fmt.Errorf("read a profile: it describes no recording")
	}
	s := r.Recorded
	return Recording{ID: s.From, Commands: s.Commands, PerSecond: s.PerSecond, Errors: s.Errors, Lost: s.LostPackets + sum(s.Gaps)}, nil
}

// ParseReport reads the JSON report of a run, made with --count-generated.
func ParseReport(text []byte) (Replay, error) {
	var r reportJSON
	if err := json.Unmarshal(text, &r); err != nil {
		return Replay{}, fmt.Errorf("read a report: %w", err)
	}
	if r.Replayed == nil {
		return Replay{}, fmt.Errorf("read a report: it describes no run")
	}
	out := Replay{
		Commands: r.Replayed.Commands, PerSecond: r.Replayed.PerSecond,
		NotSent:  r.Account.FailedToSend + r.Account.NotReached,
		Compared: r.Verdict.Compared, Diverging: r.Verdict.Different + r.Verdict.Excused,
		Causes: map[string]uint64{}, Classes: map[string]uint64{},
	}
	for _, c := range r.Account.Skipped {
		if slices.Contains(asRecorded, c.Name) {
			out.AsRecorded += c.Count
		} else {
			out.NotSent += c.Count
		}
	}
	for _, d := range r.Differences {
		if d.Class == columnTypes || d.Cause == orderUnknown {
			continue
		}
		out.Causes[d.Cause] += d.Commands
		out.Classes[d.Class] += d.Commands
	}
	return out, nil
}

func sum(list []countJSON) (n uint64) {
	for _, c := range list {
		n += c.Count
	}
	return n
}
