package fidelity

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Cell names one measurement.
type Cell struct {
	Workload string `json:"workload"`
	// Server is the kind of both servers, as mysqltest names it.
	Server   string `json:"server"`
	Sessions int    `json:"sessions"`
	Mode     string `json:"mode"`
	// Seconds is how long the workload ran.
	Seconds int `json:"seconds"`
	// Planted is PlantedNone or PlantedAll in the cells of planted differences, else "".
	Planted string `json:"planted,omitempty"`
}

// String names the cell as FIDELITY_CELLS is matched against it.
func (c Cell) String() string {
	s := fmt.Sprintf("%s/%s/%d/%s", c.Workload, c.Server, c.Sessions, c.Mode)
	if c.Planted != "" {
		s += "/" + c.Planted
	}
	return s
}

// Result is what was measured of a cell.
type Result struct {
	Cell
	// Version is the server's, Tool myreplay's, At when it was measured (RFC 3339),
	// Machine what it was measured on.
	Version string `json:"version"`
	Tool    string `json:"tool"`
	At      string `json:"at"`
	Machine string `json:"machine,omitempty"`
	// Recording names the recording that was replayed: results of one compare.
	Recording Recording `json:"recording"`
	// Failed says why there are no figures, or not all: the replay did not end, or
	// ended with an error.
	Failed string `json:"failed,omitempty"`
	// Replay and Rows are what came of it; Order is the run's order.json as it is.
	Replay Replay          `json:"replay"`
	Rows   RowDiff         `json:"rows"`
	Order  json.RawMessage `json:"order,omitempty"`
	// Found is what was found of planted differences; nil when there are none.
	Found *Planted `json:"found,omitempty"`
	// Reset and Took are how long resetting the target and the whole command took,
	// in seconds.
	Reset float64 `json:"reset_s"`
	Took  float64 `json:"took_s"`
}

// Recording is what is known of a recording.
type Recording struct {
	ID string `json:"id"`
	// Commands are those recorded, PerSecond their rate.
	Commands  uint64  `json:"commands"`
	PerSecond float64 `json:"per_s"`
	// Errors counts the source's error replies. Lost counts packets and gaps: it is 0 in
	// every result that counts.
	Errors uint64 `json:"errors"`
	Lost   uint64 `json:"lost"`
}

// Replay is what a report says of a run.
type Replay struct {
	// Commands are those sent, PerSecond their rate from the first to the last.
	Commands  uint64  `json:"commands"`
	PerSecond float64 `json:"per_s"`
	// NotSent were skipped, failed to be sent, or not reached; AsRecorded those
	// skipped since the source's deadlock or lock timeout undid them.
	NotSent    uint64 `json:"not_sent"`
	AsRecorded uint64 `json:"as_recorded"`
	// Compared calls, and Diverging ones among them: every difference counts
	// except column types and rows in an order that the statement leaves open.
	Compared  uint64 `json:"compared"`
	Diverging uint64 `json:"diverging"`
	// Causes and Classes count differing calls; one call may be in several.
	Causes  map[string]uint64 `json:"causes,omitempty"`
	Classes map[string]uint64 `json:"classes,omitempty"`
}

// OrderTotals are the fields of order.json that the table shows.
type OrderTotals struct {
	Steps uint64 `json:"steps"`
	Waits struct {
		Proven   uint64 `json:"proven"`
		Inferred uint64 `json:"inferred"`
		Guessed  uint64 `json:"guessed"`
	} `json:"waits"`
	Reads          uint64 `json:"reads"`
	AmbiguousReads uint64 `json:"ambiguous_reads"`
	Dropped        uint64 `json:"dropped"`
	SyncWait       int64  `json:"sync_wait_us"`
}

// Totals reads Order; without it all are 0.
func (r *Result) Totals() (t OrderTotals) {
	if len(r.Order) > 0 && json.Unmarshal(r.Order, &t) != nil {
		return OrderTotals{}
	}
	return t
}

// longestResult is the longest line of a results file, in bytes.
const longestResult = 1 << 20

// ReadResults reads a file of results, one a line; a later one of a cell takes
// the place of an earlier one. Without the file there are none. A line that a
// killed process left unfinished is passed over: its cell is measured again.
func ReadResults(name string) ([]Result, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Result
	at := map[Cell]int{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, longestResult)
	for lines.Scan() {
		var r Result
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue
		}
		if i, ok := at[r.Cell]; ok {
			all[i] = r
			continue
		}
		at[r.Cell] = len(all)
		all = append(all, r)
	}
	return all, lines.Err()
}

// AppendResult adds a line to a file of results.
func AppendResult(name string, r Result) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			line = append([]byte{'\n'}, line...) // what was torn stays a line of its own
		}
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}
