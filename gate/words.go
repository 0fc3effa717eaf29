package gate

import (
	"fmt"

	"myreplay/tlsmode"
)

// bytesText returns a number of bytes for a reader.
func bytesText(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

// clientTLS words a failed handshake with a client.
func clientTLS(err error) error { return fmt.Errorf("TLS with the client: %w", err) }

// serverTLSFailed words a failed handshake with the server, for the client.
func serverTLSFailed(err error) error {
	return &refusal{codeHandshake, states[codeHandshake], fmt.Errorf("TLS with the server: %w", tlsmode.Explain(err, tlsmode.FlagWords))}
}

// noCertificate is added to a refused login of a client that showed a
// certificate.
const noCertificate = " (the client's certificate can't pass the myreplay relay, which ends TLS: if the account needs it, relay with --tls pass)"
