package tidy

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// ban is something that only some rooms may use. The rows speak of non-test
// code; test packages are free.
type ban struct {
	what  string // import paths, "path/..." with all below; or "package.Name"s
	rooms string // "only" or "not in" and folders; "never"
	why   string
}

// everyClock is what asks the clock or waits for it.
const everyClock = "time.Now time.Since time.Until time.Sleep time.After time.AfterFunc time.Tick time.NewTimer time.NewTicker"

// codecs are the rooms that do no input or output of their own.
const codecs = "classic xproto wire capfile session compare order decode flow"

var bans = []ban{
	{"unsafe", "only target", "every byte here comes from outside: it is read with bounds (target hands a buffer to one system call)"},
	{"reflect", "only packet", "what happens should be seen in the code, and it is slow (packet reads the descriptor of afpacket's ring)"},
	{"C", "never", "one static binary: no cgo"},
	{"encoding/gob", "never", "what is written is specified byte by byte"},
	{"math/rand", "never", "math/rand/v2 has the better generators and no global seed"},

	{"testing testing/...", "only internal/mysqltest internal/netlab", "production code does not know its tests"},
	{"log log/...", "only cmd", "libraries return errors; only cmd logs"},
	{"flag", "only cmd internal", "libraries take options; only cmd reads flags"},
	{"fmt.Print fmt.Printf fmt.Println", "only cmd internal", "libraries return what they have to say; only cmd prints"},
	{"os.Stdout os.Stderr", "only cmd internal", "libraries write to what they are given; only cmd has the process's own"},
	{"os.Getenv os.LookupEnv os.Environ os.Args", "only cmd internal", "libraries take options; only cmd reads the environment"},
	{"os.Exit", "only cmd internal", "libraries return errors; only cmd ends the process"},
	{everyClock, "only packet relay gate replay target feed cmd internal", "time travels as data, set where the bytes came in"},

	{"github.com/gopacket/gopacket/...", "only packet", "packets end at the chunk"},
	{"github.com/go-sql-driver/mysql/...", "only probe internal/mysqltest", "the wire is spoken by our own codec; the driver is for control connections"},
	{"github.com/spf13/cobra/... github.com/spf13/pflag/...", "only cmd", "only cmd reads flags"},
	{"net net/http net/http/...", "not in " + codecs, "codecs and pure rooms do no I/O (net/netip is fine)"},
}

// bans tells whether the row forbids its things to a room.
func (b ban) bans(r room) bool {
	mode, list, _ := strings.Cut(b.rooms, " ")
	in := slices.ContainsFunc(strings.Fields(strings.TrimPrefix(list, "in ")), func(dir string) bool {
		return r.dir == dir || strings.HasPrefix(r.dir, dir+"/")
	})
	switch mode {
	case "only":
		return !in
	case "not":
		return in
	default:
		return true
	}
}

// checkBans checks what a file imports and which names it uses of it.
func (c *checker) checkBans(r room, f goFile) {
	if isTestPackage(r.dir) {
		return
	}
	local := map[string]string{} // the file's own name of an import, and its path
	for _, spec := range f.ast.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == "." {
			c.add(f.name, f.line(spec.Pos()), "import . hides where names come from")
		}
		local[name] = imported
		c.checkUse(r, f, spec.Pos(), imported, matchesImport)
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && local[x.Name] != "" {
				c.checkUse(r, f, s.Pos(), local[x.Name]+"."+s.Sel.Name, matchesName)
			}
		}
		return true
	})
}

func (c *checker) checkUse(r room, f goFile, at token.Pos, used string, matches func(pattern, used string) bool) {
	for _, b := range bans {
		hit := slices.ContainsFunc(strings.Fields(b.what), func(p string) bool { return matches(p, used) })
		if hit && b.bans(r) {
			c.add(f.name, f.line(at), "%s must not use %s (%s): %s", r.dir, used, b.rooms, b.why)
		}
	}
}

// matchesImport tells whether a pattern names an import path.
func matchesImport(pattern, imported string) bool {
	above, all := strings.CutSuffix(pattern, "/...")
	return pattern == imported || all && (imported == above || strings.HasPrefix(imported, above+"/"))
}

// matchesName tells whether a pattern is "package.Name".
func matchesName(pattern, used string) bool { return pattern == used }

// unreachable begins the comment with which a panic says why it never happens.
const unreachable = "// unreachable:"

// checkPanics looks for panics, which no input may reach, and for the built-in
// print functions.
func (c *checker) checkPanics(r room, f goFile) {
	explained := map[int]bool{} // lines with the comment, and the next ones
	for _, group := range f.ast.Comments {
		for _, comment := range group.List {
			if strings.HasPrefix(comment.Text, unreachable) {
				line := f.line(comment.Pos())
				explained[line], explained[line+1] = true, true
			}
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name, ok := call.Fun.(*ast.Ident)
		if !ok {
			return true
		}
		line := f.line(call.Pos())
		switch {
		case name.Name == "print" || name.Name == "println":
			c.add(f.name, line, "%s is for debugging", name.Name)
		case name.Name == "panic" && !explained[line] && !isTestPackage(r.dir):
			c.add(f.name, line, "panic needs a comment %q with the reason why no input reaches it; return an error otherwise", unreachable)
		}
		return true
	})
}
