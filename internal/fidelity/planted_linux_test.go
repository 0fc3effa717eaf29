package fidelity

import (
	"fmt"
	"testing"

	"myreplay/internal/mysqltest"
)

// plantedSeconds is how long a workload runs for planted differences.
const plantedSeconds = 2

// plantedSessions is with how many sessions.
const plantedSessions = 16

// learning is what comes first: on an equal target it learns the order, and shows
// what a replay makes of it without any difference. A recording of which that is
// not as it has to be is made again.
var learning = Mode{Name: "row+refine", Args: []string{"--order", "row", "--refine", "10"}, Resets: true}

// judging is the one pass that follows on the target with the Plants.
var judging = Mode{Name: "row", Args: []string{"--order", "row"}}

// measurePlanted measures a workload on a kind of server, unless it has been.
func (p plan) measurePlanted(t *testing.T, w Workload, kind mysqltest.Kind) {
	have, err := ReadResults(p.results)
	if err != nil {
		t.Fatal(err)
	}
	cell := Cell{Workload: w.Name, Server: kind.String(), Sessions: plantedSessions, Mode: judging.Name, Seconds: p.planted, Planted: PlantedAll}
	if p.planted == 0 || !p.pick.MatchString(cell.String()) {
		return
	}
	for _, r := range have {
		if r.Cell == cell && r.Replay.Commands > 0 {
			return
		}
	}
	servers := newPair(t, w, kind)
	// The schema is the source's: the target lacks a part of it.
	source := fmt.Sprintf("mysql://%s@127.0.0.1:%d/", servers.source.User, servers.source.Port)
	var r recording
	for try := 1; ; try++ {
		r = servers.recordWhole(cell, "--source", source)
		res := servers.replay(r, learning)
		equal := cell
		equal.Mode, equal.Planted = learning.Name, PlantedNone
		servers.keep(p, equal, r, res)
		if res.Replay.Equal(w.Open) || try == recordings {
			break // else there is no telling what a difference comes of
		}
		t.Logf("%v: a replay on an equal target differs; recording again", cell)
	}
	res := servers.replay(r, judging, plants()...)
	servers.keep(p, cell, r, res)
	if res.Found != nil {
		t.Logf("%v: all found, and nothing else: %v\n%s", cell, res.Found.OK(w.Open), res.Found)
	}
}

// plants are the statements that plant all.
func plants() (list []string) {
	for _, p := range Plants {
		list = append(list, p.Do...)
	}
	return list
}
