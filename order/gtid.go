package order

import (
	"slices"
	"strconv"
	"strings"

	"myreplay/session"
	"myreplay/sqltext"
)

// The GTIDs that a server tells its clients, and the binary log that somebody has
// of it, number the commits of one source in the order of the log, which is that in
// which they took effect (MySQL with
// binlog_order_commits, MariaDB). So each commit lies between what was sent of
// those before it and what was answered of those after it, and of two that
// overlap on the wire the order is known. The wire is always right: a number that
// contradicts it (a proxy's, another server's) is not used.

// source numbers its commits: a MySQL server by its UUID and a tag, a MariaDB
// server by its domain and its id.
type source struct {
	// commits are those not placed yet, in their order.
	commits []*group
	// placed is the highest number of those that were.
	placed uint64
	// used and odd count numbers.
	used, odd int64
}

const (
	// maxSources is of how many sources numbers are used.
	maxSources = 64
	// maxGTID is how long a tracked GTID may be: a UUID, a tag and two numbers.
	maxGTID = 36 + 1 + maxTag + 1 + 20 + 1 + 20
	// maxTag is how long a tag is at most (MySQL's manual, "GTID Format").
	maxTag = 32
	// fewOdd and oddShare: a source is given up once it has more odd numbers than
	// fewOdd, and one in oddShare.
	fewOdd, oddShare = 16, 64
)

// isBad tells whether too many of a source's numbers contradict the wire.
func (s *source) isBad() bool { return s.odd > fewOdd && s.odd > s.used/oddShare }

// CommitOrder tells the order of the commits of the recorded server, as its binary
// log has it.
type CommitOrder interface {
	// Find returns the place of the one commit that a connection made between two
	// moments, in nanoseconds since 1970; ok: there is one, and no second.
	Find(connection uint32, from, to int64) (number uint64, ok bool)
}

const (
	// logged is the source whose numbers are those of Options.Commits.
	logged = "binary log"
	// logUnit is what moments in a binary log are whole numbers of, in nanoseconds.
	logUnit = 1000
)

// track takes note of the number of the commit of a group, which ends with it: the
// binary log or the reply tells it.
func (p *Planner) track(m *member, g *group, c *command, over ending) {
	if over != committed || !g.wrote || g.long || g.last != c || len(c.reply.Results) != 1 || !c.commitsOnce() {
		return
	}
	name, from, to, ok := p.numberOf(m, c)
	if !ok {
		return
	}
	s := p.sources[name]
	if s == nil && len(p.sources) < maxSources {
		if p.sources == nil {
			p.sources = map[string]*source{}
		}
		s = &source{}
		p.sources[name] = s
	}
	g.gtid, g.gtidTo = from, to
	switch {
	case s == nil:
		p.stats.OddGTIDs++
	case s.isBad() || !s.add(g):
		s.odd++
		p.stats.OddGTIDs++
	default:
		s.used++
		p.stats.GTIDs++
	}
}

// numberOf returns which commits of a source a command made: the numbers of the
// first and the last.
func (p *Planner) numberOf(m *member, c *command) (name string, from, to uint64, ok bool) {
	if order := p.options.Commits; order != nil && m.connection != 0 {
		if n, ok := order.Find(m.connection, c.sent-logUnit, c.answered); ok {
			return logged, n, n, true
		}
	}
	for _, ch := range c.reply.Results[0].Changes {
		if name, from, to, ok = gtidOf(ch); ok {
			return name, from, to, true
		}
	}
	return "", 0, 0, false
}

// commitsOnce tells whether a command that ends a group commits no more than once,
// and nothing besides: what a CALL commits, or a definition in a transaction,
// may be several things.
func (c *command) commitsOnce() bool {
	if len(c.what.shapes) != 1 {
		return false
	}
	s := c.what.shapes[0]
	return s.Verb != sqltext.Call && s.Verb != sqltext.XA && (s.Class != sqltext.DDL || c.group.first == c)
}

// add gives a commit its place among the others; false: it contradicts them.
func (s *source) add(g *group) bool {
	n := 0
	for n < len(s.commits) && s.commits[n].number != 0 {
		s.placed = max(s.placed, s.commits[n].gtidTo)
		n++
	}
	s.commits = slices.Delete(s.commits, 0, n)
	i := len(s.commits)
	for i > 0 && s.commits[i-1].gtid > g.gtid {
		i--
	}
	from, to, likely := g.earliest(), g.effective(), int64(0)
	if g.gtid <= s.placed {
		return false
	}
	if i > 0 {
		b := s.commits[i-1]
		if b.gtidTo >= g.gtid {
			return false
		}
		from = max(from, b.earliest())
	}
	if i < len(s.commits) {
		a := s.commits[i]
		if a.gtid <= g.gtidTo {
			return false
		}
		to, likely = min(to, a.effective()), a.likelyBy
		if a.looked {
			likely = sooner(likely, a.point())
		}
	}
	if from >= to {
		return false
	}
	g.source, g.after, g.seenBy = s, from, to
	g.likelyBy = g.guessed(likely)
	s.commits = slices.Insert(s.commits, i, g)
	s.spread(i)
	return true
}

// spread tells those before and after a commit what it says of them, and the
// other way round. What guesses rest on stays as it is.
func (s *source) spread(i int) {
	g := s.commits[i]
	for n, a := range s.commits[i+1:] {
		if !a.looked {
			a.after = max(a.earliest(), g.after)
		}
		if n < maxNear {
			g.seenBy = min(g.effective(), a.gotFrom(g))
		}
	}
	by, likely := g.effective(), g.likelyBy
	for n, b := range slices.Backward(s.commits[:i]) {
		near := i-n <= maxNear && b.effective() > g.first.sent
		if near {
			by = min(by, g.gotFrom(b))
		}
		if by >= b.effective() && b.guessed(likely) == b.likelyBy && !near {
			return // so it is with those before it
		}
		if !b.looked {
			b.seenBy, b.likelyBy = min(b.effective(), by), b.guessed(likely)
		}
	}
}

// guessed returns the earlier of two guesses by when a commit had taken effect, its
// own and another, but none that is known to be too early.
func (g *group) guessed(likely int64) int64 {
	if likely = sooner(g.likelyBy, likely); likely == 0 {
		return 0
	}
	return max(likely, g.earliest())
}

// maxNear is how many commits before another are asked for locks that it got from
// them.
const maxNear = 64

// gotFrom is when a group had got a row's lock that another, which was committed
// before it, had held; never: there is none.
func (g *group) gotFrom(b *group) int64 {
	at := never
	if len(g.accesses)*len(b.accesses) > maxNear*maxNear {
		return at
	}
	for _, x := range g.accesses {
		if x.exact == 0 || x.cmd.answered >= at || x.cmd.answered >= b.effective() || x.cmd.answered <= b.earliest() || x.cmd.reply.Err() != nil || x.numbered() == nil {
			continue
		}
		for _, y := range b.accesses {
			if y.exact == x.exact && y.table == x.table && x.locks(y) && y.isHad() && y.numbered() != nil {
				at = x.cmd.answered
				break
			}
		}
	}
	return at
}

// sooner returns the earlier of two times, of which 0 is none.
func sooner(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// followed tells by their numbers whether the commit that ends what b holds came
// before that of a.
func (a *access) followed(b *access) (first, known bool) {
	f, g := a.numbered(), b.numbered()
	if f == nil || g == nil || f.source != g.source {
		return false, false
	}
	return g.gtid < f.gtid, true
}

// preceded tells whether the commit that ends what a holds is known to have come
// before that of b.
func (a *access) preceded(b *access) bool {
	after, known := a.followed(b)
	return known && !after
}

// numbered returns the group whose commit ends what an access holds, if it has a
// number and its locks are held up to it; else nil.
func (a *access) numbered() *group {
	g := a.group
	switch {
	case g.source == nil, a.end != nil && (a.mode != define || a.end != g.last), a.table.autocommits:
		return nil
	case a.mode == exclusive && !a.wrote && !g.repeatable && !g.serial: // rows that did not match were let go
		return nil
	}
	return g
}

// gtidOf reads what a change tells of a commit: who numbers it, and from which
// number to which.
func gtidOf(c session.Change) (source string, from, to uint64, ok bool) {
	switch {
	case len(c.Value) > maxGTID:
	case c.Kind == session.GTIDs:
		return mysqlGTID(c.Value)
	case c.Kind == session.SystemVariable && c.Name == "last_gtid":
		return mariaGTID(c.Value)
	}
	return "", 0, 0, false
}

// mysqlGTID reads UUID:N, UUID:TAG:N, or N-M in the place of N (MySQL's manual,
// "GTID Format and Storage").
func mysqlGTID(s string) (source string, from, to uint64, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", 0, 0, false
	}
	source = strings.ToLower(s[:i])
	uuid, tag, tagged := strings.Cut(source, ":")
	first, last, isRange := strings.Cut(s[i+1:], "-")
	from, ok = sequence(first)
	if to = from; ok && isRange {
		to, ok = sequence(last)
	}
	return source, from, to, ok && from <= to && isUUID(uuid) && (!tagged || isTag(tag))
}

// isUUID tells whether s is a UUID in lower case.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash && s[i] != '-' || !dash && !('0' <= s[i] && s[i] <= '9' || 'a' <= s[i] && s[i] <= 'f') {
			return false
		}
	}
	return true
}

// isTag tells whether s is a tag in lower case.
func isTag(s string) bool {
	for i := range len(s) {
		if digit := '0' <= s[i] && s[i] <= '9'; !('a' <= s[i] && s[i] <= 'z' || s[i] == '_' || digit && i > 0) {
			return false
		}
	}
	return 0 < len(s) && len(s) <= maxTag
}

// mariaGTID reads DOMAIN-SERVER-N (MariaDB's "Global Transaction ID").
func mariaGTID(s string) (source string, from, to uint64, ok bool) {
	i := strings.LastIndexByte(s, '-')
	if i < 0 {
		return "", 0, 0, false
	}
	domain, server, _ := strings.Cut(s[:i], "-")
	_, err1 := strconv.ParseUint(domain, 10, 32)
	_, err2 := strconv.ParseUint(server, 10, 32)
	from, ok = sequence(s[i+1:])
	return s[:i], from, from, ok && err1 == nil && err2 == nil
}

// sequence reads the number of a transaction, from 1.
func sequence(s string) (n uint64, ok bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n > 0
}
