package target

import (
	"testing"

	"myreplay/session"
)

// BenchmarkXOwn is what Do and DoAll cost beyond the network: no system calls.
func BenchmarkXOwn(b *testing.B) {
	rows := "cols a:sint ; cols b:bytes"
	for range 10 {
		rows += " ; row 1 & abcdefghij"
	}
	for _, test := range []struct {
		name  string
		reply string
		lines []string
	}{
		{"ok", "affected 0 ; done", []string{"query select 1"}},
		{"rows10", rows + " ; end ; affected 0 ; done", []string{"query select a, b from t"}},
		{"pipeline10", "affected 0 ; done", []string{"query 1", "query 2", "query 3", "query 4", "query 5", "query 6", "query 7", "query 8", "query 9", "query 10"}},
	} {
		b.Run(test.name, func(b *testing.B) {
			c := xConnTo(b, nil, 1)
			answer := say(b, test.reply)
			var all []byte
			for range test.lines {
				all = append(all, answer...)
			}
			c.nc = &loop{answer: all}
			cmds := xCommands(b, test.lines...)
			b.ReportAllocs()
			for b.Loop() {
				answers := []Answer{{}}
				var err error
				if len(cmds) == 1 {
					answers[0], err = c.Do(cmds[0], nil)
				} else {
					answers, err = c.DoAll(cmds)
				}
				if err != nil || answers[0].Reply.Err() != nil {
					b.Fatal(err, session.Line(answers[0].Reply))
				}
			}
		})
	}
}
