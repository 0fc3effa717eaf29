package packet

import (
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/net/bpf"
)

// LiveOptions tell OpenLive what to capture and how.
type LiveOptions struct {
	Options
	// BPF is a program for the kernel (see LoadBPF) to use in place of Filter's;
	// it must be for the device's link type: Ethernet, or raw IP for "any" and
	// devices without Ethernet headers. Filter is applied besides, when it is set;
	// Ports alone then only tell who the server is.
	BPF []bpf.RawInstruction
	// Promiscuous also takes packets that are not for this host.
	Promiscuous bool
	// RingBytes is the memory that the kernel fills, for each device. 0:
	// DefaultRing. It is made at least 256 KiB.
	RingBytes int
	// HandOver is after how long the kernel hands over packets that do not fill a
	// block; it may take twice as long. 0: 40 ms, or 10 ms of several devices.
	// Less wakes up more often.
	HandOver time.Duration
	// Waits, when not nil, is called by Read each time before it waits for packets.
	Waits func()
}

// DefaultRing is the default of LiveOptions.RingBytes.
const DefaultRing = 32 << 20

// AnyDevice stands for all devices.
const AnyDevice = "any"

// DeviceError tells that a device cannot be captured from, or not any longer.
// After a DeviceError of Read the Source goes on with the other devices.
type DeviceError struct {
	Device string
	Reason string
	Err    error // nil, or the cause
}

// Error names the device and the reason.
func (e *DeviceError) Error() string {
	s := fmt.Sprintf("capture on %s: %s", e.Device, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *DeviceError) Unwrap() error { return e.Err }

// Devices returns the names of the devices of this host, with AnyDevice.
func Devices() ([]string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	names := make([]string, 0, len(all)+1)
	for _, i := range all {
		names = append(names, i.Name)
	}
	return append(names, AnyDevice), nil
}

// noDevice is the error for a device that is not there.
func noDevice(name string) error {
	there := "cannot list the devices"
	if names, err := Devices(); err == nil {
		there = "there are " + strings.Join(names, ", ")
	}
	return &DeviceError{Device: name, Reason: "no such device; " + there}
}

// withDefaults fills in the zero fields.
func (o LiveOptions) withDefaults() LiveOptions {
	if o.BPF != nil && o.Filter == nil {
		o.Filter = NewFilter(nil, nil, nil)
	}
	o.Options = o.Options.withDefaults()
	if o.RingBytes <= 0 {
		o.RingBytes = DefaultRing
	}
	return o
}

// Times of a live capture.
const (
	// blockTimeout is after how long the kernel hands over a block that is not
	// full. It may take twice as long.
	blockTimeout = 40 * time.Millisecond
	// mergeTimeout is the same when there are several devices, mergeWait how long the
	// packets of one are then kept back for those of another.
	mergeTimeout = 10 * time.Millisecond
	mergeWait    = 2*mergeTimeout + 5*time.Millisecond
	// tickEvery is how long a capture is silent before it gives a Tick.
	tickEvery = 200 * time.Millisecond
	// liveLag is how far the packets' clock is kept behind the real one while the
	// wire is silent: packets may still be on their way through the ring.
	liveLag = 2*blockTimeout + 20*time.Millisecond
	// statsAfter is how often the kernel is asked for what it dropped.
	statsAfter = time.Second
)
