package target

import (
	"bytes"

	"myreplay/outcome"
	"myreplay/session"
)

// madeValues tells which UUIDs of the target stand for which of the recording,
// which are known by their hashes only. The zero madeValues is empty.
type madeValues struct {
	idTable[uint64, outcome.UUID]
	// known and before are values of the recording: those that its replies noted, and,
	// true, those that were sent as they were recorded. When known is full it takes the
	// place of before. What is among them the target did not make up.
	known, before map[uint64]bool
}

// learn takes note of a value of the recording, for who holds mu.
func (v *madeValues) learn(hash uint64, sent bool) {
	if v.known == nil || len(v.known) >= maxKnown {
		v.known, v.before = map[uint64]bool{}, v.known
	}
	v.known[hash] = sent || v.known[hash]
}

// knows tells whether a value is the recording's, and whether it was sent, for who
// holds mu.
func (v *madeValues) knows(hash uint64) (known, sent bool) {
	a, now := v.known[hash]
	b, before := v.before[hash]
	return now || before, a || b
}

// see takes note of what a recorded reply notes.
func (v *madeValues) see(r *session.Reply) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range r.Results {
		for _, row := range r.Results[i].MadeRows() {
			for _, c := range row.Cells {
				v.learn(c.Hash, false)
			}
		}
	}
}

// pair takes a pair of values, of which the hashes are given, as the table's latest
// word.
func (v *madeValues) pair(copy uint32, recorded, replayed uint64, live outcome.UUID, counts *counters) {
	v.mu.Lock()
	defer v.mu.Unlock()
	other, taken := v.recorded[live]
	if known, _ := v.knows(replayed); known || taken && other != recorded {
		counts.valuesUnpaired.Add(1) // the rows are not the same
		return
	}
	key := recordedID[uint64]{copy, recorded}
	old, again := v.live[key]
	if again && old == live {
		return
	}
	if !again {
		counts.valuesPaired.Add(1)
		if _, sent := v.knows(recorded); sent {
			counts.valuesLate.Add(1)
		}
	}
	if v.put(key, live) {
		counts.valuesForgotten.Add(1)
	}
}

// toLive returns a payload with the target's values in place of those of the
// recording, and how many were replaced. When there are any it is a copy; its
// length is the same. raw: it holds parameters.
func (v *madeValues) toLive(copy uint32, seed uint64, payload []byte, raw bool) (out []byte, replaced int) {
	out = payload
	outcome.EachUUID(payload, raw, func(at int, form outcome.Form, u outcome.UUID) {
		live, ok := v.find(recordedID[uint64]{copy, u.Hash(seed)})
		if !ok {
			return
		}
		if replaced == 0 {
			out = bytes.Clone(payload)
		}
		live.Write(out[at:], form)
		replaced++
	})
	return out, replaced
}

// find returns the target's value, and takes note of one that is sent as it is.
func (v *madeValues) find(key recordedID[uint64]) (outcome.UUID, bool) {
	v.mu.RLock()
	live, ok := v.live[key]
	sent := v.known[key.id]
	v.mu.RUnlock()
	if ok || sent {
		return live, ok
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.learn(key.id, true)
	return live, false
}
