package capfile

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// The kinds of recordings.
const (
	// KindCapture: sessions recorded from live traffic.
	KindCapture = "capture"
	// KindRun: what a replay's target answered.
	KindRun = "run"
)

// Meta describes a capture. Every segment holds it, so that one segment can be
// read alone. It never holds a password.
type Meta struct {
	// Format is the format version, Segment the number of the segment, from 1.
	// Both are set by Create.
	Format  int    `json:"format"`
	Segment uint32 `json:"segment"`
	// ID names the capture: 128 random bits in hex. Create makes one when it is
	// empty.
	ID string `json:"id"`
	// Kind is KindCapture or KindRun.
	Kind string `json:"kind"`
	// Created is when the recording began.
	Created time.Time `json:"created"`
	// Tool names the program and its version.
	Tool string `json:"tool"`
	// Seed seeds the digests of rows.
	Seed uint64 `json:"seed,string"`
	// Source is where the sessions were seen.
	Source Source `json:"source"`
	// Of and OfPath are the id and the path of the capture that a run replays.
	Of     string `json:"of,omitempty"`
	OfPath string `json:"of_path,omitempty"`
	// Target is the server that a run was made against, without a password.
	Target string `json:"target,omitempty"`
	// Options are what the recording was told, as a reader would write them:
	// rows kept, limits, filters.
	Options map[string]string `json:"options,omitempty"`
}

// Source describes where sessions were seen.
type Source struct {
	// From is "device", "file", "relay" or "replay"; Names are the devices,
	// files or listening addresses.
	From  string   `json:"from,omitempty"`
	Names []string `json:"names,omitempty"`
	// Filter is the packet filter, in tcpdump's language.
	Filter string `json:"filter,omitempty"`
	// Ports are the server ports that were watched.
	Ports []uint16 `json:"ports,omitempty"`
	// Servers are the server addresses that were known when the segment began,
	// ServerUUID the server's own id when it was asked.
	Servers    []string `json:"servers,omitempty"`
	ServerUUID string   `json:"server_uuid,omitempty"`
	// GTID is which transactions the server had committed when it was asked for its
	// sessions: MySQL's gtid_executed, MariaDB's gtid_binlog_pos.
	GTID string `json:"gtid,omitempty"`
}

// encode returns the meta JSON of a segment.
func (m Meta) encode(segment uint32) ([]byte, error) {
	m.Segment = segment
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding the capture's description: %w", err)
	}
	if len(b) > MaxMeta {
		return nil, fmt.Errorf("the capture's description has %d bytes, more than %d", len(b), MaxMeta)
	}
	return b, nil
}

// check completes a Meta that was given to Create.
func (m Meta) check() (Meta, error) {
	if m.Kind != KindCapture && m.Kind != KindRun {
		return m, fmt.Errorf("kind of capture is %q, not %q or %q", m.Kind, KindCapture, KindRun)
	}
	m.Format = Version
	if m.ID == "" {
		var id [16]byte
		rand.Read(id[:]) // never fails
		m.ID = hex.EncodeToString(id[:])
	}
	return m, nil
}
