// Package tlsmode says whether a connection to a server is encrypted and what
// of the server's certificate is verified, in the modes that MySQL's clients
// have (--ssl-mode).
package tlsmode
