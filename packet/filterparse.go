package packet

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// FilterError tells what is wrong in a filter expression.
type FilterError struct {
	Expr   string // the expression
	Pos    int    // where the word begins, in bytes from 1
	Word   string // the word that is not understood, "" at the end
	Reason string
}

// Error names the word, its position and the reason.
func (e *FilterError) Error() string {
	if e.Word == "" {
		return fmt.Sprintf("filter %q: at the end: %s", e.Expr, e.Reason)
	}
	return fmt.Sprintf("filter %q: %q at position %d: %s", e.Expr, e.Word, e.Pos, e.Reason)
}

// Limits of filter expressions.
const (
	maxFilterTerms = 1000
	maxFilterDepth = 100
)

// ParseFilter understands a small part of tcpdump's language:
//
//	[src | dst | src or dst | src and dst] host ADDRESS
//	[...] net ADDRESS/BITS
//	[...] port NUMBER
//	[...] portrange NUMBER-NUMBER
//	tcp, ip, ip6; also before one of the above
//	and, or, not; also && || !
//	( )
//
// As in tcpdump, "and" and "or" bind equally and from the left, "not" binds more
// strongly, and a value alone takes the words before the last one: "port 3306 or
// 3307". Names are not looked up. Only TCP packets are ever chosen. The error is a
// *FilterError.
func ParseFilter(expr string) (*Filter, error) {
	p := filterParser{expr: expr}
	p.split()
	root, err := p.expression(nil)
	if err == nil && !p.atEnd() {
		err = p.fail("expected \"and\" or \"or\"")
	}
	if err != nil {
		return nil, err
	}
	return &Filter{root: root, text: expr}, nil
}

type filterWord struct {
	text string
	pos  int
}

// qualifiers are the words before a value.
type qualifiers struct {
	proto op // opTCP, opIP, opIP6
	dir   direction
	kind  string // host, net, port, portrange, "" when not said
}

type filterParser struct {
	expr  string
	words []filterWord
	next  int
	terms int
	depth int
}

// split cuts the expression into words.
func (p *filterParser) split() {
	e := p.expr
	for i := 0; i < len(e); {
		switch {
		case strings.IndexByte(" \t\r\n", e[i]) >= 0:
			i++
			continue
		case strings.IndexByte("()!", e[i]) >= 0:
			p.words = append(p.words, filterWord{e[i : i+1], i + 1})
			i++
			continue
		case strings.HasPrefix(e[i:], "&&"), strings.HasPrefix(e[i:], "||"):
			p.words = append(p.words, filterWord{e[i : i+2], i + 1})
			i += 2
			continue
		}
		n := strings.IndexAny(e[i:], " \t\r\n()!&|")
		if n < 0 {
			n = len(e) - i
		}
		n = max(n, 1) // a single & or |
		p.words = append(p.words, filterWord{e[i : i+n], i + 1})
		i += n
	}
}

func (p *filterParser) atEnd() bool { return p.next == len(p.words) }

// peek returns the next word, "" at the end.
func (p *filterParser) peek() string {
	if p.atEnd() {
		return ""
	}
	return p.words[p.next].text
}

// take steps over the next word when it is one of these.
func (p *filterParser) take(words ...string) bool {
	for _, w := range words {
		if !p.atEnd() && p.peek() == w {
			p.next++
			return true
		}
	}
	return false
}

// fail returns an error about the next word.
func (p *filterParser) fail(reason string) error {
	e := &FilterError{Expr: p.expr, Pos: len(p.expr) + 1, Reason: reason}
	if !p.atEnd() {
		e.Word, e.Pos = p.words[p.next].text, p.words[p.next].pos
	}
	return e
}

// expression reads terms. q holds the qualifiers that a value alone takes.
func (p *filterParser) expression(q *qualifiers) (*node, error) {
	if p.depth++; p.depth > maxFilterDepth {
		return nil, p.fail("too deeply nested")
	}
	defer func() { p.depth-- }()
	left, q, err := p.term(q)
	for err == nil {
		op := opOr
		switch {
		case p.take("and", "&&"):
			op = opAnd
		case p.take("or", "||"):
		default:
			return left, nil
		}
		var right *node
		if right, q, err = p.term(q); err == nil {
			left = join(op, left, right)
		}
	}
	return nil, err
}

// term reads one operand and returns the qualifiers that it had.
func (p *filterParser) term(q *qualifiers) (*node, *qualifiers, error) {
	if p.terms++; p.terms > maxFilterTerms {
		return nil, nil, p.fail(fmt.Sprintf("more than %d terms", maxFilterTerms))
	}
	if p.take("not", "!") {
		if p.depth++; p.depth > maxFilterDepth {
			return nil, nil, p.fail("too deeply nested")
		}
		n, q, err := p.term(q)
		p.depth--
		if err != nil {
			return nil, nil, err
		}
		return &node{op: opNot, left: n}, q, nil
	}
	own, n, err := p.qualifiers()
	if own != nil {
		q = own
	}
	if n != nil || err != nil {
		return n, q, err
	}
	if p.take("(") {
		n, err := p.expression(q)
		if err == nil && !p.take(")") {
			err = p.fail("expected \")\"")
		}
		return n, q, err
	}
	if q == nil {
		q = &qualifiers{}
	}
	n, err = p.value(q)
	return n, q, err
}

// qualifiers reads the words before a value: nil when there are none. A protocol
// alone is a whole term.
func (p *filterParser) qualifiers() (*qualifiers, *node, error) {
	var q qualifiers
	start := p.next
	switch {
	case p.take("tcp"):
		q.proto = opTCP
	case p.take("ip"):
		q.proto = opIP
	case p.take("ip6"):
		q.proto = opIP6
	}
	hadProto := p.next > start
	afterProto := p.next
	if err := p.direction(&q); err != nil {
		return nil, nil, err
	}
	if w := p.peek(); p.take("host", "net", "port", "portrange") {
		q.kind = w
	}
	switch {
	case p.next == start:
		return nil, nil, nil
	case hadProto && p.next == afterProto && (p.atEnd() || isConnective(p.peek())):
		return &q, &node{op: q.proto}, nil
	}
	return &q, nil, nil
}

func isConnective(word string) bool {
	switch word {
	case "and", "&&", "or", "||", ")":
		return true
	}
	return false
}

// direction reads src, dst, or both with "or" or "and" between them.
func (p *filterParser) direction(q *qualifiers) error {
	first := p.peek()
	if !p.take("src", "dst") {
		return nil
	}
	q.dir = source
	second := "dst"
	if first == "dst" {
		q.dir, second = destination, "src"
	}
	if p.next+1 < len(p.words) && p.words[p.next+1].text == second {
		switch {
		case p.take("or", "||"):
			q.dir = either
		case p.take("and", "&&"):
			q.dir = both
		default:
			return nil
		}
		p.next++
	}
	return nil
}

// value reads an address or a port.
func (p *filterParser) value(q *qualifiers) (*node, error) {
	word := p.peek()
	if word == "" || isConnective(word) {
		return nil, p.fail("expected an address, a port or a word like \"host\"")
	}
	n, reason := parseValue(q.kind, word)
	if reason != "" {
		return nil, p.fail(reason)
	}
	p.next++
	n.dir = q.dir
	switch q.proto {
	case opIP, opIP6:
		if n.op == opNet && n.net.Addr().Is6() != (q.proto == opIP6) {
			p.next--
			return nil, p.fail("an address of the other IP version")
		}
		n = join(opAnd, &node{op: q.proto}, n)
	}
	return n, nil
}

// parseValue reads a value of a kind. It returns why not, or "".
func parseValue(kind, word string) (*node, string) {
	switch kind {
	case "port":
		port, ok := parsePort(word)
		if !ok {
			return nil, "not a port number"
		}
		return &node{op: opPort, low: port, high: port}, ""
	case "portrange":
		low, high, found := strings.Cut(word, "-")
		from, ok1 := parsePort(low)
		to, ok2 := parsePort(high)
		if !found || !ok1 || !ok2 {
			return nil, "not a range of ports like 3306-3310"
		}
		return &node{op: opPort, low: min(from, to), high: max(from, to)}, ""
	}
	return parseAddress(kind, word)
}

func parsePort(s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil
}

// parseAddress reads an address, or a network unless kind is host.
func parseAddress(kind, word string) (*node, string) {
	if a, err := netip.ParseAddr(word); err == nil {
		if a.Zone() != "" {
			return nil, "an address with a zone"
		}
		a = a.Unmap()
		return netNode(netip.PrefixFrom(a, a.BitLen())), ""
	}
	if n, err := netip.ParsePrefix(word); err == nil {
		n = unmapPrefix(n)
		switch {
		case kind == "host":
			return nil, "a network, not a host"
		case n != n.Masked():
			return nil, "bits are set behind the network's " + strconv.Itoa(n.Bits())
		}
		return netNode(n), ""
	}
	switch kind {
	case "host":
		return nil, "not an IP address (names are not looked up)"
	case "net":
		return nil, "not a network like 10.0.0.0/8"
	}
	return nil, "not understood"
}
