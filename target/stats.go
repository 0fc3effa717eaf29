package target

import (
	"sync/atomic"

	"myreplay/classic"
	"myreplay/session"
)

// Stats counts what a replay did otherwise than the recording, for a report.
type Stats struct {
	// Logins counts connections that logged in.
	Logins uint64
	// AttributesLeftOut counts commands whose query attributes were left out,
	// because the target has none.
	AttributesLeftOut uint64
	// Collations counts logins (CHANGE_USERs among them) that got another
	// collation than the recorded one, which the target does not have.
	Collations uint64
	// NotOffered counts connections whose session had negotiated something that
	// the target does not offer; Missing is what, all of them together.
	NotOffered uint64
	Missing    classic.Capability
	// Uncompressed counts connections that were to be compressed as recorded,
	// which the target does not offer.
	Uncompressed uint64
	// SchemasUnknown counts logins without a schema because neither the
	// recording nor the URL knows one: sessions joined in mid-life.
	SchemasUnknown uint64
	// FilesRefused counts files that the target asked for and the recording does
	// not have; it got an empty one. FilesIncomplete counts those of which only
	// a part was recorded; the connection was ended within it.
	FilesRefused, FilesIncomplete uint64
	// Reconnects counts CHANGE_USERs done as a new connection.
	Reconnects uint64
	// KillQueries counts PROCESS_KILLs sent as a KILL statement.
	KillQueries uint64
	// ParamsDiffer counts prepared statements that have another number of
	// parameters on the target than on the source; their executions are skipped.
	ParamsDiffer uint64
	// StatementsClosed counts statements that were closed although the recording
	// has no such command: the source could not prepare them, or closed them
	// unseen.
	StatementsClosed uint64
	// CursorFirst counts executions that were skipped because MySQL would never
	// end its answer: without a cursor, of a statement that was first executed
	// with one.
	CursorFirst uint64
	// StateRestored counts variables and prepared statements that joined sessions
	// got back, StateRefused those that the target refused; StateError is the
	// latest reason. StateUnknown counts those that could not be asked for: the
	// source did not tell all of them, or their name or text can't be said safely.
	StateRestored, StateRefused, StateUnknown uint64
	StateError                                string
	// PinnedIDs and PinnedTimes count the insert ids and the times that were set
	// for commands (Conn.Pin). PinsRefused counts connections whose server refused
	// one, and that got no more; PinError is the latest reason. IDsLeft counts
	// commands that may have taken an id that was set for another, which did not
	// use it.
	PinnedIDs, PinnedTimes, PinsRefused, IDsLeft uint64
	PinError                                     string
	// ValuesPaired counts values that both servers made up for the same place,
	// ValuesMapped how often commands had one and were sent with the target's.
	// ValuesLate counts those that were sent as recorded, because only later the
	// target's was known, ValuesUnpaired those whose counterpart was another's
	// already, ValuesForgotten those given up because there were too many.
	ValuesPaired, ValuesMapped, ValuesLate, ValuesUnpaired, ValuesForgotten uint64
	// KeysFetched counts how often the server sent its RSA key.
	KeysFetched uint64

	// DocumentIDs counts ids that both servers generated for the same document
	// (X Protocol), Mapped how often commands named one and were sent with the
	// target's.
	DocumentIDs, Mapped uint64
	// IDsUnpaired counts ids that a server generated and that have no counterpart,
	// because the other generated another number of them, or none; IDsForgotten
	// those given up because there were too many.
	IDsUnpaired, IDsForgotten uint64
}

// counters is Stats for many writers.
type counters struct {
	logins, attributes, collations, notOffered, missing, uncompressed, noSchema, filesRefused, filesIncomplete,
	reconnects, killQueries, paramsDiffer, closed, cursors, mapped, unpaired, forgotten, paired,
	restored, refused, unknown, pinnedIDs, pinnedTimes, pinsRefused, idsLeft,
	valuesPaired, valuesMapped, valuesLate, valuesUnpaired, valuesForgotten atomic.Uint64
	stateError, pinError atomic.Pointer[session.Error]
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	c := &s.counts
	return Stats{
		Logins:            c.logins.Load(),
		AttributesLeftOut: c.attributes.Load(),
		Collations:        c.collations.Load(),
		NotOffered:        c.notOffered.Load(),
		Missing:           classic.Capability(c.missing.Load()),
		Uncompressed:      c.uncompressed.Load(),
		SchemasUnknown:    c.noSchema.Load(),
		FilesRefused:      c.filesRefused.Load(),
		FilesIncomplete:   c.filesIncomplete.Load(),
		Reconnects:        c.reconnects.Load(),
		KillQueries:       c.killQueries.Load(),
		ParamsDiffer:      c.paramsDiffer.Load(),
		StatementsClosed:  c.closed.Load(),
		CursorFirst:       c.cursors.Load(),
		StateRestored:     c.restored.Load(),
		StateRefused:      c.refused.Load(),
		StateUnknown:      c.unknown.Load(),
		StateError:        errorText(&c.stateError),
		PinnedIDs:         c.pinnedIDs.Load(),
		PinnedTimes:       c.pinnedTimes.Load(),
		PinsRefused:       c.pinsRefused.Load(),
		IDsLeft:           c.idsLeft.Load(),
		PinError:          errorText(&c.pinError),
		ValuesPaired:      c.valuesPaired.Load(),
		ValuesMapped:      c.valuesMapped.Load(),
		ValuesLate:        c.valuesLate.Load(),
		ValuesUnpaired:    c.valuesUnpaired.Load(),
		ValuesForgotten:   c.valuesForgotten.Load(),
		KeysFetched:       s.key.fetched(),
		DocumentIDs:       c.paired.Load(),
		Mapped:            c.mapped.Load(),
		IDsUnpaired:       c.unpaired.Load(),
		IDsForgotten:      c.forgotten.Load(),
	}
}

func errorText(p *atomic.Pointer[session.Error]) string {
	if e := p.Load(); e != nil {
		return e.Error()
	}
	return ""
}
