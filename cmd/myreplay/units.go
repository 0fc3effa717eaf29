package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// size is a flag for a number of bytes, as "64M" or "1GiB".
type size int64

// Set implements pflag.Value.
func (s *size) Set(text string) error {
	number := strings.TrimRight(strings.ToLower(text), "bi")
	shift := 0
	for i, unit := range "kmgt" {
		if n, ok := strings.CutSuffix(number, string(unit)); ok {
			number, shift = n, 10*(i+1)
			break
		}
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || v < 0 || v*float64(int64(1)<<shift) > 1<<62 {
		return fmt.Errorf("%q is no size: write a number of bytes, or 512K, 64M, 2G", text)
	}
	*s = size(v * float64(int64(1)<<shift))
	return nil
}

// String implements pflag.Value.
func (s *size) String() string {
	if *s == 0 {
		return "0"
	}
	return bytesText(uint64(*s))
}

// Type implements pflag.Value.
func (s *size) Type() string { return "SIZE" }

// bytesText writes a number of bytes for a reader.
func bytesText(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, u := float64(n), 0
	for v >= 1024 && u < len(units)-1 {
		v /= 1024
		u++
	}
	if u == 0 || v >= 100 {
		return fmt.Sprintf("%.0f %s", v, units[u])
	}
	return fmt.Sprintf("%.1f %s", v, units[u])
}

// count writes a number with its noun, with separators: "1,234 commands".
func count[N int | int64 | uint64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if strings.HasSuffix(one, "y") {
		one = one[:len(one)-1] + "ie"
	}
	return thousands(uint64(n)) + " " + one + "s"
}

// remark prints a line on something that there is, and nothing where n is 0.
func remark[N int | int64 | uint64](out io.Writer, n N, what string) {
	if n > 0 {
		fmt.Fprintln(out, "  "+what)
	}
}

// thousands writes a number with a comma between every three digits.
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// duration writes a time for a reader: two or three digits that matter.
func duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// rate writes how many a second.
func rate(n int64, d time.Duration) string {
	if d <= 0 {
		return "0/s"
	}
	v := float64(n) / d.Seconds()
	if v < 10 {
		return fmt.Sprintf("%.1f/s", v)
	}
	return thousands(uint64(v)) + "/s"
}

// share is a flag for a part of a whole, as "10%" or "0.1".
type share float64

// Set implements pflag.Value.
func (s *share) Set(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	if err != nil || v <= 0 || v > 1 {
		return fmt.Errorf("%q is no share: write 10%% or 0.1", text)
	}
	*s = share(v)
	return nil
}

// String implements pflag.Value.
func (s *share) String() string {
	if *s == 0 {
		return "all"
	}
	return strconv.FormatFloat(float64(*s)*100, 'g', -1, 64) + "%"
}

// Type implements pflag.Value.
func (s *share) Type() string { return "PCT" }

// speed is a flag for a pace: a factor, or "max".
type speed float64

// Set implements pflag.Value.
func (s *speed) Set(text string) error {
	if text == "max" {
		*s = 0
		return nil
	}
	v, err := strconv.ParseFloat(strings.TrimSuffix(text, "x"), 64)
	if err != nil || !(v >= 0.001 && v <= 1000) {
		return fmt.Errorf("%q is no speed: write 1, 2.5, 0.5 or max", text)
	}
	*s = speed(v)
	return nil
}

// String implements pflag.Value.
func (s *speed) String() string {
	if *s == 0 {
		return "max"
	}
	return strconv.FormatFloat(float64(*s), 'g', -1, 64)
}

// Type implements pflag.Value.
func (s *speed) Type() string { return "FACTOR" }

// rows is a flag for how many rows of each result to keep: a number, or "all".
type rows int

// Set implements pflag.Value.
func (r *rows) Set(text string) error {
	switch text {
	case "all":
		*r = -1
		return nil
	case "none":
		*r = 0
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is no number of rows: write a number, or all", text)
	}
	*r = rows(n)
	return nil
}

// String implements pflag.Value.
func (r *rows) String() string {
	switch {
	case *r < 0:
		return "all"
	case *r == 0:
		return "none"
	}
	return strconv.Itoa(int(*r))
}

// Type implements pflag.Value.
func (r *rows) Type() string { return "N|all" }
