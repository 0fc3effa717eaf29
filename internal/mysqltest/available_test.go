package mysqltest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// verdict is a testing.TB that notes how a test was ended.
type verdict struct {
	testing.TB
	how string
}

type ended struct{}

func (v *verdict) Helper()          {}
func (v *verdict) Skip(args ...any) { v.end("skip: " + fmt.Sprint(args...)) }
func (v *verdict) Fatal(args ...any) {
	v.end("fatal: " + fmt.Sprint(args...))
}
func (v *verdict) Fatalf(format string, args ...any) {
	v.end("fatal: " + fmt.Sprintf(format, args...))
}
func (v *verdict) end(how string) { v.how = how; panic(ended{}) }

func verdictOf(err error) string {
	v := &verdict{}
	func() {
		defer func() {
			if r := recover(); r != nil && r != (ended{}) {
				panic(r)
			}
		}()
		failOrSkip(v, err)
	}()
	return v.how
}

func TestSkipOrFail(t *testing.T) {
	none := unavailable(errors.New("no network"))
	crash := errors.New("mysqld: exit status 1")
	for _, c := range []struct {
		ci, require string
		err         error
		want        string
	}{
		{"", "", none, "skip: not to be had on this machine: no network"},
		{"false", "0", none, "skip: not to be had on this machine: no network"},
		{"true", "", none, "fatal: not to be had on this machine: no network (nothing may be skipped here)"},
		{"1", "", none, "fatal: not to be had on this machine: no network (nothing may be skipped here)"},
		{"", "1", none, "fatal: not to be had on this machine: no network (nothing may be skipped here)"},
		// A server that is there and does not start is a fault everywhere.
		{"", "", crash, "fatal: mysqld: exit status 1"},
		{"true", "", crash, "fatal: mysqld: exit status 1"},
	} {
		t.Setenv("CI", c.ci)
		t.Setenv("MYREPLAY_REQUIRE_SERVERS", c.require)
		if got := verdictOf(c.err); got != c.want {
			t.Errorf("CI=%q MYREPLAY_REQUIRE_SERVERS=%q %v:\n got %s\nwant %s", c.ci, c.require, c.err, got, c.want)
		}
	}
}

// A machine without package tools, and one without a mirror: unavailable, with
// the reason.
func TestNoPackages(t *testing.T) {
	t.Setenv(cacheVariable, t.TempDir())
	t.Run("no tools", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := newApt(t.TempDir(), "sid")
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "apt-get") {
			t.Error(err)
		}
	})
	t.Run("no mirror", func(t *testing.T) {
		notShort(t)
		t.Setenv(mirrorVariable, "http://127.0.0.1:1/debian")
		_, err := newApt(t.TempDir(), "sid")
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "127.0.0.1:1") {
			t.Error(err)
		}
	})
}
