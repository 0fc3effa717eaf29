package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"myreplay/compare"
)

// WriteJSON writes the report as one JSON object, indented, with a line end
// after it. Report documents the fields.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// some returns a list that JSON shows as [], not null, when it is empty.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// ReadJSON reads what WriteJSON wrote: the report renders as before.
func ReadJSON(r io.Reader) (*Report, error) {
	rep := &Report{}
	if err := json.NewDecoder(r).Decode(rep); err != nil {
		return nil, fmt.Errorf("reading a report: %w", err)
	}
	if rep.Schema != SchemaVersion || rep.Recorded == nil {
		return nil, fmt.Errorf("reading a report: it has form %d, not %d, or is not whole", rep.Schema, SchemaVersion)
	}
	var err error
	for i := range rep.Differences {
		d := &rep.Differences[i]
		d.key, err = keyNamed(d.Class, d.Cause, err)
	}
	for i := range rep.Classes {
		c := &rep.Classes[i]
		for _, name := range c.Tables {
			c.tables = append(c.tables, tableNamed(name))
		}
		for j := range c.Differences {
			d := &c.Differences[j]
			d.key, err = keyNamed(d.Class, d.Cause, err)
		}
	}
	return rep, err
}

// keyNamed finds a class and cause by their names; err is an earlier error.
func keyNamed(class, cause string, err error) (k tallyKey, _ error) {
	var known, also bool
	k.class, known = compare.ClassNamed(class)
	k.cause, also = compare.CauseNamed(cause)
	if !known || !also {
		err = fmt.Errorf("reading a report: there is no difference %q by %q", class, cause)
	}
	return k, err
}

// tableNamed is the table that a report names.
func tableNamed(name string) table {
	if schema, rest, ok := strings.Cut(name, "."); ok {
		return table{schema, rest}
	}
	return table{name: name}
}
