package tidy

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// badNames are names that say nothing about a package.
var badNames = []string{"util", "utils", "common", "helper", "helpers", "types", "manager", "misc"}

// checkNames checks the package's name and its folder's.
func (c *checker) checkNames(p goPackage) {
	name := p.files[0].ast.Name.Name
	for _, n := range []string{name, path.Base(p.dir)} {
		if slices.Contains(badNames, n) {
			c.add(p.dir, 0, "a package is named for what it does; %q says nothing", n)
			return
		}
	}
}

// checkPackageComment checks that exactly one file has a package comment, and
// how it begins.
func (c *checker) checkPackageComment(p goPackage) {
	var with []goFile
	for _, f := range p.files {
		if f.ast.Doc != nil && strings.TrimSpace(f.ast.Doc.Text()) != "" {
			with = append(with, f)
		}
	}
	name := p.files[0].ast.Name.Name
	if len(with) == 0 {
		c.add(p.dir, 0, "package %s has no package comment", name)
		return
	}
	for _, f := range with[1:] {
		c.add(f.name, f.line(f.ast.Doc.Pos()), "package %s has its package comment in %s already", name, with[0].name)
	}
	begins := []string{"Package " + name + " "}
	if name == "main" {
		command := path.Base(p.dir)
		begins = []string{"Command " + command + " ", strings.ToUpper(command[:1]) + command[1:] + " "}
	}
	doc := with[0].ast.Doc
	for _, b := range begins {
		if strings.HasPrefix(doc.Text(), b) {
			return
		}
	}
	c.add(with[0].name, with[0].line(doc.Pos()), `the package comment begins with "%s"`, strings.Join(begins, `" or "`))
}

// checkDocs checks that every exported name has a comment.
func (c *checker) checkDocs(f goFile) {
	for _, e := range exports(f.ast) {
		if !e.documented {
			c.add(f.name, f.line(e.pos), "%s has no comment: say what it is, its units, when it is valid, who owns the bytes, which error", e.name)
		}
	}
}

// export is an exported name of a file.
type export struct {
	name       string
	pos        token.Pos
	documented bool
}

// exports lists the exported functions, methods of exported types, types,
// constants and variables. A comment of a group counts for all its names.
func exports(f *ast.File) []export {
	var all []export
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if name, ok := exportedFunc(d); ok {
				all = append(all, export{name, d.Pos(), d.Doc != nil})
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				all = append(all, exportedSpec(d, s)...)
			}
		}
	}
	return all
}

// exportedFunc returns the name of an exported function or method, and whether
// it is one. A method of an unexported type is not.
func exportedFunc(d *ast.FuncDecl) (string, bool) {
	if !d.Name.IsExported() {
		return "", false
	}
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name, true
	}
	of := receiver(d.Recv.List[0].Type)
	return of + "." + d.Name.Name, ast.IsExported(of)
}

// receiver returns the name of a receiver's type, without its star and its
// type parameters.
func receiver(t ast.Expr) string {
	for {
		switch e := t.(type) {
		case *ast.StarExpr:
			t = e.X
		case *ast.ParenExpr:
			t = e.X
		case *ast.IndexExpr:
			t = e.X
		case *ast.IndexListExpr:
			t = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

func exportedSpec(d *ast.GenDecl, s ast.Spec) []export {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			return []export{{s.Name.Name, s.Pos(), d.Doc != nil || s.Doc != nil || s.Comment != nil}}
		}
	case *ast.ValueSpec:
		var all []export
		for _, n := range s.Names {
			if n.IsExported() {
				all = append(all, export{n.Name, n.Pos(), d.Doc != nil || s.Doc != nil || s.Comment != nil})
			}
		}
		return all
	}
	return nil
}
