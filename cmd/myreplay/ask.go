package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxAnswer limits the line that answers a question.
const maxAnswer = 256

// errNoAnswer is why a mirror does not begin that was not told about writes.
var errNoAnswer = errors.New(`are writes to be copied, too? Say one of
  --writes      send everything, as TCPCopy did: what changes data changes it on the target
  --read-only   send only what surely changes nothing; reads of what a write would have made will differ`)

// writesOrNot tells whether a mirror sends writes. Where neither --writes nor
// --read-only was given, it asks on a terminal, once; elsewhere that is an error.
// target names the target for a reader.
func writesOrNot(in io.Reader, errs io.Writer, target string, writes, readOnly, terminal bool) (bool, error) {
	switch {
	case writes && readOnly:
		return false, errors.New("--writes and --read-only exclude each other")
	case writes || readOnly:
		return writes, nil
	case !terminal:
		return false, errNoAnswer
	}
	fmt.Fprintf(errs, `Copy writes, too? They change data on %s.
  writes      send everything; the target should hold a copy of the source's data
  read-only   send only what surely changes nothing; reads of what a write would have made will differ
[writes/read-only] `, printable(target))
	line, err := bufio.NewReader(io.LimitReader(in, maxAnswer)).ReadString('\n')
	if err != nil {
		fmt.Fprintln(errs) // no line end was typed
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "writes", "w", "--writes":
		return true, nil
	case "read-only", "r", "readonly", "--read-only":
		return false, nil
	}
	return false, errNoAnswer
}
