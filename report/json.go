package report

import (
	"encoding/json"
	"fmt"
	"io"
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
