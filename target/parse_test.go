package target

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"myreplay/session"
)

// TestParse reads URLs and credentials files: see testdata/parse.
func TestParse(t *testing.T) {
	datadriven.Walk(t, "testdata/parse", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			if td.Cmd == "url" {
				return urlLine(strings.TrimSpace(td.Input))
			}
			return credentialLines(t, td)
		})
	})
}

func urlLine(raw string) string {
	u, err := Parse(raw)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	out := ""
	if u.Protocol == session.X {
		out = "x "
	}
	out += fmt.Sprintf("%s %s user=%q schema=%q tls=%v compress=%v", u.Network, u.Address, u.User, u.Schema, u.tlsMode(), u.Compression)
	for _, f := range []struct{ name, value string }{{"ca", u.CA}, {"cert", u.Cert}, {"key", u.Key}, {"server-name", u.ServerName}, {"server-key", u.ServerKey}} {
		if f.value != "" {
			out += " " + f.name + "=" + f.value
		}
	}
	return out + fmt.Sprintf(" (%v)\n", u)
}

func credentialLines(t *testing.T, td *datadriven.TestData) string {
	u, err := ParseCredentials(strings.NewReader(td.Input))
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var out strings.Builder
	for _, arg := range td.CmdArgs {
		for _, name := range arg.Vals {
			a, err := u.account(name)
			if err != nil {
				fmt.Fprintf(&out, "%q: %v\n", name, err)
				continue
			}
			fmt.Fprintf(&out, "%q: user %q, password %q\n", name, a.user, a.password)
		}
	}
	return out.String()
}

// FuzzOptionFile: no panic, and no line's text in an error.
func FuzzOptionFile(f *testing.F) {
	f.Add("[a]\nuser=x\npassword='y' # z\n[*]\n")
	f.Add("!include x\n[a]\npassword=\\")
	f.Fuzz(func(t *testing.T, text string) {
		groups, err := ReadOptionFile(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, g := range groups {
			if g.Line < 1 {
				t.Errorf("group in line %d", g.Line)
			}
		}
		_, _ = ParseCredentials(strings.NewReader(text)) // only that it ends
	})
}

// FuzzURL: no panic, and a password never comes back in an error.
func FuzzURL(f *testing.F) {
	f.Add("mysql://app@h:3306/shop?tls=required", "s3cret")
	f.Add("mysql://[::1]/?socket=/s", "")
	f.Fuzz(func(t *testing.T, raw, password string) {
		u, err := Parse(raw)
		if err == nil && u.Address == "" {
			t.Errorf("%q: no address", raw)
		}
		if len(password) < 4 || strings.ContainsAny(password, "@/?#%[]: ") {
			return
		}
		if _, err := Parse("mysql://u:" + password + "@h/"); err == nil || strings.Contains(err.Error(), password) && !strings.Contains(errPassword.Error(), password) {
			t.Errorf("password %q: %v", password, err)
		}
	})
}
