package trace

import (
	"math"
	"strconv"
	"time"

	"myreplay/flow"
)

// Message is one message that passed, or a note where there is none to name.
type Message struct {
	// Session is the connection's number in its source (flow.Conn.ID); 0: a note
	// about none.
	Session uint64
	// At is when its last byte came in: nanoseconds since the Unix epoch.
	At int64
	// Side tells who sent it. Of a note it means nothing.
	Side flow.Side
	// Name is what the protocol calls it, "" of a note. X Protocol: the name in
	// the enumeration without its prefix, UNKNOWN_n of a type that is in none;
	// classic: as in MySQL's documentation, commands with COM_.
	Name string
	// Size is its length on the wire in bytes, headers included, without
	// compression.
	Size uint64
	// Protocol is Detect as long as it is not known.
	Protocol Protocol
	// Compressed: it came inside something compressed.
	Compressed bool
	// Fields is the heart of what it says, in a stable order; empty without
	// Options.Detail.
	Fields []Field
	// Note says what there is to say instead of a message: a sentence for a
	// reader.
	Note string
}

// Field is a part of a message.
type Field struct {
	Name string
	// Value is a string, uint64, int64, float64 or bool; nil: NULL; []any: a list
	// of these; []Field: an object. Strings are as they came, control characters
	// included, but masked and cut; bytes that are no text are 0x and hex digits.
	Value any
}

// Hidden is the value of what is left out because it may be secret.
const Hidden = "***"

// AppendLine appends one line without its end to dst: "C: COM_QUERY", or "-- "
// and the note. A verbose line has the time of day in UTC, the session, the size
// and the fields, too; "z" behind the size stands for Compressed. Whatever the
// peers sent, it has printable characters only.
func (m *Message) AppendLine(dst []byte, verbose bool) []byte {
	if verbose {
		dst = time.Unix(0, m.At).UTC().AppendFormat(dst, "15:04:05.000000")
		dst = append(dst, "  s"...)
		dst = strconv.AppendUint(dst, m.Session, 10)
		dst = append(dst, "  "...)
	}
	if m.Name == "" {
		return appendPrintable(append(dst, "-- "...), m.Note)
	}
	dst = append(dst, sideLetter(m.Side), ':', ' ')
	dst = append(dst, m.Name...)
	if !verbose {
		return dst
	}
	dst = append(dst, "  "...)
	dst = strconv.AppendUint(dst, m.Size, 10)
	dst = append(dst, " B"...)
	if m.Compressed {
		dst = append(dst, " z"...)
	}
	if len(m.Fields) > 0 {
		dst = appendFields(append(dst, "  "...), m.Fields)
	}
	return dst
}

func sideLetter(s flow.Side) byte {
	if s == flow.Server {
		return 'S'
	}
	return 'C'
}

// appendFields appends name=value words with spaces between them.
func appendFields(dst []byte, list []Field) []byte {
	for i := range list {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = appendWord(dst, list[i].Name)
		dst = append(dst, '=')
		dst = appendValue(dst, list[i].Value)
	}
	return dst
}

func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "NULL"...)
	case string:
		return appendWord(dst, v)
	case []any:
		dst = append(dst, '[')
		for i := range v {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = appendValue(dst, v[i])
		}
		return append(dst, ']')
	case []Field:
		return append(appendFields(append(dst, '{'), v), '}')
	}
	return appendNumber(dst, v)
}

// appendNumber appends a number or a bool.
func appendNumber(dst []byte, v any) []byte {
	switch v := v.(type) {
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return strconv.AppendFloat(dst, v, 'g', -1, 64)
	case bool:
		return strconv.AppendBool(dst, v)
	}
	return append(dst, '?')
}

// MarshalJSON implements json.Marshaler: an object with at (RFC 3339, UTC),
// session, and either note or side, message, size, protocol, compressed and
// fields, an object. Like a line it has printable characters only.
func (m *Message) MarshalJSON() ([]byte, error) { return m.AppendJSON(nil), nil }

// AppendJSON appends what MarshalJSON returns to dst.
func (m *Message) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"at":"`...)
	dst = time.Unix(0, m.At).UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, `","session":`...)
	dst = strconv.AppendUint(dst, m.Session, 10)
	if m.Name == "" {
		dst = appendJSONString(append(dst, `,"note":`...), m.Note)
		return append(dst, '}')
	}
	dst = append(append(append(dst, `,"side":"`...), m.Side.String()...), '"')
	dst = appendJSONString(append(dst, `,"message":`...), m.Name)
	dst = strconv.AppendUint(append(dst, `,"size":`...), m.Size, 10)
	dst = appendJSONString(append(dst, `,"protocol":`...), m.Protocol.String())
	if m.Compressed {
		dst = append(dst, `,"compressed":true`...)
	}
	if len(m.Fields) > 0 {
		dst = appendJSONFields(append(dst, `,"fields":`...), m.Fields)
	}
	return append(dst, '}')
}

func appendJSONFields(dst []byte, list []Field) []byte {
	dst = append(dst, '{')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendJSONString(dst, list[i].Name), ':')
		dst = appendJSONValue(dst, list[i].Value)
	}
	return append(dst, '}')
}

func appendJSONValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		return appendJSONString(dst, v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) { // JSON has no number for it
			return appendJSONString(dst, strconv.FormatFloat(v, 'g', -1, 64))
		}
	case []any:
		dst = append(dst, '[')
		for i := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSONValue(dst, v[i])
		}
		return append(dst, ']')
	case []Field:
		return appendJSONFields(dst, v)
	}
	return appendNumber(dst, v)
}
