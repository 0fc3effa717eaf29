package order

import (
	"slices"
	"strconv"
	"strings"
)

// relock has the step of a read that passed over locked rows tell a statement that
// locks those of its rows that later commands of its transaction name by their keys:
// a replay whose read took others can lock them by that.
func (p *Planner) relock(read, a *access) {
	took, t := read.cmd.step.Took, a.table
	if took == nil || read.cmd.step.Number != 0 || t.schema == nil || len(t.primary) != 1 || !isPlain(t.schema.Schema) || !isPlain(t.schema.Name) {
		return
	}
	name := "`" + t.schema.Name + "`"
	if read.cmd.what.said().schema != t.schema.Schema { // else the target may have it under another name
		name = "`" + t.schema.Schema + "`." + name
	}
	column := t.schema.Columns[t.primary[0]].Name
	d := a.find(t.primary[0])
	if d == nil || d.kind != number || !isPlain(column) {
		return
	}
	known := read.gets()
	for _, v := range d.values() {
		if !slices.Contains(known.named, v) {
			known.named = append(known.named, v)
		}
	}
	var b strings.Builder
	b.WriteString("SELECT 1 FROM " + name + " WHERE `" + column + "` IN (")
	for i, v := range known.named {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(v, 10))
	}
	b.WriteString(") FOR UPDATE")
	took.Lock = b.String()
}

// isPlain tells whether a name can stand between backquotes in any character set.
func isPlain(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r == '`' || r == '\\' || r > '~' }) < 0
}
