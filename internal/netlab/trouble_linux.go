package netlab

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"myreplay/internal/mysqltest"
)

// Cut unplugs a device at the switch: nothing passes, to either side, and the
// host keeps its addresses and routes. Mend plugs it in again.
func (h *Host) Cut(device string) {
	h.t.Helper()
	h.port(device).IP("link set " + h.plugs[device].port + " down")
}

// Mend undoes Cut.
func (h *Host) Mend(device string) {
	h.t.Helper()
	h.port(device).IP("link set " + h.plugs[device].port + " up")
}

// port returns where a device is plugged in.
func (h *Host) port(device string) *Host {
	h.t.Helper()
	p, ok := h.plugs[device]
	if !ok {
		h.t.Fatalf("%s has no device %q that is plugged in", h.Name, device)
	}
	return p.at
}

// offloads are what a network card does for the kernel, by ethtool's names.
var offloads = []string{"tx", "rx", "tso", "gso", "gro"}

// Offloads switches off, or on, what lets a device, and its port at the switch,
// carry segments larger than the MTU and without checksums.
func (h *Host) Offloads(device string, on bool) {
	h.t.Helper()
	value := map[bool]string{true: "on", false: "off"}[on]
	var args []string
	for _, o := range offloads {
		args = append(args, o, value)
	}
	at, port := h.port(device), h.plugs[device].port
	mysqltest.Output(h.t, h.Inside(mysqltest.Tool(h.t, "ethtool", append([]string{"-K", device}, args...)...)))
	mysqltest.Output(h.t, at.Inside(mysqltest.Tool(h.t, "ethtool", append([]string{"-K", port}, args...)...)))
}

// Rate limits what a device sends to so many kilobits a second, with a queue of
// 400 ms; 0 takes the limit away.
func (h *Host) Rate(device string, kbit int) {
	h.t.Helper()
	h.unshape(device)
	if kbit > 0 {
		h.tc("qdisc", "add", "dev", device, "root", "tbf", "rate", fmt.Sprintf("%dkbit", kbit), "burst", "32kb", "latency", "400ms")
	}
}

// ErrNoNetem says that the kernel was built without network emulation, which is
// not the test's fault.
var ErrNoNetem = errors.New("this kernel has no netem")

// Netem delays or loses what a device sends, in tc-netem(8)'s words: "delay 20ms
// 5ms", "loss 1%"; "" ends that. It returns ErrNoNetem where the kernel cannot.
func (h *Host) Netem(device, words string) error {
	h.t.Helper()
	h.unshape(device)
	if words == "" {
		return nil
	}
	args := append([]string{"qdisc", "add", "dev", device, "root", "netem"}, strings.Fields(words)...)
	out, err := h.Inside(mysqltest.Tool(h.t, "tc", args...)).CombinedOutput()
	switch {
	case err == nil:
		return nil
	case strings.Contains(string(out), "qdisc kind is unknown"):
		return ErrNoNetem
	}
	h.t.Fatalf("tc netem %s: %v: %s", words, err, out)
	return nil
}

func (h *Host) tc(args ...string) {
	h.t.Helper()
	mysqltest.Output(h.t, h.Inside(mysqltest.Tool(h.t, "tc", args...)))
}

// unshape removes what Rate or Netem set, if anything.
func (h *Host) unshape(device string) {
	h.t.Helper()
	cmd := h.Command(context.Background(), "tc", "qdisc", "delete", "dev", device, "root")
	_ = cmd.Run() // fails where there is nothing
}
