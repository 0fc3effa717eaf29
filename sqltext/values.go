package sqltext

import "bytes"

// AppendString appends the value of a String token's text: without its quotes
// and with its escapes resolved.
func AppendString(dst, literal []byte, opt Options) []byte {
	if len(literal) > 0 && literal[0] == '$' {
		return appendDollars(dst, literal)
	}
	if len(literal) > 0 && literal[0]|0x20 == 'n' {
		literal = literal[1:]
	}
	if len(literal) == 0 {
		return dst
	}
	q, body := literal[0], literal[1:]
	var p *pairs
	if int(opt.Charset) < len(pairsOf) {
		p = pairsOf[opt.Charset]
	}
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case p != nil && p.at(body, i):
			dst = append(dst, c, body[i+1])
			i++
		case c == '\\' && !opt.NoBackslashEscapes && i+1 < len(body):
			i++
			dst = appendEscape(dst, body[i])
		case c == q:
			if i+1 >= len(body) || body[i+1] != q {
				return dst
			}
			dst = append(dst, c)
			i++
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendEscape appends what a backslash and c mean.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '0':
		return append(dst, 0)
	case 'b':
		return append(dst, '\b')
	case 'n':
		return append(dst, '\n')
	case 'r':
		return append(dst, '\r')
	case 't':
		return append(dst, '\t')
	case 'Z':
		return append(dst, 0x1a)
	case '%', '_':
		return append(dst, '\\', c)
	}
	return append(dst, c)
}

// appendDollars appends what stands between $tag$ and $tag$.
func appendDollars(dst, literal []byte) []byte {
	n := bytes.IndexByte(literal[1:], '$')
	if n < 0 {
		return append(dst, literal...)
	}
	tag := literal[:n+2]
	return append(dst, bytes.TrimSuffix(literal[len(tag):], tag)...)
}

// AppendName appends the name that the text of an Ident or Quoted token, or of
// a Span of a Statement, stands for: without quotes, doubled quotes made
// single. Case is kept.
func AppendName(dst, name []byte) []byte {
	if len(name) == 0 || name[0] != '`' && name[0] != '"' && name[0] != '\'' {
		return append(dst, name...)
	}
	q := name[0]
	name = name[1:]
	for i := 0; i < len(name); i++ {
		if name[i] == q {
			if i+1 >= len(name) || name[i+1] != q {
				break
			}
			i++
		}
		dst = append(dst, name[i])
	}
	return dst
}
