package session

import "encoding/binary"

// MadeRow is what a recorder notes of a row with values that the server made up
// since the recording began (UUIDs that tell when they were made), or may have:
// the microseconds of times. It holds no values: all are hashes with the capture's
// seed.
type MadeRow struct {
	// Row is the row's hash, as it counts in the result's Digest.
	Row uint64
	// Rest is over all other values of the row, and the seconds of such times. Two
	// sides' rows with the same Rest differ in made-up values only.
	Rest  uint64
	Cells []MadeCell
}

// MadeCell is one made-up value.
type MadeCell struct {
	// Column is its column, from 0.
	Column uint32
	// Hash is over the value as such, however it is written.
	Hash uint64
}

// MaxMadeRows is how many rows of a result are noted at most, MaxMadeCells how
// many values of a row.
const (
	MaxMadeRows  = 64
	MaxMadeCells = 16
)

// AppendMade appends a row as a Change of kind MadeValues holds it.
func AppendMade(dst []byte, r *MadeRow) []byte {
	for _, n := range [...]uint64{r.Row, r.Rest} {
		dst = binary.LittleEndian.AppendUint64(dst, n)
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Cells)))
	for _, c := range r.Cells {
		dst = binary.LittleEndian.AppendUint64(binary.AppendUvarint(dst, uint64(c.Column)), c.Hash)
	}
	return dst
}

// MadeRows reads what a result has noted of made-up values; nil when there is
// nothing, or it can't be read.
func (r *Result) MadeRows() []MadeRow {
	for i := range r.Changes {
		if c := &r.Changes[i]; c.Kind == MadeValues {
			return parseMade([]byte(c.Value))
		}
	}
	return nil
}

// HasMade tells whether something is noted of made-up values in a reply.
func (e *Reply) HasMade() bool {
	for i := range e.Results {
		for k := range e.Results[i].Changes {
			if e.Results[i].Changes[k].Kind == MadeValues {
				return true
			}
		}
	}
	return false
}

func parseMade(p []byte) (rows []MadeRow) {
	for len(p) > 0 {
		r, rest, ok := parseMadeRow(p)
		if !ok || len(rows) == MaxMadeRows {
			return nil
		}
		rows, p = append(rows, r), rest
	}
	return rows
}

func parseMadeRow(p []byte) (r MadeRow, rest []byte, ok bool) {
	const word = 8
	if len(p) < 2*word {
		return r, nil, false
	}
	r.Row, r.Rest = binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[word:])
	p = p[2*word:]
	count, n := binary.Uvarint(p)
	if n <= 0 || count > MaxMadeCells {
		return r, nil, false
	}
	p = p[n:]
	for range count {
		column, n := binary.Uvarint(p)
		if n <= 0 || column > 1<<16 || len(p) < n+word {
			return r, nil, false
		}
		r.Cells = append(r.Cells, MadeCell{uint32(column), binary.LittleEndian.Uint64(p[n:])})
		p = p[n+word:]
	}
	return r, p, true
}
