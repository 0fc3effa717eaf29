package mysqltest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

// lowestPort is the lowest port that a server is given.
const lowestPort = 10000

// portTries is how many ports are tried before giving up.
const portTries = 200

// freePort returns a port of 127.0.0.1 on which nobody listens. It lies below
// the range from which the kernel gives ports to outgoing connections, so that
// the thousands of connections of a test cannot take it while a server
// restarts. Another process may still take it: the caller must see to that.
func freePort() (int, error) {
	end := ephemeralStart()
	for range portTries {
		port := lowestPort + rand.IntN(end-lowestPort)
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			return port, nil
		}
	}
	return 0, errors.New("no free port on 127.0.0.1")
}

// ephemeralStart returns where the kernel's range begins, 32768 where unknown.
func ephemeralStart() int {
	const usual = 32768
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return usual
	}
	digits := 0
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	n, err := strconv.Atoi(string(text[:digits]))
	if err != nil || n <= lowestPort {
		return usual
	}
	return n
}
