package tidy

import (
	"bytes"
	"fmt"
	"go/ast"
	"io/fs"
	"slices"
	"strings"
	"text/tabwriter"
)

// What Sizes calls large.
const (
	longestFunctions = 10  // how many are listed
	longFile         = 500 // lines
)

// Sizes returns figures about the repository's non-test Go code, for a reader
// to judge: nothing in them is a rule.
func Sizes(repo fs.FS) (string, error) {
	files, err := read(repo)
	if err != nil {
		return "", err
	}
	packages, err := parse(files)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "package\tfiles\tlines\tfunctions\tmedian\tp90\tlongest\tdocumented\t")
	var all []function
	for _, p := range packages {
		s := measure(p)
		all = append(all, s.functions...)
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t\n", p.dir, len(p.files), s.lines,
			len(s.functions), s.quantile(50), s.quantile(90), s.quantile(100), s.documented())
	}
	if err := table.Flush(); err != nil {
		return "", err
	}
	fmt.Fprintln(&out, "\nlongest functions:")
	slices.SortStableFunc(all, func(a, b function) int { return b.lines - a.lines })
	for _, f := range all[:min(len(all), longestFunctions)] {
		fmt.Fprintf(&out, "%6d  %s  %s\n", f.lines, f.name, f.at)
	}
	fmt.Fprintf(&out, "\nfiles over %d lines:\n", longFile)
	for _, f := range files {
		n := bytes.Count(f.text, []byte("\n"))
		if n > longFile && strings.HasSuffix(f.name, ".go") {
			fmt.Fprintf(&out, "%6d  %s\n", n, f.name)
		}
	}
	return out.String(), nil
}

// size is what is measured of a package.
type size struct {
	lines             int
	functions         []function // by length, shortest first
	exported, missing int
}

type function struct {
	name, at string
	lines    int
}

func measure(p goPackage) size {
	var s size
	for _, f := range p.files {
		s.lines += f.tokens.File(f.ast.Pos()).LineCount()
		for _, d := range f.ast.Decls {
			if d, ok := d.(*ast.FuncDecl); ok {
				first := f.line(d.Pos())
				s.functions = append(s.functions, function{
					name:  d.Name.Name,
					at:    fmt.Sprintf("%s:%d", f.name, first),
					lines: f.line(d.End()) - first + 1,
				})
			}
		}
		for _, e := range exports(f.ast) {
			s.exported++
			if !e.documented {
				s.missing++
			}
		}
	}
	slices.SortFunc(s.functions, func(a, b function) int { return a.lines - b.lines })
	return s
}

// quantile returns the length below which the given share of the functions is.
func (s size) quantile(percent int) int {
	if len(s.functions) == 0 {
		return 0
	}
	return s.functions[(len(s.functions)-1)*percent/100].lines
}

func (s size) documented() string {
	if s.exported == 0 {
		return "-"
	}
	return fmt.Sprintf("%d %%", 100*(s.exported-s.missing)/s.exported)
}
