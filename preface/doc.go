// Package preface knows what may come before, or instead of, the bytes of MySQL's
// protocols on a connection: PROXY protocol headers and TLS records.
package preface
