package target

import (
	"bytes"

	"myreplay/outcome"
)

// madeTimes tells which times with microseconds of the target stand for which of the
// recording. One that stood for two is for none: it is kept as the zero Micros.
type madeTimes struct {
	idTable[uint64, outcome.Micros]
}

// pair takes a pair of times.
func (t *madeTimes) pair(copy uint32, recorded uint64, live *outcome.Micros, counts *counters) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := recordedID[uint64]{copy, recorded}
	old, again := t.live[key]
	switch {
	case again && (old == *live || old == outcome.Micros{}):
		return
	case again:
		counts.valuesUnpaired.Add(1)
		t.live[key] = outcome.Micros{}
		return
	}
	counts.valuesPaired.Add(1)
	if t.put(key, *live) {
		counts.valuesForgotten.Add(1)
	}
}

// toLive is madeValues.toLive for times. own are those of the connection's own
// replies, by their recorded hashes, which go before: two sessions may see one
// time, that stands for two of the target's.
func (t *madeTimes) toLive(copy uint32, seed uint64, own map[uint64]outcome.Micros, payload []byte, raw bool) (out []byte, replaced int) {
	out = payload
	outcome.EachMicros(payload, raw, func(m *outcome.Micros, at int, binary bool) {
		hash := m.Hash(seed)
		live, ok := own[hash]
		if !ok && !m.Plain() {
			t.mu.RLock()
			live, ok = t.live[recordedID[uint64]{copy, hash}]
			t.mu.RUnlock()
		}
		if !ok || live == *m || live == (outcome.Micros{}) {
			return
		}
		if replaced == 0 {
			out = bytes.Clone(payload)
		}
		live.Put(out[at:], binary)
		replaced++
	})
	return out, replaced
}
