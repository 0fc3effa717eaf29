package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"myreplay/session"
	"myreplay/target"
)

const (
	// maxUsers is how many logins are tried.
	maxUsers = 50
	// maxClock is how far clocks may differ without a word.
	maxClock = time.Second
)

// targets looks at the servers that are replayed on. names are the recorded
// users; from is a client's address to connect from, where that is set.
func (a *doctorArgs) targets(ctx context.Context, d *doctor, urls []*target.URL, names []string, from netip.Addr, writes bool) error {
	for _, u := range urls {
		about := "target " + u.String()
		requests, err := a.requests(u, names)
		if err != nil {
			d.wrong(about, err.Error())
			continue
		}
		for i, r := range requests {
			r.From = from
			facts := d.host.Ask(ctx, r)
			if d.login(about, r, facts) && i == 0 {
				d.targetFacts(about, facts, writes)
			}
			var ce *target.ConnectError
			if errors.As(facts.Err, &ce) && ce.Step != "login" && ce.Step != "credentials" {
				break // it is not for the user
			}
		}
	}
	return nil
}

// login tells whether a login worked.
func (d *doctor) login(about string, r serverRequest, f serverFacts) bool {
	as := ""
	if r.User != "" {
		as = " for " + r.User
	}
	if r.From.IsValid() {
		as += " from " + r.From.String()
	}
	if f.Err == nil {
		version := ""
		if f.Version != "" {
			version = "; its version is " + f.Version
		}
		d.ok(about, "%s logs in%s%s", f.Account, as, version)
		return true
	}
	text := "no login" + as + ": " + f.Err.Error()
	var ce *target.ConnectError
	switch {
	case errors.Is(f.Err, target.ErrNoCredentials):
		d.wrong(about, text+": give [*] or a group of that name in the file of --credentials")
	case errors.As(f.Err, &ce) && ce.Refused != nil && ce.Refused.Code == 1130: // ER_HOST_NOT_PRIVILEGED
		d.wrongAt("the target", about, text, commandLine("CREATE USER '%s'@'%s' IDENTIFIED BY '...'", named(ce.User), hostPattern(r.From)))
	default:
		d.wrong(about, text)
	}
	return false
}

// hostPattern is a host of an account that an address belongs to.
func hostPattern(a netip.Addr) string {
	if a.Is4() {
		b := a.As4()
		return fmt.Sprintf("%d.%d.%%", b[0], b[1])
	}
	return "%"
}

// named returns s, or a word for none.
func named(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// targetFacts looks at what a target said.
func (d *doctor) targetFacts(about string, f serverFacts, writes bool) {
	if f.Version != "" {
		d.reached = append(d.reached, f.Version)
	}
	if f.Identity != "" && f.Identity == d.source {
		d.wrong(about, "it is the source itself, by another address: use another one")
	}
	if f.Asked != nil {
		d.note(about, "%v", f.Asked)
		return
	}
	if switchedOn(f.Values["read_only"]) && writes {
		d.wrongAt("the target", about, "it is read-only, and writes are to be sent", commandLine("SET GLOBAL read_only = 0"))
	}
	d.clock(about, f.Clock, 0)
	d.grants(about, f, needed(writes))
}

// switchedOn tells whether a variable is on.
func switchedOn(value string) bool {
	return value != "" && value != "0" && !strings.EqualFold(value, "off")
}

// clock compares a server's clock with this host's.
func (d *doctor) clock(about string, skew, uncertain time.Duration) {
	if skew.Abs() <= maxClock+uncertain {
		d.ok(about, "its clock is this host's, to %s", duration(max(skew.Abs(), time.Millisecond)))
		return
	}
	where := "ahead of"
	if skew < 0 {
		where = "behind"
	}
	d.note(about, "its clock is %s %s this host's: NOW() and what hangs on it will differ", duration(skew.Abs()), where)
}

// needed are the privileges that a replay cannot do without.
func needed(writes bool) []string {
	if writes {
		return []string{"SELECT", "INSERT", "UPDATE", "DELETE"}
	}
	return []string{"SELECT"}
}

// grants looks at what the account may do.
func (d *doctor) grants(about string, f serverFacts, need []string) {
	if f.Grants == nil {
		d.note(about, "it does not say what %s may do, as a server without grant tables", f.Account)
		return
	}
	g := readGrants(f.Grants)
	var missing []string
	for _, p := range need {
		if !g.has(p) {
			missing = append(missing, p)
		}
	}
	account := accountText(f.Values["CURRENT_USER()"])
	what := strings.Join(need, ", ")
	switch {
	case len(missing) > 0 && len(g.roles) > 0:
		d.note(about, "whether %s may %s hangs on roles (%s)", f.Account, what, strings.Join(g.roles, ", "))
	case len(missing) > 0:
		d.wrongAt("the target", about, fmt.Sprintf("%s may not %s", f.Account, strings.Join(missing, ", ")),
			commandLine("GRANT %s ON *.* TO %s", strings.Join(missing, ", "), account))
	case g.everywhere(need):
		d.ok(about, "%s may %s everywhere", f.Account, what)
	default:
		d.note(about, "%s may %s on %s only: what sessions do elsewhere fails", f.Account, what, strings.Join(g.scopes(), ", "))
	}
}

// accountText quotes "user@host" for a statement.
func accountText(current string) string {
	at := strings.LastIndexByte(current, '@')
	if at < 0 {
		return "'" + current + "'"
	}
	return "'" + current[:at] + "'@'" + current[at+1:] + "'"
}

// grants are what an account may do, by where: "*.*", "`app`.*".
type grants struct {
	on    map[string][]string
	roles []string
}

// readGrants reads the rows of SHOW GRANTS.
func readGrants(rows []string) grants {
	g := grants{on: map[string][]string{}}
	for _, row := range rows {
		rest, ok := strings.CutPrefix(row, "GRANT ")
		if !ok {
			continue
		}
		what, to, ok := strings.Cut(rest, " ON ")
		if !ok {
			role, _, _ := strings.Cut(rest, " TO ")
			g.roles = append(g.roles, role)
			continue
		}
		scope, _, ok := strings.Cut(to, " TO ")
		if !ok || strings.HasPrefix(scope, "PROCEDURE ") || strings.HasPrefix(scope, "FUNCTION ") {
			continue
		}
		for p := range strings.SplitSeq(what, ",") {
			p = strings.TrimSpace(p)
			if p != "USAGE" && p != "PROXY" {
				g.on[scope] = append(g.on[scope], p)
			}
		}
	}
	return g
}

// allows tells whether one of the privileges is p.
func allows(list []string, p string) bool {
	return slices.Contains(list, p) || slices.Contains(list, "ALL PRIVILEGES") || slices.Contains(list, "ALL")
}

// has tells whether the account may do p anywhere.
func (g grants) has(p string) bool {
	for _, list := range g.on {
		if allows(list, p) {
			return true
		}
	}
	return false
}

func (g grants) everywhere(need []string) bool {
	for _, p := range need {
		if !allows(g.on["*.*"], p) {
			return false
		}
	}
	return true
}

// maxScopes is how many places of a grant are named.
const maxScopes = 5

func (g grants) scopes() []string {
	var list []string
	for s := range g.on {
		if s != "*.*" {
			list = append(list, s)
		}
	}
	slices.Sort(list)
	if more := len(list) - maxScopes; more > 0 {
		list = append(list[:maxScopes], fmt.Sprintf("%d more", more))
	}
	return list
}

// addresses are those of a host; they are looked up when it is a name.
func (d *doctor) addresses(ctx context.Context, address string) ([]netip.Addr, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	return d.host.Lookup(ctx, host)
}

// notSource tells that none of the targets is a server that is recorded.
func (d *doctor) notSource(ctx context.Context, urls []*target.URL, sources []netip.AddrPort) {
	if len(sources) == 0 || len(urls) == 0 {
		return
	}
	check, err := noneTheSource(ctx, urls)
	if err != nil {
		d.unknown("target", err)
		return
	}
	for _, s := range sources {
		if err := check(s); err != nil {
			d.wrong("target", strings.Replace(err.Error(), ": use another one, or --same-server if that is what you want", ": use another one", 1))
			return
		}
	}
	d.ok("target", "it is not the source")
}

// spokenX tells whether only the X Protocol is spoken at a URL.
func spokenX(u *target.URL) bool { return u.Protocol == session.X }
