package xproto

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"myreplay/internal/mysqltest"
)

// volatileID is a document id that the server makes: no two runs have the same.
var volatileID = regexp.MustCompile("[0-9a-f]{28}")

// TestServerSQL sends CRUD and view messages to a real server. Under each stands
// what AppendSQL makes of it, what the X Plugin had the server run, as the
// general log has it, and the outcome.
func TestServerSQL(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MySQL97)
	c := login(t, s)
	datadriven.RunTest(t, "testdata/server_sql", func(t *testing.T, d *datadriven.TestData) string {
		c.t = t
		if d.Cmd == "sql" {
			c.sql(d.Input)
			return ""
		}
		args := []string{}
		for _, a := range d.CmdArgs {
			args = append(args, a.String())
		}
		m, payload, err := message(d.Cmd, args, d.Input)
		if err != nil {
			return err.Error() + "\n"
		}
		var out strings.Builder
		text, err := AppendSQL(nil, m, payload)
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(&out, "%s\n", printable(text))
		s.LogQueries(t)
		a := c.ask(m, payload)
		for _, e := range s.GeneralLog(t) {
			switch q := volatileID.ReplaceAllString(e.Argument, "ID"); {
			case strings.HasPrefix(q, "SELECT @@mysqlx_document_id") || q == "SHOW WARNINGS":
			case q == string(text):
				out.WriteString("plugin: the same\n")
			default:
				fmt.Fprintf(&out, "plugin: %s\n", printable([]byte(q)))
			}
		}
		if a.err != nil {
			fmt.Fprintf(&out, "error %d: %s\n", a.err.Code, a.err.Message)
			return out.String()
		}
		_, rows := a.rows(t)
		for _, row := range rows {
			fmt.Fprintf(&out, "%s\n", volatileID.ReplaceAllString(strings.Join(row, " | "), "ID"))
		}
		fmt.Fprintf(&out, "%s\n", strings.Join(a.kinds(), " "))
		return out.String()
	})
}
