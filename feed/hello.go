package feed

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
)

// Hello is how a mirror introduces a stream.
type Hello struct {
	// Version is the protocol's.
	Version int `json:"version"`
	// Tool is the mirror's program and its version, for a reader.
	Tool string `json:"tool"`
	// Stream names the stream: 128 random bits in hex digits.
	Stream string `json:"stream"`
	// Again: the mirror has fed this stream to an assistant that does not know it
	// any more. Sessions that were open come with a new Start.
	Again bool `json:"again"`
	// Options are what the mirror's caller has to say.
	Options json.RawMessage `json:"options,omitempty"`
}

// helloReply is what an assistant says to a Hello.
type helloReply struct {
	// Error tells why the stream is refused.
	Error string `json:"error,omitempty"`
	// Instance names the assistant's process: 128 random bits.
	Instance string `json:"instance"`
	// Known: the stream goes on; else it begins here.
	Known bool `json:"known"`
	// Next is the number of the block that is wanted next, Acked the last one that
	// was taken over.
	Next  uint64 `json:"next"`
	Acked uint64 `json:"acked"`
	// Window is how many bytes of blocks may be under way.
	Window int `json:"window"`
	// Clock is the assistant's, nanoseconds since the Unix epoch.
	Clock int64 `json:"clock"`
}

// idLength is the length of a stream's or an instance's name.
const idLength = 32

// newID returns 128 random bits in hex digits.
func newID() string {
	var b [idLength / 2]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// parseHello reads a Hello.
func parseHello(body []byte) (Hello, error) {
	var h Hello
	if err := json.Unmarshal(body, &h); err != nil {
		return h, protocolError("hello: %v", err)
	}
	if _, err := hex.DecodeString(h.Stream); err != nil || len(h.Stream) != idLength {
		return h, protocolError("a stream called %.40q", h.Stream)
	}
	return h, nil
}

// parseReply reads a helloReply.
func parseReply(body []byte) (helloReply, error) {
	var r helloReply
	if err := json.Unmarshal(body, &r); err != nil {
		return r, protocolError("hello reply: %v", err)
	}
	if r.Error == "" && (len(r.Instance) != idLength || r.Next == 0 || r.Acked >= r.Next || r.Window <= 0) {
		return r, protocolError("a hello reply that asks for block %d after %d", r.Next, r.Acked)
	}
	return r, nil
}
