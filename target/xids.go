package target

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"

	"myreplay/outcome"
	"myreplay/session"
)

const (
	// idDigits is how many hex digits the id of a document has that a server
	// generates.
	idDigits = 28
	// maxMade is how many replies with generated ids wait for the recorded ones on
	// one connection, and maxMadeBytes how many bytes of ids.
	maxMade      = 1 << 10
	maxMadeBytes = 1 << 20
)

// documentID is an id that a server generated for a document.
type documentID [idDigits / 2]byte

// documentIDs tells which ids of the target stand for which of the recording. The
// zero documentIDs is empty.
type documentIDs struct {
	idTable[documentID, documentID]
}

// toLive returns a payload with the target's ids in place of those of the
// recording, and how many were replaced. When there are any it is a copy.
func (d *documentIDs) toLive(copy uint32, payload []byte) (out []byte, replaced int) {
	out = payload
	if !d.some.Load() {
		return out, 0
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	eachID(payload, func(at int, id documentID) {
		live, ok := d.live[recordedID[documentID]{copy, id}]
		if !ok {
			return
		}
		if replaced == 0 {
			out = bytes.Clone(payload)
		}
		hex.Encode(out[at:], live[:])
		replaced++
	})
	return out, replaced
}

// toRecorded puts the recording's ids in place of the target's.
func (d *documentIDs) toRecorded(payload []byte) {
	if !d.some.Load() {
		return
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	eachID(payload, func(at int, id documentID) {
		if recorded, ok := d.recorded[id]; ok {
			hex.Encode(payload[at:], recorded[:])
		}
	})
}

// eachID calls yield for everything in payload that looks like a generated id:
// so many lower-case hex digits, and no more. Where the byte before them is
// their number, they are a string of their own and what follows them belongs to
// something else, whatever it looks like.
func eachID(payload []byte, yield func(at int, id documentID)) {
	outcome.EachHexRun(payload, idDigits, func(at, end int) {
		if end-at == idDigits || at > 0 && payload[at-1] == idDigits {
			if id, ok := parseID(payload[at : at+idDigits]); ok {
				yield(at, id)
			}
		}
	})
}

// parseID reads an id as servers write it, in lower case.
func parseID[T ~string | ~[]byte](text T) (id documentID, ok bool) {
	if len(text) != idDigits {
		return id, false
	}
	for i := range idDigits {
		c := text[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return id, false
		}
		id[i/2] = id[i/2]<<4 | c
	}
	return id, true
}

// madeIDs are the ids that the target generated for a command.
type madeIDs struct {
	seq uint64
	ids string // joined by commas
}

// idsOf returns the ids that a reply says were generated, joined by commas.
func idsOf(r *session.Reply) string {
	for i := range r.Results {
		for _, c := range r.Results[i].Changes {
			if c.Kind == session.DocumentIDs {
				return c.Value
			}
		}
	}
	return ""
}

// keepIDs keeps the ids in the target's reply to a command until Learn.
func (c *XConn) keepIDs(r *session.Reply) {
	ids := idsOf(r)
	if ids == "" {
		return
	}
	held := len(ids)
	for i := range c.made {
		held += len(c.made[i].ids)
	}
	for len(c.made) > 0 && (len(c.made) >= maxMade || held > maxMadeBytes) {
		held -= len(c.made[0].ids)
		c.unpaired(c.made[0].ids)
		c.made = slices.Delete(c.made, 0, 1)
	}
	c.made = append(c.made, madeIDs{r.Seq, ids})
}

// learnIDs pairs the ids in the recorded reply to a command with the target's.
func (c *XConn) learnIDs(r *session.Reply) {
	ids, live := idsOf(r), ""
	for i := range c.made {
		if c.made[i].seq == r.Seq {
			live = c.made[i].ids
			c.made = slices.Delete(c.made, i, i+1)
			break
		}
	}
	if ids == "" && live == "" {
		return
	}
	if ids == "" || live == "" || strings.Count(ids, ",") != strings.Count(live, ",") {
		c.unpaired(ids)
		c.unpaired(live)
		return
	}
	counts := &c.server.counts
	for more := true; more; {
		var one, other string
		one, ids, more = strings.Cut(ids, ",")
		other, live, _ = strings.Cut(live, ",")
		recorded, ok := parseID(one)
		replayed, also := parseID(other)
		if !ok || !also || recorded == replayed {
			continue
		}
		counts.paired.Add(1)
		if c.server.documents.add(c.recorded.copy, recorded, replayed) {
			counts.forgotten.Add(1)
		}
	}
}

// unpaired counts ids that have no counterpart.
func (c *XConn) unpaired(ids string) {
	if ids != "" {
		c.server.counts.unpaired.Add(1 + uint64(strings.Count(ids, ",")))
	}
}
