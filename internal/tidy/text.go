package tidy

import (
	"bytes"
	"regexp"
	"strings"
)

// textRule is something that no text file of the repository may hold.
type textRule struct {
	pattern *regexp.Regexp
	where   string // "everywhere", "not testdata", or "code": neither testdata nor tests
	why     string
}

// The patterns are put together from pieces, so that this file does not hold
// what it looks for.
var textRules = []textRule{
	{pattern(`\b`, `TO`, `DO\b`), "not testdata", "what is left to do goes into an issue, not into the code"},
	{pattern(`\b`, `FIX`, `ME\b`), "not testdata", "what is broken is mended or goes into an issue"},
	{pattern(`\b`, `XX`, `X\b`), "not testdata", "say what is wrong, or mend it"},
	{pattern(`(^|[^\w.$})])/`, `work/`), "everywhere", "a path of one machine means nothing on another"},
	{pattern(`(^|[^\w.$})])/`, `tmp/`), "code", "temporary folders are the system's to choose"},
	{pattern(`\.`, `library/`), "everywhere", "a path of one machine means nothing on another"},
	{pattern(`\bfarm-`, `(bench|studio)\b`), "everywhere", "a tool that a stranger does not have"},
	{pattern(`\bissues `, `(show|say|list|resolve|note)\b`), "everywhere", "a tool that a stranger does not have"},
	{pattern(`\b(deb|snapshot|security)\.`, `debian\.org`), "everywhere", "mirrors are the machine's to choose"},
	{pattern(`\bregistry\.`, `(npmjs|yarnpkg)\b`), "everywhere", "registries are the machine's to choose"},
	{pattern(`\bproxy\.`, `golang\.org`), "everywhere", "registries are the machine's to choose"},
}

func pattern(pieces ...string) *regexp.Regexp {
	return regexp.MustCompile(strings.Join(pieces, ""))
}

// applies tells whether a rule is for the file.
func (r textRule) applies(name string) bool {
	switch r.where {
	case "code":
		return !inTestdata(name) && !strings.HasSuffix(name, "_test.go")
	case "not testdata":
		return !inTestdata(name)
	default:
		return true
	}
}

// checkText checks a file's lines and its end.
func (c *checker) checkText(f file) {
	for _, r := range textRules {
		if !r.applies(f.name) {
			continue
		}
		for _, at := range r.pattern.FindAllIndex(f.text, -1) {
			line := 1 + bytes.Count(f.text[:at[1]], []byte("\n"))
			c.add(f.name, line, "%q: %s", strings.TrimSpace(string(f.text[at[0]:at[1]])), r.why)
		}
	}
	if len(f.text) > 0 && !bytes.HasSuffix(f.text, []byte("\n")) && !inTestdata(f.name) {
		c.add(f.name, 0, "the file does not end with a newline")
	}
}
