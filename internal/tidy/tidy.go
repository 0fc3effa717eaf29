// Package tidy holds the rules of the house and checks them: which package may
// import which, what only some may use, what every package and file must have.
// The rules are the tables in house.go, bans.go and text.go, each with its
// reason; "go test ./internal/tidy" applies them to the whole repository.
package tidy

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// module is the path of the module whose house this is.
const module = "myreplay"

// Finding is one place that breaks a rule.
type Finding struct {
	File    string // path below the repository's root
	Line    int    // 0: the file or folder as a whole
	Message string // the rule and its reason
}

// String returns the finding as compilers print theirs.
func (f Finding) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Message
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Message)
}

// Check applies all rules to a repository and returns what breaks them, in the
// order of files and lines. An error tells that something could not be read.
func Check(repo fs.FS) ([]Finding, error) {
	files, err := read(repo)
	if err != nil {
		return nil, err
	}
	packages, err := parse(files)
	if err != nil {
		return nil, err
	}
	c := &checker{}
	for _, f := range files {
		c.checkText(f)
	}
	for _, p := range packages {
		c.checkPackage(p)
	}
	slices.SortStableFunc(c.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return c.found, nil
}

// checker collects findings.
type checker struct {
	found []Finding
}

func (c *checker) add(file string, line int, format string, args ...any) {
	c.found = append(c.found, Finding{file, line, fmt.Sprintf(format, args...)})
}

// file is a text file of the repository.
type file struct {
	name   string
	text   []byte
	nested bool // it belongs to another module
}

// skipped names folders that hold nothing of the repository's own.
var skipped = []string{".git", ".cache", "bin", "node_modules", "vendor"}

// read returns the text files of the repository. A file with a NUL byte is not
// text.
func read(repo fs.FS) ([]file, error) {
	var files []file
	var nested []string
	err := fs.WalkDir(repo, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains(skipped, d.Name()) {
				return fs.SkipDir
			}
			if _, err := fs.Stat(repo, path.Join(name, "go.mod")); err == nil && name != "." {
				nested = append(nested, name+"/")
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := fs.ReadFile(repo, name)
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			return err
		}
		inNested := slices.ContainsFunc(nested, func(dir string) bool { return strings.HasPrefix(name, dir) })
		files = append(files, file{name, text, inNested})
		return nil
	})
	return files, err
}

// goPackage is the non-test part of one package.
type goPackage struct {
	dir   string
	files []goFile
}

type goFile struct {
	name   string
	tokens *token.FileSet
	ast    *ast.File
}

func (f goFile) line(at token.Pos) int { return f.tokens.Position(at).Line }

// parse returns the packages of the module in the order of their folders.
func parse(files []file) ([]goPackage, error) {
	byDir := map[string]*goPackage{}
	var dirs []string
	for _, f := range files {
		if f.nested || inTestdata(f.name) || path.Ext(f.name) != ".go" || strings.HasSuffix(f.name, "_test.go") {
			continue
		}
		tokens := token.NewFileSet()
		parsed, err := parser.ParseFile(tokens, f.name, f.text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		dir := path.Dir(f.name)
		if byDir[dir] == nil {
			byDir[dir] = &goPackage{dir: dir}
			dirs = append(dirs, dir)
		}
		byDir[dir].files = append(byDir[dir].files, goFile{f.name, tokens, parsed})
	}
	slices.Sort(dirs)
	packages := make([]goPackage, len(dirs))
	for i, dir := range dirs {
		packages[i] = *byDir[dir]
	}
	return packages, nil
}

func inTestdata(name string) bool {
	return strings.HasPrefix(name, "testdata/") || strings.Contains(name, "/testdata/")
}

func (c *checker) checkPackage(p goPackage) {
	r, ok := roomOf(p.dir)
	if !ok {
		c.add(p.dir, 0, "no row of the house names this package: give it a floor (internal/tidy/house.go)")
	}
	for _, f := range p.files {
		if ok {
			c.checkFloors(r, f)
			c.checkBans(r, f)
		}
		c.checkPanics(r, f)
		c.checkDocs(f)
	}
	c.checkNames(p)
	c.checkPackageComment(p)
}
